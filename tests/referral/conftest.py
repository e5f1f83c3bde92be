"""The town that most tests here tell their story in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.referral.town import REVIEWED, Town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Where refer-a-friend is live."""
    town = Town(tmp_path)
    yield town
    town.close()


@pytest.fixture
def reviewed(tmp_path: Path) -> Iterator[Town]:
    """Where a person looks at what only a browser said."""
    town = Town(tmp_path, REVIEWED)
    yield town
    town.close()

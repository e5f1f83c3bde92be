"""What several tests of storage begin with: a database of their own in PostgreSQL, and an installation with something to move."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodword.core.account import Scope
from tests.running import Server, make_key, run
from tests.storage.moving import HURRIED, messages
from tests.stores import Pool


@pytest.fixture
def url(postgres_pool: Pool) -> Iterator[str]:
    """A database of the test's own."""
    taken = postgres_pool.take()
    yield taken
    postgres_pool.give_back(taken)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with something in most tables, whose indexes are folded in part."""
    data = tmp_path_factory.mktemp("made") / "data"
    key = make_key(data, Scope.ADMIN)
    make_key(data, Scope.SERVER, account="other")
    campaign = run("campaign", "template", "refer-a-friend", "--set", "share.destination=https://shop.example.com/").stdout.encode()
    with Server(data, before=HURRIED) as server:
        asked = {"Authorization": f"Bearer {key}"}
        assert server.request("POST", "/v2/campaigns?publish=true", campaign, asked).status == 200
        for first in range(0, 1_800, 300):
            assert server.post("/v1/batch", {"batch": messages(first, 300)}, key).status == 200
        for friend in ("f1", "f2"):
            properties = {"partner_conversion_id": friend, "cart_value": "49.90", "advocate_partner_user_id": "u1"}
            said = {"type": "track", "event": "conversion", "userId": friend, "messageId": friend, "properties": properties}
            assert server.post("/segment", said, key).status == 200
        assert run("erase", "--user-id", "u5", "--data", str(data)).returncode == 0
    return data


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """It, to do with as a test likes."""
    return shutil.copytree(made, tmp_path / "data")

"""The cluster that the tests of this folder share, one after the other."""

from collections.abc import Iterator

import pytest

from tests.cluster.machines import Cluster, NoCluster
from tests.conftest import MARK


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    try:
        made = Cluster()
    except NoCluster as error:
        pytest.skip(f"{MARK}{error.__doc__}")
    with made:
        yield made

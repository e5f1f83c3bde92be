"""One server for the journeys of a module; each tells its story in an account of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.journey.program import Program
from tests.running import Server, run
from tests.stores import placed

Launch = Callable[..., Program]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Journeys are told on both databases, where their module does not say otherwise."""
    if "town" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "DATABASES", ("sqlite", "postgres"))
        metafunc.parametrize("town", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server, whose data is in order when the stories are over."""
    data = tmp_path_factory.mktemp("town") / "data"
    with placed(request, data):
        with Server(data) as server:
            yield server
        done = run("verify", "--data", str(data))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def launch(town: Server, request: pytest.FixtureRequest) -> Launch:
    """A program in an account of the test's own."""
    name = "".join(each if each.isalnum() else "-" for each in request.node.name).strip("-").lower()

    def begin(campaign: str | None = None) -> Program:
        return Program(town, name[-50:].strip("-"), campaign)

    return begin

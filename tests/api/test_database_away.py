"""The database of a node is away: doors that read answer 503 with `Retry-After`, never 500."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodword.core.account import Scope
from goodword.storage.postgres import CONNECT_S, WAIT_S
from goodword.storage.store import Store
from tests.conftest import MARK
from tests.postgres import NoPostgres, Postgres
from tests.running import Server, make_key, stored_hashes


def started() -> Postgres:
    """A server of its own, to be stopped and killed."""
    try:
        return Postgres()
    except NoPostgres as error:
        pytest.skip(f"{MARK}{error.__doc__}")


@pytest.fixture
def hanging() -> Iterator[Postgres]:
    """A server that goes on at the end, if it was stopped."""
    with started() as postgres:
        yield postgres
        postgres.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A node whose database died, and a key that may read."""
    data: Path = tmp_path_factory.mktemp("away") / "data"
    with started() as postgres, pytest.MonkeyPatch.context() as patch:
        url = postgres.database("one")
        patch.setenv("GOODWORD_DATABASE_URL", url)
        key = make_key(data, Scope.ADMIN)
        with Server(data, env={"GOODWORD_DATABASE_URL": url}) as server:
            postgres.kill()
            yield server, key


@pytest.mark.parametrize("path", ["/v5/persons?person_keys=partner_user_id:u", "/admin/messages", "/f/abcdef?gw=x", "/console/sign-in"])
def test_a_door_that_reads_says_503(node: tuple[Server, str], path: str) -> None:
    server, key = node
    answer = server.get(path, Authorization=f"Bearer {key}", Cookie="goodword_session=" + "a" * 43)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1"), answer


def test_a_database_that_hangs_holds_a_request_up_for_one_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hanging: Postgres) -> None:
    """A server that is stopped keeps its connections open and answers nothing; when it goes on, so does the node."""
    data, url = tmp_path / "data", hanging.database("one")
    monkeypatch.setenv("GOODWORD_DATABASE_URL", url)
    key = make_key(data)
    said = {"type": "track", "event": "conversion", "userId": "u", "messageId": "m"}
    with Server(data, env={"GOODWORD_DATABASE_URL": url}) as server:
        hanging.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        answer = server.post("/v1/track", said, key)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - started < 2 * WAIT_S + CONNECT_S
        hanging.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 30
        while server.post("/v1/track", said, key).status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    with Store(data, url=url) as store:
        assert stored_hashes(store, 1, ["m"]) == {"m": 1}

"""The database of a node is away: doors that read answer 503 with `Retry-After`, never 500.

What else can be wrong with it: `tests/storage/test_database_faults.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from goodword.core.account import Scope
from tests.conftest import MARK
from tests.postgres import NoPostgres, Postgres
from tests.running import Server, make_key


def started() -> Postgres:
    """A server of its own, to be stopped and killed."""
    try:
        return Postgres()
    except NoPostgres as error:
        pytest.skip(f"{MARK}{error.__doc__}")


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


def test_a_share_link_asks_its_visitor_to_wait_and_asks_again_by_itself(node: tuple[Server, str]) -> None:
    server, _ = node
    answer = server.get("/s/some-code", **{"User-Agent": "Mozilla/5.0 (iPhone) Safari"})
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert b'<meta http-equiv="refresh" content="5">' in answer.body
    assert b"Your link is fine" in answer.body


@pytest.mark.parametrize("path", ["/v5/persons?person_keys=partner_user_id:u", "/admin/messages", "/f/abcdef?gw=x", "/console/sign-in"])
def test_a_door_that_reads_says_503(node: tuple[Server, str], path: str) -> None:
    server, key = node
    answer = server.get(path, Authorization=f"Bearer {key}", Cookie="goodword_session=" + "a" * 43)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1"), answer


@pytest.mark.parametrize("path", ["/console/sign-in", "/console/people/7", "/console/people/7/erase"])
def test_a_page_for_people_says_it_as_a_page(node: tuple[Server, str], path: str) -> None:
    answer = node[0].get(path, Cookie="goodword_session=" + "a" * 43)
    assert (answer.status, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert b"The database cannot be used at the moment. Nothing was changed; try again shortly." in answer.body

"""An account's log, read beside a busy neighbour's: the same lines, and not by going through the neighbour's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.engine import Engine
from goodword.storage.query import place
from goodword.storage.query.message import message, messages
from goodword.storage.query.place import places_of
from goodword.storage.query.preview import preview
from goodword.storage.store import Store
from tests.running import received

NOW = 1_750_000_000_000
QUIET, BUSY, SILENT = 2, 1, 3


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A busy account, a silent one, and one whose messages are all in the beginning but for one."""
    monkeypatch.setattr(place, "WINDOW_MIN", 8)
    monkeypatch.setattr(place, "WINDOW", 64)
    monkeypatch.setattr(place, "QUIET", 8)
    with Store(tmp_path / "data") as opened:
        engine = Engine(opened, lambda: NOW)
        engine.execute([c.CreateAccount("quiet"), c.CreateAccount("silent")])
        for start in range(0, 3_000, 500):
            engine.execute([said(number, QUIET if number < 30 or number == 1_500 else BUSY) for number in range(start, start + 500)])
        yield opened


def said(number: int, account: int) -> c.Command:
    message = {
        "type": "track",
        "event": f"E{number % 3}",
        "userId": f"u{number % 7}",
        "messageId": f"m{number}",
        "properties": {"n": number},
    }
    if number % 5 == 0:
        message |= {"event": "conversion", "properties": {"partner_conversion_id": "one"}}
    return received(message, NOW, account)


def everything(store: Store, account: int) -> list[int]:
    return [arrival for (arrival,) in store.database.read("SELECT arrival FROM event WHERE account_id = ? ORDER BY arrival", (account,))]


@pytest.mark.parametrize("account", [QUIET, BUSY, SILENT])
def test_places_are_all_of_the_accounts_in_order_from_any_bound(store: Store, account: int) -> None:
    places = everything(store, account)
    for bound in (-1, 0, 1, 5, 40, 41, 900, 1_503, 2_990, store.last_arrival, store.last_arrival + 1, 1 << 62):
        assert list(places_of(store, account, bound)) == [arrival for arrival in reversed(places) if arrival < bound]
        assert list(places_of(store, account, bound, upwards=True)) == [arrival for arrival in places if arrival > bound]


def test_a_quiet_accounts_log_is_not_looked_for_among_everybodys(store: Store) -> None:
    looked: list[int] = []
    read = store.database.read

    def counted(sql: str, params: Any = ()) -> Any:
        if "FROM event WHERE account_id" in sql:
            looked.append(params[2] - params[1])
        return read(sql, params)

    store.database.read = counted  # type: ignore[method-assign]
    assert [line.profile_id for line in messages(store, QUIET, 40)]
    assert sum(looked) < 300


@pytest.mark.parametrize("verdict", [None, "stored", "duplicate"])
def test_lines_and_pages_of_them(store: Store, verdict: Any) -> None:
    whole = messages(store, QUIET, 100, verdict=verdict)
    places = [line.arrival for line in whole]
    assert places == sorted(places, reverse=True)
    assert len(places) == {None: 31, "stored": 25, "duplicate": 6}[verdict]  # 7 conversions of one order
    assert [line.arrival for line in messages(store, QUIET, 4, verdict=verdict)] == places[:4]
    assert [line.arrival for line in messages(store, QUIET, 4, before=places[3], verdict=verdict)] == places[4:8]
    assert [line.arrival for line in messages(store, QUIET, 4, after=places[5], verdict=verdict)] == places[1:5]
    assert messages(store, SILENT, 4, verdict=verdict) == []


def test_one_line_is_found_by_its_place_and_a_neighbours_is_not(store: Store) -> None:
    place = everything(store, QUIET)[-1]
    found = message(store, QUIET, place)
    assert found is not None
    assert found.arrival == place
    assert message(store, QUIET, place + 1) is None
    assert message(store, BUSY, place) is None


def test_a_preview_looks_at_the_accounts_newest_events(store: Store) -> None:
    seen = preview(store, QUIET, Settings(), 20)
    assert seen.looked_at == 20
    assert sum(name.count for name in seen.names) == 20
    assert preview(store, QUIET, Settings(), 100).looked_at == 31
    assert preview(store, SILENT, Settings(), 100).looked_at == 0

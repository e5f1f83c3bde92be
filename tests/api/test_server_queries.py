"""A person's events by the queries themselves: the same answer whether an event waits in memory or is in its table."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from goodword.core import command as c
from goodword.core.event import Understood, understand
from goodword.core.message import Message, parse
from goodword.core.profile import IdentityKey, ProfileId
from goodword.engine import Engine
from goodword.opening import open_store
from goodword.storage import fold
from goodword.storage.query import event as events
from goodword.storage.query import person as people
from goodword.storage.store import Store

EVERYTHING = events.EventFilter(includes_duplicates=True)


def take(engine: Engine, name: str, number: int, user: str, **more: str) -> None:
    ids = "".join(f',"{key}":"{value}"' for key, value in more.items())
    raw = f'{{"type":"track","event":"{name}","messageId":"m{number}","userId":"{user}","properties":{{"n":{number}}}{ids}}}'.encode()
    message = parse(raw, received_at=engine.clock(), fallback_id="")
    assert isinstance(message, Message)
    understood = understand(message, engine.store.accounts[1].settings)
    assert isinstance(understood, Understood)
    outcome = engine.execute([c.Receive(1, understood)])[0]
    assert outcome.verdict in ("stored", "duplicate")


def numbers(store: Store, user: str, offset: int = 0, limit: int = 10_000) -> list[int]:
    (profile,) = people.find_by_keys(store, 1, [IdentityKey("u" + user)]).values()
    return [event.properties["n"] for event in events.list_of(store, 1, profile, EVERYTHING, offset, limit)]


@pytest.mark.parametrize("waiting_max", [0, 60, 100_000])
def test_events_in_memory_and_in_the_table_are_one_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting_max: int) -> None:
    monkeypatch.setattr(fold, "WAITING_MAX", waiting_max or 1)
    monkeypatch.setattr(events, "CHUNK", 7)
    chance = random.Random(1)
    said: dict[str, list[int]] = {"ann": [], "bob": [], "eve": []}
    store = open_store(tmp_path / "data")
    engine = Engine(store)
    for number in range(150):
        user = chance.choice(list(said))
        said[user].insert(0, number)
        take(engine, "viewed", number, user)
    if not waiting_max:
        assert store.database.read("SELECT count(*) FROM person_event")[0][0] > 100
    for user, expected in said.items():
        assert numbers(store, user) == expected
        assert numbers(store, user, 5, 9) == expected[5:14]
    people_by_key = people.find_by_keys(store, 1, [IdentityKey("u" + user) for user in said])
    ann, bob, eve = (people_by_key[IdentityKey("u" + user)].id for user in said)
    engine.execute([c.Forward(1, ann, bob)])
    engine.execute([c.Forward(1, bob, eve)])
    everything = list(range(149, -1, -1))
    assert numbers(store, "ann") == numbers(store, "eve") == everything
    assert numbers(store, "bob", 100, 30) == everything[100:130]
    assert {profile.id for profile in people.find_many(store, 1, (ann, bob, eve)).values()} == {eve}
    with open_store(tmp_path / "data", readonly=True) as reader:
        assert numbers(reader, "ann") == everything
    store.close()
    with open_store(tmp_path / "data") as again:
        assert numbers(again, "bob") == everything


def test_reader_opened_before_events_were_folded_counts_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path / "data") as store:
        engine = Engine(store)
        for number in range(20):
            take(engine, "viewed", number, "ann")
        with open_store(tmp_path / "data", readonly=True) as reader:
            monkeypatch.setattr(fold, "WAITING_MAX", 1)
            for number in range(20, 80):
                take(engine, "viewed", number, "ann")
            found = numbers(reader, "ann")
            assert found == sorted(set(found), reverse=True)
            assert set(range(20)) <= set(found)


def test_another_accounts_person_is_nobody(tmp_path: Path) -> None:
    """Law 8, in the queries themselves."""
    with open_store(tmp_path / "data") as store:
        engine = Engine(store)
        take(engine, "viewed", 1, "ann")
        (profile,) = people.find_by_keys(store, 1, [IdentityKey("uann")]).values()
        assert people.find(store, 2, profile.id) is None
        assert people.find_by_keys(store, 2, [IdentityKey("uann")]) == {}
        assert events.list_of(store, 2, profile, EVERYTHING, 0, 10) == []
        assert events.id_at(store, 2, 1) is None
        assert events.id_at(store, 1, 1) is not None


def test_numbers_that_no_person_can_have_find_nobody(tmp_path: Path) -> None:
    with open_store(tmp_path / "data") as store:
        assert people.find_many(store, 1, (0, -1, 1, 1 << 63, 1 << 80)) == {}
        assert people.find(store, 1, ProfileId(7)) is None


def test_device_that_moved_has_no_key_and_keeps_its_events(tmp_path: Path) -> None:
    with open_store(tmp_path / "data") as store:
        engine = Engine(store)
        take(engine, "viewed", 1, "ann", anonymousId="tablet")
        take(engine, "viewed", 2, "bob", anonymousId="tablet")
        (ann,) = people.find_by_keys(store, 1, [IdentityKey("uann")]).values()
        assert people.strongest_key(ann) == "uann"
        assert (numbers(store, "ann"), numbers(store, "bob")) == ([1], [2])

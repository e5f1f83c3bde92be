"""Dictionaries that an installation learns: smaller bodies, every body readable for ever, and nothing of one person in them."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from goodword.core.command import Erase
from goodword.core.profile import IdentityKey
from goodword.engine import Engine
from goodword.storage import dictionary
from goodword.storage.backup import copy_database
from goodword.storage.cipher import Unreadable
from goodword.storage.dictionary import Bodies, is_due, learn, mask
from goodword.storage.rows import split_body
from goodword.storage.store import Store
from tests.running import problems, received

FIRST_VERSION = "28b52ffd0000c5000030312d31227d7d05fca15b504720f5331da6a624a0d014d3"
NOW = 1_780_000_000_000
FIRST_NAMES = [f"{a}{b}" for a in ("Bel", "Cor", "Dan", "Eli", "Fen", "Gus") for b in ("inda", "mira", "ovan", "ustra", "wyn", "ella")]


def _secret(chance: random.Random, length: int = 12) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))


def _said(number: int, people: int = 400) -> dict[str, Any]:
    """A message as a shop's page sends it: much is the same for all, some is a person's own."""
    chance, own = random.Random(number), random.Random(10**6 + number % people)
    return {
        "type": "track",
        "event": chance.choice(("Seen", "Added", "Left")),
        "userId": f"customer-{_secret(own)}",
        "messageId": f"m{number}",
        "context": {
            "ip": f"203.0.{own.randint(0, 255)}.{own.randint(0, 255)}",
            "userAgent": chance.choice(("Browser/1 (the one of the many)", "Browser/2 (another of the many)")),
            "page": {"url": f"https://shop.example/summit/edelweiss?visit={_secret(own)}", "title": "Edelweiss of the summit"},
        },
        "properties": {
            "name": own.choice(FIRST_NAMES) + " " + _secret(own, 8).title(),
            "street": f"{_secret(own, 9)} {own.randint(1, 999)}",
            "phone": own.randint(10**9, 10**10),
            "friends": {f"{_secret(own)}@mail.example": own.randint(1, 10**6)},
            "note": f'"quoted" \\ {_secret(own)} \u00fc\u4e16',
        },
    }


def _take(store: Store, numbers: range, people: int = 400) -> None:
    engine = Engine(store, lambda: NOW)
    for start in range(numbers.start, numbers.stop, 500):
        engine.execute([received(_said(n, people), NOW) for n in range(start, min(start + 500, numbers.stop))])


def _bodies(store: Store) -> dict[int, dict[str, Any]]:
    found = {}
    for arrival, number, sealed in store.database.read("SELECT arrival, profile_id, body FROM event ORDER BY arrival"):
        key = store.keys.key(number)
        assert key is not None
        found[arrival] = json.loads(split_body(store.sealer.open_body(key, sealed))[1])
    return found


def _size(store: Store, start: int) -> float:
    ((size,),) = store.database.read("SELECT avg(length(body)) FROM event WHERE arrival > ?", (start,))
    return float(size)


def _work(store: Store) -> None:
    for _ in store.background():
        pass


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionary, "FIRST_AT", 1_000)


def test_bodies_shrink_and_all_of_them_stay_readable(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        _take(store, range(1_000))
        _work(store)
        assert store.sealer.bodies.number == 1
        _take(store, range(1_000, 2_000))
        assert _size(store, 1_000) < 0.8 * _size(store, 0)
        _work(store)
        assert store.sealer.bodies.number == 1, "the next one is not due"
        said = _bodies(store)
        assert list(said.values()) == [_said(n) for n in range(2_000)]
    with Store(tmp_path / "data") as again:
        assert again.sealer.bodies.number == 1
        assert again.learned_at == 1_000
        _take(again, range(2_000, 2_100))
        assert _size(again, 2_000) < 0.8 * _size(again, 0)
        assert len(_bodies(again)) == 2_100
        assert problems(again) == []


def test_a_reader_beside_the_server_and_a_backup_know_the_dictionary(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        _take(store, range(1_000))
        with Store(tmp_path / "data", readonly=True) as reader:
            _work(store)
            _take(store, range(1_000, 1_200))
            assert len(_bodies(reader)) == 1_200
        (tmp_path / "copy").mkdir()
        copy_database(store.directory, tmp_path / "copy" / "goodword.db", lambda *_: None)
        for file in (tmp_path / "data").glob("keys*"):
            shutil.copy(file, tmp_path / "copy")
    with Store(tmp_path / "copy") as copy:
        assert len(_bodies(copy)) == 1_200


def test_law_4_a_dictionary_holds_nothing_that_few_people_have(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        _take(store, range(1_000))
        _work(store)
        learned = dictionary.find(store, 1)
        assert learned is not None
    assert b"Edelweiss of the summit" in learned, "it is worth something"
    for number in range(400):
        said = _said(number)
        properties = said["properties"]
        own = [said["userId"][9:], properties["name"].split()[1], properties["street"].split()[0], str(properties["phone"])]
        own += [said["context"]["page"]["url"][-12:], *(address[:12] for address in properties["friends"]), properties["note"].split()[2]]
        assert [text for text in own if text.encode() in learned] == []
    for file in (tmp_path / "data").iterdir():
        assert b"Edelweiss" not in file.read_bytes(), "and it is stored sealed"


def test_noise_is_as_long_and_of_the_same_kinds() -> None:
    samples = [json.dumps(_said(n)).encode() for n in range(300)]
    masked = [one for some in mask(samples) for one in some]
    assert [len(one) for one in masked] == [len(one) for one in samples]
    assert masked != samples
    rare = [b'{"a":"Zo\xc3\xab-1f \\" x","b":-12.5e3,"c":true,"":""}', b'{"other":"' + bytes(range(128, 256)) + b'"}']
    assert [len(one) for some in mask(rare) for one in some] == [len(one) for one in rare]
    assert b"true" in next(one for some in mask(rare) for one in some)


def test_nothing_is_learned_from_few_people_or_few_messages(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        _take(store, range(500))
        _work(store)
        assert store.learned_at == 0
        _take(store, range(500, 1_000), people=50)
        store.database.write("UPDATE event SET body = x'' WHERE arrival <= 500")
        _work(store)
        assert store.sealer.bodies.number == 0
        assert store.learned_at == 1_000, "asked again when there is eight times as much"
    assert [is_due(1_000, 0), is_due(7_999, 1_000), is_due(8_000, 1_000)] == [True, False, True]


def test_a_dictionary_that_is_no_better_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionary, "SHRINKS_TO", 0.1)
    with Store(tmp_path / "data") as store:
        _take(store, range(1_000))
        _work(store)
        assert store.sealer.bodies.number == 0
        monkeypatch.setattr(dictionary, "SHRINKS_TO", 0.95)
        monkeypatch.setattr(dictionary, "_train", lambda _: [])
        store.learned_at = 0
        _work(store)
        assert store.sealer.bodies.number == 0


def test_a_dictionary_that_cannot_be_stored_is_not_used(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        _take(store, range(1_000))
        store.database.write("CREATE TRIGGER no BEFORE INSERT ON dictionary BEGIN SELECT raise(ABORT, 'full'); END")
        with pytest.raises(Exception, match="full"):
            for _ in learn(store):
                pass
        assert store.sealer.bodies.number == 0
        _take(store, range(1_000, 1_100))
        assert len(_bodies(store)) == 1_100


def test_a_deleted_person_is_not_learned_from(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        _take(store, range(1_000))
        Engine(store, lambda: NOW).execute([Erase(1, (IdentityKey("u" + _said(999)["userId"]),))])
        _work(store)
        assert store.sealer.bodies.number == 1


def test_a_body_of_an_unknown_dictionary_is_unreadable() -> None:
    bodies = Bodies()
    with pytest.raises(Unreadable):
        bodies.unpack(b"\x85abc")


def test_bodies_of_the_first_version_are_read(tmp_path: Path) -> None:
    body = json.dumps(_said(1)).encode()
    bodies = Bodies()
    old = bodies.pack_plainly(body)
    assert old.startswith(b"\x28\xb5\x2f\xfd"), "as they were written"
    assert bodies.unpack(old) == body
    assert bodies.pack(body)[0] == 0x80
    first = bytes.fromhex(FIRST_VERSION)
    assert json.loads(bodies.unpack(first))["event"] == "Order Completed"

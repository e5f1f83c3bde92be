"""Laws 4 and 5: deleted means gone, from every file, and nothing comes back, not from an old backup either.

A well-mixed file is built through the engine: growing documents of several traits, so that pages split and leave old cells in their
gaps. Then hundreds of people are deleted, and every byte of every file is searched for what was said about them. A second search
plays the thief who has today's keys: whatever they still open must not speak of the deleted. GOODWORD_FULL=1 builds 400 k events.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

import apsw
import pytest

from goodword.core import command as c
from goodword.core.account import Scope
from goodword.core.profile import IdentityKey
from goodword.engine import Engine, Unavailable
from goodword.storage import fold
from goodword.storage import rows as sealing
from goodword.storage.dictionary import Bodies
from goodword.storage.rows import split_body
from goodword.storage.store import Store
from tests.running import Server, make_key, problems, received, rows, run

FULL = os.environ.get("GOODWORD_FULL") == "1"
EVENTS = 400_000 if FULL else 60_000
PEOPLE = EVENTS // 20
DELETED = 600 if FULL else 300
GROUP = 400
START_MS = 1_780_000_000_000
STEP_MS = 100
MARK = re.compile(rb"q[0-9a-f]{8}z")


def _secrets(person: int) -> dict[str, str]:
    """Everything that is said about a person, each part findable by a mark that no other person's values hold."""
    mark = f"q{person * 2_654_435_761 % (1 << 32):08x}z"
    return {
        "user": f"usr-{mark}",
        "email": f"mail.{mark}@example.com",
        "device": f"dev-{mark}",
        "street": f"{mark} Rose Lane",
        "name": f"Jane{mark}",
        "note": f"note {mark} said ",
        "order": f"ord-{mark}",
    }


def _message(dice: random.Random, number: int, person: int) -> dict[str, Any]:
    s = _secrets(person)
    said: dict[str, Any] = {"messageId": f"m-{number}-{s['user']}", "anonymousId": s["device"]}
    kind = dice.random()
    if kind < 0.35:
        traits = {"email": s["email"], "firstName": s["name"], "address": {"street": s["street"]}, f"trait_{number % 12}": s["note"] * 3}
        return {**said, "type": "identify", "userId": s["user"], "traits": traits}
    if kind < 0.5:
        properties = {"partner_conversion_id": f"{s['order']}-{number}", "cart_value": 12, "email": s["email"], "ship_to": s["street"]}
        return {**said, "type": "track", "event": "conversion", "userId": s["user"], "properties": properties}
    if kind < 0.6:
        return {**said, "type": "page", "name": "Home", "properties": {"url": f"https://example.com/?u={s['user']}"}}
    return {**said, "type": "track", "event": "seen", "userId": s["user"], "properties": {"what": s["note"], "by": s["name"]}}


def _build(store: Store, events: int, people: Sequence[int], *, seed: int = 1, start: int = START_MS) -> int:
    """Put events about these people through the engine in groups; the time when the last was sent."""
    dice = random.Random(seed)
    now = [start]
    engine = Engine(store, clock=lambda: now[0])
    group: list[c.Command] = []
    for number in range(events):
        now[0] += STEP_MS
        group.append(received(_message(dice, number, dice.choice(people)), now[0]))
        if len(group) == GROUP or number == events - 1:
            engine.execute(group)
            group = []
    return now[0]


def _delete(store: Store, people: Iterable[int], now: int) -> None:
    engine = Engine(store, clock=lambda: now)
    for person in people:
        engine.execute([c.Erase(1, (IdentityKey("u" + _secrets(person)["user"]),), erasure_id=f"e{person}-{now}")])


def _hits(folder: Path, people: Iterable[int]) -> list[tuple[str, str]]:
    """Which files hold, in the clear, anything said about these people. Every value of theirs holds their mark."""
    marks = _marks(people)
    found: list[tuple[str, str]] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_socket():
            found += [(path.name, mark.decode()) for mark in marks & set(MARK.findall(path.read_bytes()))]
    return found


def _marks(people: Iterable[int]) -> set[bytes]:
    return {_secrets(person)["user"][4:].encode() for person in people}


def _opened(store: Store) -> bytes:
    """Everything that today's keys open of a store."""
    parts = []
    for number, doc in store.database.read("SELECT id, doc FROM profile"):
        if (key := store.keys.key(number)) is not None:
            parts.append(repr(store.sealer.open_profile(key, doc)).encode())
    for number, body in store.database.read("SELECT profile_id, body FROM event"):
        if (key := store.keys.key(number)) is not None:
            parts.append(split_body(store.sealer.open_body(key, body))[1])
    return b"\n".join(parts)


def _spoken_of(store: Store, people: Iterable[int]) -> list[int]:
    spoken = set(MARK.findall(_opened(store)))
    return [person for person in people if _secrets(person)["user"][4:].encode() in spoken]


def test_law_4_nothing_readable_of_a_deleted_person_is_left_in_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not FULL:
        monkeypatch.setattr(fold, "WAITING_MAX", 8_000)  # so that the folded tables are there too
    started = time.perf_counter()
    data, backup = tmp_path / "data", tmp_path / "backup"
    people = range(1, PEOPLE)
    gone = random.Random(2).sample(people, DELETED)
    kept = sorted(set(people) - set(gone))[:DELETED]
    with Store(data) as store:
        end = _build(store, EVENTS, people)
        assert len(_spoken_of(store, gone)) == len(_spoken_of(store, kept)) == DELETED, "the search finds who is there"
        numbers = [row[0] for row in store.database.read("SELECT id FROM profile")]
        raw_keys = {number: store.keys.key(number) for number in numbers}
    slots_before = (data / "keys.bin").read_bytes()
    shutil.copytree(data, backup, ignore=shutil.ignore_patterns("keys*"))
    assert run("backup", str(tmp_path / "backup.db"), "--data", str(data)).returncode == 0
    with Store(data) as store:
        _delete(store, gone, end + 1)
        before_checkpoint = [store.keys.key(number) for number in numbers].count(None)
        assert before_checkpoint >= DELETED
        assert _hits(tmp_path, gone) == []
        assert _spoken_of(store, gone) == []
        assert len(_spoken_of(store, kept)) == DELETED
        assert problems(store) == []
        destroyed = [number for number in numbers if store.keys.key(number) is None]
        assert len(destroyed) >= DELETED
    after = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for number in destroyed[::10]:
        raw = raw_keys[number]
        offset = 4096 + (number - 1) * 64
        assert raw is not None
        assert raw not in after, "a data key is in the clear"
        assert slots_before[offset : offset + 60] not in after, "the wrapped key of a deleted person is left"
    with Server(data) as server:
        assert _hits(tmp_path, gone) == []
        assert server.stop() == 0
    assert _hits(tmp_path, gone) == []
    _restore_and_check(tmp_path, gone, kept)
    for folder in (data, tmp_path / "restored"):
        verified = run("verify", "--data", str(folder))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        done = run("export", "events", "--all-messages", "--output", "-", "--data", str(folder))
        assert done.returncode == 0, done.stderr
        exported = set(MARK.findall(done.stdout.encode()))
        assert exported & _marks(gone) == set()
        assert exported >= _marks(kept)
    print(f"\n{EVENTS} events, {DELETED} deleted of {PEOPLE}: {time.perf_counter() - started:.1f} s")


def _restore_and_check(tmp_path: Path, gone: Sequence[int], kept: Sequence[int]) -> None:
    """The backup made before, with today's key store: nobody who was deleted since."""
    restored = tmp_path / "restored"
    shutil.copytree(tmp_path / "backup", restored)
    for file in (tmp_path / "data").glob("keys*"):
        shutil.copy(file, restored / file.name)
    with Store(restored) as store:
        assert _spoken_of(store, gone) == []
        assert len(_spoken_of(store, kept)) == len(kept)
        assert problems(store) == []
        key = store.sealer.hash
        for person in gone:
            secrets = _secrets(person)
            for name in ("u" + secrets["user"], "e" + secrets["email"], "a" + secrets["device"]):
                owned = store.database.read("SELECT profile_id FROM identity WHERE key = ?", (key(1, name),))
                assert owned in ([], [(None,)])
    assert _hits(restored, gone) == []


def test_the_search_finds_what_is_not_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "seal", lambda key, plain, nonce: nonce + plain)
    monkeypatch.setattr(sealing, "unseal", lambda key, sealed: sealed[12:])
    monkeypatch.setattr(Bodies, "pack", lambda bodies, body: body)  # compressed texts would not be found
    people = range(1, 40)
    with Store(tmp_path / "data") as store:
        end = _build(store, 2_000, people)
        _delete(store, range(1, 20), end + 1)
    found = {mark for _, mark in _hits(tmp_path, range(1, 20))}
    assert len(found) == 19


def _replay(data: Path, messages: Sequence[dict[str, Any]], key: str) -> None:
    with Server(data) as server:
        for start in range(0, len(messages), 100):
            answer = server.post("/v1/batch", {"batch": messages[start : start + 100]}, key)
            assert answer.status == 200, answer
        assert server.post("/segment", messages[0], key).status == 200


def test_law_5_nothing_comes_back_on_old_data_either_nor_who_came_after_the_backup(tmp_path: Path) -> None:
    data, old = tmp_path / "data", tmp_path / "old"
    key = make_key(data, Scope.DESTINATION)
    early, late = range(1, 30), range(30, 60)
    dice = random.Random(5)
    messages = []
    for number, person in enumerate([*early, *late] * 10):
        messages.append({**_message(dice, number, person), "timestamp": f"2026-01-0{1 + number % 9}T00:00:00Z"})
    half = [message for message in messages if any(_secrets(person)["device"] == message["anonymousId"] for person in early)]
    _replay(data, half, key)
    shutil.copytree(data, old, ignore=shutil.ignore_patterns("keys*", "*.sock"))
    _replay(data, messages, key)
    gone, kept = [*range(1, 15), *range(30, 45)], [*range(15, 30), *range(45, 60)]
    with Server(data) as server:
        for person in gone:
            shape = {"userId": _secrets(person)["user"]}
            delete = shape if person % 2 else {"type": "delete", "channel": "server", "context": None, **shape, "messageId": f"d{person}"}
            for _ in range(2):
                assert server.post("/segment", delete, key).status == 200
    for file in data.glob("keys*"):
        shutil.copy(file, old / file.name)
    for folder in (data, old):
        for attempt in ("the same", "another id", "an id lost"):
            again = [{**message, **({"messageId": f"{attempt}{i}"} if attempt != "the same" else {})} for i, message in enumerate(messages)]
            if attempt == "an id lost":
                again = [{name: value for name, value in message.items() if name != "messageId"} for message in again]
            _replay(folder, again, key)
        with Store(folder) as store:
            assert _spoken_of(store, gone) == []
            assert _spoken_of(store, kept) == kept
            assert problems(store) == []
        assert _hits(folder, gone) == []
        secrets = _secrets(gone[0])
        newer = {"type": "identify", "messageId": "newer", "userId": secrets["user"], "traits": {"a": secrets["note"]}}
        _replay(folder, [newer], key)
        with Store(folder) as store:
            assert _spoken_of(store, gone) == [gone[0]], "a newer message starts a new profile"
            assert b"Rose Lane" not in _opened_of(store, _secrets(gone[0])["user"])


def _opened_of(store: Store, user: str) -> bytes:
    (number,) = store.database.read("SELECT profile_id FROM identity WHERE key = ?", (store.sealer.hash(1, "u" + user),))[0]
    key = store.keys.key(number)
    assert key is not None
    doc = store.database.read("SELECT doc FROM profile WHERE id = ?", (number,))[0][0]
    bodies = store.database.read("SELECT body FROM event WHERE profile_id = ?", (number,))
    return repr(store.sealer.open_profile(key, doc)).encode() + b"".join(store.sealer.open_body(key, body) for (body,) in bodies)


CRASHES = {
    "before the journal": ("KeyStore.destroy", False),
    "with the journal written, before the slots": ("KeyStore._apply", False),
    "with the slots overwritten": ("KeyStore._apply", True),
    "between destruction and commit": ("KeyStore.destroy", True),
    "at the commit": ("Database.commit", False),
    "after the commit": ("Database.commit", True),
}


@pytest.mark.parametrize("moment", CRASHES)
def test_a_deletion_cut_off_at_any_moment_is_whole_or_not_begun_and_completes(tmp_path: Path, moment: str) -> None:
    place, after = CRASHES[moment]
    data = tmp_path / "data"
    key = make_key(data)
    people = range(1, 20)
    with Store(data) as store:
        _build(store, 400, people)
    user = {"userId": _secrets(3)["user"]}
    crash = f"""
import os
from goodword.core.command import Erase, command_of
from goodword.engine import Engine

from goodword.storage.keys import KeyStore
from goodword.storage.sqlite import Database
execute = Engine._execute
def armed(self, commands):
    global original
    if any(isinstance(command_of(asked), Erase) for asked in commands):
        original = {place}
        def crash(*given, **named):
            if {after}:
                original(*given, **named)
            os._exit(9)
        {place} = crash
    return execute(self, commands)
Engine._execute = armed
"""
    with Server(data, before=crash) as server:
        with pytest.raises((OSError, HTTPException)):
            server.post("/segment", user, key)
        assert server.wait() == 9
    begun = moment not in ("before the journal",)
    with Store(data) as store:
        assert _spoken_of(store, people) == [person for person in people if person != 3 or not begun]
        assert problems(store) == []
    with Server(data) as server:
        assert server.post("/segment", user, key).status == 200
    with Store(data) as store:
        assert _spoken_of(store, people) == [person for person in people if person != 3]
        assert problems(store) == []
        assert store.tombstones_applied == store.keys.journal_len()


def test_a_deletion_whose_commit_failed_is_completed_by_its_retry_or_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = range(1, 20)
    for retried in (True, False):
        data = tmp_path / f"data{retried}"
        with Store(data) as store:
            end = _build(store, 400, people)
            commit = store.database.commit

            def fail() -> None:
                raise apsw.FullError("database or disk is full")

            monkeypatch.setattr(store.database, "commit", fail)
            with pytest.raises(Unavailable):
                _delete(store, [3], end + 1)
            monkeypatch.setattr(store.database, "commit", commit)
            assert _spoken_of(store, [3]) == []
            _delete(store, [3, 4] if retried else [4], end + 2)
            if retried:
                assert problems(store) == []
                assert store.tombstones_applied == store.keys.journal_len()
            _check_gone(store, end)
        with Store(data) as store:
            _check_gone(store, end)


def _check_gone(store: Store, end: int) -> None:
    assert problems(store) == []
    secrets = _secrets(3)
    engine = Engine(store, clock=lambda: end + 10)
    named: list[dict[str, Any]] = [
        {"userId": secrets["user"]},
        {"traits": {"email": secrets["email"]}},
        {"anonymousId": secrets["device"]},
    ]
    for number, said in enumerate(named):
        old = received({"type": "identify", "messageId": f"old{number}{store.last_arrival}", **said}, end)
        assert engine.execute([old])[0].verdict == "dropped"


def test_a_deletion_is_refused_to_a_browser_key_and_deletes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data, Scope.INGEST)
    with Server(data) as server:
        said = {"type": "identify", "userId": "u1", "traits": {"email": "a@example.com"}}
        assert server.post("/v1/identify", said, key).status == 200
        for shape in ({"userId": "u1"}, {"type": "delete", "userId": "u1"}):
            assert server.post("/segment", shape, key).status == 403
        answer = server.post("/v1/batch", {"batch": [{"type": "delete", "userId": "u1"}]}, key)
        assert answer.json["rejected"][0]["code"] == "forbidden"
        assert len(rows(data, "SELECT 1 FROM profile")) == 1

"""The console's users on both databases: kept sealed, found by their address, signed in and out, and what they did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.console import SESSION_LIVES_MS, Session, SignInLink, User
from goodword.engine import Engine, wall_clock_ms
from goodword.storage.query import console as query
from goodword.storage.query import message as log
from goodword.storage.store import Store
from tests.running import received

NOW = wall_clock_ms()
ANN = User("u-1", 1, "ann@example.com", "admin", NOW, "Ann", "hash", "SECRET")
BOB = User("u-2", 1, "bob@example.com", "support", NOW)


@pytest.fixture
def engine(on_both: str, tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(Store(tmp_path))
    engine.execute([c.PutUser(1, ANN), c.PutUser(1, BOB)])
    yield engine
    engine.close()


def session(hash: bytes, user: User = ANN, at: int = NOW) -> Session:
    return Session(hash, user.account, user.id, at, at, "a browser", "192.0.2.1")


def test_users_are_found_as_they_were_put(engine: Engine) -> None:
    store = engine.store
    assert query.users(store, 1) == query.everyone(store) == [ANN, BOB]
    assert query.user_by_email(store, "ann@example.com") == query.user(store, 1, "u-1") == ANN
    assert query.user(store, 2, "u-1") is None
    assert query.user_by_email(store, "nobody@example.com") is None
    renamed = replace(ANN, email="anna@example.com")
    engine.execute([c.PutUser(1, renamed)])
    assert query.user_by_email(store, "ann@example.com") is None
    assert query.user_by_email(store, "anna@example.com") == renamed


def test_two_users_of_one_address_are_refused_also_in_one_group(engine: Engine) -> None:
    twins = [c.PutUser(1, User(f"t-{number}", 1, "t@example.com", "support", NOW)) for number in range(2)]
    assert [outcome.verdict for outcome in engine.execute(twins)] == ["done", "refused"]


def test_a_session_lives_until_it_is_ended(engine: Engine) -> None:
    store = engine.store
    engine.execute([c.SignIn(1, session(b"one")), c.SignIn(1, session(b"two")), c.SignIn(1, session(b"bob", BOB))])
    assert query.session(store, b"one") == (session(b"one"), ANN)
    assert {each.hash for each in query.sessions(store, "u-1")} == {b"one", b"two"}
    engine.execute([c.SeeSession(1, b"two")])
    assert query.sessions(store, "u-1")[0].hash == b"two"
    engine.execute([c.EndSessions(1, "u-1", kept=b"one")])
    assert [each.hash for each in query.sessions(store, "u-1")] == [b"one"]
    engine.execute([c.EndSessions(1, "u-2", b"one")])  # not theirs
    assert query.session(store, b"one") is not None
    engine.execute([c.PutUser(1, replace(ANN, password="other"), kept=b"one")])
    assert query.session(store, b"one") is not None
    engine.execute([c.PutUser(1, replace(BOB, disabled_at=NOW))])
    assert query.session(store, b"bob") is None


def test_sessions_past_their_time_are_removed_when_somebody_signs_in(engine: Engine) -> None:
    engine.execute([c.SignIn(1, session(b"old", at=NOW - SESSION_LIVES_MS - 1)), c.SignIn(1, session(b"new"))])
    assert query.session(engine.store, b"old") is None


def test_a_newer_link_replaces_an_older_one_and_each_works_once(engine: Engine) -> None:
    links = [SignInLink(hash, 1, "u-2", NOW + 3_600_000) for hash in (b"first", b"second")]
    engine.execute([c.PutSignInLink(1, link) for link in links])
    assert query.link(engine.store, b"first") is None
    assert query.link(engine.store, b"second") == links[1]
    come = [c.SignIn(1, session(hash, BOB), link=b"second") for hash in (b"a", b"b")]
    assert [outcome.verdict for outcome in engine.execute(come)] == ["done", "refused"]
    assert [engine.execute([each])[0].code for each in come] == ["link_used", "link_used"]


def test_a_change_and_the_word_of_it_are_one_commit(engine: Engine) -> None:
    settings = Settings(currency="EUR")
    engine.execute([c.Audited(1, c.Configure(1, settings), "u-1", "settings.changed", "x", {"currency": ["USD", "EUR"]})])
    engine.execute([c.Audited(1, c.PutUser(1, replace(ANN, role="support")), "u-1", "user.changed", "u-1")])
    entries = query.audit(engine.store, 1, 10)
    assert [(each.action, each.subject, each.detail) for each in entries] == [("settings.changed", "x", {"currency": ["USD", "EUR"]})]
    assert query.audit(engine.store, 1, 10, before=entries[0].id) == []
    assert query.audit(engine.store, 2, 10) == []


def test_the_log_can_be_narrowed_and_followed(engine: Engine) -> None:
    said = [{"type": "track", "event": name, "messageId": f"m-{number}", "userId": "u"} for number, name in enumerate("abcab")]
    engine.execute([received(each, NOW) for each in said])
    engine.execute([received(said[0], NOW), c.Refuse(1, "r", "track", "code", "why", "door"), c.Refuse(1, "", "", "code", "why", "door")])
    store = engine.store
    assert [line.name for line in log.messages(store, 1, 10, name="a")] == ["a", "a"]
    assert [line.verdict for line in log.messages(store, 1, 10, type="track")] == ["rejected", "duplicate", *["stored"] * 5]
    assert log.messages(store, 1, 10, type="page") == []
    end = store.end_of_log(1)
    assert len(log.messages(store, 1, 10, within=3)) == 3
    assert log.messages(store, 1, 10, name="a", within=3) == []
    assert len(log.messages(store, 1, 10, after=end - 2, within=1)) == 1
    assert log.event_names(store, 1, NOW)[:2] == ["a", "b"]
    assert log.event_names(store, 2, NOW) == []

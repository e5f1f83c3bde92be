"""The console's users: who may be made, who stays, how they come in, and what is written down."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.console import ROLES, SESSION_IDLE_MS, SESSION_LIVES_MS, AuditEntry, Session, SignInLink, User, is_live, may
from goodword.core.decide import decide
from goodword.core.deciding.console import written_down
from goodword.core.decision import Decision, Outcome, SessionSeen, SessionsEnded
from goodword.core.facts import Facts, Lookup, ask
from goodword.core.fresh import IDS_PER_COMMAND, Fresh
from goodword.core.profile import ProfileId
from tests.core.world import NOW

ADMIN = User("u-1", 1, "ann@example.com", "admin", NOW, password="hash")
SECOND = User("u-2", 1, "bob@example.com", "admin", NOW)
FRESH = Fresh(7, ProfileId(1))


def told(command: c.Command, *users: User, links: tuple[SignInLink, ...] = ()) -> Decision:
    facts = Facts(users={user.id: user for user in users}, links={link.hash: link for link in links})
    decision = decide(command, facts, NOW, FRESH)
    facts.lay(decision.records)
    for record in decision.records:
        if isinstance(record, User):
            assert facts.users[record.id] == record
        if isinstance(record, SignInLink):
            assert facts.links[record.hash] == record
    return decision


def session(user: User, hash: bytes = b"new") -> Session:
    return Session(hash, user.account, user.id, NOW, NOW)


def test_a_role_is_enough_where_it_or_a_lower_one_is_needed() -> None:
    assert [(has, needed) for has in ROLES for needed in ROLES if may(has, needed)] == [
        ("support", "support"),
        ("marketer", "support"),
        ("marketer", "marketer"),
        ("admin", "support"),
        ("admin", "marketer"),
        ("admin", "admin"),
    ]


@pytest.mark.parametrize(
    ("created", "seen", "live"),
    [
        (0, 0, True),
        (SESSION_LIVES_MS, 0, False),
        (SESSION_LIVES_MS - 1, 0, True),
        (0, SESSION_IDLE_MS, False),
        (5, SESSION_IDLE_MS - 1, True),
    ],
)
def test_a_session_ends_by_age_and_by_being_left_alone(created: int, seen: int, live: bool) -> None:
    assert is_live(Session(b"", 1, "u", NOW - created, NOW - seen), NOW) is live


def test_what_a_command_about_users_asks_for() -> None:
    wanted: list[tuple[c.Command, bool, set[bytes]]] = [
        (c.PutUser(1, ADMIN), True, set()),
        (c.PutSignInLink(1, SignInLink(b"l", 1, "u-1", NOW)), True, set()),
        (c.SignIn(1, session(ADMIN), link=b"l"), True, {b"l"}),
        (c.SeeSession(1, b"s"), False, set()),
    ]
    for command, users, links in wanted:
        lookup = Lookup()
        ask(command, lookup)
        assert (lookup.users, lookup.links) == (users, links)


def test_a_user_is_made_and_changed_without_being_signed_out() -> None:
    assert told(c.PutUser(1, SECOND), ADMIN).records == [SECOND]
    named = replace(SECOND, name="Bob")
    assert told(c.PutUser(1, named), ADMIN, SECOND).records == [named]


@pytest.mark.parametrize("change", [{"password": "other"}, {"role": "support"}, {"disabled_at": NOW}])
def test_a_change_that_matters_ends_the_users_sessions(change: dict[str, Any]) -> None:
    changed = replace(SECOND, **change)
    assert told(c.PutUser(1, changed, b"mine"), ADMIN, SECOND).records == [changed, SessionsEnded("u-2", kept=b"mine")]


@pytest.mark.parametrize(
    ("user", "code"),
    [
        (replace(SECOND, id="u-3", email=ADMIN.email), "email_taken"),
        (replace(SECOND, account=2), "user_not_found"),
        (replace(ADMIN, role="marketer"), "last_admin"),
        (replace(ADMIN, disabled_at=NOW), "last_admin"),
    ],
)
def test_what_is_refused_about_users(user: User, code: str) -> None:
    locked = replace(SECOND, disabled_at=1)
    assert told(c.PutUser(1, user), ADMIN, locked).outcome.code == code


def test_another_accounts_user_is_not_there() -> None:
    theirs = replace(SECOND, account=2)
    assert told(c.PutUser(1, replace(theirs, account=1)), ADMIN, theirs).outcome.code == "user_not_found"
    assert told(c.PutSignInLink(1, SignInLink(b"l", 1, "u-2", NOW)), theirs).outcome.code == "user_not_found"
    assert told(c.SignIn(1, session(replace(theirs, account=1))), theirs).outcome.code == "user_not_found"
    assert told(c.PutUser(1, replace(ADMIN, role="support")), ADMIN, theirs).outcome.code == "last_admin"
    assert told(c.PutUser(1, replace(ADMIN, role="support")), ADMIN, SECOND).outcome.verdict == "done"


def test_a_link_works_once_and_for_its_time_only() -> None:
    link = SignInLink(b"l", 1, "u-1", NOW + 1)
    assert told(c.PutSignInLink(1, link), ADMIN).records == (link,)
    come = c.SignIn(1, session(ADMIN), link=b"l")
    assert told(come, ADMIN, links=(link,)).records == [replace(link, used_at=NOW), session(ADMIN)]
    for dead in (replace(link, used_at=1), replace(link, expires_at=NOW), replace(link, user_id="u-2")):
        assert told(come, ADMIN, SECOND, links=(dead,)).outcome.code == "link_used"
    assert told(come, ADMIN).outcome.code == "link_used"


def test_who_comes_by_a_link_sets_their_password_on_the_way_in() -> None:
    link = SignInLink(b"l", 1, "u-2", NOW + 1)
    changed = replace(SECOND, password="new")
    done = told(c.SignIn(1, session(SECOND), link=b"l", user=changed), ADMIN, SECOND, links=(link,))
    assert list(done.records) == [replace(link, used_at=NOW), changed, SessionsEnded("u-2"), session(SECOND)]
    taken = c.SignIn(1, session(SECOND), link=b"l", user=replace(changed, email=ADMIN.email))
    assert told(taken, ADMIN, SECOND, links=(link,)).outcome.code == "email_taken"


def test_a_disabled_user_stays_out() -> None:
    locked = replace(SECOND, disabled_at=1)
    assert told(c.SignIn(1, session(SECOND)), ADMIN, locked).outcome.code == "user_not_found"
    assert told(c.PutSignInLink(1, SignInLink(b"l", 1, "u-2", NOW)), ADMIN, locked).outcome.code == "user_not_found"


def test_a_code_of_the_second_factor_counts_once() -> None:
    with_factor = replace(ADMIN, totp="SECRET", totp_used=9)
    assert told(c.SignIn(1, session(ADMIN), totp_step=9), with_factor).outcome.code == "code_used"
    assert told(c.SignIn(1, session(ADMIN), totp_step=10), with_factor).records == [replace(with_factor, totp_used=10), session(ADMIN)]


def test_signing_in_ends_the_session_before() -> None:
    assert told(c.SignIn(1, session(ADMIN), replaces=b"old"), ADMIN).records == [SessionsEnded("u-1", b"old"), session(ADMIN)]


def test_sessions_are_seen_and_ended() -> None:
    assert told(c.SeeSession(1, b"s")).records == (SessionSeen(b"s", NOW),)
    assert told(c.EndSessions(1, "u-1", b"s")).records == (SessionsEnded("u-1", b"s"),)
    assert told(c.EndSessions(1, "u-1", kept=b"k")).records == (SessionsEnded("u-1", None, b"k"),)


def test_who_takes_a_list_is_written_down_and_nothing_else_happens() -> None:
    assert decide(c.Note(1), Facts(), NOW, FRESH) == Decision(Outcome("done"), ())


def test_a_change_is_written_down_with_it_or_not_at_all() -> None:
    said = c.Audited(1, c.SeeSession(1, b"s"), "u-1", "key.created", "k-1", {"scopes": ["ingest"]})
    entry = AuditEntry(1, FRESH.id(IDS_PER_COMMAND - 1), NOW, "u-1", "key.created", "k-1", {"scopes": ["ingest"]})
    done = told(c.SeeSession(1, b"s"))
    assert (c.command_of(said), c.command_of(said.change)) == (said.change, said.change)
    assert written_down(said, done, NOW, FRESH).records == (entry, *done.records)
    assert written_down(said, Decision(Outcome("done")), NOW, FRESH).records == (entry,)
    refused = Decision(Outcome("refused"))
    assert written_down(said, refused, NOW, FRESH) is refused

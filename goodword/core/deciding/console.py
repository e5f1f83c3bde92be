"""Decides about the users of the console: who they are, their sign-in links and sessions, and the audit log."""

from __future__ import annotations

from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.console import AuditEntry, User
from goodword.core.decision import Decision, Outcome, Record, SessionSeen, SessionsEnded
from goodword.core.facts import Facts
from goodword.core.fresh import IDS_PER_COMMAND, Fresh
from goodword.core.times import Millis

ConsoleCommand = c.PutUser | c.PutSignInLink | c.SignIn | c.SeeSession | c.EndSessions


def decide(command: ConsoleCommand, facts: Facts, now: Millis) -> Decision:
    """What a command about the console's users comes to."""
    match command:
        case c.PutUser():
            return _put_user(command.user, command.account, command.kept, facts)
        case c.PutSignInLink():
            return _put_link(command, facts)
        case c.SignIn():
            return _sign_in(command, facts, now)
        case c.SeeSession():
            return Decision(Outcome("done"), (SessionSeen(command.hash, now),))
        case _:
            return Decision(Outcome("done"), (SessionsEnded(command.user_id, command.hash, command.kept),))


def _refused(code: str, reason: str) -> Decision:
    return Decision(Outcome("refused", code=code, reason=reason))


def _put_user(user: User, account: int, kept: bytes, facts: Facts) -> Decision:
    before = facts.users.get(user.id)
    if user.account != account or (before is not None and before.account != account):
        return _refused("user_not_found", "There is no such user.")
    if any(other.email == user.email and other.id != user.id for other in facts.users.values()):
        return _refused("email_taken", "Someone uses this e-mail address already.")
    if before is not None and _is_admin(before) and not _is_admin(user):
        others = (other for other in facts.users.values() if other.account == account and other.id != user.id)
        if not any(_is_admin(other) for other in others):
            return _refused("last_admin", "An account needs an admin. Make someone else admin first.")
    records: list[Record] = [user]
    if before is not None and (user.disabled_at is not None or (before.password, before.role) != (user.password, user.role)):
        records.append(SessionsEnded(user.id, kept=kept))
    return Decision(Outcome("done", value=user.id), records)


def _is_admin(user: User) -> bool:
    return user.role == "admin" and user.disabled_at is None


def _put_link(command: c.PutSignInLink, facts: Facts) -> Decision:
    user = facts.users.get(command.link.user_id)
    if user is None or user.account != command.account or user.disabled_at is not None:
        return _refused("user_not_found", "There is no such user.")
    return Decision(Outcome("done", value=user.id), (command.link,))


def _sign_in(command: c.SignIn, facts: Facts, now: Millis) -> Decision:
    session = command.session
    user = facts.users.get(session.user_id)
    if user is None or user.account != command.account or user.disabled_at is not None:
        return _refused("user_not_found", "There is no such user.")
    records: list[Record] = []
    if command.link:
        link = facts.links.get(command.link)
        if link is None or link.user_id != user.id or link.used_at is not None or link.expires_at <= now:
            return _refused("link_used", "This link was used already, or is too old.")
        records.append(replace(link, used_at=now))
    if command.user is not None:
        saved = _put_user(replace(command.user, id=user.id), command.account, b"", facts)
        if saved.outcome.verdict == "refused":
            return saved
        records.extend(saved.records)
    if command.totp_step:
        if command.totp_step <= user.totp_used:
            return _refused("code_used", "This code was used already. Wait for the next one.")
        records.append(replace(user, totp_used=command.totp_step))
    if command.replaces:
        records.append(SessionsEnded(user.id, command.replaces))
    records.append(session)
    return Decision(Outcome("done", value=user.id), records)


def written_down(asked: c.Audited, decision: Decision, now: Millis, fresh: Fresh) -> Decision:
    """A decision with the audit log's word of it, under the last of the command's own ids; as it is where nothing was done."""
    if decision.outcome.verdict == "refused":
        return decision
    id = fresh.id(IDS_PER_COMMAND - 1)
    entry = AuditEntry(asked.account, id, now, asked.user_id, asked.action, asked.subject, asked.detail)
    return Decision(decision.outcome, (entry, *decision.records))

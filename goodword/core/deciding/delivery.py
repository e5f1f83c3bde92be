"""Endpoints, and what became of deliveries."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.decision import Decision, EndpointSaved, Outcome, Record, Redelivered
from goodword.core.delivery import (
    EVENT_TYPES,
    FAILING_MS_MAX,
    OLD_SECRET_MS,
    RETRIES_MAX,
    RETRY_S_MAX,
    TEST,
    Announcement,
    Endpoint,
    Health,
)
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.times import Millis
from goodword.core.webhook import read_secret

ENDPOINTS_MAX = 32
URL_CHARS_MAX = 2_000
TEXT_CHARS_MAX = 1_000
ENTRIES_MAX = 200
GONE = 410
_NOTED_EVERY_MS = 60_000


def decide(command: c.PutEndpoint | c.TestEndpoint | c.RecordAttempts | c.Redeliver, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    """What the command comes to."""
    match command:
        case c.PutEndpoint():
            return _put(command, facts, now)
        case c.TestEndpoint():
            return _test(command, facts, now, fresh)
        case c.RecordAttempts():
            return _record(command, facts, now)
        case _:
            return Decision(Outcome("done", value=len(command.delivery_ids)), (Redelivered(command.delivery_ids, now),))


def _refused(code: str, reason: str) -> Decision:
    return Decision(Outcome("refused", code=code, reason=reason))


def _put(command: c.PutEndpoint, facts: Facts, now: Millis) -> Decision:
    endpoint, known = command.endpoint, facts.referrals.endpoints
    before = known.get(endpoint.id)
    if command.is_deleted:
        if before is None:
            return _refused("webhook_not_found", "There is no such endpoint.")
        return Decision(Outcome("done", value=endpoint.id), (EndpointSaved(before, is_deleted=True),))
    if before is None and len(known) >= ENDPOINTS_MAX:
        return _refused("too_many_webhooks", f"An account has at most {ENDPOINTS_MAX} endpoints. Remove one that is not needed.")
    found = _problem(endpoint, command.takes_http)
    if found is not None:
        return _refused(*found)
    endpoint = replace(endpoint, created_at=now if before is None else before.created_at, updated_at=now)
    if before is not None and before.secret != endpoint.secret:
        endpoint = replace(endpoint, old_secret=before.secret, old_until=now + OLD_SECRET_MS)
    records: list[Record] = [EndpointSaved(endpoint)]
    if before is not None and not before.is_served and endpoint.is_served:
        health = facts.referrals.health.get(endpoint.id, Health(endpoint.id))
        records.append(replace(health, failing_since=None))
    return Decision(Outcome("done", value=endpoint.id), records)


def _problem(endpoint: Endpoint, takes_http: bool) -> tuple[str, str] | None:
    """What is wrong with an endpoint, as a code and a sentence."""
    url = _url_problem(endpoint.url, takes_http)
    if url is not None:
        return "invalid_url", url
    unknown = [name for name in endpoint.event_types if name not in EVENT_TYPES]
    if unknown:
        return "invalid_event_type", f"There is no event type {unknown[0][:80]!r}. There are: {', '.join(EVENT_TYPES)}."
    lists = (endpoint.event_types, endpoint.states, endpoint.suppliers, endpoint.campaigns, endpoint.tags)
    texts = (endpoint.name, endpoint.description, endpoint.paused_why, *(text for each in lists for text in each))
    if any(len(each) > ENTRIES_MAX for each in lists) or any(len(text) > TEXT_CHARS_MAX for text in texts):
        return "invalid_parameter", f"A list has at most {ENTRIES_MAX} entries, a text {TEXT_CHARS_MAX} characters."
    if len(endpoint.retry_s) > RETRIES_MAX or not all(1 <= wait <= RETRY_S_MAX for wait in endpoint.retry_s):
        return "invalid_retry_intervals", f"Give at most {RETRIES_MAX} waits, each from 1 to {RETRY_S_MAX} seconds."
    return _secret_problem(endpoint)


def _secret_problem(endpoint: Endpoint) -> tuple[str, str] | None:
    if endpoint.kind != "webhook":
        return None if endpoint.secret else ("invalid_secret", "Give the write key of the source at the CDP.")
    if endpoint.signature == "standard":
        if read_secret(endpoint.secret) is None:
            return "invalid_secret", "A secret is whsec_ and 24 to 64 bytes in base64. Leave it out, and one is made."
        return None
    if 16 <= len(endpoint.secret) <= 200:
        return None
    return "invalid_secret", "A secret has 16 to 200 characters. Leave it out, and one is made."


def _url_problem(url: str, takes_http: bool) -> str | None:
    """What is wrong with a URL. http is for hosts on the allow-list alone, which the caller knows."""
    if len(url) > URL_CHARS_MAX or not url.isascii() or any(character <= " " for character in url):
        return f"A URL has at most {URL_CHARS_MAX} characters, ASCII, without spaces."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is not a URL."
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "Give a URL that begins with https:// and names a host."
    if parts.username is not None or parts.fragment:
        return "A URL may hold neither a user and password nor a fragment."
    if parts.scheme == "http" and not takes_http:
        return "Use https. Plain http, and hosts in private networks, only if GOODWORD_WEBHOOK_ALLOW names them, for the server and here."
    return None


def _test(command: c.TestEndpoint, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    endpoint = facts.referrals.endpoints.get(command.endpoint)
    if endpoint is None:
        return _refused("webhook_not_found", "There is no such endpoint.")
    if not endpoint.is_served:
        return _refused("webhook_paused", "The endpoint is paused or disabled. Resume it first: what it is owed is then tried at once.")
    event_id = f"test-{fresh.arrival}"
    said = Announcement(TEST, event_id, now, None, {"message": "A test from Goodword."}, endpoint=endpoint.id)
    return Decision(Outcome("done", value=event_id), (said,))


def _record(command: c.RecordAttempts, facts: Facts, now: Millis) -> Decision:
    """Keep attempts; an endpoint that says it is gone, or fails for days, is paused with what it is owed."""
    records: list[Record] = list(command.attempts)
    known = facts.referrals
    for id in dict.fromkeys(attempt.endpoint for attempt in command.attempts):
        endpoint = known.endpoints.get(id)
        if endpoint is None:
            continue
        before = known.health.get(id, Health(id))
        health, is_gone = before, False
        for attempt in command.attempts:
            if attempt.endpoint != id:
                continue
            is_gone = attempt.status == GONE
            if attempt.state == "delivered":
                health = replace(health, failing_since=None, succeeded_at=attempt.at)
            else:
                health = replace(health, failing_since=health.failing_since or attempt.at, failed_at=attempt.at)
        if _is_news(before, health):
            records.append(health)
        why = "It answered 410 Gone." if is_gone else ""
        if health.failing_since is not None and now - health.failing_since >= FAILING_MS_MAX:
            why = "Nothing but failures for five days."
        if why and endpoint.is_served:
            records.append(EndpointSaved(replace(endpoint, paused_at=now, paused_why=why)))
    return Decision(Outcome("done"), records)


def _is_news(before: Health, after: Health) -> bool:
    """Whether a change is worth a row: times of success and failure are kept to the minute."""
    return (
        before.failing_since != after.failing_since
        or (after.succeeded_at or 0) - (before.succeeded_at or 0) >= _NOTED_EVERY_MS
        or (after.failed_at or 0) - (before.failed_at or 0) >= _NOTED_EVERY_MS
    )

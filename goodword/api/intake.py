"""What the destination and tracking doors share: from a message's bytes to a command, and from an outcome to a result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import uuid_utils
from msgspec.structs import replace

from goodword.api.auth import Keyring, is_browser_key, may
from goodword.api.evidence import Edge
from goodword.api.http import Refusal, Request
from goodword.core import command as c
from goodword.core.account import Key, Right, Settings
from goodword.core.audit import by_key
from goodword.core.campaign import Programs
from goodword.core.decision import Outcome
from goodword.core.event import Understood, id_of, understand
from goodword.core.message import TYPES, Message, Rejection, parse, read_object
from goodword.core.profile import IdentityKey, keys_of, read_email
from goodword.core.referral import Signals
from goodword.core.signal import read_signals
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.storage.query.event import id_at
from goodword.storage.store import Store

RETRY_AFTER = (b"retry-after", b"1")
REFUSED_TEXTS_MAX = 1_000
TURNED_AWAY_MAX = 20
PATH_CHARS_MAX = 60
REFUSED_BYTES_MAX = 4_096
FIELDS = frozenset(
    (
        *("type", "messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name", "category", "channel", "version"),
        *("timestamp", "originalTimestamp", "sentAt", "receivedAt", "context", "integrations", "traits", "properties", "projectId"),
        *("user_id", "anonymous_id", "message_id", "writeKey", "batch", "email"),
    )
)

Found = TypeVar("Found")
Made = TypeVar("Made")


def new_id() -> str:
    """A time-ordered random id."""
    return str(uuid_utils.uuid7())


class Result(msgspec.Struct):
    """What one message of a request came to: an HTTP status for it, and a sentence where it failed."""

    message_id: str
    status: int
    message: str = "ok"
    code: str = ""
    event_id: str | None = None
    profile_id: int | None = None
    index: int = 0


class TurnedAway(msgspec.Struct, frozen=True):
    """A request that no account's log knows of: when it came, where to, and why it was refused. Kept in memory, for whoever is setting
    a source up; nothing of what it carried is."""

    at: int
    path: str
    status: int
    why: str


class Intake:
    """Takes messages for one installation."""

    def __init__(self, engine: Engine, keyring: Keyring) -> None:
        self.engine = engine
        self.keyring = keyring
        self.store: Store = engine.store
        self.rejections: dict[str, int] = {}
        self.visits: dict[str, int] = {}
        self.edge = Edge.of_settings(self.store)
        self.turned_away: deque[TurnedAway] = deque(maxlen=TURNED_AWAY_MAX)
        self._texts: dict[int, deque[tuple[int, bytes]]] = {}
        engine.on_erased.append(self.forget)

    def settings_of(self, key: Key) -> Settings:
        """The settings of a key's account."""
        return self.store.accounts[key.account].settings

    def command(
        self,
        raw: bytes,
        key: Key,
        settings: Settings,
        door: str,
        *,
        now: int,
        type_hint: str = "",
        sent_at: Any = None,
        corrects_skew: bool = False,
        takes_bare_delete: bool = False,
        request: Request | None = None,
    ) -> c.Asked | Rejection | Refusal:
        """One message as a command, or why not. `request` is the one it came with, where a browser may have sent it itself."""
        message = parse(
            raw,
            received_at=now,
            fallback_id="",
            type_hint=type_hint,
            sent_at=sent_at,
            corrects_skew=corrects_skew,
            browser_key=is_browser_key(key),
        )
        if isinstance(message, Rejection):
            if takes_bare_delete and message.code == "missing_type" and (bare := _bare_delete(raw)) is not None:
                return self._erase(id_of(bare["userId"]), None, key)
            return message
        if message.type == "delete":
            return self._erase(message.user_id, read_email((message.traits or {}).get("email")), key)
        if not message.message_id:
            message.message_id = new_id()
        understood = understand(message, settings)
        if isinstance(understood, Rejection):
            return understood
        if (programs := self.store.programs.get(key.account)) is not None:
            understood.signals = self.signals(message, understood, programs, settings, key.account, request)
        return c.Receive(key.account, understood, door)

    def signals(
        self, message: Message, understood: Understood, programs: Programs, settings: Settings, account: int, request: Request | None = None
    ) -> Signals | None:
        """What a message says about referrals, and what is known of the device it came from; None when it says nothing."""
        found = read_signals(message, understood, programs, settings)
        if found is None:
            return None
        signals, device = found
        ip, agent = device.ip, device.agent
        if request is not None and message.from_browser:
            ip = ip or self.edge.address_of(request.peer, request.headers)
            agent = agent or request.headers.get(b"user-agent", b"").decode("latin-1")
        evidence = self.edge.evidence(account, ip=ip, agent=agent, referrer=device.referrer, device=message.anonymous_id or "")
        return replace(signals, evidence=evidence)

    def _erase(self, user_id: str | None, email: str | None, key: Key) -> c.Asked | Rejection | Refusal:
        keys = keys_of(user_id, email, None)
        if not may(key, Right.DELETE):
            return Refusal(403, "forbidden", "This key may not delete. Use a key with the destination scope.")
        if not keys:
            return Rejection("missing_id", "A delete needs a userId.")
        return by_key(key, c.Erase(key.account, keys, erasure_id=new_id()))

    def submit(self, commands: Sequence[c.Asked], reply: Callable[[list[Outcome] | Exception], None]) -> None:
        """Put commands to the engine. Errors: Refusal 503, at once; then `reply` is not called."""
        try:
            self.engine.submit(commands, reply)
        except Overloaded:
            raise Refusal(503, "overloaded", "Too much is waiting at the moment. Try again shortly.", [RETRY_AFTER]) from None

    def take(
        self,
        commands: Sequence[c.Asked | Rejection | Refusal],
        raws: Sequence[bytes],
        key: Key,
        door: str,
        reply: Callable[[list[Result] | Exception], None],
        *,
        with_ids: bool = True,
    ) -> None:
        """Do what can be done of a request's messages, in order; a bad one never fails its neighbours. Errors: Refusal 503.

        Without ids, the results are those of the messages that failed, each with its place in `index`.
        """
        good = [command for command in commands if not isinstance(command, (Rejection, Refusal))]

        def results(outcomes: list[Outcome]) -> list[Result]:
            if not with_ids and len(good) == len(commands):
                return []
            return self._results(commands, raws, key, door, outcomes, with_ids)

        if good:
            self.submit(good, then(reply, results))
        else:
            reply(results([]))

    def _results(
        self,
        commands: Sequence[c.Asked | Rejection | Refusal],
        raws: Sequence[bytes],
        key: Key,
        door: str,
        outcomes: list[Outcome],
        with_ids: bool,
    ) -> list[Result]:
        results: list[Result] = []
        coming = iter(outcomes)
        for index, (command, raw) in enumerate(zip(commands, raws, strict=True)):
            if isinstance(command, Rejection):
                self.refuse(command, raw, key, door)
                results.append(Result(command.message_id, status_of(command), command.reason, command.code, index=index))
            elif isinstance(command, Refusal):
                results.append(Result(_message_id_in(raw), command.status, command.message, command.code, index=index))
            elif with_ids:
                results.append(self._result(next(coming), command, raw))
        return results

    def _result(self, outcome: Outcome, command: c.Asked, raw: bytes) -> Result:
        if type(command) is not c.Receive:
            return Result(_message_id_in(raw), 200)
        message_id = command.understood.message.message_id
        if outcome.verdict == "dropped":
            return Result(message_id, 200)
        return Result(message_id, 200, event_id=self._event_id(outcome, command.account).hex(), profile_id=outcome.profile_id)

    def _event_id(self, outcome: Outcome, account: int) -> bytes:
        """The id of the event an outcome is about: for a duplicate, the original's."""
        if outcome.value:
            return bytes(outcome.value)
        if outcome.message_id:
            return self.store.sealer.hash(account, "m" + outcome.message_id)
        return id_at(self.store, account, outcome.arrival) or b""

    def refuse(self, rejection: Rejection, raw: bytes, key: Key, door: str) -> None:
        """Put a refused message into the message log: its reason and shape on disk, its text in memory only."""
        self.rejections[rejection.code] = self.rejections.get(rejection.code, 0) + 1
        command = refusal(key.account, rejection, raw, door)

        def keep(result: list[Outcome] | Exception) -> None:
            if not isinstance(result, Exception):
                texts = self._texts.setdefault(key.account, deque(maxlen=REFUSED_TEXTS_MAX))
                texts.append((result[0].arrival, raw[:REFUSED_BYTES_MAX]))

        try:
            self.engine.submit([command], keep)
        except Overloaded:
            return

    def text_of(self, account: int, arrival: int) -> bytes | None:
        """The text of a refused message, while this process remembers it."""
        return next((text for number, text in self._texts.get(account, ()) if number == arrival), None)

    def turn_away(self, path: str, status: int, why: str) -> None:
        """Remember a whole request that was refused before any message of it was read."""
        self.turned_away.append(TurnedAway(self.engine.clock(), path[:PATH_CHARS_MAX], status, why))

    def forget(self, account: int, keys: Sequence[IdentityKey]) -> None:
        """Drop the remembered texts that name any of these ids."""
        texts = self._texts.get(account)
        if texts:
            needles = [key[1:].encode() for key in keys]
            kept = [(number, text) for number, text in texts if not any(needle in text for needle in needles)]
            self._texts[account] = deque(kept, maxlen=REFUSED_TEXTS_MAX)


def then(reply: Callable[[Made | Exception], None], make: Callable[[list[Found]], Made]) -> Callable[[list[Found] | Exception], None]:
    """A reply that passes on what `make` makes of what was found, or the error that came or that it raises."""

    def replied(found: list[Found] | Exception) -> None:
        made: Made | Exception
        if isinstance(found, Unavailable):
            made = Refusal(503, "unavailable", "Nothing can be stored at the moment. Try again later.", [RETRY_AFTER])
        elif isinstance(found, Exception):
            made = found
        else:
            try:
                made = make(found)
            except Exception as error:
                made = error
        reply(made)

    return replied


def _message_id_in(raw: bytes) -> str:
    """The message id of a delete, as it was sent."""
    message_id = (read_object(raw.strip()) or {}).get("messageId")
    return message_id if isinstance(message_id, str) else ""


def status_of(rejection: Rejection) -> int:
    """The HTTP status of a rejection at the destination door."""
    return {"unsupported_type": 501, "too_large": 413}.get(rejection.code, 400)


def refusal(account: int, rejection: Rejection, raw: bytes, door: str) -> c.Refuse:
    """A refused message as a command to remember it: why, and its shape."""
    shape = shape_of(raw)
    kind = shape.get("type", "")
    said = msgspec.json.encode(shape).decode()
    return c.Refuse(account, rejection.message_id, kind if kind in TYPES else "", rejection.code, rejection.reason, door, said)


def shape_of(raw: bytes) -> dict[str, str]:
    """The spec's fields in a message and the kind of value each holds: enough to see what is wrong, nothing personal."""
    try:
        found = read_object(raw.lstrip()[: REFUSED_BYTES_MAX * 16])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    kinds = {str: "text", int: "number", float: "number", bool: "boolean", dict: "object", list: "array", type(None): "null"}
    shape = {name if name in FIELDS else "(other)": kinds[type(value)] for name, value in (found or {}).items()}
    kind = (found or {}).get("type")
    if isinstance(kind, str) and kind.lower() in TYPES:
        shape["type"] = kind.lower()
    return shape


def _bare_delete(raw: bytes) -> dict[str, Any] | None:
    """`{"userId": ".."}` with nothing else in it: the destination's own delete shape."""
    found = read_object(raw.strip()) or {}
    return found if set(found) == {"userId"} else None


def key_or_refuse(key: Key | None, was_given: bool) -> Key:
    """The key. Errors: Refusal 401."""
    if key is None:
        reason = "The API key is unknown or revoked." if was_given else "No API key was sent. Send it as the Basic user or as Bearer."
        raise Refusal(401, "unauthorized", reason, [(b"www-authenticate", b'Basic realm="goodword"')])
    return key


def needs(key: Key, right: Right) -> None:
    """Errors: Refusal 403 when the key lacks the right."""
    if not may(key, right):
        raise Refusal(403, "forbidden", f"This key may not {right.value}. Use a key with another scope.")


def key_of(request: Request, keyring: Keyring) -> tuple[Key | None, bool]:
    """The key of the Authorization header, and whether one was given."""
    header = request.headers.get(b"authorization")
    return (keyring.by_header(header), True) if header else (None, False)

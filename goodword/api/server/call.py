"""One call of the server API: whose key it carries, what it asks for, and how its commands are put to the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.datastructures import QueryParams

from goodword.api.auth import Keyring, is_browser_key, may, read_authorization
from goodword.api.http import Request
from goodword.api.intake import RETRY_AFTER, Intake
from goodword.api.openapi import BASIC, BEARER, COOKIE, QUERY_TOKEN, Operation, Parameter
from goodword.api.server.errors import ErrorAnswer, ServerRefusal
from goodword.core import command as c
from goodword.core.account import Key, Right
from goodword.core.audit import by_key
from goodword.core.decision import Outcome
from goodword.core.message import DEPTH_MAX, Rejection, clean_text
from goodword.core.profile import Profile
from goodword.engine import Overloaded, Unavailable
from goodword.storage.query import person as people
from goodword.storage.store import Store

BODY_BYTES_MAX = 256 * 1024
LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000
OFFSET_MAX = 1 << 31
COOKIES = ("access_token", "extole_token")
SECURITY = (BEARER, BASIC, QUERY_TOKEN, COOKIE)

T = TypeVar("T")


class Call(Struct):
    """A request whose key was found and has the right. `path` holds the path's parameters, decoded."""

    intake: Intake
    key: Key
    path: dict[str, str]
    query: QueryParams
    body: bytes = b""
    origin: str = ""
    """What links begin with."""

    @property
    def store(self) -> Store:
        """The store, for queries."""
        return self.intake.store

    @property
    def account(self) -> int:
        """The key's account."""
        return self.key.account

    async def ask(self, command: c.Asked) -> Outcome:
        """Have the engine do it. Errors: ServerRefusal as the decision says, or 503."""
        outcome = (await self.ask_all([command]))[0]
        if outcome.verdict == "refused":
            raise ServerRefusal(outcome.code, outcome.reason)
        return outcome

    async def ask_all(self, commands: Sequence[c.Asked]) -> list[Outcome]:
        """Have the engine do several at once; refused ones are among the outcomes. Errors: ServerRefusal 503."""
        if not commands:
            return []
        try:
            return await self.intake.engine.ask([by_key(self.key, each) for each in commands])
        except Overloaded:
            raise ServerRefusal("overloaded", "Too much is waiting at the moment. Try again shortly.", [RETRY_AFTER]) from None
        except Unavailable:
            raise ServerRefusal("unavailable", "Nothing can be stored at the moment. Try again later.", [RETRY_AFTER]) from None

    def person(self) -> Profile:
        """The person of the path's `person_id`. Errors: ServerRefusal 403 person_not_found."""
        return self.person_of(self.path["person_id"])

    def person_of(self, person_id: object) -> Profile:
        """The person with this id, a text or a number. Errors: ServerRefusal 403 person_not_found."""
        number = read_id(person_id)
        found = people.find(self.store, self.account, number) if number is not None else None
        if found is None:
            raise ServerRefusal("person_not_found", "No person has this id.", person_id=str(person_id)[:100])
        return found

    def values(self, name: str) -> list[str]:
        """A query parameter's values: repeated, or one text with commas."""
        return [part.strip() for value in self.query.getlist(name) for part in value.split(",") if part.strip()]

    def page(self, default: int = LIMIT_DEFAULT) -> tuple[int, int]:
        """Offset and limit. Errors: ServerRefusal 400 invalid_parameter."""
        return self._number("offset", 0, OFFSET_MAX), self._number("limit", default, LIMIT_MAX)

    def _number(self, name: str, default: int, most: int) -> int:
        text = self.query.get(name, "").strip()
        if not text:
            return default
        if not (text.isascii() and text.isdigit()):
            raise ServerRefusal("invalid_parameter", f"{name} must be a whole number of 0 or more.", parameter=name)
        return min(int(text[:20]), most)

    def flag(self, name: str) -> bool | None:
        """A query parameter that is true or false; None when it is absent. Errors: ServerRefusal 400 invalid_parameter."""
        text = self.query.get(name, "").strip().lower()
        if text in ("", "true", "false"):
            return text == "true" if text else None
        raise ServerRefusal("invalid_parameter", f"{name} must be true or false.", parameter=name)

    def read(self, kind: type[T]) -> T:
        """The body as a struct. Errors: ServerRefusal 400."""
        if not self.body.strip():
            raise ServerRefusal("missing_request_body", "The request has no body. Send JSON.")
        return read_json(self.body, kind)


def read_json(body: bytes, kind: type[T]) -> T:
    """JSON as a struct; lone surrogates and a byte order mark are forgiven. Errors: ServerRefusal 400."""
    try:
        found = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ServerRefusal("binding_error", "The body does not have the shape this call takes.", description=str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        cleaned = clean_text(body)
        if isinstance(cleaned, Rejection):
            code = "invalid_json" if cleaned.code in ("invalid_json", "invalid_encoding") else "binding_error"
            raise ServerRefusal(code, cleaned.reason) from None
        try:
            found = msgspec.json.decode(cleaned, type=kind)
        except (msgspec.MsgspecError, RecursionError):
            raise ServerRefusal("binding_error", "The body does not have the shape this call takes.") from None
    return found


def is_too_deep(value: Any) -> bool:
    """Whether decoded JSON is nested deeper than Goodword keeps, found without recursion."""
    level, depth = [value], 0
    while level and depth <= DEPTH_MAX:
        holders = [holder.values() if isinstance(holder, dict) else holder for holder in level if isinstance(holder, (dict, list))]
        level = [inner for holder in holders for inner in holder]
        depth += 1
    return bool(level)


def read_id(value: object) -> int | None:
    """A person's id, as a number or a text of digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def read_text(value: object) -> str | None:
    """An id that a caller may send as a text or a number; None for anything else, or for nothing."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value).strip() or None


def find_key(request: Request, query: QueryParams, keyring: Keyring, right: Right, *, takes_browser_keys: bool) -> Key:
    """The key of a request. Errors: ServerRefusal 403 missing_access_token, 401 invalid_access_token and expired_access_token, 403
    access_denied."""
    header = request.headers.get(b"authorization", b"").strip()
    token = "" if header else query.get("access_token", "") or _cookie(request)
    if not header and not token:
        raise ServerRefusal("missing_access_token", "No access token was sent. Send the key as Authorization: Bearer KEY.")
    key = keyring.by_header(header) if header else keyring.by_secret(token)
    if key is None and keyring.has_expired(token or read_authorization(header) or ""):
        raise ServerRefusal("expired_access_token", "The access token has expired. Make a new one.", [(b"www-authenticate", b"Bearer")])
    if key is None:
        raise ServerRefusal("invalid_access_token", "The access token is unknown or revoked.", [(b"www-authenticate", b"Bearer")])
    if not may(key, right) or (is_browser_key(key) and not takes_browser_keys):
        scope = "admin" if right is Right.MANAGE else "server"
        raise ServerRefusal("access_denied", f"This key may not {right.value} here. Use a key with the {scope} scope.")
    return key


def _cookie(request: Request) -> str:
    try:
        cookies = SimpleCookie(request.headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return ""
    return next((cookies[name].value for name in COOKIES if name in cookies and cookies[name].value), "")


class Download(Struct):
    """An answer that is a file. Its parts are made while it is sent; between two of them others are served."""

    media: str
    name: str
    parts: Iterator[bytes]


Handler = Callable[[Call], Awaitable[Any]]


class Endpoint(Struct, frozen=True):
    """An operation and what serves it."""

    operation: Operation
    handler: Handler
    right: Right
    body_bytes_max: int = BODY_BYTES_MAX


COMMON_ERRORS = {
    400: "`invalid_parameter`, or what the description names.",
    401: "`invalid_access_token`: the key is unknown or revoked. `expired_access_token`: it has ended by itself.",
    403: "`missing_access_token`; `access_denied`: the key lacks the right.",
    404: "`not_found`: no such path.",
    405: "`method_not_allowed`.",
    500: "`internal_error`: a defect of ours, which has been logged.",
    503: "`overloaded` or `unavailable`: nothing was stored; try again after `Retry-After`.",
}
BODY_ERRORS = {
    400: "`missing_request_body`, `invalid_json`, `binding_error`, `invalid_parameter`, or what the description names; "
    "`invalid_encoding`: gzip that cannot be unpacked; `disconnected`: the request ended early.",
    413: "`too_large`: the body is larger than is taken.",
}
PERSON_ERRORS = {403: "`missing_access_token`, `access_denied`; `person_not_found`: nobody has this id, or they were deleted."}
PERSON_ID = {"person_id": "A person's id. Ids of people merged into another find that other person."}


def paged(default: int = LIMIT_DEFAULT) -> tuple[Parameter, Parameter]:
    """The query parameters of a list that is read in pages."""
    limit = {"type": "integer", "minimum": 0, "default": default}
    return (
        Parameter("limit", f"At most this many, {LIMIT_MAX} at the most.", limit),
        Parameter("offset", "Pass over this many first.", {"type": "integer", "minimum": 0, "default": 0}),
    )


PAGE = paged()


def listed(name: str, description: str, items: dict[str, Any] | None = None) -> Parameter:
    """A query parameter that may be repeated, or hold a list with commas."""
    return Parameter(name, description, {"type": "array", "items": items or {"type": "string"}})


def endpoint(
    method: str,
    path: str,
    tag: str,
    summary: str,
    handler: Handler,
    right: Right,
    answer: Any,
    *,
    body: Any = None,
    description: str = "",
    query: Sequence[Parameter] = (),
    path_words: dict[str, str] | None = None,
    body_required: bool = True,
) -> Endpoint:
    """A row of the route table, with what all of its kind share filled in."""
    has_person = "{person_id}" in path
    errors = COMMON_ERRORS | (BODY_ERRORS if body is not None else {}) | (PERSON_ERRORS if has_person else {})
    words = (PERSON_ID if has_person else {}) | (path_words or {})
    operation = Operation(
        method, path, tag, summary, answer, body, description, query, words, errors, ErrorAnswer, SECURITY, is_body_required=body_required
    )
    return Endpoint(operation, handler, right)

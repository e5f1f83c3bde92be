"""Refusals in the server API's shape: which code has which status, and the body that says so."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from goodword.api.http import JSON, Headers, Refusal, encode
from goodword.api.intake import new_id

STATUS = {
    "access_denied": 403,
    "audience_not_found": 400,
    "binding_error": 400,
    "data_already_exists": 400,
    "data_not_found": 400,
    "disconnected": 400,
    "event_blocked": 400,
    "forward_to_profile_is_device": 400,
    "forward_to_self": 400,
    "forwarding_profile_is_device": 400,
    "identity_key_value_already_taken": 400,
    "internal_error": 500,
    "invalid_access_token": 401,
    "invalid_block_reason": 400,
    "invalid_encoding": 400,
    "invalid_event_time_format": 400,
    "invalid_json": 400,
    "invalid_key_value": 400,
    "invalid_parameter": 400,
    "invalid_value": 400,
    "membership_not_found": 400,
    "method_not_allowed": 405,
    "missing_access_token": 403,
    "missing_audience_id": 400,
    "missing_event_name": 400,
    "missing_request_body": 400,
    "not_found": 404,
    "overloaded": 503,
    "person_not_found": 403,
    "person_not_identified": 400,
    "person_suppressed": 400,
    "read_only_name": 400,
    "too_large": 413,
    "too_much_data": 400,
    "unavailable": 503,
}


class ErrorAnswer(Struct):
    """A refusal. Programs look at `code`; `message` says to a person what is wrong; `unique_id` names this one answer."""

    unique_id: str
    http_status_code: int
    code: str
    message: str
    parameters: dict[str, Any] = field(default_factory=dict)


class ServerRefusal(Refusal):
    """A refusal with details for programs."""

    def __init__(self, code: str, message: str, headers: Headers | None = None, **parameters: Any) -> None:
        super().__init__(STATUS[code], code, message, headers)
        self.parameters = parameters


def body_of(refusal: Refusal) -> bytes:
    """The JSON of a refusal."""
    parameters = refusal.parameters if isinstance(refusal, ServerRefusal) else {}
    return encode(ErrorAnswer(new_id(), refusal.status, refusal.code, refusal.message, parameters))


def headers_of(refusal: Refusal) -> Headers:
    """The headers of a refusal."""
    return [JSON, (b"cache-control", b"no-store"), *refusal.headers]


def places_of(error: BaseException) -> list[str]:
    """Where a defect showed, `file:line` outermost first: what a log may hold of it, for its message may name a person."""
    return [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]

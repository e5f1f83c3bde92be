"""Refusals in the server API's shape: which code has which status, and the body that says so."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from goodword.api.http import JSON, Headers, Refusal, encode
from goodword.api.intake import new_id

STATUS = {
    "ADVOCATE_CODE_MISSING": 400,
    "ADVOCATE_CODE_NOT_FOUND": 400,
    "CHANNEL_MISSING": 400,
    "INVALID_MESSAGE_LENGTH": 400,
    "INVALID_RECIPIENTS": 400,
    "INVALID_RECIPIENT_SIZE": 400,
    "INVALID_SHARE_MESSAGE_CHARACTERS": 400,
    "INVALID_SHARE_MESSAGE_LINK": 400,
    "INVALID_SUBJECT_LENGTH": 400,
    "RECIPIENTS_MISSING": 400,
    "access_denied": 403,
    "audience_not_found": 400,
    "binding_error": 400,
    "block_not_found": 400,
    "blocked_content_url": 403,
    "campaign_id_taken": 400,
    "campaign_invalid": 400,
    "campaign_limit": 400,
    "campaign_not_found": 404,
    "campaign_program_fixed": 400,
    "campaign_state_invalid": 400,
    "campaign_stopped": 409,
    "campaign_version_not_found": 404,
    "code_contains_reserved_word": 403,
    "code_illegal_character": 403,
    "code_out_of_range": 403,
    "code_taken": 403,
    "content_description_length_exceeded": 403,
    "content_image_url_invalid": 403,
    "content_url_length_out_of_range": 400,
    "data_already_exists": 400,
    "data_attribute_name_invalid": 403,
    "data_attribute_name_length_out_of_range": 403,
    "data_attribute_value_invalid": 403,
    "data_attribute_value_length_out_of_range": 403,
    "data_not_found": 400,
    "data_values_invalid": 400,
    "delivery_not_found": 404,
    "disconnected": 400,
    "event_blocked": 400,
    "expired_access_token": 401,
    "expired_reward_expiration_date_clearing_not_allowed": 400,
    "expired_state_unreachable": 400,
    "forward_to_profile_is_device": 400,
    "forward_to_self": 400,
    "forwarding_profile_is_device": 400,
    "future_expiration_date_not_allowed_for_expired_reward": 400,
    "identity_key_value_already_taken": 400,
    "internal_error": 500,
    "invalid_access_token": 401,
    "invalid_block_reason": 400,
    "invalid_client_id": 400,
    "invalid_content_url": 403,
    "invalid_credentials": 403,
    "invalid_duration": 400,
    "invalid_encoding": 400,
    "invalid_event_time_format": 400,
    "invalid_event_type": 400,
    "invalid_json": 400,
    "invalid_key_value": 400,
    "invalid_parameter": 400,
    "invalid_retry_intervals": 400,
    "invalid_reward_supplier": 400,
    "invalid_secret": 400,
    "invalid_url": 400,
    "invalid_value": 400,
    "label_is_missing": 403,
    "label_name_contains_illegal_character": 403,
    "label_name_length_out_of_range": 403,
    "max_fetch_size_1000": 400,
    "membership_not_found": 400,
    "method_not_allowed": 405,
    "missing_access_token": 403,
    "missing_audience_id": 400,
    "missing_event_name": 400,
    "missing_name": 400,
    "missing_note": 400,
    "missing_request_body": 400,
    "not_found": 404,
    "overloaded": 503,
    "partner_ids_invalid": 400,
    "period_count_invalid": 400,
    "period_not_supported": 400,
    "person_not_found": 403,
    "person_not_identified": 400,
    "person_not_rewardable": 403,
    "person_suppressed": 400,
    "read_only_name": 400,
    "report_expired": 400,
    "report_format_not_supported": 400,
    "report_not_cancelable": 400,
    "report_not_found": 404,
    "report_type_not_found": 400,
    "review_not_found": 404,
    "reward_expiration_before_reward_creation_not_allowed": 400,
    "reward_illegal_state_transition": 400,
    "reward_in_not_retryable_state": 400,
    "reward_not_found": 400,
    "reward_not_promised": 400,
    "reward_state_invalid": 400,
    "reward_supplier_id_taken": 400,
    "reward_supplier_not_found": 403,
    "reward_supplier_type_fixed": 400,
    "reward_type_not_supported": 400,
    "sandbox_not_found": 400,
    "scopes_denied": 403,
    "share_not_found": 400,
    "shareable_key_taken": 403,
    "shareable_not_found": 403,
    "time_interval_invalid": 400,
    "too_large": 413,
    "too_many_webhooks": 400,
    "too_much_data": 400,
    "unavailable": 503,
    "webhook_not_found": 404,
    "webhook_paused": 400,
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

"""What moves a reward, by the server API: commands of people, and what the brand's own system says of a custom reward."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from goodword.api.server.call import Call, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.api.server.reward_shape import MISSING, REWARD, WORDS, RewardAnswer, named, shown
from goodword.api.server.supplier import suppliers_of
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.reward import RewardState, Role, read_value
from goodword.storage.query import reward as rewards

CUSTOM = "/v2/rewards/custom-reward/{reward_id}"


class MessageRequest(Struct):
    """Why, for the record."""

    message: str | None = ""


class FulfilledRequest(Struct):
    """What the brand's system gave. `success` false: it tried, and will again."""

    message: str | None = ""
    partner_reward_id: str | None = None
    cost_code: str | None = None
    face_value: float | str | None = None
    face_value_type: str | None = None
    success: bool | None = True


class SentRequest(Struct):
    """To whom it was sent, and under which id. `success` false: it was tried."""

    message: str | None = ""
    email: str | None = None
    partner_reward_sent_id: str | None = None
    success: bool | None = True


class FulfilledAndSentRequest(Struct):
    """What was given, and to whom it was sent."""

    message: str | None = ""
    partner_reward_id: str | None = None
    cost_code: str | None = None
    face_value: float | str | None = None
    face_value_type: str | None = None
    email: str | None = None
    partner_reward_sent_id: str | None = None


class RedeemedRequest(Struct):
    """How it was used."""

    message: str | None = ""
    partner_reward_redeem_id: str | None = None
    partner_event_id: str | None = None


class GrantRequest(Struct):
    """A reward by hand: one the campaign promises, by its name; or of a supplier, with a value. A note says why."""

    person_id: str | int
    note: str
    campaign_id: str = ""
    name: str = ""
    reward_supplier_id: str = ""
    face_value: float | str | None = None
    face_value_type: str = ""
    role: Role = "participant"
    related_person_id: str | int | None = None
    by: str = ""


async def _move(
    call: Call, states: tuple[RewardState, ...], message: str | None, detail: dict[str, Any] | None = None, *, is_success: bool = True
) -> RewardAnswer:
    reward = named(call).reward
    said = (message or "")[:2_000]
    await call.ask(c.MoveReward(call.account, reward.id, states, said, call.key.name, detail or {}, is_success))
    return shown(call, named(call))


def _message(call: Call) -> str | None:
    return call.read(MessageRequest).message if call.body.strip() else ""


async def cancel(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/{reward_id}/cancel`."""
    return await _move(call, ("CANCELED",), _message(call))


async def revoke(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/{reward_id}/revoke`."""
    return await _move(call, ("REVOKED",), _message(call))


async def expire(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/{reward_id}/expire`."""
    return await _move(call, ("EXPIRED",), _message(call))


async def retry(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/{reward_id}/retry`."""
    return await _move(call, ("EARNED",), "Tried again.")


def _worth(face_value: float | str | None, unit: str | None, usual: str) -> dict[str, Any]:
    if face_value is None:
        return {}
    unit = unit or usual
    value = read_value(str(face_value), unit)
    if value is None:
        raise ServerRefusal("invalid_value", "face_value must be a number of 0 or more.")
    return {"value": value, "unit": unit}


async def fulfilled(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/custom-reward/{reward_id}/fulfilled`."""
    said = call.read(FulfilledRequest)
    worth = _worth(said.face_value, said.face_value_type, named(call).reward.unit)
    ids = {"partner_reward_id": said.partner_reward_id, "cost_code": said.cost_code}
    return await _move(call, ("FULFILLED",), said.message, {**ids, **worth}, is_success=said.success is not False)


async def sent(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/custom-reward/{reward_id}/sent`."""
    said = call.read(SentRequest)
    ids = {"email": said.email, "partner_reward_sent_id": said.partner_reward_sent_id}
    return await _move(call, ("SENT",), said.message, ids, is_success=said.success is not False)


async def fulfilled_and_sent(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/custom-reward/{reward_id}/fulfilled_and_sent`."""
    said = call.read(FulfilledAndSentRequest)
    worth = _worth(said.face_value, said.face_value_type, named(call).reward.unit)
    detail = {
        "partner_reward_id": said.partner_reward_id,
        "cost_code": said.cost_code,
        "email": said.email,
        "partner_reward_sent_id": said.partner_reward_sent_id,
        **worth,
    }
    return await _move(call, ("FULFILLED", "SENT"), said.message, detail)


async def redeemed(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/custom-reward/{reward_id}/redeemed`."""
    said = call.read(RedeemedRequest)
    ids = {"partner_reward_redeem_id": said.partner_reward_redeem_id, "partner_event_id": said.partner_event_id}
    return await _move(call, ("REDEEMED",), said.message, ids)


async def failed(call: Call) -> RewardAnswer:
    """`POST /v2/rewards/custom-reward/{reward_id}/failed`."""
    return await _move(call, ("FAILED",), _message(call))


async def grant(call: Call) -> RewardAnswer:
    """`POST /v2/rewards`: a make-good."""
    said = call.read(GrantRequest)
    person = call.person_of(said.person_id)
    other = call.person_of(said.related_person_id).id if said.related_person_id is not None else None
    supplier = suppliers_of(call).get(said.reward_supplier_id)
    usual = (supplier.face_value_type if supplier is not None else "") or "POINTS"
    worth = _worth(said.face_value, said.face_value_type, usual)
    command = c.GrantReward(
        call.account,
        person.id,
        said.by or call.key.name,
        said.note,
        said.campaign_id,
        said.name,
        said.reward_supplier_id,
        worth.get("value"),
        worth.get("unit", said.face_value_type),
        said.role,
        other,
    )
    outcome = await call.ask(command)
    found = rewards.find(call.store, call.account, int(outcome.value))
    if found is None:
        raise ServerRefusal("reward_not_found", "There is no reward with this id.")
    return shown(call, found)


_ILLEGAL = "`reward_not_found`; `reward_illegal_state_transition`: the reward's state does not allow it."


def _command(path: str, summary: str, handler: Any, body: Any, description: str = _ILLEGAL, base: str = REWARD) -> Endpoint:
    return endpoint(
        "POST",
        f"{base}/{path}",
        "Rewards",
        summary,
        handler,
        Right.READ,
        RewardAnswer,
        body=body,
        description=description,
        path_words=WORDS,
    )


_REPEATED = " Said again with the same partner's id, it changes nothing. " + _ILLEGAL


ENDPOINTS: list[Endpoint] = [
    endpoint(
        "POST", "/v2/rewards", "Rewards", "Give a reward by hand", grant, Right.READ, RewardAnswer, body=GrantRequest,
        description="`missing_note`: say why; `reward_supplier_not_found`, `campaign_not_found`, `campaign_stopped`, `reward_not_promised`,"
        " `invalid_value`; `person_not_rewardable`: the person is blocked. Limits and budgets count it and do not stop it.",
    ),
    _command("cancel", "Cancel a reward that was not fulfilled", cancel, MessageRequest),
    _command("revoke", "Revoke a reward that was fulfilled", revoke, MessageRequest),
    _command("expire", "End a reward as expired", expire, MessageRequest),
    endpoint(
        "POST", REWARD + "/retry", "Rewards", "Try a failed reward again", retry, Right.READ, RewardAnswer, path_words=WORDS,
        description="`reward_in_not_retryable_state`: only what FAILED is tried again. " + MISSING,
    ),
    _command(
        "fulfilled", "The brand's system fulfilled it", fulfilled, FulfilledRequest,
        "`reward_type_not_supported`: of a custom supplier only; `reward_state_invalid`: it is not due yet; `invalid_value`." + _REPEATED,
        CUSTOM,
    ),
    _command("sent", "It was sent", sent, SentRequest, "It may be sent again, under another id." + _REPEATED, CUSTOM),
    _command(
        "fulfilled_and_sent", "The brand's system fulfilled and sent it", fulfilled_and_sent, FulfilledAndSentRequest,
        "Two moves in one." + _REPEATED, CUSTOM,
    ),
    _command("redeemed", "It was used", redeemed, RedeemedRequest, "Final, but for revoking." + _REPEATED, CUSTOM),
    _command("failed", "The brand's system could not give it", failed, MessageRequest, _ILLEGAL, CUSTOM),
]  # fmt: skip

"""A reward's histories by the server API: every move is a row, and every attempt that failed."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from goodword.api.server.call import Call, Endpoint, endpoint
from goodword.api.server.reward_shape import MISSING, REWARD, WORDS, named, partner_id_of
from goodword.core.account import Right
from goodword.core.reward import RewardState, Transition, write_value
from goodword.core.times import write_time
from goodword.storage.query import reward as rewards
from goodword.storage.query.reward import StoredReward


class StateAnswer(Struct):
    """A move of a reward, or an attempt at one that failed."""

    reward_id: str
    state_type: RewardState
    success: bool
    message: str
    operator_user_id: str
    created_at: str


class FulfillmentAnswer(Struct):
    """A fulfilment, or an attempt at one."""

    reward_id: str
    amount: float | None
    cost_code: str | None
    partner_reward_id: str | None
    success: bool
    message: str
    operator_user_id: str
    face_value: float
    face_value_type: str
    created_at: str


class SendAnswer(Struct):
    """A reward sent, or an attempt at it."""

    reward_id: str
    email: str | None
    partner_reward_sent_id: str | None
    success: bool
    message: str
    operator_user_id: str
    created_at: str


class RedeemAnswer(Struct):
    """A reward used."""

    reward_id: str
    partner_reward_redeem_id: str | None
    partner_event_id: str | None
    event_name: str | None
    cause_event_id: str | None
    message: str
    operator_user_id: str
    created_at: str


class MoveAnswer(Struct):
    """A reward that was canceled, revoked, or failed or expired."""

    reward_id: str
    message: str
    operator_user_id: str
    created_at: str


def _moves(call: Call, *states: RewardState) -> tuple[StoredReward, list[Transition]]:
    found = named(call)
    moves = rewards.history(call.store, call.account, found.reward)
    return found, [move for move in moves if not states or move.after in states]


async def history(call: Call) -> list[StateAnswer]:
    """`GET /v2/rewards/{reward_id}/history`: oldest first."""
    found, moves = _moves(call)
    number = str(found.reward.id)
    return [StateAnswer(number, move.after, move.is_success, move.message, move.by, write_time(move.at)) for move in moves]


async def fulfillments(call: Call) -> list[FulfillmentAnswer]:
    """`GET /v2/rewards/{reward_id}/fulfillments`."""
    found, moves = _moves(call, "FULFILLED")
    reward = found.reward
    worth = write_value(reward.value, reward.unit)
    return [
        FulfillmentAnswer(
            str(reward.id),
            worth if move.is_success else None,
            move.detail.get("cost_code"),
            partner_id_of(found) if move.is_success else None,
            move.is_success,
            move.message,
            move.by,
            worth,
            reward.unit,
            write_time(move.at),
        )
        for move in moves
    ]


async def sends(call: Call) -> list[SendAnswer]:
    """`GET /v2/rewards/{reward_id}/sends`."""
    found, moves = _moves(call, "SENT")
    return [
        SendAnswer(
            str(found.reward.id),
            move.detail.get("email"),
            move.detail.get("partner_reward_sent_id"),
            move.is_success,
            move.message,
            move.by,
            write_time(move.at),
        )
        for move in moves
    ]


async def redeems(call: Call) -> list[RedeemAnswer]:
    """`GET /v2/rewards/{reward_id}/redeems`."""
    found, moves = _moves(call, "REDEEMED")
    number, events = str(found.reward.id), rewards.causes_of(call.store, call.account, (move.cause for move in moves))
    return [
        RedeemAnswer(
            number,
            move.detail.get("partner_reward_redeem_id"),
            move.detail.get("partner_event_id"),
            move.detail.get("event_name"),
            events[move.cause][0] if move.cause in events else None,
            move.message,
            move.by,
            write_time(move.at),
        )
        for move in moves
    ]


async def cancels(call: Call) -> list[MoveAnswer]:
    """`GET /v2/rewards/{reward_id}/cancels`."""
    return _simple(call, "CANCELED")


async def revokes(call: Call) -> list[MoveAnswer]:
    """`GET /v2/rewards/{reward_id}/revokes`."""
    return _simple(call, "REVOKED")


async def fails(call: Call) -> list[MoveAnswer]:
    """`GET /v2/rewards/{reward_id}/fails`."""
    return _simple(call, "FAILED")


async def expirations(call: Call) -> list[MoveAnswer]:
    """`GET /v2/rewards/{reward_id}/expirations`."""
    return _simple(call, "EXPIRED")


def _simple(call: Call, state: RewardState) -> list[MoveAnswer]:
    found, moves = _moves(call, state)
    return [MoveAnswer(str(found.reward.id), move.message, move.by, write_time(move.at)) for move in moves]


def _history(path: str, summary: str, handler: Any, answer: Any) -> Endpoint:
    return endpoint("GET", f"{REWARD}/{path}", "Rewards", summary, handler, Right.READ, answer, description=MISSING, path_words=WORDS)


ENDPOINTS: list[Endpoint] = [
    _history("history", "Every move and failed attempt, oldest first", history, list[StateAnswer]),
    _history("fulfillments", "When it was fulfilled", fulfillments, list[FulfillmentAnswer]),
    _history("sends", "When it was sent", sends, list[SendAnswer]),
    _history("redeems", "When it was used", redeems, list[RedeemAnswer]),
    _history("cancels", "When it was canceled", cancels, list[MoveAnswer]),
    _history("revokes", "When it was revoked", revokes, list[MoveAnswer]),
    _history("fails", "When it failed", fails, list[MoveAnswer]),
    _history("expirations", "When it expired", expirations, list[MoveAnswer]),
]

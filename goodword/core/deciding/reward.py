"""Rewards moved by people and by time; suppliers and their coupons."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.decision import Decision, Outcome, Record
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.fulfilment import Moving, advance, withdraw
from goodword.core.hearing import rejudged
from goodword.core.reward import (
    COUPONS_PER_COMMAND,
    DAY_MS,
    LEDGER,
    UNITS,
    CouponMoved,
    CouponsAdded,
    CouponUpload,
    Reward,
    RewardState,
    Supplier,
    SupplierSaved,
    follows,
    read_value,
    valued,
    why_not_a_code,
)
from goodword.core.reward_rule import value_of
from goodword.core.supplier import is_unit, why_not_a_supplier, why_not_of
from goodword.core.times import Millis

_COUPON_ID_BITS = 20
NOTE_CHARS_MAX = 2_000

FIRST_PLACE = 16
"""Of the command's own ids: those before are for the reward that is tended."""

RewardCommand = c.PutSupplier | c.AddCoupons | c.RemoveCoupons | c.MoveReward | c.GrantReward | c.TendReward | c.SetRewardExpiry


def decide(command: RewardCommand, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    """What the command comes to."""
    match command:
        case c.PutSupplier(supplier=supplier):
            return _put_supplier(supplier, facts, now)
        case c.AddCoupons():
            return _add_coupons(command, facts, now, fresh)
        case c.RemoveCoupons():
            return _remove_coupons(command, facts, now)
        case c.GrantReward():
            return _grant(command, facts, now, fresh)
        case c.TendReward(reward_id=reward_id):
            reward = facts.referrals.rewards.get(reward_id)
            return _done(_tend(reward, facts, now, fresh), reward_id) if reward is not None else _done([], reward_id)
        case _:
            reward = facts.referrals.rewards.get(command.reward_id)
            if reward is None:
                return _refused("reward_not_found", "There is no reward with this id.")
            if isinstance(command, c.MoveReward):
                return _move(command, reward, facts, now, fresh)
            return _set_expiry(command, reward, facts, now)


def _refused(code: str, reason: str) -> Decision:
    return Decision(Outcome("refused", code=code, reason=reason))


def _done(records: list[Record], value: Any) -> Decision:
    return Decision(Outcome("done", value=value), records)


def _put_supplier(supplier: Supplier, facts: Facts, now: Millis) -> Decision:
    known = facts.referrals.suppliers.get(supplier.id)
    if known is not None and known.type != supplier.type:
        return _refused("reward_supplier_type_fixed", f"The supplier is a {known.type} and stays one: rewards were given by it.")
    if (why := why_not_a_supplier(supplier)) is not None:
        return _refused("invalid_reward_supplier", f"The supplier is not right: {why}.")
    records: list[Record] = [SupplierSaved(supplier, now)] if known != supplier else []
    return _done(records, supplier.id)


def _pool(name: str, facts: Facts) -> Supplier | Decision:
    supplier = facts.referrals.suppliers.get(name)
    if supplier is None:
        return _refused("reward_supplier_not_found", "There is no supplier with this id.")
    if supplier.type != "COUPON_POOL":
        return _refused("reward_type_not_supported", "Only a supplier of type COUPON_POOL has coupons.")
    return supplier


def _add_coupons(command: c.AddCoupons, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    """Outcome: how many were added, and which places were refused, each with why. A code is the same in any case."""
    pool = _pool(command.supplier, facts)
    if isinstance(pool, Decision):
        return pool
    if len(command.codes) > COUPONS_PER_COMMAND:
        return _refused("invalid_value", f"At most {COUPONS_PER_COMMAND} codes at a time.")
    held = facts.referrals.pool_codes.get(pool.id, {})
    added: dict[str, str] = {}
    refused: list[tuple[int, str]] = []
    for place, code in enumerate(command.codes):
        folded = code.casefold()
        why = why_not_a_code(code) or ("the pool has it already" if folded in held or folded in added else None)
        if why is None:
            added[folded] = code
        else:
            refused.append((place, why))
    records: list[Record] = []
    if added:
        records.append(CouponsAdded(fresh.arrival << _COUPON_ID_BITS, pool.id, command.upload_id, tuple(added.values())))
    records.append(CouponUpload(command.upload_id, pool.id, now, "ADD", len(added), len(refused) + command.refused, command.by))
    return _done(records, {"added": len(added), "refused": refused})


def _remove_coupons(command: c.RemoveCoupons, facts: Facts, now: Millis) -> Decision:
    """Outcome: how many were removed, and which places were refused. Without codes as many as one command takes: ask until it is 0."""
    pool = _pool(command.supplier, facts)
    if isinstance(pool, Decision):
        return pool
    if len(command.codes) > COUPONS_PER_COMMAND:
        return _refused("invalid_value", f"At most {COUPONS_PER_COMMAND} codes at a time.")
    refused: list[tuple[int, str]] = []
    numbers: dict[int, None] = {}
    if not command.codes:
        numbers = dict.fromkeys(number for number, _ in facts.referrals.free.get(pool.id, [])[:COUPONS_PER_COMMAND])
    held = facts.referrals.pool_codes.get(pool.id, {})
    for place, code in enumerate(command.codes):
        number, reward = held.get(code.casefold(), (None, None))
        if number is None:
            refused.append((place, "the pool does not have it"))
        elif reward is not None:
            refused.append((place, "it was handed out already"))
        else:
            numbers[number] = None
    records: list[Record] = [CouponMoved(number, pool.id, None, is_removed=True) for number in numbers]
    if records or refused:
        records.append(CouponUpload(command.upload_id, pool.id, now, "DELETE", len(numbers), len(refused), command.by))
    return _done(records, {"removed": len(numbers), "refused": refused})


def _move(command: c.MoveReward, reward: Reward, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    moving = Moving(reward, facts, now, fresh, 0)
    detail = {name: value for name, value in command.detail.items() if value not in (None, "")}
    if len(command.states) > 1 and command.states[-1] == reward.state and all(_is_same(reward, state, detail) for state in command.states):
        return _done([], reward.id)
    for state in command.states:
        current = moving.reward
        if not command.is_success:
            if current.is_gone:
                return _illegal(current, state)
            moving.attempt(command.message, after=state, by=command.by, detail=detail)
            continue
        if current.state == state and _is_repeat(current, state, detail):
            continue
        refusal = _why_not(moving, state)
        if refusal is not None:
            return refusal
        if "unit" in detail and not is_unit(str(detail["unit"])):
            return _refused("invalid_value", f"A value is of a currency, or of {', '.join(sorted(UNITS))}.")
        _go(moving, state, command, detail)
    return _done(moving.done() if moving.records else [], reward.id)


_PARTNER_IDS = {"FULFILLED": "partner_reward_id", "SENT": "partner_reward_sent_id", "REDEEMED": "partner_reward_redeem_id"}


def _is_repeat(reward: Reward, state: RewardState, detail: dict[str, Any]) -> bool:
    """The move a reward is at, said again. It may be sent again, under another id or none; and EARNED is no move but a retry."""
    if state == "SENT" and detail.get(_PARTNER_IDS[state]) is None:
        return False
    return state != "EARNED" and _is_same(reward, state, detail)


def _is_same(reward: Reward, state: RewardState, detail: dict[str, Any]) -> bool:
    """Whether a move carries the id of the partner's that the reward has of that move, or none."""
    name = _PARTNER_IDS.get(state, "")
    said = detail.get(name)
    return said is None or said == reward.secret.get(name)


def _illegal(reward: Reward, state: RewardState) -> Decision:
    return _refused("reward_illegal_state_transition", f"A reward that is {reward.state} cannot become {state}.")


def _why_not(moving: Moving, state: RewardState) -> Decision | None:
    """Why a reward may not go to a state now; None where it may."""
    reward, supplier = moving.reward, moving.supplier
    if state == "EARNED":
        return (
            None if reward.state == "FAILED" else _refused("reward_in_not_retryable_state", "Only a reward that FAILED can be tried again.")
        )
    resent = state == "SENT" == reward.state
    if not resent and not follows(supplier, reward.state, state):
        return _illegal(reward, state)
    kind = supplier.type if supplier is not None else "CUSTOM_REWARD"
    if (state == "FULFILLED" and kind != "CUSTOM_REWARD") or (state == "FAILED" and kind in LEDGER):
        return _refused("reward_type_not_supported", "Goodword fulfils the rewards of this supplier itself.")
    if state in ("FULFILLED", "FAILED") and reward.waiting in ("pending", "review"):
        return _refused("reward_state_invalid", f"The reward is not due yet: it waits ({reward.waiting}).")
    return None


def _go(moving: Moving, state: RewardState, command: c.MoveReward, detail: dict[str, Any]) -> None:
    reward = moving.reward
    changes: dict[str, Any] = {}
    kept = ("partner_reward_id", "partner_reward_sent_id", "partner_reward_redeem_id", "cost_code")
    if learned := {name: detail[name] for name in kept if name in detail}:
        changes["secret"] = {**reward.secret, **learned}
    if state == "FULFILLED" and isinstance(detail.get("value"), int) and isinstance(detail.get("unit"), str):
        moving.revalue(detail["value"], detail["unit"])
    if state in ("CANCELED", "REVOKED", "EXPIRED"):
        changes["is_final"] = True
    moving.move(state, command.message, by=command.by, detail=detail, **changes)
    if state == "EARNED":
        moving.fulfil()


def _tend(reward: Reward, facts: Facts, now: Millis, fresh: Fresh) -> list[Record]:
    moving = Moving(reward, facts, now, fresh, 0)
    if reward.is_gone or reward.state == "REDEEMED":
        return []
    if reward.state in ("EARNED", "FAILED") and facts.profile(reward.profile_id) is None:
        return withdraw(reward, facts, now, fresh, 0, "The recipient was deleted.", is_final=True)
    if reward.expires_at is not None and reward.expires_at <= now:
        return _expire(moving)
    is_due = reward.state == "EARNED" and (reward.due_at <= now if reward.due_at is not None else not reward.waiting)
    if is_due and reward.waiting == "supplier" and moving.supplier is not None and moving.supplier.type == "CUSTOM_REWARD":
        moving.say_overdue()
        return moving.done()
    campaign = facts.referrals.campaigns.get(reward.campaign)
    if (is_due or reward.state == "FAILED") and campaign is not None and not campaign.gives_at(now):
        return withdraw(reward, facts, now, fresh, 0, "The campaign was stopped before it was given.", is_final=True)
    if is_due and reward.waiting == "pending":
        judged = _judge_again(reward, facts, now, fresh)
        is_settled = any(isinstance(each, Reward) and each.id == reward.id for each in judged)
        return judged if is_settled else [*judged, *_release(moving)]
    if is_due:
        return _release(moving)
    if reward.state == "FAILED" and _can_be_tried(moving):
        moving.move("EARNED", "It can be fulfilled now.")
        moving.fulfil()
        return moving.done()
    return []


def _judge_again(reward: Reward, facts: Facts, now: Millis, fresh: Fresh) -> list[Record]:
    """What the wait was for is decided by the judge, who may have learned more since. An Nth or a manual reward is not the judge's."""
    friend = facts.profile(reward.journey_id)
    return rejudged(friend, facts, now, fresh, FIRST_PLACE) if friend is not None and reward.cause else []


def _expire(moving: Moving) -> list[Record]:
    """It is past its time. One that FAILED was never had: it is canceled. A supplier may know no EXPIRED: then the date goes."""
    reward = moving.reward
    if reward.state == "FAILED":
        moving.move("CANCELED", "It expired before it could be fulfilled.", is_final=True)
    elif follows(moving.supplier, reward.state, "EXPIRED"):
        moving.move("EXPIRED", "It was not used in time.", is_final=True)
    else:
        return [replace(reward, expires_at=None)]
    return moving.done()


def _release(moving: Moving) -> list[Record]:
    """What it waited for is over. Someone who was blocked meanwhile gets nothing."""
    reward = moving.reward
    profile = moving.facts.profile(reward.profile_id)
    if profile is not None and profile.block is not None and profile.block.type != "NONE":
        moving.move("CANCELED", "The recipient is blocked.", is_final=True)
        return moving.done()
    ready = replace(reward, waiting="", due_at=None, updated_at=moving.now)
    return advance(ready, moving.facts, moving.now, moving.fresh, moving.place, is_new=False)


def _can_be_tried(moving: Moving) -> bool:
    """Whether what failed for want of stock or of a supplier would succeed now. What a person or a partner said failed is theirs."""
    reward, supplier = moving.reward, moving.supplier
    if supplier is None or not supplier.enabled or supplier.type == "CUSTOM_REWARD" or reward.secret.get("code"):
        return False
    return supplier.type != "COUPON_POOL" or bool(moving.facts.referrals.free.get(supplier.id))


def _set_expiry(command: c.SetRewardExpiry, reward: Reward, facts: Facts, now: Millis) -> Decision:
    at = command.expires_at
    if reward.state == "EXPIRED" and at is None:
        return _refused("expired_reward_expiration_date_clearing_not_allowed", "The reward has expired; its date stays.")
    if reward.state == "EXPIRED" and at is not None and at > now:
        return _refused("future_expiration_date_not_allowed_for_expired_reward", "The reward has expired and does not come back.")
    if at is not None and at < reward.created_at:
        return _refused("reward_expiration_before_reward_creation_not_allowed", "A reward cannot expire before it was created.")
    supplier = facts.referrals.suppliers.get(reward.supplier)
    if at is not None and reward.state not in ("EXPIRED", "FAILED") and not follows(supplier, reward.state, "EXPIRED"):
        return _refused("expired_state_unreachable", f"A reward that is {reward.state} cannot expire.")
    return _done([replace(reward, expires_at=at, updated_at=now)], reward.id)


def _grant(command: c.GrantReward, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    profile = facts.profile(command.profile_id)
    if profile is None:
        return _refused("person_not_found", "No person has this id.")
    if not command.by.strip() or not command.note.strip() or len(command.note) > NOTE_CHARS_MAX:
        return _refused("missing_note", f"A reward by hand needs a name and a note of at most {NOTE_CHARS_MAX} characters.")
    if profile.block is not None and profile.block.type != "NONE":
        return _refused("person_not_rewardable", "The person is blocked.")
    promised = _promised(command, facts, now)
    if isinstance(promised, Decision):
        return promised
    supplier, worth, program, version, expires_days = promised
    reward = Reward(
        fresh.id(0),
        profile.id,
        profile.id,
        command.campaign,
        version,
        program,
        command.name or "manual",
        command.role,
        supplier.id,
        "EARNED",
        worth[1],
        worth[0],
        0,
        now,
        now,
        other_id=command.other_id,
        expires_at=now + expires_days * DAY_MS if expires_days else None,
        secret={"note": command.note, "by": command.by},
    )
    return _done(advance(reward, facts, now, fresh, 1, is_new=True), reward.id)


def _promised(command: c.GrantReward, facts: Facts, now: Millis) -> tuple[Supplier, tuple[int, str], str, int, int | None] | Decision:
    """Supplier, value and terms of a reward by hand: as the command says, else as the campaign's reward of the name does."""
    known = facts.referrals
    name, worth = command.supplier, None
    program, version, expires_days = "", 0, None
    if command.campaign:
        campaign = known.campaigns.get(command.campaign)
        if campaign is None:
            return _refused("campaign_not_found", "There is no campaign with this id.")
        if not campaign.gives_at(now):
            return _refused("campaign_stopped", f"The campaign is {campaign.state_at(now)}; it gives no more rewards.")
        version = campaign.version_at(now) or campaign.latest
        program = campaign.program
        terms = next((each for each in campaign.documents[version].rewards if each.name == command.name), None)
        if terms is None:
            return _refused("reward_not_promised", "The campaign promises no reward of this name.")
        name, expires_days = name or terms.supplier, terms.expires_days
        worth = value_of(valued(terms, known.suppliers.get(name)), None, None)
    supplier = known.suppliers.get(name)
    if supplier is None:
        return _refused("reward_supplier_not_found", "There is no supplier with this id.")
    if command.value is not None:
        worth = (command.value, command.unit or supplier.face_value_type or "POINTS")
    elif worth is None and (face := read_value(supplier.face_value, supplier.face_value_type)) is not None:
        worth = (face, supplier.face_value_type)
    if worth is None or worth[0] < 0:
        return _refused("invalid_value", "Say what the reward is worth: a value of 0 or more, and its unit.")
    if (why := why_not_of(supplier, worth[1])) is not None:
        return _refused("invalid_value", why)
    return supplier, worth, program, version, expires_days

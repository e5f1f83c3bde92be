"""Rewards in the server API's shapes, and how a call says which rewards it means."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from goodword.api.server.call import LIMIT_MAX, Call, read_id
from goodword.api.server.errors import ServerRefusal
from goodword.api.server.supplier import suppliers_of
from goodword.core.money import write_money
from goodword.core.reward import STATES, TYPE_ON_THE_WIRE, RewardState, write_value
from goodword.core.times import write_time
from goodword.storage.query import person as people
from goodword.storage.query import reward as rewards
from goodword.storage.query.reward import StoredReward

CONTAINER, SANDBOX = "production", "production-production"
REWARD = "/v2/rewards/{reward_id}"
WORDS = {"reward_id": "A reward's id."}
MISSING = "`reward_not_found`."


class RewardAnswer(Struct):
    """A reward. `action_id` is its campaign's id and its name there. `partner_reward_id` is the coupon's code, or the partner's own id."""

    reward_id: str
    person_id: str
    partner_user_id: str | None
    email: str | None
    state: RewardState
    reward_supplier_id: str
    partner_reward_supplier_id: str | None
    partner_reward_id: str | None
    partner_reward_key_type: Literal["COUPON", "ID", "LINK"]
    face_value: float
    face_value_type: str
    campaign_id: str
    container: str
    sandbox: str
    journey_name: str
    journey_key: dict[str, str]
    action_id: str
    root_event_id: str
    cause_event_id: str
    data: dict[str, str]
    created_at: str
    expires_at: str | None


class RewardData(Struct):
    """A named value of a reward."""

    name: str
    value: Any


class PersonRewardAnswer(Struct):
    """A reward of a person."""

    id: str
    name: str
    program: str
    campaign_id: str
    state: RewardState
    reward_supplier_id: str
    partner_reward_supplier_id: str | None
    partner_reward_id: str | None
    face_value: float
    face_value_type: str
    value_of_rewarded_event: float | None
    container: str
    sandbox: str
    journey_name: str
    journey_key: dict[str, str]
    data: dict[str, RewardData]
    tags: list[str]
    earned_date: str
    created_date: str
    updated_date: str
    redeemed_date: str | None
    expiry_date: str | None


def data_of(found: StoredReward) -> dict[str, str]:
    reward = found.reward
    data = {"name": reward.name, "program": reward.program, "rewardee_role": reward.role, "journey_name": reward.role.upper()}
    if found.amount is not None and found.currency:
        data["earned_event_value"] = write_money(found.amount, found.currency)
    if reward.waiting:
        data["waiting"] = reward.waiting
    if reward.due_at is not None:
        data["due_at"] = write_time(reward.due_at)
    if reward.nth:
        data["nth"] = str(reward.nth)
    if reward.version:
        data["campaign_version"] = str(reward.version)
    return data


def partner_id_of(found: StoredReward) -> str | None:
    secret = found.reward.secret
    said = secret.get("partner_reward_id") or secret.get("code")
    return str(said) if said else None


def shown(call: Call, found: StoredReward) -> RewardAnswer:
    """A reward in the API's shape."""
    reward, person = found.reward, found.person
    supplier = suppliers_of(call).get(reward.supplier)
    is_coupon = supplier is not None and TYPE_ON_THE_WIRE[supplier.type] == "MANUAL_COUPON"
    return RewardAnswer(
        reward_id=str(reward.id),
        person_id=str(person.id if person is not None else reward.profile_id),
        partner_user_id=person.user_id if person is not None else None,
        email=person.email if person is not None else None,
        state=reward.state,
        reward_supplier_id=reward.supplier,
        partner_reward_supplier_id=(supplier.partner_reward_supplier_id or None) if supplier is not None else None,
        partner_reward_id=partner_id_of(found),
        partner_reward_key_type="COUPON" if is_coupon else "ID",
        face_value=write_value(reward.value, reward.unit),
        face_value_type=reward.unit,
        campaign_id=reward.campaign,
        container=CONTAINER,
        sandbox=SANDBOX,
        journey_name=reward.role.upper(),
        journey_key={},
        action_id=f"{reward.campaign}:{reward.name}",
        root_event_id=found.event_id,
        cause_event_id=found.event_id,
        data=data_of(found),
        created_at=write_time(reward.created_at),
        expires_at=write_time(reward.expires_at) if reward.expires_at is not None else None,
    )


def shown_of_person(call: Call, found: StoredReward) -> PersonRewardAnswer:
    reward = found.reward
    supplier = suppliers_of(call).get(reward.supplier)
    redeemed = None
    if reward.state == "REDEEMED":
        redeemed = next((move.at for move in reversed(rewards.history(call.store, call.account, reward)) if move.after == "REDEEMED"), None)
    has_value = found.amount is not None and found.currency is not None
    return PersonRewardAnswer(
        id=str(reward.id),
        name=reward.name,
        program=reward.program,
        campaign_id=reward.campaign,
        state=reward.state,
        reward_supplier_id=reward.supplier,
        partner_reward_supplier_id=(supplier.partner_reward_supplier_id or None) if supplier is not None else None,
        partner_reward_id=partner_id_of(found),
        face_value=write_value(reward.value, reward.unit),
        face_value_type=reward.unit,
        value_of_rewarded_event=write_value(found.amount or 0, found.currency or "") if has_value else None,
        container=CONTAINER,
        sandbox=SANDBOX,
        journey_name=reward.role.upper(),
        journey_key={},
        data={name: RewardData(name, value) for name, value in data_of(found).items()},
        tags=[],
        earned_date=write_time(reward.created_at),
        created_date=write_time(reward.created_at),
        updated_date=write_time(reward.updated_at),
        redeemed_date=write_time(redeemed) if redeemed is not None else None,
        expiry_date=write_time(reward.expires_at) if reward.expires_at is not None else None,
    )


def states_of(call: Call, name: str) -> frozenset[str] | None:
    states = frozenset(value.upper() for value in call.values(name))
    if not states <= STATES:
        raise ServerRefusal("reward_state_invalid", f"{name} must be of {', '.join(sorted(STATES))}.", parameter=name)
    return states or None


def wanted_suppliers(call: Call, type_name: str = "reward_type") -> frozenset[str] | None:
    """The suppliers meant by ids, by partners' ids and by types: all of what is said must hold."""
    known = suppliers_of(call)
    chosen: set[str] | None = None
    if ids := call.values("reward_supplier_id"):
        chosen = set(ids)
    if partner_ids := set(call.values("partner_reward_supplier_id")):
        found = {id for id, supplier in known.items() if supplier.partner_reward_supplier_id in partner_ids}
        chosen = found if chosen is None else chosen & found
    if types := {value.upper() for value in call.values(type_name)}:
        names = {*TYPE_ON_THE_WIRE.values(), *TYPE_ON_THE_WIRE, "SALESFORCE_COUPON", "TANGO_V2"}
        if not types <= names:
            raise ServerRefusal("reward_type_not_supported", f"{type_name} must be of {', '.join(sorted(names))}.", parameter=type_name)
        found = {id for id, supplier in known.items() if types & {supplier.type, TYPE_ON_THE_WIRE[supplier.type]}}
        chosen = found if chosen is None else chosen & found
    return frozenset(chosen) if chosen is not None else None


def wanted_people(call: Call) -> frozenset[int] | None:
    said = call.values("person_id")
    if not said:
        return None
    numbers: set[int] = set()
    for text in said:
        number = read_id(text)
        if number is not None and number <= people.PERSON_ID_MAX:
            numbers.add(number)
            numbers |= _numbers(call, number)
    return frozenset(numbers)


def _numbers(call: Call, number: int) -> set[int]:
    found = people.find(call.store, call.account, number)
    return {found.id, *found.sources} if found is not None else set()


def page_of(call: Call) -> tuple[int, int]:
    """Offset and limit; more than 1,000 is refused here, not cut."""
    text = call.query.get("limit", "").strip()
    if text.isdigit() and int(text[:20]) > LIMIT_MAX:
        raise ServerRefusal("max_fetch_size_1000", f"At most {LIMIT_MAX} rewards at a time.", parameter="limit")
    return call.page()


def named(call: Call) -> StoredReward:
    number = read_id(call.path["reward_id"])
    found = rewards.find(call.store, call.account, number) if number is not None and number < 1 << 63 else None
    if found is None:
        raise ServerRefusal("reward_not_found", "There is no reward with this id.")
    return found

"""Rewards by the server API: lists, one reward, a summary; a person's rewards and balances.

A reward that waits is EARNED and says in `data.waiting` what for: `pending` until `data.due_at`, `review` for a person, `supplier` for the
brand's own system or for stock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec import UNSET, Struct, UnsetType, convert

from goodword.api.openapi import Parameter
from goodword.api.server.call import LIMIT_MAX, PAGE, Call, Endpoint, endpoint, listed
from goodword.api.server.errors import ServerRefusal
from goodword.api.server.interval import read_interval
from goodword.api.server.reward_shape import (
    CONTAINER,
    MISSING,
    REWARD,
    SANDBOX,
    WORDS,
    PersonRewardAnswer,
    RewardAnswer,
    data_of,
    named,
    page_of,
    shown,
    shown_of_person,
    states_of,
    wanted_people,
    wanted_suppliers,
)
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.reward import STATES, write_value
from goodword.core.times import Millis, read_time, write_time
from goodword.storage.query import reward as rewards
from goodword.storage.query.reward import RewardFilter

PERIODS_MAX = 366
END_MAX = 253_370_764_800_000  # the year 9999, after which dates end
PERIODS_DEFAULT = 7
_REWARDS = "/v2/rewards"


class BalanceAnswer(Struct):
    """What a person has of a unit: points, or a currency, in its usual decimals."""

    unit: str
    amount: float


class SummaryAnswer(Struct):
    """How many rewards came to each state in a period."""

    date_from: str
    date_to: str
    earned: int
    fulfilled: int
    sent: int
    redeemed: int
    failed: int
    canceled: int
    revoked: int
    expired: int


class UpdateRequest(Struct):
    """What to change; what is left out stays. `expires_at` null: it does not expire."""

    expires_at: str | UnsetType | None = UNSET
    sandbox: str | UnsetType | None = UNSET


async def list_all(call: Call) -> list[RewardAnswer]:
    """`GET /v2/rewards`: newest first."""
    offset, limit = page_of(call)
    states = states_of(call, "state")
    since, until = read_interval(call.query.get("time_interval", ""), call.intake.engine.clock())
    names = [(program, name) for program, _, name in (value.partition(":") for value in call.values("action_id"))]
    events = call.values("root_event_id")
    wanted = RewardFilter(
        states=states,
        suppliers=wanted_suppliers(call),
        people=wanted_people(call),
        names=frozenset(names) if names else None,
        causes=rewards.arrivals_of(call.store, call.account, events) if events else None,
        partner_ids=frozenset(call.query.getlist("partner_reward_id")) or None,
        since=since,
        until=until,
        includes_failed=states is not None or call.flag("success_only") is False,
    )
    return [shown(call, found) for found in rewards.list_of(call.store, call.account, wanted, offset, limit)]


async def get(call: Call) -> RewardAnswer:
    """`GET /v2/rewards/{reward_id}`."""
    return shown(call, named(call))


async def update(call: Call) -> RewardAnswer:
    """`PUT /v2/rewards/{reward_id}`."""
    found, request = named(call), call.read(UpdateRequest)
    if request.sandbox not in (UNSET, None, SANDBOX):
        raise ServerRefusal("sandbox_not_found", f"There is one sandbox, {SANDBOX}.")
    if request.expires_at is not UNSET:
        at = read_time(request.expires_at) if request.expires_at is not None else None
        if at is None and request.expires_at is not None:
            raise ServerRefusal("invalid_parameter", "expires_at must be a time in ISO 8601.", parameter="expires_at")
        await call.ask(c.SetRewardExpiry(call.account, found.reward.id, at))
    return shown(call, named(call))


async def state_summary(call: Call) -> list[SummaryAnswer]:
    """`GET /v2/rewards/state_summary`: oldest first."""
    period = (call.query.get("period", "") or "DAY").upper()
    if period not in ("DAY", "WEEK", "MONTH"):
        raise ServerRefusal("period_not_supported", "period must be DAY, WEEK or MONTH.", parameter="period")
    text = call.query.get("period_count", "").strip() or str(PERIODS_DEFAULT)
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 0 < int(text) <= PERIODS_MAX):
        raise ServerRefusal("period_count_invalid", f"period_count must be 1 to {PERIODS_MAX}.", parameter="period_count")
    said = call.query.get("end_date", "").replace(" ", "+")
    end = read_time(said) if said else call.intake.engine.clock()
    if end is None or end > END_MAX:
        raise ServerRefusal("time_interval_invalid", "end_date must be a time in ISO 8601.", parameter="end_date")
    suppliers = wanted_suppliers(call)
    answers = []
    for since, until in _periods(period, int(text), end):
        counts = rewards.moved_between(call.store, call.account, since, until, suppliers)
        numbers = {state.lower(): counts.get(state, 0) for state in STATES}
        answers.append(convert({"date_from": write_time(since), "date_to": write_time(until), **numbers}, SummaryAnswer))
    return answers


def _periods(period: str, count: int, end: Millis) -> list[tuple[Millis, Millis]]:
    """Whole periods, UTC, the last one the one that `end` is in; weeks begin on Monday."""
    at = datetime.fromtimestamp(end / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "WEEK":
        at -= timedelta(days=at.weekday())
    elif period == "MONTH":
        at = at.replace(day=1)
    bounds = [_after(at, period)]
    for _ in range(count):
        bounds.append(at)
        at = (at - timedelta(days=1)).replace(day=1) if period == "MONTH" else at - timedelta(days=7 if period == "WEEK" else 1)
    millis = [int(bound.timestamp()) * 1000 for bound in reversed(bounds)]
    return list(pairwise(millis))


def _after(at: datetime, period: str) -> datetime:
    if period == "MONTH":
        return (at + timedelta(days=32)).replace(day=1)
    return at + timedelta(days=7 if period == "WEEK" else 1)


async def of_person(call: Call) -> list[PersonRewardAnswer]:
    """`GET /v5/persons/{person_id}/rewards`: newest first."""
    person = call.person()
    offset, limit = call.page()
    campaigns, programs, roles = (frozenset(call.values(name)) for name in ("campaign_ids", "programs", "journey_names"))
    containers = call.values("containers")
    if (containers and CONTAINER not in containers) or call.values("journey_key_names") or call.values("journey_key_values"):
        return []
    wanted = RewardFilter(
        states=states_of(call, "reward_states"),
        suppliers=wanted_suppliers(call, "reward_types"),
        people=frozenset((person.id, *person.sources)),
        campaigns=campaigns or None,
        programs=programs or None,
        roles=frozenset(role.lower() for role in roles) or None,
    )
    keys, values = set(call.values("data_keys")), set(call.values("data_values"))
    found = rewards.list_of(call.store, call.account, wanted, 0 if keys or values else offset, LIMIT_MAX if keys or values else limit)
    if keys or values:
        kept = [each for each in found if _has(data_of(each), keys, values)]
        found = kept[offset : offset + limit]
    return [shown_of_person(call, each) for each in found]


def _has(data: dict[str, str], keys: set[str], values: set[str]) -> bool:
    return (not keys or bool(keys & data.keys())) and (not values or bool(values & set(data.values())))


async def one_of_person(call: Call) -> PersonRewardAnswer:
    """`GET /v5/persons/{person_id}/rewards/{reward_id}`."""
    person, found = call.person(), named(call)
    if found.reward.profile_id not in (person.id, *person.sources):
        raise ServerRefusal("reward_not_found", "The person has no reward with this id.")
    return shown_of_person(call, found)


async def balances(call: Call) -> list[BalanceAnswer]:
    """`GET /v5/persons/{person_id}/balances`."""
    person = call.person()
    found = rewards.balances(call.store, call.account, (person.id, *person.sources))
    return [BalanceAnswer(unit, write_value(amount, unit)) for unit, amount in found.items()]


_PERSON = "/v5/persons/{person_id}/rewards"
_STATE_NAMES = {"type": "string", "enum": sorted(STATES)}
_SUPPLIER_FILTERS = (listed("reward_supplier_id", "Only of these suppliers."), listed("reward_type", "Only of suppliers of these types."))
_FILTERS = (
    listed("state", "Only in these states.", _STATE_NAMES),
    *_SUPPLIER_FILTERS,
    listed("partner_reward_supplier_id", "Only of suppliers with these ids of the partner's."),
    listed("person_id", "Only of these people."),
    listed("action_id", "Only these rewards of campaigns, `CAMPAIGN:NAME`."),
    listed("root_event_id", "Only those these events earned."),
    listed("partner_reward_id", "Only with these coupon codes or partner's ids."),
    Parameter("success_only", "Without those that FAILED, where no state is asked for.", {"type": "boolean", "default": True}),
    Parameter("time_interval", "Only those created in a time: `P30D`, `2026-01-01/2026-02-01`, `2026-01-01/P1M`."),
    *PAGE,
)
_PERSON_FILTERS = (
    listed("reward_states", "Only in these states.", _STATE_NAMES),
    listed("reward_types", "Only of suppliers of these types."),
    listed("campaign_ids", "Only of these campaigns."),
    listed("programs", "Only of these programs."),
    listed("journey_names", "Only as ADVOCATE, FRIEND or PARTICIPANT."),
    listed("journey_key_names", "Only of journeys with these keys; there are none."),
    listed("journey_key_values", "Only of journeys with these key values; there are none."),
    listed("containers", "Only of these containers."),
    listed("data_keys", "Only with any of these data."),
    listed("data_values", "Only with any of these values of data."),
    *PAGE,
)


ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", _REWARDS, "Rewards", "Rewards, newest first", list_all, Right.READ, list[RewardAnswer], query=_FILTERS,
        description="`reward_state_invalid`, `reward_type_not_supported`, `time_interval_invalid`; `max_fetch_size_1000`.",
    ),
    endpoint(
        "GET", _REWARDS + "/state_summary", "Rewards", "How many rewards came to each state, a period each", state_summary, Right.READ,
        list[SummaryAnswer],
        query=(
            Parameter("period", "How long a period is, UTC.", {"type": "string", "enum": ["DAY", "WEEK", "MONTH"], "default": "DAY"}),
            Parameter("period_count", "How many periods.", {"type": "integer", "minimum": 1, "default": PERIODS_DEFAULT}),
            Parameter("end_date", "A time in the last period."),
            Parameter("success_only", "Failed attempts are no moves and never counted.", {"type": "boolean"}),
            *_SUPPLIER_FILTERS,
        ),
        description="`period_not_supported`, `period_count_invalid`, `time_interval_invalid`.",
    ),
    endpoint("GET", REWARD, "Rewards", "A reward", get, Right.READ, RewardAnswer, description=MISSING, path_words=WORDS),
    endpoint(
        "PUT", REWARD, "Rewards", "Change when a reward expires", update, Right.READ, RewardAnswer, body=UpdateRequest, path_words=WORDS,
        description="`expired_reward_expiration_date_clearing_not_allowed`, `future_expiration_date_not_allowed_for_expired_reward`,"
        " `reward_expiration_before_reward_creation_not_allowed`, `expired_state_unreachable`; `sandbox_not_found`; " + MISSING,
    ),
    endpoint(
        "GET", _PERSON, "People", "A person's rewards, newest first", of_person, Right.READ, list[PersonRewardAnswer],
        query=_PERSON_FILTERS,
        description="`reward_state_invalid`, `reward_type_not_supported`. Rewards of people merged into this one are theirs too.",
    ),
    endpoint(
        "GET", _PERSON + "/{reward_id}", "People", "A reward of a person", one_of_person, Right.READ, PersonRewardAnswer,
        description=MISSING, path_words=WORDS,
    ),
    endpoint(
        "GET", "/v5/persons/{person_id}/balances", "People", "A person's points and credit", balances, Right.READ, list[BalanceAnswer],
        description="What the ledger says, a unit each.",
    ),
]  # fmt: skip

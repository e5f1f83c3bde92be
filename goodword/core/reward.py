"""Rewards: what a campaign promises, what was earned, its states and the moves between them, and what moves points.

Values are integer minor units: cents of a currency, hundredths of a point or of a percent.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from goodword.core.money import AMOUNT_MAX, exponent
from goodword.core.profile import ProfileId
from goodword.core.times import Millis

RewardState = Literal["EARNED", "FULFILLED", "SENT", "REDEEMED", "FAILED", "CANCELED", "REVOKED", "EXPIRED"]
TRANSITIONS: dict[RewardState, frozenset[RewardState]] = {
    "EARNED": frozenset(("FULFILLED", "FAILED", "CANCELED", "EXPIRED")),
    "FULFILLED": frozenset(("SENT", "REDEEMED", "FAILED", "REVOKED", "EXPIRED")),
    "SENT": frozenset(("REDEEMED", "FAILED", "REVOKED", "EXPIRED")),
    "FAILED": frozenset(("EARNED", "FULFILLED", "CANCELED")),
    "REDEEMED": frozenset(("REVOKED",)),
    "CANCELED": frozenset(),
    "REVOKED": frozenset(),
    "EXPIRED": frozenset(),
}
"""Which state may follow which (domain 4.2); a supplier may publish its own map."""

GONE: frozenset[RewardState] = frozenset(("CANCELED", "REVOKED", "EXPIRED"))
HELD: frozenset[RewardState] = frozenset(("FULFILLED", "SENT", "REDEEMED"))
"""States in which the recipient has what was promised."""
STATES: frozenset[RewardState] = frozenset(TRANSITIONS)
UNITS = frozenset(("POINTS", "PERCENT_OFF", "MONTH"))
"""What a reward may be worth besides money."""
DAY_MS = 24 * 3600 * 1000
CODE_CHARS_MAX = 64
COUPONS_PER_COMMAND = 2_000
Role = Literal["advocate", "friend", "participant"]
SupplierType = Literal["POINTS", "ACCOUNT_CREDIT", "COUPON_POOL", "STATIC_COUPON", "CUSTOM_REWARD"]


LEDGER: frozenset[SupplierType] = frozenset(("POINTS", "ACCOUNT_CREDIT"))
TYPE_ON_THE_WIRE: dict[SupplierType, Literal["MANUAL_COUPON", "CUSTOM_REWARD"]] = {
    "POINTS": "CUSTOM_REWARD",
    "ACCOUNT_CREDIT": "CUSTOM_REWARD",
    "CUSTOM_REWARD": "CUSTOM_REWARD",
    "COUPON_POOL": "MANUAL_COUPON",
    "STATIC_COUPON": "MANUAL_COUPON",
}
"""The two published types that Goodword's suppliers are shown as to programs written for them."""


class Supplier(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A source of rewards. POINTS and ACCOUNT_CREDIT post to the ledger, a pool hands out each uploaded code once, a static coupon
    is one code for everybody, a custom reward is fulfilled by the brand's own system.

    `overdue_days`: so long a custom reward may wait for that system before somebody should look. `tags` are for endpoints to choose by.
    What one is worth, where a campaign does not say it: `face_value`, or `cash_back_percentage` of the event's value (a fraction, 0.1 is
    a tenth) from `cash_back_min` to `cash_back_max`. Decimals as text, of `face_value_type`.
    """

    id: str
    type: SupplierType
    name: str = ""
    description: str = ""
    enabled: bool = True
    face_value: str = ""
    face_value_type: str = ""
    cash_back_percentage: str = ""
    cash_back_min: str = ""
    cash_back_max: str = ""
    code: str = ""
    partner_reward_supplier_id: str = ""
    low_balance: int = 0
    expires_days: int | None = None
    limit_per_hour: int | None = None
    limit_per_day: int | None = None
    overdue_days: int | None = None
    tags: list[str] = field(default_factory=list)
    state_transitions: dict[str, list[str]] = field(default_factory=dict)


POINTS = Supplier("points", "POINTS", "Points", face_value_type="POINTS")
CREDIT = Supplier("credit", "ACCOUNT_CREDIT", "Account credit")
BUILT_IN = {each.id: each for each in (POINTS, CREDIT)}
"""Suppliers every account has."""


class Value(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a reward is worth: a fixed `amount` of `unit` (POINTS, PERCENT_OFF, MONTH or a currency), or `percent` of the event's value,
    clamped to `min` and `max`. Decimals as text."""

    amount: str | None = None
    unit: str = "POINTS"
    percent: str | None = None
    min: str | None = None
    max: str | None = None


class Limit(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most `count` rewards for one recipient: in `days` days and since the first of `since_month` (1 to 12), or ever; of this
    reward, of all of its program, or of all the account gives."""

    count: int
    days: int | None = None
    since_month: int | None = None
    scope: Literal["reward", "program", "account"] = "reward"


class Check(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A comparison of a profile's parameter (`on: profile`) or an event's property (`on: event`). `at_least` and `at_most` compare
    numbers."""

    name: str
    is_: Literal[
        "equals", "not_equals", "blank", "not_blank", "contains", "not_contains", "matches", "not_matches", "at_least", "at_most"
    ] = field(name="is")
    value: str = ""
    on: Literal["profile", "event"] = "profile"


class Done(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something done before the event, at least `count_min` and at most `count_max` times; counted is what is of the last `days` days,
    at least `age_days` old, worth so much (decimal text), of this quality, and of this scope: any event that campaigns listen to, one
    that the program's or this campaign judged, or one that any credited to an advocate."""

    event: str
    count_min: int = 1
    count_max: int | None = None
    days: int | None = None
    age_days: int | None = None
    value_min: str | None = None
    value_max: str | None = None
    quality: Literal["any", "high"] = "any"
    scope: Literal["account", "program", "campaign", "attributed"] = "account"


class RewardRules(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All must pass (domain 4.4). Amounts as decimal text."""

    email: bool = True
    value_min: str | None = None
    value_max: str | None = None
    once: Literal["relationship", "person", "event"] = "relationship"
    allow_reverse: bool = False
    nth: int | None = None
    milestones: list[int] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    annual_value_max: str | None = None
    tax_year_start: str = "01-01"
    new_customer_days: int | None = None
    member_of: list[str] = field(default_factory=list)
    not_member_of: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    other_checks: list[Check] = field(default_factory=list)
    has_done: list[str | Done] = field(default_factory=list)
    has_not_done: list[str | Done] = field(default_factory=list)
    other_has_done: list[str | Done] = field(default_factory=list)
    other_has_not_done: list[str | Done] = field(default_factory=list)

    @property
    def asks_what_was_done(self) -> bool:
        """Whether any rule looks at what people did before."""
        return bool(self.has_done or self.has_not_done or self.other_has_done or self.other_has_not_done)


class RewardTerms(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One reward a campaign promises: to whom, on which event (`outcome`, `sign_up` or an event's name), from which supplier."""

    name: str
    to: Role
    value: Value = Value()
    on: str = "outcome"
    supplier: str = "points"
    pending_days: float = 0
    expires_days: int | None = None
    rules: RewardRules = RewardRules()


_UNSAID = Value()


def valued(terms: RewardTerms, supplier: Supplier | None) -> RewardTerms:
    """The terms with the supplier's own value where they say none: an amount, or cash back."""
    if supplier is None or terms.value != _UNSAID:
        return terms
    unit = supplier.face_value_type
    if supplier.cash_back_percentage:
        percent = str(Decimal(supplier.cash_back_percentage) * 100)
        return replace(terms, value=Value(None, unit, percent, supplier.cash_back_min or None, supplier.cash_back_max or None))
    return replace(terms, value=Value(supplier.face_value, unit)) if supplier.face_value else terms


class Passed(Struct, frozen=True, array_like=True, gc=False):
    """One rule's verdict: PASS, FAIL, UNKNOWN (the data to tell is missing; does not fail), WAIT or REVIEW, and why in plain words that
    name nobody. `until` is when a WAIT ends."""

    rule: str
    result: Literal["PASS", "FAIL", "UNKNOWN", "WAIT", "REVIEW"]
    why: str = ""
    until: Millis = 0


class Reward(Struct, frozen=True, gc=False):
    """A reward as stored. `journey_id` is the profile whose event earned it, `other_id` the other side of the referral.

    `waiting` says what an EARNED reward waits for: `pending` until `due_at`, `review` for a person, `supplier` for the brand's own
    system or for stock; empty once nothing holds it. `value` is in hundredths of `unit` (or the currency's minor units).
    """

    id: int
    profile_id: ProfileId
    journey_id: ProfileId
    campaign: str
    version: int
    program: str
    name: str
    role: Role
    supplier: str
    state: RewardState
    unit: str
    value: int
    cause: int
    created_at: Millis
    updated_at: Millis
    other_id: ProfileId | None = None
    nth: int = 0
    waiting: Literal["", "pending", "review", "supplier"] = ""
    due_at: Millis | None = None
    expires_at: Millis | None = None
    coupon: int | None = None
    rules: tuple[Passed, ...] = ()
    is_final: bool = False
    """Ended by a person or by time: judging the event anew does not bring it back."""
    secret: dict[str, Any] = field(default_factory=dict)
    """What may name someone or be worth money, sealed with the recipient's key: `code`, `partner_reward_id`, `email`, `data`."""

    @property
    def is_gone(self) -> bool:
        """Canceled, revoked or expired."""
        return self.state in GONE


class Transition(Struct, frozen=True, gc=False):
    """One move of a reward, or an attempt at one that failed (`is_success` false). `by` names an operator, or is empty."""

    reward_id: int
    profile_id: ProfileId
    seq: int
    at: Millis
    before: RewardState | Literal[""]
    after: RewardState
    is_success: bool = True
    message: str = ""
    by: str = ""
    cause: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


class Posting(Struct, frozen=True):
    """One entry of the ledger: `amount` goes to the person's balance of `unit` and from the program's; the two always balance."""

    id: int
    profile_id: ProfileId
    unit: str
    amount: int
    reward_id: int
    at: Millis
    reason: str


class Earning(Struct, frozen=True):
    """What a recipient earned (or gave back) on a day, for limits; and what the campaign spent, for budgets."""

    profile_id: ProfileId
    campaign: str
    program: str
    name: str
    unit: str
    day: int
    count: int
    value: int


class CouponsAdded(Struct, frozen=True):
    """Codes in a supplier's pool, numbered from `first` on: one record for many, as a file may have a million."""

    first: int
    supplier: str
    upload_id: int
    codes: tuple[str, ...]


class CouponMoved(Struct, frozen=True):
    """A coupon handed out for a reward, whose secret then has the code; or (None) put back with its `code`. `is_removed` takes it from the
    pool for good."""

    id: int
    supplier: str
    reward_id: int | None
    is_removed: bool = False
    code: str = ""


class Given(Struct, frozen=True):
    """Rewards that a supplier with a `limit_per_hour` or `limit_per_day` fulfilled in an hour, counted since 1970."""

    supplier: str
    hour: int
    count: int


class CouponUpload(Struct, frozen=True):
    """A change of a pool, counted."""

    id: int
    supplier: str
    at: Millis
    type: Literal["ADD", "DELETE"]
    added: int
    refused: int
    by: str


class SupplierSaved(Struct, frozen=True):
    """A supplier as saved."""

    supplier: Supplier
    at: Millis


def follows(supplier: Supplier | None, before: RewardState, after: RewardState) -> bool:
    """Whether a supplier lets `after` follow `before`: by its own map where it has one, else by the usual one."""
    if supplier is not None and supplier.state_transitions:
        return after in supplier.state_transitions.get(before, ())
    return after in TRANSITIONS[before]


def digits(unit: str) -> int:
    """Digits after the point that a unit is counted in: 2 for points, months and percents, a currency's own for money."""
    return exponent(unit)


@lru_cache(maxsize=4096)
def read_value(text: str | None, unit: str) -> int | None:
    """A decimal as hundredths of a unit, or a currency's minor units, halves up; None where it is no decimal, negative or absurd."""
    try:
        exact = Decimal(text or "")
    except InvalidOperation:
        return None
    if not exact.is_finite() or not 0 <= exact <= AMOUNT_MAX:
        return None
    return rounded(exact.scaleb(digits(unit)))


def rounded(exact: Decimal) -> int:
    """A whole number, halves up."""
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def write_value(value: int, unit: str) -> float:
    """A value as the number people know: `1050` of USD is 10.5."""
    return float(Decimal(value).scaleb(-digits(unit)))


def why_not_a_code(code: str) -> str | None:
    """What is wrong with a coupon's code, in words; None where nothing is. Free text is allowed: a code may come with a PIN."""
    if not code.strip():
        return "it is empty"
    if len(code) > CODE_CHARS_MAX:
        return f"it is longer than {CODE_CHARS_MAX} characters"
    if not code.isprintable():
        return "it has characters that cannot be printed"
    return None

"""Reports: which there are, what their columns mean, and what comes of the counts (domain 7.2). Pure: the counts are given.

A rate is a percentage with two decimals, or nothing where its divisor is zero. High-quality variants have a high-quality numerator and
divisor: clicks that people seem to have made, events that every rule passed and nobody has to look at first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from msgspec import Struct, field

from goodword.core.period import Period, label, next_start, read_day, start_of, write_day

DAYS_MAX = 3_660
PERIODS_MAX = 400
ROWS_MAX = 1_000_000
TIERS = {"affiliate": 10, "super_advocate": 3, "revenue_driver": 2, "successful_advocate": 1}
"""From how many friends on an advocate is called what (domain 6); the highest that matches."""
Kind = Literal["text", "count", "percent", "money", "unit", "date", "time"]
Cell = str | int | float | None


class Money(Struct):
    """Amounts of one currency, in minor units, and of how many events: of referred ones, of good ones among them, and of all."""

    referred: int = 0
    referred_high: int = 0
    total: int = 0
    conversions: int = 0
    transactions: int = 0


class Figures(Struct):
    """What was counted in a period; everything a metric may be made of."""

    advocates: int = 0
    customers: int = 0
    referred_customers: int = 0
    referred_customers_high: int = 0
    new_customers: int = 0
    referred_new_customers: int = 0
    shares: int = 0
    shares_high: int = 0
    clicks: int = 0
    clicks_high: int = 0
    sign_ups: int = 0
    sign_ups_high: int = 0
    conversions: int = 0
    conversions_high: int = 0
    transactions: int = 0
    rewards: int = 0
    money: dict[str, Money] = field(default_factory=dict)
    cost: dict[str, int] = field(default_factory=dict)
    """What rewards earned in the period are worth that were not taken back, by unit."""


COUNTS: dict[str, str] = {
    "advocates": "People who made a share link, shared, or whose link was followed by a person; each once a period",
    "customers": "People with an outcome of any campaign, referred or not; each once a period",
    "referred_customers": "Customers with an outcome that an advocate is credited with; each once a period",
    "referred_customers_high": "Referred customers whose outcome is high-quality; each once a period",
    "new_customers": "People whose first outcome ever was in the period",
    "referred_new_customers": "New customers whose first outcome is credited to an advocate",
    "shares": "Acts of sharing; each e-mail recipient is one",
    "shares_high": "Shares that no rule of sharing refused",
    "clicks": "Visits by share links",
    "clicks_high": "Clicks that a person seems to have made",
    "sign_ups": "Sign-ups that an advocate is credited with",
    "sign_ups_high": "Sign-ups that are high-quality",
    "conversions": "Outcomes that an advocate is credited with",
    "conversions_high": "Conversions that are high-quality",
    "transactions": "Outcomes of anybody, referred or not; repeats count once",
    "rewards": "Rewards earned in the period that were not canceled, revoked or expired since",
}
"""Counts, and what each is."""
RATES: dict[str, tuple[str, str]] = {
    "participation_rate": ("advocates", "customers"),
    "acquisition_rate": ("referred_customers", "advocates"),
    "acquisition_rate_high": ("referred_customers_high", "advocates"),
    "share_through_rate": ("clicks", "shares"),
    "share_through_rate_high": ("clicks_high", "shares_high"),
    "sign_up_rate": ("sign_ups", "clicks"),
    "sign_up_rate_high": ("sign_ups_high", "clicks_high"),
    "conversion_rate": ("conversions", "clicks"),
    "conversion_rate_high": ("conversions_high", "clicks_high"),
    "customer_contribution": ("referred_new_customers", "new_customers"),
    "transaction_contribution": ("conversions", "transactions"),
}
"""Rates: what is divided by what, times 100."""


class Column(Struct, frozen=True):
    """A column of a report and what it means."""

    name: str
    kind: Kind
    meaning: str = ""


class Report(Struct, frozen=True):
    """A report: the question it answers and its columns. `is_list`: a row a person, reward or event; else a row a period or word."""

    name: str
    title: str
    question: str
    columns: tuple[Column, ...]
    is_list: bool = False
    takes_campaigns: bool = False
    has_periods: bool = False


class Request(Struct, frozen=True):
    """What is asked for: days inclusive, campaigns (none: all)."""

    report: str
    period: Period
    first: int
    last: int
    campaigns: tuple[str, ...] = ()


class Unreadable(Struct, frozen=True):
    """What is wrong with a request, in words, and with which parameter."""

    parameter: str
    reason: str


def percent(numerator: float, divisor: float) -> float | None:
    """A percentage with two decimals, halves up; None where the divisor is zero."""
    if not divisor:
        return None
    return float((Decimal(numerator) * 100 / Decimal(divisor)).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


def value_of(figures: Figures, name: str) -> Cell:
    """A count or a rate by its name."""
    if name in RATES:
        numerator, divisor = RATES[name]
        return percent(getattr(figures, numerator), getattr(figures, divisor))
    found: int = getattr(figures, name)
    return found


def meaning_of(name: str) -> str:
    """What a count or a rate is, in words."""
    return COUNTS[name] if name in COUNTS else "100 × {} ÷ {}".format(*RATES[name])


def tier_of(friends: int) -> str:
    """What an advocate of so many good friends is called; empty below one."""
    return next((name for name, least in TIERS.items() if friends >= least), "")


PERIOD = (
    Column("period_start", "date", "First day of the period, in the account's time zone"),
    Column("period_end", "date", "Last day of it"),
    Column("period", "text", "Its name: 2026-01-31, 2026-W05, 2026-01, 2026-Q1"),
)


def period_cells(period: Period, start: int) -> list[Cell]:
    """The cells of PERIOD."""
    return [write_day(start), write_day(next_start(period, start) - 1), label(period, start)]


def _metrics(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "percent" if name in RATES else "count", meaning_of(name)) for name in names)


METRICS: dict[str, tuple[str, ...]] = {
    "participation-rate": ("advocates", "customers", "participation_rate"),
    "acquisition-rate": ("referred_customers", "referred_customers_high", "advocates", "acquisition_rate", "acquisition_rate_high"),
    "funnel": (
        *("shares", "clicks", "sign_ups", "conversions", "rewards", "share_through_rate", "sign_up_rate", "conversion_rate"),
        *("shares_high", "clicks_high", "sign_ups_high", "conversions_high"),
        *("share_through_rate_high", "sign_up_rate_high", "conversion_rate_high"),
    ),
    "new-customer-contribution": (
        *("referred_new_customers", "new_customers", "customer_contribution"),
        *("conversions", "transactions", "transaction_contribution"),
    ),
}
"""Reports that are counts and rates, a row a period."""

_PERSON = ("person_id", "email", "partner_user_id", "first_name", "last_name")


def _person(prefix: str, whose: str) -> tuple[Column, ...]:
    return tuple(
        Column(prefix + name, "text", f"{whose}'s {name.replace('_', ' ')}; empty once they are deleted" if name != "person_id" else whose)
        for name in _PERSON
    )


_BROUGHT = _metrics("clicks", "clicks_high", "sign_ups", "sign_ups_high", "conversions", "conversions_high")
_REVENUE = (
    Column("currency", "text", "Of the amounts; amounts of several currencies are rows of their own"),
    Column("revenue", "money", "Value of conversions, less what was returned"),
    Column("revenue_high", "money", "Value of high-quality conversions"),
)
_REWARD = (
    Column("reward_id", "text", "The reward"),
    Column("reward_name", "text", "Its name in the campaign"),
    Column("program", "text", "Of which program"),
    Column("campaign_id", "text", "Of which campaign"),
    Column("recipient_type", "text", "advocate, friend or participant"),
    Column("reward_supplier_id", "text", "Where it comes from"),
    Column("face_value", "money", "What it is worth"),
    Column("face_value_type", "unit", "In what: points, percent, or a currency"),
    Column("state", "text", "Its state now"),
    *_person("", "The recipient"),
    Column("partner_reward_id", "text", "Coupon code, or the partner's own id; empty once the recipient is deleted"),
)
_ADVOCATE_COUNTS = (
    Column("links", "count", "Share links made in the period"),
    Column("shares", "count", COUNTS["shares"]),
    Column("clicks", "count", COUNTS["clicks_high"]),
    Column("sign_ups", "count", COUNTS["sign_ups"]),
    Column("friends", "count", "Friends whose first outcome in the program is high-quality"),
    Column("conversions", "count", COUNTS["conversions_high"]),
)


def _states(name: str, state: str) -> Report:
    return Report(
        name,
        f"{state.capitalize()} rewards",
        f"Which rewards came to {state}, and when?",
        (Column("date", "time", f"When it came to {state}"), *_REWARD),
        is_list=True,
        takes_campaigns=True,
    )


def _metric(name: str, title: str, question: str, *, takes_campaigns: bool = False) -> Report:
    return Report(name, title, question, (*PERIOD, *_metrics(*METRICS[name])), takes_campaigns=takes_campaigns, has_periods=True)


def _by(name: str, title: str, question: str, column: Column, *columns: Column) -> Report:
    return Report(name, title, question, (column, *columns), takes_campaigns=True)


REPORTS: dict[str, Report] = {
    report.name: report
    for report in (
        _metric("funnel", "Funnel", "How far do shares carry: to clicks, sign-ups, conversions, rewards?", takes_campaigns=True),
        _metric("participation-rate", "Participation rate", "How many customers are advocates?"),
        _metric("acquisition-rate", "Acquisition rate", "How many customers does an advocate bring?"),
        _metric("new-customer-contribution", "New customer contribution", "How many new customers and transactions come by referral?"),
        Report(
            "revenue-contribution",
            "Revenue contribution",
            "How much of the revenue comes by referral?",
            (
                *PERIOD,
                Column("currency", "text", "Of the amounts; a row each"),
                Column("conversions", "count", "Conversions that carry a value in the currency"),
                Column("transactions", "count", "Outcomes of anybody that carry a value in the currency; repeats count once"),
                Column("referred_revenue", "money", "Value of conversions, less what was returned"),
                Column("referred_revenue_high", "money", "Value of high-quality conversions"),
                Column("total_revenue", "money", "Value of all outcomes, as they were said; repeats count once"),
                Column("revenue_contribution", "percent", "100 × referred_revenue ÷ total_revenue"),
            ),
            has_periods=True,
        ),
        _by(
            "by-campaign",
            "By campaign",
            "Which campaign brings what?",
            Column("campaign_id", "text", "The campaign"),
            *_metrics("shares", "shares_high"),
            *_BROUGHT,
            *_REVENUE,
        ),
        _by(
            "by-channel",
            "By channel",
            "How do advocates share?",
            Column("channel", "text", "Of the share, as it was said: EMAIL, WHATSAPP ..."),
            *_metrics("shares", "shares_high"),
        ),
        _by(
            "by-reason",
            "By reason",
            "How are advocates recognised?",
            Column("reason", "text", "Why the advocate is credited"),
            *_BROUGHT[2:],
            *_REVENUE,
        ),
        _by(
            "top-sources",
            "Top sources",
            "Where do friends come from?",
            Column("source", "text", "The kind of page the credited click came from"),
            *_BROUGHT,
            *_REVENUE,
        ),
        Report(
            "successful-advocates",
            "Successful advocates",
            "Who brings friends?",
            (
                *_person("advocate_", "The advocate"),
                Column("last_action", "date", "Last day the advocate did or brought anything in the period"),
                Column("tier", "text", "By friends: " + ", ".join(f"{name} from {least}" for name, least in TIERS.items())),
                *_ADVOCATE_COUNTS,
                Column("currency", "text", "Of the revenue"),
                Column("revenue", "money", "Value of the conversions counted here"),
            ),
            is_list=True,
        ),
        Report(
            "advocate-tiers",
            "Count of successful advocates",
            "How many advocates bring how many friends?",
            (
                Column("tier", "text", "By friends: " + ", ".join(f"{name} from {least}" for name, least in TIERS.items())),
                Column("advocates", "count", "Advocates of the tier"),
                *_ADVOCATE_COUNTS[4:],
                Column("currency", "text", "Of the revenue"),
                Column("revenue", "money", "Value of the conversions counted here"),
            ),
        ),
        Report(
            "active-advocates",
            "Active advocates",
            "Who shared, or was followed?",
            (
                *_person("advocate_", "The advocate"),
                Column("last_action", "date", "Last day the advocate did or brought anything in the period"),
                *_ADVOCATE_COUNTS,
            ),
            is_list=True,
        ),
        Report(
            "friend-conversions",
            "Friend conversions",
            "Which conversions are credited to whom, and why?",
            (
                Column("conversion_date", "time", "When it happened"),
                *_person("friend_", "The friend"),
                Column("campaign_id", "text", "In which campaign"),
                Column("program", "text", "In which program"),
                Column("source", "text", "The kind of page the credited click came from"),
                Column("event_name", "text", "The event"),
                Column("partner_conversion_id", "text", "The order; empty once the friend is deleted"),
                Column("cart_value", "money", "Its value, less what was returned"),
                Column("currency", "text", "Of the value"),
                Column("quality_score", "text", "HIGH, LOW, or REVIEW while a person is to decide"),
                Column("is_new_customer", "text", "yes where it is the friend's first outcome"),
                Column("reason", "text", "Why the advocate is credited"),
                *_person("advocate_", "The advocate"),
            ),
            is_list=True,
            takes_campaigns=True,
        ),
        Report(
            "rewards",
            "Rewards",
            "Which rewards were earned?",
            (Column("date", "time", "When it was earned"), *_REWARD),
            is_list=True,
            takes_campaigns=True,
        ),
        Report(
            "reward-transitions",
            "Reward transitions",
            "How did rewards move?",
            (
                Column("date", "time", "When it moved"),
                Column("from_state", "text", "From which state; empty when it was earned"),
                Column("passed_state", "text", "To which state"),
                *_REWARD,
            ),
            is_list=True,
            takes_campaigns=True,
        ),
        Report(
            "rewards-by-state",
            "Rewards by state",
            "How many rewards are in which state, and how many came to it?",
            (
                *PERIOD,
                Column("state", "text", "The state"),
                Column("face_value_type", "unit", "Points, percent, or a currency; empty for moves"),
                Column("rewards", "count", "Rewards earned in the period that are in the state now"),
                Column("value", "money", "What they are worth"),
                Column("moves", "count", "Rewards that came to the state in the period"),
            ),
            takes_campaigns=True,
            has_periods=True,
        ),
        _states("earned-rewards", "EARNED"),
        _states("fulfilled-rewards", "FULFILLED"),
        _states("failed-rewards", "FAILED"),
    )
}
"""Every report by its name."""


def find(name: str) -> Report | None:
    """A report by its name, written in any case and with dashes, underscores or spaces."""
    return REPORTS.get("-".join(name.strip().casefold().replace("_", " ").replace("-", " ").split()))


def read_request(said: Mapping[str, Any], today: int) -> Request | Unreadable:
    """A request from texts: `report`, `period`, `from` and `to` (dates, inclusive; without: the thirty days up to today), `campaigns`."""
    report = find(str(said.get("report", "")))
    if report is None:
        return Unreadable("report", f"There is no such report. There are: {', '.join(REPORTS)}.")
    period = str(said.get("period") or "DAY").strip().upper()
    if period not in _PERIODS:
        return Unreadable("period", "period must be DAY, WEEK, MONTH or QUARTER.")
    last = _day(said, "to", lambda: today)
    first = _day(said, "from", lambda: (last if last is not None else today) - 29)
    if first is None or last is None:
        return Unreadable("from" if first is None else "to", "A day is written as 2026-01-31.")
    if not 0 <= first <= last:
        return Unreadable("from", "The first day must not be after the last one.")
    if last - first >= DAYS_MAX:
        return Unreadable("from", f"A report is of {DAYS_MAX} days at most.")
    found = _PERIODS[period]
    if report.has_periods and (last - start_of(found, first)) // _SHORTEST[found] + 1 > PERIODS_MAX:
        return Unreadable("period", f"That would be more than {PERIODS_MAX} periods. Choose longer ones, or fewer days.")
    campaigns = tuple(sorted(str(each) for each in said.get("campaigns") or ()))
    if campaigns and not report.takes_campaigns:
        return Unreadable("campaigns", "This report counts people of all campaigns together.")
    return Request(report.name, found, first, last, campaigns)


_PERIODS: dict[str, Period] = {"DAY": "DAY", "WEEK": "WEEK", "MONTH": "MONTH", "QUARTER": "QUARTER"}
_SHORTEST: dict[Period, int] = {"DAY": 1, "WEEK": 7, "MONTH": 28, "QUARTER": 90}


def _day(said: Mapping[str, Any], name: str, default: Callable[[], int]) -> int | None:
    text = str(said.get(name) or "").strip()
    return read_day(text) if text else default()

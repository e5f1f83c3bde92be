"""Whether a campaign's document makes sense: what no schema can say. Every problem has its path and what to do about it (domain 3, 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from goodword.core import campaign_value as bound
from goodword.core.account import CONVERSION, Settings
from goodword.core.campaign import Attribution, Budget, Document, Listens, Schedule, Share
from goodword.core.campaign_schema import PROBLEMS_MAX, Problem, nearest
from goodword.core.campaign_value import Problems
from goodword.core.currency import CURRENCIES
from goodword.core.money import AMOUNT_MAX
from goodword.core.page_check import check_pages
from goodword.core.quality import Quality
from goodword.core.reward import BUILT_IN, TRANSITIONS, RewardTerms, Supplier, valued
from goodword.core.reward_rule_check import check_rules
from goodword.core.supplier import OVERDUE_DAYS_MAX, TAG_CHARS_MAX, TAGS_MAX, why_no_cash_back
from goodword.core.times import read_time

REWARDS_MAX = SUPPLIERS_MAX = BUDGETS_MAX = 50
LATE_DAYS_MAX = 90
PENDING_DAYS_MAX = 365
EXPIRES_DAYS_MAX = 3_650
PLACEHOLDER = "https://example.com/"
SHARED_KEYS = frozenset(
    "account account_id birthday city company country dob email first_name gender last_name name phone plan plan_id postcode sku state"
    " store user_id zip zipcode".split()
)
"""Properties that many people, or many of a person's events, have in common: no event can be told from another by them (domain 1.7)."""
_UTM = re.compile(r"[a-z][a-z0-9_]*\Z")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,20}\Z")


class Known(Struct, frozen=True):
    """What of the account a document is checked against: its suppliers, and how events are mapped."""

    suppliers: Mapping[str, Supplier] = field(default_factory=lambda: dict(BUILT_IN))
    settings: Settings = Settings()


def check(document: Document, known: Known | None = None) -> list[Problem]:
    """All that is wrong with a document whose shape is right, errors first. Empty: it may be published."""
    return sorted(_problems(document, known or Known()), key=lambda problem: problem.is_warning)[:PROBLEMS_MAX]


def errors(problems: Sequence[Problem]) -> list[Problem]:
    """Those that keep a document from being saved."""
    return [problem for problem in problems if not problem.is_warning]


def _problems(document: Document, known: Known) -> Problems:
    yield from bound.named("campaign", document.campaign)
    yield from bound.named("program", document.program)
    yield from bound.short_text("name", document.name)
    yield from bound.short_text("description", document.description)
    yield from _schedule(document.schedule)
    yield from _events(document.events)
    yield from _keys(document.events, known.settings)
    yield from _attribution(document.attribution)
    yield from _quality(document.quality)
    if document.share is not None:
        yield from _share(document.share)
    elif any(reward.to != "participant" for reward in document.rewards):
        yield Problem(
            "share.destination", "is missing, and a reward goes to an advocate or a friend", "Add the page a share link leads to."
        )
    yield from check_pages(document.pages)
    yield from bound.bounded("suppliers", document.suppliers, SUPPLIERS_MAX)
    yield from bound.unique("suppliers", "id", [supplier.id for supplier in document.suppliers])
    for index, supplier in enumerate(document.suppliers):
        yield from _supplier(f"suppliers[{index}]", supplier, known)
    suppliers = {**known.suppliers, **{supplier.id: supplier for supplier in document.suppliers}}
    yield from bound.bounded("rewards", document.rewards, REWARDS_MAX)
    yield from bound.unique("rewards", "name", [reward.name for reward in document.rewards])
    for index, reward in enumerate(document.rewards):
        yield from _reward(f"rewards[{index}]", reward, document.events, suppliers)
    if document.review.auto_approve_days is not None:
        yield from bound.number("review.auto_approve_days", document.review.auto_approve_days, 0, LATE_DAYS_MAX)
    yield from bound.bounded("budgets", document.budgets, BUDGETS_MAX)
    for index, budget in enumerate(document.budgets):
        yield from _budget(f"budgets[{index}]", budget)
    if not document.rewards:
        yield Problem("rewards", "are none, so nobody earns anything", "Add a reward if somebody should.", is_warning=True)


# -- parts -----------------------------------------------------------------------------------------------------------


def _schedule(schedule: Schedule) -> Problems:
    before: tuple[str, int] | None = None
    for name in ("start", "pause", "end", "stop"):
        text = getattr(schedule, name)
        if text is None:
            continue
        at = read_time(text)
        if at is None:
            yield Problem(f"schedule.{name}", "is no time", "Write it like 2027-01-31 or 2027-01-31T12:00:00Z; without a zone it is UTC.")
            continue
        if before is not None and at <= before[1]:
            yield Problem(f"schedule.{name}", f"must be after {before[0]}", "The order is start, pause, end, stop.")
        before = (name, at)


def _events(events: Listens) -> Problems:
    """A name means one thing in a campaign (domain 1.2)."""
    held: dict[str, str] = {}
    for kind in ("sign_up", "outcome", "cancel", "actions"):
        names: list[str] = getattr(events, kind)
        yield from bound.bounded(f"events.{kind}", names)
        for index, name in enumerate(names):
            path = f"events.{kind}[{index}]"
            if not name.strip() or name != name.strip() or len(name) > 200:
                yield Problem(path, "must be the name of an event", "Write 1 to 200 characters, without spaces around them.")
            other = held.setdefault(name.casefold(), kind)
            if other != kind:
                yield Problem(
                    path, f"`{name}` is listened to as {other} already", f"Take it out of events.{other} or out of events.{kind}."
                )
            elif name.casefold() in (earlier.casefold() for earlier in names[:index]):
                yield Problem(path, f"`{name}` is there twice", "Leave it out once; names match in any case.")


def _keys(events: Listens, settings: Settings) -> Problems:
    for index, name in enumerate(events.outcome):
        for sent, mapped in settings.events.items():
            if mapped.to.casefold() == name.casefold():
                shared = [source for source in mapped.fields.get("partner_conversion_id", ()) if source.casefold() in SHARED_KEYS]
                if shared:
                    said = f"`{sent}` is told apart by `{shared[0]}`, which many events have in common: most of them would count as repeats"
                    fix = "Map partner_conversion_id to the order's or the transaction's own id (`goodword event map`)."
                    yield Problem(f"events.outcome[{index}]", said, fix, is_warning=True)
    if CONVERSION not in (name.casefold() for name in events.outcome):
        said = "has no `conversion`: only conversions have an id that keeps the same purchase from counting twice"
        yield Problem("events.outcome", said, "Map your event to conversion, or send each event once.", is_warning=True)


def _attribution(attribution: Attribution) -> Problems:
    yield from bound.number("attribution.window_days", attribution.window_days, 1, bound.WINDOW_DAYS_MAX)
    yield from bound.number("attribution.late_days", attribution.late_days, 0, LATE_DAYS_MAX)
    if 1 <= attribution.window_days < attribution.late_days:
        yield Problem("attribution.late_days", "is longer than the window itself", "Make it at most attribution.window_days.")
    if not attribution.reasons:
        yield Problem(
            "attribution.reasons", "are none: no referral would ever count", "Name a reason, or leave the line out for all of them."
        )
    yield from bound.unique_in("attribution.reasons", attribution.reasons)


def _quality(quality: Quality) -> Problems:
    """What no bound of a single parameter can say."""
    if quality.permitted_countries.action != "off" and not quality.permitted_countries.countries:
        yield Problem(
            "quality.permitted_countries.countries", "are none, so everybody would be refused", "Name them, or set action to off."
        )
    if quality.specified_participant.action != "off" and not quality.specified_participant.name:
        yield Problem("quality.specified_participant.name", "is missing", "Name the parameter, or set action to off.")
    if quality.share_count.min > quality.share_count.max:
        yield Problem("quality.share_count.min", "is more than max", "Make min the smaller one.")


def _share(share: Share) -> Problems:
    yield from bound.web_address("share.destination", share.destination)
    if share.destination == PLACEHOLDER:
        yield Problem("share.destination", "is the template's placeholder", "Write the page that friends should land on.", is_warning=True)
    for name in ("mobile_destination", "unknown_destination", "image_url"):
        if text := getattr(share, name):
            yield from bound.web_address(f"share.{name}", text)
    for name in ("title", "description", "message"):
        yield from bound.short_text(f"share.{name}", getattr(share, name))
    yield from bound.bounded("share.utm", list(share.utm), 20)
    for name, value in share.utm.items():
        if not _UTM.match(name) or name == "gw":
            fix = "Write a name such as utm_source; `gw` is the click's."
            yield Problem(f"share.utm.{name}", "must be lower-case letters, digits and _, and not `gw`", fix)
        yield from bound.short_text(f"share.utm.{name}", value, 200)
    if not _PREFIX.match(share.code_prefix):
        yield Problem("share.code_prefix", "must be at most 20 letters, digits, - and _", "Shorten it, or leave it out.")


def _supplier(path: str, supplier: Supplier, known: Known) -> Problems:
    yield from bound.named(f"{path}.id", supplier.id)
    if supplier.id in BUILT_IN:
        yield Problem(f"{path}.id", f"`{supplier.id}` is built in", "Give it another id, or leave it out and use the one there is.")
    before = known.suppliers.get(supplier.id)
    if before is not None and before.type != supplier.type:
        yield Problem(f"{path}.type", f"cannot become {supplier.type}: the account's supplier is {before.type}", "Give it another id.")
    for name in ("name", "description", "partner_reward_supplier_id"):
        yield from bound.short_text(f"{path}.{name}", getattr(supplier, name))
    if supplier.type == "STATIC_COUPON" and not supplier.code.strip():
        yield Problem(f"{path}.code", "is missing: a static coupon is one code for everybody", "Write the code.")
    yield from bound.short_text(f"{path}.code", supplier.code, 64)
    if supplier.face_value_type:
        yield from bound.unit(f"{path}.face_value_type", supplier.face_value_type)
    yield from bound.decimal(f"{path}.face_value", supplier.face_value or None, supplier.face_value_type)
    if (why := why_no_cash_back(supplier)) is not None:
        yield Problem(f"{path}.cash_back_percentage", f"is not right: {why}", "Mend it, or leave the cash back out.")
    yield from bound.number(f"{path}.low_balance", supplier.low_balance, 0, bound.COUNT_MAX * 1000)
    yield from bound.number(f"{path}.expires_days", supplier.expires_days, 1, EXPIRES_DAYS_MAX)
    yield from bound.number(f"{path}.limit_per_hour", supplier.limit_per_hour, 1, bound.COUNT_MAX)
    yield from bound.number(f"{path}.limit_per_day", supplier.limit_per_day, 1, bound.COUNT_MAX)
    yield from bound.number(f"{path}.overdue_days", supplier.overdue_days, 1, OVERDUE_DAYS_MAX)
    yield from bound.number(f"{path}.tags", len(supplier.tags), 0, TAGS_MAX)
    for number, tag in enumerate(supplier.tags):
        yield from bound.short_text(f"{path}.tags[{number}]", tag, TAG_CHARS_MAX)
    for state, after in supplier.state_transitions.items():
        for name in (state, *after):
            if name not in TRANSITIONS:
                yield Problem(f"{path}.state_transitions.{state}", f"`{name}` is no state of a reward", nearest(name, list(TRANSITIONS)))


def _reward(path: str, reward: RewardTerms, events: Listens, suppliers: Mapping[str, Supplier]) -> Problems:
    yield from bound.named(f"{path}.name", reward.name)
    heard = {name.casefold() for name in (*events.sign_up, *events.outcome, *events.actions)}
    kinds = {"outcome": events.outcome, "sign_up": events.sign_up}
    own = kinds.get(reward.on, [reward.on])
    if reward.on in kinds and not own:
        yield Problem(f"{path}.on", f"waits for a {reward.on}, and events.{reward.on} is empty", f"Name an event in events.{reward.on}.")
    elif reward.on not in kinds and reward.on.casefold() not in heard:
        close = nearest(reward.on, ["outcome", "sign_up", *events.sign_up, *events.outcome, *events.actions])
        yield Problem(f"{path}.on", f"`{reward.on}` is no event that the campaign listens to", f"{close} Or add it to events.actions.")
    supplier = suppliers.get(reward.supplier)
    if supplier is None:
        yield Problem(
            f"{path}.supplier",
            f"there is no supplier `{reward.supplier}`",
            f"{nearest(reward.supplier, list(suppliers))} Or add it to suppliers.",
        )
    elif not supplier.enabled:
        yield Problem(f"{path}.supplier", f"`{reward.supplier}` is not enabled", "Enable it, or name another.")
    yield from _value(path, valued(reward, supplier), supplier)
    yield from bound.number(f"{path}.pending_days", reward.pending_days, 0, PENDING_DAYS_MAX)
    yield from bound.number(f"{path}.expires_days", reward.expires_days, 1, EXPIRES_DAYS_MAX)
    if reward.expires_days is not None and reward.expires_days <= reward.pending_days:
        yield Problem(f"{path}.expires_days", "would be over before the pending days are", "Make it longer than pending_days.")
    yield from check_rules(f"{path}.rules", reward, heard, own, events)


def _value(path: str, reward: RewardTerms, supplier: Supplier | None) -> Problems:
    value, unit = reward.value, reward.value.unit
    yield from bound.unit(f"{path}.value.unit", unit)
    if (value.amount is None) == (value.percent is None):
        said = "has an amount and a percent" if value.amount is not None else "says neither amount nor percent, nor does the supplier"
        yield Problem(f"{path}.value", said, "Write one of the two.")
    yield from bound.decimal(f"{path}.value.amount", value.amount, unit, above_zero=True, most=100 if unit == "PERCENT_OFF" else AMOUNT_MAX)
    yield from bound.decimal(f"{path}.value.percent", value.percent, "", above_zero=True, most=100)
    if value.percent is not None:
        if unit in ("PERCENT_OFF", "MONTH"):
            yield Problem(f"{path}.value.unit", f"cannot be {unit} for a percentage of the event's value", "Write a currency or POINTS.")
        if value.max is None:
            said = "has a percent and no max: one large order may cost any amount"
            yield Problem(f"{path}.value.max", said, "Write the most that one reward may be worth.", is_warning=True)
    elif value.min is not None or value.max is not None:
        yield Problem(f"{path}.value", "has a min or max without a percent", "They bound a percentage; leave them out.")
    yield from bound.ordered(f"{path}.value", "min", value.min, "max", value.max, unit)
    if supplier is not None and supplier.type == "POINTS" and unit != "POINTS":
        yield Problem(
            f"{path}.value.unit", f"must be POINTS: `{supplier.id}` counts points", "Write POINTS, or `supplier: credit` for money."
        )
    if supplier is not None and supplier.type == "ACCOUNT_CREDIT" and unit not in CURRENCIES:
        yield Problem(f"{path}.value.unit", f"must be a currency: `{supplier.id}` is account credit", "Write one such as USD.")


def _budget(path: str, budget: Budget) -> Problems:
    if budget.value_max is None and budget.count_max is None:
        yield Problem(path, "bounds nothing", "Write value_max (with its unit) or count_max.")
    if budget.value_max is not None and not budget.unit:
        yield Problem(f"{path}.unit", "is missing: value_max is an amount of something", "Write a currency or POINTS.")
    if budget.unit:
        yield from bound.unit(f"{path}.unit", budget.unit)
    yield from bound.decimal(f"{path}.value_max", budget.value_max, budget.unit, above_zero=True)
    yield from bound.number(f"{path}.count_max", budget.count_max, 1, bound.COUNT_MAX * 1000)

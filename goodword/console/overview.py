"""The overview: what needs attention, how far shares carry, how it goes over time, by what, and whom to thank."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from goodword.console.chart import Chart, Series, unit_name
from goodword.console.navigation import Entry
from goodword.console.page import Page, PageRefused, shows
from goodword.core.origin import ORIGINS
from goodword.core.period import start_of
from goodword.core.report import Figures, Money
from goodword.core.reward import UNITS
from goodword.storage.query import attention, person
from goodword.storage.query import overview as query

ENTRIES = (Entry("Overview", "/overview", "support", "See", "o", "overview"),)
DAYS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "12 months"}
CURRENCIES_MAX = 2
REASONS: dict[str, str] = {
    "COUPON_CODE": "Coupon code",
    "SHARE_ID": "Clicked a share link",
    "SHAREABLE_ID": "Share link named",
    "SHARE_RECIPIENT": "Address that was shared to",
    "ADVOCATE_CODE": "Advocate's code",
    "ADVOCATE_PARTNER_USER_ID": "Advocate's user id",
    "ADVOCATE_EMAIL": "Advocate's e-mail",
    "ADVOCATE_ORDER_ID": "Advocate's order",
}
"""Why an advocate is credited, as people call it."""
STEPS = (
    ("advocates", "Advocates", "", ""),
    ("shares", "Shares", "", ""),
    ("clicks", "Clicks", "shares", "clicks per 100 shares"),
    ("sign_ups", "Sign-ups", "clicks", "of clicks"),
    ("conversions", "Conversions", "clicks", "of clicks"),
    ("rewards", "Rewards", "", ""),
)
"""The funnel: a count, its name, what it is a rate of and how that is said."""


async def show(page: Page) -> Response:
    """`GET /overview`."""
    days = page.choice("days", tuple(DAYS), "30")
    quality = page.choice("quality", ("all", "high"), "all")
    programs = page.store.programs.get(page.account)
    campaigns = dict(programs.campaigns) if programs is not None else {}
    campaign = page.query("campaign")
    if campaign and campaign not in campaigns:
        raise PageRefused(404, "There is no such campaign.")
    last = page.today
    first = start_of("MONTH", last - 335) if days == "365" else last - int(days) + 1
    found = query.overview(page.store, page.account, first, last, campaign)
    names = {id: each.document.name or id for id, each in campaigns.items()}
    values: dict[str, Any] = {
        "found": found,
        "days": days,
        "quality": quality,
        "campaign": campaign,
        "names": names,
        "choices": DAYS,
        "steps": steps(found.now, found.before, quality),
        "charts": charts(page, found, quality),
        "costs": [(unit, unit_name(unit), value) for unit, value in sorted(found.now.cost.items()) if value],
        "tables": tables(found, names, quality),
        "units": UNITS,
        "top": _top(page, found),
        "matters": attention.matters(page.store, page.account, page.now),
        "last": query.last_activity(page.store, page.account),
    }
    return page.render("overview/show.html", **values)


def steps(now: Figures, before: Figures, quality: str) -> list[dict[str, Any]]:
    """The funnel's steps: count, how it changed, and the rate to an earlier step."""
    return [
        {
            "name": name,
            "label": label,
            "count": _count(now, name, quality),
            "high": getattr(now, f"{name}_high", None),
            "change": _ratio(_count(now, name, quality) - _count(before, name, quality), _count(before, name, quality)),
            "before": _count(before, name, quality),
            "rate": _ratio(_count(now, name, quality), _count(now, of, quality)) if of else None,
            "said": said,
        }
        for name, label, of, said in STEPS
    ]


def _count(figures: Figures, name: str, quality: str) -> int:
    """A count, or its high-quality one where it has one."""
    high = f"{name}_high"
    found: int = getattr(figures, high if quality == "high" and hasattr(figures, high) else name)
    return found


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def charts(page: Page, found: query.Overview, quality: str) -> list[Chart]:
    """How it went: activity, referred revenue of the main currencies, what rewards cost. What is all zero is left out."""
    course = list(found.course.values())
    starts = list(found.course)
    names = (("clicks", "Clicks"), ("sign_ups", "Sign-ups"), ("conversions", "Conversions"))
    drawn = [
        Chart(
            "activity",
            "Clicks, sign-ups and conversions",
            found.grain,
            starts,
            [Series(label, [_count(figures, name, quality) for figures in course]) for name, label in names],
        )
    ]
    for currency, _ in query.main_currencies(found.now, page.settings.currency, CURRENCIES_MAX):
        money = [figures.money.get(currency, Money()) for figures in course]
        series = [
            Series("All referred", [each.referred for each in money], currency),
            Series("High quality", [each.referred_high for each in money], currency),
        ]
        drawn.append(Chart(f"revenue-{currency}", f"Revenue by referral, {currency}", found.grain, starts, series))
    for unit, value in sorted(found.now.cost.items(), key=lambda entry: (entry[0] in UNITS, entry[0]))[:CURRENCIES_MAX]:
        if value:
            series = [Series("Rewards earned", [figures.cost.get(unit, 0) for figures in course], unit)]
            drawn.append(Chart(f"cost-{unit}", f"Reward cost, {unit_name(unit)}", found.grain, starts, series))
    return [chart for chart in drawn if not chart.is_empty]


def tables(found: query.Overview, names: dict[str, str], quality: str) -> list[dict[str, Any]]:
    """By campaign, source, reason and channel: a word, its counts, its revenue."""
    by: tuple[tuple[str, str, dict[str, str], dict[str, Figures], tuple[str, ...], str], ...] = (
        ("By campaign", "Campaign", names, found.by_campaign, ("shares", "clicks", "sign_ups", "conversions"), "campaign"),
        ("Where friends come from", "Source", ORIGINS, found.by_origin, ("clicks", "sign_ups", "conversions"), ""),
        ("How advocates are recognised", "Reason", REASONS, found.by_reason, ("sign_ups", "conversions"), ""),
        ("How advocates share", "Channel", {}, found.by_channel, ("shares",), ""),
    )
    shown = []
    for title, head, labels, figures, columns, filters in by:
        rows: list[dict[str, Any]] = [
            {
                "word": word,
                "label": labels.get(word) or word.replace("_", " ").capitalize() or "None",
                "counts": [_count(each, name, quality) for name in columns],
                "money": [
                    (currency, amount)
                    for currency, money in sorted(each.money.items())
                    if (amount := money.referred_high if quality == "high" else money.referred)
                ],
            }
            for word, each in figures.items()
        ]
        rows.sort(key=lambda row: ([-count for count in row["counts"][::-1]], row["label"]))
        has_money = "conversions" in columns
        shown.append({"title": title, "head": head, "columns": columns, "rows": rows, "has_money": has_money, "filters": filters})
    return shown


def _top(page: Page, found: query.Overview) -> list[dict[str, Any]]:
    people = person.find_many(page.store, page.account, [each.number for each in found.top])
    return [{"advocate": each, "profile": people.get(each.number)} for each in found.top]


ROUTES = (shows("/overview", show, "support"),)

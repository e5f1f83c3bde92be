"""What the overview shows of some days: the funnel and how it was the days before, its course, by what, and whom to thank. From tallies."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from goodword.core.period import Period, start_of, starts
from goodword.core.report import Figures, Money
from goodword.core.reward import GONE
from goodword.storage.query import report as counts
from goodword.storage.query.report import Advocate
from goodword.storage.store import Store

TOP = 10
DAYS_BY_DAY = 92
"""A longer course is drawn by month."""


class Overview(Struct):
    """`before` is the same number of days before. `course` goes by the first day of each period; the first and the last may be cut off."""

    first: int
    last: int
    grain: Period
    now: Figures
    before: Figures
    course: dict[int, Figures]
    by_campaign: dict[str, Figures]
    by_channel: dict[str, Figures]
    by_reason: dict[str, Figures]
    by_origin: dict[str, Figures]
    top: list[Advocate]


def overview(store: Store, account: int, first: int, last: int, campaign: str = "") -> Overview:
    """The days from `first` to `last`, of one campaign or of all. Advocates are those of all campaigns."""
    chosen = (campaign,) if campaign else ()
    days = last - first + 1
    grain: Period = "DAY" if days <= DAYS_BY_DAY else "MONTH"
    found = Overview(
        first, last, grain, Figures(), Figures(), {start: Figures() for start in starts(grain, first, last)}, {}, {}, {}, {}, []
    )
    for begin, end in ((first - days, first - 1), (first, last)):
        for day, *sums in counts.referral_days(store, account, begin, end, chosen, by_month=grain == "MONTH"):
            for figures in _places(found, day):
                counts.add_referral(figures, *sums)
    for day, state, unit, count, value in counts.reward_days(store, account, first - days, last, chosen):
        if state not in GONE and count:
            for figures in _places(found, day):
                figures.rewards += count
                figures.cost[unit] = figures.cost.get(unit, 0) + value
    found.now.advocates = counts.count_advocates(store, account, first, last)
    found.before.advocates = counts.count_advocates(store, account, first - days, first - 1)
    for row in counts.referral_words(store, account, first, last, chosen):
        _add_words(found, *row)
    found.top = counts.top_advocates(store, account, first, last, TOP)
    return found


def _add_words(found: Overview, campaign: str, detail: str, origin: str, measure: str, *sums: Any) -> None:
    """Add a count to the words it is of: of a share the channel, of what is credited the reason, of what came by a click its origin."""
    words = [(found.by_campaign, campaign)]
    if measure == "share":
        words.append((found.by_channel, detail))
    else:
        words.append((found.by_origin, origin))
    if measure in ("sign_up", "outcome"):
        words.append((found.by_reason, detail))
    for by, word in words:
        counts.add_referral(by.setdefault(word, Figures()), measure, *sums)


def _places(found: Overview, day: int) -> tuple[Figures, ...]:
    return (found.now, found.course[start_of(found.grain, day)]) if day >= found.first else (found.before,)


def last_activity(store: Store, account: int) -> int | None:
    """The last day that anything of a referral is counted on; None where nothing ever was."""
    sql = "SELECT day FROM referral_tally WHERE account_id = ? ORDER BY day DESC LIMIT 1"
    rows = store.database.read(sql, (account,))
    return int(rows[0][0]) if rows else None


def main_currencies(figures: Figures, own: str, most: int) -> list[tuple[str, Money]]:
    """The currencies of referred revenue: the account's own first, then those with most conversions."""
    ordered = sorted(figures.money.items(), key=lambda entry: (entry[0] != own, -entry[1].conversions, entry[0]))
    return ordered[:most]

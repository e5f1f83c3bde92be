"""A report's rows, in the order they are written, some at a time: between two chunks a server can do something else.

What is personal is opened when the row is made, with the person's key, and is stored nowhere: of whoever was deleted by then it is empty
(law 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from goodword.core.money import write_money
from goodword.core.period import write_day
from goodword.core.report import METRICS, ROWS_MAX, TIERS, Cell, Figures, Money, Request, percent, period_cells, tier_of, value_of
from goodword.storage.query import report as counts
from goodword.storage.query import report_list as lists
from goodword.storage.query.report import Advocate
from goodword.storage.store import Store

CHUNK = 200
Chunk = list[list[Cell]]
_BROUGHT = ("clicks", "clicks_high", "sign_ups", "sign_ups_high", "conversions", "conversions_high")
_SHARED = ("shares", "shares_high")


def chunks(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    """The rows of a report, ROWS_MAX at most."""
    left = ROWS_MAX
    for rows in _ROWS[request.report](store, account, request):
        yield rows[:left]
        left -= len(rows)
        if left <= 0:
            return


def _metrics(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    names = METRICS[request.report]
    found = counts.figures(store, account, request.period, request.first, request.last, request.campaigns)
    yield [[*period_cells(request.period, start), *(value_of(each, name) for name in names)] for start, each in found.items()]


def _revenue(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    found = counts.figures(store, account, request.period, request.first, request.last)
    yield [
        [
            *period_cells(request.period, start),
            currency,
            money.conversions,
            money.transactions,
            write_money(money.referred, currency),
            write_money(money.referred_high, currency),
            write_money(money.total, currency),
            percent(money.referred, money.total),
        ]
        for start, figures in found.items()
        for currency, money in sorted(figures.money.items())
    ]


def _by(column: str, measures: tuple[str, ...], names: tuple[str, ...], *, has_revenue: bool = True) -> _Rows:
    """Rows by a word: its counts, and its revenue where it has any; of each further currency a row with nothing else."""

    def rows(store: Store, account: int, request: Request) -> Iterator[Chunk]:
        found = counts.by(store, account, column, measures, request.first, request.last, request.campaigns)
        ordered = sorted(found.items(), key=lambda entry: (-entry[1].conversions, -entry[1].clicks, -entry[1].shares, entry[0]))
        yield [row for word, figures in ordered for row in _word(word, figures, names, has_revenue)]

    return rows


def _word(word: str, figures: Figures, names: tuple[str, ...], has_revenue: bool) -> Chunk:
    cells: list[Cell] = [word, *(value_of(figures, name) for name in names)]
    if not has_revenue:
        return [cells]
    paid = sorted(figures.money.items(), key=lambda entry: (-entry[1].referred, entry[0])) or [("", Money())]
    more: list[Cell] = [word, *(0 for _ in names)]
    return [[*(more if place else cells), *_paid(currency, money)] for place, (currency, money) in enumerate(paid)]


def _paid(currency: str, money: Money) -> list[Cell]:
    return [currency, write_money(money.referred, currency), write_money(money.referred_high, currency)]


def _states(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    found = counts.states(store, account, request.period, request.first, request.last, request.campaigns)
    yield [
        [*period_cells(request.period, start), state, unit, count, _worth(value, unit), moves]
        for (start, state, unit), (count, value, moves) in sorted(found.items())
    ]


def _worth(value: int, unit: str) -> Cell:
    return write_money(value, unit) if unit else None


def _successful(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    yield from _advocates(store, account, request, "sum(a.friends) > 0", is_paid=True)


def _active(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    yield from _advocates(store, account, request, "sum(a.links + a.shares + a.clicks) > 0", is_paid=False)


def _advocates(store: Store, account: int, request: Request, having: str, *, is_paid: bool) -> Iterator[Chunk]:
    found = counts.advocates(store, account, request.first, request.last, having=having)
    for begin in range(0, len(found), CHUNK):
        some = found[begin : begin + CHUNK]
        names = lists.names_of(store, account, [each.number for each in some])
        yield [row for each in some for row in _advocate(each, names[each.number], is_paid)]


def _advocate(each: Advocate, names: list[Cell], is_paid: bool) -> Chunk:
    """A row, and of each further currency another with nothing else."""
    who: list[Cell] = [*names, write_day(each.last)]
    did: list[Cell] = [each.links, each.shares, each.clicks, each.sign_ups, each.friends]
    if not is_paid:
        return [[*who, *did, each.outcomes]]
    who.append(tier_of(each.friends))
    paid = list(each.money.items())
    unpaid = each.outcomes - sum(count for _, (_, count) in paid)
    rows: Chunk = []
    for place, (currency, (amount, count)) in enumerate(paid or [("", (0, 0))]):
        is_first = not place
        rows.append([*who, *(did if is_first else [0] * len(did)), count + unpaid * is_first, currency, write_money(amount, currency)])
    return rows


def _tiers(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    """A row a tier and currency; the advocates and friends of a tier stand in its first."""
    found = counts.advocates(store, account, request.first, request.last, having="sum(a.friends) > 0")
    rows: Chunk = []
    for tier in TIERS:
        own = [each for each in found if tier_of(each.friends) == tier]
        money: dict[str, list[int]] = {}
        for each in own:
            for currency, paid in each.money.items():
                sums = money.setdefault(currency, [0, 0])
                sums[0], sums[1] = sums[0] + paid[0], sums[1] + paid[1]
        unpaid = sum(each.outcomes for each in own) - sum(count for _, count in money.values())
        for place, (currency, (amount, count)) in enumerate(sorted(money.items()) or [("", [0, 0])]):
            is_first = not place
            heads = [len(own), sum(each.friends for each in own)] if is_first else [0, 0]
            rows.append([tier, *heads, count + unpaid * is_first, currency, write_money(amount, currency)])
    yield rows


_Rows = Callable[[Store, int, Request], Iterator[Chunk]]
_ROWS: dict[str, _Rows] = {
    **dict.fromkeys(METRICS, _metrics),
    "revenue-contribution": _revenue,
    "by-campaign": _by("campaign_id", ("share", "click", "sign_up", "outcome"), (*_SHARED, *_BROUGHT)),
    "by-channel": _by("detail", ("share",), _SHARED, has_revenue=False),
    "by-reason": _by("detail", ("sign_up", "outcome"), _BROUGHT[2:]),
    "top-sources": _by("origin", ("click", "sign_up", "outcome"), _BROUGHT),
    "successful-advocates": _successful,
    "advocate-tiers": _tiers,
    "active-advocates": _active,
    "friend-conversions": lists.conversions,
    "rewards": lists.rewards,
    "reward-transitions": lists.moves_to(None),
    "rewards-by-state": _states,
    "earned-rewards": lists.moves_to("EARNED"),
    "fulfilled-rewards": lists.moves_to("FULFILLED"),
    "failed-rewards": lists.moves_to("FAILED"),
}

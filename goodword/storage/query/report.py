"""The counts that reports and the overview are made of, from tallies alone: no statement here reads events, people or rewards.

Days are inclusive, the account's, numbered from 1970. Every statement names the account (law 8). What is counted names nobody (law 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from goodword.core.event import TRACK
from goodword.core.period import Period, next_start, start_of, starts, whole_months
from goodword.core.presence import CUSTOMER, NEW, NEW_REFERRED, REFERRED, REFERRED_HIGH, ROLES
from goodword.core.report import Figures, Money
from goodword.core.reward import GONE
from goodword.core.tally import FIRST_OUTCOME
from goodword.storage.driver import Row
from goodword.storage.store import Store

_MEASURES = {"share": "shares", "click": "clicks", "sign_up": "sign_ups", "outcome": "conversions"}
_ROLES = {
    ROLES[CUSTOMER]: "customers",
    ROLES[REFERRED]: "referred_customers",
    ROLES[REFERRED_HIGH]: "referred_customers_high",
    ROLES[NEW]: "new_customers",
    ROLES[NEW_REFERRED]: "referred_new_customers",
}
_SUMS = ("links", "shares", "clicks", "sign_ups", "outcomes", "friends")
DAYS_IN_ORDER = 120
"""From so many days on, sums by advocate are read in the order of advocates: what there is of other days is passed over, not sorted."""
_ACTED = "t.links + t.shares + t.clicks > 0"
"""What makes somebody an advocate of a period; what their friends did later does not."""


def of_campaigns(store: Store, campaigns: Iterable[str]) -> tuple[str, list[Any]]:
    """A condition on campaigns and its parameters; of none, nothing."""
    listed = sorted(campaigns)
    return (" AND campaign_id IN (SELECT value FROM carray(?))", [store.database.texts(listed)]) if listed else ("", [])


def figures(store: Store, account: int, period: Period, first: int, last: int, campaigns: Iterable[str] = ()) -> dict[int, Figures]:
    """What was counted in each period that the days touch, whole, by its first day. With campaigns, people are those of all."""
    begin, end = start_of(period, first), next_start(period, start_of(period, last)) - 1
    found = {start: Figures() for start in starts(period, begin, end)}
    by_month = period in ("MONTH", "QUARTER")
    for day, measure, quality, unit, count, amount in referral_days(store, account, begin, end, campaigns, by_month=by_month):
        add_referral(found[start_of(period, day)], measure, quality, unit, count, amount)
    for day, state, unit, count, value in reward_days(store, account, begin, end, campaigns):
        if state not in GONE and count:
            of_day = found[start_of(period, day)]
            of_day.rewards += count
            of_day.cost[unit] = of_day.cost.get(unit, 0) + value
    for day, currency, count, amount in outcome_days(store, account, begin, end):
        of_day = found[start_of(period, day)]
        of_day.transactions += count
        if currency:
            money = of_day.money.setdefault(currency, Money())
            money.total += amount
            money.transactions += count
    sql = "SELECT role, start, count FROM people_tally WHERE account_id = ? AND period = ? AND start BETWEEN ? AND ?"
    for role, start, count in store.database.read(sql, (account, period, begin, end)):
        setattr(found[start], _ROLES[role], count)
    for start, counted in found.items():
        counted.advocates = count_advocates(store, account, start, next_start(period, start) - 1)
    return found


def add_referral(figures: Figures, measure: str, quality: str, unit: str, count: int, amount: int) -> None:
    """Add a count of referrals to figures; what they have no name for is passed over."""
    name = _MEASURES.get(measure)
    if name is None:
        return
    setattr(figures, name, getattr(figures, name) + count)
    is_high = quality == "HIGH"
    if is_high:
        setattr(figures, f"{name}_high", getattr(figures, f"{name}_high") + count)
    if measure == "outcome" and unit:
        money = figures.money.setdefault(unit, Money())
        money.referred += amount
        money.conversions += count
        money.referred_high += amount if is_high else 0


def referral_days(store: Store, account: int, first: int, last: int, campaigns: Iterable[str] = (), *, by_month: bool = False) -> list[Row]:
    """Day, measure, quality, unit; count and amount. `by_month`: of whole months a row for the month, on its first day."""
    return _referrals(store, account, "day, measure, quality, unit", first, last, campaigns, by_month=by_month)


def referral_words(store: Store, account: int, first: int, last: int, campaigns: Iterable[str] = ()) -> list[Row]:
    """Campaign, detail, origin, measure, quality, unit; count and amount."""
    return _referrals(store, account, "campaign_id, detail, origin, measure, quality, unit", first, last, campaigns, by_month=True)


def _referrals(store: Store, account: int, columns: str, first: int, last: int, campaigns: Iterable[str], *, by_month: bool) -> list[Row]:
    """Sums by some columns; of whole months from the months' rows, where that is enough. First outcomes are among the outcomes."""
    narrowed, values = of_campaigns(store, campaigns)
    months, ends = whole_months(first, last) if by_month else ([], [(first, last)])
    parts = [("referral_month", "month", months[0], months[-1])] if months else []
    parts += [("referral_tally", "day", begin, end) for begin, end in ends]
    sql, given = [], []
    for table, day, begin, end in parts:
        named = columns.replace("day", f"{day} AS day") if day != "day" else columns
        sql.append(f"SELECT {named}, count, amount FROM {table} WHERE account_id = ? AND {day} BETWEEN ? AND ? AND measure <> ?{narrowed}")
        given += [account, begin, end, FIRST_OUTCOME, *values]
    return store.database.read(f"SELECT {columns}, sum(count), sum(amount) FROM ({' UNION ALL '.join(sql)}) t GROUP BY {columns}", given)


def reward_days(store: Store, account: int, first: int, last: int, campaigns: Iterable[str] = ()) -> list[Row]:
    """Day, state, unit; count and value of the rewards earned on it."""
    narrowed, values = of_campaigns(store, campaigns)
    return store.database.read(
        "SELECT day, state, unit, sum(count), sum(value) FROM reward_tally"
        f" WHERE account_id = ? AND day BETWEEN ? AND ?{narrowed} GROUP BY day, state, unit",
        (account, first, last, *values),
    )


def states(
    store: Store, account: int, period: Period, first: int, last: int, campaigns: Iterable[str] = ()
) -> dict[tuple[int, str, str], tuple[int, int, int]]:
    """By period, state and unit: rewards earned in it that are in the state now, their value, and how many came to the state in it."""
    narrowed, values = of_campaigns(store, campaigns)
    begin, end = start_of(period, first), next_start(period, start_of(period, last)) - 1
    rows = store.database.read(
        "SELECT day, state, unit, sum(count), sum(value), sum(moves) FROM reward_tally"
        f" WHERE account_id = ? AND day BETWEEN ? AND ?{narrowed} GROUP BY day, state, unit",
        (account, begin, end, *values),
    )
    found: dict[tuple[int, str, str], tuple[int, int, int]] = {}
    for day, state, unit, *sums in rows:
        place = (start_of(period, day), state, unit)
        count, value, moves = found.get(place, (0, 0, 0))
        found[place] = (count + sums[0], value + sums[1], moves + sums[2])
    return {place: sums for place, sums in found.items() if any(sums)}


def outcome_days(store: Store, account: int, first: int, last: int) -> list[Row]:
    """Day and currency; count and amount of all outcomes, referred or not, of the events any campaign takes for one."""
    programs = store.programs.get(account)
    outcomes = programs.outcomes if programs is not None else frozenset()
    within = "account_id = ? AND day BETWEEN ? AND ? AND type = ?"
    place = (account, first, last, TRACK)
    names = [name for (name,) in store.database.read(f"SELECT DISTINCT name FROM tally WHERE {within}", place)]
    wanted = [name for name in names if name.casefold() in outcomes]
    if not wanted:
        return []
    return store.database.read(
        f"SELECT day, currency, sum(count), sum(amount) FROM tally WHERE {within} AND name IN (SELECT value FROM carray(?))"
        " GROUP BY day, currency",
        (*place, store.database.texts(wanted)),
    )


def count_advocates(store: Store, account: int, first: int, last: int) -> int:
    """How many people acted as advocates in these days; two that became one are one."""
    months, ends = whole_months(first, last)
    parts = []
    given = []
    if months:
        order = " INDEXED BY advocate_months" if len(months) > 2 else ""
        parts.append(f"SELECT DISTINCT advocate_id AS id FROM advocate_month{order} WHERE account_id = ? AND month BETWEEN ? AND ?")
        given += [account, months[0], months[-1]]
    for begin, end in ends:
        parts.append(f"SELECT t.advocate_id AS id FROM advocate_tally t WHERE t.account_id = ? AND t.day BETWEEN ? AND ? AND {_ACTED}")
        given += [account, begin, end]
    rows = store.database.read(
        f"SELECT count(DISTINCT coalesce(m.target, a.id)) FROM (SELECT DISTINCT id FROM ({' UNION ALL '.join(parts)}) t) a"
        " LEFT JOIN merged m ON m.account_id = ? AND m.source = a.id",
        (*given, account),
    )
    return int(rows[0][0])


class Advocate(Struct):
    """What an advocate did and brought in some days. `outcomes` are good ones, `friends` those that are their friend's first; `money` is
    the value of the outcomes by currency, with how many there are."""

    number: int
    last: int
    links: int
    shares: int
    clicks: int
    sign_ups: int
    outcomes: int
    friends: int
    money: dict[str, tuple[int, int]] = field(default_factory=dict)


def advocates(store: Store, account: int, first: int, last: int, *, having: str = "1") -> list[Advocate]:
    """Advocates of these days, those with most friends first. `having`: a condition on the sums."""
    rows = store.database.read(
        f"SELECT coalesce(m.target, a.id) AS number, max(a.day), {', '.join(f'sum(a.{name}) AS {name}' for name in _SUMS)}"
        f" FROM (SELECT advocate_id AS id, max(day) AS day, {', '.join(f'sum({name}) AS {name}' for name in _SUMS)} FROM advocate_tally"
        " WHERE account_id = ?1 AND day BETWEEN ?2 AND ?3 GROUP BY advocate_id) a"
        f" LEFT JOIN merged m ON m.account_id = ?1 AND m.source = a.id GROUP BY number HAVING {having}"
        " ORDER BY sum(a.friends) DESC, sum(a.outcomes) DESC, sum(a.shares) DESC, number",
        (account, first, last),
    )
    return _paid(store, account, first, last, [Advocate(*row) for row in rows])


def top_advocates(store: Store, account: int, first: int, last: int, limit: int) -> list[Advocate]:
    """Those with most friends in these days, found among the days on which anybody brought anything: of some days in the order of days, of
    many in that of advocates, where their sums need no sorting."""
    order = "advocate_brought" if last - first < DAYS_IN_ORDER else "advocate_order"
    rows = store.database.read(
        "SELECT coalesce(m.target, a.id) AS number FROM (SELECT advocate_id AS id, sum(friends) AS friends, sum(outcomes) AS outcomes"
        f" FROM advocate_tally INDEXED BY {order} WHERE account_id = ?1 AND day BETWEEN ?2 AND ?3"
        " AND (outcomes <> 0 OR friends <> 0) GROUP BY advocate_id) a"
        " LEFT JOIN merged m ON m.account_id = ?1 AND m.source = a.id GROUP BY number HAVING sum(a.friends) > 0"
        " ORDER BY sum(a.friends) DESC, sum(a.outcomes) DESC, number LIMIT ?4",
        (account, first, last, limit),
    )
    chosen = [number for (number,) in rows]
    homes = {number: number for number in chosen}
    sql = (
        "SELECT m.source, m.target FROM carray(?) k CROSS JOIN merged m INDEXED BY merged_target ON m.account_id = ? AND m.target = k.value"
    )
    homes.update(store.database.read(sql, (store.database.ints(chosen), account)))
    found = {number: Advocate(number, 0, 0, 0, 0, 0, 0, 0) for number in chosen}
    for number, unit, last_day, *sums, amount in store.database.read(
        f"SELECT advocate_id, unit, max(day), {', '.join(f'sum({name})' for name in _SUMS)}, sum(amount) FROM advocate_tally"
        " WHERE account_id = ? AND day IN (SELECT value FROM carray(?)) AND advocate_id IN (SELECT value FROM carray(?))"
        " GROUP BY advocate_id, unit",
        (account, store.database.ints(range(first, last + 1)), store.database.ints(sorted(homes))),
    ):
        each = found[homes[number]]
        each.last = max(each.last, last_day)
        for name, more in zip(_SUMS, sums, strict=True):
            setattr(each, name, getattr(each, name) + more)
        count = sums[_SUMS.index("outcomes")]
        if unit and count:
            before = each.money.get(unit, (0, 0))
            each.money[unit] = (before[0] + amount, before[1] + count)
    for each in found.values():
        each.money = dict(sorted(each.money.items(), key=lambda entry: (-entry[1][0], entry[0])))
    return list(found.values())


def _paid(store: Store, account: int, first: int, last: int, found: list[Advocate]) -> list[Advocate]:
    """Advocates with the value of what they brought."""
    by_number = {each.number: each for each in found}
    paid = store.database.read(
        "SELECT coalesce(m.target, a.advocate_id), a.unit, sum(a.amount), sum(a.outcomes) FROM advocate_tally a"
        " LEFT JOIN merged m ON m.account_id = ?1 AND m.source = a.advocate_id WHERE a.account_id = ?1 AND a.day BETWEEN ?2 AND ?3"
        " AND (a.outcomes <> 0 OR a.friends <> 0) AND a.unit <> '' GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2",
        (account, first, last),
    )
    for number, unit, amount, count in paid:
        if number in by_number and count:
            by_number[number].money[unit] = (amount, count)
    return found


def by(
    store: Store, account: int, column: str, measures: Iterable[str], first: int, last: int, campaigns: Iterable[str] = ()
) -> dict[str, Figures]:
    """What was counted of some measures by `campaign_id`, `detail` (a share's channel, a credit's reason) or `origin`."""
    narrowed, values = of_campaigns(store, campaigns)
    rows = store.database.read(
        f"SELECT {column}, measure, quality, unit, sum(count), sum(amount) FROM referral_tally WHERE account_id = ? AND day BETWEEN ? AND ?"
        f" AND measure IN (SELECT value FROM carray(?)){narrowed} GROUP BY {column}, measure, quality, unit",
        (account, first, last, store.database.texts(sorted(measures)), *values),
    )
    found: dict[str, Figures] = {}
    for word, measure, quality, unit, count, amount in rows:
        add_referral(found.setdefault(word, Figures()), measure, quality, unit, count, amount)
    return found

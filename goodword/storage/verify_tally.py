"""Checks of the tallies: each says what a recount of the rows it comes from gives.

1. Of events: the log, and what counts for those that are in it no more.
2. By referral, by reward, by advocate: the rows of clicks, shares, links, judgements, credits, rewards and their moves.
3. By person: what the journeys say that is counted.
4. What a deleted person did stays counted where the rows are gone: shares, links, and a journey's days. There a tally may say more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from goodword.core.period import next_start, start_of
from goodword.core.presence import periods_of
from goodword.core.referral import Journey
from goodword.storage.cipher import Unreadable
from goodword.storage.day import day_of
from goodword.storage.driver import Row
from goodword.storage.keys import KeyStoreError
from goodword.storage.store import Store


class _Tally(Struct, frozen=True):
    """A tally: what it is kept by, what it sums, and the statements that count it anew for account ?1;
    in braces is a time whose day is meant."""

    table: str
    keys: str
    sums: str
    recounts: tuple[str, ...]


def _judged(measure: str, which: str) -> str:
    return (
        f"SELECT account_id, {{at}}, {measure}, campaign_id, reason, origin,"
        " CASE review WHEN 'open' THEN 'REVIEW' ELSE quality END, coalesce(currency, ''), count(*), coalesce(sum(amount), 0)"
        f" FROM judgement WHERE account_id = ?1 AND advocate_id IS NOT NULL AND quality <> 'NONE' AND {which}"
        " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
    )


_REFERRAL = _Tally(
    "referral_tally",
    "account_id day measure campaign_id detail origin quality unit",
    "count amount",
    (
        "SELECT account_id, {at}, 'click', campaign_id, '', origin, CASE counted WHEN 1 THEN 'HIGH' ELSE 'LOW' END, '',"
        " count(*), 0 FROM click WHERE account_id = ?1 GROUP BY 1, 2, 4, 6, 7",
        "SELECT account_id, {at}, 'share', campaign_id, channel, '', quality, '', sum(max(recipients, 1)), 0"
        " FROM share WHERE account_id = ?1 GROUP BY 1, 2, 4, 5, 7",
        _judged("kind", "kind <> ''"),
        _judged("'first_outcome'", "is_new = 1"),
    ),
)
_REWARD = _Tally(
    "reward_tally",
    "account_id day campaign_id supplier_id role state unit",
    "count value moves",
    (
        "SELECT account_id, {created_at}, campaign_id, supplier_id, role, state, unit, count(*), sum(value), 0"
        " FROM reward WHERE account_id = ?1 GROUP BY 1, 2, 3, 4, 5, 6, 7",
        "SELECT t.account_id, {t_at}, r.campaign_id, r.supplier_id, r.role, t.after, '', 0, 0, count(*) FROM reward_transition t"
        " JOIN reward r ON r.account_id = t.account_id AND r.id = t.reward_id WHERE t.account_id = ?1 AND t.success = 1"
        " AND t.before <> t.after GROUP BY 1, 2, 3, 4, 5, 6",
    ),
)
_ADVOCATE = _Tally(
    "advocate_tally",
    "account_id day advocate_id unit",
    "links shares clicks sign_ups outcomes friends amount",
    (
        "SELECT account_id, {created_at}, profile_id, '', count(*), 0, 0, 0, 0, 0, 0 FROM shareable WHERE account_id = ?1"
        " AND profile_id <> 0 GROUP BY 1, 2, 3",
        "SELECT account_id, {at}, profile_id, '', 0, sum(max(recipients, 1)), 0, 0, 0, 0, 0 FROM share WHERE account_id = ?1"
        " GROUP BY 1, 2, 3",
        "SELECT account_id, {at}, advocate_id, '', 0, 0, count(*), 0, 0, 0, 0 FROM click WHERE account_id = ?1 AND counted = 1"
        " GROUP BY 1, 2, 3",
        "SELECT account_id, {at}, advocate_id, '', 0, 0, 0, count(*), 0, 0, 0 FROM judgement WHERE account_id = ?1 AND kind = 'sign_up'"
        " AND advocate_id IS NOT NULL AND quality <> 'NONE' GROUP BY 1, 2, 3",
        "SELECT account_id, {at}, advocate_id, coalesce(currency, ''), 0, 0, 0, 0, count(*), 0, coalesce(sum(amount), 0)"
        " FROM judgement WHERE account_id = ?1 AND kind = 'outcome' AND advocate_id IS NOT NULL AND quality = 'HIGH'"
        " AND review <> 'open' GROUP BY 1, 2, 3, 4",
        "SELECT account_id, day, advocate_id, '', 0, 0, 0, 0, 0, sum(count), 0 FROM credited WHERE account_id = ?1 GROUP BY 1, 2, 3",
    ),
)
_SLOT = "measure, campaign_id, detail, origin, quality, unit"
_MONTHS = {
    "referral_month": (
        f"SELECT 1 FROM (SELECT {_SLOT}, count, amount FROM referral_tally WHERE account_id = ?1 AND day >= ?2 AND day < ?3"
        f" UNION ALL SELECT {_SLOT}, -count, -amount FROM referral_month WHERE account_id = ?1 AND month = ?2) two"
        f" GROUP BY {_SLOT} HAVING sum(count) <> 0 OR sum(amount) <> 0 LIMIT 1"
    ),
    "advocate_month": (
        "SELECT advocate_id, 1 FROM advocate_month WHERE account_id = ?1 AND month = ?2 EXCEPT SELECT advocate_id, 1 FROM advocate_tally"
        " WHERE account_id = ?1 AND day >= ?2 AND day < ?3 AND links + shares + clicks > 0"
        " UNION ALL SELECT * FROM (SELECT advocate_id, 2 FROM advocate_tally WHERE account_id = ?1 AND day >= ?2 AND day < ?3"
        " AND links + shares + clicks > 0 EXCEPT SELECT advocate_id, 2 FROM advocate_month WHERE account_id = ?1 AND month = ?2) m LIMIT 1"
    ),
}
"""What finds a month that is wrong: its account, its first day, and the first day of the next."""
_ERRORS = (Unreadable, KeyStoreError, msgspec.MsgspecError, ValueError)
_journey = msgspec.json.Decoder(Journey).decode


def problems(store: Store, is_pending: Callable[[int], bool]) -> Iterator[str]:
    """What is wrong with tallies, in the transaction the caller opened. `is_pending`: a profile's deletion is yet to be repeated here."""
    gone = {account for (account,) in store.database.load("SELECT DISTINCT account_id FROM erasure")}
    gone |= {tombstone.account_no for tombstone in store.keys.journal(0)}  # what a restored backup does not know was deleted
    for account in sorted(store.accounts):
        yield from _compare(store, account, _REFERRAL, lambda slot: slot[2] == "share" and slot[0] in gone)
        yield from _compare(store, account, _REWARD, lambda _: False)
        yield from _compare(store, account, _ADVOCATE, lambda slot: store.keys.key(slot[2]) is None)
    yield from _people(store, gone, is_pending)
    yield from _months(store)


def events(
    store: Store, counted: Counter[tuple[Any, ...]], repeated: Counter[tuple[Any, ...]], amounts: Counter[tuple[Any, ...]]
) -> Iterator[str]:
    """What is wrong with the tally of events, given what those that are there count for; those that expired are added to it."""
    for *place, count, duplicates, amount in store.database.load(
        "SELECT account_id, day, type, name, currency, count, duplicates, amount FROM removed_tally"
    ):
        slot = tuple(place)
        counted[slot] += count
        repeated[slot] += duplicates
        amounts[slot] += amount
    seen = set()
    for *place, count, duplicates, amount in store.database.load(
        "SELECT account_id, day, type, name, currency, count, duplicates, amount FROM tally"
    ):
        slot = tuple(place)
        seen.add(slot)
        if (count, duplicates, amount) != (counted[slot], repeated[slot], amounts[slot]):
            yield (
                f"tally: `{slot[3]}` on day {slot[1]} of account {slot[0]} says {count}, {duplicates} repeated, amount {amount};"
                f" there are {counted[slot]}, {repeated[slot]} and {amounts[slot]}."
            )
    for slot in (counted.keys() | repeated.keys()) - seen:
        yield f"tally: `{slot[3]}` on day {slot[1]} of account {slot[0]} is missing."


def _compare(store: Store, account: int, tally: _Tally, may_say_more: Callable[[Row], bool]) -> Iterator[str]:
    """Where an account's tally and the recount differ."""
    keys = len(tally.keys.split())
    sums = tally.sums.split()
    calendar = store.calendar(account)
    days = {time.replace(".", "_"): day_of(calendar, time) for time in ("at", "created_at", "t.at")}
    counted = " UNION ALL ".join(f"SELECT * FROM ({each.format(**days)}) one" for each in tally.recounts)
    names = ", ".join((*tally.keys.split(), *sums))
    negative = ", ".join((*tally.keys.split(), *(f"-{name}" for name in sums)))
    totals = ", ".join(f"sum({name})" for name in sums)
    differs = " OR ".join(f"sum({name}) <> 0" for name in sums)
    sql = (
        f"WITH together ({names}) AS ({counted} UNION ALL SELECT {negative} FROM {tally.table} WHERE account_id = ?1)"
        f" SELECT {tally.keys.replace(' ', ', ')}, {totals} FROM together GROUP BY {tally.keys.replace(' ', ', ')} HAVING {differs}"
    )
    for row in store.database.load(sql, (account,)):
        slot, missing = row[:keys], row[keys:]
        if may_say_more(slot) and max(missing) <= 0:
            continue
        wrong = ", ".join(f"{name} {-each:+}" for name, each in zip(sums, missing, strict=True) if each)
        yield f"{tally.table}: {' '.join(str(each) for each in slot[1:] if each != '')} of account {slot[0]} is off by {wrong}."


def _months(store: Store) -> Iterator[str]:
    """Months against the days they are made of, a month at a time."""
    sql = "SELECT account_id, day FROM referral_tally UNION SELECT account_id, day FROM advocate_tally"
    days = {(account, start_of("MONTH", day)) for account, day in store.database.load(sql)}
    said = "SELECT account_id, month FROM referral_month UNION SELECT account_id, month FROM advocate_month"
    for account, month in sorted(days.union(store.database.load(said))):
        place = (account, month, next_start("MONTH", month))
        for table, wrong in _MONTHS.items():
            if list(store.database.load(wrong, place)):
                yield f"{table}: the month from day {month} of account {account} is not what its days say."


def _people(store: Store, gone: set[int], is_pending: Callable[[int], bool]) -> Iterator[str]:
    """The counts of people against the days that journeys say are counted."""
    counts: Counter[tuple[int, str, str, int]] = Counter()
    for account, number, doc in store.database.load("SELECT account_id, profile_id, doc FROM journey"):
        key = store.keys.key(number)
        if key is None:
            if not is_pending(number):
                yield f"The journey of profile {number} is there, and its key is not."
            continue
        try:
            journey = _journey(store.sealer.open_body(key, doc))
        except _ERRORS:
            yield f"The journey of profile {number} cannot be opened."
            continue
        counts.update((account, *place) for place in periods_of(journey.counted))
    for *place, count in store.database.load("SELECT account_id, role, period, start, count FROM people_tally"):
        counts[tuple(place)] -= count
    for (account, role, period, start), missing in sorted(counts.items()):
        if missing > 0 or (missing < 0 and account not in gone):
            yield f"people_tally: {role} in the {period} from day {start} of account {account} is off by {-missing:+}."

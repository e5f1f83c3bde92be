"""Reports that list people's conversions and rewards: read from their rows in order of time, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from goodword.core.money import write_money
from goodword.core.profile import Profile
from goodword.core.report import Cell, Request
from goodword.core.reward import GONE, Reward, RewardState
from goodword.core.times import Millis, write_time
from goodword.storage.driver import Row
from goodword.storage.load_referral import REWARD, read_reward
from goodword.storage.query import person as people
from goodword.storage.query.referral import journeys_of
from goodword.storage.query.report import of_campaigns
from goodword.storage.store import Store

CHUNK = 200
Chunk = list[list[Cell]]


def bounds(store: Store, account: int, request: Request) -> tuple[Millis, Millis]:
    """From when, and before when."""
    calendar = store.calendar(account)
    return calendar.start_of(request.first), calendar.start_of(request.last + 1)


def names_of(store: Store, account: int, numbers: Iterable[int]) -> dict[int, list[Cell]]:
    """A person's cells: id, e-mail, user id, first and last name; of a deleted one the number alone."""
    wanted = set(numbers)
    found = people.find_many(store, account, wanted)
    return {number: names(number, found.get(number)) for number in wanted}


def names(number: int, profile: Profile | None) -> list[Cell]:
    """The same of one person."""
    if profile is None:
        return [str(number) if number else None, None, None, None, None]
    first, last = (_text(profile, name) for name in ("first_name", "last_name"))
    return [str(profile.id), profile.email, profile.user_id, first, last]


def _text(profile: Profile, name: str) -> str | None:
    said = profile.parameters.get(name)
    return said.value if said is not None and isinstance(said.value, str) else None


def conversions(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    """Referred outcomes, oldest first."""
    since, until = bounds(store, account, request)
    narrowed, values = of_campaigns(store, request.campaigns)
    sql = (
        "SELECT j.at, j.arrival, j.campaign_id, j.program, j.friend_id, j.advocate_id, j.reason, j.origin, j.quality, j.review, j.amount,"
        " j.currency, j.is_new, e.name FROM judgement j LEFT JOIN event e ON e.arrival = j.arrival AND e.account_id = j.account_id"
        " WHERE j.account_id = ? AND j.at >= ? AND j.at < ? AND j.kind = 'outcome' AND j.advocate_id IS NOT NULL AND j.quality <> 'NONE'"
        f" AND (j.at, j.arrival, j.campaign_id) > (?, ?, ?){narrowed.replace('campaign_id', 'j.campaign_id')}"
        " ORDER BY j.at, j.arrival, j.campaign_id LIMIT ?"
    )
    place: tuple[int, int, str] = (since, 0, "")
    while rows := store.database.read(sql, (account, place[0], until, *place, *values, CHUNK)):
        yield _conversions(store, account, rows)
        place = (rows[-1][0], rows[-1][1], rows[-1][2])


def _conversions(store: Store, account: int, rows: list[Row]) -> Chunk:
    friends = people.find_many(store, account, {row[4] for row in rows})
    names = names_of(store, account, {number for row in rows for number in row[4:6]})
    numbers = {row[4] for row in rows} | {int(each.id) for each in friends.values()}
    orders = {step.arrival: step.key for journey in journeys_of(store, account, numbers).values() for step in journey.steps}
    return [
        [
            write_time(at),
            *names[friend],
            campaign,
            program,
            origin,
            name,
            orders.get(arrival) or None,
            write_money(amount, currency or "") if amount is not None else None,
            currency,
            "REVIEW" if review == "open" else quality,
            "yes" if is_new else "no",
            reason,
            *names[advocate],
        ]
        for at, arrival, campaign, program, friend, advocate, reason, origin, quality, review, amount, currency, is_new, name in rows
    ]


def rewards(store: Store, account: int, request: Request) -> Iterator[Chunk]:
    """Rewards by when they were earned."""
    since, until = bounds(store, account, request)
    narrowed, values = of_campaigns(store, request.campaigns)
    sql = (
        f"SELECT {REWARD} FROM reward r WHERE r.account_id = ? AND r.created_at >= ? AND r.created_at < ?"
        f" AND (r.created_at, r.id) > (?, ?){narrowed.replace('campaign_id', 'r.campaign_id')} ORDER BY r.created_at, r.id LIMIT ?"
    )
    place: tuple[int, int] = (since, 0)
    while rows := store.database.read(sql, (account, place[0], until, *place, *values, CHUNK)):
        found = [read_reward(store, row) for row in store.refreshed(rows)]
        names = names_of(store, account, [each.profile_id for each in found])
        yield [[write_time(each.created_at), *reward_cells(each, names)] for each in found]
        place = (found[-1].created_at, found[-1].id)


def moves_to(state: RewardState | None) -> Callable[[Store, int, Request], Iterator[Chunk]]:
    """Moves of rewards by their time: all of them with both states, or those to one state."""

    def rows(store: Store, account: int, request: Request) -> Iterator[Chunk]:
        yield from _moves(store, account, request, state)

    return rows


def _moves(store: Store, account: int, request: Request, state: RewardState | None) -> Iterator[Chunk]:
    since, until = bounds(store, account, request)
    narrowed, values = of_campaigns(store, request.campaigns)
    wanted = " AND t.after = ?" if state is not None else ""
    sql = (
        f"SELECT t.at, t.reward_id, t.seq, t.before, t.after, {REWARD} FROM reward_transition t"
        " JOIN reward r ON r.account_id = t.account_id AND r.id = t.reward_id"
        f" WHERE t.account_id = ? AND t.at >= ? AND t.at < ? AND t.success = 1 AND t.before <> t.after{wanted}"
        f" AND (t.at, t.reward_id, t.seq) > (?, ?, ?){narrowed.replace('campaign_id', 'r.campaign_id')}"
        " ORDER BY t.at, t.reward_id, t.seq LIMIT ?"
    )
    place: tuple[int, int, int] = (since, 0, -1)
    only = (state,) if state is not None else ()
    while rows := store.refreshed(store.database.read(sql, (account, place[0], until, *only, *place, *values, CHUNK))):
        found = [(row[0], row[3], row[4], read_reward(store, row[5:])) for row in rows]
        names = names_of(store, account, [each.profile_id for *_, each in found])
        yield [
            [write_time(at), *(() if state is not None else (before or None, after)), *reward_cells(each, names)]
            for at, before, after, each in found
        ]
        place = (rows[-1][0], rows[-1][1], rows[-1][2])


def reward_cells(reward: Reward, names: dict[int, list[Cell]]) -> list[Cell]:
    """A reward's cells, given what names people."""
    code = reward.secret.get("partner_reward_id") or reward.secret.get("code")
    return [
        str(reward.id),
        reward.name,
        reward.program,
        reward.campaign,
        reward.role,
        reward.supplier,
        write_money(reward.value, reward.unit),
        reward.unit,
        reward.state,
        *names[reward.profile_id],
        str(code) if code and reward.state not in GONE else None,
    ]

"""What an advocate may know of their own standing in a program: clicks, friends, purchases, rewards. Counts stop at a bound."""

from __future__ import annotations

from itertools import islice
from typing import Literal

from msgspec import Struct

from goodword.core.profile import Profile
from goodword.core.referral import Relationship
from goodword.core.reward import Reward
from goodword.core.times import Millis
from goodword.storage.query import reward as rewards
from goodword.storage.query.referral import (
    COUNT_MAX,
    Counted,
    RelationshipFilter,
    journeys_of,
    judgements,
    numbers_of,
    relationships,
)
from goodword.storage.store import Store

FRIENDS_MAX = 10
REWARDS_MAX = 20
NAME_CHARS_MAX = 40


class Friend(Struct, frozen=True):
    """Somebody who came by the advocate's link. `name` is a first name that anyone may see, or empty."""

    name: str
    since: Millis
    state: Literal["joined", "bought"]


class Standing(Struct, frozen=True):
    """An advocate's counts, latest friends and latest rewards in one program."""

    clicks: Counted = Counted(0, False)
    joined: Counted = Counted(0, False)
    conversions: int = 0
    friends: tuple[Friend, ...] = ()
    rewards: tuple[Reward, ...] = ()


def standing(store: Store, account: int, profile: Profile, program: str, *, with_names: bool) -> Standing:
    """How an advocate stands in a program. Friends are named where that is wanted, and their first name is PUBLIC."""
    numbers = numbers_of(profile)
    wanted = rewards.RewardFilter(people=frozenset(numbers), programs=frozenset((program,)))
    earned = tuple(each.reward for each in rewards.list_of(store, account, wanted, 0, REWARDS_MAX))
    return Standing(
        _counted(store, "click", "advocate_id", "counted = 1", account, numbers, program),
        _counted(store, "relationship", "advocate_id", "displaced_at IS NULL", account, numbers, program),
        _conversions(store, account, numbers, program),
        _friends(store, account, profile, program, with_names),
        earned,
    )


def public_first_name(profile: Profile | None) -> str:
    """A person's first name as anyone may see it: set, of scope PUBLIC, on one short line. Else empty."""
    said = profile.parameters.get("first_name") if profile is not None else None
    if said is None or said.scope != "PUBLIC" or not isinstance(said.value, str):
        return ""
    printable = "".join(char if char.isprintable() else " " for char in said.value[: 4 * NAME_CHARS_MAX])
    return " ".join(printable.split())[:NAME_CHARS_MAX]


def _counted(store: Store, table: str, column: str, condition: str, account: int, numbers: tuple[int, ...], program: str) -> Counted:
    count = 0
    for number in numbers:
        sql = (
            f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE account_id = ? AND {column} = ? AND program = ? AND {condition} LIMIT ?) x"
        )
        count += store.database.read(sql, (account, number, program, COUNT_MAX + 1))[0][0]
    return Counted(min(count, COUNT_MAX), count > COUNT_MAX)


def _conversions(store: Store, account: int, numbers: tuple[int, ...], program: str) -> int:
    sql = "SELECT coalesce(sum(count), 0) FROM credited WHERE account_id = ? AND advocate_id = ? AND program = ?"
    return sum(int(store.database.read(sql, (account, number, program))[0][0]) for number in numbers)


def _friends(store: Store, account: int, profile: Profile, program: str, with_names: bool) -> tuple[Friend, ...]:
    wanted = RelationshipFilter(frozenset(("ADVOCATE",)), frozenset((program,)))
    standing_ones = (each for each in relationships(store, account, profile, wanted) if each.relationship.displaced_at is None)
    latest = list(islice(standing_ones, FRIENDS_MAX))
    bought = _buyers(store, account, [each.relationship for each in latest])
    return tuple(
        Friend(
            public_first_name(each.other) if with_names else "",
            each.relationship.at,
            "bought" if each.relationship.friend_id in bought else "joined",
        )
        for each in latest
    )


def _buyers(store: Store, account: int, rows: list[Relationship]) -> frozenset[int]:
    """Friends of these relationships of whose outcomes one counts for their advocate."""
    journeys = journeys_of(store, account, [row.friend_id for row in rows])
    owners = {step.arrival: number for number, journey in journeys.items() for step in journey.steps}
    programs = {int(row.friend_id): row.program for row in rows}
    return frozenset(
        owners[arrival]
        for arrival, judged in judgements(store, account, list(owners)).items()
        if any(each.kind == "outcome" and each.quality == "HIGH" and each.program == programs[owners[arrival]] for each in judged)
    )

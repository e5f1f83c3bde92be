"""The world is made up, follows from its seed, and keeps apart who is apart."""

from __future__ import annotations

import asyncio
import ipaddress
import random

import pytest

from goodword.core.mailbox import normalize
from goodword.simulation.play import SCRIPTS, Play, Script, Terms
from goodword.simulation.sender import Keys, Sender
from goodword.simulation.theatre import Plan, cast
from goodword.simulation.world import CAST_MAX, V4_NETS, Person, World

DOCUMENTATION = [ipaddress.ip_network(f"{net}.0/24") for net in V4_NETS] + [ipaddress.ip_network("2001:db8::/32")]
RESERVED = (".example", "example.com", "example.org", "example.net")


def everyone(seed: int, plays: int = 40) -> list[Person]:
    world = World(seed)
    return [world.person(play, place) for play in range(plays) for place in range(CAST_MAX)]


def test_the_same_seed_makes_the_same_people_in_any_order() -> None:
    world, backwards = World(3), World(3)
    people = [world.person(play, place) for play in range(20) for place in range(6)]
    reverse = [backwards.person(play, place) for play in reversed(range(20)) for place in reversed(range(6))]
    assert people == list(reversed(reverse))
    assert world.person(1, 1) != World(4).person(1, 1)


def test_nobody_is_real_and_no_address_leads_anywhere() -> None:
    for person in everyone(1):
        assert person.email.endswith(RESERVED)
        assert any(ipaddress.ip_address(person.device.ip) in net for net in DOCUMENTATION)


def test_nobody_shares_a_mailbox_a_browser_or_a_household_by_chance() -> None:
    people = everyone(2)
    for what in ("user_id", "email"):
        assert len({getattr(person, what) for person in people}) == len(people)
    assert len({normalize(person.email) for person in people}) == len(people)
    assert len({person.device.anonymous_id for person in people}) == len(people)
    assert len({person.device.ip for person in people}) == len(people)
    for play in range(40):
        names = [(person.first_name, person.last_name) for person in people[play * CAST_MAX : (play + 1) * CAST_MAX]]
        assert len({first for first, _ in names}) == len({last for _, last in names}) == CAST_MAX


def scripts_of(plan: Plan) -> list[Script]:
    async def made() -> list[Script]:
        sender = Sender("http://127.0.0.1:1", Keys("", ""), rate=1, dice=random.Random(0))
        world, changed = World(plan.seed), asyncio.Event()
        return [play.script for play in cast(plan, lambda number, script: Play(number, script, world, sender, Terms("p", {}), changed))]

    return asyncio.run(made())


def test_every_row_of_the_catalogue_is_played_and_has_its_twin() -> None:
    cheats = {script.row for script in SCRIPTS if script.kind == "cheat"}
    twins = {script.row for script in SCRIPTS if script.kind == "twin"}
    assert cheats == set(range(1, 29))
    # 9 and 25 have none in the catalogue; that of 23 needs half a year
    assert set(range(1, 29)) - twins == {9, 23, 25}


def test_a_plan_plays_every_row_as_often_as_told_and_about_as_many_people() -> None:
    scripts = scripts_of(Plan(people=1_200, seed=5, each=3))
    assert all(scripts.count(script) >= 3 for script in SCRIPTS)
    assert 1_100 < sum(script.people for script in scripts) < 1_300
    assert scripts == scripts_of(Plan(people=1_200, seed=5, each=3))


@pytest.mark.parametrize("people", [50_000, 100_000])
def test_in_a_large_world_three_in_a_hundred_friends_cheat_half_of_them_by_the_first_six_rows(people: int) -> None:
    counts = dict.fromkeys(range(29), 0)
    for script in scripts_of(Plan(people=people, seed=1)):
        if script.kind == "cheat":
            counts[script.row] += 1
    cheats, first = sum(counts.values()), sum(counts[row] for row in range(1, 7))
    assert 0.025 < cheats / (people / 2) < 0.035
    assert 0.42 < first / cheats < 0.58

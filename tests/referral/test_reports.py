"""Reports against a recount of everything, by other means, after a made-up season of a program."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from goodword.core import command as c
from goodword.core.event import TRACK
from goodword.core.period import PERIODS, Period, day_of, start_of, write_day
from goodword.core.profile import IdentityKey, ProfileId
from goodword.core.referral import Share
from goodword.core.report import REPORTS, Figures, Request, Unreadable, read_request
from goodword.core.report_file import write
from goodword.storage.query import report as counts
from goodword.storage.query import report_list, report_row
from goodword.storage.query.report_row import chunks
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, REFER_A_FRIEND, Town
from tests.stores import open_in_postgres

SITES = ["", "l.facebook.com", "t.co/x", "mail.google.com", "blog.example.org/a"]
DAYS = 70


def season(town: Town) -> None:
    """Advocates share, friends click, sign up, buy in two currencies, send back, turn out to be one, are deleted; strangers buy as well."""
    dice = random.Random(7)
    advocates = []
    for number in range(6):
        owner = town.person(f"adv{number}", f"adv{number}@mail{number}.example")
        town.link(owner, f"ADV-{number}")
        advocates.append(owner)
    bought: list[tuple[str, str]] = []
    for day in range(DAYS):
        for place in range(dice.randrange(4)):
            someone(town, dice, advocates, f"{day}x{place}", bought)
        if bought and dice.random() < 0.2:
            user, order = dice.choice(bought)
            town.say("track", event="returned", userId=user, properties={"order_id": order})
        town.passes(DAY)
    known = [user for user, _ in bought]
    first, second = (town.say("identify", userId=user).profile_id for user in (known[0], known[-1]))
    assert first is not None
    assert second is not None
    town.say_all([c.Forward(1, second, first)])
    town.say_all([c.Erase(1, (IdentityKey("u" + known[2]),), erasure_id="e"), c.Erase(1, (IdentityKey("uadv5"),), erasure_id="f")])


def someone(town: Town, dice: random.Random, advocates: list[ProfileId], name: str, bought: list[tuple[str, str]]) -> None:
    which = dice.randrange(len(advocates))
    if dice.random() < 0.3:
        said = Share(0, advocates[which], town.now, dice.choice(["EMAIL", "WHATSAPP"]), f"ADV-{which}", "", "", (f"x{name}@inbox.example",))
        town.say_all([c.RecordShare(1, said)])
    user = f"friend{name}"
    if dice.random() < 0.7:
        clicked = town.click(advocates[which], site=dice.choice(SITES), ip=name, agent=name, recent=0)
        town.visit(clicked, anonymousId=f"d{name}")
    town.passes(5 * MINUTE)
    town.person(user, f"{user}@home.example", anonymousId=f"d{name}")
    if dice.random() < 0.6:
        town.say("track", event="registration", userId=user)
    town.passes(5 * MINUTE)
    for order in range(dice.randrange(3)):
        number = f"o{name}-{order}"
        by = {"by": BROWSER_KEY} if dice.random() < 0.2 else {}
        town.buy(number, f"{dice.randrange(10, 90)}.50", userId=user, properties={"currency": dice.choice(["USD", "EUR"])}, **by)
        bought.append((user, number))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def town(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Town]:
    """The season, on both databases. One reward waits, so that rewards are in several states."""
    late = {**REFER_A_FRIEND["rewards"][0], "pending_days": 30}
    with ExitStack() as opened:
        if request.param == "postgres":
            pool = request.getfixturevalue("postgres_pool")
            opened.enter_context(open_in_postgres(pool, opened.enter_context(pytest.MonkeyPatch.context())))
        town = Town(tmp_path_factory.mktemp("town"), {**REFER_A_FRIEND, "rewards": [late, REFER_A_FRIEND["rewards"][1]]})
        season(town)
        yield town
        town.close()


def read(town: Town, sql: str) -> list[tuple[Any, ...]]:
    return town.store.database.read(sql)


def merged(town: Town) -> dict[int, int]:
    return dict(read(town, "SELECT source, target FROM merged"))


def recount(town: Town, period: Period) -> dict[int, Figures]:
    """What the rows of people's events, clicks, shares, judgements and rewards come to, one by one."""
    found: dict[int, Figures] = defaultdict(Figures)
    people: dict[tuple[int, str], set[int]] = defaultdict(set)
    same = merged(town)

    def at(when: int) -> int:
        return start_of(period, day_of(when))

    for when, owner in read(town, "SELECT created_at, profile_id FROM shareable WHERE profile_id <> 0"):
        people[at(when), "advocates"].add(same.get(owner, owner))
    for when, owner, is_counted in read(town, "SELECT at, advocate_id, counted FROM click"):
        found[at(when)].clicks += 1
        found[at(when)].clicks_high += is_counted
        people[at(when), "advocates"].add(same.get(owner, owner))
    for when, owner, recipients, quality in read(town, "SELECT at, profile_id, recipients, quality FROM share"):
        found[at(when)].shares += max(1, recipients)
        found[at(when)].shares_high += max(1, recipients) * (quality == "HIGH")
        people[at(when), "advocates"].add(same.get(owner, owner))
    judged = {row[0]: row[1:] for row in read(town, "SELECT arrival, kind, advocate_id, quality, review FROM judgement")}
    firsts: dict[int, tuple[int, int]] = {}
    events = f"SELECT arrival, at, profile_id, name FROM event WHERE type = {TRACK} AND duplicate_of IS NULL ORDER BY at, arrival"
    for arrival, when, person, name in read(town, events):
        kind, advocate, quality, review = judged.get(arrival, ("", None, "NONE", ""))
        is_referred, is_high = advocate is not None and quality != "NONE", quality == "HIGH" and review != "open"
        figures = found[at(when)]
        if name == "registration" and is_referred:
            assert kind == "sign_up"
            figures.sign_ups += 1
            figures.sign_ups_high += is_high
        if name == "conversion":
            number = same.get(person, person)
            firsts.setdefault(number, (arrival, when))
            figures.transactions += 1
            people[at(when), "customers"].add(number)
            if is_referred:
                figures.conversions += 1
                figures.conversions_high += is_high
                people[at(when), "referred_customers"].add(number)
            if is_referred and is_high:
                people[at(when), "referred_customers_high"].add(number)
    for arrival, when in firsts.values():
        found[at(when)].new_customers += 1
        found[at(when)].referred_new_customers += judged.get(arrival, ("", None, "NONE"))[1] is not None
    for when, state, value in read(town, "SELECT created_at, state, value FROM reward"):
        if state not in ("CANCELED", "REVOKED", "EXPIRED"):
            found[at(when)].rewards += 1
            found[at(when)].cost["POINTS"] = found[at(when)].cost.get("POINTS", 0) + value
    for (start, name), numbers in people.items():
        setattr(found[start], name, len(numbers))
    return found


@pytest.mark.parametrize("period", PERIODS)
def test_every_figure_is_what_a_recount_gives(town: Town, period: Period) -> None:
    first, last = day_of(town.now) - DAYS - 1, day_of(town.now)
    found = counts.figures(town.store, 1, period, first, last)
    expected = recount(town, period)
    assert sum(each.conversions for each in found.values()) > 20
    for start, figures in found.items():
        figures.money = {}
        # what a deleted advocate or friend did is counted still, and their links and shares are gone
        gone = ("advocates", "shares", "shares_high")
        wanted = expected.get(start, Figures())
        for name in gone:
            assert getattr(figures, name) >= getattr(wanted, name)
            setattr(figures, name, 0)
            setattr(wanted, name, 0)
        assert figures == wanted, write_day(start)


def report(town: Town, name: str, period: str = "MONTH", **said: Any) -> list[dict[str, Any]]:
    asked = {"from": write_day(day_of(town.now) - DAYS - 1), "report": name, "period": period, **said}
    request = read_request(asked, day_of(town.now))
    assert not isinstance(request, Unreadable), request
    return list(json.loads(b"".join(write("JSON", REPORTS[name].columns, chunks(town.store, 1, request)))))


def test_reports_agree_with_each_other(town: Town) -> None:
    funnel = report(town, "funnel")
    conversions = sum(row["conversions"] for row in funnel)
    for name in ("by-campaign", "by-reason", "top-sources"):
        assert sum(row["conversions"] for row in report(town, name)) == conversions
    assert len(report(town, "friend-conversions")) == conversions
    assert sum(row["conversions"] for row in report(town, "new-customer-contribution", "DAY")) == conversions
    assert sum(row["clicks"] for row in report(town, "top-sources")) == sum(row["clicks"] for row in funnel)
    assert sum(row["shares"] for row in report(town, "by-channel")) == sum(row["shares"] for row in funnel)
    high = sum(row["conversions_high"] for row in funnel)
    assert sum(row["conversions"] for row in report(town, "active-advocates")) == high
    successful = report(town, "successful-advocates")
    assert sum(row["friends"] for row in successful) == sum(row["friends"] for row in report(town, "advocate-tiers")) > 0


def test_money_is_never_summed_across_currencies(town: Town) -> None:
    def cents(rows: list[dict[str, Any]], column: str) -> Counter[str]:
        sums: Counter[str] = Counter()
        for row in rows:
            sums[row["currency"]] += round(float(row[column] or 0) * 100)
        return +sums

    by_period = cents(report(town, "revenue-contribution", "WEEK"), "referred_revenue")
    assert set(by_period) == {"EUR", "USD"}
    assert cents(report(town, "by-campaign"), "revenue") == by_period == cents(report(town, "friend-conversions"), "cart_value")
    good = cents(report(town, "revenue-contribution", "QUARTER"), "referred_revenue_high")
    assert cents(report(town, "by-reason"), "revenue_high") == good
    spent: Counter[str] = Counter()
    for amount, currency in read(town, "SELECT amount, currency FROM event WHERE name = 'conversion' AND duplicate_of IS NULL"):
        spent[currency] += amount
    assert cents(report(town, "revenue-contribution", "DAY"), "total_revenue") == spent


def test_rewards_and_their_moves(town: Town) -> None:
    rewards, by_state = report(town, "rewards"), report(town, "rewards-by-state")
    assert Counter(row["state"] for row in rewards) == {
        state: count
        for state in {row["state"] for row in by_state}
        if (count := sum(r["rewards"] for r in by_state if r["state"] == state))
    }
    assert len({row["state"] for row in rewards}) >= 3
    moves = report(town, "reward-transitions")
    assert len(moves) == sum(row["moves"] for row in by_state)
    for name, state in (("earned-rewards", "EARNED"), ("fulfilled-rewards", "FULFILLED"), ("failed-rewards", "FAILED")):
        assert len(report(town, name)) == sum(row["passed_state"] == state for row in moves)


def test_of_deleted_people_a_number_is_left(town: Town) -> None:
    """Law 4: a report is made when it is read."""
    rows = [*report(town, "active-advocates"), *report(town, "friend-conversions"), *report(town, "rewards")]
    text = json.dumps(rows)
    assert "adv4@mail4.example" in text
    assert "adv5" not in text
    nameless = [row for row in report(town, "active-advocates") if row["advocate_email"] is None]
    assert len(nameless) == 1
    assert nameless[0]["advocate_person_id"]


def test_a_list_is_read_in_chunks_and_whole(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {name: report(town, name) for name in ("friend-conversions", "rewards", "reward-transitions", "active-advocates")}
    monkeypatch.setattr(report_list, "CHUNK", 3)
    monkeypatch.setattr(report_row, "CHUNK", 3)
    assert {name: report(town, name) for name in whole} == whole
    monkeypatch.setattr(report_row, "ROWS_MAX", 5)
    assert report(town, "rewards") == whole["rewards"][:5]


def test_a_campaign_alone(town: Town) -> None:
    assert report(town, "funnel", campaigns=["refer-a-friend"]) == report(town, "funnel")
    assert all(row["clicks"] == row["conversions"] == row["rewards"] == 0 for row in report(town, "funnel", campaigns=["other"]))
    for name in ("rewards", "reward-transitions", "friend-conversions", "by-campaign", "rewards-by-state"):
        assert report(town, name, campaigns=["other"]) == []
        assert report(town, name, campaigns=["other", "refer-a-friend"]) == report(town, name)


def test_another_account_sees_nothing(town: Town) -> None:
    """Law 8."""
    first, last = day_of(town.now) - DAYS - 1, day_of(town.now)
    assert next(iter(counts.figures(town.store, 2, "QUARTER", first, last).values())) == Figures()
    for name in REPORTS:
        rows = [row for chunk in chunks(town.store, 2, Request(name, "MONTH", first, last)) for row in chunk]
        assert not any(isinstance(cell, int) and cell for row in rows for cell in row)


def test_a_report_of_one_day_is_that_day(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.click(town.person("ada", "ada@mail.example"))
    today = day_of(town.now)
    assert [f.clicks for f in counts.figures(town.store, 1, "DAY", today, today).values()] == [1]
    assert [f.clicks for f in counts.figures(town.store, 1, "DAY", today + 1, today + 1).values()] == [0]
    town.close()

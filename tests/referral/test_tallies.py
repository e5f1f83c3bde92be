"""Tallies follow the rows: what is judged anew, taken back or merged is counted as it is now; what is deleted stays counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from goodword.core import command as c
from goodword.core.profile import IdentityKey
from goodword.core.referral import Share
from goodword.storage import verify_tally
from goodword.storage.schema import migrations
from goodword.storage.store import DATABASE_FILE, Store
from tests.referral.town import DAY, MINUTE, Town


@pytest.fixture
def town(tmp_path: Path, on_both: str) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.close()


def referred(town: Town, friend: str = "ben", **evidence: Any) -> None:
    """Ada's friend follows her link, signs up and buys."""
    ada = town.person("ada", "ada@mail.example")
    town.visit(town.click(ada, **evidence), anonymousId=f"d-{friend}")
    town.passes(MINUTE)
    town.person(friend, f"{friend}@post.example", anonymousId=f"d-{friend}")
    town.say("track", event="registration", userId=friend)
    town.passes(MINUTE)
    town.buy(f"order-{friend}", userId=friend)


def counts(town: Town) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    sql = "SELECT measure, detail, origin, quality, sum(count), sum(amount) FROM referral_tally GROUP BY 1, 2, 3, 4 HAVING sum(count) <> 0"
    rows = town.store.database.read(sql)
    return {(measure, detail, origin, quality): (count, amount) for measure, detail, origin, quality, count, amount in rows}


def people(town: Town, period: str = "MONTH") -> dict[str, int]:
    sql = "SELECT role, sum(count) FROM people_tally WHERE period = ? GROUP BY role HAVING sum(count) <> 0"
    return dict(town.store.database.read(sql, (period,)))


def given(town: Town) -> dict[str, tuple[int, int, int]]:
    sql = "SELECT state, sum(count), sum(value), sum(moves) FROM reward_tally GROUP BY state"
    return {state: (count, value, moves) for state, count, value, moves in town.store.database.read(sql)}


def test_a_referral_from_click_to_reward(town: Town) -> None:
    referred(town, site="l.facebook.com", ip="10", agent="a")
    assert counts(town) == {
        ("click", "", "facebook", "HIGH"): (1, 0),
        ("sign_up", "SHARE_ID", "facebook", "HIGH"): (1, 0),
        ("outcome", "SHARE_ID", "facebook", "HIGH"): (1, 5000),
        ("first_outcome", "SHARE_ID", "facebook", "HIGH"): (1, 5000),
    }
    assert people(town) == {"customer": 1, "referred": 1, "referred_high": 1, "new": 1, "new_referred": 1}
    assert given(town) == {"EARNED": (0, 0, 2), "FULFILLED": (2, 2000, 2)}


def test_a_second_order_is_no_second_customer(town: Town) -> None:
    referred(town)
    town.passes(DAY)
    town.buy("order-2", "20.00", userId="ben")
    found = counts(town)
    assert found["outcome", "SHARE_ID", "", "HIGH"] == (2, 7000)
    assert found["first_outcome", "SHARE_ID", "", "HIGH"] == (1, 5000)
    assert people(town)["customer"] == 1
    assert people(town, "DAY")["customer"] == 2


def test_an_earlier_order_that_comes_late_is_the_first(town: Town) -> None:
    referred(town)
    town.buy("order-0", userId="ben", at=town.now - 30 * MINUTE)
    assert ("first_outcome", "SHARE_ID", "", "HIGH") not in counts(town)
    assert people(town) == {"customer": 1, "referred": 1, "new": 1}  # and no new customer is good for the advocate


def test_an_order_sent_back_moves_to_low_with_nothing_left_of_its_value(town: Town) -> None:
    referred(town)
    town.passes(MINUTE)
    town.say("track", event="returned", userId="ben", properties={"order_id": "order-ben"})
    found = counts(town)
    assert ("outcome", "SHARE_ID", "", "HIGH") not in found
    assert found["outcome", "SHARE_ID", "", "LOW"] == (1, 0)
    assert people(town) == {"customer": 1, "referred": 1, "new": 1, "new_referred": 1}
    assert given(town) == {"EARNED": (0, 0, 2), "FULFILLED": (0, 0, 2), "REVOKED": (2, 2000, 2)}


def test_two_customers_who_turn_out_to_be_one_are_one(town: Town) -> None:
    referred(town)
    town.say("track", event="conversion", properties={"partner_conversion_id": "o2", "cart_value": "1.00", "email": "ben2@post.example"})
    assert people(town)["customer"] == 2
    town.person("ben", "ben2@post.example")
    assert people(town) == {"customer": 1, "referred": 1, "referred_high": 1, "new": 1, "new_referred": 1}


def test_what_a_deleted_person_did_stays_counted(town: Town) -> None:
    referred(town)
    before = counts(town), people(town)
    town.engine.execute([c.Erase(1, (IdentityKey("uben"),), erasure_id="e1"), c.Erase(1, (IdentityKey("uada"),), erasure_id="e2")])
    assert (counts(town), people(town)) == before


def test_each_recipient_is_a_share(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.link(ada, "ADA-10")
    share = Share(0, ada, town.now, "EMAIL", "ADA-10", "", "", ("a@b.example", "c@d.example"))
    assert town.say_all([c.RecordShare(1, share)])[0].verdict == "done"
    assert counts(town) == {("share", "EMAIL", "", "HIGH"): (2, 0)}
    assert town.store.database.read("SELECT links, shares, clicks FROM advocate_tally") == [(1, 2, 0)]


def test_an_account_without_campaigns_counts_nothing(tmp_path: Path) -> None:
    town = Town(tmp_path, None)
    town.buy("o1", userId="ben")
    assert (counts(town), people(town), given(town)) == ({}, {}, {})
    town.close()


@pytest.mark.parametrize("table", ["referral_tally", "referral_month", "advocate_tally", "advocate_month", "reward_tally", "people_tally"])
@pytest.mark.parametrize("fault", ["DELETE FROM {0}", "UPDATE {0} SET {1} = {1} + 1", "UPDATE {0} SET account_id = 2"])
def test_verify_finds_a_tally_that_is_off(tmp_path: Path, table: str, fault: str) -> None:
    town = Town(tmp_path)
    town.link(town.person("ada", "ada@mail.example"), "ADA-10")
    referred(town)
    town.close()
    connection = apsw.Connection(str(tmp_path / DATABASE_FILE))
    connection.execute(fault.format(table, {"advocate_tally": "links", "advocate_month": "advocate_id"}.get(table, "count")))
    connection.close()
    with Store(tmp_path, readonly=True) as store:
        found = list(verify_tally.problems(store, lambda _: False))
    assert found
    assert all(problem.startswith((table, table.replace("tally", "month"))) for problem in found)


def test_months_are_filled_from_the_days_there_were_before_them(town: Town) -> None:
    """The migration finds the first day of a day's month by arithmetic."""
    referred(town)
    for days in (20, 200, 400):
        town.passes(days * DAY)
        town.buy(f"o{days}", userId="ben")
        town.click(town.person("ada", "ada@mail.example"))
    database = town.store.database
    before = [sorted(database.read(f"SELECT * FROM {table}")) for table in ("referral_month", "advocate_month")]
    statements = next(text for number, text in migrations() if number == 8)
    database.begin()
    for each in (
        "DELETE FROM referral_month",
        "DELETE FROM advocate_month",
        *statements[statements.index("CREATE TEMP TABLE") :].split(";"),
    ):
        if each.strip():
            database.write(each)
    database.commit()
    assert [sorted(database.read(f"SELECT * FROM {table}")) for table in ("referral_month", "advocate_month")] == before
    assert len({month for _, month, *_ in before[0]}) == 4

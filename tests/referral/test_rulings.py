"""What rules said is stored once for all that they said the same of (storage/ruling.py), and reads as it was said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from goodword.storage import verify
from goodword.storage.query import referral as referrals
from goodword.storage.store import DATABASE_FILE, Store
from tests.referral.town import BROWSER_KEY, Town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.close()


def brought(town: Town, name: str, order: str) -> int:
    """A friend of Ada's who buys; where the order is in the log."""
    ada = town.person("ada", "ada@mail.example")
    town.person(name, f"{name}@post.example", anonymousId=f"device-{name}")
    town.visit(town.click(ada, agent=name, ip=name), anonymousId=f"device-{name}")
    return town.buy(order, userId=name).arrival


def test_what_is_said_of_many_orders_is_stored_once_and_read_with_each(town: Town) -> None:
    orders = [brought(town, name, f"order-{name}") for name in ("ben", "cyd", "eve")]
    database = town.store.database
    assert database.read("SELECT count(*), count(DISTINCT ruling), max(rules) FROM judgement") == [(3, 1, "[]")]
    assert database.read("SELECT count(*), count(DISTINCT ruling), max(rules) FROM reward") == [(6, 1, "[]")]
    assert database.read("SELECT count(*) FROM ruling") == [(2,)]
    judged = referrals.judgements(town.store, 1, orders)
    assert {len(each.rules) for found in judged.values() for each in found} == {27}
    assert {each.rule for reward in town.rewards() for each in reward.rules} >= {"quality_is_high", "has_value"}


def test_a_wait_is_said_with_its_row_as_no_other_ends_then(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.person("ben", "ben@post.example", anonymousId="device")
    town.visit(town.click(ada), anonymousId="device")
    arrival = town.buy("order", userId="ben", by=BROWSER_KEY).arrival
    assert town.store.database.read("SELECT count(*) FROM judgement WHERE ruling IS NULL AND rules LIKE '%WAIT%'") == [(1,)]
    (judged,) = referrals.judgements(town.store, 1, [arrival])[arrival]
    assert [each.result for each in judged.rules if each.rule == "browser_outcomes"] == ["WAIT"]
    town.buy("order", userId="ben")
    (judged,) = referrals.judgements(town.store, 1, [arrival])[arrival]
    assert [each.result for each in judged.rules if each.rule == "browser_outcomes"] == ["PASS"]


def test_rows_that_have_the_words_themselves_are_read_as_they_are(town: Town) -> None:
    """Those of before, and of an older node, which leaves `ruling` as it is."""
    arrival = brought(town, "ben", "order")
    database = town.store.database
    database.write('UPDATE judgement SET rules = \'[["hijack","PASS","",0]]\'')
    (judged,) = referrals.judgements(town.store, 1, [arrival])[arrival]
    assert [each.rule for each in judged.rules] == ["hijack"]


def test_verify_finds_words_that_are_lost(tmp_path: Path) -> None:
    town = Town(tmp_path)
    arrival = brought(town, "ben", "order")
    numbers = [reward.id for reward in town.rewards()]
    town.close()
    connection = apsw.Connection(str(tmp_path / DATABASE_FILE))
    connection.execute("DELETE FROM ruling")
    connection.close()
    with Store(tmp_path, readonly=True) as store:
        found = verify.verify(store)
    assert sorted(found) == sorted(
        [f"Event {arrival}: what rules said of it is lost.", *(f"Reward {number}: what rules said of it is lost." for number in numbers)]
    )

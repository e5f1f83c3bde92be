"""Events that were kept long enough go; what a reward, a repeat or a person's past needs stays, and everything else is as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.period import DAY_MS, month_of, start_of_month
from goodword.core.profile import IdentityKey
from goodword.engine import Engine
from goodword.storage import expiry, fold
from goodword.storage.query import person, why
from goodword.storage.query.event import EventFilter, list_of
from goodword.storage.query.message import messages
from goodword.storage.query.preview import preview
from goodword.storage.store import Store
from goodword.storage.verify import verify
from goodword.worker import retention
from goodword.worker.lease import Leases
from tests.referral.town import Town
from tests.running import received

KEPT = 31


@pytest.fixture
def town(on_both: str, tmp_path: Path) -> Iterator[Town]:
    opened = Town(tmp_path / "data")
    yield opened
    opened.close()


def keep_for(engine: Engine, days: int, account: int = 1) -> None:
    settings = replace(engine.store.accounts[account].settings, events_kept_days=days)
    assert engine.execute([c.Configure(account, settings)])[0].verdict == "done"


def expire(store: Store, now: int, account: int = 1, slices: int = 1 << 30) -> int:
    """Let go of what is due, as the worker does; how many events went. Stops after so many slices, as if it were killed."""
    gone = 0
    while True:
        after, upto = expiry.due(store, account, now)
        if after == upto:
            return gone
        expiring = expiry.Expiring(store, account, after, upto, now)
        list(expiring.read_claims())
        for places in expiring.slices():
            gone += expiring.remove(places)
            slices -= 1
            if not slices:
                return gone
        expiring.finish()


def live(town: Town) -> dict[str, int]:
    """A month of a shop: ada refers ben, who signs up and buys; and much that no campaign looks at. Where the events are."""
    ada = town.person("ada", "ada@post.example")
    town.link(ada, "ada-1")
    town.visit(town.click(ada), userId="ben")
    found = {"registered": town.say("track", event="registration", userId="ben", properties={"email": "ben@post.example"}).arrival}
    found["order"] = town.buy("order-1", userId="ben").arrival
    found["unkeyed"] = town.say("track", event="conversion", userId="ada", properties={"cart_value": "5.00"}).arrival
    looked = [town.message("track", event="Looked", userId=f"u{number % 20}", properties={"page": number}) for number in range(400)]
    town.say_all(looked)
    return found


def counts(store: Store) -> Any:
    return store.database.read("SELECT account_id, day, type, name, count, duplicates, amount FROM tally ORDER BY 1, 2, 3, 4")


@pytest.mark.parametrize("waiting_max", [50, fold.WAITING_MAX])
def test_what_is_needed_for_ever_stays_and_the_rest_goes(town: Town, monkeypatch: pytest.MonkeyPatch, waiting_max: int) -> None:
    monkeypatch.setattr(fold, "WAITING_MAX", waiting_max)
    found = live(town)
    counted = counts(town.store)
    told = [why.as_json(why.why_order(town.store, 1, "order-1", town.now)), why.as_json(why.why_person(town.store, 1, "ada", town.now))]
    keep_for(town.engine, KEPT)
    town.passes(70 * DAY_MS)
    later = town.buy("order-2", userId="ben")
    last = town.store.end_of_log(1)
    assert expire(town.store, town.now) > 400
    left = {arrival for (arrival,) in town.store.database.read("SELECT arrival FROM event")}
    assert left == {*found.values(), later.arrival}
    assert town.store.database.read("SELECT count(*) FROM event WHERE length(body) > 0") == [(1,)]
    assert expire(town.store, town.now) == 0
    # tallies, repeats, stories and rewards are as they were
    assert set(counted) <= set(counts(town.store))
    again = town.buy("ORDER-1 ", message_id="another", userId="ben")
    assert (again.verdict, again.arrival) == ("duplicate", found["order"])
    assert town.say("track", event="registration", userId="ben", message_id="once more").arrival == found["registered"]
    assert why.as_json(why.why_order(town.store, 1, "order-1", town.now)) == told[0]
    after = why.as_json(why.why_person(town.store, 1, "ada", town.now))
    assert [moment for moment in told[1]["moments"] if moment not in after["moments"]] == []
    assert len(town.live()) == 2
    for number in (2, 1):
        town.say("track", event="canceled", userId="ben", properties={"partner_conversion_id": f"order-{number}"})
    assert town.live() == []
    # what reads the log reads on
    ben = person.find_by_keys(town.store, 1, [IdentityKey("uben")])[IdentityKey("uben")]
    names = [event.name for event in list_of(town.store, 1, ben, EventFilter(), 0, 10)]
    assert names == ["canceled", "canceled", "conversion", "conversion", "registration"]
    assert len(messages(town.store, 1, 100, verdict="stored")) == 6
    assert preview(town.store, 1, Settings(), 100).looked_at > 0
    assert verify(town.store) == []
    assert town.store.end_of_log(1) > last


def test_it_is_stopped_anywhere_and_goes_on_after_a_restart(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "SLICE", 50)
    live(town)
    keep_for(town.engine, KEPT)
    town.passes(70 * DAY_MS)
    total = town.store.database.read("SELECT count(*) FROM event")[0][0]
    first = expire(town.store, town.now, slices=3)
    assert 100 < first < 400
    assert verify(town.store) == []
    end = town.store.end_of_log(1)
    town.reopen()
    assert first + expire(town.store, town.now) == total - 3
    assert verify(town.store) == []
    town.reopen()  # nothing of the log is newer than what went
    assert town.say("track", event="Looked", userId="u").arrival > end
    assert verify(town.store) == []


def test_events_stay_with_their_month_and_for_ever_unless_an_account_says_otherwise(town: Town) -> None:
    """Law 8: an account's setting is about its own events."""
    engine, store = town.engine, town.store
    other = engine.execute([c.CreateAccount("other")])[0].value
    town.now = start_of_month(month_of(town.now) + 1) - 2 * DAY_MS
    for number in range(8):  # four days before a month ends, and four after
        for account in (1, other):
            said = {"type": "track", "event": "Looked", "userId": "u", "messageId": f"{number}"}
            engine.execute([received(said, town.now, account)])
        town.passes(DAY_MS // 2)
    assert expire(store, town.now + 900 * DAY_MS) == 0
    keep_for(engine, KEPT)
    kept = "SELECT count(*) FROM event WHERE account_id = ?"
    month = start_of_month(month_of(town.now))
    assert expire(store, month + (KEPT + 1) * DAY_MS - DAY_MS - 1) == 0
    assert expire(store, month + KEPT * DAY_MS) == 4
    assert [store.database.read(kept, (account,)) for account in (1, other)] == [[(4,)], [(8,)]]
    keep_for(engine, 400)
    assert expire(store, month + 100 * DAY_MS) == 0
    assert expire(store, month + 500 * DAY_MS) == 4
    assert [store.database.read(kept, (account,)) for account in (1, other)] == [[(0,)], [(8,)]]
    assert verify(store) == []


def test_who_was_deleted_stays_deleted(town: Town) -> None:
    """Law 4: what stays of their events is a row without its body."""
    live(town)
    keep_for(town.engine, KEPT)
    town.engine.execute([c.Erase(1, (IdentityKey("uben"),), erasure_id="e")])
    town.passes(70 * DAY_MS)
    expire(town.store, town.now)
    assert town.store.database.read("SELECT count(*) FROM event WHERE length(body) > 0") == [(0,)]
    assert why.why_order(town.store, 1, "order-1", town.now).found == "deleted"
    assert verify(town.store) == []


def test_the_worker_lets_events_go_by_itself(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROUND_S", 0.05)
    live(town)
    keep_for(town.engine, KEPT)
    town.passes(70 * DAY_MS)

    async def run() -> None:
        leases = Leases(town.store)
        task = asyncio.create_task(retention.tend_log(town.engine, leases))
        for _ in range(1_200):
            await asyncio.sleep(0.05)
            await town.engine.alone(leases.renew)
            if town.store.database.read("SELECT count(*) FROM event") == [(3,)]:
                break
        task.cancel()
        await town.engine.alone(lambda: None)  # after what it had begun

    asyncio.run(run())
    assert town.store.database.read("SELECT count(*) FROM event") == [(3,)]
    assert verify(town.store) == []


def test_settings_that_are_as_by_themselves_are_not_stored(town: Town) -> None:
    """A node of an older release refuses names of settings that it does not know."""
    assert town.store.database.read("SELECT settings FROM account WHERE number = 1") == [("{}",)]
    keep_for(town.engine, KEPT)
    assert town.store.database.read("SELECT settings FROM account WHERE number = 1") == [('{"events_kept_days":31}',)]
    town.reopen()
    assert town.store.accounts[1].settings == Settings(events_kept_days=KEPT)

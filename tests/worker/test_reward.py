"""Due work on rewards: on time, once, also after a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from goodword.cli.connection import engine_of
from goodword.core import command as c
from goodword.core.campaign import Budget, Document
from goodword.core.reward import RewardTerms, Supplier, Value
from goodword.core.times import Millis
from goodword.engine import wall_clock_ms
from goodword.storage import verify_reward
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.running import Server, make_key, rows

PENDING_MS = 2_500


def until(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    ends = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.05)


def states(data: Path) -> list[tuple[Any, ...]]:
    return rows(data, "SELECT state, waiting FROM reward ORDER BY id")


def granted(data: Path, *suppliers: str) -> list[int]:
    """A person with a reward of each supplier."""
    with engine_of(data) as engine:
        engine.execute([c.PutSupplier(1, Supplier("pool", "COUPON_POOL")), c.PutSupplier(1, Supplier("custom", "CUSTOM_REWARD"))])
        made = engine.execute([c.CreateProfile(1, f"{time.monotonic_ns()}@example.com")])[0].profile_id
        assert made is not None
        grants = [c.GrantReward(1, made, "ada", "sorry", supplier=name, value=1000, unit="POINTS") for name in suppliers]
        return [int(outcome.value) for outcome in engine.execute(grants)]


def expire_at(data: Path, reward_id: int, at: Millis) -> None:
    with engine_of(data) as engine:
        assert engine.execute([c.SetRewardExpiry(1, reward_id, at)])[0].verdict == "done"


def problems(data: Path) -> list[str]:
    store = Store(data, readonly=True)
    try:
        return verify(store)
    finally:
        store.close()


def test_what_came_due_while_nobody_ran_is_done_at_the_start_and_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data) as server:
        points, custom = granted(data, "points", "custom")
        for number in (points, custom):
            expire_at(data, number, wall_clock_ms() + 700)
        server.kill()
    assert states(data) == [("FULFILLED", ""), ("EARNED", "supplier")]
    time.sleep(1)
    for _ in range(2):
        with Server(data):
            until(lambda: states(data) == [("EXPIRED", ""), ("EXPIRED", "")])
    assert rows(data, "SELECT sum(amount), count(*) FROM posting") == [(0, 2)]
    assert rows(data, "SELECT count(*) FROM reward_transition WHERE after = 'EXPIRED'") == [(2,)]
    assert problems(data) == []


def test_rewards_expire_on_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data):
        (number,) = granted(data, "points")
        expire_at(data, number, wall_clock_ms() + 400)
        assert states(data) == [("FULFILLED", "")]
        until(lambda: states(data) == [("EXPIRED", "")], 5)


def test_failed_rewards_get_coupons_in_turn_when_stock_comes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data):
        numbers = granted(data, "pool", "pool", "pool")
        assert states(data) == [("FAILED", "")] * 3
        with engine_of(data) as engine:
            engine.execute([c.AddCoupons(1, "pool", 1, ("A", "B"))])
        until(lambda: states(data) == [("FULFILLED", ""), ("FULFILLED", ""), ("FAILED", "")])
        assert rows(data, "SELECT reward_id FROM coupon ORDER BY id") == [(numbers[0],), (numbers[1],)]
    assert problems(data) == []


def test_verify_tells_what_is_wrong_with_rewards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with engine_of(data) as engine:
        engine.execute([c.PutSupplier(1, Supplier("pool", "COUPON_POOL")), c.AddCoupons(1, "pool", 1, ("A", "B"))])
    points, coupon = granted(data, "points", "pool")
    assert problems(data) == []
    wrong = {
        "UPDATE balance SET amount = amount + 1": "is not the sum of its postings",
        "DELETE FROM balance": "no balance",
        f"UPDATE posting SET amount = 5 WHERE reward_id = {points}": "which should be 1000",
        f"UPDATE coupon SET reward_id = NULL WHERE reward_id = {coupon}": "its coupon is not handed out for it",
        f"UPDATE reward SET coupon = NULL WHERE id = {coupon}": "does not have it",
        "UPDATE coupon SET code = x'' WHERE reward_id IS NULL": "is not where it should be",
        f"UPDATE reward SET state = 'SENT' WHERE id = {points}": "its last move ended in FULFILLED",
        f"DELETE FROM reward_transition WHERE reward_id = {points} AND seq = 0": "has no first move",
        f"UPDATE reward_transition SET after = 'REDEEMED' WHERE reward_id = {points} AND seq = 1": "which may not follow",
        "UPDATE earned SET count = count + 1": "not what its rewards of the day come to",
        "UPDATE spent SET value = value + 1": "gave out on a day",
        f"UPDATE reward SET secret = x'00ff' WHERE id = {coupon}": "cannot be opened",
        "UPDATE reward SET cause = 5, name = 'n', state = 'FULFILLED'": "earned it twice",
        f"UPDATE reward_transition SET reward_id = 1 WHERE reward_id = {points}": "which does not exist",
        "UPDATE posting SET profile_id = 99": "of no reward of its person",
    }
    for sql, said in wrong.items():
        store = Store(data)
        store.database.begin()
        store.database.write(sql)
        found = verify_inside(store)
        store.database.rollback()
        store.close()
        assert any(said in problem for problem in found), (sql, found)


def verify_inside(store: Store) -> list[str]:
    """The reward checks, on what a transaction that is still open changed."""
    return list(verify_reward.problems(store, lambda _number: False))


def test_a_campaigns_reward_waits_its_days(tmp_path: Path) -> None:
    """A welcome offer with a pending period: earned at once, given when its time has come, across a restart."""
    data = tmp_path / "data"
    terms = RewardTerms("welcome", "participant", Value("5"), on="conversion", pending_days=PENDING_MS / 86_400_000)
    document = Document("offer", "offer", rewards=[terms])
    with Server(data) as server:
        with engine_of(data) as engine:
            saved = engine.execute([c.SaveCampaign(1, document, publish=True)])[0]
            assert saved.verdict == "done", saved
        key = make_key(data)
        said = {
            "type": "track", "event": "conversion", "userId": "ada", "messageId": "m1",
            "properties": {"email": "ada@example.com", "partner_conversion_id": "o1", "cart_value": "20"},
        }  # fmt: skip
        assert server.post("/segment", said, key).status == 200
        assert states(data) == [("EARNED", "pending")]
        server.kill()
    with Server(data):
        until(lambda: states(data) == [("FULFILLED", "")])
    assert rows(data, "SELECT amount FROM balance") == [(500,)]
    assert problems(data) == []


def test_many_at_once_do_not_exceed_the_budget_or_the_pool(tmp_path: Path) -> None:
    """Ten people buy at the same moment: the budget has room for three rewards, the pool a code for two of them."""
    data = tmp_path / "data"
    terms = RewardTerms("welcome", "participant", Value("5"), on="conversion", supplier="pool")
    document = Document("offer", "offer", rewards=[terms], budgets=[Budget(count_max=3)], suppliers=[Supplier("pool", "COUPON_POOL")])
    with Server(data) as server:
        with engine_of(data) as engine:
            assert engine.execute([c.SaveCampaign(1, document, publish=True)])[0].verdict == "done"
            engine.execute([c.AddCoupons(1, "pool", 1, ("A", "B"))])
        key = make_key(data)

        def buy(number: int) -> None:
            said = {
                "type": "track", "event": "conversion", "userId": f"u{number}", "messageId": f"m{number}",
                "properties": {"email": f"u{number}@example.com", "partner_conversion_id": f"o{number}", "cart_value": "20"},
            }  # fmt: skip
            assert server.post("/segment", said, key).status == 200

        threads = [threading.Thread(target=buy, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(states(data)) == [("FAILED", ""), ("FULFILLED", ""), ("FULFILLED", "")]
        assert rows(data, "SELECT sum(count) FROM spent") == [(3,)]
        assert rows(data, "SELECT count(*), count(DISTINCT reward_id) FROM coupon") == [(2, 2)]
    assert problems(data) == []

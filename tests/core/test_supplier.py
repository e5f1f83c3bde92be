"""Suppliers of rewards: what one may be, its pool, its limits."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.reward import (
    DAY_MS,
    CouponUpload,
    RewardTerms,
    Supplier,
    Value,
    valued,
)
from goodword.core.supplier import why_not_a_supplier
from tests.core.test_reward import NOW, PEOPLE, SUPPLIERS, Shop


def test_coupons_go_out_in_turn_and_the_pool_says_when_it_is_low() -> None:
    shop = Shop()
    shop.do(c.AddCoupons(1, "pool", 5, ("A", "B", "C")))
    given = [shop.grant("pool", who).secret["code"] for who in (1, 2, 3)]
    assert given == ["A", "B", "C"]
    low = [each for each in shop.said if each.event_type == "supplier.low_balance"]
    assert [(each.payload["balance"], each.profile_id) for each in low] == [(1, None)]
    empty = shop.grant("pool")
    assert (empty.state, shop.states(empty)) == ("FAILED", [("EARNED", True), ("FULFILLED", False), ("FAILED", True)])
    assert [each.event_type for each in shop.said][-2:] == ["reward.fulfillment_failed", "reward.failed"]
    before = len(shop.records)
    shop.do(c.TendReward(1, empty.id))
    assert len(shop.records) == before, "nothing is tried while the pool is empty"
    shop.do(c.AddCoupons(1, "pool", 6, ("D",)))
    shop.do(c.TendReward(1, empty.id))
    assert shop.reward(empty.id).secret["code"] == "D"


def test_a_supplier_that_gives_more_than_its_limits_says_so_once_an_hour_and_once_a_day() -> None:
    shop = Shop()
    shop.now = NOW // DAY_MS * DAY_MS  # midnight
    shop.do(c.PutSupplier(1, Supplier("watched", "POINTS", limit_per_hour=2, limit_per_day=4)))
    shop.do(c.PutSupplier(1, Supplier("hourly", "POINTS", limit_per_hour=1)))

    def said(supplier: str = "watched") -> list[tuple[str, int]]:
        found = (each for each in shop.said if each.event_type == "supplier.limit_passed")
        return [(each.payload["period"], each.payload["limit"]) for each in found if each.payload["reward_supplier_id"] == supplier]

    for expected in ([], [], [("hour", 2)], [("hour", 2)]):
        shop.grant("watched")
        assert said() == expected
    shop.now += 3_600_000
    for expected in ([("hour", 2), ("day", 4)], [("hour", 2), ("day", 4)], [("hour", 2), ("day", 4), ("hour", 2)]):
        shop.grant("watched")
        assert said() == expected
    shop.now += 23 * 3_600_000
    shop.grant("watched")
    assert len(said()) == 3
    ids = [each.event_id for each in shop.said if each.event_type == "supplier.limit_passed"]
    assert len(set(ids)) == 3
    shop.grant("hourly")
    assert said("hourly") == []
    shop.grant("hourly")
    assert said("hourly") == [("hour", 1)]


def test_when_a_group_used_up_what_was_loaded_the_next_goes_on() -> None:
    shop = Shop()
    shop.known.free["pool"], shop.known.stock["pool"] = [], 5
    reward = shop.earn("pool")
    assert (reward.state, reward.waiting, reward.due_at) == ("EARNED", "supplier", NOW)
    shop.known.free["pool"] = [(1, "A")]
    shop.do(c.TendReward(1, reward.id))
    assert shop.reward(reward.id).secret["code"] == "A"


def test_code_goes_back_only_if_nobody_can_have_seen_it() -> None:
    shop = Shop()
    shop.do(c.AddCoupons(1, "pool", 5, ("A", "B")))
    unseen, seen = shop.grant("pool"), shop.grant("pool")
    shop.move(unseen, "FAILED")
    assert shop.move(unseen, "EARNED").verdict == "done"
    assert shop.reward(unseen.id).secret["code"] == "A", "tried again, it keeps the coupon it had"
    shop.move(unseen, "FAILED")
    shop.do(c.TendReward(1, unseen.id))
    assert shop.reward(unseen.id).state == "FAILED", "what a person said failed is tried again by a person"
    shop.move(unseen, "CANCELED")
    shop.move(seen, "SENT")
    shop.move(seen, "FAILED")
    shop.move(seen, "CANCELED")
    assert (shop.reward(unseen.id).coupon, "code" in shop.reward(unseen.id).secret) == (None, False)
    assert shop.reward(seen.id).secret["code"] == "B"
    assert shop.grant("pool").secret["code"] == "A"
    revoked = shop.reward(shop.reward_ids[-1])
    shop.move(revoked, "REVOKED")
    assert shop.grant("pool").state == "FAILED"
    shop.check()


def test_supplier_that_is_missing_or_off_fails_what_it_should_give_until_it_is_back() -> None:
    shop = Shop()
    unknown = shop.earn("nobody")
    shop.do(c.PutSupplier(1, replace(SUPPLIERS[1], enabled=False)))
    off = shop.grant("static")
    assert [unknown.state, off.state] == ["FAILED", "FAILED"]
    for reward in (unknown, off):
        shop.do(c.TendReward(1, reward.id))
        assert shop.reward(reward.id).state == "FAILED"
    shop.do(c.PutSupplier(1, SUPPLIERS[1]))
    shop.do(c.TendReward(1, off.id))
    assert shop.reward(off.id).secret["code"] == "HELLO"
    del shop.facts.profiles[PEOPLE[0]]
    shop.do(c.TendReward(1, unknown.id))
    assert shop.reward(unknown.id).state == "CANCELED", "its recipient was deleted, and it can be given to nobody"


@pytest.mark.parametrize(
    ("supplier", "value"),
    [
        (None, Value()),
        (Supplier("x", "POINTS"), Value()),
        (Supplier("x", "POINTS", face_value="5", face_value_type="POINTS"), Value("5", "POINTS")),
        (Supplier("x", "ACCOUNT_CREDIT", cash_back_percentage="0.075", face_value_type="EUR"), Value(unit="EUR", percent="7.500")),
        (
            Supplier("x", "ACCOUNT_CREDIT", cash_back_percentage="1", face_value_type="EUR", cash_back_min="1", cash_back_max="2"),
            Value(unit="EUR", percent="100", min="1", max="2"),
        ),
    ],
)
def test_terms_that_name_no_value_take_the_suppliers(supplier: Supplier | None, value: Value) -> None:
    assert supplier is None or why_not_a_supplier(supplier) is None
    assert valued(RewardTerms("r", "friend"), supplier).value == value
    own = RewardTerms("r", "friend", Value("3"))
    assert valued(own, supplier) is own


WRONG_SUPPLIERS = [
    Supplier("a b", "POINTS"),
    Supplier("x", "POINTS", face_value_type="gold"),
    Supplier("x", "POINTS", face_value="1"),
    Supplier("x", "POINTS", face_value="x", face_value_type="USD"),
    Supplier("x", "STATIC_COUPON"),
    Supplier("x", "POINTS", face_value="1", face_value_type="USD"),
    Supplier("x", "ACCOUNT_CREDIT", face_value="1", face_value_type="POINTS"),
    Supplier("x", "CUSTOM_REWARD", cash_back_min="1", face_value_type="USD"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="0.1", face_value="1", face_value_type="USD"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="0.1"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="0.1", face_value_type="PERCENT_OFF"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="1.5", face_value_type="USD"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="ten", face_value_type="USD"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="0", face_value_type="USD"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="0.1", cash_back_max="x", face_value_type="USD"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="0.1", cash_back_min="-1", face_value_type="USD"),
    Supplier("x", "CUSTOM_REWARD", cash_back_percentage="0.1", cash_back_min="3", cash_back_max="2", face_value_type="USD"),
    Supplier("x", "POINTS", low_balance=-1),
    Supplier("x", "CUSTOM_REWARD", overdue_days=0),
    Supplier("x", "CUSTOM_REWARD", tags=[""]),
    Supplier("x", "CUSTOM_REWARD", tags=["tag"] * 51),
    Supplier("x", "POINTS", state_transitions={"EARNED": ["GONE"]}),
]


@pytest.mark.parametrize("supplier", WRONG_SUPPLIERS)
def test_supplier_that_is_wrong_is_refused(supplier: Supplier) -> None:
    assert Shop().do(c.PutSupplier(1, supplier)).code == "invalid_reward_supplier"


def test_supplier_keeps_its_type_and_saying_it_again_changes_nothing() -> None:
    shop = Shop()
    assert shop.do(c.PutSupplier(1, Supplier("points", "CUSTOM_REWARD"))).code == "reward_supplier_type_fixed"
    before = len(shop.records)
    assert shop.do(c.PutSupplier(1, SUPPLIERS[0])).value == "pool"
    assert len(shop.records) == before


def test_codes_are_refused_by_place() -> None:
    shop = Shop()
    shop.do(c.AddCoupons(1, "pool", 5, ("HELD",)))
    outcome = shop.do(c.AddCoupons(1, "pool", 6, ("A", "a", "held", "", "x" * 65, "b\n", "B"), "ada", 2))
    assert outcome.value["added"] == 2
    assert [place for place, _ in outcome.value["refused"]] == [1, 2, 3, 4, 5]
    assert (shop.of(CouponUpload)[-1].added, shop.of(CouponUpload)[-1].refused) == (2, 7)
    assert shop.do(c.AddCoupons(1, "pool", 7, ("HELD",))).value == {"added": 0, "refused": [(0, "the pool has it already")]}
    for supplier, code in (("nobody", "reward_supplier_not_found"), ("static", "reward_type_not_supported")):
        assert shop.do(c.AddCoupons(1, supplier, 7, ("A",))).code == code
        assert shop.do(c.RemoveCoupons(1, supplier, 7)).code == code
    many = tuple(map(str, range(2_001)))
    assert shop.do(c.AddCoupons(1, "pool", 8, many)).code == "invalid_value"
    assert shop.do(c.RemoveCoupons(1, "pool", 8, many)).code == "invalid_value"
    issued = shop.grant("pool").secret["code"]
    gone = shop.do(c.RemoveCoupons(1, "pool", 9, (issued, "A", "none")))
    assert gone.value == {"removed": 1, "refused": [(0, "it was handed out already"), (2, "the pool does not have it")]}
    while shop.do(c.RemoveCoupons(1, "pool", 10)).value["removed"]:
        pass
    assert shop.known.free["pool"] == []

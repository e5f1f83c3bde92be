"""Suppliers in referral stories: pools, limits, cash back; what is told of them."""

from __future__ import annotations

from goodword.core import command as c
from goodword.core.delivery import Endpoint
from goodword.core.reward import Supplier
from goodword.storage.query import delivery as outbox
from tests.referral.test_terms import come, draft, town_of
from tests.referral.town import REFER_A_FRIEND


def test_cash_back_is_a_share_of_what_is_left_of_the_order() -> None:
    back = {
        "name": "back",
        "to": "advocate",
        "value": {"percent": "10", "unit": "USD", "max": "20"},
        "supplier": "credit",
        "pending_days": 3,
    }
    with town_of(rewards=[back]) as town:
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("o1", userId="ben", value="80.00")
        assert town.live() == [("ada", 800, "EARNED")]
        town.say("track", event="returned", userId="ben", properties={"partner_conversion_id": "o1", "cart_value": "30.00"})
        assert town.live() == [("ada", 500, "EARNED")]
        town.say("track", event="returned", userId="ben", properties={"partner_conversion_id": "o1", "cart_value": "50.00"})
        assert town.live() == []


def test_cash_back_may_be_the_suppliers_own_with_a_least_and_a_most() -> None:
    back = {"name": "back", "to": "advocate", "supplier": "back", "rules": {"once": "event"}}
    supplier = Supplier("back", "ACCOUNT_CREDIT", face_value_type="USD", cash_back_percentage="0.05", cash_back_min="1", cash_back_max="4")
    with town_of(rewards=[back]) as town:
        town.engine.execute([c.PutSupplier(1, supplier)])
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        for order, value in enumerate(("10.00", "49.90", "300.00")):
            town.buy(f"o{order}", userId="ben", value=value)
        assert [worth for _, worth, _ in town.live()] == [100, 250, 400]
        assert town.store.database.read("SELECT unit, amount FROM balance") == [("USD", 750)]


def test_a_draft_that_names_another_pool_leaves_the_one_in_force_its_coupons() -> None:
    coupon = {"name": "coupon", "to": "friend", "value": {"amount": "5", "unit": "USD"}, "supplier": "pool"}
    with town_of(rewards=[coupon]) as town:
        town.engine.execute([c.PutSupplier(1, Supplier("pool", "COUPON_POOL")), c.AddCoupons(1, "pool", 1, ("A-1",))])
        draft(town, REFER_A_FRIEND)
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("o1", userId="ben")
        assert town.live() == [("ben", 500, "FULFILLED")]


def test_what_a_supplier_gave_is_counted_from_group_to_group_and_told_once() -> None:
    with town_of() as town:
        endpoint = Endpoint("e", "https://shop.example.com/hook", "whsec_" + "A" * 32, event_types=["supplier.limit_passed"])
        town.engine.execute([c.PutEndpoint(1, endpoint), c.PutSupplier(1, Supplier("watched", "POINTS", limit_per_hour=2))])
        ada = town.person("ada", "ada@mail.example")
        give = c.GrantReward(1, ada, "Sue", "sorry", supplier="watched", value=100, unit="POINTS")
        for count in (1, 2, 1):
            town.engine.execute([give] * count)
        assert town.store.database.read("SELECT count FROM given") == [(4,)]
        assert town.store.database.read("SELECT event_type FROM delivery") == [("supplier.limit_passed",)]


def test_a_supplier_that_knows_no_redeeming_is_not_told_of_it() -> None:
    coupon = {"name": "coupon", "to": "friend", "value": {"amount": "5", "unit": "USD"}, "supplier": "pool"}
    moves = {"EARNED": ["FULFILLED"], "FULFILLED": ["REVOKED"]}
    with town_of(rewards=[coupon]) as town:
        town.engine.execute([c.PutSupplier(1, Supplier("pool", "COUPON_POOL", state_transitions=moves))])
        town.engine.execute([c.AddCoupons(1, "pool", 1, ("A-1",))])
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("o1", userId="ben")
        town.buy("o2", userId="ben", properties={"coupon_code": "A-1"})
        assert town.live() == [("ben", 500, "FULFILLED")]


def test_what_is_told_of_a_conversion_names_the_person_and_the_coupon() -> None:
    with town_of() as town:
        town.engine.execute([c.PutEndpoint(1, Endpoint("e", "https://shop.example.com/hook", "whsec_" + "A" * 32))])
        town.say("identify", userId="ben", traits={"email": "ben@post.example", "firstName": "Ben", "lastName": ""})
        town.say("track", event="registration", userId="ben", properties={"coupon_code": "SPRING"})
        town.buy("o1", userId="ben", properties={"coupon": "SPRING"})
        town.buy("o2", userId="ben")
        told = [payload for _, payload in outbox.due(town.store, 1, "e", town.now, 10)]
        assert [said["first_name"] for said in told if said is not None] == ["Ben"] * 3
        assert [said.get("coupon_code") for said in told if said is not None] == [None, "SPRING", None]
        assert not any("last_name" in said for said in told if said is not None)

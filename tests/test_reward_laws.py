"""The laws of Goodword where rewards and referrals extend them, each with a test that names it, through a real server's doors.

Wider tests of the same: 1 and 2 in tests/journey/test_crash_rewards.py, 3 in tests/referral/test_order.py, 4 and 5 in
tests/storage/test_deletion_referral.py.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from goodword.api.server import OPERATIONS
from goodword.storage.ruling import rules_of
from tests.journey.program import CHROME, PAID, Program, moment, refer_a_friend
from tests.running import Server, basic, rows, run
from tests.stores import placed

WITH_COUPONS = """
campaign: refer-a-friend
program: refer-a-friend
share: {destination: "https://shop.example.com/"}
suppliers:
  - {id: pool, type: COUPON_POOL, name: Pool, face_value: 5, face_value_type: USD}
rewards:
  - {name: advocate, to: advocate, value: {amount: 10, unit: POINTS}, rules: {email: false}}
  - {name: friend, to: friend, value: {amount: 5, unit: USD}, supplier: pool}
"""
COUPONS = "/v6/reward-suppliers/manual-coupons/pool/coupons"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("laws") / "data"
    with placed(request, data):
        with Server(data) as server:
            yield server
        done = run("verify", "--data", str(data))
        assert done.returncode == 0, done.stdout + done.stderr


def brand(server: Server, account: str, campaign: str = WITH_COUPONS, coupons: int = 3) -> Program:
    found = Program(server, account, campaign)
    codes = "\n".join(f"{account}-{number}" for number in range(coupons)).encode()
    assert campaign != WITH_COUPONS or found.call("POST", COUPONS, codes).status == 200
    return found


def test_law_2_a_reward_is_earned_once_whoever_says_so_and_however_often(server: Server) -> None:
    shop = brand(server, "twice")
    shop.brings(shop.advocate("ada"), "ben")
    order = {"partner_conversion_id": "order-1", "cart_value": "20.00"}

    def told(number: int) -> None:
        said = {"type": "track", "event": "conversion", "userId": "ben", "messageId": f"m{number % 5}", "properties": order}
        door = number % 3
        if door == 0:
            assert server.post("/segment", [said, said], shop.key).status == 200
        elif door == 1:
            assert server.post("/v1/batch", {"batch": [said, {**said, "messageId": f"n{number}"}]}, shop.key).status == 200
        else:
            data = {"partner_user_id": "ben", **order, "partner_conversion_id": " ORDER-1"}
            assert shop.call("POST", "/v6/events", {"event_name": "conversion", "data": data}).status == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(told, range(48)))
    assert shop.rewards("ada") == PAID
    assert shop.rewards("ben") == [("FULFILLED", 5.0, "USD")]
    assert len(shop.get(COUPONS)) == 2, "one coupon was handed out"
    assert shop.get(f"/v5/persons/{shop.id('ada')}/balances") == [{"unit": "POINTS", "amount": 10.0}]


def test_law_2_two_friends_and_one_coupon(server: Server) -> None:
    shop = brand(server, "last-coupon", coupons=1)
    link = shop.advocate("ada")
    friends = ["ben", "cyd", "dan", "eli"]
    for name in friends:
        shop.brings(link, name)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: shop.buys(name, f"order-{name}"), friends))
    states = sorted(state for name in friends for state in _states(shop, name))
    assert states == ["FAILED", "FAILED", "FAILED", "FULFILLED"]
    assert shop.get(COUPONS) == []


def _states(shop: Program, user: str) -> list[str]:
    return [each["state"] for each in shop.get("/v2/rewards", person_id=shop.id(user), success_only="false")]


def test_law_3_the_order_of_a_referrals_messages_does_not_matter(server: Server) -> None:
    ends = []
    for number in range(6):
        shop = brand(server, f"order-{number}", refer_a_friend())
        address, _ = shop.follow(shop.advocate("ada"))
        times = [moment() for _ in range(5)]
        parts: list[dict[str, Any]] = [
            {"type": "page", "anonymousId": "d", "context": {"page": {"url": address}}},
            {"type": "identify", "anonymousId": "d", "userId": "ben", "traits": {"email": "ben@ben.example"}},
            {"type": "track", "event": "registration", "userId": "ben"},
            {"type": "track", "event": "conversion", "userId": "ben", "properties": {"partner_conversion_id": "o1", "cart_value": 5}},
            {"type": "track", "event": "conversion", "userId": "ben", "properties": {"partner_conversion_id": "o2", "cart_value": 5}},
        ]
        parts = [{**part, "timestamp": at} for part, at in zip(parts, times, strict=True)]
        random.Random(number).shuffle(parts)
        for part in parts:
            shop.segment(**part)
        ends.append(
            (shop.rewards("ada"), shop.rewards("ben"), shop.referrers("ben"), shop.qualities("ben"), shop.qualities("ben", "registration"))
        )
    assert ends == [ends[0]] * 6
    assert ends[0][:2] == (PAID, PAID)


def _filled(path: str, known: dict[str, str]) -> str:
    return re.sub(r"{(\w+)(?::path)?}", lambda found: known.get(found[1], "nothing"), path)


ADMIN = [("GET", "/admin/messages"), ("GET", "/admin/settings"), ("PUT", "/admin/settings"), ("GET", "/admin/keys")]
ADMIN += [("POST", "/admin/keys"), ("GET", "/admin/stats"), ("GET", "/admin/erasures"), ("POST", "/admin/events/preview")]


def everything_of(shop: Program) -> dict[str, str]:
    """Something of each kind that a path may name, all of one brand, whose names hold `mine`."""
    link = shop.advocate("mine-ada")
    shop.brings(link, "mine-ben")
    shop.buys("mine-ben", f"mine-order-{shop.account}")
    person = shop.id("mine-ada")
    share = {"channel": "EMAIL", "label": "refer-a-friend", "recipients": ["mine-eve@eve.example"], "message": "mine"}
    webhook = shop.done("/v6/webhooks", {"url": "https://mine.example.com/hook", "event_types": ["reward.fulfilled"], "name": "mine"})
    shop.done(f"/v5/persons/{person}/data", {"name": "mine-plan", "value": "mine-gold"})
    given = shop.done("/v2/rewards", {"person_id": person, "note": "mine", "reward_supplier_id": "points", "face_value": 1})
    (arrival, *_), *_ = rows(shop.server.data, "SELECT arrival FROM judgement ORDER BY arrival DESC LIMIT 1")
    return {
        "person_id": person,
        "code": link["code"],
        "share_id": shop.done(f"/v5/persons/{person}/shares", share)["id"],
        "webhook_id": webhook.get("id") or webhook["webhook_id"],
        "delivery_id": "".join(str(each["id"]) for each in shop.get("/v6/webhooks/events")[:1]),
        "reward_id": given["reward_id"],
        "reward_supplier_id": "pool",
        "campaign_id": "refer-a-friend",
        "version": "1",
        "arrival": str(arrival),
        "block_id": shop.done("/v2/blocks", {"value": "mine.example", "note": "mine"})["block_id"],
        "name": "mine-plan",
        "event_name": "conversion",
        "audience_id": "mine",
    }


def test_law_7_a_browser_key_does_nothing_with_campaigns_links_rewards_and_webhooks(server: Server) -> None:
    shop = brand(server, "browser")
    known = everything_of(shop)
    before = _state(shop, known)
    asked = [(each.method, _filled(each.path, known)) for each in OPERATIONS] + ADMIN
    assert len(asked) > 100
    for method, path in asked:
        body = b"{}" if method in ("POST", "PUT") else None
        for headers in ({"Authorization": f"Bearer {shop.browser}"}, basic(shop.browser), {}):
            answer = server.request(method, path, body, headers)
            assert answer.status in (401, 403), (method, path, answer.body)
            assert b"mine" not in answer.body, (method, path)
        by_query = server.request(method, f"{path}?access_token={shop.browser}", body)
        assert by_query.status in (401, 403), (method, path)
    assert _state(shop, known) == before


def _state(shop: Program, known: dict[str, str]) -> list[Any]:
    person = f"/v5/persons/{known['person_id']}"
    paths = ["/v2/rewards", "/v2/campaigns", "/v2/blocks", COUPONS, "/v6/reward-suppliers", person]
    paths += [f"{person}/{part}" for part in ("data", "shareables", "shares", "relationships", "balances", "block", "memberships")]
    webhooks = [(each["id"], each["url"], each["event_types"], each["enabled"]) for each in shop.get("/v6/webhooks")]
    return [webhooks, *(shop.get(path) for path in paths)]


def test_law_8_another_accounts_campaigns_rewards_links_and_webhooks_are_not_there(server: Server) -> None:
    """Every route is asked with the ids of one account and the strongest key of another, which has a campaign of the same names."""
    shop, stranger = brand(server, "owner"), brand(server, "stranger")
    known = everything_of(shop)
    before = _state(shop, known)
    own = "campaign_id", "version", "reward_supplier_id", "event_name"  # the stranger has these too, and they are the stranger's own
    told = []
    for each in OPERATIONS:
        names = set(re.findall(r"{(\w+)", each.path))
        body = {"message": "x", "note": "x", "by": "x", "name": "x", "value": "x", "label": "refer-a-friend", "channel": "SMS",
                "person_id": known["person_id"], "person_id_to": known["person_id"], "reward_supplier_id": "points", "face_value": 1,
                "delivery_ids": [known["delivery_id"]], "items": [{"arrival": int(known["arrival"]), "campaign_id": "refer-a-friend"}],
                "event_name": "conversion", "data": {"person_id": known["person_id"]}}  # fmt: skip
        said = json.dumps(body).encode() if each.method in ("POST", "PUT") else None
        answer = server.request(each.method, _filled(each.path, known), said, {"Authorization": f"Bearer {stranger.key}"})
        told.append((each.method, each.path, answer.status))
        assert answer.status < 500, told[-1]
        assert b"mine" not in answer.body.replace(b"mine-plan", b""), (each.method, each.path, answer.body)
        if names - set(own):
            assert answer.status in (400, 403, 404), told[-1]
    assert sum(status == 200 for _, _, status in told) < 45, told
    assert _state(shop, known) == before
    assert stranger.get("/v2/rewards") == []


def test_law_8_codes_coupons_clicks_and_ids_of_another_account_mean_nothing(server: Server) -> None:
    shop, stranger = brand(server, "codes-owner"), brand(server, "codes-stranger")
    link = shop.advocate("ada")
    address, click = shop.follow(link)
    shop.brings(link, "ben")
    shop.buys("ben", "order-1")
    (coupon,) = [each["partner_reward_id"] for each in shop.get("/v2/rewards", person_id=shop.id("ben"))]
    stranger.joins("zoe")
    stranger.page("device-zoe", address)
    stranger.page("device-zoe", context={"goodword": {"click_id": click}})
    stranger.segment(type="identify", userId="zoe", anonymousId="device-zoe")
    said = {
        "coupon_code": coupon, "share_id": click, "shareable_id": link["code"], "advocate_code": link["code"],
        "advocate_partner_user_id": "ada", "advocate_email": "ada@ada.example", "advocate_order_id": "order-1",
    }  # fmt: skip
    for name, value in said.items():
        one: dict[str, Any] = {name: value}
        stranger.buys("zoe", f"order-{name}", **one)
    assert stranger.referrers("zoe") == {}
    assert stranger.get("/v2/rewards") == []
    assert shop.rewards("ada") == PAID
    assert {row[0] for row in rows(server.data, "SELECT DISTINCT account_id FROM relationship WHERE reason = 'SHARE_ID'")} >= {2}
    page = server.request("GET", f"/s/{link['code']}", headers={"User-Agent": CHROME})
    assert page.headers["location"].startswith("https://shop.example.com/"), "the link stays its owner's"


def test_law_9_every_verdict_and_every_move_of_a_reward_explains_itself(server: Server) -> None:
    shop = brand(server, "explained", coupons=1)
    link = shop.advocate("ada")
    for name in ("ben", "cyd"):
        shop.brings(link, name)
        shop.buys(name, f"order-{name}")
    shop.brings(link, "ada", device="device-ben")
    shop.buys("ada", "order-own")
    shop.in_browser(type="track", event="conversion", userId="cyd", properties={"partner_conversion_id": "web", "cart_value": 1})
    shop.says("canceled", "ben", partner_conversion_id="order-ben")
    given = shop.done("/v2/rewards", {"person_id": shop.id("cyd"), "note": "sorry", "reward_supplier_id": "points", "face_value": 1})
    judged = rows(server.data, f"SELECT account_id, quality, reason, version, {rules_of('j')} FROM judgement j")
    assert {quality for _, quality, _, _, _ in judged} >= {"HIGH", "LOW"}
    for _, quality, reason, version, rules in judged:
        found = json.loads(rules)
        assert version > 0
        assert quality == "NONE" or reason or found
        assert found, "a verdict without rules"
        assert [each for each in found if each[1] != "PASS" and not each[2]] == []
    rewards = rows(server.data, f"SELECT id, cause, {rules_of('r')} FROM reward r")
    assert len(rewards) > 8
    for number, cause, rules in rewards:
        found = json.loads(rules)
        assert (cause == 0) == (found == []), number
        assert not any(each[1] in ("FAIL", "WAIT") and not each[2] for each in found)
    for reward in shop.get("/v2/rewards", limit="1000"):
        moves = shop.get(f"/v2/rewards/{reward['reward_id']}/history")
        assert moves
        for move in moves:
            assert move["message"] or move["state_type"] == "EARNED" or move["operator_user_id"], (reward["reward_id"], move)
    said = [each["message"] for each in shop.get(f"/v2/rewards/{given['reward_id']}/history")]
    assert "sorry" in said
    assert "by hand: sorry" in json.dumps(shop.get("/v2/why", person="cyd"))

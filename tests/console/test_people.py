"""People, rewards, pools, webhooks and deletions in the console: what is done there is done, and what must not be is not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest

from tests.console.conftest import Visitor, World


def person(world: World, name: str, **traits: Any) -> str:
    """A new person's number."""
    world.send({"type": "identify", "userId": name, "traits": {"email": f"{name}@example.com", **traits}})
    return str(world.call("GET", f"/v5/persons?person_keys=partner_user_id:{name}")[0]["id"])


def text(visitor: Visitor, path: str, status: int = 200) -> str:
    answer = visitor.get(path)
    assert answer.status == status, (path, answer.status)
    return answer.body.decode()


def done(visitor: Visitor, path: str, said: Mapping[str, str]) -> str:
    """A change that works leads on: where to."""
    answer = visitor.post(path, said)
    assert answer.status == 303, (answer.status, answer.body[:2_000])
    return str(answer.headers["location"])


@pytest.mark.parametrize("named", ["seen-1", "SEEN-1@example.com", "order-seen-1"])
def test_whatever_names_a_person_finds_them(world: World, people: dict[str, Visitor], named: str) -> None:
    number = person(world, "seen-1")
    order = {"partner_conversion_id": "order-seen-1", "cart_value": "10"}
    world.send({"type": "track", "userId": "seen-1", "event": "conversion", "messageId": "seen-1-order", "properties": order})
    answer = people["support"].get(f"/people?q={named}")
    assert (answer.status, answer.headers["location"]) == (303, f"/console/people/{number}")
    assert "Nobody is found" in text(people["support"], "/people?q=nobody-at-all")


def test_support_sees_why_and_changes_nothing(world: World, people: dict[str, Visitor]) -> None:
    number = person(world, "asked-about")
    shown = text(people["support"], f"/people/{number}")
    assert "In short" in shown
    for change in ("block", "merge", "reward", "erase", "file"):
        assert f"/people/{number}/{change}" not in shown
        assert people["support"].get(f"/people/{number}/{change}").status == 403


def test_no_account_sees_anothers_person_or_reward(world: World, people: dict[str, Visitor]) -> None:
    """Law 8."""
    number = person(world, "ours")
    reward = world.call("POST", "/v2/rewards", {"person_id": number, "note": "x", "reward_supplier_id": "points", "face_value": 1})[
        "reward_id"
    ]
    for path in (f"/people/{number}", f"/people/{number}/file", f"/rewards/{reward}", "/coupons/codes"):
        assert people["stranger"].get(path).status == 404, path
    assert people["stranger"].post(f"/people/{number}/block", {"type": "EVENTS", "reason": "x"}).status == 404
    assert people["stranger"].post(f"/rewards/{reward}/move", {"to": "REVOKED"}).status == 404
    assert world.call("GET", f"/v2/rewards/{reward}")["state"] == "FULFILLED"


def test_a_block_needs_a_reason_and_is_lifted_again(world: World, people: dict[str, Visitor]) -> None:
    number = person(world, "blocked")
    refused = people["marketer"].post(f"/people/{number}/block", {"type": "REWARDS", "reason": ""})
    assert refused.status == 422
    done(people["marketer"], f"/people/{number}/block", {"type": "REWARDS", "reason": "two accounts"})
    assert "two accounts" in text(people["support"], f"/people/{number}")
    assert world.call("GET", f"/v5/persons/{number}/block")["type"] == "REWARDS"
    done(people["marketer"], f"/people/{number}/block", {"type": "NONE"})
    assert world.call("GET", f"/v5/persons/{number}/block")["type"] == "NONE"


def test_a_merge_shows_both_before_and_joins_them(world: World, people: dict[str, Visitor]) -> None:
    one, other = person(world, "twin-1"), person(world, "twin-2")
    shown = text(people["marketer"], f"/people/{one}/merge?q=twin-2")
    assert "twin-1@example.com" in shown
    assert "twin-2@example.com" in shown
    assert done(people["marketer"], f"/people/{one}/merge", {"into": other}).endswith(f"/people/{other}")
    assert people["support"].get(f"/people/{one}").headers["location"].endswith(f"/people/{other}")


def test_a_reward_by_hand_and_what_becomes_of_it(world: World, people: dict[str, Visitor]) -> None:
    number = person(world, "made-good")
    given = {"what": "by-hand:points", "value": "12.5", "note": "the link was broken"}
    assert people["marketer"].post(f"/people/{number}/reward", {**given, "value": "much"}).status == 422
    assert people["marketer"].post(f"/people/{number}/reward", {**given, "note": ""}).status == 422
    done(people["marketer"], f"/people/{number}/reward", given)
    (reward,) = world.call("GET", f"/v5/persons/{number}/rewards")
    assert float(reward["face_value"]) == 12.5
    page = f"/rewards/{reward['id']}"
    assert "the link was broken" in text(people["support"], page)
    done(people["marketer"], f"{page}/move", {"to": "REVOKED", "note": "given twice"})
    assert "given twice" in text(people["support"], page)
    assert people["marketer"].post(f"{page}/move", {"to": "FULFILLED"}).status == 409
    assert (
        "12.5 points"
        not in re.sub(r"<table.*?</table>", "", text(people["support"], f"/people/{number}"), flags=re.DOTALL).split("Balance")[-1]
    )


def test_many_rewards_at_once_and_those_it_cannot_be_done_to(world: World, people: dict[str, Visitor]) -> None:
    number = person(world, "many")
    made = [
        world.call("POST", "/v2/rewards", {"person_id": number, "note": "x", "reward_supplier_id": "points", "face_value": 1})["reward_id"]
        for _ in range(2)
    ]
    done(people["marketer"], f"/rewards/{made[0]}/move", {"to": "REVOKED"})
    for reward in made:
        asked = people["marketer"].post("/rewards/move", {"to": "REVOKED", "reward": reward})
        assert (asked.status, b"It cannot be undone." in asked.body) == (200, True)
    assert world.call("GET", f"/v2/rewards/{made[1]}")["state"] == "FULFILLED"
    for reward in made:
        done(people["marketer"], "/rewards/move", {"to": "REVOKED", "reward": reward, "is_sure": "on", "note": "a mistake"})
    assert "a mistake" in text(people["support"], f"/rewards/{made[1]}")
    assert {world.call("GET", f"/v2/rewards/{reward}")["state"] for reward in made} == {"REVOKED"}


def test_a_deletion_is_typed_and_proved(world: World, people: dict[str, Visitor]) -> None:
    number = person(world, "leaving")
    world.call("POST", "/v2/rewards", {"person_id": number, "note": "sorry", "reward_supplier_id": "points", "face_value": 3})
    assert people["admin"].post(f"/people/{number}/erase", {"typed": "leave"}).status == 422
    assert people["admin"].get(f"/people/{number}").status == 200
    file = json.loads(text(people["admin"], f"/people/{number}/file"))
    assert file["email"] == "leaving@example.com"
    assert [(reward["worth"], reward["moves"][0]["message"]) for reward in file["rewards"]] == [("3 points", "sorry")]
    assert file["balances"] == {"POINTS": "3 points"}
    done(people["admin"], f"/people/{number}/erase", {"typed": "Leaving@example.com"})
    assert people["admin"].get(f"/people/{number}").status == 404
    proof = world.call("GET", "/admin/erasures")[0]["id"]
    assert proof in text(people["admin"], "/privacy")
    assert people["admin"].post("/privacy/erase", {"user_id": "never-seen", "typed": "delete"}).status == 422
    done(people["admin"], "/privacy/erase", {"user_id": "never-seen", "typed": "DELETE"})
    assert world.call("GET", "/admin/erasures")[0]["profiles"] == 0


def test_a_pool_is_made_and_filled_and_bad_rows_are_named(world: World, people: dict[str, Visitor]) -> None:
    assert people["marketer"].post("/coupons", {"id": "no spaces"}).status == 422
    assert done(people["marketer"], "/coupons", {"id": "spring", "low_balance": "3"}).endswith("/coupons/spring")
    pasted = people["marketer"].post("/coupons/spring/add", {"codes": "S-1\nS-2\nS-1\n" + "x" * 65})
    shown = pasted.body.decode()
    assert "2 codes were added, 2 rows were not" in shown
    logged = unescape(text(people["admin"], "/settings/audit"))
    assert "pool filled" in logged
    assert re.search(r'"?added"?\W+2\W+"?refused"?\W+2', re.sub(r"<[^>]+>", " ", logged))
    assert "Row 3" in shown
    visitor = people["marketer"]
    headers = {"Cookie": f"goodword_session={visitor.token}", "Content-Type": "text/csv", "X-CSRF-Token": visitor.csrf,
               "Sec-Fetch-Site": "same-origin"}  # fmt: skip
    sent = world.server.request("POST", "/console/coupons/spring/add", b"S-3\r\nS-4\r\n", headers)
    assert (sent.status, b"2 codes were added" in sent.body) == (200, True)
    refused = world.server.request("POST", "/console/coupons/spring/add", b"S-5\n", {**headers, "X-CSRF-Token": "x"})
    assert refused.status == 403
    assert world.call("GET", "/v6/reward-suppliers/manual-coupons/spring/stats")["available_count"] == 4


def test_an_endpoint_is_added_paused_and_ended(world: World, people: dict[str, Visitor]) -> None:
    assert people["admin"].post("/webhooks", {"url": "ftp://x", "kind": "webhook"}).status == 422
    made = people["admin"].post("/webhooks", {"url": "https://hooks.example.org/x", "kind": "webhook", "name": "shop"})
    assert made.status == 200
    secret = re.search(r'id="secret">(whsec_[^<]+)<', made.body.decode())
    assert secret is not None
    id = next(each["id"] for each in world.call("GET", "/v6/webhooks") if each["name"] == "shop")
    assert secret[1] not in text(people["marketer"], f"/webhooks/{id}")
    done(people["admin"], f"/webhooks/{id}", {"do": "pause"})
    assert world.call("GET", f"/v6/webhooks/{id}")["state"] == "paused"
    done(people["admin"], f"/webhooks/{id}", {"do": "types", "event_type": "reward.earned"})
    assert world.call("GET", f"/v6/webhooks/{id}")["event_types"] == ["reward.earned"]
    assert people["marketer"].post(f"/webhooks/{id}", {"do": "end"}).status == 403
    done(people["admin"], f"/webhooks/{id}", {"do": "end"})
    assert people["admin"].get(f"/webhooks/{id}").status == 404

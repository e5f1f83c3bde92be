"""Rewards, suppliers and coupons by the server API."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Api

REWARD_FIELDS = {
    *("reward_id", "person_id", "partner_user_id", "email", "state", "reward_supplier_id", "partner_reward_supplier_id"),
    *("partner_reward_id", "partner_reward_key_type", "face_value", "face_value_type", "campaign_id", "container", "sandbox"),
    *("journey_name", "journey_key", "action_id", "root_event_id", "cause_event_id", "data", "created_at", "expires_at"),
}


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def person(api: Api, name: str) -> str:
    made: str = api.post("/v5/persons", {"identity_key_value": f"{name}@example.com"})["id"]
    return made


def supplier(api: Api, kind: str, **more: Any) -> str:
    id = unique(kind.lower())
    api.post("/v6/reward-suppliers", {"reward_supplier_id": id, "type": kind, **more})
    return id


def pool(api: Api, *codes: str, **more: Any) -> str:
    id = supplier(api, "COUPON_POOL", **more)
    if codes:
        upload(api, id, "\n".join(codes).encode())
    return id


def upload(api: Api, id: str, body: bytes) -> Any:
    answer = api.call("POST", f"/v6/reward-suppliers/manual-coupons/{id}/coupons", body)
    assert answer.status == 200, answer.body
    return answer.json


def grant(api: Api, person_id: str, supplier_id: str, **more: Any) -> Any:
    said = {"person_id": person_id, "note": "a make-good", "reward_supplier_id": supplier_id, "face_value": 10, "face_value_type": "POINTS"}
    return api.post("/v2/rewards", said | more)


def states(api: Api, reward: Any) -> list[Any]:
    return [(each["state_type"], each["success"]) for each in api.get(f"/v2/rewards/{reward['reward_id']}/history")]


def move(api: Api, reward: Any, how: str, body: Any = None) -> Any:
    return api.post(f"/v2/rewards/{reward['reward_id']}/{how}", body or {})


def custom(api: Api, reward: Any, how: str, body: Any = None) -> Any:
    return api.post(f"/v2/rewards/custom-reward/{reward['reward_id']}/{how}", body or {})


def until(true: Callable[[], bool], timeout_s: float = 15.0) -> None:
    ends = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.05)


def test_points_are_posted_and_shown_as_a_balance(api: Api, name: str) -> None:
    number = person(api, name)
    reward = grant(api, number, "points", face_value="12.50")
    assert set(reward) == REWARD_FIELDS
    assert (reward["state"], reward["face_value"], reward["face_value_type"]) == ("FULFILLED", 12.5, "POINTS")
    assert (reward["person_id"], reward["email"]) == (number, f"{name}@example.com")
    assert states(api, reward) == [("EARNED", True), ("FULFILLED", True)]
    assert api.get(f"/v5/persons/{number}/balances") == [{"unit": "POINTS", "amount": 12.5}]
    assert api.get(f"/v2/rewards/{reward['reward_id']}") == reward
    (mine,) = api.get(f"/v5/persons/{number}/rewards")
    assert (mine["id"], mine["state"], mine["face_value"]) == (reward["reward_id"], "FULFILLED", 12.5)
    assert api.get(f"/v5/persons/{number}/rewards/{mine['id']}") == mine
    revoked = move(api, reward, "revoke", {"message": "by mistake"})
    assert revoked["state"] == "REVOKED"
    assert api.get(f"/v5/persons/{number}/balances") == [{"unit": "POINTS", "amount": 0.0}]
    (revoke,) = api.get(f"/v2/rewards/{reward['reward_id']}/revokes")
    assert (revoke["message"], bool(revoke["operator_user_id"])) == ("by mistake", True)


def test_make_good_needs_a_note_a_value_and_a_supplier(api: Api, name: str) -> None:
    number = person(api, name)
    said = {"person_id": number, "note": "sorry", "reward_supplier_id": "points", "face_value": 1}
    assert api.refused("POST", "/v2/rewards", said | {"note": " "}) == (400, "missing_note")
    assert api.refused("POST", "/v2/rewards", said | {"reward_supplier_id": "none"}) == (403, "reward_supplier_not_found")
    assert api.refused("POST", "/v2/rewards", said | {"face_value": None}) == (400, "invalid_value")
    assert api.refused("POST", "/v2/rewards", said | {"face_value": -1}) == (400, "invalid_value")
    assert api.refused("POST", "/v2/rewards", said | {"campaign_id": "none"}) == (404, "campaign_not_found")
    assert api.refused("POST", "/v2/rewards", said | {"person_id": "999999999"}) == (403, "person_not_found")
    api.call("PUT", f"/v5/persons/{number}/block", {"type": "REWARDS", "reason": "fraud"})
    assert api.refused("POST", "/v2/rewards", said) == (403, "person_not_rewardable")


def test_custom_reward_is_fulfilled_sent_and_used_by_the_brand(api: Api, name: str) -> None:
    reward = grant(api, person(api, name), supplier(api, "CUSTOM_REWARD", partner_reward_supplier_id="gift"), face_value_type="USD")
    assert (reward["state"], reward["data"]["waiting"], reward["partner_reward_supplier_id"]) == ("EARNED", "supplier", "gift")
    assert custom(api, reward, "fulfilled", {"success": False, "message": "no answer"})["state"] == "EARNED"
    done = custom(api, reward, "fulfilled", {"partner_reward_id": "G-1", "cost_code": "CC", "face_value": 9.99})
    assert (done["state"], done["partner_reward_id"], done["face_value"]) == ("FULFILLED", "G-1", 9.99)
    assert "waiting" not in done["data"]
    # the same said again changes nothing, another id does not pass for it
    assert custom(api, reward, "fulfilled", {"partner_reward_id": "G-1"}) == done
    path = f"/v2/rewards/custom-reward/{reward['reward_id']}"
    assert api.refused("POST", path + "/fulfilled", {"partner_reward_id": "G-2"}) == (400, "reward_illegal_state_transition")
    for id in ("S-1", "S-1", "S-2"):
        assert custom(api, reward, "sent", {"partner_reward_sent_id": id, "email": f"{name}@example.com"})["state"] == "SENT"
    assert custom(api, reward, "redeemed", {"partner_reward_redeem_id": "R-1"})["state"] == "REDEEMED"
    assert states(api, reward) == [
        *(("EARNED", True), ("FULFILLED", False), ("FULFILLED", True), ("SENT", True), ("SENT", True), ("REDEEMED", True)),
    ]
    fulfilments = api.get(f"/v2/rewards/{reward['reward_id']}/fulfillments")
    assert [(each["success"], each["cost_code"], each["partner_reward_id"]) for each in fulfilments] == [
        *((False, None, None), (True, "CC", "G-1")),
    ]
    sends = api.get(f"/v2/rewards/{reward['reward_id']}/sends")
    assert [(each["partner_reward_sent_id"], each["email"]) for each in sends] == [(id, f"{name}@example.com") for id in ("S-1", "S-2")]
    assert [each["partner_reward_redeem_id"] for each in api.get(f"/v2/rewards/{reward['reward_id']}/redeems")] == ["R-1"]
    assert api.get("/v2/rewards", partner_reward_id="G-1", person_id=reward["person_id"])[0]["reward_id"] == reward["reward_id"]


def test_illegal_moves_are_refused_and_change_nothing(api: Api, name: str) -> None:
    number = person(api, name)
    reward = grant(api, number, supplier(api, "CUSTOM_REWARD"))
    path = f"/v2/rewards/{reward['reward_id']}"
    assert api.refused("POST", f"{path}/revoke", {}) == (400, "reward_illegal_state_transition")
    assert api.refused("POST", f"{path}/retry") == (400, "reward_in_not_retryable_state")
    both = custom(api, reward, "fulfilled_and_sent", {"partner_reward_id": "X", "email": "a@example.com"})
    assert both["state"] == "SENT"
    assert custom(api, reward, "fulfilled_and_sent", {"partner_reward_id": "X", "email": "a@example.com"}) == both
    assert len(states(api, reward)) == 3
    custom(api, reward, "redeemed", {})
    for how in ("cancel", "expire"):
        assert api.refused("POST", f"{path}/{how}", {}) == (400, "reward_illegal_state_transition")
    for how in ("fulfilled", "sent", "failed"):
        refused = api.refused("POST", f"/v2/rewards/custom-reward/{reward['reward_id']}/{how}", {"partner_reward_id": "Y"})
        assert refused == (400, "reward_illegal_state_transition")
    assert api.get(path)["state"] == "REDEEMED"
    points = grant(api, number, "points")
    refused = api.refused("POST", f"/v2/rewards/custom-reward/{points['reward_id']}/failed", {})
    assert refused == (400, "reward_type_not_supported")
    assert api.refused("GET", "/v2/rewards/999999999999") == (400, "reward_not_found")
    assert api.refused("POST", "/v2/rewards/99999999999999999999999/cancel", {}) == (400, "reward_not_found")


def test_coupon_is_issued_once_and_an_empty_pool_fails_until_stock_comes(api: Api, name: str) -> None:
    id = pool(api, "ONE", low_balance=0)
    first, second = grant(api, person(api, name), id), grant(api, person(api, name + "2"), id)
    assert (first["state"], first["partner_reward_id"], first["partner_reward_key_type"]) == ("FULFILLED", "ONE", "COUPON")
    assert (second["state"], second["partner_reward_id"]) == ("FAILED", None)
    assert states(api, second) == [("EARNED", True), ("FULFILLED", False), ("FAILED", True)]
    assert "no coupon" in api.get(f"/v2/rewards/{second['reward_id']}/fails")[0]["message"]
    assert move(api, second, "retry")["state"] == "FAILED"
    upload(api, id, b"TWO\n")
    until(lambda: bool(api.get(f"/v2/rewards/{second['reward_id']}")["state"] == "FULFILLED"))
    assert api.get(f"/v2/rewards/{second['reward_id']}")["partner_reward_id"] == "TWO"
    stats = api.get(f"/v6/reward-suppliers/manual-coupons/{id}/stats")
    assert (stats["total_count"], stats["available_count"], stats["issued_count"], stats["is_low"]) == (2, 0, 2, True)
    assert api.get("/v2/rewards", partner_reward_id="two", reward_supplier_id=id)[0]["reward_id"] == second["reward_id"]


def test_bad_rows_of_an_upload_are_named_and_the_rest_is_loaded(api: Api) -> None:
    id = pool(api, "HELD-1")
    body = b"\xef\xbb\xbfcode\r\nA-1\r\n\r\nA-1\r\nheld-1\r\n" + b"x" * 65 + b'\r\n\xff\xfe\r\n"B,2"\r\nC,D\r\n"open\r\n B-3 '
    found = upload(api, id, body)
    assert (found["added_count"], found["refused_count"]) == (3, 7)
    assert {each["row"]: each["reason"] for each in found["problems"]} == {
        3: "it is empty",
        4: "the pool has it already",
        5: "the pool has it already",
        6: "it is longer than 64 characters",
        7: "it is not UTF-8",
        9: "it has another number of columns than one",
        10: "its quotes are not closed",
    }
    codes = {each["code"] for each in api.get(f"/v6/reward-suppliers/manual-coupons/{id}/coupons")}
    assert codes == {"HELD-1", "A-1", "B,2", "B-3"}
    again = upload(api, id, body)
    assert (again["added_count"], again["refused_count"]) == (0, 10)
    operations = api.get(f"/v6/reward-suppliers/manual-coupons/{id}/operations")
    assert [(each["type"], each["count"], each["refused_count"]) for each in operations] == [("ADD", 0, 10), ("ADD", 3, 7), ("ADD", 1, 0)]
    (whole,) = upload(api, id, "A\nB\n".encode("utf-16"))["problems"]
    assert "UTF-16" in whole["reason"]
    assert upload(api, id, b'{"coupons": ["J-1", "J \\"2\\"", "A-1"]}')["added_count"] == 2


def test_codes_that_were_not_handed_out_can_be_removed(api: Api, name: str) -> None:
    id = pool(api, "R-1", "R-2", "R-3", "R-4")
    issued = grant(api, person(api, name), id)["partner_reward_id"]
    path = f"/v6/reward-suppliers/manual-coupons/{id}"
    free = sorted({"R-1", "R-2", "R-3", "R-4"} - {issued})
    said = api.call("DELETE", f"{path}/coupons", {"coupons": [free[0], issued, "none"]}).json
    assert (said["removed_count"], said["refused_count"]) == (1, 2)
    assert api.call("DELETE", f"{path}/coupons").json["removed_count"] == 2
    assert api.get(f"{path}/stats")["total_count"] == 1
    assert upload(api, id, issued.encode())["added_count"] == 0
    assert api.get(f"{path}/operations")[0]["refused_count"] == 1


def test_suppliers_are_created_changed_and_switched_off(api: Api, name: str) -> None:
    assert {"points", "credit"} <= {each["reward_supplier_id"] for each in api.get("/v6/reward-suppliers")}
    id = supplier(api, "STATIC_COUPON", code="WELCOME", face_value=10, face_value_type="PERCENT_OFF", name="Welcome")
    found = api.get(f"/v6/reward-suppliers/{id}")
    assert (found["reward_supplier_type"], found["face_value"], found["code"]) == ("MANUAL_COUPON", 10.0, "WELCOME")
    assert grant(api, person(api, name), id, face_value=None, face_value_type="")["partner_reward_id"] == "WELCOME"
    path = f"/v6/reward-suppliers/{id}"
    assert api.call("PUT", path, {"code": "HELLO"}).json["code"] == "HELLO"
    assert api.refused("PUT", path, {"type": "POINTS"}) == (400, "reward_supplier_type_fixed")
    assert api.refused("PUT", path, {"face_value": "ten"}) == (400, "invalid_reward_supplier")
    assert api.refused("PUT", path, {"state_transitions": {"EARNED": ["GONE"]}}) == (400, "invalid_reward_supplier")
    assert api.refused("POST", "/v6/reward-suppliers", {"reward_supplier_id": id, "type": "POINTS"}) == (400, "reward_supplier_id_taken")
    assert api.refused("POST", "/v6/reward-suppliers", {"reward_supplier_id": "a b", "type": "POINTS"}) == (400, "invalid_reward_supplier")
    assert api.refused("GET", "/v6/reward-suppliers/none") == (403, "reward_supplier_not_found")
    assert api.refused("GET", f"/v6/reward-suppliers/manual-coupons/{id}/stats") == (400, "reward_type_not_supported")
    assert api.call("DELETE", path).json["enabled"] is False
    failed = grant(api, person(api, name + "2"), id, face_value=1)
    assert failed["state"] == "FAILED"
    api.call("PUT", path, {"enabled": True})
    until(lambda: bool(api.get(f"/v2/rewards/{failed['reward_id']}")["state"] == "FULFILLED"))
    assert len(api.get("/v6/reward-suppliers/display-types")) == 5


def test_rewards_are_listed_by_what_is_asked(api: Api, name: str) -> None:
    number = person(api, name)
    id = supplier(api, "CUSTOM_REWARD", partner_reward_supplier_id=unique("partner"))
    waiting, given = grant(api, number, id), grant(api, number, "points")
    failed = grant(api, number, pool(api))
    mine = {"person_id": number}

    def found(**query: Any) -> list[str]:
        return [each["reward_id"] for each in api.get("/v2/rewards", **mine, **query)]

    a, b, c = waiting["reward_id"], given["reward_id"], failed["reward_id"]
    assert found() == [b, a]
    assert found(success_only="false") == [c, b, a]
    assert found(state=["EARNED", "FAILED"]) == [c, a]
    assert found(reward_supplier_id=id) == [a]
    assert found(partner_reward_supplier_id=waiting["partner_reward_supplier_id"]) == [a]
    assert found(reward_type="MANUAL_COUPON", success_only="false") == [c]
    assert found(reward_type="CUSTOM_REWARD", limit=1, offset=1) == [a]
    assert found(action_id=":manual") == [b, a]
    assert found(root_event_id="00" * 16) == []
    assert found(time_interval="PT1H") == [b, a]
    assert found(time_interval="2020-01-01/P1M") == []
    assert found(time_interval="2020-01-31/2099-01-01") == [b, a]
    assert api.refused("GET", "/v2/rewards", time_interval="soon") == (400, "time_interval_invalid")
    assert api.refused("GET", "/v2/rewards", state="GONE") == (400, "reward_state_invalid")
    assert api.refused("GET", "/v2/rewards", reward_type="CASH") == (400, "reward_type_not_supported")
    assert api.refused("GET", "/v2/rewards", limit=1001) == (400, "max_fetch_size_1000")
    own = f"/v5/persons/{number}/rewards"
    assert [each["id"] for each in api.get(own)] == [c, b, a]
    assert [each["id"] for each in api.get(own, reward_states="EARNED", journey_names="PARTICIPANT")] == [a]
    assert [each["id"] for each in api.get(own, data_keys="waiting")] == [a]
    assert api.get(own, programs="none") == api.get(own, containers="test") == []


def test_another_account_sees_nothing(api: Api, name: str) -> None:
    reward = grant(api, person(api, name), "points")
    other = api.keys["other account"]
    assert api.refused("GET", f"/v2/rewards/{reward['reward_id']}", key=other) == (400, "reward_not_found")
    assert api.refused("POST", f"/v2/rewards/{reward['reward_id']}/revoke", {}, key=other) == (400, "reward_not_found")
    assert api.call("GET", "/v2/rewards", key=other).json == []
    assert api.refused("GET", "/v2/rewards", key=api.keys["ingest"]) == (403, "access_denied")


def test_expiry_is_set_checked_and_happens(api: Api, name: str) -> None:
    reward = grant(api, person(api, name), "points")
    path = f"/v2/rewards/{reward['reward_id']}"
    assert api.call("PUT", path, {"expires_at": "2099-01-01T00:00:00Z"}).json["expires_at"] == "2099-01-01T00:00:00.000Z"
    assert api.call("PUT", path, {}).json["expires_at"] is not None
    early = api.refused("PUT", path, {"expires_at": "2001-01-01T00:00:00Z"})
    assert early == (400, "reward_expiration_before_reward_creation_not_allowed")
    assert api.refused("PUT", path, {"sandbox": "none"}) == (400, "sandbox_not_found")
    assert api.call("PUT", path, {"expires_at": None}).json["expires_at"] is None
    assert api.call("PUT", path, {"expires_at": reward["created_at"]}).status == 200
    until(lambda: bool(api.get(path)["state"] == "EXPIRED"))
    assert api.get(f"/v5/persons/{reward['person_id']}/balances") == [{"unit": "POINTS", "amount": 0.0}]
    assert len(api.get(f"{path}/expirations")) == 1
    later = api.refused("PUT", path, {"expires_at": "2099-01-01T00:00:00Z"})
    assert later == (400, "future_expiration_date_not_allowed_for_expired_reward")
    assert api.refused("PUT", path, {"expires_at": None}) == (400, "expired_reward_expiration_date_clearing_not_allowed")
    revoked = grant(api, reward["person_id"], "points")
    move(api, revoked, "revoke")
    refused = api.refused("PUT", f"/v2/rewards/{revoked['reward_id']}", {"expires_at": "2099-01-01T00:00:00Z"})
    assert refused == (400, "expired_state_unreachable")


def test_summary_counts_moves_a_period(api: Api, name: str) -> None:
    id = supplier(api, "CUSTOM_REWARD")
    reward = grant(api, person(api, name), id)
    move(api, reward, "cancel")
    for period in ("DAY", "WEEK", "MONTH"):
        found = api.get("/v2/rewards/state_summary", period=period, period_count=2, reward_supplier_id=id)
        assert [(each["earned"], each["canceled"], each["fulfilled"]) for each in found] == [(0, 0, 0), (1, 1, 0)]
        assert found[0]["date_to"] == found[1]["date_from"]
    assert len(api.get("/v2/rewards/state_summary")) == 7
    assert api.refused("GET", "/v2/rewards/state_summary", period="YEAR") == (400, "period_not_supported")
    assert api.refused("GET", "/v2/rewards/state_summary", period_count=0) == (400, "period_count_invalid")
    assert api.refused("GET", "/v2/rewards/state_summary", end_date="soon") == (400, "time_interval_invalid")


def test_many_at_once_get_one_coupon_each_and_the_last_one_goes_to_one(api: Api, name: str) -> None:
    codes = [f"C-{number}" for number in range(10)]
    id = pool(api, *codes)
    people = [person(api, f"{name}-{number}") for number in range(16)]
    got: list[Any] = []
    threads = [threading.Thread(target=lambda who=who: got.append(grant(api, who, id))) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    issued = [each["partner_reward_id"] for each in got if each["state"] == "FULFILLED"]
    assert sorted(issued) == sorted(codes)
    assert sum(each["state"] == "FAILED" for each in got) == 6


@pytest.mark.parametrize("moves", ["", "failed"])
def test_deletion_cancels_what_was_not_given(api: Api, name: str, moves: str) -> None:
    number = person(api, name)
    reward, kept = grant(api, number, supplier(api, "CUSTOM_REWARD")), grant(api, number, "points")
    if moves:
        custom(api, reward, moves, {"message": f"{name} has moved"})
    api.post("/v4/erasures", {"email": f"{name}@example.com"})
    gone = api.get(f"/v2/rewards/{reward['reward_id']}")
    assert (gone["state"], gone["email"], gone["partner_user_id"], gone["partner_reward_id"]) == ("CANCELED", None, None, None)
    assert api.get(f"/v2/rewards/{kept['reward_id']}")["state"] == "FULFILLED"
    assert name not in str(api.get(f"/v2/rewards/{reward['reward_id']}/history"))
    # what is left can still be moved
    assert move(api, kept, "revoke", {"message": f"said {name}"})["state"] == "REVOKED"
    assert name not in str(api.get(f"/v2/rewards/{kept['reward_id']}/history"))


@pytest.mark.parametrize("person_id", ["99999999999999999999", "-1", "x", "9223372036854775808", "0"])
def test_odd_people_have_no_rewards(api: Api, person_id: str) -> None:
    assert api.get("/v2/rewards", person_id=person_id) == []


def test_filters_that_nothing_meets_find_nothing(api: Api) -> None:
    for name in ("partner_reward_supplier_id", "reward_supplier_id", "action_id", "root_event_id", "partner_reward_id"):
        assert api.get("/v2/rewards", **{name: "none"}) == []
        assert api.get("/v2/rewards", **{name: "a\0b"}) == []
    summary = api.get("/v2/rewards/state_summary", reward_type="SALESFORCE_COUPON", period_count=1)
    assert summary[0]["earned"] == 0


def test_summary_of_the_end_of_time(api: Api) -> None:
    refused = api.refused("GET", "/v2/rewards/state_summary", end_date="9999-12-31T23:59:59Z", period="MONTH")
    assert refused == (400, "time_interval_invalid")
    assert len(api.get("/v2/rewards/state_summary", end_date="1970-01-02T00:00:00Z", period="MONTH", period_count=366)) == 366


def test_a_supplier_may_give_cash_back(api: Api) -> None:
    id = supplier(api, "ACCOUNT_CREDIT", face_value_type="USD", cash_back_percentage=0.1, cash_back_min=1, cash_back_max="20")
    found = api.get(f"/v6/reward-suppliers/{id}")
    assert (found["face_value_algorithm_type"], found["face_value"]) == ("CASH_BACK", None)
    assert [found[f"cash_back_{name}"] for name in ("percentage", "min", "max")] == [0.1, 1.0, 20.0]
    path = f"/v6/reward-suppliers/{id}"
    assert api.refused("PUT", path, {"cash_back_max": 0.5}) == (400, "invalid_reward_supplier")
    changed = api.call("PUT", path, {"cash_back_percentage": None, "cash_back_min": None, "cash_back_max": None, "face_value": 5}).json
    assert (changed["face_value_algorithm_type"], changed["face_value"], changed["cash_back_percentage"]) == ("FIXED", 5.0, None)

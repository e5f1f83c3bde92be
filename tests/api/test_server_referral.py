"""Referrals by the server API and the command line, on a real server: relationships, journeys, steps, why, the review queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from goodword.core.account import Scope
from goodword.core.command import Erase, Forward
from goodword.core.profile import IdentityKey
from goodword.engine import wall_clock_ms
from tests.api.conftest import Api
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, REFER_A_FRIEND, SERVER_KEY, Town
from tests.running import Server, make_key, run

DOCUMENT = {**REFER_A_FRIEND, "quality": {"browser_outcomes": {"action": "review"}}}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A town some days ago: ada sent ben, dan (deleted since) and a device; eve sent ben before; gus and ivy wait for review."""
    data = tmp_path_factory.mktemp("referrals") / "data"
    town = Town(data, None)
    town.now = wall_clock_ms() - 5 * DAY
    town.launch(DOCUMENT)
    ada, eve = town.person("ada", "ada@mail.example"), town.person("eve", "eve@mail.example")
    town.link(ada, "ada-code")
    town.visit(town.click(eve, id="click-eve"), anonymousId="device-ben")
    for name in ("ben", "dan", "gus", "ivy"):
        town.passes(MINUTE)
        town.visit(town.click(ada, id=f"click-{name}", country="FR"), anonymousId=f"device-{name}")
        town.person(name, f"{name}@post.example", anonymousId=f"device-{name}")
        town.passes(MINUTE)
        town.buy(f"order-{name}", userId=name, by=BROWSER_KEY if name in ("gus", "ivy") else SERVER_KEY)
    town.passes(MINUTE)
    town.visit(town.click(ada), anonymousId="device-nobody")
    twin = town.person("twin")
    town.visit(town.click(ada), anonymousId="device-twin")
    town.say("identify", userId="twin", anonymousId="device-twin")
    town.engine.execute([Forward(1, twin, ada), Erase(1, (IdentityKey("udan"),), erasure_id="e")])
    town.close()
    with Server(data) as server:
        yield Api(server, make_key(data, Scope.SERVER), {"ingest": make_key(data, Scope.INGEST)})


def number_of(api: Api, email: str) -> str:
    return str(api.get("/v5/persons", identity_key_value=email)[0]["id"])


def relationships(api: Api, email: str, **query: Any) -> list[Any]:
    found: list[Any] = api.get(f"/v5/persons/{number_of(api, email)}/relationships", **query)
    return found


def names(found: list[Any]) -> set[str | None]:
    return {each["other_person"].get("identity_key_value") for each in found}


# -- relationships, journeys, steps ----------------------------------------------------------------------------------------------------


def test_an_advocate_s_relationships_name_friends_and_keep_the_deleted_as_numbers(api: Api) -> None:
    found = relationships(api, "ada@mail.example")
    assert names(found) == {"ben@post.example", "gus@post.example", "ivy@post.example", None}
    assert {each["my_role"] for each in found} == {"ADVOCATE"}
    assert {each["reason"] for each in found} == {"SHARE_ID"}
    assert [each["updated_date"] for each in found] == sorted((each["updated_date"] for each in found), reverse=True)
    ben = next(each for each in found if each["other_person"].get("identity_key_value") == "ben@post.example")
    expected = {
        "id", "my_role", "other_person_id", "other_person", "program", "campaign_id", "container", "data", "cause_event_id",
        "root_event_id", "created_date", "updated_date", "reason", "displaced",
    }  # fmt: skip
    assert set(ben) == expected
    assert ben["other_person"] == {
        "id": ben["other_person_id"], "identity_key": {"name": "email"}, "identity_key_value": "ben@post.example",
    }  # fmt: skip
    assert (ben["program"], ben["campaign_id"]) == ("refer-a-friend", "refer-a-friend")
    assert (ben["container"], ben["displaced"]) == ("production", False)


def test_a_friend_sees_who_sent_them_and_who_was_displaced(api: Api) -> None:
    found = relationships(api, "ben@post.example")
    assert {(each["other_person"]["identity_key_value"], each["my_role"], each["displaced"]) for each in found} == {
        ("ada@mail.example", "FRIEND", False),
        ("eve@mail.example", "FRIEND", True),
    }
    assert all("displaced_date" in each for each in found if each["displaced"])


def test_filters_of_relationships(api: Api) -> None:
    assert len(relationships(api, "ada@mail.example")) == 5, "three friends, one deleted, one known by a device alone"
    assert names(relationships(api, "ada@mail.example", exclude_anonymous="true")) == {
        "ben@post.example", "gus@post.example", "ivy@post.example",
    }  # fmt: skip
    assert relationships(api, "ada@mail.example", my_roles="FRIEND") == []
    assert len(relationships(api, "ada@mail.example", my_roles=["advocate", "FRIEND"], include_self_referrals="true")) == 7
    assert relationships(api, "ada@mail.example", programs="other") == []
    assert len(relationships(api, "ada@mail.example", campaign_ids="refer-a-friend,other", containers="production")) == 5
    assert relationships(api, "ada@mail.example", containers="test") == []
    assert relationships(api, "ada@mail.example", data_keys="anything") == []
    everyone = relationships(api, "ada@mail.example", include_duplicate_identities="true")
    assert [each["id"] for each in everyone[1:3]] == [
        each["id"] for each in relationships(api, "ada@mail.example", include_duplicate_identities="true", offset=1, limit=2)
    ]
    number = number_of(api, "ada@mail.example")
    assert api.refused("GET", f"/v5/persons/{number}/relationships", my_roles="BOSS") == (400, "invalid_parameter")
    assert api.refused("GET", "/v5/persons/987654/relationships") == (403, "person_not_found")
    assert api.refused("GET", f"/v5/persons/{number}/relationships", key=api.keys["ingest"]) == (403, "access_denied")


def test_journeys_of_both_sides(api: Api) -> None:
    ada = api.get(f"/v5/persons/{number_of(api, 'ada@mail.example')}/journeys", names="ADVOCATE")
    assert [(each["name"], each["program"], each["campaign_id"], each["key"]) for each in ada] == [
        ("ADVOCATE", "refer-a-friend", "refer-a-friend", {})
    ]
    assert ada[0]["created_date"] < ada[0]["updated_date"]
    ben = api.get(f"/v5/persons/{number_of(api, 'ben@post.example')}/journeys")
    assert [each["name"] for each in ben] == ["FRIEND"]
    assert ben[0]["data"]["reason"]["value"] == "SHARE_ID"
    path = f"/v5/persons/{number_of(api, 'ben@post.example')}/journeys"
    for query in ({"ids": ben[0]["id"]}, {"programs": "refer-a-friend"}, {"data_keys": "reason"}, {"data_values": "SHARE_ID"}):
        assert api.get(path, **query) == ben
    for query in ({"ids": "x"}, {"names": "ADVOCATE"}, {"campaign_ids": "x"}, {"containers": "test"}, {"key_names": "x"}, {"offset": "1"}):
        assert api.get(path, **query) == []


def test_steps_have_quality_and_campaign_and_the_click(api: Api) -> None:
    number = number_of(api, "ben@post.example")
    found = {(step["name"], step["quality"], step["campaign_id"], step["program"], step["journey_name"]) for step in api.steps(number)}
    assert found == {
        ("conversion", "HIGH", "refer-a-friend", "refer-a-friend", "FRIEND"),
        ("share_clicked", "HIGH", "refer-a-friend", "refer-a-friend", "FRIEND"),
    }
    click = api.steps(number, event_ids="click-ben")
    assert [(step["name"], step["data"]["country"]["value"]) for step in click] == [("share_clicked", "FR")]
    assert api.steps(number, names="share_clicked", containers="test") == []
    assert len(api.steps(number, names="share_clicked", data_keys="country")) == 1
    assert [step["name"] for step in api.steps(number, names="conversion", programs="refer-a-friend")] == ["conversion"]
    assert api.steps(number, journey_names="ADVOCATE") == []
    assert api.steps(number, campaign_ids="other") == []
    both = api.steps(number, journey_names="FRIEND")
    assert [step["created_date"] for step in both] == sorted((step["created_date"] for step in both), reverse=True)
    assert api.steps(number, journey_names="FRIEND", offset=1, limit=1) == both[1:2]


# -- why -------------------------------------------------------------------------------------------------------------------------------


def test_why_by_order_user_id_address_and_number(api: Api) -> None:
    story = api.get("/v2/why", order="order-ben")
    assert story["found"] == "person"
    assert {"click", "link_up", "outcome", "attribution", "judged", "reward"} <= {moment["what"] for moment in story["moments"]}
    assert all(set(moment) == {"at", "what", "why", "data"} for moment in story["moments"])
    number = number_of(api, "ben@post.example")
    own = api.get(f"/v5/persons/{number}/why")
    for query in ({"person": "ben"}, {"person": "ben@post.example"}, {"email": "BEN@post.example"}, {"person": number}):
        assert api.get("/v2/why", **query) == own
    assert own["person"]["partner_user_id"] == "ben"
    assert api.get("/v2/why", person="nobody-at-all")["found"] == "nobody"
    assert api.get("/v2/why", person="dan")["found"] == "deleted"
    assert api.get("/v2/why", order="order-dan")["found"] == "deleted"


@pytest.mark.parametrize("query", [{}, {"person": "a", "order": "b"}, {"person": "x" * 600}])
def test_why_takes_one_thing_to_look_for(api: Api, query: dict[str, str]) -> None:
    assert api.refused("GET", "/v2/why", **query) == (400, "invalid_parameter")


def test_why_is_not_for_browsers(api: Api) -> None:
    assert api.refused("GET", "/v2/why", key=api.keys["ingest"], person="ben") == (403, "access_denied")


def test_the_command_tells_the_same_story(api: Api) -> None:
    data = str(api.server.data)
    text = run("why", "--order", "order-ben", "--data", data)
    assert text.returncode == 0, text.stderr
    assert text.stdout.startswith("The order was credited to a…@mail.example")
    assert "They followed a share link of a…@mail.example." in text.stdout
    assert "passed: " in text.stdout
    assert "not canceled" in text.stdout
    assert "cannot be told, " in text.stdout
    said = json.loads(run("why", "--person", "ben@post.example", "--json", "--data", data).stdout)
    assert said == api.get("/v2/why", person="ben")
    advocate = run("why", "--person", "ada", "--data", data).stdout
    assert "Links: ada-code." in advocate
    assert run("why", "--data", data).returncode == 2
    assert "Nobody is known" in run("why", "--person", "xyz", "--data", data).stdout


# -- the review queue: in order, as each decides something -------------------------------------------------------------------------------


def test_the_queue_and_every_decision(api: Api) -> None:
    queue = api.get("/v2/reviews")
    assert [each["friend"]["partner_user_id"] for each in queue] == ["gus", "ivy"]
    gus, ivy = queue
    assert gus["advocate"]["email"] == "ada@mail.example"
    assert "only a browser said it" in gus["why"]
    assert {rule["result"] for rule in gus["rules"]} >= {"PASS", "REVIEW"}
    assert (gus["order"], gus["value"], gus["currency"], gus["state"]) == ("order-gus", "50.00", "USD", "open")
    assert api.get("/v2/reviews", campaign_id="other") == api.get("/v2/reviews", state="approved") == []
    assert api.get("/v2/reviews", offset=1, limit=1) == [ivy]
    assert api.refused("GET", "/v2/reviews", state="maybe") == (400, "invalid_parameter")

    one = f"/v2/reviews/{gus['arrival']}/{gus['campaign_id']}"
    assert api.refused("POST", one + "/approve", {"note": " "}) == (400, "missing_note")
    assert api.refused("POST", one + "/approve", {"note": "x", "by": "y" * 500}) == (400, "missing_name")
    assert api.refused("POST", f"/v2/reviews/{gus['arrival']}/other/approve", {"note": "x"}) == (404, "review_not_found")
    assert api.refused("POST", "/v2/reviews/99999999/refer-a-friend/approve", {"note": "x"}) == (404, "review_not_found")
    assert api.refused("POST", "/v2/reviews/x/refer-a-friend/approve", {"note": "x"}) == (404, "review_not_found")
    assert api.refused("POST", one + "/approve", {"note": "x"}, key=api.keys["ingest"]) == (403, "access_denied")
    approved = api.post(one + "/approve", {"note": "They called", "by": "mara"})
    assert (approved["state"], approved["by"], approved["note"]) == ("approved", "mara", "They called")
    assert api.post(one + "/approve", {"note": "again"})["by"] == "mara"
    assert "They earned 10 points, which was given." in api.get("/v2/why", order="order-gus")["summary"]

    items = [{"arrival": each["arrival"], "campaign_id": each["campaign_id"]} for each in (ivy, gus)]
    many = api.post("/v2/reviews/decline", {"items": [*items, {"arrival": 1, "campaign_id": "x"}], "note": "Third time"})
    assert [each["status"] for each in many] == ["declined", "declined", "refused"]
    assert many[2]["code"] == "review_not_found"
    assert api.get("/v2/reviews") == []
    assert [each["by"] for each in api.get("/v2/reviews", state="declined")] == ["test", "test"]
    again = api.post("/v2/reviews/approve", {"items": items[:1], "note": "A couple", "by": "mara"})
    assert again == [{"arrival": ivy["arrival"], "campaign_id": "refer-a-friend", "status": "approved"}]
    assert api.refused("POST", "/v2/reviews/approve", {"items": [items[0]] * 1_001, "note": "x"}) == (400, "invalid_parameter")
    assert api.post("/v2/reviews/approve", {"items": [], "note": "x"}) == []
    judged = api.post(f"/v5/persons/{number_of(api, 'ivy@post.example')}/rejudge", {})
    assert "The order counts: a person approved it." in judged["summary"]

    data = ("--data", str(api.server.data))
    table = run("review", "list", "--state", "approved", *data)
    assert f"{ivy['arrival']}/refer-a-friend" in table.stdout
    listed = json.loads(run("review", "list", "--state", "declined", "--json", *data).stdout)
    assert [each["order"] for each in listed] == ["order-gus"]
    item = f"{gus['arrival']}/refer-a-friend"
    done = run("review", "approve", item, item, "--note", "Looked again", "--by", "kim", *data)
    assert (done.returncode, done.stdout) == (0, f"{item}: approved.\n"), done.stderr
    assert "unchanged" in run("review", "approve", item, "--note", "x", *data).stdout
    wrong = run("review", "decline", "1/other", item, "--note", "x", *data)
    assert wrong.returncode == 1
    assert "declined" in wrong.stdout
    assert "1/other" in wrong.stderr
    assert run("review", "decline", "what", "--note", "x", *data).returncode == 2
    assert "The order does not count: a person declined it." in run("review", "re-evaluate", "--person", "gus", *data).stdout
    assert run("review", "re-evaluate", "--person", "nobody", *data).returncode == 1


def test_the_data_is_sound(api: Api) -> None:
    checked = run("verify", "--data", str(api.server.data))
    assert checked.returncode == 0, checked.stdout

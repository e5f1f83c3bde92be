"""Campaigns by the server API, on a running server."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from goodword.core.campaign import MOVES
from goodword.core.campaign_schema import schema
from tests.api.conftest import Api

DOCUMENT: dict[str, Any] = {
    "campaign": "",
    "program": "refer-a-friend",
    "name": "Refer a friend",
    "share": {"destination": "https://shop.example/"},
    "rewards": [{"name": "advocate", "to": "advocate", "value": {"amount": 10}}],
}


class Desk:
    """The campaigns' part of the API, with the admin key."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.admin = api.keys["admin"]
        self.id = f"c-{uuid.uuid4().hex[:10]}"
        self.document = {**copy.deepcopy(DOCUMENT), "campaign": self.id}

    def call(self, method: str, path: str = "", body: Any = None, **query: Any) -> Any:
        answer = self.api.call(method, f"/v2/campaigns{path}", body, self.admin, **query)
        assert answer.status == 200, answer.body
        return answer.json

    def refused(self, method: str, path: str = "", body: Any = None, **query: Any) -> tuple[int, str]:
        return self.api.refused(method, f"/v2/campaigns{path}", body, self.admin, **query)

    def saved(self, **query: Any) -> Any:
        return self.call("POST", "", self.document, **query)


@pytest.fixture
def desk(api: Api) -> Iterator[Desk]:
    desk = Desk(api)
    yield desk
    if desk.api.call("GET", f"/v2/campaigns/{desk.id}").status == 200:  # campaigns are bounded, and others must not judge here
        for state in ("stop", "archive"):
            desk.api.call("POST", f"/v2/campaigns/{desk.id}/{state}", key=desk.admin)


def test_a_campaign_is_made_read_and_changed_a_version_at_a_time(desk: Desk) -> None:
    made = desk.saved(note="first")
    assert (made["campaign_id"], made["name"], made["program_label"]) == (desk.id, "Refer a friend", "refer-a-friend")
    assert (made["state"], made["version"], made["published_version"], made["campaign_type"]) == ("NOT_LAUNCHED", 1, 0, "MARKETING")
    assert made["document"]["rewards"][0]["value"] == {"amount": "10"}
    assert desk.call("GET", f"/{desk.id}")["document"] == made["document"]
    again = desk.call("PUT", f"/{desk.id}", desk.document)
    assert again["version"] == 1
    desk.document["name"] = "Changed"
    changed = desk.call("PUT", f"/{desk.id}", desk.document, note="a better name")
    assert (changed["version"], changed["document_version"], changed["name"]) == (2, 2, "Changed")
    assert desk.call("GET", f"/{desk.id}", version=1)["document"] == made["document"]
    versions = desk.call("GET", f"/{desk.id}/versions")
    assert [(each["version"], each["note"], each["published_date"]) for each in versions] == [
        (2, "a better name", None),
        (1, "first", None),
    ]
    assert desk.call("GET", f"/{desk.id}/versions", limit=1, offset=1)[0]["version"] == 1
    assert desk.call("GET", f"/{desk.id}/versions/1")["document"] == made["document"]
    assert desk.call("GET", f"/{desk.id}/diff", **{"from": 1}) == [{"path": "name", "before": "Refer a friend", "after": "Changed"}]
    assert desk.call("GET", f"/{desk.id}/diff", **{"from": 2, "to": 2}) == []


def test_yaml_is_as_good_as_json(desk: Desk) -> None:
    text = f"campaign: {desk.id}\nprogram: p\nrewards:\n  - {{name: a, to: participant, on: sign_up, value: {{amount: 5}}}}\n"
    assert desk.call("POST", "", text.encode())["document"]["rewards"][0]["on"] == "sign_up"


def test_publishing_is_idempotent_and_rolls_back(desk: Desk) -> None:
    live = desk.saved(publish="true")
    assert (live["state"], live["published_version"]) == ("LIVE", 1)
    assert desk.call("PUT", f"/{desk.id}", desk.document, publish="true")["history"] == live["history"]
    assert desk.call("POST", f"/{desk.id}/publish", {})["history"] == live["history"]
    desk.document["name"] = "Two"
    desk.call("PUT", f"/{desk.id}", desk.document)
    assert desk.call("GET", f"/{desk.id}")["published_version"] == 1
    assert desk.call("POST", f"/{desk.id}/publish")["published_version"] == 2
    assert desk.call("POST", f"/{desk.id}/publish", {"version": 1})["published_version"] == 1
    assert [mark["version"] for mark in desk.call("GET", f"/{desk.id}")["history"]] == [1, 2, 1]


def test_states_follow_one_another_as_they_may(desk: Desk) -> None:
    desk.saved(publish="true")
    for word, state in (
        ("pause", "PAUSED"),
        ("live", "LIVE"),
        ("end", "ENDED"),
        ("live", "LIVE"),
        ("stop", "STOPPED"),
        ("archive", "ARCHIVED"),
    ):
        assert desk.call("POST", f"/{desk.id}/{word}")["state"] == state
    answer = desk.api.call("POST", f"/v2/campaigns/{desk.id}/live", key=desk.admin)
    assert (answer.status, answer.json["code"]) == (400, "campaign_state_invalid")
    assert "is ARCHIVED and cannot become LIVE" in answer.json["message"]
    assert set(MOVES) == {"NOT_LAUNCHED", "LIVE", "PAUSED", "ENDED", "STOPPED", "ARCHIVED"}


def test_lists_are_filtered(desk: Desk) -> None:
    desk.document["program"] = f"p-{desk.id}"
    desk.saved(publish="true")
    (found,) = desk.call("GET", "", program_label=f"p-{desk.id}", state=["LIVE", "PAUSED"])
    assert found["campaign_id"] == desk.id
    assert "document" not in found
    assert desk.call("GET", "", program_label=f"p-{desk.id}", state="ENDED") == []
    assert desk.refused("GET", "", state="live") == (400, "invalid_parameter")


def test_a_copy_is_a_campaign_of_its_own(desk: Desk) -> None:
    desk.saved(publish="true")
    copied = desk.call("POST", f"/{desk.id}/duplicate", {"campaign_id": f"{desk.id}-b", "name": "Copy", "program_label": "other"})
    assert (copied["campaign_id"], copied["name"], copied["program_label"], copied["state"]) == (
        f"{desk.id}-b",
        "Copy",
        "other",
        "NOT_LAUNCHED",
    )
    plain = desk.call("POST", f"/{desk.id}/duplicate", {"campaign_id": f"{desk.id}-c"})
    assert (plain["name"], plain["program_label"]) == ("Refer a friend", "refer-a-friend")
    assert desk.refused("POST", f"/{desk.id}/duplicate", {"campaign_id": desk.id}) == (400, "campaign_id_taken")
    assert desk.refused("POST", f"/{desk.id}/duplicate", {"campaign_id": "No!"}) == (400, "campaign_invalid")
    for each in ("b", "c"):
        desk.call("POST", f"/{desk.id}-{each}/archive")


def test_all_that_is_wrong_with_a_document_is_told_at_once_with_paths_and_fixes(desk: Desk) -> None:
    desk.document["rewards"][0] |= {"too": "friend", "on": 5}
    desk.document["nmae"] = "x"
    answer = desk.api.call("POST", "/v2/campaigns", desk.document, desk.admin)
    assert (answer.status, answer.json["code"]) == (400, "campaign_invalid")
    problems = answer.json["parameters"]["problems"]
    assert {each["path"] for each in problems} == {"rewards[0].too", "rewards[0].on", "nmae"}
    for each in problems:
        assert each["path"] in answer.json["parameters"]["description"]
        assert each["fix"]
    assert desk.api.call("GET", f"/v2/campaigns/{desk.id}").status == 404
    text = "campaign: x\nprogram: p\nrewards:\n  - name: a\n    to: freind\n"
    checked = desk.call("POST", "/validate", text.encode())
    assert checked["valid"] is False
    assert [(each["path"], each["line"], each["fix"]) for each in checked["problems"]] == [("rewards[0].to", 5, "Did you mean `friend`?")]
    warned = desk.call("POST", "/validate", b"campaign: x\nprogram: p\n")
    assert (warned["valid"], [each["is_warning"] for each in warned["problems"]]) == (True, [True])


def test_what_is_not_there_or_does_not_fit_is_refused(desk: Desk) -> None:
    assert desk.refused("GET", f"/{desk.id}") == (404, "campaign_not_found")
    assert desk.refused("PUT", f"/{desk.id}", desk.document) == (404, "campaign_not_found")
    desk.saved()
    assert desk.refused("POST", "", desk.document) == (400, "campaign_id_taken")
    assert desk.refused("PUT", f"/{desk.id}", {**desk.document, "campaign": "other"}) == (400, "campaign_invalid")
    assert desk.refused("POST", "", b"") == (400, "missing_request_body")
    assert desk.refused("POST", "", b"\xff\xfe") == (400, "campaign_invalid")
    assert desk.refused("POST", "", b"a: &a [*a]") == (400, "campaign_invalid")
    assert desk.refused("POST", "", b"x" * 200_000) == (400, "campaign_invalid")
    assert desk.refused("GET", f"/{desk.id}", version=9) == (404, "campaign_version_not_found")
    assert desk.refused("GET", f"/{desk.id}", version="x") == (400, "invalid_parameter")
    assert desk.refused("GET", f"/{desk.id}/versions/9") == (404, "campaign_version_not_found")
    assert desk.refused("POST", f"/{desk.id}/publish", {"version": 9}) == (404, "campaign_version_not_found")
    assert desk.refused("POST", f"/{desk.id}/live") == (400, "campaign_state_invalid")
    desk.call("POST", f"/{desk.id}/publish")
    assert desk.refused("PUT", f"/{desk.id}", {**desk.document, "program": "other"}) == (400, "campaign_program_fixed")


def test_reading_takes_a_server_key_and_changing_an_admin_key(desk: Desk) -> None:
    desk.saved()
    for key, may_read in (("server", True), ("destination", False), ("ingest", False)):
        answer = desk.api.call("GET", f"/v2/campaigns/{desk.id}", key=desk.api.keys[key])
        assert (answer.status == 200) is may_read
        for method, path, body in (
            ("POST", "", desk.document), ("PUT", f"/{desk.id}", desk.document), ("POST", f"/{desk.id}/publish", {}),
            ("POST", f"/{desk.id}/pause", None), ("POST", f"/{desk.id}/duplicate", {"campaign_id": "x"}),
        ):  # fmt: skip
            assert desk.api.refused(method, f"/v2/campaigns{path}", body, desk.api.keys[key]) == (403, "access_denied")
    assert desk.api.call("GET", f"/v2/campaigns/{desk.id}", key=desk.api.keys["other account"]).status == 404
    assert desk.api.call("GET", "/v2/campaigns", key=desk.api.keys["other account"]).json == []


def test_the_schema_is_served_to_everybody(desk: Desk) -> None:
    answer = desk.api.server.get("/campaign-schema.json")
    assert (answer.status, answer.json) == (200, schema())

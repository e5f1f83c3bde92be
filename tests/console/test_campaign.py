"""Campaigns in the console, by HTTP alone: who may, what is saved and when, what is shown before it is done; without JavaScript."""

from __future__ import annotations

import html
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from goodword.document import template
from tests.console.conftest import Visitor, World
from tests.running import Answer, rows

TEMPLATE = template.template("refer-a-friend") or ""


@pytest.fixture(scope="module")
def desk(people: dict[str, Visitor]) -> Visitor:
    return people["marketer"]


def draft(**values: str) -> tuple[str, str]:
    """An id nobody has, and a document of it, by the template, with some of it replaced."""
    id = f"c-{uuid.uuid4().hex[:8]}"
    text = TEMPLATE.replace("campaign: refer-a-friend", f"campaign: {id}").replace("https://example.com/", "https://shop.example/")
    for before, after in values.items():
        text = text.replace(before, after)
    return id, text


def saved(
    desk: Visitor, text: str, *, base: str = "", id: str = "", do: str = "save", was: Mapping[str, str] | None = None, **fields: str
) -> Answer:
    shown = msgspec.json.encode(was or {}).decode()
    return desk.post("/campaigns/save", {"document": text, "base": base, "id": id, "do": do, "was": shown, **fields})


def launched(desk: Visitor) -> str:
    id, text = draft()
    assert saved(desk, text).status == 303
    assert desk.post(f"/campaigns/{id}/publish", {"version": "1"}).status == 303
    return id


def words(answer: Answer) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.body.decode())).split())


def area(answer: Answer) -> str:
    """The document in the editor."""
    found = re.search(r'<textarea id="field-document"[^>]*>\n(.*?)</textarea>', answer.body.decode(), re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def audited(world: World, action: str) -> list[Any]:
    return rows(world.server.data, "SELECT subject, detail FROM console_audit WHERE action = ? ORDER BY id", (action,))


# -- who may ---------------------------------------------------------------------------------------------------------


def test_support_may_not_see_or_change_campaigns_by_any_address(world: World, desk: Visitor, people: dict[str, Visitor]) -> None:
    id, support = launched(desk), people["support"]
    pages = ["", "/new", "/new/refer-a-friend", *(f"/{id}{rest}" for rest in ("", "/edit", "/versions", "/publish", "/dry-run", "/pages"))]
    assert {support.get(f"/campaigns{path}").status for path in (*pages, f"/{id}/pages/share", f"/{id}/move?to=PAUSED")} == {403}
    changes = ["save", "check", f"{id}/publish", f"{id}/move", f"{id}/dry-run"]
    assert {support.post(f"/campaigns/{path}", {"to": "STOPPED", "version": "1", "days": "30"}).status for path in changes} == {403}
    assert "Campaigns" not in words(support.get("/console/you"))
    assert "Version 1 is in force" in words(desk.get(f"/campaigns/{id}"))


def test_a_change_without_the_sessions_token_is_refused(desk: Visitor) -> None:
    id = launched(desk)
    assert desk.post(f"/campaigns/{id}/move", {"to": "STOPPED"}, csrf="").status == 403
    assert desk.post(f"/campaigns/{id}/move", {"to": "STOPPED"}, csrf="x" * 43).status == 403
    assert "Live" in words(desk.get(f"/campaigns/{id}"))


def test_another_accounts_campaign_is_not_there(world: World, desk: Visitor, people: dict[str, Visitor]) -> None:
    id, other = launched(desk), people["stranger"]
    assert id not in words(other.get("/campaigns"))
    for rest in ("", "/edit", "/versions", "/publish", "/dry-run", "/pages", "/pages/share", "/move?to=PAUSED"):
        assert other.get(f"/campaigns/{id}{rest}").status == 404
    assert other.post(f"/campaigns/{id}/move", {"to": "STOPPED"}).status == 404


# -- the editor ------------------------------------------------------------------------------------------------------


def test_a_template_is_begun_under_an_id_that_is_free(desk: Visitor) -> None:
    page = desk.get("/campaigns/new/welcome-offer")
    assert "campaign: welcome-offer" in area(page)
    assert saved(desk, area(page)).status == 303
    assert "campaign: welcome-offer-2" in area(desk.get("/campaigns/new/welcome-offer"))
    assert desk.get("/campaigns/new/no-template").status == 404


def test_what_is_changed_in_the_form_and_in_the_document_is_both_kept(desk: Visitor) -> None:
    id, text = draft()
    shown = {"share.destination": "https://shop.example/", "attribution.window_days": "365", "pages.shows_names": ""}
    sent = {"share.destination": "https://shop.example/friends", "attribution.window_days": "365", "pages.shows_names": "on"}
    answer = saved(desk, text.replace("window_days: 365", "window_days: 90"), was=shown, **sent)
    assert answer.status == 303
    kept = area(desk.get(f"/campaigns/{id}/edit"))
    assert "https://shop.example/friends" in kept
    assert "window_days: 90" in kept
    assert "shows_names: true" in kept


def test_problems_stand_beside_their_field_and_the_input_is_kept(desk: Visitor) -> None:
    _, text = draft()
    answer = saved(desk, text, was={"share.destination": "https://shop.example/"}, **{"share.destination": "not an address"})
    assert answer.status == 422
    said = answer.body.decode()
    beside = re.search(r'<span class="error" id="error-share-destination">(.*?)</span>\s*</div>', said, re.DOTALL)
    assert beside is not None
    assert "must be a web address" in beside[1]
    assert "Write it whole" in beside[1]
    assert 'value="not an address"' in said
    assert "Error:" in said.partition("</title>")[0]


def test_checking_says_what_is_wrong_and_brings_the_other_side_up_to_date(desk: Visitor) -> None:
    _, text = draft()
    was = msgspec.json.encode({"attribution.window_days": "365"}).decode()
    fields = {"document": text, "was": was, "attribution.window_days": "9999"}
    answer = desk.post("/campaigns/check", fields)
    assert answer.status == 200
    assert "must be from 1 to 3650" in words(answer)
    assert "window_days: 9999" in area(answer)
    broken = desk.post("/campaigns/check", {"document": "campaign: [", "was": was, "attribution.window_days": "365"})
    assert "is no YAML" in words(broken)


def test_entries_are_added_and_taken_out_without_javascript(desk: Visitor) -> None:
    _, text = draft()
    added = saved(desk, text, do="add:rewards")
    assert added.status == 200
    assert "name: reward-3" in area(added)
    taken = saved(desk, area(added), do="remove:rewards[0]")
    assert "name: advocate" not in area(taken)
    assert "value_max: 10000" in area(saved(desk, area(taken), do="add:budgets"))
    assert area(saved(desk, text, do="remove:share")) == text


def test_an_id_that_is_taken_one_that_changed_and_a_version_saved_meanwhile_are_refused(desk: Visitor) -> None:
    id, text = draft()
    assert saved(desk, text).status == 303
    assert saved(desk, text).status == 409
    _, other = draft()
    assert "its id stays" in words(saved(desk, other, base="1", id=id))
    assert saved(desk, text.replace("amount: 10", "amount: 11"), base="1", id=id).status == 303
    late = saved(desk, text.replace("amount: 10", "amount: 12"), base="1", id=id)
    assert late.status == 409
    assert "Version 2 was saved while you worked on version 1" in words(late)
    assert "amount: 12" in area(late)


@pytest.mark.parametrize("text", ["", "{", "[]", "a: &a [*a]", "campaign: \x00", "x" * 100_000, "campaign: {a: b}\nrewards: 7"])
def test_any_document_gets_an_answer(desk: Visitor, text: str) -> None:
    assert saved(desk, text).status == 422
    assert desk.post("/campaigns/check", {"document": text, "was": "not json"}).status == 200
    assert saved(desk, text, do="add:rewards").status == 200


# -- versions and states ---------------------------------------------------------------------------------------------


def test_publishing_shows_what_differs_then_puts_it_in_force_and_back(world: World, desk: Visitor) -> None:
    id = launched(desk)
    kept = area(desk.get(f"/campaigns/{id}/edit"))
    changed = kept.replace("amount: '10'", "amount: 25").replace('amount: "10"', "amount: 25")
    answer = saved(desk, changed, base="1", id=id, do="publish", note="More")
    assert answer.status == 303
    assert answer.headers["location"] == f"/console/campaigns/{id}/publish?version=2"
    asked = words(desk.get(f"/campaigns/{id}/publish?version=2"))
    assert "advocate: Amount" in asked
    assert "What happened before keeps the terms it happened under." in asked
    assert "Version 1 is in force" in words(desk.get(f"/campaigns/{id}")), "asking changes nothing"
    assert desk.post(f"/campaigns/{id}/publish", {"version": "2"}).status == 303
    assert "Version 2 is in force" in words(desk.get(f"/campaigns/{id}"))
    back = words(desk.get(f"/campaigns/{id}/publish?version=1"))
    assert "Go back to version 1" in back
    assert desk.post(f"/campaigns/{id}/publish", {"version": "1"}).status == 303
    assert "Version 1 is in force" in words(desk.get(f"/campaigns/{id}"))
    assert "More" in words(desk.get(f"/campaigns/{id}/versions"))
    details = [msgspec.json.decode(detail) for subject, detail in audited(world, "campaign.published") if subject == id]
    assert details == [{"version": 1, "before": 0}, {"version": 2, "before": 1}, {"version": 1, "before": 2}]


def test_a_version_whose_end_is_past_is_not_published_and_the_page_says_why(desk: Visitor) -> None:
    id, text = draft()
    assert saved(desk, text + "\nschedule: {end: 2020-01-01}\n").status == 303
    answer = desk.post(f"/campaigns/{id}/publish", {"version": "1"})
    assert answer.status == 422
    assert "is past" in words(answer)
    assert desk.post(f"/campaigns/{id}/publish", {"version": "7"}).status == 404


def test_moves_are_said_before_they_are_done_and_written_down(world: World, desk: Visitor) -> None:
    id = launched(desk)
    for state, verb, says in (
        ("PAUSED", "Pause", "Friends who came before keep this offer"),
        ("ENDED", "End", "What is pending is still fulfilled."),
        ("STOPPED", "Stop", "No rewards are earned, not even by hand."),
        ("ARCHIVED", "Archive", "It cannot be made live again."),
    ):
        asked = words(desk.get(f"/campaigns/{id}/move?to={state}"))
        assert f"{verb} it" in asked
        assert says in asked
        assert desk.post(f"/campaigns/{id}/move", {"to": state}).status == 303
    assert desk.get(f"/campaigns/{id}/move?to=LIVE").status == 409
    assert desk.post(f"/campaigns/{id}/move", {"to": "LIVE"}).status == 409
    assert id not in desk.get("/campaigns").body.decode()
    assert id in desk.get("/campaigns?archived=1").body.decode()
    moves = [msgspec.json.decode(detail)["after"] for subject, detail in audited(world, "campaign.moved") if subject == id]
    assert moves == ["PAUSED", "ENDED", "STOPPED", "ARCHIVED"]


# -- dry runs and previews -------------------------------------------------------------------------------------------


def test_a_dry_run_judges_stored_events_and_writes_nothing(world: World, desk: Visitor, people: dict[str, Visitor]) -> None:
    id, text = draft()
    text = text.replace("to: friend", "to: participant").replace("outcome: [conversion]", f"outcome: [{id}]")
    assert saved(desk, text).status == 303
    for number in range(3):
        said: dict[str, Any] = {"type": "track", "messageId": uuid.uuid4().hex, "userId": f"{id}-{number}", "event": id}
        world.send(said)
    before = rows(world.server.data, "SELECT count(*) FROM reward")
    begun = desk.post(f"/campaigns/{id}/dry-run", {"version": "1", "days": "7"})
    assert begun.status == 303
    path = begun.headers["location"].removeprefix("/console")
    give_up_at = time.monotonic() + 60
    while "What it came to" not in words(page := desk.get(path)) and time.monotonic() < give_up_at:
        assert "judged" in words(page) or "Reading the events" in words(page)
        time.sleep(0.2)
    said_there = words(desk.get(path))
    assert "3 Events" in said_there
    assert re.search(r"friend participant 3 3 30 points", said_there), said_there
    part = desk.get(path, **{"HX-Request": "true"}).body.decode()
    assert "<html" not in part
    assert "What it came to" in part
    assert rows(world.server.data, "SELECT count(*) FROM reward") == before
    assert desk.get(f"/campaigns/{id}/dry-run/none").status == 404
    assert desk.post(f"/campaigns/{id}/dry-run", {"version": "1", "days": "8"}).status == 400
    assert people["stranger"].get(path).status == 404


def test_the_pages_are_previewed_in_a_frame_of_ours_alone(desk: Visitor) -> None:
    id, text = draft()
    assert saved(desk, text.replace("share:\n", "share:\n  landing: hosted\n")).status == 303
    assert "<iframe sandbox" in desk.get(f"/campaigns/{id}/pages").body.decode()
    for name, says in (("share", "Give 10 points, get 10 points"), ("friend", "10 points for you")):
        answer = desk.get(f"/campaigns/{id}/pages/{name}?language=en")
        assert answer.status == 200
        assert says in words(answer)
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "10 Punkte" in words(desk.get(f"/campaigns/{id}/pages/{name}?language=de"))


def test_hostile_texts_are_shown_and_not_run(desk: Visitor) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"
    id, text = draft()
    document = text.replace("name: Refer a friend", "name: " + msgspec.json.encode(hostile).decode())
    assert saved(desk, document, note=hostile).status == 303
    for rest in ("", "/edit", "/versions", "/publish", "/dry-run", "/pages", "/pages/share", "/move?to=ARCHIVED"):
        page = desk.get(f"/campaigns/{id}{rest}").body.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "<script>alert" not in desk.get("/campaigns").body.decode()

"""Trying a campaign: whom its lines name, and what is said of a campaign that is not live, makes people wait, or has no links."""

from __future__ import annotations

import subprocess
from html import unescape
from typing import Any

import pytest

from tests.console.conftest import Visitor, World


def launched(world: World, campaign: str, **said: Any) -> None:
    share = {"destination": "https://shop.example.com/welcome"}
    rewards = [{"name": to, "to": to, "value": {"amount": 5, "unit": "POINTS"}, "pending_days": 3} for to in ("advocate", "friend")]
    world.call(
        "POST", "/v2/campaigns?publish=true", {"campaign": campaign, "program": campaign, "share": share, "rewards": rewards, **said}
    )


def page_of(visitor: Visitor, campaign: str, more: str = "") -> str:
    answer = visitor.get(f"/campaigns/{campaign}/example{more}")
    assert answer.status == 200
    return unescape(answer.body.decode())


def pasted(world: World, page: str, line: str) -> None:
    """Send a line of the page from a shell, as it stands."""
    command = page.split(f'id="{line}"')[1].split(">", 1)[1].split("</code>")[0]
    subprocess.run(["bash", "-c", f"export KEY={world.key}\n{command}"], check=True, capture_output=True, timeout=60)


def test_a_draft_cannot_be_tried_and_gets_no_key(world: World, people: dict[str, Visitor]) -> None:
    assert "It is not live" in page_of(people["marketer"], "long")
    assert people["admin"].post("/campaigns/long/example/key").status == 409
    assert people["marketer"].post("/campaigns/long/example/key").status == 403


def test_what_is_earned_and_not_given_yet_waits(world: World, people: dict[str, Visitor]) -> None:
    launched(world, "patient")
    desk = people["marketer"]
    pasted(world, page_of(desk, "patient"), "line-ada")
    share_page = page_of(desk, "patient").split('href="/share/')[1].split('"')[0]
    assert world.server.get(f"/share/{share_page}").status == 200
    pasted(world, page_of(desk, "patient"), "line-sam")
    shown = page_of(desk, "patient")
    assert "Sam earned 5 points, which waits." in shown
    assert "Ada earned 5 points, which waits." in shown
    mark = shown.split("mark=")[1].split('"')[0]
    assert desk.get(f"/campaigns/patient/example/progress?mark={mark}", HX_Request="true").status == 204
    assert desk.get("/campaigns/patient/example/progress?mark=1", HX_Request="true").status == 200
    assert "Sam earned" not in page_of(desk, "patient", "?round=2")


@pytest.mark.parametrize("on", ["outcome", "review written"])
def test_without_links_one_person_does_it(world: World, people: dict[str, Visitor], on: str) -> None:
    campaign = f"alone-{on.partition(' ')[0]}"
    reward = {"name": "own", "to": "participant", "on": on, "value": {"amount": 5, "unit": "POINTS"}, "rules": {"value_min": 120}}
    launched(world, campaign, share=None, rewards=[reward], events={"actions": [] if on == "outcome" else [on]})
    shown = page_of(people["marketer"], campaign)
    assert "line-ada" not in shown
    assert '"cart_value":"120.00"' in shown
    pasted(world, shown, "line-sam")
    assert "Sam was given 5 points." in page_of(people["marketer"], campaign)

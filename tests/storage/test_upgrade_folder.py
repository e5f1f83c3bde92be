"""A folder that the previous release has written is opened by this one, and everything in it is as it was.

The previous release's own code plays a referral on it (`tests/upgrade/previous.tar.xz`, see `test_upgrade.py`).
"""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from goodword.storage.schema import migrations
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.running import Server, problems, run
from tests.storage.test_upgrade import ARCHIVE


@pytest.fixture
def previous(tmp_path: Path) -> str:
    """Python that makes a program the previous release's."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "previous", filter="data")
    return f"import sys\nsys.path.insert(0, {str(tmp_path / 'previous')!r})"


def said(server: Server, key: str, *messages: dict[str, Any]) -> None:
    """Each message is taken."""
    answer = server.post("/segment", list(messages), key)
    assert {result["status"] for result in answer.json["results"]} == {200}, answer.body


def found(server: Server, key: str, user: str) -> list[dict[str, Any]]:
    """Who is known by a user id."""
    people: list[dict[str, Any]] = server.get(f"/v5/persons?person_keys=partner_user_id:{user}", Authorization=f"Bearer {key}").json
    return people


def identified(user: str, domain: str) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "messageId": f"i-{user}", "traits": {"email": f"{user}@{domain}.example"}}


def order(user: str, message_id: str) -> dict[str, Any]:
    properties = {"partner_conversion_id": f"order-{user}", "cart_value": "49.90"}
    return {"type": "track", "event": "conversion", "userId": user, "messageId": message_id, "properties": properties}


def referred(server: Server, key: str, link: str, friend: str) -> None:
    """The friend follows the link, signs up and buys."""
    landed = server.get(link).headers["location"]
    page = {"type": "page", "anonymousId": f"b-{friend}", "messageId": f"p-{friend}", "context": {"page": {"url": landed}}}
    sign_up = {**identified(friend, f"{friend}post"), "anonymousId": f"b-{friend}"}
    said(server, key, page, sign_up, order(friend, f"o-{friend}"))


def rewards(server: Server, key: str) -> list[dict[str, Any]]:
    """All rewards, as the server API tells them."""
    return sorted(server.get("/v2/rewards", Authorization=f"Bearer {key}").json, key=lambda reward: str(reward["reward_id"]))


def test_a_folder_of_the_previous_release_goes_on(tmp_path: Path, previous: str) -> None:
    data = tmp_path / "data"
    with Server(data, before=previous) as old:
        key = run("key", "create", "test", "--scope", "admin", "--data", str(data), before=previous).stdout.strip()
        campaign = tmp_path / "campaign.yaml"
        campaign.write_text(run("campaign", "template", "refer-a-friend", before=previous).stdout)
        assert run("campaign", "apply", str(campaign), "--publish", "--data", str(data), before=previous).returncode == 0
        said(old, key, identified("ada", "mail"), identified("gone", "mail"))
        ada = found(old, key, "ada")[0]["id"]
        shared = old.post(f"/v5/persons/{ada}/shareables", {"label": "refer-a-friend", "key": "main"}, key)
        link = re.sub(r"^https?://[^/]+", "", shared.json["link"])
        referred(old, key, link, "ben")
        said(old, key, {"type": "delete", "userId": "gone", "messageId": "d"})
        before = rewards(old, key)
        assert [reward["state"] for reward in before] == ["FULFILLED"] * 2
        why = run("why", "--order", "order-ben", "--json", "--data", str(data), before=previous).stdout
    with Server(data) as new:
        assert rewards(new, key) == before
        told = json.loads(run("why", "--order", "order-ben", "--json", "--data", str(data)).stdout)
        assert rulings(told) == rulings(json.loads(why)) != []
        said(new, key, order("ben", "again"), {**identified("gone", "mail"), "timestamp": "2026-01-01T00:00:00Z"})
        assert found(new, key, "gone") == []
        referred(new, key, link, "cleo")
        assert [reward for reward in rewards(new, key) if reward in before] == before
        assert len(rewards(new, key)) == 4
    with Store(data) as store:
        assert store.kept("schema") == str(migrations()[-1][0])
        assert (problems(store), verify(store)) == ([], [])
        assert store.database.read("SELECT * FROM sqlite_stat4") == []  # an upgrade takes no samples of people's rows


def rulings(told: Any) -> list[tuple[str, str]]:
    """Every rule's verdict in a story, wherever it stands."""
    if isinstance(told, dict):
        own = [(told["rule"], told["result"])] if {"rule", "result"} <= told.keys() else []
        return own + [each for value in told.values() for each in rulings(value)]
    return [each for value in told for each in rulings(value)] if isinstance(told, list) else []

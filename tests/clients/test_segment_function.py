"""The Segment Destination Function in integrations/segment-function, unmodified, against a real server.

The runner gives the source what Segment's editor promises: `fetch` and the four errors. What was stored is asked of the
server.
"""

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest

from tests.clients.conftest import DRIVERS, HERE, Goodword, free_port

FUNCTION = HERE.parent.parent / "integrations" / "segment-function" / "function.js"
HANDLERS = {
    "identify": "onIdentify",
    "track": "onTrack",
    "page": "onPage",
    "screen": "onScreen",
    "group": "onGroup",
    "alias": "onAlias",
    "delete": "onDelete",
}

Event = dict[str, Any]
Settings = dict[str, Any]
Run = Callable[[str, Event | list[Event], Settings], dict[str, Any]]


@pytest.fixture(scope="module")
def run(node: str) -> Run:
    source = FUNCTION.read_text()

    def run_handler(handler: str, argument: Event | list[Event], settings: Settings) -> dict[str, Any]:
        job = {"source": source, "handler": handler, "argument": argument, "settings": settings}
        ended = subprocess.run(
            [node, str(DRIVERS / "segment_function.cjs")],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        outcome: dict[str, Any] = json.loads(ended.stdout)
        return outcome

    return run_handler


@pytest.fixture
def settings(goodword: Goodword) -> Settings:
    return {"goodwordUrl": goodword.url, "apiKey": goodword.destination_key}


def new_user() -> str:
    return f"user-{uuid4().hex[:12]}"


def event(kind: str, user_id: str, **fields: Any) -> Event:
    """An event as Segment hands it to a function."""
    return {
        "type": kind,
        "messageId": f"message-{uuid4()}",
        "userId": user_id,
        "timestamp": "2026-11-20T10:00:00.000Z",
        "context": {},
        "integrations": {},
    } | fields


def track(user_id: str, name: str, **properties: Any) -> Event:
    return event("track", user_id, event=name, properties=properties)


def thrown(outcome: dict[str, Any]) -> str:
    assert "thrown" in outcome, outcome
    return str(outcome["thrown"]["name"])


def test_every_type_of_event_is_taken_and_stored(run: Run, goodword: Goodword, settings: Settings) -> None:
    user, earlier = new_user(), new_user()
    email = f"{user}@example.com"
    events = [
        event("track", "", anonymousId=earlier, event="Link Clicked", properties={}) | {"userId": None},
        event("identify", user, traits={"email": email, "age": 42}),
        track(user, "Article Read", words=1200),
        event("page", user, name="Pricing", properties={}),
        event("screen", user, name="Home", properties={}),
        event("group", user, groupId="initech", traits={}),
        event("alias", user, previousId=earlier),
    ]
    assert [run(HANDLERS[each["type"]], each, settings) for each in events] == [{}] * len(events)
    (person,) = goodword.person_ids(user)
    assert goodword.person_ids_by_email(email) == [person]
    stored = goodword.parameters(person)
    assert (stored["age"], stored["group_id"]) == (42, "initech")
    assert goodword.step_names(user) == ["Article Read", "Link Clicked"]


def test_delete_forgets_the_user(run: Run, goodword: Goodword, settings: Settings) -> None:
    user = new_user()
    run("onIdentify", event("identify", user, traits={"email": f"{user}@example.com"}), settings)
    assert len(goodword.person_ids(user)) == 1
    assert run("onDelete", {"type": "delete", "userId": user, "messageId": f"delete-{user}"}, settings) == {}
    assert goodword.person_ids(user) == []
    assert goodword.person_ids_by_email(f"{user}@example.com") == []


def test_batch_is_stored_event_by_event(run: Run, goodword: Goodword, settings: Settings) -> None:
    user = new_user()
    batch = [track(user, "Item Viewed", n=n) for n in range(20)]
    assert run("onBatch", batch, settings) == {"returned": [{"status": 200}] * 20}
    assert sorted(step["data"]["n"]["value"] for step in goodword.steps(user)) == list(range(20))


def test_bad_event_fails_alone_in_its_batch(run: Run, goodword: Goodword, settings: Settings) -> None:
    user = new_user()
    bad = event("track", user, properties={})  # a track without a name
    unknown = event("sneeze", user)
    statuses = run("onBatch", [track(user, "First"), bad, unknown, track(user, "Last")], settings)["returned"]
    assert [each["status"] for each in statuses] == [200, 400, 501, 200]
    assert all(statuses[position]["errormessage"] for position in (1, 2))
    assert goodword.step_names(user) == ["First", "Last"]


def test_batch_sent_again_is_stored_once(run: Run, goodword: Goodword, settings: Settings) -> None:
    user = new_user()
    batch = [track(user, "First"), track(user, "Last")]
    assert run("onBatch", batch, settings) == run("onBatch", batch, settings)
    assert goodword.step_names(user) == ["First", "Last"]


def test_batch_of_more_messages_than_goodword_takes_at_once_is_split(run: Run, goodword: Goodword, settings: Settings) -> None:
    users = [new_user() for _ in range(2501)]
    batch = [{"type": "identify", "messageId": user, "userId": user} for user in users]
    assert run("onBatch", batch, settings) == {"returned": [{"status": 200}] * len(users)}
    assert [len(goodword.person_ids(users[position])) for position in (0, 2499, 2500)] == [1, 1, 1]


def test_batch_of_more_bytes_than_goodword_takes_at_once_is_split(run: Run, goodword: Goodword, settings: Settings) -> None:
    user = new_user()
    batch = [track(user, "Chapter Read", text="é" * 12_000) for _ in range(25)]  # 600 KB in UTF-8, 300 K characters
    assert run("onBatch", batch, settings) == {"returned": [{"status": 200}] * 25}
    assert goodword.step_names(user) == ["Chapter Read"] * 25


def test_settings_of_the_function_reach_the_server(run: Run, goodword: Goodword, settings: Settings) -> None:
    user = new_user()
    chosen = settings | {
        "registrationEvents": ["Account Opened"],
        "conversionEvents": ["Invoice Paid"],
        "unmappedTraits": "ignore",
    }
    run("onTrack", track(user, "Account Opened"), chosen)
    run("onTrack", track(user, "Invoice Paid", partner_conversion_id=f"order-{user}", cart_value="5.00"), chosen)
    run("onIdentify", event("identify", user, traits={"firstName": "Ada", "shoeSize": 38}), chosen)
    assert goodword.step_names(user) == ["conversion", "registration"]
    (person,) = goodword.person_ids(user)
    stored = goodword.parameters(person)
    assert stored["first_name"] == "Ada"
    assert "shoeSize" not in stored


@pytest.mark.parametrize(("handler", "argument"), [("onTrack", track("u", "Seen")), ("onBatch", [track("u", "Seen")])])
def test_wrong_key_names_the_setting_to_fix(run: Run, settings: Settings, handler: str, argument: Event | list[Event]) -> None:
    outcome = run(handler, argument, settings | {"apiKey": "no-such-key"})
    assert thrown(outcome) == "ValidationError"
    assert "apiKey" in outcome["thrown"]["message"]


def test_key_that_may_not_delete_names_the_scope_it_needs(run: Run, goodword: Goodword, settings: Settings) -> None:
    user = new_user()
    with_browser_key = settings | {"apiKey": goodword.ingest_key}
    assert run("onIdentify", event("identify", user), with_browser_key) == {}
    outcome = run("onDelete", event("delete", user), with_browser_key)
    assert thrown(outcome) == "ValidationError"
    assert "destination" in outcome["thrown"]["message"]
    assert len(goodword.person_ids(user)) == 1


@pytest.mark.parametrize("name", ["goodwordUrl", "apiKey"])
def test_empty_setting_is_named(run: Run, settings: Settings, name: str) -> None:
    outcome = run("onTrack", track(new_user(), "Seen"), settings | {name: ""})
    assert thrown(outcome) == "ValidationError"
    assert name in outcome["thrown"]["message"]


def test_bad_event_alone_is_an_invalid_payload(run: Run, settings: Settings) -> None:
    assert thrown(run("onTrack", event("track", new_user(), properties={}), settings)) == "InvalidEventPayload"


def test_unknown_type_alone_is_not_supported(run: Run, settings: Settings) -> None:
    assert thrown(run("onTrack", event("sneeze", new_user()), settings)) == "EventNotSupported"


@pytest.mark.parametrize(("handler", "argument"), [("onTrack", track("u", "Seen")), ("onBatch", [track("u", "Seen")])])
def test_server_that_is_down_is_tried_again(run: Run, settings: Settings, handler: str, argument: Event | list[Event]) -> None:
    outcome = run(handler, argument, settings | {"goodwordUrl": f"http://127.0.0.1:{free_port()}"})
    assert thrown(outcome) == "RetryError"


def test_server_that_never_answers_is_given_up_before_segment_gives_up(run: Run, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        outcome = run("onTrack", track(new_user(), "Seen"), settings | {"goodwordUrl": url})
    assert thrown(outcome) == "RetryError"
    assert "4500 ms" in outcome["thrown"]["message"]


@contextmanager
def server_that_says(status: int) -> Iterator[str]:
    """Anything that may stand between Segment and Goodword: it has one answer to every request."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"message":"because"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("handler", ["onTrack", "onBatch"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "InvalidEventPayload"),
        (401, "ValidationError"),
        (403, "ValidationError"),
        (404, "ValidationError"),
        (408, "RetryError"),
        (413, "InvalidEventPayload"),
        (429, "RetryError"),
        (500, "RetryError"),
        (501, "EventNotSupported"),
        (503, "RetryError"),
    ],
)
def test_refusal_as_a_whole_becomes_the_error_segment_acts_on(run: Run, settings: Settings, handler: str, status: int, error: str) -> None:
    one = track(new_user(), "Seen")
    with server_that_says(status) as url:
        outcome = run(handler, [one] if handler == "onBatch" else one, settings | {"goodwordUrl": url})
    assert thrown(outcome) == error
    assert "because" in outcome["thrown"]["message"]


def test_answer_that_is_not_goodwords_is_tried_again_not_counted_as_stored(run: Run, settings: Settings) -> None:
    with server_that_says(200) as url:
        assert thrown(run("onBatch", [track(new_user(), "Seen")], settings | {"goodwordUrl": url})) == "RetryError"

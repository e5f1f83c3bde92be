"""Every stock SDK, unmodified, pointed at Goodword: what the SERVER stored is what was called, once.

One table of clients, one story told to each of them, one test a rule. The clients are never asked if they were happy.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

import pytest

from tests.browser import absent
from tests.clients.conftest import DRIVERS, Goodword, eventually
from tests.clients.gateway import gateway_to

Call = dict[str, Any]
RUN_TIMEOUT_S = 60
RETRY_WATCH_MS = 6_000  # by then an SDK that retries has done so at least twice


@dataclass(frozen=True)
class Client:
    """A published SDK and how it is set up; `path` is the door that this set-up posts its track calls to."""

    sdk: str
    runtime: Literal["python", "node", "browser"]
    path: str
    note: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    bundle: str = ""

    def __str__(self) -> str:
        return f"{self.sdk} ({self.note})" if self.note else self.sdk


SEGMENT_BUNDLE = "/node_modules/@segment/analytics-next/dist/umd/index.js"
RUDDER_BUNDLE = "/node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"
CLIENTS = [
    Client("segment-analytics-python", "python", "/v1/batch"),
    Client("segment-analytics-python", "python", "/v1/batch", "gzip", {"gzip": True}),
    Client("analytics-python", "python", "/v1/batch"),
    Client("rudder-sdk-python", "python", "/v1/batch"),
    Client("@segment/analytics-node", "node", "/v1/batch"),
    Client("analytics-node", "node", "/v1/batch"),
    Client("@rudderstack/rudder-sdk-node", "node", "/v1/batch"),
    Client("@rudderstack/rudder-sdk-node", "node", "/v1/batch", "no gzip", {"gzip": False}),
    Client("@segment/analytics-next", "browser", "/v1/t", bundle=SEGMENT_BUNDLE),
    Client(
        "@segment/analytics-next",
        "browser",
        "/v1/b",
        "batching",
        {"integrations": {"Segment.io": {"deliveryStrategy": {"strategy": "batching", "config": {"timeout": 500}}}}},
        SEGMENT_BUNDLE,
    ),
    Client("@rudderstack/analytics-js", "browser", "/v1/track", bundle=RUDDER_BUNDLE),
    Client(
        "@rudderstack/analytics-js",
        "browser",
        "/v1/batch",
        "batching",
        {"queueOptions": {"batch": {"enabled": True, "maxItems": 10, "flushInterval": 500}}},
        RUDDER_BUNDLE,
    ),
    Client(
        "@rudderstack/analytics-js",
        "browser",
        "/beacon/v1/batch",
        "beacon",
        {"useBeacon": True, "beaconQueueOptions": {"maxItems": 10, "flushQueueInterval": 500}},
        RUDDER_BUNDLE,
    ),
]
# A beacon is left out: its sender never sees an answer, so that it has nothing to retry.
BROWSERS_THAT_RETRY = [client for client in CLIENTS if client.runtime == "browser" and client.note != "beacon"]

TRAITS = {
    "plan": "pro",
    "age": 42,
    "score": 1.5,
    "newsletter": True,
    "blocked": False,
    "address": {"city": "Berlin", "postalCode": "10115"},
    "tags": ["a", "b"],
}
BATCH_SIZE = 25


@dataclass(frozen=True)
class Person:
    """Somebody nobody has heard of yet."""

    user_id: str
    email: str
    anonymous_id: str
    conversion_id: str

    @classmethod
    def new(cls) -> "Person":
        mark = uuid4().hex[:12]
        return cls(f"user-{mark}", f"ada.{mark}@example.com", f"anon-{mark}", f"order-{mark}")

    def identify(self) -> Call:
        names = {"email": self.email, "firstName": "Ada", "lastName": "Lovelace"}
        return {"call": "identify", "userId": self.user_id, "traits": names | TRAITS}

    def track(self, event: str, properties: Call) -> Call:
        return {"call": "track", "userId": self.user_id, "event": event, "properties": properties}

    def convert(self, cart_value: str = "99.99") -> Call:
        return self.track("conversion", {"partner_conversion_id": self.conversion_id, "cart_value": cart_value})

    def story(self) -> list[Call]:
        """Reads a page before anybody knows who it is, signs up, buys, and the purchase is reported twice."""
        me = {"userId": self.user_id}
        return [
            {"call": "track", "anonymousId": self.anonymous_id, "event": "Link Clicked", "properties": {"code": "ada"}},
            self.identify(),
            self.track("Article Read", {"title": "On engines", "words": 1200}),
            self.track("registration", {"email": self.email}),
            self.convert(),
            {"call": "page", **me, "name": "Pricing", "properties": {"url": "https://shop.example/pricing"}},
            {"call": "group", **me, "groupId": "initech", "traits": {"industry": "Technology"}},
            {"call": "alias", **me, "previousId": self.anonymous_id},
            *(self.track("Item Viewed", {"n": n}) for n in range(BATCH_SIZE)),
            self.convert(),
        ]


STORY_NAMES = sorted(["Link Clicked", "Article Read", "registration", "conversion"] + ["Item Viewed"] * BATCH_SIZE)


def run_process(command: list[str], job: dict[str, Any]) -> None:
    ended = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, timeout=RUN_TIMEOUT_S)
    if "ModuleNotFoundError" in ended.stderr:
        absent(f"the package {job['sdk']}", "Install the dev dependencies: pip install -r requirements/dev.txt")
    assert ended.returncode == 0, f"{job['sdk']} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"


@contextmanager
def shop_page(client: Client, request: pytest.FixtureRequest):
    """A page of the shop in a fresh browser profile, with the client's bundle loaded from the shop's own origin."""
    shop_url = request.getfixturevalue("shop_url")
    context = request.getfixturevalue("chromium").new_context()
    try:
        page = context.new_page()
        page.goto(f"{shop_url}/drivers/browser_sdk.html")
        page.add_script_tag(url=f"{shop_url}{client.bundle}")
        yield page
    finally:
        context.close()


def run(client: Client, request: pytest.FixtureRequest, url: str, calls: list[Call], done: Callable[[], bool]) -> None:
    """Make the calls and wait until `done`: a browser page stays open until then, as its SDK sends when it likes."""
    key = request.getfixturevalue("goodword").ingest_key
    job = {"sdk": client.sdk, "url": url, "key": key, "options": client.options, "calls": calls}
    if client.runtime == "python":
        run_process([sys.executable, str(DRIVERS / "python_sdk.py")], job)
    elif client.runtime == "node":
        request.getfixturevalue("node_modules")
        run_process([request.getfixturevalue("node"), str(DRIVERS / "node_sdk.cjs")], job)
    else:
        with shop_page(client, request) as page:
            page.evaluate("job => window.makeCalls(job)", job)
            eventually(lambda: page.wait_for_timeout(100) or done(), bool)


@dataclass(frozen=True)
class Told:
    """A person whose story a client has told, and the server that heard it."""

    person: Person
    goodword: Goodword

    def profile_id(self) -> str:
        ids = self.goodword.person_ids(self.person.user_id)
        assert len(ids) == 1
        return ids[0]

    def steps(self, name: str, *, include_duplicates: bool = False) -> list[dict[str, Any]]:
        steps = self.goodword.steps(self.person.user_id, include_duplicates=include_duplicates)
        return [step for step in steps if step["name"] == name]


@pytest.fixture(scope="module", params=CLIENTS, ids=str)
def told(request: pytest.FixtureRequest, goodword: Goodword) -> Told:
    person = Person.new()

    def all_there() -> bool:
        ids = goodword.person_ids(person.user_id)
        names = goodword.step_names(person.user_id)
        return len(names) >= len(STORY_NAMES) and bool(ids) and "group_id" in goodword.parameters(ids[0])

    run(request.param, request, goodword.url, person.story(), all_there)
    return Told(person, goodword)


def value(step: dict[str, Any], name: str) -> Any:
    return step["data"][name]["value"]


def test_user_id_and_email_find_the_same_one_profile(told: Told) -> None:
    assert told.goodword.person_ids_by_email(told.person.email) == [told.profile_id()]


def test_traits_keep_their_name_and_type(told: Told) -> None:
    stored = told.goodword.parameters(told.profile_id())
    kept = {name: stored.get(name) for name in TRAITS}
    assert json.dumps(kept, sort_keys=True) == json.dumps(TRAITS, sort_keys=True)  # as JSON, 1 and true differ


def test_names_of_people_are_mapped_to_the_standard_parameters(told: Told) -> None:
    stored = told.goodword.parameters(told.profile_id())
    assert (stored["first_name"], stored["last_name"]) == ("Ada", "Lovelace")


def test_each_track_call_is_one_event_under_its_own_name(told: Told) -> None:
    assert told.goodword.step_names(told.person.user_id) == STORY_NAMES


def test_properties_keep_their_type(told: Told) -> None:
    (read,) = told.steps("Article Read")
    assert (value(read, "title"), value(read, "words")) == ("On engines", 1200)


def test_every_message_of_a_batch_is_stored(told: Told) -> None:
    assert sorted(value(step, "n") for step in told.steps("Item Viewed")) == list(range(BATCH_SIZE))


def test_same_conversion_sent_twice_is_one_conversion(told: Told) -> None:
    assert [value(step, "partner_conversion_id") for step in told.steps("conversion")] == [told.person.conversion_id]


def test_repeated_conversion_is_shown_as_a_duplicate_when_asked(told: Told) -> None:
    both = told.steps("conversion", include_duplicates=True)
    assert Counter(bool(step.get("is_duplicate")) for step in both) == {False: 1, True: 1}


def test_cart_value_is_exact_money(told: Told) -> None:
    (conversion,) = told.steps("conversion")
    assert Decimal(str(value(conversion, "cart_value"))) == Decimal("99.99")


def test_page_is_taken_and_is_no_event(told: Told) -> None:
    pages = [message for message in told.goodword.messages_of(told.profile_id()) if message["type"] == "page"]
    assert [(page.get("name", ""), page["verdict"], page.get("is_event", False)) for page in pages] == [("", "stored", False)]


def test_group_sets_the_group_and_leaves_its_traits_to_the_group(told: Told) -> None:
    stored = told.goodword.parameters(told.profile_id())
    assert stored["group_id"] == "initech"
    assert "industry" not in stored


def test_alias_brings_what_was_done_before_the_user_was_known(told: Told) -> None:
    (clicked,) = told.steps("Link Clicked")
    assert value(clicked, "code") == "ada"


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_messages_sent_again_after_a_lost_answer_are_stored_once(
    client: Client, request: pytest.FixtureRequest, goodword: Goodword
) -> None:
    person = Person.new()
    calls = [person.identify(), person.convert(), person.track("Article Read", {"title": "On engines"})]
    with gateway_to(goodword.url) as gateway:

        def all_sent_again() -> bool:
            return len(gateway.sent) == len(calls) and min(gateway.sent.values()) > 1

        run(client, request, gateway.url, calls, all_sent_again)
        if client.note == "beacon":
            assert len(gateway.sent) == len(calls)  # a beacon's answer is nobody's to see, so nothing is sent again
        else:
            assert all_sent_again(), gateway.sent
        assert client.path in gateway.paths
    everything = goodword.steps(person.user_id, include_duplicates=True)
    assert sorted(step["name"] for step in everything) == ["Article Read", "conversion"]
    assert len(goodword.person_ids_by_email(person.email)) == 1


@pytest.mark.parametrize("client", BROWSERS_THAT_RETRY, ids=str)
def test_refused_message_is_sent_once_and_holds_nothing_up(client: Client, request: pytest.FixtureRequest, goodword: Goodword) -> None:
    person = Person.new()
    refused = person.track("Novel Read", nested(levels=40))
    after = person.track("Article Read", {"title": "On engines"})
    answers: list[int] = []
    tries: list[str] = []
    with shop_page(client, request) as page:
        page.on("request", lambda r: tries.append(r.method) if "Novel Read" in (r.post_data or "") else None)
        page.on("response", lambda r: answers.append(r.status) if "Novel Read" in (r.request.post_data or "") else None)
        job = {"sdk": client.sdk, "url": goodword.url, "key": goodword.ingest_key, "options": client.options}
        page.evaluate("job => window.makeCalls(job)", job | {"calls": [person.identify(), refused]})
        page.wait_for_timeout(RETRY_WATCH_MS)
        page.evaluate("job => window.makeCalls(job)", job | {"calls": [after]})
        names = eventually(lambda: page.wait_for_timeout(100) or goodword.step_names(person.user_id), bool)
    assert names == ["Article Read"]
    assert tries == ["POST"]
    # Alone it is refused; in a batch its neighbours count, and the batch is accepted without it.
    assert answers == [200 if client.note == "batching" else 400]


def nested(levels: int) -> Call:
    """Properties nested deeper than Goodword reads (32 levels): an SDK sees nothing wrong with them."""
    properties: Call = {}
    for _ in range(levels):
        properties = {"chapter": properties}
    return properties


def test_lock_pins_every_npm_package_and_names_no_address() -> None:
    text = (DRIVERS.parent / "package-lock.json").read_text()
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if not entry.get("integrity")] == []
    assert "://" not in text

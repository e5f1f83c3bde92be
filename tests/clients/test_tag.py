"""The tag in a real browser: from a click on a share link to what the server stored, with and without consent, offline and back."""

import functools
import json
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.clients.conftest import Goodword, create_key, eventually
from tests.running import rows

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


class ShopPage(BaseHTTPRequestHandler):
    """Any path is a page of the shop, with the tag; `?consent` asks for consent, `?early` has a call before the tag."""

    def __init__(self, goodword: Goodword, *rest: Any) -> None:
        self.goodword = goodword
        super().__init__(*rest)

    def do_GET(self) -> None:
        consent = ' data-consent="required"' if "consent" in self.path else ""
        call = 'window.goodword=window.goodword||[];goodword.push(["track","early",{"n":1}])'
        early = f"<script>{call}</script>" if "early" in self.path else ""
        tag = f'<script async src="{self.goodword.url}/goodword.js" data-key="{self.goodword.ingest_key}"{consent}></script>'
        body = f"<!doctype html><title>A shop</title>{early}{tag}<p>Welcome</p>".encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def shop(goodword: Goodword) -> Iterator[str]:
    """The shop's origin, with a live campaign whose links lead to it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(ShopPage, goodword)) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{pages.server_port}"
        said = {"campaign": "tag", "program": "tag", "share": {"destination": f"{url}/landing?lang=en"}}
        ask(goodword, "/v2/campaigns?publish=true", said, create_key("tag-admin", "admin", goodword.data))
        yield url
        pages.shutdown()
        thread.join()


def ask(goodword: Goodword, path: str, said: Any, key: str = "") -> Any:
    headers = {"Authorization": f"Bearer {key or goodword.server_key}"}
    request = urllib.request.Request(goodword.url + path, json.dumps(said).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def link(goodword: Goodword, shop: str) -> str:
    person = ask(goodword, "/v5/persons", {"identity_key_value": f"{uuid.uuid4().hex}@mail.example"})["id"]
    made: str = ask(goodword, f"/v5/persons/{person}/shareables", {"label": "tag"})["link"]
    return made


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """A visitor's browser with nothing kept in it."""
    context = chromium.new_context(user_agent=CHROME)
    yield context
    context.close()


def ready(page: Any) -> None:
    page.wait_for_function("window.goodword && window.goodword.version")


def settled(page: Any) -> None:
    page.wait_for_function("!localStorage.getItem('gw_queue')")


def sent(page: Any) -> list[dict[str, Any]]:
    """What the page posts from now on."""
    found: list[dict[str, Any]] = []
    page.on("request", lambda request: found.append(json.loads(request.post_data)) if "/v1/" in request.url and request.post_data else None)
    return found


def test_from_a_click_to_an_event_that_names_it(goodword: Goodword, shop: str, link: str, browser: Any) -> None:
    page = browser.new_page()
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    messages = sent(page)
    page.goto(link)
    ready(page)
    assert page.url.startswith(f"{shop}/landing?lang=en&gw=")
    click = page.evaluate("goodword.clickId()")
    assert click == page.url.rpartition("gw=")[2]
    assert (click,) in rows(goodword.data, "SELECT id FROM click")
    page.goto(f"{shop}/basket")
    ready(page)
    user = f"tag-{uuid.uuid4().hex[:8]}"
    page.evaluate("user => goodword.identify(user, {email: user + '@mail.example'})", user)
    page.evaluate("user => goodword.track('conversion', {partner_conversion_id: user, cart_value: '9.99'})", user)
    settled(page)
    steps = eventually(lambda: goodword.steps(user), lambda found: any(step["name"] == "conversion" for step in found))
    assert "conversion" in {step["name"] for step in steps}
    by_type = {message["type"]: message for message in messages}
    assert by_type["page"]["context"]["page"]["url"].startswith(f"{shop}/")
    assert by_type["track"]["context"]["goodword"] == {"click_id": click}
    assert by_type["track"]["context"]["library"]["name"] == "goodword.js"
    assert by_type["track"]["userId"] == user
    assert len({message["anonymousId"] for message in messages}) == 1
    assert hosts == {shop.removeprefix("http://"), goodword.url.removeprefix("http://")}
    person = goodword.person_ids(user)[0]
    friends = eventually(lambda: goodword.get(f"/v5/persons/{person}/relationships"), bool)
    assert [friend["my_role"] for friend in friends] == ["FRIEND"]


def test_what_is_kept_is_first_party_and_reset_forgets_it(shop: str, link: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(link)
    ready(page)
    cookies = {cookie["name"]: cookie for cookie in browser.cookies()}
    assert set(cookies) == {"gw_id", "gw_click"}
    assert {cookie["domain"] for cookie in cookies.values()} == {"127.0.0.1"}
    assert {cookie["sameSite"] for cookie in cookies.values()} == {"Lax"}
    before = page.evaluate("goodword.anonymousId()")
    page.evaluate("localStorage.clear()")
    page.goto(f"{shop}/again")
    ready(page)
    assert page.evaluate("goodword.anonymousId()") == before, "the cookie stands in where the storage was emptied"
    page.evaluate("goodword.reset()")
    assert page.evaluate("goodword.clickId()") == ""
    assert page.evaluate("goodword.anonymousId()") != before


def test_nothing_is_kept_or_sent_before_consent(goodword: Goodword, shop: str, link: str, browser: Any) -> None:
    page = browser.new_page()
    messages = sent(page)
    click = urllib.request.urlopen(urllib.request.Request(link, headers={"User-Agent": CHROME})).url.rpartition("gw=")[2]
    page.goto(f"{shop}/landing?consent=1&gw={click}")
    ready(page)
    page.evaluate("goodword.track('seen', {})")
    time.sleep(0.5)
    assert browser.cookies() == []
    assert page.evaluate("localStorage.length") == 0
    assert messages == []
    page.evaluate("goodword.consent()")
    settled(page)
    assert [message["type"] for message in messages] == ["page", "track"]
    assert messages[1]["context"]["goodword"]["click_id"] == click
    assert {cookie["name"] for cookie in browser.cookies()} == {"gw_id", "gw_click", "gw_ok"}
    page.goto(f"{shop}/later?consent=1")
    ready(page)
    settled(page)
    assert len(messages) == 3
    page.evaluate("goodword.consent(false)")
    assert browser.cookies() == []
    assert page.evaluate("localStorage.length") == 0
    page.evaluate("goodword.track('not sent')")
    time.sleep(0.3)
    assert len(messages) == 3


def test_calls_before_the_tag_and_without_a_network_are_not_lost(goodword: Goodword, shop: str, browser: Any) -> None:
    page = browser.new_page()
    messages = sent(page)
    page.goto(f"{shop}/?early=1")
    ready(page)
    settled(page)
    assert [(message["type"], message.get("event")) for message in messages] == [("page", None), ("track", "early")]
    user = f"tag-{uuid.uuid4().hex[:8]}"
    browser.set_offline(True)
    page.evaluate("user => { goodword.identify(user); goodword.track('offline one'); goodword.track('offline two') }", user)
    time.sleep(0.3)
    assert goodword.person_ids(user) == []
    browser.set_offline(False)
    names = eventually(lambda: goodword.step_names(user), lambda found: len(found) >= 3)
    assert names == ["early", "offline one", "offline two"]


def test_a_page_that_is_left_at_once_loses_nothing(goodword: Goodword, shop: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{shop}/")
    ready(page)
    user = f"tag-{uuid.uuid4().hex[:8]}"
    calls = "goodword.identify(user); for (let n = 0; n < 5; n++) goodword.track('step ' + n); location.href = '/next'"
    page.evaluate(f"user => {{ {calls} }}", user)
    page.wait_for_url("**/next")
    names = eventually(lambda: goodword.step_names(user), lambda found: len(found) >= 5)
    assert names == [f"step {number}" for number in range(5)]

"""The hosted pages in a real browser: phone and desktop, light and dark, with JavaScript and without, read by axe, weighed."""

from __future__ import annotations

import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.hosted.conftest import Brand

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PHONE: Any = {"width": 360, "height": 640}
DESKTOP: Any = {"width": 1280, "height": 900}
PAGE_BYTES_MAX = 80 * 1024
REQUESTS_MAX = 5
Seen = list[str]


@pytest.fixture(scope="module")
def advocate(brand: Brand) -> str:
    """The share page of somebody with a friend who clicked."""
    person = brand.person()
    page = brand.page(person)
    brand.shown(page)
    brand.landed(brand.code(person))
    return page


@pytest.fixture(scope="module")
def friend(brand: Brand) -> str:
    """A friend's landing page."""
    person = brand.person("Grace")
    brand.shown(brand.page(person))
    return brand.landed(brand.code(person))


@pytest.fixture(scope="module")
def axe(node_modules: Path) -> str:
    return (node_modules / "axe-core" / "axe.min.js").read_text()


def opened(browser: Browser, brand: Brand, path: str, **options: Any) -> tuple[BrowserContext, Page, Seen]:
    """A page in a browser of its own. What goes wrong, the policy's refusals among it, is collected."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{brand.server.port}", locale="en-GB", **options)
    page = context.new_page()
    wrong: Seen = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path)
    return context, page, wrong


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["advocate", "friend", "gone"])
def test_axe_finds_nothing_and_nothing_has_to_be_scrolled_sideways(
    chromium: Browser, brand: Brand, axe: str, advocate: str, friend: str, which: str, size: Any, scheme: Any
) -> None:
    path = {"advocate": advocate, "friend": friend, "gone": "/share/refer-a-friend"}[which]
    context, page, wrong = opened(chromium, brand, path, viewport=size, color_scheme=scheme)
    for summary in page.query_selector_all("summary"):
        summary.click()
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run()).violations.map(each => each.id + ': ' + each.nodes.map(n => n.target).join(' '))")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    context.close()
    assert found == []
    assert wide <= 0
    assert [text for text in wrong if "404" not in text] == []


@pytest.mark.parametrize("which", ["advocate", "friend"])
def test_a_page_weighs_less_than_80_kb_in_few_requests_and_none_elsewhere(
    chromium: Browser, brand: Brand, advocate: str, friend: str, which: str
) -> None:
    context = chromium.new_context(base_url=f"http://127.0.0.1:{brand.server.port}", viewport=DESKTOP)
    page = context.new_page()
    loaded: dict[str, int] = {}
    page.on("response", lambda answer: loaded.update({answer.url: len(answer.body())}))
    page.goto(advocate if which == "advocate" else friend)
    for summary in page.query_selector_all("summary"):
        summary.click()
    page.wait_for_load_state("networkidle")
    context.close()
    fetched = {url: size for url, size in loaded.items() if not url.startswith("data:")}
    assert all(url.startswith(f"http://127.0.0.1:{brand.server.port}/") for url in fetched)
    assert len(fetched) <= REQUESTS_MAX
    assert sum(fetched.values()) < PAGE_BYTES_MAX


def test_a_friend_sees_reward_and_button_without_scrolling_on_a_small_phone(chromium: Browser, brand: Brand, friend: str) -> None:
    context, page, _ = opened(chromium, brand, friend, viewport=PHONE)
    box = page.get_by_role("link", name="Go to the offer").bounding_box()
    context.close()
    assert box is not None
    assert box["height"] >= 44
    assert box["y"] + box["height"] <= PHONE["height"]


def test_without_javascript_a_channel_opens_and_the_share_is_remembered(chromium: Browser, brand: Brand) -> None:
    person = brand.person()
    context, page, wrong = opened(chromium, brand, brand.page(person), java_script_enabled=False, viewport=PHONE)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    assert page.get_by_role("button", name="Copy link").count() == 0, "what takes a script is not offered"
    page.get_by_label("Your message").fill("Have a look & enjoy")
    with context.expect_event("request", lambda request: request.url.startswith("https://wa.me/")):
        page.get_by_role("button", name="WhatsApp").click()
    context.close()
    address = urllib.parse.urlsplit(next(url for url in asked if url.startswith("https://wa.me/")))
    text = urllib.parse.parse_qs(address.query)["text"][0]
    assert text.startswith("Have a look & enjoy\nhttp://")
    assert [(share["channel"], share["message"]) for share in brand.shares(person)] == [("WHATSAPP", "Have a look & enjoy")]
    assert wrong == []


def test_mail_opens_beside_the_page_which_stays(chromium: Browser, brand: Brand) -> None:
    person = brand.person()
    context, page, wrong = opened(chromium, brand, brand.page(person), viewport=PHONE)
    with page.expect_event("requestfailed", lambda request: request.url.startswith("mailto:?subject=")):
        page.get_by_role("button", name="Email").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Give €10, get €20"
    context.close()
    assert [share["channel"] for share in brand.shares(person)] == ["EMAIL"]
    assert wrong == []


def test_copying_puts_the_link_on_the_clipboard_says_so_and_is_remembered(chromium: Browser, brand: Brand) -> None:
    person = brand.person()
    context, page, wrong = opened(chromium, brand, brand.page(person), permissions=["clipboard-read", "clipboard-write"])
    with page.expect_response(lambda answer: answer.request.method == "POST") as told:
        page.get_by_role("button", name="Copy link").click()
    assert told.value.status == 204
    assert page.get_by_role("status").first.inner_text() == "Link copied"
    copied = page.evaluate("navigator.clipboard.readText()")
    context.close()
    assert copied.endswith(f"/s/{brand.code(person)}")
    assert [share["channel"] for share in brand.shares(person)] == ["COPY"]
    assert wrong == []


def test_the_phones_own_sheet_is_offered_where_there_is_one(chromium: Browser, brand: Brand) -> None:
    person = brand.person()
    context, page, _ = opened(chromium, brand, "/share/none")
    page.add_init_script("navigator.share = async (said) => { window.said = said; };")
    page.goto(brand.page(person))
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name="Share", exact=True).click()
    said = page.evaluate("window.said")
    context.close()
    assert said["url"].endswith(f"/s/{brand.code(person)}")
    assert said["text"]
    assert [share["channel"] for share in brand.shares(person)] == ["NATIVE"]


def test_a_friend_leaves_an_address_without_javascript_and_goes_on(chromium: Browser, brand: Brand, friend: str) -> None:
    context, page, wrong = opened(chromium, brand, friend, java_script_enabled=False, viewport=PHONE)
    context.route("https://shop.example.com/**", lambda route: route.fulfill(body="shop", content_type="text/html"))
    page.get_by_label("Your email address").fill("grace.hopper@example.com")
    page.get_by_role("button", name="Save my offer").click()
    assert page.get_by_role("status").inner_text() == "Saved. Now go on to the offer."
    page.get_by_role("link", name="Go to the offer").click()
    page.wait_for_url("https://shop.example.com/**")
    address = page.url
    context.close()
    assert "gw=" in address
    assert wrong == []


class Frame(BaseHTTPRequestHandler):
    """A shop's page that shows what its query names in a frame."""

    def do_GET(self) -> None:
        address = urllib.parse.unquote(self.path.partition("?")[2])
        body = f'<!doctype html><title>Shop</title><iframe src="{address}"></iframe>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_only_listed_sites_may_frame_the_page(chromium: Browser, brand: Brand) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Frame) as shop:
        thread = threading.Thread(target=shop.serve_forever)
        thread.start()
        listed, other = (f"http://{host}:{shop.server_port}" for host in ("127.0.0.1", "localhost"))
        brand.launch("framed", "framed", pages={"embed": [listed]})
        framed = f"http://127.0.0.1:{brand.server.port}{brand.page(brand.person(), 'framed')}"
        shown = {}
        for site in (listed, other):
            context, page, _ = opened(chromium, brand, f"{site}/?{urllib.parse.quote(framed)}")
            page.wait_for_load_state("networkidle")
            shown[site] = page.frames[1].title()
            context.close()
        shop.shutdown()
        thread.join()
    assert shown[listed] == "Give €10, get €20"
    assert shown[other] != "Give €10, get €20"


def test_hostile_texts_run_nothing(chromium: Browser, brand: Brand) -> None:
    hostile = "\"'><script>window.bad=1</script><img src=x onerror=window.bad=2><svg onload=window.bad=3>\u202e"
    texts = {"headline": hostile, "condition": hostile, "message": hostile, "friend_headline": hostile, "friend_text": hostile}
    brand.launch("hostile-seen", "hostile-seen", pages={"texts": {"en": texts}, "shows_names": True}, name=hostile)
    person = brand.person(hostile)
    for path in (brand.page(person, "hostile-seen"), None):
        context, page, wrong = opened(chromium, brand, path or brand.landed(brand.code(person)), viewport=PHONE)
        page.wait_for_timeout(200)
        bad, wide = page.evaluate("[window.bad, document.documentElement.scrollWidth - innerWidth]")
        context.close()
        assert bad is None
        assert wide <= 0
        assert wrong == []

"""The door of share links: a durable click and a redirect for people, a page for machines, and never an error for anybody."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goodword.core.account import Scope
from tests.api.sharing import CHROME, IPHONE, PROGRAM, Shop, click_id
from tests.running import Server, make_key, rows

LOST = "does not lead anywhere"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    data: Path = tmp_path_factory.mktemp("door") / "data"
    with Server(data) as server:
        shop = Shop(server, make_key(data, Scope.ADMIN))
        shop.launch()
        yield shop


@pytest.fixture(scope="module")
def code(shop: Shop) -> str:
    return str(shop.link()["code"])


def address(number: int) -> str:
    return f"198.51.{number // 250}.{number % 250 + 1}"


# -- people ----------------------------------------------------------------------------------------------------------


def test_a_visitor_is_sent_on_with_a_click_id_and_the_campaigns_parameters(shop: Shop, code: str) -> None:
    person = shop.done("GET", f"/v3/shareables/{code}")["person_id"]
    answer = shop.follow(code, X_Forwarded_For="203.0.113.9", Referer="https://www.blog.example/my-post/?secret=1#x")
    gw = click_id(answer)
    expected = f"https://shop.example.com/welcome?lang=en&gw={gw}&utm_source=goodword&utm_campaign=friends%20%26%20family#top"
    assert answer.headers["location"] == expected
    assert answer.headers["cache-control"] == "no-store"
    assert "referrer-policy" in answer.headers
    stored = next(row for row in shop.clicks() if row[0] == gw)
    assert (str(stored[1]), stored[2], stored[3]) == (person, "raf", 1)
    ip, net, agent, country, site = stored[5][:5]
    assert all(len(token) == 16 for token in (ip, net, agent))
    assert (country, site) == ("", "blog.example/my-post")


def test_nothing_of_the_visitor_is_stored_in_clear(shop: Shop, code: str) -> None:
    click_id(shop.follow(code, X_Forwarded_For="203.0.113.77", User_Agent="Mozilla/5.0 Peculiar/77"))
    for file in shop.server.data.glob("goodword.db*"):
        found = file.read_bytes()
        assert b"203.0.113.77" not in found
        assert b"Peculiar" not in found


def test_click_ids_grow_with_time_and_are_never_repeated(shop: Shop, code: str) -> None:
    ids = [click_id(shop.follow(code)) for _ in range(30)]
    assert ids == sorted(set(ids))


def test_a_phone_goes_to_the_page_for_phones(shop: Shop, code: str) -> None:
    assert shop.follow(code, User_Agent=IPHONE).headers["location"].startswith("https://m.shop.example.com/?gw=")
    hinted = shop.follow(code, Sec_CH_UA_Mobile="?1").headers["location"]
    assert hinted.startswith("https://m.shop.example.com/?gw=")
    assert shop.follow(code, User_Agent=IPHONE, Sec_CH_UA_Mobile="?0").headers["location"].startswith("https://shop.example.com/")


@pytest.mark.parametrize("agent", ["", "curl/8.5.0", "python-requests/2.32", "Python-urllib/3.12", "okhttp/4.12", "Wget/1.24"])
def test_a_program_that_somebody_uses_to_follow_a_link_is_let_through(shop: Shop, code: str, agent: str) -> None:
    gw = click_id(shop.follow(code, User_Agent=agent))
    assert next(row for row in shop.clicks() if row[0] == gw)[3] == 1


@pytest.mark.parametrize("tail", [".", ",", ")", "/", "!", "%22", "%E2%80%9D"])
def test_what_mail_programs_leave_behind_an_address_does_not_matter(shop: Shop, code: str, tail: str) -> None:
    click_id(shop.raw_path(f"/s/{code}{tail}"))


def test_a_code_is_found_in_any_case_and_percent_encoded(shop: Shop, code: str) -> None:
    click_id(shop.follow(code.upper()))
    click_id(shop.raw_path("/s/" + "".join(f"%{ord(char):02X}" for char in code)))
    click_id(shop.raw_path(f"/s/{code}?utm_source=elsewhere&gw=forged"))


def test_clicks_of_one_address_are_counted(shop: Shop, code: str) -> None:
    ids = [click_id(shop.follow(code, X_Forwarded_For="203.0.113.50")) for _ in range(4)]
    assert [row[4] for row in shop.clicks() if row[0] in ids] == [0, 1, 2, 3]


def test_at_once_each_visitor_gets_a_click_of_their_own(shop: Shop, code: str) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(click_id(shop.follow(code)))) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 40
    assert set(found) <= {row[0] for row in shop.clicks()}


# -- machines --------------------------------------------------------------------------------------------------------

PREVIEWS = [
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "WhatsApp/2.23.20.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4"
    " facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "LinkedInBot/1.0",
]
AHEAD = [
    {"Sec_Purpose": "prefetch"},
    {"Sec_Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"X_Purpose": "preview"},
    {"X_Moz": "prefetch"},
]


@pytest.mark.parametrize("headers", [*({"User_Agent": agent} for agent in PREVIEWS), *AHEAD], ids=str)
def test_previews_and_prefetches_get_the_page_and_are_no_clicks(shop: Shop, code: str, headers: dict[str, str]) -> None:
    before = len(shop.clicks())
    answer = shop.follow(code, **headers)
    text = answer.body.decode()
    assert answer.status == 200
    assert '<meta property="og:title" content="Come &quot;in&quot; &lt;now&gt;">' in text
    assert '<meta property="og:description" content="10 % &amp; more">' in text
    assert '<meta property="og:image" content="https://shop.example.com/card.png">' in text
    assert f"/s/{code}" in text
    assert "gw=" not in text
    assert "<now>" not in text
    assert ("<script>" in text) == (headers in AHEAD)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert len(shop.clicks()) == before


def test_a_link_shows_its_own_texts_where_it_has_some(shop: Shop) -> None:
    content = {"title": "These <shoes>", "image_url": "https://shop.example.com/shoes.png", "url": "https://shop.example.com/shoes?a=1"}
    made = shop.link(content=content)["code"]
    text = shop.follow(made, User_Agent=PREVIEWS[0]).body.decode()
    assert "These &lt;shoes&gt;" in text
    assert "shoes.png" in text
    assert shop.follow(made).headers["location"].startswith("https://shop.example.com/shoes?a=1&gw=")


def test_head_is_no_click_and_has_no_body(shop: Shop, code: str) -> None:
    before = len(shop.clicks())
    answer = shop.follow(code, "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert len(shop.clicks()) == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_refused(shop: Shop, code: str, method: str) -> None:
    assert shop.follow(code, method).status == 405


@pytest.mark.parametrize(
    ("headers", "hint", "is_bot"),
    [
        ({"Sec_Fetch_Dest": "iframe"}, "frame", False),
        ({"Sec_Fetch_Dest": "image"}, "subresource", False),
        ({"User_Agent": CHROME.replace("Chrome/", "HeadlessChrome/")}, "headless", True),
    ],
)
def test_clicks_nobody_made_are_told_apart_and_not_counted(shop: Shop, code: str, headers: dict[str, str], hint: str, is_bot: bool) -> None:
    gw = click_id(shop.follow(code, **headers))
    stored = next(row for row in shop.clicks() if row[0] == gw)
    assert stored[3] == 0
    assert (stored[5][6], stored[5][8]) == (is_bot, hint)


def test_an_ordinary_navigation_is_counted(shop: Shop, code: str) -> None:
    gw = click_id(shop.follow(code, Sec_Fetch_Dest="document", Sec_Fetch_Mode="navigate", Sec_Fetch_Site="cross-site"))
    assert next(row for row in shop.clicks() if row[0] == gw)[3] == 1


# -- links that lead nowhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "nobodys-code",
        "",
        "/",
        "a",
        "x" * 51,
        "x" * 5_000,
        "%00%00%00%00",
        "%0d%0aSet-Cookie:x",
        "%FF%FE",
        "..%2f..%2fetc%2fpasswd",
        "../../etc/passwd",
        "%D0%B4%D0%B6%D0%B5%D0%B9%D0%BD",
        "%F0%9F%98%80%F0%9F%98%80",
        "' OR 1=1 --".replace(" ", "%20"),
        "<script>alert(1)</script>",
        "//evil.example/",
        "https://evil.example/",
        "nobodys-code?next=https://evil.example/",
        "nobodys-code/more/of/it",
    ],
)
def test_whatever_is_asked_for_is_answered_with_a_friendly_page(shop: Shop, path: str) -> None:
    answer = shop.raw_path("/s/" + path)
    assert answer.status == 200
    assert LOST in answer.body.decode()
    assert b"evil" not in answer.body
    assert b"alert" not in answer.body
    assert "set-cookie" not in answer.headers


def test_no_parameter_of_the_address_decides_where_a_link_leads(shop: Shop, code: str) -> None:
    for query in ("url=https://evil.example", "destination=//evil.example", "redirect=https://evil.example", "gw=evil", "%0d%0aX-Evil:1"):
        answer = shop.raw_path(f"/s/{code}?{query}", {"X-Forwarded-Host": "evil.example", "Host": "evil.example"})
        assert urllib.parse.urlsplit(answer.headers["location"]).hostname == "shop.example.com"
        assert "evil" not in answer.headers["location"]
        assert "x-evil" not in answer.headers


def test_a_blocked_persons_link_leads_nowhere_until_the_block_is_lifted(shop: Shop) -> None:
    person = shop.person()
    made = shop.link(person)["code"]
    shop.done("PUT", f"/v5/persons/{person}/block", {"type": "EVENTS", "reason": "cheats"})
    before = len(shop.clicks())
    assert LOST in shop.follow(made).body.decode()
    assert LOST in shop.follow(made, User_Agent=PREVIEWS[0]).body.decode()
    assert len(shop.clicks()) == before
    shop.done("PUT", f"/v5/persons/{person}/block", {"type": "NONE"})
    click_id(shop.follow(made))


def test_links_of_a_program_without_a_live_campaign_lead_to_its_page_for_that(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        _pause_and_go_on(Shop(server, make_key(tmp_path / "data", Scope.ADMIN)))


def _pause_and_go_on(shop: Shop) -> None:
    made = shop.link(label="second-program")["code"]
    assert LOST in shop.follow(made).body.decode()
    shop.launch(
        "second", "second-program", unknown_destination="https://shop.example.com/sorry?x=1", destination="https://shop.example.com/2"
    )
    assert shop.follow(made).headers["location"].startswith("https://shop.example.com/2?gw=")
    shop.done("POST", "/v2/campaigns/second/pause")
    paused = shop.follow(made)
    assert (paused.status, paused.headers["location"]) == (302, "https://shop.example.com/sorry?x=1")
    shop.launch("third", "second-program", destination="https://shop.example.com/3")
    assert shop.follow(made).headers["location"].startswith("https://shop.example.com/3?gw=")


def test_unknown_codes_go_to_the_page_that_the_campaign_names(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        shop = Shop(server, make_key(tmp_path / "data", Scope.ADMIN))
        shop.launch(unknown_destination="https://shop.example.com/hello")
        assert shop.follow("nobodys-code").headers["location"] == "https://shop.example.com/hello"
        assert "gw=" not in shop.follow("x").headers["location"]


def test_who_guesses_codes_is_not_looked_up_any_more(shop: Shop, code: str) -> None:
    guesser, neighbour = "203.0.113.200", "203.0.113.201"
    click_id(shop.follow(code, X_Forwarded_For=guesser))
    for number in range(30):
        assert "gw=" not in shop.follow(f"guess-{number:04}", X_Forwarded_For=guesser).headers.get("location", "")
    assert LOST in shop.follow(code, X_Forwarded_For=guesser).body.decode()
    assert LOST in shop.follow(code, X_Forwarded_For=guesser, User_Agent=PREVIEWS[0]).body.decode()
    click_id(shop.follow(code, X_Forwarded_For=neighbour))
    click_id(shop.follow(code))
    counted = shop.server.get("/metrics").body.decode()
    assert 'goodword_share_links_total{outcome="guessed"}' in counted


# -- proxies, places, lists ------------------------------------------------------------------------------------------


def tokens(shop: Shop, code: str, **headers: str) -> list[Any]:
    gw = click_id(shop.follow(code, **headers))
    found: list[Any] = next(row for row in shop.clicks() if row[0] == gw)[5]
    return found


def test_the_last_address_that_no_trusted_proxy_has_counts(shop: Shop, code: str) -> None:
    plain = tokens(shop, code, X_Forwarded_For="203.0.113.9")[:2]
    assert tokens(shop, code, X_Forwarded_For="1.2.3.4, 203.0.113.9")[:2] == plain
    assert tokens(shop, code, X_Forwarded_For="1.2.3.4, 203.0.113.9, 127.0.0.1")[:2] == plain
    assert tokens(shop, code, X_Forwarded_For="203.0.113.9:4711")[:2] == plain
    assert tokens(shop, code, X_Forwarded_For="::ffff:203.0.113.9")[:2] == plain
    other = tokens(shop, code, X_Forwarded_For="203.0.113.10")
    assert (other[0] != plain[0], other[1] == plain[1]) == (True, True)
    six = tokens(shop, code, X_Forwarded_For="[2001:db8:1:2::1]:443")
    assert tokens(shop, code, X_Forwarded_For="2001:DB8:1:9::2")[1] == six[1]


def test_an_unknown_address_stays_unknown(shop: Shop, code: str) -> None:
    for said in ({}, {"X_Forwarded_For": "nonsense"}, {"X_Forwarded_For": "127.0.0.1"}):
        assert tokens(shop, code, **said)[:2] == ["", ""]


def test_an_address_is_only_believed_from_a_trusted_proxy(tmp_path: Path) -> None:
    env = {"GOODWORD_TRUSTED_PROXIES": "10.0.0.0/8", "GOODWORD_PUBLIC_URL": "https://go.example.com/"}
    with Server(tmp_path / "data", env=env) as server:
        shop = Shop(server, make_key(tmp_path / "data", Scope.ADMIN))
        shop.launch()
        made = shop.link()
        assert made["link"] == f"https://go.example.com/s/{made['code']}"
        assert tokens(shop, made["code"], X_Forwarded_For="203.0.113.9")[0] == ""


def test_links_begin_as_a_trusted_proxy_says(shop: Shop) -> None:
    person = shop.person()
    answer = shop.call(
        "POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM}, X_Forwarded_Proto="https", X_Forwarded_Host="go.example.com"
    )
    assert answer.json["link"].startswith("https://go.example.com/s/")
    odd = shop.call("POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM}, X_Forwarded_Host='evil"><x')
    assert odd.json["link"].startswith("http://localhost/s/")


def test_a_blocked_network_is_marked_and_not_counted(shop: Shop, code: str) -> None:
    shop.done("POST", "/v2/blocks", {"list_type": "CIDR", "filter_type": "BLACK", "value": "192.0.2.0/24"})
    gw = click_id(shop.follow(code, X_Forwarded_For="192.0.2.7"))
    stored = next(row for row in shop.clicks() if row[0] == gw)
    assert (stored[3], stored[5][7]) == (0, "CIDR")


# -- what happens to clicks ------------------------------------------------------------------------------------------


def test_clicks_outlive_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data) as server:
        shop = Shop(server, make_key(data, Scope.ADMIN))
        shop.launch()
        made = shop.link()["code"]
        ids = [click_id(shop.follow(made)) for _ in range(20)]
        server.kill()
    assert [row[0] for row in rows(data, "SELECT id FROM click ORDER BY id")] == ids
    with Server(data) as server:
        click_id(Shop(server, shop.key).follow(made))


def test_where_nothing_can_be_stored_the_visitor_goes_on_without_a_click(tmp_path: Path) -> None:
    data = tmp_path / "data"
    before = "import goodword.engine as e\nreal = e.Engine.submit\ndef submit(self, commands, reply):\n"
    before += "    if type(commands[0]).__name__ == 'RecordClick': raise e.Overloaded\n    real(self, commands, reply)\n"
    before += "e.Engine.submit = submit\n"
    with Server(data, before=before) as server:
        shop = Shop(server, make_key(data, Scope.ADMIN))
        shop.launch()
        answer = shop.follow(shop.link()["code"])
        assert answer.status == 302
        expected = "https://shop.example.com/welcome?lang=en&utm_source=goodword&utm_campaign=friends%20%26%20family#top"
        assert answer.headers["location"] == expected
        assert LOST in shop.follow("nobodys-code").body.decode()
        assert 'goodword_share_links_total{outcome="unrecorded"} 2' in server.get("/metrics").body.decode()


# -- QR codes and the tag --------------------------------------------------------------------------------------------


def test_qr_codes(shop: Shop, code: str) -> None:
    svg, png = (shop.follow(f"{code}/qr.{kind}") for kind in ("svg", "png"))
    assert (svg.status, svg.headers["content-type"]) == (200, "image/svg+xml")
    assert b"<svg" in svg.body
    assert (png.status, png.headers["content-type"]) == (200, "image/png")
    assert png.body.startswith(b"\x89PNG\r\n")
    assert len(shop.follow(f"{code}/qr.png?scale=20").body) > len(png.body)
    assert shop.follow(f"{code}/qr.png?scale=999999999").status == 200
    assert shop.follow(f"{code}/qr.png?scale=x").body == png.body
    assert shop.follow(f"{code}/qr.svg", "HEAD").body == b""
    assert shop.follow("nobodys-code/qr.svg").status == 404
    assert shop.follow(f"{code.upper()}/qr.svg").body == svg.body


def test_the_tag_is_small_cached_and_speaks_to_nobody_else(shop: Shop) -> None:
    import gzip

    plain = shop.server.get("/goodword.js")
    assert plain.headers["content-type"].startswith("text/javascript")
    assert len(gzip.compress(plain.body, 9)) < 4_096
    assert b"https://" not in plain.body.replace(b"https://HOST", b"").replace(b'"https:"', b"")
    packed = shop.server.request("GET", "/goodword.js", headers={"Accept-Encoding": "br, gzip"})
    assert gzip.decompress(packed.body) == plain.body
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    again = shop.server.request("GET", "/goodword.js", headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert "max-age" in plain.headers["cache-control"]

"""An advocate's share page: who may open it, what it shows, and that sharing on it is remembered; no browser needed."""

from __future__ import annotations

import base64
import hmac
import json
import time
import urllib.parse
import uuid
from hashlib import sha256
from typing import Any

import pytest

from goodword.core.account import Scope
from tests.hosted.conftest import CHROME, PROGRAM, SECRET, Brand
from tests.running import make_key, rows

GONE = "This page is not available"


def packed(said: Any) -> str:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def web_token(kid: str, secret: str = SECRET, **claims: Any) -> str:
    signed = f"{packed({'alg': 'HS256', 'kid': kid})}.{packed({'exp': time.time() + 120, **claims})}"
    return f"{signed}.{packed(hmac.new(secret.encode(), signed.encode(), sha256).digest())}"


@pytest.fixture(scope="module")
def kid(brand: Brand) -> str:
    """The id of a key whose signing secret the brand's server signs with."""
    make_key(brand.server.data, Scope.SERVER, signing_secret=SECRET)
    ((found,),) = rows(brand.server.data, "SELECT id FROM api_key WHERE scopes = 'server' ORDER BY created_at DESC LIMIT 1")
    return str(found)


# -- who may open it -------------------------------------------------------------------------------------------------


def test_a_signed_address_opens_the_persons_own_page_and_makes_their_link(brand: Brand) -> None:
    person = brand.person()
    html = brand.shown(brand.page(person))
    assert "Give €10, get €20" in html
    assert "For orders of €50 or more." in html
    assert f"/s/{brand.code(person)}" in html
    brand.shown(brand.page(person))
    assert len(brand.done("GET", f"/v5/persons/{person}/shareables")) == 1


@pytest.mark.parametrize("token", ["", "?t=", "?t=abc", "?t=abc.def", "?jwt=a.b.c", "?t=%00&t=2"])
def test_without_a_token_of_ours_nothing_is_shown(brand: Brand, token: str) -> None:
    answer = brand.server.get(f"/share/{PROGRAM}{token}")
    assert answer.status == 404
    assert GONE in answer.body.decode()
    assert "Fernweh" not in answer.body.decode()


def test_a_token_opens_no_other_program(brand: Brand) -> None:
    brand.launch("other", "other-program")
    path = brand.page(brand.person())
    assert brand.server.get(path.replace(PROGRAM, "other-program")).status == 404
    assert brand.server.get(path.replace(PROGRAM, "raf")).status == 200, "the program's campaign is a name of it too"


def test_a_deleted_persons_page_and_a_blocked_ones_say_so_and_show_nothing(brand: Brand) -> None:
    deleted, blocked = brand.person("Bertha"), brand.person("Cora")
    pages = [brand.page(deleted), brand.page(blocked)]
    assert all("Give €10" in brand.shown(page) for page in pages)
    code = brand.code(deleted)
    email = brand.done("GET", f"/v5/persons/{deleted}")["identity_key_value"]
    brand.done("POST", "/v4/erasures", {"email": email})
    assert brand.call("PUT", f"/v5/persons/{blocked}/block", {"type": "REWARDS", "reason": "cheats"}).status == 200
    for page in pages:
        answer = brand.server.get(page)
        assert answer.status == 404
        assert GONE in answer.body.decode()
        assert brand.post(page.partition("?")[0], t=urllib.parse.parse_qs(page.partition("?")[2])["t"][0], channel="SMS").status == 404
    assert code not in brand.server.get(pages[0]).body.decode()


def test_a_page_lasts_as_long_as_was_asked_for(brand: Brand) -> None:
    person = brand.person()
    said = brand.call("POST", f"/v5/persons/{person}/share-page", {"label": PROGRAM, "expires_in": 59})
    assert (said.status, said.json["code"]) == (400, "invalid_parameter")
    assert brand.call("POST", f"/v5/persons/{person}/share-page", {"label": "no-program"}).json["code"] == "invalid_parameter"
    assert brand.call("POST", f"/v5/persons/{person}/share-page", {}).json["code"] == "label_is_missing"
    assert brand.call("POST", "/v5/persons/999999/share-page", {"label": PROGRAM}).json["code"] == "person_not_found"


# -- the brand's own tokens ------------------------------------------------------------------------------------------


def test_a_web_token_of_the_brand_leads_to_the_page_by_email_or_user_id(brand: Brand, kid: str) -> None:
    person = brand.person("Dora")
    email = brand.done("GET", f"/v5/persons/{person}")["identity_key_value"]
    answer = brand.server.get(f"/share/{PROGRAM}?jwt={web_token(kid, email=email)}")
    assert answer.status == 302
    assert "jwt" not in answer.headers["location"]
    html = brand.shown(answer.headers["location"])
    assert f"/s/{brand.code(person)}" in html


def test_somebody_whom_only_the_brand_knows_becomes_a_person(brand: Brand, kid: str) -> None:
    name = uuid.uuid4().hex
    token = web_token(kid, partner_user_id=name, email=f"{name}@example.com")
    first = brand.server.get(f"/share/{PROGRAM}?jwt={token}")
    brand.shown(first.headers["location"])
    (found,) = brand.done("GET", f"/v5/persons?person_keys=partner_user_id:{name}")
    assert found["identity_key_value"] == f"{name}@example.com"
    nameless = brand.server.get(f"/share/{PROGRAM}?jwt={web_token(kid, partner_user_id=uuid.uuid4().hex)}")
    answer = brand.server.get(nameless.headers["location"])
    assert answer.status == 403
    assert "Add an email address" in answer.body.decode()


def test_web_tokens_that_prove_nothing(brand: Brand, kid: str) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    make_key(brand.server.data, Scope.INGEST, signing_secret=SECRET)
    ((browser,),) = rows(brand.server.data, "SELECT id FROM api_key WHERE scopes = 'ingest' ORDER BY created_at DESC LIMIT 1")
    for token in (web_token(kid, "another secret", email=email), web_token("nobody", email=email), web_token(str(browser), email=email)):
        assert brand.server.get(f"/share/{PROGRAM}?jwt={token}").status == 404
    assert brand.server.get(f"/share/{PROGRAM}?jwt={web_token(kid, email=email, exp=time.time() - 600)}").status == 410
    assert brand.done("GET", f"/v5/persons?identity_key_value={email}") == []


# -- sharing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "begins"),
    [
        ("WHATSAPP", "https://wa.me/?text=Look%0A"),
        ("SMS", "sms:?&body=Look%0A"),
        ("EMAIL", "mailto:?subject=Something%20for%20you&body=Look%0A"),
        ("X", "https://x.com/intent/post?text=Look&url="),
        ("FACEBOOK", "https://www.facebook.com/sharer/sharer.php?u="),
        ("LINKEDIN", "https://www.linkedin.com/sharing/share-offsite/?url="),
    ],
)
def test_a_channel_is_remembered_and_opened_with_message_and_link(brand: Brand, channel: str, begins: str) -> None:
    person = brand.person()
    path, _, query = brand.page(person).partition("?")
    answer = brand.post(path, t=urllib.parse.parse_qs(query)["t"][0], channel=channel, message="Look")
    assert answer.status == 303
    assert answer.headers["location"].startswith(begins)
    link = f"http://127.0.0.1:{brand.server.port}/s/{brand.code(person)}"
    assert urllib.parse.quote(link, safe="") in answer.headers["location"]
    (share,) = brand.shares(person)
    assert (share["channel"], share["message"], share["program"]) == (channel, "Look", PROGRAM)


def test_copying_is_remembered_and_leads_nowhere_and_other_channels_are_refused(brand: Brand) -> None:
    person = brand.person()
    path, _, query = brand.page(person).partition("?")
    token = urllib.parse.parse_qs(query)["t"][0]
    assert brand.post(path, t=token, channel="COPY").status == 204
    assert brand.post(path, t=token, channel="PIGEON").status == 404
    assert brand.post(path, t="", channel="COPY").status == 404
    assert brand.post(path, t=token, channel="COPY", message="x" * 20_000).status == 413
    assert [share["channel"] for share in brand.shares(person)] == ["COPY"]


def test_past_thirty_in_ten_minutes_channels_open_and_are_not_recorded(brand: Brand) -> None:
    person = brand.person()
    path, _, query = brand.page(person).partition("?")
    token = urllib.parse.parse_qs(query)["t"][0]
    assert {brand.post(path, t=token, channel="SMS").status for _ in range(33)} == {303}
    assert len(brand.shares(person)) == 30


# -- what it shows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "says"), [("de-CH", "10\xa0€ verschenken"), ("fr", "Offrez 10\xa0€"), ("es-MX", "Regala 10\xa0€"), ("ja", "Give €10")]
)
def test_the_page_speaks_the_readers_language(brand: Brand, language: str, says: str) -> None:
    assert says in brand.shown(brand.page(brand.person()), language)


def test_the_page_is_sent_under_a_strict_policy_and_kept_by_nobody(brand: Brand) -> None:
    answer = brand.server.get(brand.page(brand.person()))
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors https://shop.example.com" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-robots-tag"] == "noindex"


def test_clicks_friends_purchases_and_rewards_are_the_advocates_own(brand: Brand) -> None:
    person, other = brand.person(), brand.person()
    page = brand.page(person)
    brand.shown(page)
    landed = brand.landed(brand.code(person))
    click = landed.partition("gw=")[2]
    friend = uuid.uuid4().hex
    message: dict[str, Any] = {"type": "track", "messageId": uuid.uuid4().hex, "userId": friend, "event": "conversion"}
    message |= {"properties": {"partner_conversion_id": friend, "cart_value": 80, "currency": "EUR"}}
    message |= {"context": {"page": {"url": f"https://shop.example.com/?gw={click}"}}}
    brand.done("POST", "/segment", {"type": "identify", "messageId": uuid.uuid4().hex, "userId": friend, "traits": {
        "email": f"{friend}@example.com", "first_name": "Zoë"}})  # fmt: skip
    brand.done("POST", "/segment", message)
    html = brand.shown(page)
    assert "<dt>Clicks</dt><dd>1</dd>" in html
    assert "<dt>Friends who joined</dt><dd>1</dd>" in html
    assert "<dt>Purchases</dt><dd>1</dd>" in html
    assert "Zoë" in html
    assert "bought, thanks to you" in html
    assert "<strong>€20</strong>" in html
    assert "Yours" in html
    assert f"{friend}@example.com" not in html
    assert "Zoë" not in brand.shown(brand.page(other))


def test_of_a_paused_campaign_the_rewards_stay_and_nothing_can_be_shared(brand: Brand) -> None:
    brand.launch("soon-over", "soon-over")
    page = brand.page(brand.person(), "soon-over")
    brand.shown(page)
    brand.done("POST", "/v2/campaigns/soon-over/pause", {})
    html = brand.shown(page)
    assert "not running at the moment" in html
    assert "Your rewards" in html
    assert 'name="channel"' not in html


def test_hostile_texts_are_shown_and_not_run(brand: Brand) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)> {friend_reward} {{7*7}} {% raw %} \u202e'
    texts = dict.fromkeys(("headline", "condition", "message", "friend_headline", "friend_text", "friend_button", "terms"), hostile)
    said = {"texts": {"en": texts | {"steps": [hostile], "words": {"copy": hostile}}}, "shows_names": True, "asks_email": True}
    brand.launch("hostile", "hostile", share={"message": hostile}, pages=said)
    person = brand.person('<b onclick="x">Eve</b>\u202e')
    html = brand.shown(brand.page(person, "hostile"))
    friends = brand.shown(brand.landed(brand.code(person)))
    for page in (html, friends):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "49" not in page.partition("</style>")[2].partition("<footer")[2]
        assert "<b onclick" not in page


# -- friends ---------------------------------------------------------------------------------------------------------


def test_a_friend_lands_on_a_page_that_leads_to_the_shop_with_the_click(brand: Brand) -> None:
    person = brand.person("Grace")
    brand.shown(brand.page(person))
    path = brand.landed(brand.code(person))
    html = brand.shown(path)
    click = path.partition("gw=")[2]
    assert "Grace gives you €10" in html
    assert f'href="https://shop.example.com/welcome?gw={click}"' in html


def test_a_first_name_that_is_not_public_is_not_said(brand: Brand) -> None:
    person = brand.person("Hilde", scope="PRIVATE")
    brand.shown(brand.page(person))
    html = brand.shown(brand.landed(brand.code(person)))
    assert "Hilde" not in html
    assert "€10 for you" in html


def test_a_page_without_a_click_and_a_dead_code_go_the_way_of_share_links(brand: Brand) -> None:
    person = brand.person()
    brand.shown(brand.page(person))
    code = brand.code(person)
    assert brand.server.get(f"/f/{code}").headers["location"] == f"/s/{code}"
    assert brand.server.get("/f/nobody-has-this?gw=x").headers["location"] == "/s/nobody-has-this"
    assert 'href="https://shop.example.com/welcome"' in brand.shown(f"/f/{code}?gw=%22%3E%3Cscript%3E")
    assert "/welcome?gw" not in brand.shown(f"/f/{code}?gw=%22%3E%3Cscript%3E")


def test_an_address_that_a_friend_leaves_is_a_browsers_identify_with_the_click(brand: Brand) -> None:
    person = brand.person()
    brand.shown(brand.page(person))
    path = brand.landed(brand.code(person))
    form, _, click = path.partition("?gw=")
    email = f"{uuid.uuid4().hex}@example.com"
    wrong = brand.post(form, gw=click, email="not an address")
    assert wrong.status == 422
    assert "does not look like an email address" in wrong.body.decode()
    assert "Saved. Now go on to the offer." in brand.post(form, gw=click, email=email).body.decode()
    (friend,) = brand.done("GET", f"/v5/persons?identity_key_value={email}")
    message: dict[str, Any] = {
        "type": "track",
        "messageId": uuid.uuid4().hex,
        "event": "conversion",
        "userId": email,
        "traits": {"email": email},
    }
    message |= {"properties": {"partner_conversion_id": email, "cart_value": 80, "currency": "EUR", "email": email}}
    message |= {"context": {"traits": {"email": email}}}
    brand.done("POST", "/segment", message)
    related = brand.done("GET", f"/v5/persons/{friend['id']}/relationships")
    assert [each["other_person_id"] for each in related] == [person]


def test_a_campaign_that_asks_for_no_address_takes_none(brand: Brand) -> None:
    brand.launch("plain", "plain")
    person = brand.person()
    brand.shown(brand.page(person, "plain"))
    path = brand.landed(brand.code(person))
    assert "<form" not in brand.shown(path)
    assert brand.post(path.partition("?")[0], gw="", email="a@example.com").status == 404


def test_a_campaign_without_a_page_sends_friends_straight_to_the_shop(brand: Brand) -> None:
    brand.launch("straight", "straight", share={"landing": "destination"})
    person = brand.person()
    brand.shown(brand.page(person, "straight"))
    answer = brand.server.get(f"/s/{brand.code(person)}", **{"User-Agent": CHROME})
    assert answer.headers["location"].startswith("https://shop.example.com/welcome?gw=")

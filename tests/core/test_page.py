"""The hosted pages' own rules: languages, colours, tokens, and what of a document's `pages` is refused."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.core import share_token
from goodword.core.campaign import Document
from goodword.core.campaign_check import check
from goodword.core.campaign_diff import diff
from goodword.core.campaign_schema import read
from goodword.core.page import contrast, ink_on, is_color, is_right_to_left, preferred
from goodword.core.profile import ProfileId
from goodword.core.share_token import Claims, Pass, issue, prove, take_apart
from goodword.document.text import examine, write

NOW = 1_800_000_000_000
SECRET = b"s" * 32
GRANTED = Pass(1, ProfileId(7), "refer-a-friend", NOW + 1)


# -- languages and colours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepts", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9", "de"),
        ("fr;q=0.2, pt-BR;q=0.8", "pt-BR"),
        ("pt", "en"),
        ("DE;q=0, fr", "fr"),
        ("ja, *;q=0.1", "en"),
        ("; q=, ,de;q=2,\x00", "en"),
        ("en;q=0.5,de;q=0.500,fr;q=0.9", "fr"),
        (",".join(["ja"] * 30) + ",de", "en"),
    ],
)
def test_a_reader_gets_the_language_they_like_best_of_those_offered(accepts: str, language: str) -> None:
    assert preferred(accepts, ["en", "de", "fr", "pt-BR"], "en") == language


def test_languages_written_from_the_right() -> None:
    assert [is_right_to_left(language) for language in ("ar", "he-IL", "de", "en-GB")] == [True, True, False, False]


@given(st.integers(0, 0xFFFFFF))
def test_ink_on_any_colour_is_read_well_enough_for_aa(number: int) -> None:
    color = f"#{number:06x}"
    assert is_color(color)
    assert contrast(ink_on(color), color) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert not is_color("red")


# -- tokens ----------------------------------------------------------------------------------------------------------


def test_a_pass_opens_until_its_time_and_no_longer() -> None:
    token = issue(SECRET, GRANTED)
    assert share_token.read(SECRET, token, NOW) == GRANTED
    assert share_token.read(SECRET, token, NOW + 1) == "expired"


@pytest.mark.parametrize("change", ["", ".", "x", "é.é", "a.!!!", "a" * 5_000])
def test_a_pass_that_we_did_not_sign_opens_nothing(change: str) -> None:
    token = issue(SECRET, GRANTED)
    body, _, signature = token.partition(".")
    assert share_token.read(SECRET, change, NOW) == "bad"
    assert share_token.read(SECRET, f"{body}{change or 'A'}.{signature}", NOW) == "bad"
    assert share_token.read(b"another" * 5, token, NOW) == "bad"


def packed(said: Any) -> str:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def web_token(header: Any, claims: Any, secret: str = "shared") -> str:
    signed = f"{packed(header)}.{packed(claims)}"
    return f"{signed}.{packed(hmac.new(secret.encode(), signed.encode(), sha256).digest())}"


HEADER = {"alg": "HS256", "kid": "k1", "typ": "JWT"}
CLAIMS = {"email": "ada@example.com", "exp": NOW / 1000 + 300}


def test_a_web_token_proves_its_claims() -> None:
    token = take_apart(web_token(HEADER, CLAIMS))
    assert token is not None
    assert token.header.kid == "k1"
    assert prove(token, "shared", NOW) == Claims(NOW / 1000 + 300, "ada@example.com")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        web_token({"alg": "none"}, CLAIMS),
        web_token({"alg": "HS512"}, CLAIMS),
        web_token(HEADER, {"email": "ada@example.com"}),
        web_token(HEADER, {"exp": NOW}),
        web_token(HEADER, {"exp": "soon", "email": "a@example.com"}),
        web_token(HEADER, b"\xff\xfe"),
        web_token(HEADER, {**CLAIMS, "more": "x" * 5_000}),
    ],
)
def test_what_is_no_web_token_that_is_taken_here(token: str) -> None:
    assert take_apart(token) is None


@pytest.mark.parametrize(
    ("claims", "secret", "found"),
    [
        (CLAIMS, "", "bad"),
        (CLAIMS, "other", "bad"),
        ({**CLAIMS, "nbf": NOW / 1000 + 120}, "shared", "bad"),
        ({**CLAIMS, "exp": NOW / 1000 - 120}, "shared", "expired"),
    ],
)
def test_a_web_token_that_proves_nothing(claims: Any, secret: str, found: str) -> None:
    token = take_apart(web_token(HEADER, claims))
    assert token is not None
    assert prove(token, secret, NOW) == found


def test_clocks_may_differ_by_a_minute() -> None:
    token = take_apart(web_token(HEADER, {"exp": NOW / 1000 - 30, "nbf": NOW / 1000 + 30, "partner_user_id": "u1"}))
    assert token is not None
    assert prove(token, "shared", NOW) == Claims(NOW / 1000 - 30, "", "u1", NOW / 1000 + 30)


# -- the document ----------------------------------------------------------------------------------------------------


def problems(**pages: Any) -> list[str]:
    """The paths of what is wrong with a document's pages."""
    said = {"campaign": "a", "program": "a", "share": {"destination": "https://shop.example/"}, "pages": pages}
    document = read(said)
    assert isinstance(document, Document), document
    return [problem.path for problem in check(document) if problem.path.startswith("pages")]


@pytest.mark.parametrize(
    ("pages", "paths"),
    [
        ({"logo": "https://shop.example/logo.svg", "accent": "#AABBCC", "band": "#000000"}, []),
        ({"logo": "data:image/png;base64,iVBORw0KGgo="}, []),
        ({"logo": "data:text/html;base64,PGI+"}, ["pages.logo"]),
        ({"logo": "data:image/png;base64," + "A" * 40_000}, ["pages.logo"]),
        ({"logo": "http://shop.example/logo.svg"}, ["pages.logo"]),
        ({"logo": "javascript:alert(1)"}, ["pages.logo", "pages.logo"]),
        ({"accent": "red", "band": "#12345"}, ["pages.accent", "pages.band"]),
        ({"accent": ""}, ["pages.accent"]),
        ({"accent": "#0b5cad;}"}, ["pages.accent"]),
        ({"language": "german"}, ["pages.language"]),
        ({"channels": ["SMS", "SMS"]}, ["pages.channels[1]"]),
        ({"terms_url": "nowhere", "privacy_url": "https://shop.example/p"}, ["pages.terms_url"]),
        ({"embed": ["https://shop.example", "https://*.shop.example", "http://localhost:3000"]}, []),
        ({"embed": ["*", "https://*", "https://a.*.example", "https://shop.example/x", "x y"]}, [f"pages.embed[{i}]" for i in range(5)]),
        ({"embed": ["https://shop.example"] * 21}, ["pages.embed"]),
        ({"texts": {"de": {"headline": "x" * 501, "steps": ["y"] * 6, "words": {"copy": "\0"}}}}, [
            "pages.texts.de.headline", "pages.texts.de.steps", "pages.texts.de.words.copy",
        ]),
        ({"texts": {"de": {"steps": ["y" * 501]}}}, ["pages.texts.de.steps[0]"]),
        ({"texts": {"Deutsch": {}}}, ["pages.texts.Deutsch"]),
    ],
)  # fmt: skip
def test_pages_that_make_no_sense_are_refused_each_with_its_path(pages: Any, paths: list[str]) -> None:
    assert problems(**pages) == paths


def test_texts_by_language_survive_writing_and_are_compared_one_by_one() -> None:
    text = "campaign: a\nprogram: a\npages:\n  texts:\n    de: {headline: Hallo, words: {copy: Kopieren}}\n"
    before = examine(text).document
    assert before is not None
    assert examine(write(before)).document == before
    after = examine(text.replace("Hallo", "Servus")).document
    assert after is not None
    assert [(each.path, each.before, each.after) for each in diff(before, after)] == [("pages.texts.de.headline", "Hallo", "Servus")]

"""Where clicks come from (cheats.md 15, 16), and what acts of sharing may be (19)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goodword.core.profile import ProfileId
from goodword.core.quality import Quality
from goodword.core.referral import Share
from goodword.core.rule.share import judge_share
from goodword.core.site import AD_SITES, COUPON_SITES, ad_mark, is_coupon_site, is_listed, tidy


@pytest.mark.parametrize(
    "site",
    [
        "retailmenot.com",
        "www.retailmenot.com/view/shop",
        "uk.retailmenot.com",
        "https://RetailMeNot.com:443/x?y#z",
        "groupon.com/coupons/shop",
        "reddit.com/r/referralcodes",
        "old.reddit.com/r/referrals/comments/1",
        "mega-coupons.example",
        "gutschein.shop.example",
        "google.com/aclk",
    ],
)
def test_coupon_and_advertising_sites(site: str) -> None:
    assert is_coupon_site(site)


@pytest.mark.parametrize(
    "site",
    [
        "",
        "jane.blog.example/my-coupon-code",
        "reddit.com/r/cake",
        "groupon.com",
        "groupon.com/couponsandmore",
        "google.com",
        "bigdeal.example",
        "notretailmenot.com",
        "facebook.com",
    ],
)
def test_other_sites(site: str) -> None:
    assert not is_coupon_site(site)


def test_a_campaigns_own_lists() -> None:
    assert is_coupon_site("mine.example/codes/x", ["mine.example/codes"])
    assert not is_coupon_site("mine.example/x", ["mine.example/codes"])
    assert not is_coupon_site("retailmenot.com/x", allowed=["retailmenot.com"])


def test_the_kept_list_is_tidy() -> None:
    sites = [*COUPON_SITES, *AD_SITES]
    assert len(set(sites)) == len(sites)
    assert all(tidy(site) == site and is_listed(site) for site in sites)


@given(st.text(max_size=60))
@example("0\r:")
def test_whatever_is_said_of_a_page_is_read(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text) or "://" in text
    assert ad_mark(text) == "" or "=" in text
    is_coupon_site(text)


@pytest.mark.parametrize(
    ("address", "mark"),
    [
        ("https://shop.example/?gw=abc&gclid=1", "gclid"),
        ("https://shop.example/?utm_source=x&UTM_MEDIUM=CPC", "utm_medium"),
        ("utm_medium=Paid%20Search", "utm_medium"),
        ("msclkid=1&x=2#gclid=3", "msclkid"),
        ("https://shop.example/?fbclid=1&utm_medium=referral", ""),
        ("https://shop.example/#gclid=3", ""),
        ("https://[bad/?x", ""),
        ("", ""),
    ],
)
def test_marks_of_advertisements(address: str, mark: str) -> None:
    assert ad_mark(address) == mark


# -- sharing ---------------------------------------------------------------------------------------------------------


def shared(shares: int = 0, received: dict[str, int] | None = None, terms: dict[str, Any] | None = None, **said: Any) -> dict[str, str]:
    share = Share(1, ProfileId(2), 0, "EMAIL", "adam-4711", "p", "c", **{"recipients": ("fay@mail.example",), **said})
    results = judge_share(msgspec.convert(terms or {}, Quality), share, shares, received or {})
    assert all(each.why or each.result == "PASS" for each in results)
    return {each.rule: each.result for each in results}


def test_an_ordinary_share_passes() -> None:
    message = "Hi Fay, you will like this: https://go.shop.example/s/Adam-4711 See you!"
    assert set(shared(message=message, subject="for you").values()) == {"PASS"}
    assert shared(recipients=()) == {"mass_shares": "PASS", "share_recipients": "PASS", "email_rate": "PASS", "spam_content": "PASS"}


def test_cheat_19_mass_mailing_to_strangers() -> None:
    many = tuple(f"x{number}@mail.example" for number in range(501))
    assert shared(recipients=many)["share_recipients"] == "FAIL"
    assert shared(recipients=many[:40], shares=60)["mass_shares"] == "PASS"
    assert shared(recipients=many[:41], shares=60)["mass_shares"] == "REVIEW", "a wedding's list waits"
    assert shared(received={"fay@mail.example": 5})["email_rate"] == "FAIL"
    assert shared(received={"fay@mail.example": 4})["email_rate"] == "PASS"
    assert shared(received={"fay@mail.example": 5}, recipients=("fay@mail.example", "new@mail.example"))["email_rate"] == "PASS"


@pytest.mark.parametrize(
    "message", ["Earn MONEY fast? Make money!", "look: https://evil.example/x", "www.evil.example", "free money, really"]
)
def test_words_and_links_that_friends_do_not_write(message: str) -> None:
    assert shared(message=message)["spam_content"] == "FAIL"


def test_words_inside_of_others_are_none() -> None:
    assert shared(message="We are in Essexxx, at the nudelhaus.")["spam_content"] == "PASS"
    assert shared(message="make money", terms={"spam_content": {"words": []}})["spam_content"] == "PASS"
    assert shared(message="https://evil.example", terms={"spam_content": {"links": False}})["spam_content"] == "PASS"


def test_fewest_and_most_shares() -> None:
    terms = {"share_count": {"action": "refuse", "min": 2, "max": 5}}
    assert [shared(shares=number, terms=terms)["share_count"] for number in (1, 2, 4, 5)] == ["FAIL", "PASS", "PASS", "FAIL"]


def test_rules_of_sharing_that_are_off_say_nothing() -> None:
    names = ("mass_shares", "share_recipients", "email_rate", "spam_content")
    assert shared(terms={name: {"action": "off"} for name in names}) == {}

"""What a message means to an account: names, who it is about, parameters, audiences, claims, money."""

from __future__ import annotations

from typing import Any

import pytest

from goodword.core import event as events
from goodword.core.account import COMMERCE_FIELDS, PRESETS, EventMapping, Settings, mapping_of
from goodword.core.event import Understood, conversion_claim, header_settings, understand
from goodword.core.message import Rejection
from tests.core.world import grasp, message

SHOP = Settings(events={name.casefold(): mapping for name, mapping in PRESETS["segment-ecommerce"].items()})


def track(event: str, settings: Settings | None = None, **properties: Any) -> Understood:
    return grasp({"type": "track", "event": event, "userId": "u", "properties": properties}, settings)


def identify(traits: dict[str, Any], settings: Settings | None = None, **more: Any) -> Understood:
    return grasp({"type": "identify", "traits": traits, **more}, settings)


# -- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["firstName", "first_name", "FirstName", "firstname", "first name", "FIRST_NAME"])
def test_the_four_fields_are_one_field_in_any_casing(name: str) -> None:
    found = identify({name: "Jane", name.replace("irst", "xxx"): "kept"}, userId="u")
    assert found.parameters == {"first_name": "Jane", name.replace("irst", "xxx"): "kept"} or "FIRST" in name


def test_traits_name_the_person_and_the_rest_is_kept_as_sent() -> None:
    found = identify({"userId": " u1 ", "Email": " Jane@Example.COM ", "last_name": "Doe", "Plan Type": "gold", "age": 25, "gone": None})
    assert found.keys == ("uu1", "ejane@example.com")
    assert found.parameters == {"email": "jane@example.com", "last_name": "Doe", "Plan Type": "gold", "age": 25, "gone": None}


def test_the_messages_own_user_id_is_stronger_than_a_trait() -> None:
    assert identify({"userId": "trait"}, userId="own", anonymousId="d").keys == ("uown", "ad")
    assert identify({"partner_user_id": 5}).keys == ("u5",)
    junks: list[object] = [None, True, [], {}, "guest", "", 0]
    for junk in junks:
        assert identify({"userId": junk}, anonymousId="d").keys == ("ad",)
    assert identify({"userId": 5.0}, anonymousId="d").keys == ("u5", "ad")


@pytest.mark.parametrize("said", ["junk", "a@b@c", "@x.y", "x@", "a b@c.d", 5, [], None, "x" * 250 + "@ex.com"])
def test_a_trait_that_is_no_address_is_plain_data(said: Any) -> None:
    found = identify({"email": said}, userId="u")
    assert found.keys == ("uu",)
    assert found.parameters == {"email": said}


def test_a_message_about_nobody_is_refused() -> None:
    for said in (
        {"type": "identify", "traits": {"a": 1}},
        {"type": "track", "event": "x"},
        {"type": "page"},
        {"type": "group", "groupId": "g", "userId": "null"},
        {"type": "track", "event": "conversion", "properties": {"cart_value": "1"}},
    ):
        found = understand(message(said), Settings())
        assert isinstance(found, Rejection)
        assert found.code == "missing_id"


def test_an_arbitrary_events_email_is_not_the_persons() -> None:
    found = track("Invite Sent", email="friend@example.com")
    assert found.keys == ("uu",)
    assert found.parameters is None
    assert track("returned", SHOP, email="friend@example.com").keys == ("uu",)
    assert track("Order Refunded", SHOP, email="friend@example.com").keys == ("uu",)


@pytest.mark.parametrize("event", ["registration", "conversion", "Signed Up", "ORDER COMPLETED"])
def test_a_registrations_and_a_conversions_own_email_is(event: str) -> None:
    found = track(event, SHOP, email="Jane@Example.com", first_name="Jane", firstName="J", other=1)
    assert found.keys == ("uu", "ejane@example.com")
    assert found.parameters == {"email": "jane@example.com", "first_name": "J"}


def test_a_registrations_properties_may_name_the_user() -> None:
    found = grasp({"type": "track", "event": "registration", "properties": {"partner_user_id": 7, "email": "not one"}})
    assert (found.keys, found.parameters) == (("u7",), None)
    found = grasp({"type": "track", "event": "registration", "userId": "u", "properties": {"partner_user_id": 7}})
    assert found.keys == ("uu",)


def test_the_email_of_the_context_names_the_person_of_any_message() -> None:
    context = {"traits": {"email": "Jane@example.com", "other": 1}}
    for said in (
        {"type": "track", "event": "viewed"},
        {"type": "page"},
        {"type": "group", "groupId": "g"},
        {"type": "track", "event": "conversion"},
    ):
        assert grasp({**said, "context": context}).keys == ("ejane@example.com",)
    assert grasp({"type": "page", "userId": "u", "context": {"traits": {"other": 1}}}).keys == ("uu",)


@pytest.mark.parametrize(
    ("said", "keys"),
    [
        ({"userId": "u", "previousId": "d"}, ("uu", "ad")),
        ({"userId": "u", "previousId": "Old@Example.com"}, ("uu", "eold@example.com")),
        ({"userId": "u", "anonymousId": "d", "previousId": "Old@Example.com"}, ("uu", "eold@example.com", "ad")),
        ({"anonymousId": "d", "previousId": "u0"}, ("uu0", "ad")),
        ({"anonymousId": "d", "previousId": "old@example.com"}, ("eold@example.com", "ad")),
    ],
)
def test_an_alias_links_its_previous_id_to_the_user(said: dict[str, Any], keys: tuple[str, ...]) -> None:
    assert grasp({"type": "alias", **said}).keys == keys


def test_group_sets_the_group_id_and_page_nothing() -> None:
    assert grasp({"type": "group", "groupId": "g", "userId": "u"}).parameters == {"group_id": "g"}
    page = grasp({"type": "page", "name": "Home", "userId": "u"})
    assert (page.name, page.flags, page.parameters) == ("", 0, None), "a page's title may name a person"
    kept = grasp({"type": "screen", "name": "Home", "userId": "u"}, Settings(stores_pages=True))
    assert (kept.name, kept.flags) == ("Home", events.IS_EVENT)


def test_where_it_was_said_and_the_default_scope_are_kept() -> None:
    found = grasp({"type": "page", "userId": "u", "channel": "browser"}, Settings(default_scope="PRIVATE"))
    assert (found.flags, found.scope) == (events.FROM_BROWSER, "PRIVATE")


def test_an_account_may_ignore_unmapped_traits_but_not_audiences() -> None:
    ignoring = Settings(unmapped_traits="ignore")
    assert identify({"firstName": "J", "plan": 1}, ignoring, userId="u").parameters == {"first_name": "J"}
    vip = identify({"vip": True}, ignoring, userId="u", context={"personas": {"computation_key": "vip"}})
    assert (vip.parameters, vip.is_member) == ({"vip": True}, True)


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["registration", "Registration", "REGISTRATION", " registration "])
def test_the_default_names_in_any_case(name: str) -> None:
    assert track(name).name == "registration"
    assert mapping_of(Settings(), name.strip()) == EventMapping("registration")


def test_another_name_is_kept_as_sent() -> None:
    found = track("Product Viewed")
    assert (found.name, found.claim, found.flags) == ("Product Viewed", None, events.IS_EVENT)


def test_a_mapped_name_is_stored_under_the_canonical_one() -> None:
    settings = Settings(events={"straße".casefold(): EventMapping(" conversion ", {"partner_conversion_id": ["nr", "no"]})})
    found = track("STRASSE", settings, nr="", no=5)
    assert (found.name, found.claim) == ("conversion", "cconversion\x005")


def test_an_accounts_mapping_is_stronger_than_the_default() -> None:
    assert track("conversion", Settings(events={"conversion": EventMapping("paid")})).name == "paid"


def test_segments_commerce_fields() -> None:
    found = track("Order Completed", SHOP, order_id="A-1", revenue="1", total=99.99, currency="eur")
    assert (found.name, found.claim, found.amount, found.currency) == ("conversion", "cconversion\0a-1", 9999, "EUR")
    found = track("Order Completed", SHOP, partner_conversion_id=" B ", order_id="A-1", cart_value="5", total=99.99)
    assert (found.claim, found.amount, found.currency) == ("cconversion\0b", 500, "USD")
    assert track("Order Completed", SHOP, checkout_id="C", value="3").claim == "cconversion\0c"
    assert (track("Order Refunded", SHOP).name, track("order cancelled", SHOP).name) == ("returned", "canceled")
    assert track("Order Refunded", SHOP, order_id="A-1").claim is None  # a later event may carry the order's id


# -- claims ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["Order-1", " order-1 ", "ORDER-1", "\torder-1\n"])
def test_a_conversions_id_counts_without_regard_to_case_and_space(said: str) -> None:
    assert track("conversion", partner_conversion_id=said).claim == conversion_claim("order-1") == "cconversion\0order-1"


@pytest.mark.parametrize("said", ["Caf\u00e9-1", "Cafe\u0301-1", "CAFE\u0301-1 ", "caf\u00e9\u200b-1", "\ufeffcaf\u00e9-1"])
def test_an_order_is_one_however_its_id_is_spelled(said: str) -> None:
    assert track("conversion", partner_conversion_id=said).claim == "cconversion\0caf\u00e9-1"


def test_ids_of_nothing_that_is_seen_are_told_apart() -> None:
    claims = {track("conversion", partner_conversion_id=said).claim for said in ("\u200b", "\u200d", "order\u200b")}
    assert len(claims) == 3


def test_a_conversion_that_nobody_mapped_finds_its_order_as_its_return_does() -> None:
    found = track("conversion", order_id="order-1", total=9.5)
    assert (found.claim, found.amount, found.flags & events.UNKEYED) == (conversion_claim("order-1"), 950, 0)
    both = track("conversion", order_id="other", partner_conversion_id="order-1", total=1, cart_value="9.50")
    assert (both.claim, both.amount) == (conversion_claim("order-1"), 950)


@pytest.mark.parametrize("name", ["partner_conversion_id", "partnerConversionId", "Partner_Conversion_ID", "partner conversion id"])
def test_the_fields_of_an_event_are_one_field_in_any_casing(name: str) -> None:
    properties: dict[str, Any] = {"cartValue": "9.50", "cart_value": None, name: "order-1"}
    found = track("conversion", **properties)
    assert (found.claim, found.amount, found.flags & events.UNKEYED) == (conversion_claim("order-1"), 950, 0)
    both = track("conversion", partnerConversionId="other", partner_conversion_id="order-1")
    assert both.claim == conversion_claim("order-1")


def test_conversion_ids_that_differ_stay_different() -> None:
    claims = {track("conversion", partner_conversion_id=one).claim for one in ("1", 2, 2.5, 2**64, 2**64 + 1, "a b", "ab", "1\x00")}
    assert len(claims) == 8


@pytest.mark.parametrize("junk", [None, "", "null", True, [], {}, "0", 0])
def test_a_conversion_without_its_id_is_kept_and_flagged(junk: Any) -> None:
    found = track("conversion", partner_conversion_id=junk)
    assert (found.claim, found.flags) == (None, events.IS_EVENT | events.UNKEYED)
    assert not track("registration").flags & events.UNKEYED


def test_a_conversion_that_names_nobody_counts_by_its_id() -> None:
    found = grasp({"type": "track", "event": "conversion", "properties": {"partner_conversion_id": "o"}})
    assert (found.keys, found.claim) == ((), "cconversion\0o")


def test_other_events_may_carry_an_id_of_their_own() -> None:
    assert track("Shipped", partner_event_id="S1").claim == "pshipped\0s1"
    assert track("Shipped", SHOP, partner_event_id=None).claim is None
    assert track("Order Refunded", SHOP, partner_event_id="R1").claim == "preturned\0r1"
    assert track("registration", partner_event_id="R1").claim is None


# -- money -----------------------------------------------------------------------------------------------------------


def test_the_value_is_read_exactly_or_refused_and_flagged() -> None:
    found = track("conversion", partner_conversion_id="o", cart_value="99.99", currency="jpy")
    assert (found.amount, found.currency, found.flags) == (100, "JPY", events.IS_EVENT)
    found = track("conversion", Settings(currency="EUR"), partner_conversion_id="o", cart_value="99.99")
    assert (found.amount, found.currency) == (9999, "EUR")
    found = track("conversion", partner_conversion_id="o", cart_value="99,99")
    assert (found.amount, found.currency, found.flags) == (None, None, events.IS_EVENT | events.VALUE_REFUSED)
    assert found.notes == ("cart_value is not a plain decimal number such as 99.99",)
    found = track("conversion", partner_conversion_id="o", cart_value=None)
    assert (found.amount, found.flags & events.VALUE_REFUSED, found.notes) == (None, 0, ())
    assert track("conversion", partner_conversion_id="o").amount is None


# -- audiences and computed traits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "is_member"),
    [(True, True), (False, False), ("true", True), ("TRUE", True), ("false", False), ("x", None), (1, None), (None, None)],
)
def test_an_audience_arrives_as_a_trait(value: Any, is_member: bool | None) -> None:
    personas = {"computation_class": "audience", "computation_key": "vip"}
    found = identify({"vip": value}, userId="u", context={"personas": personas})
    assert found.parameters == {"vip": value}
    assert (found.audience.key if found.audience else None, found.is_member) == ("vip" if is_member is not None else None, bool(is_member))


@pytest.mark.parametrize(
    ("event", "properties", "is_member"),
    [
        ("Audience Entered", {"audience_key": "vip", "vip": True}, True), ("Audience Exited", {"audience_key": "vip", "vip": False}, False),
        ("audience entered", {"audience_key": "vip"}, True), ("AUDIENCE EXITED", {"audience_key": "vip"}, False),
        ("Audience Entered", {"audience_key": "vip", "vip": "true"}, True),
    ],
)  # fmt: skip
def test_an_audience_arrives_as_a_track(event: str, properties: dict[str, Any], is_member: bool) -> None:
    found = track(event, **properties)
    assert found.audience is not None
    assert (found.audience.key, found.is_member) == ("vip", is_member)
    assert found.parameters == {"vip": properties.get("vip", is_member)}


def test_an_audience_track_may_name_it_in_the_context_alone() -> None:
    context = {"personas": {"computation_class": "audience", "computation_key": "vip", "computation_id": "aud_1"}}
    found = grasp({"type": "track", "event": "Audience Entered", "userId": "u", "context": context})
    assert found.audience is not None
    assert (found.audience.key, found.audience.id, found.is_member) == ("vip", "aud_1", True)
    nameless = grasp({"type": "track", "event": "Audience Entered", "userId": "u", "properties": {"audience_key": 5}})
    assert (nameless.audience, nameless.parameters) == (None, None)


def test_a_computed_trait_is_a_parameter_and_no_audience() -> None:
    assert track("Trait Computed", trait_key="ltv", ltv=12.5).parameters == {"ltv": 12.5}
    for said in ({}, {"trait_key": "ltv"}, {"trait_key": 5, "5": 1}):
        assert track("Trait Computed", **said).parameters is None
    found = identify({"ltv": True}, userId="u", context={"personas": {"computation_class": "trait", "computation_key": "ltv"}})
    assert (found.audience, found.parameters) == (None, {"ltv": True})


# -- X-Segment-Settings ----------------------------------------------------------------------------------------------


def test_segments_settings_page_is_laid_over_the_accounts() -> None:
    mine = Settings(events={"paid": EventMapping("conversion", {"cart_value": ["sum"]}), "joined": EventMapping("other")}, currency="EUR")
    laid = header_settings(
        mine, {"registrationEvents": "Joined, Signed Up,", "conversionEvents": ["Paid", " Order Completed "], "apiKey": "x"}
    )
    assert isinstance(laid, Settings)
    assert laid.currency == "EUR"
    assert laid.events == {
        "paid": EventMapping("conversion", {"cart_value": ["sum"]}), "joined": EventMapping("registration"),
        "signed up": EventMapping("registration"), "order completed": EventMapping("conversion", COMMERCE_FIELDS),
    }  # fmt: skip
    assert mine.events["joined"] == EventMapping("other")


def test_unmapped_traits_by_segments_settings_page() -> None:
    assert header_settings(Settings(), {"unmappedTraits": "ignore"}) == Settings(unmapped_traits="ignore")
    assert header_settings(Settings(unmapped_traits="ignore"), {"unmappedTraits": ""}) == Settings(unmapped_traits="ignore")
    assert header_settings(Settings(), {}) == Settings()


@pytest.mark.parametrize(
    "said", [None, [], 5, {"registrationEvents": 5}, {"conversionEvents": [5]}, {"unmappedTraits": "maybe"}, {"unmappedTraits": 5}]
)
def test_a_wrong_settings_header_says_what_is_wrong(said: object) -> None:
    found = header_settings(Settings(), said)
    assert isinstance(found, str)
    assert "X-Segment-Settings" in found

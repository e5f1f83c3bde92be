"""Messages as they arrive: every type, ids of every kind, times, limits, and bytes that are nearly JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodword.core.message import (
    DEPTH_MAX,
    ID_CHARS_MAX,
    JUNK_IDS,
    MESSAGE_BYTES_MAX,
    NAME_CHARS_MAX,
    Batch,
    Computed,
    Message,
    Rejection,
    clean_text,
    read_batch,
    read_object,
)
from tests.core.world import NOW, message, read


def refused(said: dict[str, Any] | bytes, **how: Any) -> str:
    found = read(said, **how)
    assert isinstance(found, Rejection), found
    assert found.reason
    return found.code


# -- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["identify", "page", "screen", "delete", "Identify", "PAGE"])
def test_a_type_is_read_in_any_case(kind: str) -> None:
    assert message({"type": kind, "userId": "u"}).type == kind.lower()


def test_the_door_names_the_type_where_the_message_names_none() -> None:
    assert message({"event": "x", "userId": "u"}, type_hint="track").type == "track"
    assert message({"type": "page", "userId": "u"}, type_hint="track").type == "page"


@pytest.mark.parametrize("kind", [None, "", 5, True, ["track"], {"a": 1}])
def test_no_type_is_refused(kind: object) -> None:
    assert refused({"type": kind, "userId": "u"}) == "missing_type"


def test_an_unknown_type_is_refused_as_not_supported() -> None:
    assert refused({"type": "teleport", "userId": "u"}) == "unsupported_type"


def test_track_keeps_its_properties_undecoded_and_its_event_name() -> None:
    found = message({"type": "track", "event": " Order\0 Completed ", "userId": "u", "properties": {"a": 1}})
    assert (found.name, found.properties) == ("Order Completed", b'{"a": 1}')
    assert message({"type": "track", "event": 7, "userId": "u"}).name == "7"


@pytest.mark.parametrize("event", [None, "", "  ", "\0", True, {}, []])
def test_track_without_an_event_name_is_refused(event: object) -> None:
    assert refused({"type": "track", "event": event, "userId": "u"}) == "missing_event"


def test_a_long_event_name_is_cut_and_says_so() -> None:
    found = message({"type": "track", "event": "x" * 201, "userId": "u"})
    assert found.name == "x" * NAME_CHARS_MAX
    assert found.notes == ("event name cut to 200 characters",)


def test_page_and_screen_may_have_a_name() -> None:
    assert message({"type": "page", "name": " Home ", "userId": "u"}).name == "Home"
    assert message({"type": "screen", "name": 5, "userId": "u"}).name == ""


def test_group_needs_a_group_and_alias_a_previous_id() -> None:
    assert message({"type": "group", "groupId": 5, "userId": "u"}).group_id == "5"
    assert message({"type": "alias", "previousId": "old", "userId": "u"}).previous_id == "old"
    bads: list[object] = [None, "", {}, "undefined", "x" * 1001]
    for bad in bads:
        assert refused({"type": "group", "groupId": bad, "userId": "u"}) == "missing_id"
        assert refused({"type": "alias", "previousId": bad, "userId": "u"}) == "missing_id"


def test_the_go_shaped_delete_is_read() -> None:
    found = message(
        {
            "type": "delete", "channel": "server", "userId": "056tf9eqw24", "context": [], "integrations": None, "version": 2,
            "messageId": "delete-reg-1::job-2", "originalTimestamp": "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.077",
        }
    )  # fmt: skip
    assert (found.type, found.user_id, found.message_id, found.at) == ("delete", "056tf9eqw24", "delete-reg-1::job-2", 1589068489209)
    assert refused({"userId": "056tf9eqw24"}) == "missing_type"  # the bare shape is the destination door's own


# -- ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["userId", "anonymousId"])
@pytest.mark.parametrize(
    ("said", "read_as"),
    [
        ("u1", "u1"), ("  u1 ", "u1"), (5, "5"), (5.0, "5"), (5.5, "5.5"), (-7, "-7"), (2**64 + 1, "18446744073709551617"),
        (-(2**63) - 1, "-9223372036854775809"), (10**25 + 1, "10000000000000000000000001"), (1e20, "100000000000000000000"),
        ("", None), (None, None), ("0", None), (0, None), (0.0, None), ("00000000-0000-0000-0000-000000000000", None), (" ", None),
        ("Überraschung", "Überraschung"), ("😀", "😀"),
    ],
)  # fmt: skip
def test_ids_are_read_as_text_and_junk_as_absent(field: str, said: object, read_as: str | None) -> None:
    found = message({"type": "identify", field: said})
    assert (found.user_id if field == "userId" else found.anonymous_id) == read_as


@pytest.mark.parametrize(
    "junk", sorted({"", "null", "undefined", "anonymous", "guest", "none", "nan", "-1", "[object Object]", "0", "000"})
)
def test_the_junk_list_in_any_case(junk: str) -> None:
    assert junk.lower() in JUNK_IDS or not junk.strip("0")
    for said in (junk, junk.upper(), junk.title(), f" {junk} "):
        assert message({"type": "identify", "userId": said, "anonymousId": said}).user_id is None
        assert message({"type": "identify", "userId": said, "anonymousId": said}).anonymous_id is None


@pytest.mark.parametrize("said", [[], ["u"], {}, {"id": 1}, True, False, "x" * (ID_CHARS_MAX + 1)])
def test_an_id_that_is_no_id_is_refused(said: object) -> None:
    assert refused({"type": "identify", "userId": said}) == "invalid_id"
    assert refused({"type": "identify", "anonymousId": said}) == "invalid_id"
    if not isinstance(said, str):  # a message id is bounded by the message
        assert refused({"type": "identify", "messageId": said, "userId": "u"}) == "invalid_id"


def test_a_message_id_is_the_senders_or_the_doors() -> None:
    assert message({"type": "identify", "messageId": "m"}).message_id == "m"
    assert message({"type": "identify", "messageId": 5}).message_id == "5"
    for absent in (None, "", "null"):
        said: dict[str, Any] = {"type": "identify", "messageId": absent}
        assert message(said).message_id == ("null" if absent == "null" else "fallback")


# -- times -----------------------------------------------------------------------------------------------------------


def test_the_time_is_the_timestamp_else_the_original_one_else_now() -> None:
    assert (
        message({"type": "identify", "timestamp": "2024-01-01T00:00:00Z", "originalTimestamp": "2023-01-01T00:00:00Z"}).at == 1704067200000
    )
    assert message({"type": "identify", "originalTimestamp": "2023-01-01T00:00:00Z"}).at == 1672531200000
    assert message({"type": "identify"}).at == NOW
    assert message({"type": "identify"}).notes == ()


@pytest.mark.parametrize("said", ["2024-02-30T00:00:00Z", "yesterday", "", "1969-12-31T23:59:59Z", True, [], {}, -5, 1e300])
def test_an_impossible_time_counts_as_now_and_says_so(said: object) -> None:
    found = message({"type": "identify", "timestamp": said})
    assert (found.at, found.notes) == (NOW, ("timestamp unreadable; time of receipt used",))


def test_a_time_in_the_future_counts_as_now_and_says_so() -> None:
    found = message({"type": "identify", "timestamp": NOW + 1})
    assert (found.at, found.notes) == (NOW, ("timestamp in the future; time of receipt used",))
    assert message({"type": "identify", "timestamp": NOW}).notes == ()


def test_clock_skew_is_taken_out_as_segment_does() -> None:
    said = {"type": "identify", "timestamp": "2024-01-01T00:00:00Z", "sentAt": "2024-01-01T00:00:10Z"}
    assert message(said, corrects_skew=True).at == NOW - 10_000
    assert message(said).at == 1704067200000
    del said["sentAt"]
    assert message(said, corrects_skew=True).at == 1704067200000
    assert message(said, corrects_skew=True, sent_at="2024-01-01T00:00:03Z").at == NOW - 3_000
    said["sentAt"] = "2024-01-01T00:00:01Z"
    assert message(said, corrects_skew=True, sent_at="2024-01-01T00:00:03Z").at == NOW - 1_000
    said["sentAt"] = "junk"
    assert message(said, corrects_skew=True).at == 1704067200000
    assert message({"type": "identify", "timestamp": 1, "sentAt": "9999-01-01T00:00:00Z"}, corrects_skew=True).at == 0


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, NOW), st.integers(0, 10**7), st.integers(-(10**9), 10**9))
def test_a_wrong_clock_does_not_matter_where_the_time_of_sending_is_said(at: int, waited: int, wrong: int) -> None:
    """Received right away: however wrong the sender's clock, the corrected time is how long ago it happened."""
    happened, sent = at + wrong, at + waited + wrong
    if happened < 10**12 or sent < 10**12:
        return
    assert message({"type": "identify", "timestamp": happened, "sentAt": sent}, corrects_skew=True).at == NOW - waited


# -- where it was said -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "from_browser"),
    [
        ({}, False), ({"channel": "server"}, False), ({"channel": "browser"}, True), ({"channel": "client"}, True), ({"channel": 5}, False),
        ({"channel": []}, False), ({"context": {"library": {"name": "analytics.js"}}}, True),
        ({"context": {"library": {"name": "analytics-python"}}}, False), ({"context": {"library": {"name": 5}}}, False),
        ({"context": {"library": "analytics.js"}}, False), ({"context": {"library": None}}, False), ({"context": None}, False),
        ({"context": []}, False), ({"context": "x"}, False), ({"context": {}}, False),
        ({"context": {"library": {"name": "analytics.js"}, "personas": 5, "traits": [1]}}, True),
        ({"context": {"library": [], "traits": {}}, "channel": "web"}, True),
    ],
)  # fmt: skip
def test_browser_or_server_is_remembered(said: dict[str, Any], from_browser: bool) -> None:
    assert message({"type": "identify", "userId": "u", **said}).from_browser is from_browser
    assert message({"type": "identify", "userId": "u", **said}, browser_key=True).from_browser is True


# -- traits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "traits"),
    [
        ({}, None), ({"traits": {"a": 1}}, {"a": 1}), ({"traits": None}, None), ({"traits": []}, None), ({"traits": "x"}, None),
        ({"context": {"traits": {"a": 1}}}, {"a": 1}),
        ({"context": {"traits": {"a": 1, "b": 2}}, "traits": {"a": 3}}, {"a": 3, "b": 2}),
        ({"context": {"traits": {}}}, None), ({"context": {"traits": None}}, None), ({"traits": {}}, {}),
        ({"context": {"library": 1, "traits": {"a": 1}}}, {"a": 1}),
    ],
)  # fmt: skip
def test_traits_are_in_traits_else_in_the_context(said: dict[str, Any], traits: dict[str, Any] | None) -> None:
    assert message({"type": "identify", "userId": "u", **said}).traits == traits


@pytest.mark.parametrize(
    ("personas", "computed"),
    [
        ({"computation_class": "audience", "computation_key": "vip", "computation_id": "aud_1"}, Computed("audience", "vip", "aud_1")),
        ({"computation_class": "trait", "computation_key": "ltv"}, Computed("trait", "ltv")),
        ({"computation_class": "journey_step", "computation_key": "j", "computation_id": 5}, Computed("audience", "j")),
        ({"computation_class": "audience"}, None), ({"computation_key": ""}, None), ({"computation_key": 5}, None), ({}, None), (5, None),
        (None, None),
    ],
)  # fmt: skip
def test_computed_traits_and_audiences_are_known_by_their_context(personas: object, computed: Computed | None) -> None:
    assert message({"type": "identify", "userId": "u", "context": {"personas": personas}}).computed == computed
    assert message({"type": "identify", "userId": "u", "context": {"library": 1, "personas": personas}}).computed == computed


# -- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"null", b"5", b'"x"', b"true", b"[]", b"[{}]"])
def test_a_message_is_an_object(raw: bytes) -> None:
    assert refused(raw) == "not_an_object"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b'{"type"}', b"{'type':'page'}", b'{"type":"page",}', b'{"type":"page"} x', b'{"type":"page","a":NaN}',
        b'{"type":"page","userId":NaN}', b'{"type":"page","a":-Infinity}', b'{"type":"page","a":01}', b'{"type":"page","a":"\x01"}',
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    assert refused(raw) == "invalid_json"


PLACES = [
    b'{"type":"identify","userId":"u","traits":{"a":%s}}',
    b'{"type":"identify","userId":"u","context":{"traits":{"a":%s}}}',
    b'{"type":"identify","userId":"u","context":{"personas":{"a":%s}}}',
    b'{"type":"identify","userId":"u","context":{"library":{"a":%s}}}',
    b'{"type":"track","event":"conversion","userId":"u","properties":{"a":%s}}',
    b'{"type":"track","event":"viewed","userId":"u","properties":{"a":%s}}',
    b'{"type":"page","userId":"u","unknown":%s}',
]


@pytest.mark.parametrize("place", PLACES)
def test_bytes_that_are_not_utf8_are_refused_wherever_they_are(place: bytes) -> None:
    assert refused(place.replace(b"%s", b'"\xff"')) == "invalid_encoding"
    assert refused(place.replace(b"%s", b'"caf\xe9"')) == "invalid_encoding"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 400, b"-" + b"9" * 5000, b"1" + b"0" * 4000 + b".5"])
def test_a_number_past_every_range_costs_no_message(place: bytes, number: bytes) -> None:
    found = message(place.replace(b"%s", number))
    assert found.user_id == "u"
    for part in (found.traits, read_object(found.properties or b""), read_object(found.raw)):
        if part is not None and "a" in part:
            assert part["a"] is None or abs(part["a"]) > 10**300


@pytest.mark.parametrize("place", PLACES)
def test_a_lone_surrogate_is_replaced(place: bytes) -> None:
    found = message(place.replace(b"%s", b'"cut \\ud83d"'))
    found.raw.decode()
    assert b"cut" in found.raw
    assert b"ud83d" not in found.raw


def test_a_pair_of_surrogates_is_an_emoji() -> None:
    found = message(b'{"type":"identify","userId":"u","traits":{"a":"\\ud83d\\ude00"}}')
    assert found.traits == {"a": "😀"}


def test_an_id_with_a_lone_surrogate_is_read_alike_every_time() -> None:
    assert message(b'{"type":"identify","userId":"u\\ud83d"}').user_id == "u?"


def test_a_byte_order_mark_is_taken_off() -> None:
    found = message(b'\xef\xbb\xbf{"type":"page","userId":"u"}')
    assert (found.user_id, found.raw) == ("u", b'{"type":"page","userId":"u"}')


def test_of_a_repeated_key_the_last_one_counts() -> None:
    assert message(b'{"type":"page","userId":"a","userId":"b"}').user_id == "b"
    assert message(b'{"type":"identify","userId":"a","traits":{"x":1,"x":2}}').traits == {"x": 2}


def test_whole_numbers_past_64_bit_keep_their_digits() -> None:
    found = message(b'{"type":"identify","userId":"u","traits":{"n":18446744073709551617}}')
    assert found.traits == {"n": 18446744073709551617}
    first, second = (message(b'{"type":"identify","userId":%d}' % n).user_id for n in (2**64 + 1, 2**64 + 2))
    assert first != second


def test_white_space_around_and_inside_is_nothing() -> None:
    found = message(b' \n{ "type" : "identify" , "userId" : "u" , "traits" :\t{ "a" : 1 } , "context" : { "traits" : { "b" : 2 } } }\r\n')
    assert found.traits == {"a": 1, "b": 2}


def test_a_message_past_32_kb_is_refused() -> None:
    empty = len(json.dumps({"type": "page", "userId": "u", "x": ""}))
    assert message({"type": "page", "userId": "u", "x": "x" * (MESSAGE_BYTES_MAX - empty)}).user_id == "u"
    assert refused({"type": "page", "userId": "u", "x": "x" * (MESSAGE_BYTES_MAX - empty + 1)}) == "too_large"


def nested(levels: int) -> bytes:
    """A message whose deepest value is `levels` levels down, the message itself the first."""
    return b'{"type":"page","userId":"u","x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_depth_is_bounded() -> None:
    assert message(nested(DEPTH_MAX)).user_id == "u"
    for levels in (DEPTH_MAX + 1, DEPTH_MAX + 2, 150, 900, 16_000):
        assert refused(nested(levels)) == "too_deep", levels
    assert refused(nested(150).replace(b'"u"', b'"\\ud800"')) == "too_deep"
    many = {"type": "page", "userId": "u", "x": [{}] * 100}
    assert message(many).user_id == "u"


# -- batches ---------------------------------------------------------------------------------------------------------


def batch(body: bytes) -> list[bytes]:
    found = read_batch(body)
    assert isinstance(found, Batch), found
    return [bytes(item) for item in found.batch]


def test_a_batch_is_an_envelope_or_an_array() -> None:
    assert batch(b'{"batch":[{"a":1},{"b":2}],"sentAt":"x"}') == [b'{"a":1}', b'{"b":2}']
    assert batch(b' [{"a":1}]') == [b'{"a":1}']
    assert batch(b"[]") == []
    for raw in (b"{}", b'{"batch":5}', b'{"batch":{}}', b"5", b"null"):
        found = read_batch(raw)
        assert isinstance(found, Rejection)
        assert found.code == "not_an_object"
    for raw in (b"", b"[", b'{"batch":[}'):
        found = read_batch(raw)
        assert isinstance(found, Rejection)
        assert found.code == "invalid_json"


@pytest.mark.parametrize("odd", [b'{"a":NaN}', b'{"a":Infinity}', b'{"a":"\\ud83d"}', b'{"a":1e999}', b'{"a":"\xff"}', b"5", b"null"])
@pytest.mark.parametrize("form", [b"[%s]", b'{"batch":[%s],"sentAt":"2024-01-01T00:00:00Z","writeKey":"k","context":{"ip":"1"}}'])
def test_one_odd_message_never_fails_its_neighbours(form: bytes, odd: bytes) -> None:
    good = b'{"type":"page","userId":"u"}'
    items = batch(form.replace(b"%s", b",".join((good, odd, good))))
    assert [read_object(item) for item in (items[0], items[2])] == [read_object(good)] * 2
    assert len(items) == 3
    assert isinstance(read(items[0]), Message)
    assert isinstance(read(items[1]), Rejection)


def test_an_odd_batch_keeps_what_is_said_once_for_all() -> None:
    found = read_batch(b'\xef\xbb\xbf{"batch":[],"sentAt":"t","writeKey":"k","context":{"ip":"1"},"integrations":{"All":true}}')
    assert isinstance(found, Batch)
    assert (found.sent_at, found.write_key) == ("t", "k")
    assert (bytes(found.context), bytes(found.integrations)) == (b'{"ip":"1"}', b'{"All":true}')


def test_read_object_gives_none_for_what_is_none() -> None:
    assert read_object(b"") is None
    assert read_object(b"null") is None
    assert read_object(b"{") is None
    assert read_object(b'{"a":1e999}') == {"a": None}
    assert clean_text(b"{}") == b"{}"

"""Times of every shape that arrives, read into epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodword.core.times import FOREVER, read_time, write_time

T = 1589068489209


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2020-05-09T23:54:49.209Z", T), ("2020-05-09T23:54:49.209808Z", T), ("2020-05-09T23:54:49.209808489Z", T),
        ("2020-05-09T23:54:49,209Z", T), ("2020-05-10T01:54:49.209+02:00", T), ("2020-05-09T18:24:49.209-0530", T),
        ("2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.077", T), ("2020-05-09 23:54:49.209808489 +0000 UTC", T),
        ("2020-05-10 01:54:49.209808489 +0200 CEST m=+1.5", T), (" 2020-05-09T23:54:49.209Z ", T), ("2020-05-09T23:54:49.209", T),
        ("2020-05-09 18:54:49.209808489 -0500 EST", T), ("2020-05-09", 1588982400000), ("2020-05-09T23:54:49 junk", T - 209),
        (T, T), (T / 1000, T), (T // 1000, T - 209), (float(T), T), ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59-23:59", 253402387139000),
    ],
)  # fmt: skip
def test_times_that_arrive(said: object, at: int) -> None:
    assert read_time(said) == at


@pytest.mark.parametrize(
    "said",
    [
        None, True, "", "now", "2020-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2020-05-09 25:54:49.1 +0000 UTC", "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59", "2020-05-09 23:54:49.123456789 +9900 X", 0, -5, 1e14, float("nan"), float("inf"), [], {}, 10**30,
        "２０２０-05-09 23:54:49", "2020-05-09 23:54:49.١٢ +0000 UTC",
    ],
)  # fmt: skip
def test_what_is_no_time(said: object) -> None:
    assert read_time(said) is None


ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("9999-12-30"), timezones=ZONES)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(MOMENTS)
def test_a_time_in_any_zone_is_read_to_the_millisecond(moment: datetime) -> None:
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert read_time(moment.isoformat()) == expected
    offset = moment.strftime("%z")[:5]
    go = moment.strftime("%H:%M:%S.") + f"{moment.microsecond:06d}789 {offset} ZONE m=+0.01"
    assert read_time(f"{moment.year:04d}-{moment:%m-%d} {go}") == expected


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_no_text_crashes_it(text: str) -> None:
    for said in (text, "2020-05-09T23:54:49" + text, "2020-05-09 23:54:49." + text):
        found = read_time(said)
        assert found is None or found >= 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 253402300799999))
def test_what_is_written_is_read_back(at: int) -> None:
    assert read_time(write_time(at)) == at


def test_a_time_past_every_calendar_is_written_all_the_same() -> None:
    assert write_time(FOREVER) == "9999-12-31T23:59:59.999Z"
    assert write_time(0) == "1970-01-01T00:00:00.000Z"

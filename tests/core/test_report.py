"""Reports as they are asked for, what comes of counts, and the files they are written to."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.core.period import read_day
from goodword.core.report import (
    COUNTS,
    METRICS,
    RATES,
    REPORTS,
    Cell,
    Column,
    Figures,
    Request,
    Unreadable,
    find,
    meaning_of,
    percent,
    period_cells,
    read_request,
    tier_of,
    value_of,
)
from goodword.core.report_file import EXTENSION, FORMATS, MEDIA, line, read_format, write

TODAY = read_day("2026-08-31") or 0
COLUMNS = (Column("name", "text"), Column("count", "count"), Column("revenue", "money"))


def refused(**said: object) -> str:
    found = read_request(said, TODAY)
    assert isinstance(found, Unreadable)
    return found.parameter


# -- requests --------------------------------------------------------------------------------------------------------


def test_without_days_it_is_the_last_thirty() -> None:
    assert read_request({"report": "funnel"}, TODAY) == Request("funnel", "DAY", TODAY - 29, TODAY)
    assert read_request({"report": "funnel", "to": "2026-08-10"}, TODAY) == Request("funnel", "DAY", TODAY - 50, TODAY - 21)


@pytest.mark.parametrize("name", ["top-sources", "TOP_SOURCES", " Top Sources "])
def test_a_report_is_found_by_its_name_however_it_is_written(name: str) -> None:
    assert find(name) is REPORTS["top-sources"]


def test_what_cannot_be_asked() -> None:
    assert refused(report="nonsense") == "report"
    assert refused(report="funnel", period="fortnight") == "period"
    assert refused(report="funnel", **{"from": "soon"}) == "from"
    assert refused(report="funnel", to="2026-13-01") == "to"
    assert refused(report="funnel", **{"from": "2026-09-01"}) == "from"
    assert refused(report="funnel", period="month", **{"from": "2010-01-01"}) == "from"
    assert refused(report="funnel", to="1970-01-10") == "from"
    assert refused(report="funnel", **{"from": "2025-01-01"}) == "period"
    assert refused(report="participation-rate", campaigns=["raf"]) == "campaigns"


def test_a_list_is_not_bound_by_periods() -> None:
    found = read_request({"report": "rewards", "from": "2024-01-01", "campaigns": ["b", "a"]}, TODAY)
    assert isinstance(found, Request)
    assert found.campaigns == ("a", "b")


# -- metrics ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "under", "rate"), [(1, 3, 33.33), (2, 3, 66.67), (1, 0, None), (0, 5, 0.0), (5, 2, 250.0), (1, 800, 0.13)]
)
def test_a_rate_is_a_percentage_with_two_decimals_halves_up(over: int, under: int, rate: float | None) -> None:
    assert percent(over, under) == rate


def test_rates_are_what_their_meaning_says() -> None:
    figures = Figures()
    for place, name in enumerate(COUNTS, 1):
        setattr(figures, name, place)
    for name, (over, under) in RATES.items():
        assert meaning_of(name) == f"100 × {over} ÷ {under}"
        assert value_of(figures, name) == percent(getattr(figures, over), getattr(figures, under))
    assert [value_of(figures, name) for name in COUNTS] == list(range(1, len(COUNTS) + 1))


def test_a_high_quality_rate_divides_by_what_is_high_quality() -> None:
    for name, (over, under) in RATES.items():
        if name.endswith("_high"):
            assert over.endswith("_high")
            assert under.endswith("_high") or under == "advocates"


@pytest.mark.parametrize(
    ("friends", "tier"),
    [(0, ""), (1, "successful_advocate"), (2, "revenue_driver"), (3, "super_advocate"), (9, "super_advocate"), (10, "affiliate")],
)
def test_tiers(friends: int, tier: str) -> None:
    assert tier_of(friends) == tier


def test_every_metric_report_has_a_column_a_name() -> None:
    for name, metrics in METRICS.items():
        assert [column.name for column in REPORTS[name].columns[3:]] == list(metrics)
    assert period_cells("MONTH", read_day("2026-02-01") or 0) == ["2026-02-01", "2026-02-28", "2026-02"]


# -- files -----------------------------------------------------------------------------------------------------------


def test_formats_have_their_media_and_ending() -> None:
    assert set(MEDIA) == set(EXTENSION) == set(FORMATS)
    assert (read_format(" csv "), read_format("xlsx")) == ("CSV", None)


def test_a_file_of_nothing() -> None:
    assert json.loads(b"".join(write("JSON", COLUMNS, []))) == []
    assert b"".join(write("CSV", COLUMNS, [[]])) == b"name,count,revenue\r\n"
    assert b"".join(write("JSONL", COLUMNS, [[], []])) == b""


def test_each_format() -> None:
    chunks: list[list[list[Cell]]] = [[["Ada", 1, "2.50"]], [["Bo|b", None, "-1.00"]]]
    named = [{"name": "Ada", "count": 1, "revenue": "2.50"}, {"name": "Bo|b", "count": None, "revenue": "-1.00"}]
    assert json.loads(b"".join(write("JSON", COLUMNS, chunks))) == named
    assert [json.loads(text) for text in b"".join(write("JSONL", COLUMNS, chunks)).splitlines()] == named
    assert b"".join(write("CSV", COLUMNS, chunks)) == b"name,count,revenue\r\nAda,1,2.50\r\nBo|b,,-1.00\r\n"
    assert b"".join(write("HEADLESS_PSV", COLUMNS, chunks)) == b'Ada|1|2.50\r\n"Bo|b"||-1.00\r\n'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_text_is_never_a_formula(text: str) -> None:
    assert next(csv.reader([line(COLUMNS, [text, 1, "1"], ",")]))[0] == "'" + text


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=3, max_size=3))
def test_what_is_written_is_what_a_reader_reads(texts: list[str]) -> None:
    columns = [Column(str(place), "money") for place in range(3)]
    assert list(csv.reader(io.StringIO(line(columns, list(texts), ","), newline=""))) == [texts]

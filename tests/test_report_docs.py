"""docs/reference/reports.md says of every report what the code says: its question, its columns and their formulas."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from goodword.core.origin import ORIGINS
from goodword.core.report import RATES, REPORTS, TIERS, Report
from goodword.core.report_file import FORMATS

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "reference" / "reports.md").read_text()


def section(report: Report) -> str:
    """A report as the reference describes it."""
    takes = [*(["period"] if report.has_periods else []), *(["campaign"] if report.takes_campaigns else [])]
    head = f"### `{report.name}`\n\n{report.title}. {report.question}" + (f" Takes {' and '.join(takes)}." if takes else "")
    rows = "\n".join(f"| `{column.name}` | {column.kind} | {column.meaning} |" for column in report.columns)
    return f"{head}\n\n| Column | Type | What it is |\n|---|---|---|\n{rows}\n"


@pytest.mark.parametrize("report", REPORTS.values(), ids=lambda report: report.name)
def test_every_report_is_described_as_it_is(report: Report) -> None:
    assert section(report) in TEXT


def test_nothing_is_described_that_there_is_not() -> None:
    assert re.findall(r"^### `([^`]+)`$", TEXT, re.MULTILINE) == list(REPORTS)


def test_every_rate_is_of_a_report() -> None:
    columns = {column.name for report in REPORTS.values() for column in report.columns}
    assert [name for name in RATES if name not in columns] == []


def test_words_are_listed() -> None:
    assert [word for word in (*(word for word in ORIGINS if word), *TIERS, *FORMATS) if f"`{word}`" not in TEXT] == []

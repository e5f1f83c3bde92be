"""Reports: which there are, a report as table and picture, and its file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from goodword.api.server.report import file_name
from goodword.console.chart import Chart, Series
from goodword.console.listing import Listing, as_file
from goodword.console.navigation import Entry
from goodword.console.page import Page, PageRefused, shows
from goodword.console.picture import draw
from goodword.core.period import PERIODS, start_of, write_day
from goodword.core.report import METRICS, REPORTS, Report, Request, Unreadable, read_request
from goodword.core.report_file import FORMATS
from goodword.core.times import read_time
from goodword.storage.query import report as counts
from goodword.storage.query.report_row import chunks

ENTRIES = (Entry("Reports", "/reports", "marketer", "Keep", "t", "reports"),)
ROWS_SHOWN = 100
SERIES_MAX = 5
GROUPS = (
    ("How it goes", ("funnel", "participation-rate", "acquisition-rate", "new-customer-contribution", "revenue-contribution")),
    ("By what", ("by-campaign", "by-channel", "by-reason", "top-sources")),
    ("Who", ("successful-advocates", "advocate-tiers", "active-advocates", "friend-conversions")),
    ("Rewards", ("rewards", "rewards-by-state", "reward-transitions", "earned-rewards", "fulfilled-rewards", "failed-rewards")),
)
PERIOD_NAMES = {"DAY": "Day", "WEEK": "Week", "MONTH": "Month", "QUARTER": "Quarter"}


async def index(page: Page) -> Response:
    """`GET /reports`."""
    return page.render("report/index.html", groups=[(title, [REPORTS[name] for name in names]) for title, names in GROUPS])


async def show(page: Page) -> Response:
    """`GET /reports/{name}`: what is asked for in the query, as a form, a table and a picture."""
    report, request = _asked(page)
    problem = request.reason if isinstance(request, Unreadable) else ""
    asked = Request(report.name, "DAY", page.today - 29, page.today) if isinstance(request, Unreadable) else request
    rows: list[list[Any]] = []
    is_more = False
    if not problem:
        rows, is_more = _first(chunks(page.store, page.account, asked))
    said = {"period": asked.period, "from": write_day(asked.first), "to": write_day(asked.last), "campaign": ",".join(asked.campaigns)}
    programs = page.store.programs.get(page.account)
    campaigns = sorted((id, each.document.name or id) for id, each in (programs.campaigns if programs is not None else {}).items())
    values = {
        "report": report,
        "problem": problem,
        "first": asked.first,
        "said": {name: page.query(name) or value for name, value in said.items()},
        "rows": [_shown(report, row) for row in rows],
        "is_more": is_more,
        "shown": ROWS_SHOWN,
        "periods": [(period, PERIOD_NAMES[period]) for period in PERIODS],
        "campaigns": campaigns,
        "asked": said,
        "formats": FORMATS,
        "picture": _chart(page, report, asked) if not problem and rows else None,
        "is_quiet": not any(isinstance(cell, int) and cell for row in rows for cell in row) and not report.is_list,
    }
    return page.render("report/show.html", 422 if problem else 200, **values)


def _asked(page: Page) -> tuple[Report, Request | Unreadable]:
    report = REPORTS.get(page.param("name"))
    if report is None:
        raise PageRefused(404, "There is no such report.")
    campaigns = [each for each in page.query("campaign").split(",") if each]
    period = page.query("period") or "MONTH" if report.has_periods and page.query("from") == "" else page.query("period")
    said = {"report": report.name, "period": period or "DAY", "from": page.query("from"), "to": page.query("to")}
    if report.has_periods and not said["from"] and not said["to"]:
        said["from"] = write_day(start_of("MONTH", page.today - 150))
    return report, read_request({**said, "campaigns": campaigns if report.takes_campaigns else []}, page.today)


def _first(found: Iterator[list[list[Any]]]) -> tuple[list[list[Any]], bool]:
    """The first rows, and whether there are more."""
    rows: list[list[Any]] = []
    for chunk in found:
        rows += chunk
        if len(rows) > ROWS_SHOWN:
            return rows[:ROWS_SHOWN], True
    return rows, False


def _shown(report: Report, row: list[Any]) -> list[Any]:
    """A row with its times as times, which a page shows in the viewer's zone."""
    return [read_time(cell) if column.kind == "time" else cell for column, cell in zip(report.columns, row, strict=True)]


def _chart(page: Page, report: Report, request: Request) -> Chart | None:
    """The counts of a metric report over its periods; the lines that are not all zero, at most five."""
    if report.name not in METRICS:
        return None
    figures = counts.figures(page.store, page.account, request.period, request.first, request.last, request.campaigns)
    named = [column for column in report.columns if column.kind == "count"]
    series = [Series(_words(column.name), [getattr(each, column.name) for each in figures.values()]) for column in named]
    drawn = [each for each in series if any(each.values)][:SERIES_MAX]
    return Chart("report", report.title, request.period, list(figures), drawn) if drawn else None


def _words(name: str) -> str:
    return name.removesuffix("_high").replace("_", " ").capitalize() + (", high quality" if name.endswith("_high") else "")


async def picture(page: Page) -> Response:
    """`GET /reports/{name}/picture.svg`."""
    report, request = _asked(page)
    if isinstance(request, Unreadable):
        raise PageRefused(422, request.reason)
    chart = _chart(page, report, request)
    if chart is None:
        raise PageRefused(404, "There is nothing to draw.")
    name = file_name(request, "CSV").removesuffix("csv") + "svg"
    headers = {"Content-Disposition": f'{"attachment" if page.query("save") else "inline"}; filename="{name}"'}
    zone = page.settings.time_zone or "UTC"
    span = f"{write_day(request.first)} to {write_day(request.last)} ({zone}), {page.viewer.account.id}"
    return Response(draw(chart, span), media_type="image/svg+xml", headers=headers)


async def file(page: Page) -> Response:
    """`GET /reports/{name}/file`: all of it, in `format`."""
    report, request = _asked(page)
    if isinstance(request, Unreadable):
        raise PageRefused(422, request.reason)
    days = f"{write_day(request.first)}-{write_day(request.last)}"
    return await as_file(page, Listing(report.name, report.columns, chunks(page.store, page.account, request), report.is_list, days))


ROUTES = (
    shows("/reports", index, "marketer"),
    shows("/reports/{name}", show, "marketer"),
    shows("/reports/{name}/picture.svg", picture, "marketer"),
    shows("/reports/{name}/file", file, "marketer"),
)

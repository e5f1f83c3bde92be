"""Reports by the server API: asked for, looked at, downloaded, in the published way (domain 7.2).

The id of a report is its request, written in letters: nothing is stored, and a report is made when it is downloaded. So it is DONE at once,
nothing of a person outlives their deletion in it (law 4), and two that ask the same within a second have the same id.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from goodword.api.server.call import Call, Download, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.core.account import Right
from goodword.core.period import PERIODS, write_day
from goodword.core.report import REPORTS, Report, Request, Unreadable, read_request
from goodword.core.report_file import EXTENSION, FORMATS, MEDIA, Format, read_format, write
from goodword.core.times import write_time
from goodword.storage.query.report_row import chunks

KEPT_MS = 30 * 24 * 3_600_000
CAMPAIGNS_MAX = 20
ID_CHARS_MAX = 3_000


class ReportRequest(Struct):
    """Which report: `report_type` (or `name`), in which `format` (or `formats`), and `parameters`: `period` (DAY, WEEK, MONTH, QUARTER),
    `from` and `to` (days as 2026-01-31, inclusive; the last thirty unless told), `campaign_ids`."""

    report_type: str | None = None
    name: str | None = None
    format: str | None = None
    formats: list[str] | None = None
    parameters: dict[str, Any] | None = None


class ReportAnswer(Struct):
    """A report. DONE: it can be downloaded, at `download_uri` in its first format; EXPIRED: ask for it anew."""

    report_id: str
    report_type: str
    name: str
    status: Literal["DONE", "EXPIRED"]
    formats: list[str]
    parameters: dict[str, Any]
    created_date: str
    expires_date: str
    download_uri: str


class ReportColumn(Struct):
    """A column: its name, what is in it, and what it means."""

    name: str
    type: str
    description: str


class ReportType(Struct):
    """A report there is."""

    name: str
    display_name: str
    description: str
    formats: list[str]
    parameters: list[str]
    columns: list[ReportColumn]


class _Asked(Struct, frozen=True, array_like=True):
    """A report's id, decoded."""

    report: str
    period: str
    first: int
    last: int
    formats: list[str]
    created_at: int
    campaigns: list[str] = field(default_factory=list)


_decode = msgspec.json.Decoder(_Asked).decode


async def create(call: Call) -> ReportAnswer:
    """`POST /v4/reports`."""
    said = call.read(ReportRequest)
    parameters = said.parameters or {}
    request = _read(call, said.report_type or said.name or "", parameters)
    formats = [_format(text) for text in said.formats or [said.format or "JSON"]]
    if len(formats) > len(FORMATS):
        raise ServerRefusal("invalid_parameter", f"There are {len(FORMATS)} formats.", parameter="formats")
    now = call.intake.engine.clock() // 1000 * 1000
    asked = _Asked(request.report, request.period, request.first, request.last, list(formats), now, list(request.campaigns))
    return _answer(call, asked)


def _read(call: Call, report: str, parameters: dict[str, Any]) -> Request:
    campaigns = parameters.get("campaign_ids") or parameters.get("campaign_id") or []
    listed = [campaigns] if isinstance(campaigns, str) else campaigns
    if not isinstance(listed, list) or len(listed) > CAMPAIGNS_MAX or not all(isinstance(each, str) and len(each) < 100 for each in listed):
        raise ServerRefusal("invalid_parameter", f"campaign_ids is a list of at most {CAMPAIGNS_MAX} ids.", parameter="campaign_ids")
    said = {"report": report, "period": parameters.get("period"), "from": parameters.get("from"), "to": parameters.get("to")}
    request = read_request({**said, "campaigns": listed}, call.store.calendar(call.account).day_of(call.intake.engine.clock()))
    if isinstance(request, Unreadable):
        code = "report_type_not_found" if request.parameter == "report" else "invalid_parameter"
        raise ServerRefusal(code, request.reason, parameter=request.parameter)
    return request


def _format(text: str) -> Format:
    found = read_format(text)
    if found is None:
        raise ServerRefusal("report_format_not_supported", f"A report comes as {', '.join(FORMATS)}.", parameter="format")
    return found


async def show(call: Call) -> ReportAnswer:
    """`GET /v4/reports/{report_id}`."""
    return _answer(call, _found(call))


async def retry(call: Call) -> ReportAnswer:
    """`POST /v4/reports/{report_id}/retry`: the same report, asked for now."""
    now = call.intake.engine.clock() // 1000 * 1000
    return _answer(call, msgspec.structs.replace(_found(call), created_at=now))


async def cancel(call: Call) -> ReportAnswer:
    """`POST /v4/reports/{report_id}/cancel`: refused, as a report is done at once."""
    _found(call)
    raise ServerRefusal("report_not_cancelable", "The report is done: there is nothing to cancel.")


async def download(call: Call) -> Download:
    """`GET /v4/reports/{report_id}/download`, with `.csv` and so on: the report, made while it is sent."""
    asked = _found(call)
    if _status(call, asked) == "EXPIRED":
        raise ServerRefusal("report_expired", "The report is older than thirty days. Ask for it anew.")
    wanted = call.path.get("format") or call.query.get("format") or asked.formats[0]
    chosen = _format(wanted)
    campaigns = {"campaign_ids": asked.campaigns}
    said = {"period": asked.period, "from": write_day(asked.first), "to": write_day(asked.last), **campaigns}
    return made(call, _read(call, asked.report, said), chosen)


def made(call: Call, request: Request, format: Format) -> Download:
    """A report as a file."""
    parts: Iterator[bytes] = write(format, REPORTS[request.report].columns, chunks(call.store, call.account, request))
    return Download(MEDIA[format], file_name(request, format), parts)


def file_name(request: Request, format: Format) -> str:
    """What a report's file is called."""
    return f"goodword-{request.report}-{write_day(request.first)}-{write_day(request.last)}.{EXTENSION[format]}"


def _found(call: Call) -> _Asked:
    text = call.path["report_id"]
    try:
        if len(text) > ID_CHARS_MAX:
            raise ValueError
        asked = _decode(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise ServerRefusal("report_not_found", "There is no such report.") from None
    is_known = asked.report in REPORTS and asked.period in PERIODS and asked.formats and all(each in FORMATS for each in asked.formats)
    if not is_known or not 0 <= asked.first <= asked.last < 1_000_000 or not 0 <= asked.created_at <= call.intake.engine.clock() + KEPT_MS:
        raise ServerRefusal("report_not_found", "There is no such report.")
    return asked


def _status(call: Call, asked: _Asked) -> Literal["DONE", "EXPIRED"]:
    return "DONE" if call.intake.engine.clock() < asked.created_at + KEPT_MS else "EXPIRED"


def _answer(call: Call, asked: _Asked) -> ReportAnswer:
    number = base64.urlsafe_b64encode(msgspec.json.encode(asked)).rstrip(b"=").decode()
    parameters: dict[str, Any] = {"period": asked.period, "from": write_day(asked.first), "to": write_day(asked.last)}
    if asked.campaigns:
        parameters["campaign_ids"] = asked.campaigns
    return ReportAnswer(
        report_id=number,
        report_type=asked.report,
        name=REPORTS[asked.report].title,
        status=_status(call, asked),
        formats=asked.formats,
        parameters=parameters,
        created_date=write_time(asked.created_at),
        expires_date=write_time(asked.created_at + KEPT_MS),
        download_uri=f"{call.origin}/v4/reports/{number}/download.{asked.formats[0].lower()}",
    )


def _type(report: Report) -> ReportType:
    parameters = ["from", "to", *(["period"] if report.has_periods else []), *(["campaign_ids"] if report.takes_campaigns else [])]
    columns = [ReportColumn(column.name, column.kind, column.meaning) for column in report.columns]
    return ReportType(report.name, report.title, report.question, list(FORMATS), parameters, columns)


async def types(call: Call) -> list[ReportType]:  # noqa: ARG001
    """`GET /v4/report-types`."""
    return [_type(report) for report in REPORTS.values()]


async def one_type(call: Call) -> ReportType:
    """`GET /v4/report-types/{name}`."""
    report = REPORTS.get(call.path["name"])
    if report is None:
        raise ServerRefusal("report_type_not_found", f"There is no such report. There are: {', '.join(REPORTS)}.")
    return _type(report)


_ID = {"report_id": "The report's id."}
_TAG = "Reports"
ENDPOINTS: list[Endpoint] = [
    endpoint(
        "POST", "/v4/reports", _TAG, "Ask for a report", create, Right.READ, ReportAnswer, body=ReportRequest,
        description="It is DONE at once and made when it is downloaded. `report_type_not_found`, `report_format_not_supported`;"
        " `invalid_parameter` says which parameter.",
    ),
    endpoint("GET", "/v4/reports/{report_id}", _TAG, "A report", show, Right.READ, ReportAnswer, path_words=_ID,
        description="`report_not_found`: no such report."),
    endpoint("POST", "/v4/reports/{report_id}/retry", _TAG, "Ask for the same report again", retry, Right.READ, ReportAnswer,
        path_words=_ID, description="Its id is another. `report_not_found`: no such report."),
    endpoint("POST", "/v4/reports/{report_id}/cancel", _TAG, "Cancel a report", cancel, Right.READ, ReportAnswer, path_words=_ID,
        description="`report_not_cancelable`, always: a report is done at once. `report_not_found`: no such report."),
    endpoint("GET", "/v4/reports/{report_id}/download", _TAG, "Download a report", download, Right.READ, None, path_words=_ID,
        description="In the format it was asked for, or in `format`. `report_expired`: it is older than thirty days."),
    endpoint("GET", "/v4/reports/{report_id}/download.{format}", _TAG, "Download a report in a format", download, Right.READ, None,
        path_words={**_ID, "format": f"One of {', '.join(FORMATS)}, in any case."},
        description="`report_format_not_supported`: no such format. `report_expired`: it is older than thirty days."),
    endpoint("GET", "/v4/report-types", _TAG, "The reports there are", types, Right.READ, list[ReportType]),
    endpoint("GET", "/v4/report-types/{name}", _TAG, "A kind of report and its columns", one_type, Right.READ, ReportType,
        path_words={"name": "The report's name."}, description="`report_type_not_found`: no such report."),
]  # fmt: skip

"""Reports by the server API: ask, look, download; and the same on the command line."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from goodword.core.account import Scope
from goodword.core.report import REPORTS
from goodword.core.report_file import FORMATS, MEDIA, Format
from goodword.engine import wall_clock_ms
from tests.api.conftest import Api
from tests.referral.town import DAY, MINUTE, Town
from tests.running import Server, make_key, run


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A town three days ago: ada sent ben, whose name looks like a formula, and dan."""
    data = tmp_path_factory.mktemp("reports") / "data"
    town = Town(data)
    town.now = wall_clock_ms() - 3 * DAY
    ada = town.person("ada", "ada@mail.example")
    for name in ("ben", "dan"):
        town.passes(MINUTE)
        town.visit(town.click(ada, id=f"click-{name}", site="t.co"), anonymousId=f"device-{name}")
        town.say("identify", userId=name, anonymousId=f"device-{name}", traits={"email": f"{name}@post.example", "firstName": "=1+1"})
        town.passes(MINUTE)
        town.buy(f"order-{name}", userId=name)
    town.close()
    with Server(data) as server:
        keys = {"ingest": make_key(data, Scope.INGEST), "other": make_key(data, Scope.SERVER, account="other")}
        yield Api(server, make_key(data, Scope.SERVER), keys)


def asked(api: Api, report: str, format: str = "JSON", **parameters: Any) -> Any:
    return api.post("/v4/reports", {"report_type": report, "format": format, "parameters": parameters})


def test_a_report_is_asked_for_looked_at_and_downloaded(api: Api) -> None:
    made = asked(api, "FRIEND_CONVERSIONS")
    assert (made["status"], made["report_type"], made["formats"]) == ("DONE", "friend-conversions", ["JSON"])
    path = f"/v4/reports/{made['report_id']}"
    assert api.get(path) == made
    rows = api.get(f"{path}/download")
    assert [(row["friend_email"], row["advocate_email"], row["source"], row["cart_value"]) for row in rows] == [
        (f"{name}@post.example", "ada@mail.example", "x", "50.00") for name in ("ben", "dan")
    ]
    assert made["download_uri"].endswith(f"{path}/download.json")
    again = api.post(f"{path}/retry", None)
    assert {**again, "report_id": "", "created_date": "", "expires_date": "", "download_uri": ""} == {
        **made, "report_id": "", "created_date": "", "expires_date": "", "download_uri": ""
    }  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_every_report_comes_in_every_format(api: Api, format: Format) -> None:
    for name in REPORTS:
        made = asked(api, name, format, period="MONTH")
        answer = api.call("GET", f"/v4/reports/{made['report_id']}/download.{format.lower()}")
        assert answer.status == 200
        assert answer.headers["content-type"] == MEDIA[format]
        assert f"goodword-{name}-" in answer.headers["content-disposition"]
        if format == "CSV":
            assert answer.body.split(b"\r\n")[0].decode().split(",") == [column.name for column in REPORTS[name].columns]


def test_a_name_is_no_formula_in_a_spreadsheet(api: Api) -> None:
    made = asked(api, "friend-conversions", "CSV")
    text = api.call("GET", f"/v4/reports/{made['report_id']}/download").body.decode()
    assert [row["friend_first_name"] for row in csv.DictReader(io.StringIO(text))] == ["'=1+1", "'=1+1"]


def test_the_reports_there_are(api: Api) -> None:
    found = api.get("/v4/report-types")
    assert [each["name"] for each in found] == list(REPORTS)
    assert api.get("/v4/report-types/funnel") == found[0]
    assert found[0]["parameters"] == ["from", "to", "period", "campaign_ids"]
    assert api.refused("GET", "/v4/report-types/nonsense") == (400, "report_type_not_found")


def test_what_is_refused(api: Api) -> None:
    assert api.refused("POST", "/v4/reports", {"report_type": "nonsense"}) == (400, "report_type_not_found")
    assert api.refused("POST", "/v4/reports", {"report_type": "funnel", "format": "XLSX"}) == (400, "report_format_not_supported")
    for parameters in ({"period": "YEAR"}, {"from": "x"}, {"campaign_ids": [1]}, {"campaign_ids": ["x"] * 21}, {"from": "2001-01-01"}):
        assert api.refused("POST", "/v4/reports", {"report_type": "funnel", "parameters": parameters}) == (400, "invalid_parameter")
    assert api.refused("POST", "/v4/reports", {"name": "funnel", "formats": ["CSV"] * 7}) == (400, "invalid_parameter")
    made = asked(api, "funnel")
    assert api.refused("POST", f"/v4/reports/{made['report_id']}/cancel") == (400, "report_not_cancelable")
    assert api.refused("GET", f"/v4/reports/{made['report_id']}/download.xlsx") == (400, "report_format_not_supported")


def test_ids_that_are_none(api: Api) -> None:
    def named(*said: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")

    now = wall_clock_ms()
    bad = [
        *("x", "%C3%A9", "a" * 3_001, named("funnel")),
        *(named(name, period, 1, 2, ["CSV"], now) for name, period in (("nonsense", "DAY"), ("funnel", "YEAR"))),
        *(named("funnel", "DAY", *days, ["CSV"], now) for days in ((2, 1), (1, 10**7))),
        *(named("funnel", "DAY", 1, 2, formats, now) for formats in ([], ["XLSX"])),
        named("funnel", "DAY", 1, 2, ["CSV"], now * 2),
    ]
    for number in bad:
        assert api.refused("GET", f"/v4/reports/{number}") == (404, "report_not_found")
    old = named("funnel", "DAY", 20_000, 20_001, ["CSV"], 1_750_000_000_000)
    assert api.get(f"/v4/reports/{old}")["status"] == "EXPIRED"
    assert api.refused("GET", f"/v4/reports/{old}/download") == (400, "report_expired")
    long = named("funnel", "DAY", 1, 20_000, ["CSV"], now)
    assert api.refused("GET", f"/v4/reports/{long}/download") == (400, "invalid_parameter")


def test_law_7_and_8_a_browser_key_reads_nothing_and_another_account_sees_its_own(api: Api) -> None:
    made = asked(api, "friend-conversions")
    path = f"/v4/reports/{made['report_id']}/download"
    assert api.refused("GET", path, key=api.keys["ingest"]) == (403, "access_denied")
    assert api.refused("POST", "/v4/reports", {"name": "funnel"}, api.keys["ingest"]) == (403, "access_denied")
    assert api.call("GET", path, key=api.keys["other"]).json == []


def test_the_command_line_writes_the_same(api: Api) -> None:
    where = ("--data", str(api.server.data))
    made = asked(api, "top-sources", "CSV")
    done = run("report", "top-sources", *where)
    assert done.stdout.encode() == api.call("GET", f"/v4/reports/{made['report_id']}/download").body.replace(b"\r\n", b"\n")
    file = api.server.data.parent / "report.json"
    assert run("report", "funnel", "--period", "month", "--format", "json", "-o", str(file), *where).returncode == 0
    assert sum(row["conversions"] for row in json.loads(file.read_bytes())) == 2
    assert file.stat().st_mode & 0o77 == 0
    assert run("report", *where).stdout.count("\n") == len(REPORTS)
    for arguments in (("nonsense",), ("funnel", "--format", "xlsx"), ("funnel", "--from", "x"), ("participation-rate", "--campaign", "c")):
        assert run("report", *arguments, *where).returncode == 2
    assert "no account" in run("report", "funnel", "--account", "nobody", *where).stderr


def test_law_4_a_report_asked_for_before_a_deletion_names_nobody_after_it(api: Api) -> None:
    made = asked(api, "friend-conversions")
    done = run("erase", "--user-id", "dan", "--data", str(api.server.data))
    assert done.returncode == 0, done.stderr
    rows = api.get(f"/v4/reports/{made['report_id']}/download")
    assert [row["friend_email"] for row in rows] == ["ben@post.example", None]
    assert "dan" not in json.dumps(rows)

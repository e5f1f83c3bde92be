"""`goodword archive` and `goodword query`, as a person runs them, beside a server and without one."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.period import DAY_MS
from goodword.engine import Engine, wall_clock_ms
from goodword.storage.store import Store
from tests.cli.conftest import run, run_apart
from tests.running import Server, received, rows

pytest.importorskip("pyarrow", reason="NOT TESTED: archives, for which pyarrow is needed")
pytest.importorskip("duckdb", reason="NOT TESTED: archives, for which duckdb is needed")
pytest.importorskip("numpy", reason="NOT TESTED: archives, for which numpy is needed")

COUNT = "SELECT name, count(*) AS number, count(message) AS readable FROM events GROUP BY name ORDER BY name"


@pytest.fixture
def data(on_both: str, tmp_path: Path) -> Path:
    """Half a year ago twenty people looked at a page, and one bought."""
    folder, now = tmp_path / "data", wall_clock_ms() - 180 * DAY_MS
    engine = Engine(Store(folder), lambda: now)
    said: list[dict[str, Any]] = [
        {"type": "track", "event": "Looked", "userId": f"u{number}", "messageId": f"m{number}"} for number in range(20)
    ]
    order = {"partner_conversion_id": "o"}
    said.append({"type": "track", "event": "conversion", "userId": "u1", "messageId": "o", "properties": order})
    engine.execute([received(one, now) for one in said])
    engine.close()
    return folder


def test_beside_a_server_months_are_archived_once_and_their_events_go(data: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    with Server(data, before="from goodword.worker import retention\nretention.ROUND_S = 0.2") as server:
        assert "for ever" in run("archive", files, "--data", data).stderr
        assert "Changed" in run("account", "set", "default", "--keep-events", 90, "--archive-events", "--data", data).stderr
        assert "21 events" in run("archive", files, "--data", data).stdout
        assert run("archive", files, "--data", data).stderr == "Files written: 0.\n"
        run("erase", "--user-id", "u2", "--data", data)
        deadline = time.monotonic() + 60
        while rows(data, "SELECT name FROM event") != [("conversion",)]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert server.get("/readyz").status == 200
    (file,) = files.rglob("*.parquet")
    assert file.stat().st_mode & 0o777 == 0o600
    run("verify", "--archive", files, "--data", data)
    said = run("query", COUNT, "--archive", files, "--data", data).stdout.split()
    assert said == ["name", "number", "readable", "Looked", "20", "19", "conversion", "1", "1"]
    file.unlink()
    done = run("verify", "--archive", files, "--data", data, check=False)
    assert (done.returncode, "cannot be read" in done.stdout) == (1, True)


def test_answers_come_as_a_table_csv_json_and_parquet(data: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    assert run("query", COUNT, "--data", data).stdout.split()[:3] == ["name", "number", "readable"]
    said = [json.loads(line) for line in run("query", COUNT, "--format", "json", "--data", data).stdout.splitlines()]
    assert said == [{"name": "Looked", "number": 20, "readable": 20}, {"name": "conversion", "number": 1, "readable": 1}]
    run("query", COUNT, "--format", "csv", "-o", tmp_path / "a.csv", "--data", data)
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["name", "number", "readable"], ["Looked", "20", "20"], ["conversion", "1", "1"]]
    run("query", "SELECT * FROM events", "--format", "parquet", "-o", tmp_path / "a.parquet", "--data", data)
    assert parquet.read_table(tmp_path / "a.parquet").num_rows == 21
    assert run("query", "SELECT event_time, 1.5 AS n FROM events LIMIT 1", "--format", "json", "--data", data).stdout.startswith(
        '{"event_time":"20'
    )
    assert (
        run("query", "SELECT 1 FROM events e, range(20)", "--data", data).stderr
        == "200 of 420 rows; --format csv, json or parquet has them all.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["SELEKT"], "syntax error", 1),
        (["SELECT nobody FROM events"], "nobody", 1),
        (["SELECT 1", "--account", "nobody"], "no account", 1),
        (["SELECT 1", "--format", "parquet"], "-o FILE", 2),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_line(data: Path, arguments: list[str], said: str, code: int) -> None:
    done = run("query", *arguments, "--data", data, check=False)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_without_the_libraries_it_says_what_to_install(data: Path, tmp_path: Path) -> None:
    for module, asked in (("pyarrow", ("archive", tmp_path / "files")), ("duckdb", ("query", "SELECT 1"))):
        (tmp_path / module).mkdir()
        (tmp_path / module / f"{module}.py").write_text("raise ImportError")
        done = run_apart(*asked, "--data", data, check=False, PYTHONPATH=str(tmp_path / module))
        assert (done.returncode, f"pip install {module}" in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "files").exists()


def test_an_account_that_keeps_for_ever_is_archived_when_asked(data: Path, tmp_path: Path) -> None:
    with Store(data) as store:
        engine = Engine(store, wall_clock_ms)
        engine.execute([c.CreateAccount("empty"), c.Configure(1, Settings())])
    assert "Files written: 1." in run("archive", tmp_path / "files", "--older-than", 30, "--data", data).stderr
    assert run("archive", tmp_path / "files", "--older-than", -1, "--data", data, check=False).returncode == 2

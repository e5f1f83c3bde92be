"""`goodword import`: every row once, whatever interrupts it; bad rows said, good ones loaded."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from goodword.cli import row as rows
from tests.cli.conftest import Server, run, running, write_lines


def events(data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("export", "events", "-o", "-", "--all-messages", "--data", data).stdout.splitlines()]


def log(data: Path) -> list[dict[str, Any]]:
    """The refused messages in the message log."""
    return [json.loads(line) for line in run("messages", "--verdict", "rejected", "--json", "--data", data).stdout.splitlines()]


def test_a_killed_import_goes_on_and_doubles_nothing(data: Path, tmp_path: Path) -> None:
    count = 24_000
    file = tmp_path / "big.jsonl"
    with file.open("w") as out:
        for i in range(count):
            out.write(json.dumps({"type": "track", "event": "Viewed", "userId": f"u-{i % 500}", "properties": {"n": i}}) + "\n")
            if i == 10_000:
                out.write("nonsense\n")
    kills = 0
    for rows_before_kill in (2_000, 12_000):
        with running("import", file, "--data", data, "--errors", tmp_path / "errors") as importing:
            deadline = time.monotonic() + 60
            while importing.poll() is None and time.monotonic() < deadline:
                states = list((data / "imports").glob("*.json")) if (data / "imports").exists() else []
                if states and json.loads(states[0].read_text())["number"] > rows_before_kill:
                    importing.send_signal(signal.SIGKILL)
                    kills += 1
                    break
                time.sleep(0.002)
    assert kills == 2
    done = run("import", file, "--data", data, "--errors", tmp_path / "errors")
    assert "Going on after row" in done.stderr
    stored = events(data)
    assert len(stored) == count
    assert {row["message"]["properties"]["n"] for row in stored} == set(range(count))
    assert [json.loads(line)["row"] for line in (tmp_path / "errors").read_text().splitlines()] == ["10002"]
    again = run("import", file, "--data", data)
    assert f"0 stored, {count} duplicate, 0 dropped, 1 rejected" in again.stderr
    run("verify", "--data", data)


def test_json_lines_batches_and_bad_rows(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    file.write_text(
        '\ufeff{"type":"identify","userId":"u-1","timestamp":"2025-01-02T03:04:05Z","sentAt":"2026-01-01T00:00:00Z"}\n'
        '{"batch":[{"type":"track","event":"A","userId":"u-1"},{"type":"track","userId":"u-1"}],"context":{"library":{"name":"analytics.js"}}}\n'
        "\n"
        '[{"type":"page","userId":"u-1"}]\n'
        '{"type":"track","event":"secret-name@example.com"}\n'
        '{"type":"identify","userId":"big","traits":{"n":123456789012345678901234567890}}\n'
        "{\n"
    )
    server = Server(data)
    done = run("import", file, "--data", data, "--errors", tmp_path / "errors")
    told = [(line["door"], line["reason"], line.get("shape")) for line in log(data)]
    server.stop()
    assert "7 rows: 4 stored, 0 duplicate, 0 dropped, 3 rejected." in done.stderr
    errors = [json.loads(line) for line in (tmp_path / "errors").read_text().splitlines()]
    assert [(error["row"], error["code"]) for error in errors] == [("2.2", "missing_event"), ("5", "missing_id"), ("7", "invalid_json")]
    assert "secret" not in done.stderr
    assert [door for door, _, _ in told] == ["import"] * 3
    assert told[0][1] == "The body is not valid JSON. (Row 7 of an import.)"  # the newest
    assert told[2] == (
        "import", "A track message needs an event name in `event`. (Row 2.2 of an import.)",
        {"type": "track", "userId": "text", "context": "object"},
    )  # fmt: skip
    assert "secret" not in str(told)
    stored = events(data)
    assert [row["type"] for row in stored] == ["identify", "track", "page", "identify"]
    assert stored[0]["event_time"] == "2025-01-02T03:04:05.000Z"  # its own time, whatever sentAt says
    assert stored[1]["from_browser"] is True


def test_a_delete_in_a_replay_deletes(data: Path, tmp_path: Path) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "identify", "userId": "u-1", "traits": {"email": "jane@example.com"}},
        {"type": "delete", "userId": "u-1"},
    ]
    assert "1 deletions" in run("import", write_lines(tmp_path / "m.jsonl", messages), "--data", data).stderr
    assert run("export", "person", "--user-id", "u-1", "--data", data, check=False).returncode == 1


CSV = """customer,mail,what,paid,order,when,note
c-1,ann@example.com,conversion,"12.50",o-1,2025-03-01T00:00:00Z,"a
b"
c-2,,conversion,7,o-2,1740787200000,
,,conversion,7,,2025-03-01,
c-4,x@example.com,conversion,7,o-4,yesterday,
c-5,,conversion,1,o-5,2025-03-01,x,too many
"""
MAPPED = ("--map", "customer=userId", "--map", "mail=email", "--map", "what=event", "--map", "paid=properties.cart_value",
          "--map", "order=properties.partner_conversion_id", "--map", "when=timestamp")  # fmt: skip


def test_csv_by_a_map(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(CSV)
    done = run("import", file, *MAPPED, "--data", data)
    assert "Columns passed over: note." in done.stderr
    assert "5 rows: 2 stored, 0 duplicate, 0 dropped, 3 rejected." in done.stderr
    assert "row 3: The message names nobody" in done.stderr
    assert "row 4: The timestamp is unreadable." in done.stderr
    assert "row 5: The row has 8 cells; the header has 7." in done.stderr
    assert next(line["reason"] for line in log(data)) == "The row has 8 cells; the header has 7. (Row 5 of an import.)"
    first, second = events(data)
    assert (first["value"], first["event_time"]) == ("12.50", "2025-03-01T00:00:00.000Z")
    assert second["event_time"] == "2025-03-01T00:00:00.000Z"
    assert json.loads(run("export", "person", "--email", "ann@example.com", "--data", data).stdout)["identity"][0]["value"] == "c-1"
    again = run("import", file, *MAPPED, "--data", data)
    assert "0 stored, 2 duplicate" in again.stderr


def test_csv_columns_called_like_fields_need_no_map(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes("userId,email,traits.city,timestamp\r\nu-1,A@Example.com,Zürich,\r\nu-2,,\xff,\r\n".encode("latin-1"))
    done = run("import", file, "--type", "identify", "--data", data)
    assert "row 2: The row is not UTF-8" in done.stderr
    file.write_text("userId,email,traits.city\nu-1,A@Example.com,Zürich\n")
    run("import", file, "--type", "identify", "--data", data)
    person = json.loads(run("export", "person", "--email", "a@example.com", "--data", data).stdout)
    assert {parameter["name"]: parameter["value"] for parameter in person["parameters"]}["city"] == "Zürich"


@pytest.mark.parametrize(
    "arguments",
    [(), ("--map", "nope=userId"), ("--map", "customer=who"), ("--map", "customer"), ("--map", "customer=userId", "--map", "mail=userId"),
     ("--map", "customer=userId")],
)  # fmt: skip
def test_a_wrong_map_is_refused_before_anything_is_loaded(data: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(CSV)
    done = run("import", file, *arguments, "--data", data, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("goodword: ")


def test_a_row_knows_where_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text('userId,event,properties.a\nu-1,E,"one\ntwo"\nu-2,E,x\n\nu-3,E,"unfinished\n')
    columns = rows.columns_of(file)
    planned = rows.plan(columns, {}, "track", "")
    with file.open("rb") as opened:
        whole = list(rows.csv_rows(opened, columns, planned, "d" * 64, 0, 0))
        for i, row in enumerate(whole):
            assert list(rows.csv_rows(opened, columns, planned, "d" * 64, row.end, row.number)) == whole[i + 1 :]
    assert [row.number for row in whole] == [1, 2, 3]


@pytest.mark.parametrize("orders", [3, 20_000])
def test_a_quotation_mark_that_is_not_closed_costs_its_own_row_alone(tmp_path: Path, orders: int) -> None:
    file = tmp_path / "x.csv"
    loaded = "".join(f'u-{i},E,"fine ""{i}"""\n' for i in range(orders))
    file.write_text(f'userId,event,properties.a\nu-first,E,"one\ntwo"\nu-bad,E,"half\n{loaded}')
    columns = rows.columns_of(file)
    planned = rows.plan(columns, {}, "track", "")
    with file.open("rb") as opened:
        whole = list(rows.csv_rows(opened, columns, planned, "d" * 64, 0, 0))
        assert list(rows.csv_rows(opened, columns, planned, "d" * 64, whole[1].end, 2)) == whole[2:]
    assert [(row.number, row.problem) for row in whole if row.problem] == [(2, "A quotation mark is opened and not closed.")]
    assert len(whole) == orders + 2


def test_a_csv_row_that_is_too_long_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LINE_BYTES_MAX", 64)
    file = tmp_path / "long.csv"
    file.write_text("userId,event\nu-1,E\nu-2," + "x" * 1000 + "\nu-3,E\n")
    columns = rows.columns_of(file)
    with file.open("rb") as opened:
        whole = list(rows.csv_rows(opened, columns, rows.plan(columns, {}, "track", ""), "d" * 64, 0, 0))
    assert [(row.number, bool(row.problem)) for row in whole] == [(1, False), (2, True), (3, False)]
    assert whole[-1].end == file.stat().st_size


def test_a_line_without_end_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LINE_BYTES_MAX", 64)
    file = tmp_path / "long.jsonl"
    file.write_text('{"type":"page"}\n' + "x" * 1000 + '\n{"type":"page"}\n')
    with file.open("rb") as opened:
        found = list(rows.json_rows(opened, 0, 0))
    assert [(row.number, bool(row.problem)) for row in found] == [(1, False), (2, True), (3, False)]

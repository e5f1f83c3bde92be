"""`goodword simulate` on the command line: a report for people and for programs, and the demo that goes on serving."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.running import COMMAND, ROOT, run


def test_what_cannot_go_together_is_said() -> None:
    assert run("simulate", "--url", "http://127.0.0.1:1", "--demo").returncode == 2
    found = run("simulate", "--url", "http://127.0.0.1:1")
    assert found.returncode == 2
    assert "--key" in found.stderr


def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = run("simulate", "--url", f"http://127.0.0.1:{free.getsockname()[1]}", "--key", "k", "--browser-key", "b")
    assert found.returncode == 1
    assert found.stderr.strip().splitlines()[-1].endswith("does not answer.")
    assert "Traceback" not in found.stderr


@pytest.mark.timeout(120)
def test_one_row_is_played_and_reported_to_programs(tmp_path: Path) -> None:
    found = run("simulate", "--row", "5", "--each", "1", "--json", "--data", str(tmp_path / "world"))
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    assert report["ok"]
    (row,) = [row for row in report["rows"] if row["cheats"]]
    assert (row["row"], row["caught"], row["missed"], row["paid"], row["refused"]) == (5, 1, 0, 1, 0)
    assert row["stopped_by"]["blocked_email_domains"] == 1
    person = run("why", "--person", report["shown"]["cheat"], "--data", str(tmp_path / "world"))
    assert "e-mail" in person.stdout


@pytest.mark.timeout(120)
def test_a_demo_that_was_filled_is_served_again(tmp_path: Path) -> None:
    """Filling takes half a minute, and is what the simulator's own test does; here it was done before."""
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "demo.json").write_text(json.dumps({"people": 3, "friend": "c-1-1", "cheat": "c-1-2"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*COMMAND, "simulate", "--demo", "--data", str(folder), "--port", str(port)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        assert "why --person c-1-2" in said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_who_ends_a_demo_while_it_is_filled_ends_its_server_too(tmp_path: Path, ending: signal.Signals) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*COMMAND, "simulate", "--demo", "--data", str(tmp_path / "demo"), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)

    def answers() -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10).status == 200)
        except OSError:
            return False

    deadline = time.monotonic() + 90
    try:
        while not answers():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(ending)
        assert process.wait(90) in (128 + ending, 1)
        assert not answers()
    finally:
        process.kill()
        process.wait()

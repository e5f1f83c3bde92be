"""The command line as a person runs it, with and without a running server.

Most of it runs in the tests' own process, which spares a second each time; what is about processes runs in one of its own.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from goodword.api.auth import hash_secret
from goodword.cli.app import make
from goodword.core.account import Key, Scope
from goodword.core.command import CreateKey
from goodword.engine import Engine
from goodword.storage.store import Store

TIMEOUT_S = 120
SECRET = "gw_a_test"
ORDER = {"partner_conversion_id": "c1", "cart_value": 5}
MESSAGES: list[dict[str, Any]] = [
    {"type": "identify", "messageId": "m1", "userId": "u-1", "traits": {"email": "jane@example.com", "firstName": "Jane", "plan": "gold"}},
    {"type": "track", "messageId": "m2", "userId": "u-1", "event": "Order Completed", "properties": {"order_id": "o1", "total": "99.99"}},
    {"type": "track", "messageId": "m3", "userId": "u-1", "event": "order completed", "properties": {"order_id": "O1", "total": "1,5"}},
    {"type": "track", "messageId": "m4", "userId": "u-2", "event": "conversion", "properties": ORDER},
    {"type": "track", "messageId": "m5", "userId": "u-2", "event": "conversion", "properties": ORDER},
    {"type": "track", "messageId": "m6", "anonymousId": "a-1", "event": "registration", "properties": {"email": "zoe@example.com"}},
    {"type": "identify", "messageId": "m7", "anonymousId": "a-1", "userId": "u-3"},
]  # fmt: skip


@dataclass
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, check: bool = True, said: str | None = None) -> Done:
    """Run the command line in this process; by default it must succeed."""
    words = [str(each) for each in arguments]
    result = CliRunner().invoke(make(words[:1]), words, input=said)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert not check or result.exit_code == 0, result.stderr
    return Done(result.exit_code, result.stdout, result.stderr)


def run_apart(*arguments: object, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m goodword` in a process of its own; by default it must succeed."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=TIMEOUT_S, env={**os.environ, **environment})
    assert not check or done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def command(*arguments: object) -> list[str]:
    """The command line of `python -m goodword`."""
    return [sys.executable, "-m", "goodword", *map(str, arguments)]


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on. It is killed at the end of the block, whatever happens there, and after TIMEOUT_S, so that nobody waits
    for ever for a line that does not come."""
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    timer = threading.Timer(TIMEOUT_S, process.kill)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class Server:
    """A running `goodword serve` on a data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process = subprocess.Popen(
            command("serve", "--data", data, "--port", 0), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        if not said:
            self.stop(signal.SIGKILL)
        assert said, "the server did not start"
        self.url = said[-1].rstrip("/")

    def ask(self, method: str, path: str, body: object = None, secret: str = SECRET) -> tuple[int, Any]:
        """One request; its status and the JSON it is answered with."""
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, sent, {"Authorization": f"Bearer {secret}"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(sig)
        self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()


def write_lines(file: Path, messages: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(message) + "\n" for message in messages))
    return file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with an admin key and nothing else."""
    folder = tmp_path / "data"
    with Store(folder) as store:
        key = Key("test", 1, "test", hash_secret(SECRET), "test", (Scope.ADMIN, Scope.DESTINATION), 1)
        Engine(store).execute([CreateKey(1, key)])
    return folder


@pytest.fixture
def filled(data: Path, tmp_path: Path) -> Path:
    """A data folder with a few people and their events."""
    run("import", write_lines(tmp_path / "messages.jsonl", MESSAGES), "--data", data)
    return data


@pytest.fixture(params=["beside a server", "alone"])
def anyhow(filled: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The filled folder, once with a server running on it and once without."""
    server = Server(filled) if request.param == "beside a server" else None
    yield filled
    if server is not None:
        server.stop()


@pytest.fixture
def server(filled: Path) -> Iterator[Server]:
    """A server on the filled folder."""
    running = Server(filled)
    yield running
    running.stop()

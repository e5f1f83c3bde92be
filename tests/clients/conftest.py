"""A real Goodword server, the parts that the stock SDKs run in, and what the server says it stored.

Nothing here is a stand-in: the server is the installed `goodword` command on a database of its own, the SDKs are the
published packages, the browser is Debian's Chromium. A part the machine lacks skips the tests that need it, loudly;
under CI=true it fails them.
"""

import contextlib
import functools
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest

HERE = Path(__file__).parent
DRIVERS = HERE / "drivers"
START_TIMEOUT_S = 30
SETTLE_TIMEOUT_S = 30

Json = Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(read: Callable[[], Json], wanted: Callable[[Json], bool], timeout_s: float = SETTLE_TIMEOUT_S) -> Json:
    """What `read` answers once `wanted` likes it, else its last answer, for the next assertion to complain of."""
    give_up_at = time.monotonic() + timeout_s
    while not wanted(found := read()) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    return found


@dataclass
class Goodword:
    """A running server, a key of each kind, and the questions the tests ask it through the server API."""

    url: str
    data: Path
    ingest_key: str
    destination_key: str
    server_key: str

    def get(self, path: str, **query: str) -> Json:
        request = urllib.request.Request(
            f"{self.url}{path}?{urllib.parse.urlencode(query)}", headers={"Authorization": f"Bearer {self.server_key}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"GET {path} {query}: {refused.code} {refused.read().decode()}") from None

    def person_ids(self, user_id: str) -> list[str]:
        return [person["id"] for person in self.get("/v5/persons", person_keys=f"partner_user_id:{user_id}")]

    def person_ids_by_email(self, email: str) -> list[str]:
        return [person["id"] for person in self.get("/v5/persons", identity_key_value=email)]

    def parameters(self, person_id: str) -> dict[str, Json]:
        return {name: entry["value"] for name, entry in self.get(f"/v5/persons/{person_id}/data").items()}

    def steps(self, user_id: str, *, include_duplicates: bool = False) -> list[Json]:
        """The user's events, newest first; none while the server does not know the user."""
        query = {"limit": "100"} | ({"include_duplicates": "true"} if include_duplicates else {})
        return [step for person in self.person_ids(user_id) for step in self.get(f"/v5/persons/{person}/steps", **query)]

    def messages_of(self, person_id: str) -> list[Json]:
        """A person's messages as `goodword messages` shows them, events or not, newest first."""
        command = [goodword_command(), "messages", "--json", "--last", "1000", "--data", str(self.data)]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=True).stdout
        messages = [json.loads(line) for line in shown.splitlines()]
        return [message for message in messages if message.get("profile_id") == person_id]

    def step_names(self, user_id: str) -> list[str]:
        return sorted(step["name"] for step in self.steps(user_id))


def goodword_command() -> str:
    """The command of the environment the tests run in."""
    beside_python = Path(sys.executable).with_name("goodword")
    command = str(beside_python) if beside_python.exists() else shutil.which("goodword")
    if not command:
        pytest.fail("The goodword command is not installed in this environment: pip install -e .", pytrace=False)
    return command


def create_key(name: str, scope: str, data: Path) -> str:
    made = subprocess.run(
        [goodword_command(), "key", "create", name, "--scope", scope, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
    )
    assert made.returncode == 0, f"goodword key create {name}: {made.stdout}{made.stderr}"
    return made.stdout.strip()


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Ready is two things: the server printed its URL, and /readyz is 200."""
    printed = Path(str(log.name))
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_at and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            if answer.status == 200 and url in printed.read_text():
                return
        time.sleep(0.1)
    pytest.fail(f"goodword serve is not ready at {url}; it printed:\n{printed.read_text()}", pytrace=False)


@pytest.fixture(scope="session")
def goodword(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Goodword]:
    data = tmp_path_factory.mktemp("goodword-data")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (tmp_path_factory.mktemp("goodword-log") / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [goodword_command(), "serve", "--data", str(data), "--port", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(url, process, log)
            keys = {scope: create_key(f"test-{scope}", scope, data) for scope in ("ingest", "destination", "server")}
            yield Goodword(url, data, keys["ingest"], keys["destination"], keys["server"])
        finally:
            stop(process)


class Pages(SimpleHTTPRequestHandler):
    """Serves tests/clients: the SDKs' bundles out of node_modules and the page that loads them."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def shop_url(node_modules: Path) -> Iterator[str]:
    """The origin of a web shop: not Goodword's, so that the browser asks for permission first (CORS)."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Pages, directory=str(HERE))) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{pages.server_port}"
        pages.shutdown()
        thread.join()

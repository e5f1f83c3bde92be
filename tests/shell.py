"""Commands of the documents, run as they stand there, by a shell that finds `goodword`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.running import Server

PATIENCE_S = 90


def examples(text: str) -> list[str]:
    """What is between fences, in order."""
    return [textwrap.dedent(part) for part in re.findall(r"^ *```\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)]


class Started(Server):
    """A server that a shell has started: it is asked, and nothing else."""

    def __init__(self, port: int) -> None:
        self.port = port

    def is_ready(self) -> bool:
        """Whether it takes messages."""
        return self.get("/readyz").status == 200

    def stores(self, said: object, key: str) -> bool:
        """Whether it stored a message."""
        return self.post("/segment", said, key).status == 200


@contextmanager
def shell(script: str, folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A shell that runs lines of the documents in a folder; all that it started ends with it."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GOODWORD_")}
    running = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env={**kept, **environment, "PATH": path}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        try:
            running.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()


def until(is_done: Callable[[], bool]) -> None:
    """Wait for something that will be so. Errors: TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with suppress(OSError):
            if is_done():
                return
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.3)

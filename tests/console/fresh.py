"""A server on an empty folder, as `make run` starts it, with the link that it prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.running import ROOT

PASSWORD = "four words in a row"


class Fresh:
    """The server; `link` sets the first password."""

    def __init__(self, data: Path) -> None:
        command = [sys.executable, "-m", "goodword", "serve", "--data", str(data), "--port", "0", "--demo"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1].rstrip("/")
        self.link = self.process.stdout.readline().split()[-1]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()

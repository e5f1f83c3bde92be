"""What every test may ask for.

A test that needs a tool of the machine asks for its fixture: `node` (with npm) or `chromium`, each the path of the
program. Where the tool is missing the test is left out, and a box at the end says so; with CI=true it fails instead, so
that nothing is left out unseen.
"""

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NODE_MAJOR_MIN = 18
IS_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

_missing = Counter[str]()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout's top folder."""
    return ROOT


@pytest.fixture
def node() -> str:
    """Path of Node.js, at least NODE_MAJOR_MIN, with npm beside it."""
    path = shutil.which("node")
    if path is None or shutil.which("npm") is None:
        return _left_out(f"Node.js {NODE_MAJOR_MIN}+ with npm")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    major = re.match(r"v(\d+)\.", version)
    if major is None or int(major[1]) < NODE_MAJOR_MIN:
        return _left_out(f"Node.js {NODE_MAJOR_MIN}+ (found {version.strip()})")
    return path


@pytest.fixture
def chromium() -> str:
    """Path of a Chromium or Chrome of the system."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    return _left_out("Chromium")


def _left_out(tool: str) -> str:
    _missing[tool] += 1
    if IS_CI:
        pytest.fail(f"{tool} is missing, and in CI no test is left out", pytrace=False)
    pytest.skip(f"{tool} is missing")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _missing:
        return
    lines = ["LEFT OUT, because a tool is missing on this machine:"]
    lines += [f"  {tool}: {count} test{'s' if count > 1 else ''} not run" for tool, count in _missing.items()]
    lines += ["On Debian and Ubuntu:  apt-get install nodejs npm chromium fonts-liberation"]
    width = max(map(len, lines))
    terminalreporter.write_line("")
    terminalreporter.write_line("#" * (width + 4), yellow=True, bold=True)
    for line in lines:
        terminalreporter.write_line(f"# {line:<{width}} #", yellow=True, bold=True)
    terminalreporter.write_line("#" * (width + 4), yellow=True, bold=True)

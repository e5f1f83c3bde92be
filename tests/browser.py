"""The browser and the npm packages of tests that need them: one of each for a whole run, whoever asks (`conftest.py` hands them out).

A part the machine lacks skips the tests that need it, loudly; under CI=true it fails them.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PACKAGES = Path(__file__).parent / "clients"
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def absent(part: str, cure: str) -> NoReturn:
    """Skip the test because the machine lacks a part; where CI says everything must be there, fail it."""
    reason = f"NOT TESTED: {part} is missing. {cure}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    return found or absent("Node", "Install it: apt-get install nodejs npm")


@pytest.fixture(scope="session")
def node_modules(node: str) -> Path:
    """The pinned npm packages, installed when they are missing or older than the lock."""
    folder, lock = PACKAGES / "node_modules", PACKAGES / "package-lock.json"
    stamp = folder / ".package-lock.json"
    with (PACKAGES / ".install.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
            return folder
        npm = shutil.which("npm") or absent("npm", "Install it: apt-get install npm")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        installed = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True)
        if installed.returncode != 0:
            absent("a set of npm packages", f"npm ci in {PACKAGES} said:\n{installed.stdout}{installed.stderr}")
        stamp.touch()
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    if not CHROMIUM.exists():
        absent("Chromium", "Install it: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("Playwright", "Install it: pip install playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()

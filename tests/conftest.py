"""Says loudly what was not tested.

A test that needs a part the machine lacks (Node, Chromium, PostgreSQL) skips with a reason that starts with
`NOT TESTED: `. A box at the end counts them by reason; with CI=true they fail the run, so that nothing is left out
unseen.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.browser import chromium, node, node_modules
from tests.postgres import NoPostgres
from tests.stores import Pool, open_in_postgres

# a shell that starts this in the background has it ignore Ctrl-C, and the programs that tests interrupt would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

# on a busy machine an example may take long, and what fails today must fail tomorrow
settings.register_profile("goodword", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("goodword")

__all__ = ["chromium", "node", "node_modules"]

MARK = "NOT TESTED: "


@pytest.fixture(scope="session")
def postgres_pool() -> Iterator[Pool]:
    """PostgreSQL for the whole session: started by the first test that needs it."""
    try:
        pool = Pool()
    except NoPostgres as error:
        pytest.skip(f"{MARK}{error.__doc__}")
    yield pool
    pool.close()


@pytest.fixture
def in_postgres(postgres_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """Every folder that this test opens has its data in a PostgreSQL database of its own."""
    with open_in_postgres(postgres_pool, monkeypatch):
        yield postgres_pool


@pytest.fixture(params=["sqlite", "postgres"])
def on_both(request: pytest.FixtureRequest) -> str:
    """The test runs on the embedded database and on PostgreSQL."""
    if request.param == "postgres":
        request.getfixturevalue("in_postgres")
    return str(request.param)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = _left_out(terminalreporter)
    if not reasons:
        return
    lines = ["NOT TESTED, because this machine lacks a part (with CI=true this fails):"]
    lines += [f"  {count} x {reason[:110]}" for reason, count in reasons.items()]
    width = max(map(len, lines))
    terminalreporter.write_line("")
    terminalreporter.write_line("#" * (width + 4), yellow=True, bold=True)
    for line in lines:
        terminalreporter.write_line(f"# {line:<{width}} #", yellow=True, bold=True)
    terminalreporter.write_line("#" * (width + 4), yellow=True, bold=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and exitstatus == pytest.ExitCode.OK and reporter and _left_out(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _left_out(terminalreporter: pytest.TerminalReporter) -> Counter[str]:
    reasons = Counter[str]()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if MARK in reason:
            reasons[reason.split(MARK, 1)[1].splitlines()[0]] += 1
    return reasons

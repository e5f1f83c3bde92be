"""Says loudly what was not tested.

A test that needs a part the machine lacks (Node, Chromium, PostgreSQL) skips with a reason that starts with
`NOT TESTED: `. A box at the end counts them by reason; with CI=true they fail the run, so that nothing is left out
unseen.
"""

import os
from collections import Counter

import pytest

from tests.browser import chromium, node, node_modules

__all__ = ["chromium", "node", "node_modules"]

MARK = "NOT TESTED: "


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

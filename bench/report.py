"""Tables for people, one JSON file for programs, and the goals with met or missed."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.result import Outcome, Result
from bench.run import BATCHES, FIRST_PASS, HALF_LOAD, SINGLES
from bench.scenario import EMPTY

MIB = 1024 * 1024
BIG_EVENTS = 4_500_000
"""From this size on a store counts as "5 M"."""
GROWN_EVENTS = 900_000
"""From this size on bytes an event are judged: in a smaller store most messages bring a new person, with keys and profile."""


@dataclass(frozen=True)
class Goal:
    """One goal, and what the run found; `found` is None when the run did not measure it."""

    name: str
    limit: float
    at_least: bool
    found: float | None
    unit: str = ""

    @property
    def verdict(self) -> str:
        if self.found is None:
            return "not run"
        met = self.found >= self.limit if self.at_least else self.found <= self.limit
        return "met" if met else "MISSED"


def goals(outcome: Outcome) -> list[Goal]:
    """The goals of this project. Medians of the windows are judged, and the worst of starts, sizes and memory."""
    big = next((size.store for size in outcome.sizes if size.events >= BIG_EVENTS), None)

    def ratio(store: str | None, name: str) -> float | None:
        return next((one.ratio for one in outcome.results if (one.store, one.name) == (store, name)), None)

    def p99(name: str) -> float | None:
        return max((one.p99_ms for one in outcome.results if one.name == name), default=None)

    memory = [window.rss_anon_bytes_max for result in outcome.results for window in result.windows]
    memory += [one.rss_anon_bytes_max for one in outcome.overloads]
    refused = [one.refused_p99_ms for one in outcome.overloads if one.refused_share]
    return [
        Goal("singles @64, empty, share of the floor", 0.09, True, ratio(EMPTY, SINGLES.name)),
        Goal("singles @64, 5 M", 0.09, True, ratio(big, SINGLES.name)),
        Goal("batches of 100 @16, empty", 0.20, True, ratio(EMPTY, BATCHES.name)),
        Goal("batches of 100 @16, 5 M, warm", 0.18, True, ratio(big, BATCHES.name)),
        Goal("batches of 100 @16, 5 M, first pass after a restart", 0.12, True, ratio(big, FIRST_PASS)),
        Goal("p99 of singles @64, worst store", 30, False, p99(SINGLES.name), "ms"),
        Goal("p99 of batches at half load, worst store", 100, False, p99(HALF_LOAD), "ms"),
        Goal("bytes on disk an event, largest store from 1 M on", 500, False, _bytes_per_event(outcome), "B"),
        Goal("anonymous memory, peak", 400, False, max(memory, default=0) / MIB if memory else None, "MB"),
        Goal("start at 5 M until ready", 2, False, _worst_start(outcome, big), "s"),
        Goal("503 under overload, p99", 50, False, max(refused, default=None), "ms"),
    ]


def _bytes_per_event(outcome: Outcome) -> float | None:
    grown = [size for size in outcome.sizes if size.events >= GROWN_EVENTS]
    largest = max(grown, key=lambda size: size.events, default=None)
    return largest.bytes_per_event if largest else None


def _worst_start(outcome: Outcome, store: str | None) -> float | None:
    return max((one.seconds for one in outcome.starts if one.store == store), default=None)


def print_report(outcome: Outcome, console: Console) -> None:
    """All tables; the goals come last."""
    console.print()
    console.print(_load_table(outcome.results))
    console.print("median (min-max) of the windows; us: the server's CPU a message; floor: share of the floor beside it\n")
    if outcome.overloads:
        console.print(_overload_table(outcome))
    if outcome.starts:
        console.print(_start_table(outcome))
    if outcome.sizes:
        console.print(_size_table(outcome))
    if outcome.floors:
        rates = sorted(floor.rate for floor in outcome.floors)
        cpu = median(floor.cpu_us for floor in outcome.floors)
        console.print(
            f"Floor: median {median(rates):,.0f} messages/s (min {rates[0]:,.0f}, max {rates[-1]:,.0f}, "
            f"{len(rates)} measurements), {cpu:.1f} us CPU a message\n"
        )
    console.print(_goal_table(goals(outcome)))
    for warning in outcome.warnings:
        console.print(f"[yellow]! {warning}[/yellow]")


def write_json(outcome: Outcome, path: Path, settings: dict[str, object]) -> None:
    """Everything measured, with the settings and the machine."""
    found = dataclasses.asdict(outcome)
    for plain, result in zip(found["results"], outcome.results, strict=True):
        plain |= {"rate": result.rate, "ratio": result.ratio if result.floors else None}
    found["goals"] = [dataclasses.asdict(goal) | {"verdict": goal.verdict} for goal in goals(outcome)]
    machine = {"cpus": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
    found |= {"settings": settings, "machine": machine, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    path.write_text(json.dumps(found, indent=1) + "\n")


def _spread(values: Sequence[float], form: str = ",.0f") -> str:
    if len(values) == 1:
        return format(values[0], form)
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number > 1 else "left", no_wrap=True)
    return table


def _load_table(results: list[Result]) -> Table:
    table = _table(
        "Load",
        "store",
        "load",
        "messages/s",
        "us",
        "floor",
        "p50 ms",
        "p99 ms",
        "max ms",
        "anon MB",
        "peak MB",
        "errors",
    )
    for one in results:
        windows = one.windows
        table.add_row(
            one.store,
            one.name,
            _spread([window.rate for window in windows]),
            _spread([window.cpu_us for window in windows]),
            f"{one.ratio:.3f}" if one.floors else "-",
            _spread([window.p50_ms for window in windows], ".1f"),
            _spread([window.p99_ms for window in windows], ".1f"),
            f"{max(window.max_ms for window in windows):.0f}",
            f"{max(window.rss_anon_bytes_max for window in windows) / MIB:.0f}",
            f"{max(window.hwm_bytes for window in windows) / MIB:.0f}",
            str(sum(window.errors for window in windows)),
        )
    return table


def _overload_table(outcome: Outcome) -> Table:
    table = _table(
        "Overload: 1,000 connections without delay", "store", "", "accepted/s", "refused", "503 p50 ms", "503 p99 ms",
        "200 p99 ms", "probes", "socket errors",
    )  # fmt: skip
    for one in outcome.overloads:
        table.add_row(
            one.store, "", f"{one.accepted_rate:,.0f}", f"{one.refused_share:.0%}", f"{one.refused_p50_ms:.1f}",
            f"{one.refused_p99_ms:.1f}", f"{one.accepted_p99_ms:.1f}", str(one.probes), str(one.socket_errors),
        )  # fmt: skip
    return table


def _start_table(outcome: Outcome) -> Table:
    table = _table("Start until /readyz is 200", "store", "after", "seconds")
    for store, after in dict.fromkeys((one.store, one.after) for one in outcome.starts):
        seconds = [one.seconds for one in outcome.starts if (one.store, one.after) == (store, after)]
        table.add_row(store, after, _spread(seconds, ".2f"))
    return table


def _size_table(outcome: Outcome) -> Table:
    table = _table("Disk, server stopped", "store", "", "events", "messages", "MB", "B/event", "B/message")
    for one in outcome.sizes:
        per_message = one.disk_bytes / one.messages if one.messages else 0.0
        table.add_row(
            one.store, "", f"{one.events:,}", f"{one.messages:,}", f"{one.disk_bytes / MIB:,.0f}",
            f"{one.bytes_per_event:,.0f}", f"{per_message:,.0f}",
        )  # fmt: skip
    return table


def _goal_table(found: list[Goal]) -> Table:
    table = _table("Goals", "goal", "", "wanted", "found", "verdict")
    colours = {"met": "green", "MISSED": "red", "not run": "dim"}
    for goal in found:
        form = ".3f" if goal.at_least else ",.1f"
        wanted = f"{'>=' if goal.at_least else '<='} {goal.limit:g} {goal.unit}"
        seen = "-" if goal.found is None else f"{goal.found:{form}} {goal.unit}"
        verdict = f"[{colours[goal.verdict]}]{goal.verdict}[/]"
        table.add_row(goal.name, "", wanted, seen, verdict)
    return table

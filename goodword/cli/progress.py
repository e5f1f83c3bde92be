"""Progress bars on standard error, for work that takes long; silent where standard error is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Report(Protocol):
    """Says what is done, of how much, and a remark."""

    def __call__(self, done: float, total: float, remark: str = "") -> None: ...


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A bar; call the yielded function with what is done, of how much, and a remark (a rate, a table's name)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None, remark="")

        def report(done: float, total: float, remark: str = "") -> None:
            bar.update(task, completed=done, total=total, remark=remark)

        yield report


def table_console() -> Console:
    """Standard output for tables: as wide as the terminal, or wide enough for a program's pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=220)


def size_of(count: float) -> str:
    """Bytes for people: `1.5 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"

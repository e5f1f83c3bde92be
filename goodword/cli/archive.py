"""`goodword archive`: old events to Parquet files, a month each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from goodword.cli.connection import Data, Executor, account_in, engine_of, fail, failing_clearly, folder, patiently, reader_of
from goodword.cli.progress import Report, progress, size_of
from goodword.core.archive import Archived
from goodword.core.command import RecordArchive
from goodword.engine import wall_clock_ms
from goodword.storage import archive as archives
from goodword.storage.expiry import month_kept
from goodword.storage.store import Store

DAYS_MAX = 100_000


def needs(*modules: str) -> None:
    """One clear line when what reads and writes Parquet is not there."""
    missing = []
    for module in modules:
        try:
            import_module(module)
        except ImportError:
            missing.append(module)
    if missing:
        packages = ", ".join(missing)
        fail(f"Not installed: {packages}. Install what is missing: {sys.executable} -m pip install {' '.join(missing)}")


def archive(
    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go: FOLDER/ACCOUNT/2026-01.parquet.")],
    account: Annotated[str | None, typer.Option("--account", help="This account only. [default: all]")] = None,
    older_than: Annotated[
        int | None,
        typer.Option(metavar="DAYS", help="Months that ended so many days ago. [default: how long the account keeps events]"),
    ] = None,
    data: Data = None,
) -> None:
    """Write each month of the log that is old enough to a file, once; people's data in it stays sealed. Run it again at any time."""
    needs("pyarrow")
    if older_than is not None and not 0 <= older_than <= DAYS_MAX:
        fail(f"--older-than is from 0 to {DAYS_MAX} days.", 2)
    directory = folder(data)
    with failing_clearly(), reader_of(directory) as store, engine_of(directory) as engine, progress("Archiving") as report:
        chosen = [account_in(store, account)] if account is not None else [store.accounts[number] for number in sorted(store.accounts)]
        count = 0
        for each in chosen:
            days = older_than if older_than is not None else each.settings.events_kept_days
            if older_than is None and not days:
                typer.echo(f"{each.id}: keeps its events for ever; nothing is due. --older-than DAYS archives them all the same.", err=True)
                continue
            for archived in _months(store, engine, each.number, days, to, report):
                count += 1
                typer.echo(f"{archived.file}: {archived.events} events, {size_of(archived.size)}")
    typer.echo(f"Files written: {count}.", err=True)


def _months(store: Store, engine: Executor, account: int, days: int, to: Path, report: Report) -> Iterator[Archived]:
    """Write what is due of an account, and put each file on record when it is on the disk."""
    now = wall_clock_ms()
    for part in archives.parts(store, account, month_kept(now, days)):
        for said in archives.write(store, account, part, to, now):
            if isinstance(said, int):
                report(said, 0, f"{part.month}: {said} events")
                continue
            outcome = patiently(partial(engine.execute, [RecordArchive(account, said)]))[0]
            if outcome.verdict != "done":
                fail(outcome.reason)
            yield said

"""`goodword verify`: check everything that must hold of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from goodword.cli.account import Json
from goodword.cli.connection import Data, failing_clearly, folder, reader_of
from goodword.cli.progress import progress
from goodword.storage import archive as archives
from goodword.storage.verify import verify as find_problems


def verify(
    archive: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Check the archives in this folder as well.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Check every invariant of the data, beside a running server or without one. Exit code 1 when something is wrong."""
    with failing_clearly(), reader_of(folder(data)) as store, progress("Verifying") as report:
        problems = find_problems(store, report)
        problems += archives.problems(store, archive) if archive is not None else []
        events = max(map(store.end_of_log, store.accounts), default=0)
    if as_json:
        typer.echo(msgspec.json.encode({"ok": not problems, "problems": problems}).decode())
    else:
        for problem in problems:
            typer.echo(problem)
        typer.echo(f"{len(problems)} problem(s)." if problems else f"All is well, up to message {events}.", err=True)
    if problems:
        raise typer.Exit(1)

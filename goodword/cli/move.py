"""`goodword migrate-store`: an installation moves from the embedded database to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from goodword import config
from goodword.cli.connection import fail, failing_clearly, sentence
from goodword.cli.progress import progress
from goodword.storage import move_keys
from goodword.storage.backup import key_header
from goodword.storage.keys import parse_master
from goodword.storage.lock import Busy
from goodword.storage.move import Copied, Move
from goodword.storage.move_source import OlderSchema, Source
from goodword.storage.move_target import AnotherMove, NotEmpty, NotTheSame, Target
from goodword.storage.moved import MOVED_FILE
from goodword.storage.store import DATABASE_FILE, Missing, Store

SERVER_RUNS = 3
"""The exit code when all was copied and a server still runs."""
REFUSED = (NotEmpty, NotTheSame, AnotherMove, OlderSchema)


def migrate_store(
    sqlite_dir: Annotated[Path, typer.Argument(help="The data folder that moves.")],
    postgres_url: Annotated[str, typer.Argument(help="The empty database it moves to: postgresql://user@host/database")],
    keys_url: Annotated[str | None, typer.Option(help="The database of the key store. [default: GOODWORD_KEYS_URL, else the same]")] = None,
) -> None:
    """Move an installation to PostgreSQL. Run it once while the server runs, and again when it was stopped: that takes seconds."""
    keys_url = keys_url or config.read("GOODWORD_KEYS_URL") or postgres_url
    where = _place(postgres_url)
    _place(keys_url)
    keys_folder = config.keys_folder() or sqlite_dir
    with failing_clearly():
        try:
            if not (sqlite_dir / DATABASE_FILE).exists():
                raise Missing
            store_id = key_header(keys_folder).store_id
            move_keys.check(keys_url, store_id)
            with closing(Target(postgres_url, store_id)) as target:
                if target.is_complete:
                    _say_it_arrived(sqlite_dir, where)
                    return
                try:
                    with _alone(sqlite_dir, keys_folder) as store, _moving(sqlite_dir, target) as move:
                        copied = move.finish(store, sqlite_dir, keys_folder, keys_url, where)
                except Busy:
                    with _moving(sqlite_dir, target) as move:
                        move.copy_until_close()
                    typer.echo("Copied, while the server runs. Stop it and run this again: what changed since takes seconds.", err=True)
                    raise typer.Exit(SERVER_RUNS) from None
        except REFUSED as error:
            fail(sentence(error))
    _tell(copied, where, keys_folder)


@contextmanager
def _moving(directory: Path, target: Target) -> Iterator[Move]:
    with closing(Source(directory / DATABASE_FILE)) as source, progress("Copying") as report:
        yield Move(source, target, report)


@contextmanager
def _alone(directory: Path, keys_folder: Path) -> Iterator[Store]:
    """The installation, with nobody else writing to it. Errors: Busy."""
    text = config.master_text()
    with Store(directory, master=parse_master(text) if text else None, keys_in=keys_folder, leaves=True) as store:
        yield store


def _say_it_arrived(directory: Path, where: str) -> None:
    if not (directory / MOVED_FILE).exists():
        fail(f"This installation was moved to {where} before, and its folder was opened again since. Give an empty database.")
    typer.echo(f"This installation was moved to {where} before; nothing is left to do.", err=True)


def _place(url: str) -> str:
    """A database as it may be shown: without user and password."""
    try:
        said = conninfo_to_dict(url)
    except ProgrammingError:
        fail("The address of a database looks like postgresql://user:password@host/database.", 2)
    return f"the PostgreSQL database `{said.get('dbname', '')}` at {said.get('host', 'localhost')}"


def _tell(copied: list[Copied], where: str, keys_folder: Path) -> None:
    for table, rows, digest in copied:
        typer.echo(f"{table:<18} {rows:>12,} {digest}")
    typer.echo(f"Moved to {where}: every row was read back and compared. Start nodes there, then run `goodword verify`.", err=True)
    if not config.master_text():
        typer.echo(f'Nodes need the master key: export GOODWORD_MASTER_KEY="$(cat {keys_folder / "keys.master"})"', err=True)

"""`goodword backup` and `goodword restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from goodword import config
from goodword.cli.connection import Data, embedded, fail, failing_clearly, reader_of
from goodword.cli.progress import progress, size_of
from goodword.opening import open_store
from goodword.storage import backup as backups
from goodword.storage.store import DATABASE_FILE


def _database_in(path: Path) -> Path:
    return path / DATABASE_FILE if path.is_dir() else path


def backup(
    dest: Annotated[Path | None, typer.Argument(help="File to write, or a folder to put goodword.db in.")] = None,
    keys: Annotated[Path | None, typer.Option("--keys", metavar="DEST", help="Copy the key store to this folder (which has none).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
    data: Data = None,
) -> None:
    """Copy the data, the key store, or both, while the server runs. Keep the two apart, and key stores only briefly."""
    directory = embedded(data)
    if dest is None and keys is None:
        fail("Say where to: DEST for the data, --keys DEST for the key store.", 2)
    with failing_clearly():
        try:
            if dest is not None:
                target = _database_in(dest)
                with progress("Copying") as report:
                    size = backups.copy_database(directory, target, report, force=force)
                typer.echo(f"{size_of(size)} in {target}.", err=True)
            if keys is not None:
                with reader_of(directory) as store:
                    store.keys.backup(keys)
                typer.echo(f"The key store is in {keys}. Who has it and the data reads everything.", err=True)
        except backups.AlreadyThere as error:
            fail(str(error))
        except FileExistsError as error:
            fail(f"{error.filename} is there already; copy the key store to a folder that has none.")


def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The backup: its file, or the folder it is in.")],
    keys: Annotated[Path | None, typer.Option("--keys", metavar="SRC", help="A copy of the key store, where there is none.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the data that is there.")] = False,
    data: Data = None,
) -> None:
    """Put a backup back. Whoever the key store knows to be deleted since stays deleted. The server must not run."""
    directory = embedded(data)
    with failing_clearly():
        try:
            with progress("Restoring") as report:
                backups.restore(
                    _database_in(source), directory, config.keys_folder() or directory, report, keys_from=keys, force=force
                )  # fmt: skip
        except (backups.AlreadyThere, backups.Unfit) as error:
            fail(str(error))
        store = open_store(directory)  # repeats the deletions that the key store remembers
        try:
            profiles = store.database.read("SELECT count(*) FROM profile")[0][0]
            accounts = len(store.accounts)
        finally:
            store.close()
    typer.echo(f"Restored: {accounts} account(s), {profiles} profiles. `goodword verify` checks everything.", err=True)

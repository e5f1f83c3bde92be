"""`goodword key`: API keys. A key is shown once, when it is made."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from goodword import config
from goodword.api.auth import hash_secret, is_over, new_secret
from goodword.api.intake import new_id
from goodword.cli.connection import (
    AccountId,
    Data,
    account_number,
    embedded,
    engine_of,
    existing_account,
    fail,
    failing_clearly,
    folder,
    reader_of,
)
from goodword.cli.progress import progress
from goodword.core.account import Key, Scope
from goodword.core.command import CreateKey, RevokeKey
from goodword.core.times import write_time
from goodword.engine import wall_clock_ms
from goodword.storage.backup import sync_directory
from goodword.storage.cipher import KEY_BYTES
from goodword.storage.keys import parse_master
from goodword.storage.store import DATABASE_FILE, Missing, Store

cli = typer.Typer(help="API keys.", no_args_is_help=True)
NewAccountId = Annotated[str, typer.Option("--account", help="Account; one that does not exist is made.")]


@cli.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, such as `segment` or `website`.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; may be given more than once.")] = None,
    account: NewAccountId = "default",
    signing_secret: Annotated[str, typer.Option(help="Shared secret that requests must be signed with (X-Signature), besides.")] = "",
    data: Data = None,
) -> None:
    """Make a key and print it, alone, on standard output. It cannot be shown again."""
    scopes = tuple(dict.fromkeys(scope or [Scope.DESTINATION]))
    secret = new_secret(scopes)
    with failing_clearly(), engine_of(folder(data)) as engine:
        number = account_number(engine, account)
        key = Key(new_id(), number, name, hash_secret(secret), secret[-4:], scopes, wall_clock_ms(), signing_secret=signing_secret)
        engine.execute([CreateKey(number, key)])
    typer.echo(secret)


@cli.command("list")
def list_keys(data: Data = None) -> None:
    """List the keys of all accounts, with last use (to the minute)."""
    table = Table("account", "id", "name", "key", "scopes", "created", "last used", "state", box=None)
    with failing_clearly(), reader_of(folder(data)) as store:
        for key in sorted(store.keys_by_id.values(), key=lambda key: (key.account, key.created_at)):
            table.add_row(
                store.accounts[key.account].id,
                key.id,
                key.name,
                f"…{key.hint}",
                " ".join(key.scopes),
                write_time(key.created_at),
                write_time(key.last_used_at) if key.last_used_at else "never",
                _state(key),
            )
    Console(width=None if Console().is_terminal else 200).print(table)


def _state(key: Key) -> str:
    if key.revoked_at:
        return f"revoked {write_time(key.revoked_at)}"
    if key.expires_at is None:
        return "live"
    return f"{'ended' if is_over(key) else 'live until'} {write_time(key.expires_at)}"


@cli.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id or name, as `goodword key list` shows it.")],
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """End a key at once."""
    directory = folder(data)
    with failing_clearly():
        number = existing_account(directory, account).number
        with engine_of(directory) as engine:
            outcome = engine.execute([RevokeKey(number, key)])[0]
    if outcome.verdict == "refused":
        fail(outcome.reason)
    typer.echo(f"Revoked {outcome.value} key(s).", err=True)


@cli.command("rotate-master")
def rotate_master(
    new_key_file: Annotated[
        Path | None,
        typer.Option(help="File of the new master key; made when it is not there. Needed where the key does not come from keys.master."),
    ] = None,
    data: Data = None,
) -> None:
    """Wrap every person's key under a new master key, so that old copies of the key store are worthless. The server must not run."""
    directory = embedded(data)
    with failing_clearly():
        text = config.master_text()
        if text is not None and new_key_file is None:
            fail("The master key comes from the environment: say where the new one goes with --new-key-file.", 2)
        if not (directory / DATABASE_FILE).exists():
            raise Missing
        keys_in = config.keys_folder() or directory
        file = keys_in / "keys.master"
        from_file = text is None and new_key_file is not None
        if from_file:
            text = file.read_text()
        new = os.urandom(KEY_BYTES) if new_key_file is None else _new_master(new_key_file)
        with (
            Store(directory, master=parse_master(text) if text else None, keys_in=config.keys_folder()) as store,
            progress("Wrapping keys") as report,
        ):
            store.keys.rotate_master(new, report)
        if from_file:
            _scrub(file)
    where = f"in {new_key_file}: set GOODWORD_MASTER_KEY_FILE to it" if new_key_file else f"in {file}"
    typer.echo(f"The master key was replaced; the new one is {where}. Back the key store up anew and destroy its older copies.", err=True)


def _new_master(file: Path) -> bytes:
    """The key in a file, or a new one written to it before anything is wrapped with it."""
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as written:
            written.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
            written.flush()
            os.fsync(written.fileno())
        sync_directory(file.resolve().parent)
    if file.stat().st_mode & 0o077:
        fail(f"Other users of this machine can read {file}. Make it yours alone: chmod 600 {file}")
    return parse_master(file.read_text())


def _scrub(file: Path) -> None:
    """Overwrite a master key that fits nothing any more, and remove it."""
    with file.open("r+b") as old:
        old.write(bytes(file.stat().st_size))
        old.flush()
        os.fsync(old.fileno())
    file.unlink()

"""`goodword key`: API keys. A key is shown once, when it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from goodword import config
from goodword.api.auth import hash_secret, new_secret
from goodword.api.intake import new_id
from goodword.cli.connection import account_number, engine_of, failing_clearly, reader_of
from goodword.core.account import Key, Scope
from goodword.core.command import CreateKey, RevokeKey
from goodword.core.times import write_time
from goodword.engine import wall_clock_ms

cli = typer.Typer(help="API keys.", no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="Data folder. [default: ./goodword-data]")]
AccountId = Annotated[str, typer.Option(help="Account; one that does not exist is made.")]


@cli.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, such as `segment` or `website`.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; may be given more than once.")] = None,
    account: AccountId = "default",
    signing_secret: Annotated[str, typer.Option(help="Shared secret that requests must be signed with (X-Signature), besides.")] = "",
    data: Data = None,
) -> None:
    """Make a key and print it, alone, on standard output. It cannot be shown again."""
    scopes = tuple(dict.fromkeys(scope or [Scope.DESTINATION]))
    secret = new_secret(scopes)
    with failing_clearly(), engine_of(config.data_folder(str(data) if data else None)) as engine:
        number = account_number(engine, account)
        key = Key(new_id(), number, name, hash_secret(secret), secret[-4:], scopes, wall_clock_ms(), signing_secret=signing_secret)
        engine.execute([CreateKey(number, key)])
    typer.echo(secret)


@cli.command("list")
def list_keys(data: Data = None) -> None:
    """List the keys of all accounts, with last use (to the minute)."""
    table = Table("account", "id", "name", "key", "scopes", "created", "last used", "state", box=None)
    with failing_clearly(), reader_of(config.data_folder(str(data) if data else None)) as store:
        for key in sorted(store.keys_by_id.values(), key=lambda key: (key.account, key.created_at)):
            table.add_row(
                store.accounts[key.account].id,
                key.id,
                key.name,
                f"…{key.hint}",
                " ".join(key.scopes),
                write_time(key.created_at),
                write_time(key.last_used_at) if key.last_used_at else "never",
                f"revoked {write_time(key.revoked_at)}" if key.revoked_at else "live",
            )
    Console(width=None if Console().is_terminal else 200).print(table)


@cli.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id or name, as `goodword key list` shows it.")],
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """End a key at once."""
    with failing_clearly(), engine_of(config.data_folder(str(data) if data else None)) as engine:
        outcome = engine.execute([RevokeKey(account_number(engine, account), key)])[0]
    if outcome.verdict == "refused":
        typer.echo(f"goodword: {outcome.reason}", err=True)
        raise typer.Exit(1)
    typer.echo(f"Revoked {outcome.value} key(s).", err=True)

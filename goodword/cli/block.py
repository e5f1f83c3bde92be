"""`goodword block ...`: addresses, domains, networks and browsers that may not take part, or always may."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.table import Table

from goodword.cli.account import Json
from goodword.cli.connection import AccountId, Data, account_in, engine_of, existing_account, fail, failing_clearly, folder, reader_of
from goodword.cli.progress import table_console
from goodword.core.block import INSTALLATION, BlockEntry, ListType, kind_of
from goodword.core.command import PutBlock
from goodword.core.times import write_time
from goodword.storage.query import block as blocks

cli = typer.Typer(help="Block lists: who may not take part, and who always may.", no_args_is_help=True)
Type = Literal["email", "domain", "cidr", "user-agent"]
TYPES: dict[Type, ListType] = {"email": "NORMALIZED_EMAIL", "domain": "EMAIL_DOMAIN", "cidr": "CIDR", "user-agent": "USER_AGENT"}
Value = Annotated[str, typer.Argument(help="An e-mail address, a domain, a network or a part of a user agent.")]
Kind = Annotated[Type | None, typer.Option("--type", help="What the value is, where it is not plain from how it is written.")]
Global = Annotated[bool, typer.Option("--global", help="The installation's list, which holds for every account.")]


@cli.command("add")
def add(
    value: Value,
    type_: Kind = None,
    allow: Annotated[bool, typer.Option("--allow", help="Let it take part whatever else is listed.")] = False,
    note: Annotated[str, typer.Option(help="Why, for whoever reads the list later.")] = "",
    is_global: Global = False,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Put an entry on the block lists. Of an e-mail address only a keyed hash is kept."""
    entry = BlockEntry(TYPES[type_] if type_ else kind_of(value), "WHITE" if allow else "BLACK", value, note)
    _put(folder(data), account, is_global, entry, is_listed=True)
    typer.echo(f"{'Always let in' if allow else 'Blocked'} from now on ({entry.list_type}).")


@cli.command("remove")
def remove(value: Value, type_: Kind = None, is_global: Global = False, account: AccountId = "default", data: Data = None) -> None:
    """Take an entry off the block lists; an entry that is not there is no error."""
    entry = BlockEntry(TYPES[type_] if type_ else kind_of(value), "BLACK", value)
    _put(folder(data), account, is_global, entry, is_listed=False)
    typer.echo(f"Not listed any more ({entry.list_type}).")


def _put(directory: Path, account: str, is_global: bool, entry: BlockEntry, *, is_listed: bool) -> None:
    with failing_clearly():
        number = INSTALLATION if is_global else existing_account(directory, account).number
        with engine_of(directory) as engine:
            outcome = engine.execute([PutBlock(number, entry, is_listed)])[0]
    if outcome.verdict == "refused":
        fail(outcome.reason, 2)


@cli.command("list")
def show(is_global: Global = False, account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """List the entries, newest first. E-mail addresses are kept as keyed hashes and shown as such by their id alone."""
    with failing_clearly(), reader_of(folder(data)) as store:
        found = blocks.entries(store, INSTALLATION if is_global else account_in(store, account).number)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    table = Table("id", "list", "filter", "value", "note", "since", box=None)
    for entry in found:
        table.add_row(entry.id, entry.list_type, entry.filter_type, entry.value or "(hashed)", entry.note, write_time(entry.created_at))
    table_console().print(table)


@cli.command("test")
def look_up(value: Value, type_: Kind = None, account: AccountId = "default", data: Data = None) -> None:
    """Print what the lists say of a value: BLACKLISTED, WHITELISTED or NOT_LISTED."""
    with failing_clearly(), reader_of(folder(data)) as store:
        typer.echo(blocks.look_up(store, account_in(store, account).number, value, TYPES[type_] if type_ else None))

"""`goodword stats`: what came in and what is held."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.table import Table

from goodword.cli.account import Json
from goodword.cli.connection import Data, failing_clearly, folder, reader_of
from goodword.cli.progress import size_of, table_console
from goodword.core.money import write_money
from goodword.engine import wall_clock_ms
from goodword.storage.query import stats as counts


def stats(
    days: Annotated[int | None, typer.Option(min=1, help="Only events of the last so many days (UTC), today included.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Count events by name, duplicates and amounts; people, accounts, suppressed ids, sizes of files."""
    with failing_clearly(), reader_of(folder(data)) as store:
        counted = counts.stats(store, days=days, now=wall_clock_ms())
    if as_json:
        typer.echo(msgspec.json.encode(counts.as_json(counted)).decode())
        return
    console = table_console()
    for account in counted.accounts:
        receipts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(account.receipts.items()))
        console.print(
            f"{account.id}: {account.profiles} profiles, {account.audiences} audiences, {account.deletions} deletions,"
            f" {account.suppressed} suppressed ids. In the message log: {receipts or 'nothing refused, dropped or repeated'}.",
            highlight=False,
        )
        table = Table("type", "name", "count", "duplicates", "amount", box=None, pad_edge=True)
        for name in account.names:
            amounts = "  ".join(f"{write_money(amount, currency)} {currency}" for currency, amount in sorted(name.amounts.items()))
            table.add_row(name.type, name.name or "-", str(name.count), str(name.duplicates), amounts)
        if account.names:
            console.print(table)
    console.print("  ".join(f"{name} {size_of(size)}" for name, size in counted.sizes.items()), highlight=False)

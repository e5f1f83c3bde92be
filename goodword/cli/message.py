"""`goodword messages`: the message log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from goodword.cli.account import Json
from goodword.cli.connection import AccountId, Data, account_in, failing_clearly, folder, reader_of
from goodword.cli.progress import table_console
from goodword.core.times import write_time
from goodword.storage.query.message import LIMIT_MAX, LoggedMessage, LogVerdict, as_json, messages

POLL_S = 0.5


def show_messages(
    last: Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="How many of the newest messages.")] = 50,
    verdict: Annotated[LogVerdict | None, typer.Option(help="Only messages of this verdict.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes in, until interrupted.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The messages as they arrived, as well.")] = False,
    account: AccountId = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Show the newest messages received, newest first, and what became of each. What a deleted person sent is not shown."""
    show = _show_json if json else _show_table
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        found = messages(store, number, last, verdict=verdict)
        if not follow:
            show(found, raw)
            return
        show(found[::-1], raw)
        seen = found[0].arrival if found else 0
        try:
            while True:
                time.sleep(POLL_S)
                while fresh := messages(store, number, LIMIT_MAX, after=seen, verdict=verdict):
                    seen = fresh[0].arrival
                    show(fresh[::-1], raw)
        except KeyboardInterrupt:
            return


Show = Callable[[list[LoggedMessage], bool], None]


def _show_json(lines: list[LoggedMessage], raw: bool) -> None:
    for line in lines:
        typer.echo(msgspec.json.encode(as_json(line, raw=raw)).decode())


def _show_table(lines: list[LoggedMessage], raw: bool) -> None:
    table = Table("arrival", "received", "type", "name", "verdict", "why", *(["message"] if raw else []), box=None)
    for line in lines:
        why = "; ".join(filter(None, (line.reason, *line.notes)))
        name = "(deleted)" if line.is_deleted else line.name or ""
        verdict = f"duplicate of {line.duplicate_of}" if line.duplicate_of else line.verdict
        more = [escape((line.body or b"").decode("utf-8", "replace"))] if raw else []
        table.add_row(str(line.arrival), write_time(line.received_at), line.type, escape(name), verdict, escape(why), *more)
    if lines:
        table_console().print(table)

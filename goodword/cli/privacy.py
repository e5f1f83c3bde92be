"""`goodword erase`, `goodword erasures` and `goodword unsuppress`: deletion and suppression of people, and the log of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.table import Table

from goodword.api.intake import new_id
from goodword.cli.account import Json
from goodword.cli.connection import (
    AccountId,
    Data,
    Email,
    UserId,
    account_in,
    engine_of,
    existing_account,
    fail,
    failing_clearly,
    folder,
    person_keys,
    reader_of,
)
from goodword.cli.progress import table_console
from goodword.core.command import Erase, Unsuppress
from goodword.core.times import write_time
from goodword.storage.query import erasure as log


def erase(
    user_id: UserId = None,
    email: Email = None,
    suppress: Annotated[bool, typer.Option("--suppress", help="Also drop everything that comes about them later.")] = False,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Delete everything held about a person, for ever. An unknown person succeeds."""
    keys = person_keys(user_id, email)
    if not keys:
        fail("Say who: --user-id or --email.", 2)
    directory = folder(data)
    with failing_clearly():
        number = existing_account(directory, account).number
        erasure_id = new_id()
        with engine_of(directory) as engine:
            outcome = engine.execute([Erase(number, keys, erasure_id=erasure_id, suppress=suppress)])[0]
    if outcome.verdict == "refused":
        fail(outcome.reason)
    count = int(outcome.value or 0)
    later = " What comes later is dropped." if suppress else ""
    typer.echo(f"Deleted {count} profile{'' if count == 1 else 's'}.{later} Erasure: {erasure_id}")


def show_erasures(account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """List an account's deletions, newest first. Whether the keys are verifiably destroyed is what `verify` says."""
    with failing_clearly(), reader_of(folder(data)) as store:
        found = log.erasures(store, account_in(store, account).number)
    if as_json:
        typer.echo(msgspec.json.encode([log.as_json(erasure) for erasure in found]).decode())
        return
    table = Table("erasure", "time", "profiles", "keys", "suppressed", box=None)
    for erasure in found:
        suppressed = "yes" if erasure.is_suppressed else "no"
        table.add_row(erasure.id, write_time(erasure.at), str(erasure.profiles), str(erasure.keys), suppressed)
    table_console().print(table)


def unsuppress(user_id: UserId = None, email: Email = None, account: AccountId = "default", data: Data = None) -> None:
    """Let messages about a suppressed person in again, as from now."""
    keys = person_keys(user_id, email)
    if not keys:
        fail("Say who: --user-id or --email.", 2)
    directory = folder(data)
    with failing_clearly():
        number = existing_account(directory, account).number
        with engine_of(directory) as engine:
            outcome = engine.execute([Unsuppress(number, keys)])[0]
    count = int(outcome.value or 0)
    typer.echo(f"Lifted the suppression of {count} id{'' if count == 1 else 's'}.")

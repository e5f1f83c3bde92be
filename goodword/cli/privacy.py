"""`goodword erase` and `goodword unsuppress`: deletion and suppression of people."""

from __future__ import annotations

from typing import Annotated

import typer

from goodword.api.intake import new_id
from goodword.cli.connection import AccountId, Data, Email, UserId, engine_of, existing_account, fail, failing_clearly, folder, person_keys
from goodword.core.command import Erase, Unsuppress


def erase(
    user_id: UserId = None,
    email: Email = None,
    suppress: Annotated[bool, typer.Option("--suppress", help="Also drop everything that comes about them later.")] = False,
    note: Annotated[str, typer.Option(help="A note for the log of deletions, such as a ticket's number; no personal data.")] = "",
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
        with engine_of(directory) as engine:
            outcome = engine.execute([Erase(number, keys, erasure_id=new_id(), note=note, suppress=suppress)])[0]
    if outcome.verdict == "refused":
        fail(outcome.reason)
    count = int(outcome.value or 0)
    typer.echo(f"Deleted {count} profile{'' if count == 1 else 's'}.{' What comes later is dropped.' if suppress else ''}")


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

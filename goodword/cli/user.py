"""`goodword user`: who may use the console. A user sets their own password, by a link that works once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from goodword import config
from goodword.cli.connection import Data, Executor, account_number, engine_of, fail, failing_clearly, folder, reader_of
from goodword.console.invitation import invite, new_user
from goodword.core.command import Audited, PutUser
from goodword.core.console import Role, User
from goodword.core.profile import read_email
from goodword.core.times import write_time
from goodword.engine import wall_clock_ms
from goodword.storage.query import console as query

cli = typer.Typer(help="Users of the console.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(help="The user's e-mail address.")]
AccountToMake = Annotated[str, typer.Option("--account", help="Account; one that does not exist is made.")]


@cli.command("create")
def create(
    email: Email,
    role: Annotated[Role, typer.Option(help="What they may do.")] = "admin",
    name: Annotated[str, typer.Option(help="Their name.")] = "",
    account: AccountToMake = "default",
    data: Data = None,
) -> None:
    """Make a user, and print the link by which they set their password. It works once, for a day."""
    directory = folder(data)
    with failing_clearly(), engine_of(directory) as engine:
        user = new_user(account_number(engine, account), _address(email), role, wall_clock_ms(), name.strip())
        outcome = engine.execute([Audited(user.account, PutUser(user.account, user), "", "user.created", user.id, {"role": role})])[0]
        if outcome.verdict == "refused":
            fail(outcome.reason)
        typer.echo(_link(engine, user))


@cli.command("list")
def list_users(data: Data = None) -> None:
    """List the users of all accounts."""
    table = Table("account", "e-mail", "name", "role", "made", "second factor", "state", box=None)
    with failing_clearly(), reader_of(folder(data)) as store:
        for account in sorted(store.accounts):
            for user in query.users(store, account):
                state = "disabled" if user.disabled_at else "live" if user.password else "invited"
                factor = "on" if user.totp else "off"
                table.add_row(store.accounts[account].id, user.email, user.name, user.role, write_time(user.created_at), factor, state)
    Console(width=None if Console().is_terminal else 200).print(table)


@cli.command("reset")
def reset(email: Email, data: Data = None) -> None:
    """Print a link by which a user sets a new password, and take their second factor away. It works once, for a day."""
    directory = folder(data)
    with failing_clearly():
        user = _user(directory, email)
        with engine_of(directory) as engine:
            plain = replace(user, totp="", totp_used=0, disabled_at=None)
            engine.execute([Audited(user.account, PutUser(user.account, plain), "", "user.reset", user.id)])
            typer.echo(_link(engine, plain))


@cli.command("disable")
def disable(email: Email, data: Data = None) -> None:
    """Lock a user out, at once and everywhere. `reset` lets them in again."""
    directory = folder(data)
    with failing_clearly():
        user = _user(directory, email)
        with engine_of(directory) as engine:
            locked = replace(user, disabled_at=wall_clock_ms())
            outcome = engine.execute([Audited(user.account, PutUser(user.account, locked), "", "user.disabled", user.id)])[0]
    if outcome.verdict == "refused":
        fail(outcome.reason)
    typer.echo(f"{user.email} is locked out.", err=True)


def _user(directory: Path, email: str) -> User:
    """The user of an address. Where there is none it says so and ends."""
    with reader_of(directory) as store:
        user = query.user_by_email(store, _address(email))
    if user is None:
        fail("There is no such user. `goodword user list` shows those there are.")
    return user


def _address(text: str) -> str:
    return read_email(text) or fail("This is not an e-mail address.", 2)


def _link(engine: Executor, user: User) -> str:
    """The address of a new sign-in link, on the server as set."""
    origin = config.read("GOODWORD_PUBLIC_URL").rstrip("/") or f"http://{config.read('GOODWORD_HOST')}:{config.read('GOODWORD_PORT')}"
    path, command = invite(user, wall_clock_ms())
    engine.execute([command])
    return origin + path

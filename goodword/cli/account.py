"""`goodword account`: accounts and their settings."""

from __future__ import annotations

import zoneinfo
from typing import Annotated, Any, Literal

import msgspec
import typer
from msgspec.structs import replace
from rich.table import Table

from goodword.cli.connection import Data, account_in, engine_of, existing_account, fail, failing_clearly, folder, reader_of
from goodword.cli.progress import table_console
from goodword.core.account import Account
from goodword.core.command import Configure
from goodword.core.money import read_currency
from goodword.core.times import write_time
from goodword.engine import wall_clock_ms
from goodword.storage import zone

cli = typer.Typer(help="Accounts and their settings.", no_args_is_help=True)
AccountArgument = Annotated[str, typer.Argument(metavar="ID", help="The account's id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def shown(account: Account) -> dict[str, Any]:
    """An account for programs."""
    settings: dict[str, Any] = msgspec.to_builtins(account.settings)
    return {"id": account.id, "created_at": write_time(account.created_at) if account.created_at else None, "settings": settings}


@cli.command("list")
def list_accounts(data: Data = None, as_json: Json = False) -> None:
    """List the accounts."""
    with failing_clearly(), reader_of(folder(data)) as store:
        accounts = [store.accounts[number] for number in sorted(store.accounts)]
    if as_json:
        typer.echo(msgspec.json.encode([shown(account) for account in accounts]).decode())
        return
    table = Table("id", "created", "unmapped traits", "default scope", "stores pages", "currency", "events mapped", box=None)
    for account in accounts:
        settings = account.settings
        created = write_time(account.created_at) if account.created_at else "at first"
        pages = "yes" if settings.stores_pages else "no"
        table.add_row(
            account.id, created, settings.unmapped_traits, settings.default_scope, pages, settings.currency, str(len(settings.events))
        )
    table_console().print(table)


@cli.command("show")
def show(account: AccountArgument, data: Data = None) -> None:
    """Print an account's settings as JSON."""
    with failing_clearly(), reader_of(folder(data)) as store:
        found = account_in(store, account)
    typer.echo(msgspec.json.format(msgspec.json.encode(shown(found)), indent=2).decode())


@cli.command("set")
def set_account(
    account: AccountArgument,
    unmapped_traits: Annotated[
        Literal["store", "ignore"] | None, typer.Option(help="Keep traits that are not the person's own fields, or ignore them.")
    ] = None,
    default_scope: Annotated[
        Literal["PUBLIC", "PRIVATE", "CLIENT"] | None, typer.Option(help="Scope of parameters set by messages.")
    ] = None,
    store_pages: Annotated[
        bool | None, typer.Option("--store-pages/--no-store-pages", help="Keep page and screen messages as events.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Currency of values sent without one (ISO 4217).")] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Where days begin that are counted (IANA), from the next midnight; '' is UTC."),
    ] = None,
    events_kept_days: Annotated[
        int | None,
        typer.Option("--keep-events", metavar="DAYS", help="How long events are kept, in days from when they came; 0 is for ever."),
    ] = None,
    archives_events: Annotated[
        bool | None,
        typer.Option("--archive-events/--no-archive-events", help="Let go of events only once `goodword archive` wrote them to a file."),
    ] = None,
    data: Data = None,
) -> None:
    """Change an account's settings; what is not named stays."""
    changes: dict[str, Any] = {"unmapped_traits": unmapped_traits, "default_scope": default_scope, "stores_pages": store_pages}
    changes |= {"time_zone": time_zone, "events_kept_days": events_kept_days, "archives_events": archives_events}
    if currency is not None:
        changes["currency"] = read_currency(currency) or fail("--currency is no ISO 4217 code such as USD.", 2)
    if time_zone and time_zone not in zoneinfo.available_timezones():
        fail("--time-zone is no IANA name such as Europe/Berlin.", 2)
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes:
        names = "--unmapped-traits, --default-scope, --store-pages, --currency, --time-zone, --keep-events or --archive-events"
        fail(f"Say what to change: {names}.", 2)
    directory = folder(data)
    with failing_clearly():
        found = existing_account(directory, account)
        with engine_of(directory) as engine:
            changed = replace(found, settings=replace(found.settings, **changes))
            outcome = engine.execute([Configure(found.number, changed.settings)])[0]
            counting = zone.follow(changed, wall_clock_ms()) if outcome.verdict == "done" else None
            if counting is not None:
                engine.execute([counting])
    if outcome.verdict == "refused":
        fail(outcome.reason)
    typer.echo(f"Changed {', '.join(sorted(changes))} of {account}.", err=True)

"""`goodword event`: what events sent under some name become, looked at on stored ones before it is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace
from rich.table import Table

from goodword.cli.connection import AccountId, Data, account_in, engine_of, existing_account, fail, failing_clearly, folder, reader_of
from goodword.cli.progress import table_console
from goodword.core.account import DEFAULT_EVENTS, PRESETS, EventMapping, Settings
from goodword.core.command import Configure
from goodword.core.message import clean_name
from goodword.core.money import write_money
from goodword.storage.query import preview as previews
from goodword.storage.query.preview import NamePreview, Preview, drafted, mapping

cli = typer.Typer(help="Events: names re-mapped to canonical ones.", no_args_is_help=True)
Sent = Annotated[str | None, typer.Argument(metavar="SENT_NAME", help="The name as sent; any case matches.")]
Canonical = Annotated[str | None, typer.Argument(metavar="CANONICAL", help="What it becomes: conversion, registration or a name of yours.")]
Field = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="TARGET=SOURCE[,SOURCE2]", help="Which property fills a field; the first one present counts."),
]
Preset = Annotated[str | None, typer.Option(help=f"A ready-made set of mappings: {', '.join(PRESETS)}.")]
Last = Annotated[int, typer.Option(min=1, max=previews.LAST_MAX, help="How many of the newest stored events to look at.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def draft(sent: str | None, canonical: str | None, fields: list[str] | None, preset: str | None) -> dict[str, EventMapping]:
    """The mappings that arguments ask for, by the name as sent."""
    said: dict[str, EventMapping] = {}
    if preset is not None:
        said.update(previews.preset(preset) or fail(f"There is no preset `{preset}`; there are {', '.join(PRESETS)}.", 2))
    if sent is not None:
        if canonical is None or not clean_name(sent) or not clean_name(canonical):
            fail("Say both: the name as sent, and what it becomes.", 2)
        said[sent] = mapping(canonical, _fields(fields or []))
    if not said:
        fail("Name an event as sent and what it becomes, or a --preset.", 2)
    return said


def _fields(texts: list[str]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for text in texts:
        target, _, sources = text.partition("=")
        names = [source.strip() for source in sources.split(",") if source.strip()]
        if not target.strip() or not names:
            fail("--field is written TARGET=SOURCE[,SOURCE2], such as cart_value=total,revenue.", 2)
        fields[target.strip()] = names
    return fields


def _configure(directory: Path, account_id: str, settings: Settings, number: int) -> None:
    with engine_of(directory) as engine:
        outcome = engine.execute([Configure(number, settings)])[0]
    if outcome.verdict == "refused":
        fail(f"{account_id}: {outcome.reason}")


@cli.command("map")
def map_event(
    sent: Sent = None,
    canonical: Canonical = None,
    field: Field = None,
    preset: Preset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the newest stored events would become; save nothing.")] = False,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Map events sent under a name to a canonical one, from now on; stored events stay as they are."""
    said = draft(sent, canonical, field, preset)
    directory = folder(data)
    if dry_run:
        _preview(directory, account, said, 1000, as_json=False)
        return
    with failing_clearly():
        found = existing_account(directory, account)
        _configure(directory, account, drafted(found.settings, said), found.number)
    for name, mapped in said.items():
        typer.echo(f"{name} becomes {mapped.to}.", err=True)


@cli.command("unmap")
def unmap(
    sent: Annotated[str, typer.Argument(metavar="SENT_NAME", help="The name as sent; any case matches.")],
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Let events of this name keep it, from now on."""
    directory = folder(data)
    with failing_clearly():
        found = existing_account(directory, account)
        folded = clean_name(sent).casefold()
        if folded not in found.settings.events:
            fail(f"`{sent}` is not mapped in account {account}.")
        events = {name: mapped for name, mapped in found.settings.events.items() if name != folded}
        _configure(directory, account, replace(found.settings, events=events), found.number)
    typer.echo(f"{sent} is no longer mapped.", err=True)


@cli.command("list")
def list_events(account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """List an account's mappings, the built-in ones included."""
    with failing_clearly(), reader_of(folder(data)) as store:
        events = {**DEFAULT_EVENTS, **account_in(store, account).settings.events}
    if as_json:
        typer.echo(msgspec.json.encode(events).decode())
        return
    table = Table("sent (any case)", "becomes", "fields", box=None)
    for name, mapped in sorted(events.items()):
        table.add_row(name, mapped.to, "  ".join(f"{target}={','.join(sources)}" for target, sources in mapped.fields.items()))
    table_console().print(table)


@cli.command("preview")
def preview(
    sent: Sent = None,
    canonical: Canonical = None,
    field: Field = None,
    preset: Preset = None,
    last: Last = 1000,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what the newest stored events would become under a mapping, before it is saved."""
    _preview(folder(data), account, draft(sent, canonical, field, preset), last, as_json=as_json)


def _preview(directory: Path, account_id: str, said: dict[str, EventMapping], last: int, *, as_json: bool) -> None:
    with failing_clearly(), reader_of(directory) as store:
        found = account_in(store, account_id)
        looked = previews.preview(store, found.number, drafted(found.settings, said), last)
    if as_json:
        typer.echo(msgspec.json.encode(previews.as_json(looked)).decode())
        return
    _print(looked)


def _print(looked: Preview) -> None:
    table = Table("sent", "count", "was", "becomes", "conversion id", "value", "would be duplicates", "why refused", box=None)
    for name in looked.names:
        table.add_row(
            name.sent,
            str(name.count),
            name.was,
            f"{name.becomes}{' *' if name.is_changed else ''}",
            f"{name.with_id} found, {name.without_id} missing" if name.with_id or name.without_id else "",
            _value(name),
            f"{name.duplicates_of_each_other} of each other, {name.duplicates_of_stored} of stored ones"
            if name.duplicates_of_each_other or name.duplicates_of_stored
            else "",
            "; ".join(f"{why} ({count})" for why, count in name.refused_why.items()),
        )
    table_console().print(table)
    deleted = f"; {looked.deleted} of deleted people cannot be read" if looked.deleted else ""
    typer.echo(f"{looked.looked_at} stored events looked at{deleted}. * would change. Nothing was saved.", err=True)


def _value(name: NamePreview) -> str:
    if not name.value_read and not name.value_refused:
        return ""
    amounts = " ".join(f"{write_money(amount, currency)} {currency}" for currency, amount in sorted(name.amounts.items()))
    return f"{name.value_read} read ({amounts}), {name.value_refused} refused, {name.value_absent} absent"

"""`goodword campaign`: campaigns as documents, from a template to live and back."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from goodword.cli import draft
from goodword.cli.connection import AccountId, Data, account_in, engine_of, existing_account, fail, failing_clearly, folder, reader_of
from goodword.cli.draft import File, Id, Json, campaign_in, document_of, known_of, version_in
from goodword.cli.progress import table_console
from goodword.core.campaign import State
from goodword.core.command import Command, SaveCampaign, SetCampaignState
from goodword.core.times import write_time
from goodword.document.text import write
from goodword.engine import wall_clock_ms
from goodword.storage.query import campaign as campaigns

cli = typer.Typer(help="Campaigns: documents, their versions and states.", no_args_is_help=True)
By = Annotated[str, typer.Option("--by", help="Who does this, for the list of versions and the history.")]
NumberOption = Annotated[int | None, typer.Option("--version", min=1, help="Which version. [default: the latest]")]
AUTHOR = "command line"

cli.command("template")(draft.template)
cli.command("validate")(draft.validate)
cli.command("diff")(draft.diff)
cli.command("dry-run")(draft.dry_run)
cli.command("schema")(draft.print_schema)


def _do(directory: Any, command: Command) -> dict[str, Any]:
    with engine_of(directory) as engine:
        outcome = engine.execute([command])[0]
    if outcome.verdict == "refused":
        fail(outcome.reason)
    said: dict[str, Any] = outcome.value
    return said


def _tell(said: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(said).decode())
        return
    force = f"version {said['published_version']} in force" if said["published_version"] else "not published yet"
    coming = "".join(f"; {each['state']} from {each['at']}" for each in said["scheduled"])
    changed = "" if said["changed"] else "nothing changed; "
    typer.echo(f"{said['campaign_id']}: {changed}version {said['version']}, {force}, {said['state']}{coming}.", err=True)


@cli.command("apply")
def apply(
    file: File,
    publish: Annotated[bool, typer.Option("--publish", help="Put it in force, LIVE.")] = False,
    note: Annotated[str, typer.Option(help="Why, for the list of versions.")] = "",
    by: By = AUTHOR,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Save a document as its campaign's newest version. Doing it again changes nothing."""
    directory = folder(data)
    with failing_clearly():
        number = existing_account(directory, account).number
        document = document_of(file, known_of(directory, account))
        _tell(_do(directory, SaveCampaign(number, document, by, note, publish)), as_json=as_json)


@cli.command("list")
def list_campaigns(account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """List an account's campaigns."""
    now = wall_clock_ms()
    with failing_clearly(), reader_of(folder(data)) as store:
        found = [campaigns.as_json(each, now) for each in campaigns.campaigns(store, account_in(store, account).number)]
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    table = Table("id", "name", "program", "state", "in force", "latest", "changed", "to come", box=None)
    for each in found:
        coming = ", ".join(f"{mark['state']} {mark['at']}" for mark in each["scheduled"])
        version = str(each["published_version"] or "-")
        table.add_row(
            each["campaign_id"],
            each["name"],
            each["program_label"],
            each["state"],
            version,
            str(each["version"]),
            each["updated_date"],
            coming,
        )
    table_console().print(table)


@cli.command("show")
def show(id: Id, version: NumberOption = None, account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """Print a campaign's document as YAML; with --json also its state, versions in force and history."""
    now = wall_clock_ms()
    with failing_clearly(), reader_of(folder(data)) as store:
        found = campaign_in(store, account_in(store, account).number, id)
    number = version or found.latest
    document = version_in(found, number)
    said = campaigns.as_json(found, now)
    if as_json:
        whole = {**said, "document_version": number, "document": document, "history": campaigns.history_as_json(found)}
        typer.echo(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode())
        return
    typer.echo(f"Version {number} of {found.latest}; {said['published_version'] or 'none'} in force; {said['state']}.", err=True)
    typer.echo(write(document), nl=False)


@cli.command("versions")
def list_versions(id: Id, account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """List a campaign's versions, newest first."""
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        lines = campaigns.versions(store, number, campaign_in(store, number, id))
    if as_json:
        typer.echo(msgspec.json.encode([campaigns.version_as_json(line) for line in lines]).decode())
        return
    table = Table("version", "saved", "by", "published last", "note", box=None)
    for line in lines:
        published = write_time(line.published_at) if line.published_at is not None else "never"
        table.add_row(str(line.number), write_time(line.at), line.author, published, line.note)
    table_console().print(table)


@cli.command("publish")
def publish(
    id: Id, version: NumberOption = None, by: By = AUTHOR, account: AccountId = "default", data: Data = None, as_json: Json = False
) -> None:
    """Put a version in force, LIVE. An older one rolls back."""
    directory = folder(data)
    with failing_clearly():
        with reader_of(directory) as store:
            number = account_in(store, account).number
            found = campaign_in(store, number, id)
        _tell(_do(directory, SetCampaignState(number, id, "LIVE", version or found.latest, by)), as_json=as_json)


def _command(name: str, state: State, words: str) -> None:
    def move(id: Id, by: By = AUTHOR, account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
        directory = folder(data)
        with failing_clearly():
            with reader_of(directory) as store:
                number = account_in(store, account).number
                campaign_in(store, number, id)
            _tell(_do(directory, SetCampaignState(number, id, state, author=by)), as_json=as_json)

    move.__doc__ = f"{words} What the schedule still held is dropped."
    cli.command(name)(move)


_command("pause", "PAUSED", "Pause a campaign: friends who are in keep the offer, nobody new comes in.")
_command("resume", "LIVE", "Make a paused, ended or stopped campaign live again, under the version in force.")
_command("end", "ENDED", "End a campaign: only what is pending is still fulfilled. It stops by itself after 90 days.")
_command("stop", "STOPPED", "Stop a campaign: nothing is earned any more.")
_command("archive", "ARCHIVED", "Put a stopped campaign away for good.")

"""What `goodword campaign` does with documents before they are saved: templates, checks, differences, dry runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.table import Table

from goodword.cli.connection import AccountId, Data, account_in, fail, failing_clearly, folder, reader_of
from goodword.cli.progress import progress, table_console
from goodword.core.campaign import Campaign, Document
from goodword.core.campaign_check import Known
from goodword.core.campaign_diff import Change
from goodword.core.campaign_diff import diff as differences
from goodword.core.campaign_schema import Problem, nearest, schema
from goodword.core.money import write_money
from goodword.core.rehearsal import as_json as as_json_of
from goodword.document import template as templates
from goodword.document.text import Checked, examine, with_line
from goodword.engine import wall_clock_ms
from goodword.storage.query import campaign as campaigns
from goodword.storage.query.rehearsal import rehearse
from goodword.storage.store import Missing, Store

File = Annotated[str, typer.Argument(metavar="FILE", help="A campaign's document, YAML or JSON; - is standard input.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The campaign's id, as `goodword campaign list` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SHOWN_CHARS_MAX = 100


def read_file(file: str) -> bytes:
    """A file's bytes, or standard input's."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror or error}", 2)


def known_of(directory: Path, account_id: str) -> Known:
    """What documents are checked against: the account as it is, or any account where there is no data yet."""
    try:
        with reader_of(directory) as store:
            return campaigns.known(store, account_in(store, account_id).number)
    except Missing:
        return Known()


def campaign_in(store: Store, account: int, id: str) -> Campaign:
    """A campaign that is there."""
    found = campaigns.campaign(store, account, id)
    if found is not None:
        return found
    there = [each.id for each in campaigns.campaigns(store, account)]
    return fail(f"There is no campaign `{id}`. {nearest(id, there) if there else 'There is none yet.'}")


def version_in(found: Campaign, number: int) -> Document:
    """A version that is there."""
    document = found.documents.get(number)
    return document if document is not None else fail(f"{found.id} has no version {number}; the latest is {found.latest}.")


def document_of(file: str, known: Known) -> Document:
    """A file's document; what is wrong with it goes to standard error, a line each, and ends the program."""
    checked = examine(read_file(file), known)
    for line in lines_of(file, checked):
        typer.echo(f"goodword: {line}", err=True)
    if checked.document is None or not checked.is_good:
        raise typer.Exit(1)
    return checked.document


def lines_of(file: str, checked: Checked) -> list[str]:
    """A line for each problem."""
    name = "standard input" if file == "-" else file
    return [f"{name}: {'warning: ' if each.is_warning else ''}{checked.sentence(each)}" for each in checked.problems]


def template(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which one; without a name they are listed.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a value, such as share.destination=https://shop.example/; may be repeated."),
    ] = None,
) -> None:
    """Print a ready-made campaign, with comments, to be saved in a file and changed."""
    if name is None:
        if values:
            fail("Say which template the values go into.", 2)
        for each in templates.names():
            typer.echo(f"{each:20} {templates.about(each)}")
        return
    text = templates.template(name)
    if text is None:
        fail(f"There is no template `{name}`. {nearest(name, templates.names())}", 2)
    pairs = []
    for value in values or []:
        path, equals, said = value.partition("=")
        if not equals or not path.strip():
            fail("--set is written PATH=VALUE, such as share.destination=https://shop.example/.", 2)
        pairs.append((path.strip(), said))
    written = templates.with_values(text, pairs)
    if isinstance(written, Problem):
        fail(f"--set {written.sentence}", 2)
    checked = examine(written)
    wrong = [problem for problem in checked.problems if not problem.is_warning] if pairs else []
    if wrong:
        _refuse(checked, wrong)
    typer.echo(written, nl=False)


def _refuse(checked: Checked, wrong: list[Problem]) -> NoReturn:
    for problem in wrong:
        typer.echo(f"goodword: with these values, {checked.sentence(problem)}", err=True)
    raise typer.Exit(2)


def validate(file: File, account: AccountId = "default", data: Data = None, as_json: Json = False) -> None:
    """Check a document and print all that is wrong with it; nothing is saved. Exit code 1 when it could not be saved."""
    with failing_clearly():
        checked = examine(read_file(file), known_of(folder(data), account))
    if as_json:
        said = {"valid": checked.is_good, "problems": [with_line(checked, problem) for problem in checked.problems]}
        typer.echo(msgspec.json.encode(said).decode())
    else:
        for line in lines_of(file, checked):
            typer.echo(line)
        if checked.is_good:
            typer.echo(f"{'standard input' if file == '-' else file}: may be saved.", err=True)
    if not checked.is_good:
        raise typer.Exit(1)


def print_schema() -> None:
    """Print the JSON schema of a campaign's document, for editors and other tools."""
    typer.echo(msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode())


def diff(
    id: Id,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Compare with this document instead of a version; - is standard input.")
    ] = None,
    from_version: Annotated[int | None, typer.Option("--from", min=1, help="From this version. [default: the one in force]")] = None,
    to_version: Annotated[int | None, typer.Option("--to", min=1, help="To this version. [default: the latest]")] = None,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two versions of a campaign, or between one and a file, path by path."""
    if file is not None and to_version is not None:
        fail("Compare with --to or with a file, not with both.", 2)
    directory = folder(data)
    with failing_clearly():
        with reader_of(directory) as store:
            number = account_in(store, account).number
            found = campaign_in(store, number, id)
            known = campaigns.known(store, number)
        before = version_in(found, from_version or found.version_at(wall_clock_ms()) or found.latest)
        after = document_of(file, known) if file is not None else version_in(found, to_version or found.latest)
    changes = differences(before, after)
    if as_json:
        typer.echo(msgspec.json.encode(changes).decode())
        return
    for change in changes:
        typer.echo(line_of(change))
    if not changes:
        typer.echo("They say the same.", err=True)


def dry_run(
    file: File,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="Events of the last so many days.")] = 30,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Judge the events of the last days by a draft and show what it would have earned people and cost; nothing is saved."""
    now = wall_clock_ms()
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        document = document_of(file, campaigns.known(store, number))
        with progress("judging") as report:
            found = as_json_of(rehearse(store, number, document, days, now, report), document, days)
    for line in found["rewards"]:
        line["value"] = write_money(line["value"], line["unit"])
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    typer.echo(
        f"{found['campaign_id']}, last {days} days: {found['events']} events of {found['people']} people. {found['credited']} credited to"
        f" {found['advocates']} advocates; {found['good']} good, {found['for_review']} for review."
    )
    earned = Table("reward", "to", "count", "people", "worth in all", "not given yet", box=None)
    for each in found["rewards"]:
        worth = f"{each['value']} {each['unit']}"
        earned.add_row(each["name"], each["to"], str(each["count"]), str(each["people"]), worth, str(each["waiting"]))
    refused = Table("refused by", "events", "last because", box=None)
    for each in found["refused"]:
        refused.add_row(each["rule"], str(each["events"]), each["why"])
    for table in (earned, refused):
        if table.row_count:
            table_console().print(table)


def line_of(change: Change) -> str:
    """A change on one line."""
    return f"{change.path}: {_short(change.before)} -> {_short(change.after)}"


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"

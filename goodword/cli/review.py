"""`goodword review`: events that wait for a person, and the decision about them."""

from __future__ import annotations

from getpass import getuser
from typing import Annotated, Literal

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from goodword.cli.account import Json
from goodword.cli.connection import (
    AccountId,
    Data,
    account_in,
    engine_of,
    existing_account,
    fail,
    failing_clearly,
    folder,
    patiently,
    reader_of,
)
from goodword.cli.progress import table_console
from goodword.core.command import Rejudge, Review
from goodword.core.deciding.review import UNCHANGED
from goodword.core.profile import ProfileId
from goodword.core.times import write_time
from goodword.engine import wall_clock_ms
from goodword.storage.query import review as reviews
from goodword.storage.query import why as stories
from goodword.storage.query.referral import ReviewState

cli = typer.Typer(help="Events that wait for a person, and decisions about them.", no_args_is_help=True)
Items = Annotated[list[str], typer.Argument(metavar="ITEM", help="Lines of the queue as `review list` names them: ARRIVAL/CAMPAIGN.")]
Note = Annotated[str, typer.Option(help="Why. A decision needs a note.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who decides. [default: you]")]


@cli.command("list")
def list_reviews(
    state: Annotated[ReviewState, typer.Option(help="Those that wait, or that were decided.")] = "open",
    campaign: Annotated[str | None, typer.Option(metavar="ID", help="Only of this campaign.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Pass over this many first.")] = 0,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List the review queue, oldest first, with what speaks against each."""
    with failing_clearly(), reader_of(folder(data)) as store:
        found = reviews.queue(store, account_in(store, account).number, state, campaign, limit, offset)
    lines = [reviews.as_json(line, wall_clock_ms()) for line in found]
    if as_json:
        typer.echo(msgspec.json.encode(lines).decode())
        return
    table = Table("item", "event", "time", "friend", "advocate", "value", "why", box=None)
    for line in lines:
        table.add_row(
            f"{line['arrival']}/{line['campaign_id']}",
            escape(line.get("name", "(deleted)")),
            line.get("event_date", ""),
            *(escape(_named(line.get(side, {}))) for side in ("friend", "advocate")),
            f"{line['value']} {line['currency']}" if "value" in line else "",
            escape(f"{line['by']}: {line['note']}" if "note" in line else line["why"]),
        )
    table_console().print(table)


def _named(person: dict[str, str]) -> str:
    if person.get("is_deleted"):
        return "(deleted)"
    return person.get("email") or person.get("partner_user_id") or person.get("person_id", "")


@cli.command("approve")
def approve(items: Items, note: Note, by: By = None, account: AccountId = "default", data: Data = None) -> None:
    """Approve events: they count whatever the rules say, and earn what they earn."""
    _decide(items, "approved", note, by, account, data)


@cli.command("decline")
def decline(items: Items, note: Note, by: By = None, account: AccountId = "default", data: Data = None) -> None:
    """Decline events: they count for nothing."""
    _decide(items, "declined", note, by, account, data)


def _decide(items: list[str], decision: Literal["approved", "declined"], note: str, by: str | None, account: str, data: Data) -> None:
    wanted = [_item(text) for text in items]
    directory = folder(data)
    refused = 0
    with failing_clearly():
        with reader_of(directory) as store:
            number = account_in(store, account).number
            found = reviews.targets(store, number, wanted)
        commands = [
            Review(number, person, message_id, campaign, decision, by or getuser(), note)
            for (_, campaign), (person, message_id) in found.items()
        ]
        with engine_of(directory) as engine:
            outcomes = dict(zip(found, patiently(lambda: engine.execute(commands)), strict=True)) if commands else {}
    for item in dict.fromkeys(wanted):
        outcome = outcomes.get(item)
        named = f"{item[0]}/{item[1]}"
        if outcome is None or outcome.verdict == "refused":
            refused += 1
            why = outcome.reason if outcome is not None else "No event of this kind was judged in this campaign, or its person was deleted."
            typer.echo(f"{named}: {why}", err=True)
        else:
            typer.echo(f"{named}: {f'{decision} before, unchanged' if outcome.value == UNCHANGED else decision}.")
    if refused:
        raise typer.Exit(1)


def _item(text: str) -> reviews.Item:
    arrival, slash, campaign = text.partition("/")
    if not (slash and campaign and arrival.isascii() and arrival.isdigit() and len(arrival) < 19):
        fail(f"`{text}` is no line of the queue: write it as ARRIVAL/CAMPAIGN.", 2)
    return int(arrival), campaign


@cli.command("re-evaluate")
def reevaluate(
    person: Annotated[str, typer.Option(metavar="ID", help="A user id, an e-mail address, or the person's id here.")],
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Judge a person's events anew, by the terms in force when each happened. What people decided stays."""
    directory = folder(data)
    with failing_clearly():
        number = existing_account(directory, account).number
        with reader_of(directory) as store:
            before = stories.why_person(store, number, person, wall_clock_ms())
        if before.person is None:
            fail(before.summary)
        with engine_of(directory) as engine:
            outcome = engine.execute([Rejudge(number, ProfileId(int(before.person["person_id"])), getuser())])[0]
        if outcome.verdict == "refused":
            fail(outcome.reason)
        with reader_of(directory) as store:
            after = stories.why_person(store, number, person, wall_clock_ms())
    typer.echo(f"Judged anew at {write_time(wall_clock_ms())}. {after.summary}")

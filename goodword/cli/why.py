"""`goodword why`: why somebody was rewarded, or not, told from the first click to the last move of a reward."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from goodword.cli.account import Json
from goodword.cli.connection import AccountId, Data, account_in, fail, failing_clearly, folder, reader_of
from goodword.cli.progress import table_console
from goodword.engine import wall_clock_ms
from goodword.storage.query import why as stories
from goodword.storage.query.moment import Moment, clock

MARKS = {"PASS": "passed", "FAIL": "FAILED", "UNKNOWN": "cannot be told", "WAIT": "waits", "REVIEW": "needs a person"}


def why(
    person: Annotated[str | None, typer.Option(metavar="ID", help="A user id, an e-mail address, or the person's id here.")] = None,
    order: Annotated[str | None, typer.Option(metavar="ID", help="An order, by the id its conversion was sent with.")] = None,
    account: AccountId = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Tell why a person, or whoever placed an order, was rewarded or not: every moment, every rule, every reward."""
    if (person is None) == (order is None):
        fail("Say who or what: --person or --order.", 2)
    now = wall_clock_ms()
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        if order is not None:
            story = stories.why_order(store, number, order, now)
        else:
            story = stories.why_person(store, number, person or "", now)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(stories.as_json(story)), indent=2).decode())
    else:
        show(story, table_console())


def show(story: stories.Story, console: Console) -> None:
    """A story as text: the short answer, then every moment in order."""
    console.print(Text(story.summary), soft_wrap=True)
    if story.advocate is not None:
        friends, clicks = story.advocate["friends"], story.advocate["clicks"]
        links = ", ".join(link["code"] for link in story.advocate["links"]) or "none"
        more = {True: "more than ", False: ""}
        said = (
            f"Links: {links}. Clicks: {more[clicks['is_more']]}{clicks['count']}. Friends: {more[friends['is_more']]}{friends['count']},"
            f" {friends['displaced']} of them displaced."
        )
        console.print(Text(said), soft_wrap=True)
    if story.is_cut:
        console.print(Text("There is more than is told here: these are the newest moments."), soft_wrap=True)
    if story.moments:
        console.print()
    for moment in story.moments:
        _show_moment(moment, console)


def _show_moment(moment: Moment, console: Console) -> None:
    console.print(Text(f"{clock(moment.at)}  ", style="dim").append(moment.why, style=""), soft_wrap=True)
    for rule in moment.data.get("rules", ()):
        until = f" until {rule['until']}" if "until" in rule else ""
        said = f"{rule['rule']}: {MARKS[rule['result']]}{until}{', ' + rule['why'] if rule['why'] else ''}"
        console.print(Padding(Text(said), (0, 0, 0, 22)), soft_wrap=True)

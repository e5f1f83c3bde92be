"""`goodword why`: why somebody was rewarded, or not, told from the first click to the last move of a reward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from goodword.cli.account import Json
from goodword.cli.connection import AccountId, Data, account_in, fail, failing_clearly, folder, reader_of
from goodword.cli.progress import table_console
from goodword.engine import wall_clock_ms
from goodword.storage.query import why as stories
from goodword.storage.query.moment import Moment, clock

MARKS = {"FAIL": "FAILED", "UNKNOWN": "cannot be told", "WAIT": "waits", "REVIEW": "needs a person"}


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
    for line in rule_lines(moment.data.get("rules", ())):
        console.print(Text(f"{'':22}{line}", style="dim"), soft_wrap=True)


def rule_lines(rules: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Verdicts a line each, what matters first; those that passed share a line."""
    for result in ("FAIL", "REVIEW", "WAIT", "UNKNOWN"):
        for rule in rules:
            if rule["result"] == result:
                until = f" until {rule['until']}" if "until" in rule else ""
                yield f"{rule['rule'].replace('_', ' ')}: {MARKS[result]}{until}{', ' + rule['why'] if rule['why'] else ''}"
    passed = [rule["rule"].replace("_", " ") + (f" ({rule['why']})" if rule["why"] else "") for rule in rules if rule["result"] == "PASS"]
    if passed:
        yield f"passed: {', '.join(passed)}"

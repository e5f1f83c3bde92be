"""`goodword report`: a report of the account's program, as a file or on the screen."""

from __future__ import annotations

from typing import Annotated

import typer

from goodword.cli.connection import AccountId, Data, account_in, fail, failing_clearly, folder, reader_of
from goodword.cli.export import Output, written
from goodword.core.report import REPORTS, Unreadable, read_request
from goodword.core.report_file import FORMATS, read_format, write
from goodword.engine import wall_clock_ms
from goodword.storage.query.report_row import chunks


def report(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which report; without it, all there are.")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day. [default: 29 days before the last]")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day. [default: today]")] = None,
    period: Annotated[str, typer.Option(help="A row a DAY, WEEK, MONTH or QUARTER, where a report has periods.")] = "DAY",
    campaign: Annotated[list[str] | None, typer.Option(help="Only of this campaign; may be given more than once.")] = None,
    format: Annotated[str, typer.Option(help=f"One of {', '.join(FORMATS)}.")] = "CSV",
    output: Output = None,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Write a report. Days are those of the account's time zone; what each column means is in docs/reference/reports.md."""
    if name is None:
        for each in REPORTS.values():
            typer.echo(f"{each.name:28}{each.question}")
        return
    chosen = read_format(format)
    if chosen is None:
        fail(f"A report comes as {', '.join(FORMATS)}.", 2)
    said = {"report": name, "period": period, "from": first, "to": last, "campaigns": campaign}
    with failing_clearly(), reader_of(folder(data)) as store:
        owner = account_in(store, account)
        request = read_request(said, owner.calendar.day_of(wall_clock_ms()))
        if isinstance(request, Unreadable):
            fail(request.reason, 2)
        with written(output) as file:
            for part in write(chosen, REPORTS[request.report].columns, chunks(store, owner.number, request)):
                file.write(part)

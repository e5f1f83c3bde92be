"""Lists as files: all that a list has with the filters that are set, as CSV, JSON or JSON lines. Reports go the same way.

A file is made while it is sent, a part at a time, so its size costs no memory. What names people is written down in the audit log: who had
it, which list, in which format, and by what it was narrowed, but not to whom.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from msgspec import Struct
from starlette.responses import Response, StreamingResponse

from goodword.console.page import Page, PageRefused
from goodword.core import command as c
from goodword.core.period import write_day
from goodword.core.report import Cell, Column, Kind
from goodword.core.report_file import EXTENSION, FORMATS, MEDIA, read_format, write

PAUSE_S_MAX = 0.05
Chunks = Iterator[Sequence[Sequence[Cell]]]
PERSON = ("person_id", "email", "partner_user_id", "first_name", "last_name")
"""What `report_list.names_of` gives of somebody."""


class Listing(Struct):
    """A list to be kept: what its file is called, its columns and its rows; whether these name people."""

    name: str
    columns: tuple[Column, ...]
    chunks: Chunks
    names_people: bool = True
    days: str = ""
    """Of which days it is; of today where it does not say."""


def columns(*names: str, **kinds: Kind) -> tuple[Column, ...]:
    """Columns of text, but for those whose kind is said."""
    return tuple(Column(name, kinds.get(name, "text")) for name in names)


async def as_file(page: Page, listing: Listing) -> Response:
    """The answer: the list in the `format` of the query. Errors: PageRefused 422."""
    format = read_format(page.query("format") or "CSV")
    if format is None:
        raise PageRefused(422, f"A file comes as {', '.join(FORMATS)}.")
    if listing.names_people:
        narrowed = sorted(name for name, value in page.request.query_params.items() if value and name != "format")
        await page.do(c.Note(page.account), "list.downloaded", listing.name, format=format, filters=narrowed)
    name = f"goodword-{listing.name}-{listing.days or write_day(page.today)}.{EXTENSION[format]}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": MEDIA[format]}
    return StreamingResponse(_sent(write(format, listing.columns, listing.chunks)), headers=headers)


async def _sent(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Parts as they are made; the time between them is the others', as much as each took."""
    while True:
        began = time.monotonic()
        part = next(parts, None)
        if part is None:
            return
        if part:
            yield part
        await asyncio.sleep(min(time.monotonic() - began, PAUSE_S_MAX))

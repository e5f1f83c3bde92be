"""Files of coupon codes: one code a row, as CSV, a header if you like. Each bad row is named by its number and why; the rest is loaded.

A code may be anything printable of at most 64 characters; one with a comma is written in quotes. Numbers begin with 1, as an editor shows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from goodword.core.reward import why_not_a_code

HEADERS = frozenset(("code", "codes", "coupon", "coupons", "coupon_code", "coupon code", "voucher", "voucher_code"))
UTF16 = (b"\xff\xfe", b"\xfe\xff")
UTF16_WHY = "the file is UTF-16: save it as UTF-8"


def read_rows(lines: Iterable[bytes]) -> Iterator[tuple[int, str, str]]:
    """Number, code and what is wrong with it (empty: nothing) of every row but a header. Never fails."""
    column = 0
    width = 1
    for number, line in enumerate(lines, 1):
        raw = line.rstrip(b"\r\n")
        if number == 1:
            if raw.startswith(UTF16):
                yield number, "", UTF16_WHY
                return
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            yield number, "", "it is not UTF-8"
            continue
        if "," in text or '"' in text:
            cells = _cells(text)
            if cells is None:
                yield number, "", "its quotes are not closed"
                continue
        else:
            cells = [text.strip()]
        if number == 1 and (named := [place for place, cell in enumerate(cells) if cell.casefold() in HEADERS]):
            column, width = named[0], len(cells)
            continue
        if len(cells) != width:
            yield (
                number,
                "",
                "it has another number of columns than one" if width == 1 else "it has another number of columns than the header",
            )
            continue
        code = cells[column]
        yield number, code, why_not_a_code(code) or ""


def _cells(text: str) -> list[str] | None:
    """A row's cells; None where a quote is not closed."""
    try:
        rows = list(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error:
        return None
    return [cell.strip() for cell in rows[0]]


def split_lines(body: bytes) -> Iterator[bytes]:
    """The lines of a whole body, without making a list of them; what follows the last line end is a line if it is something."""
    start = 0
    while (end := body.find(b"\n", start)) >= 0:
        yield body[start:end]
        start = end + 1
    if start < len(body):
        yield body[start:]

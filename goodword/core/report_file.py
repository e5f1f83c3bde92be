"""A report as a file: JSON, JSON lines, and values separated by commas or bars, with or without a head line.

A text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP); numbers stay what they are. In JSON all is as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

import msgspec

from goodword.core.report import Cell, Column

Format = Literal["JSON", "JSONL", "CSV", "PSV", "HEADLESS_CSV", "HEADLESS_PSV"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA: dict[Format, str] = {
    "JSON": "application/json",
    "JSONL": "application/jsonl",
    "CSV": "text/csv; charset=utf-8",
    "PSV": "text/plain; charset=utf-8",
    "HEADLESS_CSV": "text/csv; charset=utf-8",
    "HEADLESS_PSV": "text/plain; charset=utf-8",
}
EXTENSION: dict[Format, str] = {"JSON": "json", "JSONL": "jsonl", "CSV": "csv", "PSV": "psv", "HEADLESS_CSV": "csv", "HEADLESS_PSV": "psv"}
_FORMULA = frozenset("=+-@\t\r")
_NUMBERS = frozenset(("count", "percent", "money"))
_encode = msgspec.json.Encoder().encode


def read_format(text: str) -> Format | None:
    """A format by its name, in any case."""
    folded = text.strip().upper()
    return next((each for each in FORMATS if each == folded), None)


def write(format: Format, columns: Sequence[Column], chunks: Iterable[Sequence[Sequence[Cell]]]) -> Iterator[bytes]:
    """The file, a part a chunk of rows."""
    if format == "JSON":
        yield from _json(columns, chunks)
    elif format == "JSONL":
        for rows in chunks:
            yield b"".join(_encode(_named(columns, row)) + b"\n" for row in rows)
    else:
        separator = "|" if format.endswith("PSV") else ","
        if not format.startswith("HEADLESS"):
            yield (separator.join(column.name for column in columns) + "\r\n").encode()
        for rows in chunks:
            yield "".join(line(columns, row, separator) for row in rows).encode()


def _json(columns: Sequence[Column], chunks: Iterable[Sequence[Sequence[Cell]]]) -> Iterator[bytes]:
    before = b"["
    for rows in chunks:
        for row in rows:
            yield before + _encode(_named(columns, row))
            before = b",\n"
    yield b"[]" if before == b"[" else b"]"


def _named(columns: Sequence[Column], row: Sequence[Cell]) -> dict[str, Cell]:
    return {column.name: cell for column, cell in zip(columns, row, strict=True)}


def line(columns: Sequence[Column], row: Sequence[Cell], separator: str) -> str:
    """A line of separated values, quoted as RFC 4180 has it."""
    return separator.join(_quoted(cell, column, separator) for column, cell in zip(columns, row, strict=True)) + "\r\n"


def _quoted(cell: Cell, column: Column, separator: str) -> str:
    text = "" if cell is None else str(cell)
    if text and text[0] in _FORMULA and column.kind not in _NUMBERS:
        text = "'" + text
    if separator in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text

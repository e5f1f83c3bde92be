"""The rows of a file to import, read one by one: JSON lines of Segment messages, or CSV by a map of its columns.

A row knows where it ends in the file, so that an import can go on from there.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
from msgspec import Struct

from goodword.core.message import Batch, Rejection, read_batch, read_object
from goodword.core.times import read_time

LINE_BYTES_MAX = 16 * 1024 * 1024
DIGEST_BYTES = 1 << 20
FIELDS = ("type", "event", "userId", "anonymousId", "email", "timestamp", "messageId")
PREFIXES = ("properties.", "traits.")
MessageType = Literal["track", "identify"]


class ImportRow(Struct):
    """A row: its number (from 1, a CSV's header not counted), where it ends, its messages' bytes, or why it has none."""

    number: int
    end: int
    raws: list[bytes]
    problem: str = ""


class CsvPlan(Struct):
    """How a CSV file's rows become messages: field by column, and what holds where a row says nothing."""

    fields: dict[str, str]
    type: MessageType
    event: str


class BadColumns(Exception):
    """The CSV file's columns and their map do not fit."""


def digest_of(path: Path, report: Callable[[int, int], None]) -> str:
    """The SHA-256 of a file, in hex: rows without a message id get theirs from it."""
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while part := file.read(DIGEST_BYTES):
            digest.update(part)
            done += len(part)
            report(done, total)
    return digest.hexdigest()


def is_field(name: str) -> bool:
    """Whether a CSV column may become this."""
    return name in FIELDS or any(name.startswith(prefix) and len(name) > len(prefix) for prefix in PREFIXES)


def json_rows(file: IO[bytes], start: int, number: int) -> Iterator[ImportRow]:
    """The rows of JSON lines from a byte offset on. A line is a message, `{"batch": [..]}` or an array of messages."""
    file.seek(start)
    end = start
    for line, problem in _lines(file):
        number += 1
        end = file.tell()
        if problem:
            yield ImportRow(number, end, [], problem)
            continue
        text = line.strip()
        if number == 1:
            text = text.removeprefix(b"\xef\xbb\xbf")
        if text:
            yield _json_row(number, end, text)


def _json_row(number: int, end: int, text: bytes) -> ImportRow:
    if text.startswith(b"[") or (b'"batch"' in text and isinstance((read_object(text) or {}).get("batch"), list)):
        batch = read_batch(text)
        if isinstance(batch, Rejection):
            return ImportRow(number, end, [], batch.reason)
        return ImportRow(number, end, _items(batch))
    return ImportRow(number, end, [text])


def _items(batch: Batch) -> list[bytes]:
    """A batch's messages, its own context laid under each one's."""
    shared = read_object(bytes(batch.context))
    raws = [bytes(raw) for raw in batch.batch]
    if not shared:
        return raws
    laid = []
    for raw in raws:
        item = read_object(raw)
        if item is None:
            laid.append(raw)
            continue
        own = item.get("context")
        laid.append(msgspec.json.encode({**item, "context": {**shared, **own} if isinstance(own, dict) else shared}))
    return laid


def _lines(file: IO[bytes]) -> Iterator[tuple[bytes, str]]:
    """Lines, and what is wrong with one that is too long to be looked at."""
    while line := file.readline(LINE_BYTES_MAX):
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            yield b"", f"The line is longer than {LINE_BYTES_MAX} bytes."
        else:
            yield line, ""


def columns_of(path: Path) -> list[str]:
    """A CSV file's header."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return [name.strip() for name in next(csv.reader(file), [])]


def plan(columns: list[str], said: dict[str, str], kind: MessageType, event: str) -> CsvPlan:
    """Which column fills which field: as said, else columns that are called like a field. Errors: BadColumns."""
    for column, field in said.items():
        if column not in columns:
            raise BadColumns(f"There is no column `{column}`; there are: {', '.join(columns)}.")
        if not is_field(field):
            raise BadColumns(f"`{field}` is no field. Fields: {', '.join(FIELDS)}, properties.NAME, traits.NAME.")
    fields = {column: column for column in columns if is_field(column) and column not in said and column not in said.values()} | said
    if len(set(fields.values())) < len(fields):
        raise BadColumns("Two columns are mapped to one field.")
    if not {"userId", "anonymousId", "email"} & set(fields.values()):
        raise BadColumns("No column says who: map one to userId, email or anonymousId, as in --map customer_id=userId.")
    if kind == "track" and not event and "event" not in fields.values():
        raise BadColumns("No column says which event: map one to event, or give --event NAME.")
    return CsvPlan(fields, kind, event)


def csv_rows(file: IO[bytes], columns: list[str], planned: CsvPlan, digest: str, start: int, number: int) -> Iterator[ImportRow]:
    """The rows of a CSV file from a byte offset on (0: the header first). A cell may hold line breaks."""
    file.seek(start)
    for cells, end, problem in _csv_cells(file, has_header=start == 0):
        number += 1
        if len(cells) > len(columns):
            problem = f"The row has {len(cells)} cells; the header has {len(columns)}."
        if any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell):
            problem = "The row is not UTF-8."
        message = problem or _csv_message(dict(zip(columns, cells, strict=False)), planned, f"{digest[:32]}-{number}")
        if isinstance(message, str):
            yield ImportRow(number, end, [], message)
        else:
            yield ImportRow(number, end, [msgspec.json.encode(message)])


def _csv_cells(file: IO[bytes], has_header: bool) -> Iterator[tuple[list[str], int, str]]:
    """Each row's cells from where the file stands, the byte offset after it, and what is wrong with it; empty lines are passed over.

    A quotation mark that is not closed would take what follows into its cell, up to the end of the file: then the row is its first line,
    and reading goes on with the second."""
    taken: list[tuple[bytes, int, str]] = []  # the lines of the row being read, each with the offset after it and what is wrong with it

    def texts() -> Iterator[str]:
        for line, wrong in _lines(file):
            taken.append((line, file.tell(), wrong))
            yield line.decode("utf-8", "surrogateescape") or "\n"

    reader = csv.reader(texts())
    if has_header:
        next(reader, None)
    while True:
        taken.clear()
        cells, problem = [], ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"The row cannot be read: {error}."
        end = taken[-1][1]
        if len(taken) > 1 and (problem or sum(line.count(b'"') for line, _, _ in taken) % 2):
            cells, problem, end = [], "A quotation mark is opened and not closed.", taken[0][1]
            file.seek(end)
            reader = csv.reader(texts())
        problem = problem or "".join(wrong for _, _, wrong in taken)
        if cells or problem:
            yield cells, end, problem


def _csv_message(row: dict[str, str], planned: CsvPlan, message_id: str) -> dict[str, Any] | str:
    """A row as a Segment message, or what is wrong with it. An empty cell says nothing."""
    said = {field: text for column, field in planned.fields.items() if (text := row.get(column, "").strip())}
    kind = said.pop("type", planned.type).lower()
    email = said.pop("email", None)
    message: dict[str, Any] = {"type": kind, "messageId": said.pop("messageId", message_id)}
    nested: dict[str, dict[str, Any]] = {"properties": {}, "traits": {}}
    for field, text in said.items():
        group, _, name = field.partition(".")
        if name:
            nested[group][name] = text
        else:
            message[field] = text
    if kind == "track":
        message.setdefault("event", planned.event)
    else:
        message.pop("event", None)
    if email is not None and kind == "identify":
        nested["traits"]["email"] = email
    elif email is not None:
        message["context"] = {"traits": {"email": email}}
    if "timestamp" in message:
        at = message["timestamp"]
        message["timestamp"] = int(at) if at.isdigit() and len(at) >= 10 else at
        if read_time(message["timestamp"]) is None:
            return "The timestamp is unreadable."
    return {**message, **{group: values for group, values in nested.items() if values}}

"""`goodword export`: a person's whole file, and an account's events as JSON lines or Parquet."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import msgspec
import typer

from goodword.cli.connection import (
    AccountId,
    Data,
    Email,
    UserId,
    account_in,
    fail,
    failing_clearly,
    folder,
    person_keys,
    reader_of,
    time_of,
)
from goodword.cli.progress import progress
from goodword.core.times import read_time
from goodword.storage.query.history import export_events, find_person, person_file

cli = typer.Typer(help="Take data out.", no_args_is_help=True)
Batches = Iterable[list[dict[str, Any]]]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="File to write, readable by you alone; `-` is standard output.")]


@contextmanager
def written(output: Path | None) -> Iterator[IO[bytes]]:
    """A file that is there whole, or not at all; standard output for None and `-`."""
    if output is None or str(output) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    partial = output.with_name(output.name + ".tmp")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, output)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@cli.command("person")
def export_person(
    user_id: UserId = None,
    email: Email = None,
    id: Annotated[int | None, typer.Option("--id", help="The person's id here.")] = None,
    output: Output = None,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Write everything held about a person as JSON: ids, history, parameters, audiences, every message."""
    keys = person_keys(user_id, email)
    if not keys and id is None:
        fail("Say who: --user-id, --email or --id.", 2)
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        profile = find_person(store, number, keys, id)
        if profile is None:
            fail("Nobody is known by this.")
        text = msgspec.json.format(msgspec.json.encode(person_file(store, number, profile)), indent=2)
        with written(output) as file:
            file.write(text + b"\n")


@cli.command("events")
def export(
    output: Output = None,
    format: Annotated[Literal["jsonl", "parquet"], typer.Option(help="JSON lines, or Parquet (needs pyarrow).")] = "jsonl",
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only events of this time or later, by their own time.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only events before this time.")] = None,
    all_messages: Annotated[bool, typer.Option("--all-messages", help="The whole log: identify and other messages as well.")] = False,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Write an account's events in order of arrival. A deleted person's come without their message and say so."""
    if output is None:
        fail("Say where to: -o FILE (or -o - for standard output).", 2)
    start, end = time_of(since, "--since"), time_of(until, "--until")
    write = _write_lines if format == "jsonl" else _parquet_writer()
    with failing_clearly(), reader_of(folder(data)) as store, progress("Exporting") as report:
        number = account_in(store, account).number
        total = store.end_of_log(number)

        def batches() -> Iterator[list[dict[str, Any]]]:
            count = 0
            for reached, rows in export_events(store, number, since=start, until=end, all_messages=all_messages):
                yield rows
                count += len(rows)
                report(reached, total, f"{count} rows")

        with written(output) as file:
            count = write(file, batches())
    typer.echo(f"{count} rows written.", err=True)


def _write_lines(file: IO[bytes], batches: Batches) -> int:
    encoder, count = msgspec.json.Encoder(), 0
    for rows in batches:
        file.write(encoder.encode_lines([{**row, "message": _one_line(row["message"])} for row in rows]))
        count += len(rows)
    return count


def _one_line(message: msgspec.Raw | None) -> msgspec.Raw | None:
    """A message on one line, whatever line breaks it was sent with."""
    if message is None or (b"\n" not in bytes(message) and b"\r" not in bytes(message)):
        return message
    return msgspec.Raw(msgspec.json.format(message, indent=-1))


def _parquet_writer() -> Any:
    """The function that writes Parquet, or one clear line when pyarrow is not there."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        fail(f"Parquet needs pyarrow. Install it with: {sys.executable} -m pip install pyarrow")
    text, time, flag = pa.string(), pa.timestamp("ms", tz="UTC"), pa.bool_()
    types = {
        "arrival": pa.int64(), "event_id": text, "type": text, "name": text, "event_time": time, "received_at": time, "person_id": text,
        "duplicate_of_arrival": pa.int64(), "value": text, "currency": text, "from_browser": flag, "unkeyed": flag, "value_refused": flag,
        "deleted": flag, "notes": pa.list_(text), "message": text,
    }  # fmt: skip
    schema = pa.schema(list(types.items()))

    def write(file: IO[bytes], batches: Batches) -> int:
        count = 0
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in batches:
                if rows:
                    columns = {name: [_plain(name, row[name]) for row in rows] for name in types}
                    writer.write_table(pa.table(columns, schema=schema))
                    count += len(rows)
        return count

    return write


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode("utf-8", "replace")
    return read_time(value) if name in ("event_time", "received_at") else value

"""`goodword query`: questions in SQL over archives and the log."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from goodword.cli.archive import needs
from goodword.cli.connection import AccountId, Data, account_in, fail, failing_clearly, folder, reader_of
from goodword.cli.export import Output, written
from goodword.cli.progress import table_console
from goodword.storage.query.archive import WrongArchive, asked

ROWS = 2_000
SHOWN_MAX = 200


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A question to the view `events`, in DuckDB's SQL.")],
    archive: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where `goodword archive` wrote the files.")] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Ask the archives alone, not what is in the store.")] = False,
    format: Annotated[Literal["table", "csv", "json", "parquet"], typer.Option(help="JSON is a line a row.")] = "table",
    output: Output = None,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Ask the whole log, archives included. Messages are opened for people who are there; of deleted ones nothing is."""
    needs("duckdb", "numpy", "pyarrow")
    import duckdb

    if format == "parquet" and output is None:
        fail("Say where to: -o FILE (or -o - for standard output).", 2)
    with failing_clearly(), reader_of(folder(data)) as store:
        number = account_in(store, account).number
        try:
            with asked(store, number, archive, includes_store=not no_store) as connection:
                if format == "table" and output is None:
                    _show(connection.execute(sql))
                    return
                with written(output) as file:
                    if format == "parquet":
                        _write_parquet(connection.sql(sql), file)
                    else:
                        (_write_json if format == "json" else _write_csv)(connection.execute(sql), file)
        except (duckdb.Error, WrongArchive) as error:
            fail(" ".join(str(error).split()))


def _names(answer: Any) -> list[str]:
    return [column[0] for column in answer.description or ()]


def _rows(answer: Any) -> Iterator[list[tuple[Any, ...]]]:
    while found := answer.fetchmany(ROWS):
        yield found


def _show(answer: Any) -> None:
    table = Table(*_names(answer), box=None)
    count = 0
    for rows in _rows(answer):
        for row in rows[: max(0, SHOWN_MAX - count)]:
            table.add_row(*("" if value is None else str(value) for value in row))
        count += len(rows)
    table_console().print(table)
    if count > SHOWN_MAX:
        typer.echo(f"{SHOWN_MAX} of {count} rows; --format csv, json or parquet has them all.", err=True)


def _write_csv(answer: Any, file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(_names(answer))
    for rows in _rows(answer):
        writer.writerows(rows)
    text.detach()


def _write_json(answer: Any, file: IO[bytes]) -> None:
    names, encoder = _names(answer), msgspec.json.Encoder(enc_hook=str, decimal_format="number")
    for rows in _rows(answer):
        file.write(encoder.encode_lines([dict(zip(names, row, strict=True)) for row in rows]))


def _write_parquet(answer: Any, file: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    reader = answer.to_arrow_reader(ROWS)
    with pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)

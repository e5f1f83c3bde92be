"""`goodword import`: a replay of messages from a file, in groups, that goes on where it was interrupted and never doubles."""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import msgspec
import typer
from msgspec import Struct, field
from msgspec.structs import replace

from goodword.api.intake import refusal
from goodword.cli import row as rows
from goodword.cli.connection import AccountId, Data, Executor, engine_of, existing_account, fail, failing_clearly, folder, patiently
from goodword.cli.progress import progress
from goodword.cli.row import ImportRow
from goodword.core.account import Account
from goodword.core.command import Command, Erase, Receive, Refuse
from goodword.core.decision import Outcome
from goodword.core.event import understand
from goodword.core.message import Rejection, parse
from goodword.core.profile import keys_of, read_email
from goodword.engine import wall_clock_ms

GROUP = 500
GROUP_BYTES = 4 * 1024 * 1024
PROBLEMS_SHOWN = 1_000  # and put into the message log, which holds no more than ten times as many lines
DOOR = "import"
INTEGER_MAX = 2**63 - 1


class State(Struct):
    """How far an import has come: written after each group, beside the data."""

    offset: int = 0
    number: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines of Segment messages, or CSV (by its name's end).")],
    map: Annotated[list[str] | None, typer.Option("--map", metavar="COLUMN=FIELD", help="What a CSV column holds.")] = None,
    type: Annotated[Literal["track", "identify"], typer.Option("--type", help="Type of CSV rows that say none.")] = "track",
    event: Annotated[str, typer.Option(help="Event name of CSV rows that say none.")] = "",
    format: Annotated[Literal["jsonl", "csv"] | None, typer.Option(help="The file's format, if its name does not say.")] = None,
    errors: Annotated[Path | None, typer.Option(help="Write each bad row's number and reason here as well, as JSON lines.")] = None,
    account: AccountId = "default",
    data: Data = None,
) -> None:
    """Replay messages from a file, with their own times. Run it again after an interruption: it goes on, and nothing doubles."""
    directory = folder(data)
    with failing_clearly():
        held = existing_account(directory, account)
        is_csv = format == "csv" if format else file.suffix.lower() == ".csv"
        with progress("Reading") as report:
            digest = rows.digest_of(file, report)
        columns, planned = _planned(file, map or [], type, event) if is_csv else ([], None)
        said = msgspec.json.encode([account, is_csv, planned])
        state_file = directory / "imports" / f"{digest[:24]}-{hashlib.sha256(said).hexdigest()[:8]}.json"
        state = _read_state(state_file)
        if state.offset:
            typer.echo(f"Going on after row {state.number}, where this import was interrupted.", err=True)
        with file.open("rb") as opened, engine_of(directory) as engine, _error_log(errors, is_resumed=state.offset > 0) as problems:
            if planned is None:
                found = rows.json_rows(opened, state.offset, state.number)
            else:
                found = rows.csv_rows(opened, columns, planned, digest, state.offset, state.number)
            loading = _Loading(engine, held, digest, state, state_file, problems)
            try:
                loading.run(found, file.stat().st_size)
            except KeyboardInterrupt:
                fail("Interrupted. Run the same command again to go on.", 130)
    state_file.unlink(missing_ok=True)
    counts = ", ".join(f"{state.counts.get(verdict, 0)} {verdict}" for verdict in ("stored", "duplicate", "dropped", "rejected"))
    deleted = f", {state.counts['deleted']} deletions" if state.counts.get("deleted") else ""
    typer.echo(f"{state.number} rows: {counts}{deleted}.", err=True)


def _planned(file: Path, texts: list[str], kind: Literal["track", "identify"], event: str) -> tuple[list[str], rows.CsvPlan]:
    said = {}
    for text in texts:
        column, _, name = text.rpartition("=")
        if not column or not name:
            fail("--map is written COLUMN=FIELD, such as order_total=properties.cart_value.", 2)
        said[column.strip()] = name.strip()
    columns = rows.columns_of(file)
    try:
        planned = rows.plan(columns, said, kind, event)
    except rows.BadColumns as error:
        fail(str(error), 2)
    if ignored := [column for column in columns if column not in planned.fields]:
        typer.echo(f"Columns passed over: {', '.join(ignored)}.", err=True)
    return columns, planned


def _read_state(file: Path) -> State:
    try:
        return msgspec.json.decode(file.read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return State()


class _ErrorLog:
    """Where bad rows are said: on standard error, up to a bound, and in a file. Holds no row's content."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file, self._shown = file, 0

    def __enter__(self) -> _ErrorLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def is_full(self) -> bool:
        """Whether as many were shown as are."""
        return self._shown >= PROBLEMS_SHOWN

    def say(self, number: str, code: str, reason: str) -> None:
        if not self.is_full:
            typer.echo(f"row {number}: {reason}", err=True)
        elif self._shown == PROBLEMS_SHOWN:
            typer.echo("Further bad rows are counted, and written to --errors, only.", err=True)
        self._shown += 1
        if self._file is not None:
            self._file.write(msgspec.json.encode({"row": number, "code": code, "reason": reason}) + b"\n")

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()


def _error_log(path: Path | None, *, is_resumed: bool) -> _ErrorLog:
    return _ErrorLog(None if path is None else path.open("ab" if is_resumed else "wb"))


class _Loading:
    """One import under way."""

    def __init__(self, engine: Executor, account: Account, digest: str, state: State, state_file: Path, problems: _ErrorLog) -> None:
        self.engine, self.account, self.digest = engine, account, digest
        self.state, self.state_file, self.problems = state, state_file, problems
        self._group: list[Command] = []
        self._bytes = 0

    def run(self, found: Iterator[ImportRow], size: int) -> None:
        """Load every row; what is committed is remembered after each group."""
        self.state_file.parent.mkdir(mode=0o700, exist_ok=True)
        started, first = time.monotonic(), self.state.number
        with progress("Loading") as report:
            for row in found:
                self._take(row)
                self.state.number, self.state.offset = row.number, row.end
                if len(self._group) >= GROUP or self._bytes >= GROUP_BYTES:
                    self._flush()
                    rate = (self.state.number - first) / max(time.monotonic() - started, 0.001)
                    report(self.state.offset, size, f"{self.state.number} rows, {rate:.0f}/s")
            self._flush()

    def _take(self, row: ImportRow) -> None:
        if row.problem:
            self._reject(str(row.number), Refuse(self.account.number, "", "", "unreadable", row.problem, DOOR))
        for place, raw in enumerate(row.raws, 1):
            number = str(row.number) if len(row.raws) == 1 else f"{row.number}.{place}"
            command = self._command(raw, number)
            if isinstance(command, Rejection):
                self._reject(number, refusal(self.account.number, command, raw, DOOR))
            else:
                self._group.append(command)
                self._bytes += len(raw)

    def _command(self, raw: bytes, number: str) -> Command | Rejection:
        fallback_id = f"{self.digest[:32]}-{number}"
        message = parse(raw, received_at=wall_clock_ms(), fallback_id=fallback_id)
        if isinstance(message, Rejection):
            return message
        if message.type == "delete":
            keys = keys_of(message.user_id, read_email((message.traits or {}).get("email")), None)
            if not keys:
                return Rejection("missing_id", "A delete needs a userId.")
            return Erase(self.account.number, keys, erasure_id=fallback_id)
        understood = understand(message, self.account.settings)
        if isinstance(understood, Rejection):
            return understood
        return Receive(self.account.number, understood, DOOR)

    def _reject(self, number: str, refused: Refuse) -> None:
        """Say what is wrong with a row, here and in the message log."""
        if self.problems.is_full:
            self.state.counts["rejected"] = self.state.counts.get("rejected", 0) + 1
        else:
            self._group.append(replace(refused, reason=f"{refused.reason} (Row {number} of an import.)"))
        self.problems.say(number, refused.code, refused.reason)

    def _flush(self) -> None:
        counts = self.state.counts
        for start in range(0, len(self._group), GROUP):
            commands = self._group[start : start + GROUP]
            for outcome in patiently(functools.partial(self._execute, commands)):
                verdict = "deleted" if outcome.verdict == "done" else outcome.verdict
                counts[verdict] = counts.get(verdict, 0) + 1
        self._group, self._bytes = [], 0
        self.problems.flush()
        partial = self.state_file.with_suffix(".tmp")
        partial.write_bytes(msgspec.json.encode(self.state))
        os.replace(partial, self.state_file)

    def _execute(self, commands: Sequence[Command]) -> list[Outcome]:
        try:
            return self.engine.execute(commands)
        except OverflowError:  # an integer of more than 64 bits has no place on the way to the server
            for command in commands:
                if isinstance(command, Receive):
                    understood = command.understood
                    understood.parameters = _narrowed(understood.parameters)
                    understood.message.traits = _narrowed(understood.message.traits)
            return self.engine.execute(commands)


def _narrowed(value: Any) -> Any:
    """A value with integers of more than 64 bits as floating-point numbers."""
    if isinstance(value, dict):
        return {name: _narrowed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_narrowed(inner) for inner in value]
    return float(value) if isinstance(value, int) and not -INTEGER_MAX <= value <= INTEGER_MAX else value

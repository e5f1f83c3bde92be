"""PostgreSQL: the driver `sqlite.py` is for the embedded database. Plain calls, like there; statements in the words of both (`dialect.py`).

Two connections: one for the engine's transactions, one for queries. A transaction is sent in libpq's pipeline mode: what is asked
before the first answer is needed goes in one round trip, so that a group takes three. Waiting is bounded: a database that
hangs, or a network that is cut, is an error after WAIT_S, and the next call connects anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, NoReturn, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import StrBinaryDumper

from goodword.storage import dialect
from goodword.storage.array import (
    KINDS,
    NUL,
    NUL_WRITTEN,
    Array,
    Blobs,
    BlobsDumper,
    Ints,
    IntsDumper,
    Texts,
    TextsDumper,
)
from goodword.storage.failure import CommitUnknown, Conflict, ConnectionLost, DatabaseFailure, StatementRefused
from goodword.storage.pulse import Place, Pulse, Waits

CONNECT_S = 2
WAIT_S = 4.0
"""Longer than any statement of a group takes. The database itself gives a statement up a little sooner; that it hangs, its pulse says."""
SCAN_ROWS = 2_000
RECONNECT_PAUSE_S = 0.25
CONFLICTS = ("40001", "40P01", "23505", "55P03")
LOST = ("08", "57P0", "25006")
NO_RIGHT = "42501"
DEFECTS = ("0A", "21", "22", "23", "42")
APPLICATION = "goodword"
# Every statement of the engine looks rows up by key. A plan made while a table was small must not read it whole when it is large.
LOOK_UP = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off"

_SCANS = (
    "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on;"
    " SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
)

Row = tuple[Any, ...]
RV = TypeVar("RV")


class Connection(psycopg.Connection[Row]):
    """A connection whose waits end."""

    wait_s: float | None = WAIT_S
    waits: Waits

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As in psycopg, but no longer than `wait_s`, or than the database has a pulse; then it hangs up, because undoing and asking again
        would wait as long each."""
        bound, started = timeout if timeout is not None else self.wait_s, time.monotonic()
        self.waits.since = started
        try:
            return super().wait(self._watched(gen), interval, bound)
        except psycopg.OperationalError:
            if self.waits.trouble or (bound is not None and time.monotonic() - started >= bound):
                self.close()
            raise
        finally:
            self.waits.since = None

    def _watched(self, gen: PQGen[RV]) -> PQGen[RV]:
        """The same steps, given up when an interval brought nothing and the pulse is gone."""
        is_counted = False
        try:
            step = next(gen)
            while True:
                if step == psycopg.waiting.WAIT_R and not is_counted:  # all is sent, and nothing has come yet
                    is_counted = True
                    self.waits.trips += 1
                ready = yield step
                if not ready and self.waits.trouble:
                    raise psycopg.OperationalError(self.waits.trouble)
                step = gen.send(ready)
        except StopIteration as done:
            found: RV = done.value
            return found

    @property
    def place(self) -> Place:
        """Host and port."""
        return self.info.host, str(self.info.port)

    def ask(self) -> None:
        """See whether somebody is there who takes what is written. Errors: DatabaseFailure."""
        with translated():
            self.execute("SELECT 1", prepare=False)


class _Text(StrBinaryDumper):
    def dump(self, obj: str) -> Any:
        """UTF-8, without the character that PostgreSQL refuses."""
        return super().dump(obj.replace(NUL, NUL_WRITTEN) if NUL in obj else obj)


class _Whole(NumericBinaryLoader):
    def load(self, data: Any) -> Any:
        """Sums of bigint are numeric, and whole."""
        return int(super().load(data))


class Rows:
    """What a statement returns, fetched when it is first looked at, so that others can be asked in the same round trip."""

    def __init__(self, cursor: psycopg.Cursor[Row]) -> None:
        self._cursor = cursor
        self._rows: list[Row] | None = None

    def __iter__(self) -> Iterator[Row]:
        if self._rows is None:
            with translated():
                self._rows = self._cursor.fetchall()
        return iter(self._rows)


@contextmanager
def translated() -> Generator[None]:
    """Errors of the database as those of `failure.py`."""
    try:
        yield
    except psycopg.Error as error:
        raise_failure(error)


def raise_failure(error: psycopg.Error) -> NoReturn:
    """What an error of the database is to us."""
    state = error.sqlstate or ""
    said = " ".join(str(error).split()) or type(error).__name__
    if said.endswith("timeout expired"):
        said = f"It does not answer ({said})."
    if state in CONFLICTS:
        raise Conflict(said) from error
    if (not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))) or state.startswith(LOST):
        raise ConnectionLost(said) from error
    if state.startswith(DEFECTS) and state != NO_RIGHT:
        raise StatementRefused(said) from error
    raise DatabaseFailure(said) from error


def connect(url: str, *, wait_s: float | None = WAIT_S, readonly: bool = False, waits: Waits | None = None) -> Connection:
    """A connection to a database that can be written, unless `readonly`. Errors: DatabaseFailure, ConnectionLost."""
    waits = waits or Waits()
    waits.check()
    limits: dict[str, Any] = {
        "connect_timeout": CONNECT_S,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": int(WAIT_S * 1000),
        "application_name": APPLICATION,
    }
    if not readonly:
        limits["target_session_attrs"] = "read-write"
    if waits.pulse is not None and waits.pulse.place is not None:  # of several hosts the one that answers
        limits["host"], limits["port"] = waits.pulse.place
    with translated(), waits.wait():
        connection = Connection.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor, **limits)
        connection.wait_s, connection.waits = wait_s, waits
        connection.prepare_threshold = 0
        connection.prepared_max = 500
        for kind, dumper in ((int, Int8BinaryDumper), (str, _Text), (Ints, IntsDumper), (Blobs, BlobsDumper), (Texts, TextsDumper)):
            connection.adapters.register_dumper(kind, dumper)
        connection.adapters.register_loader("numeric", _Whole)
        if wait_s is not None:
            bound = f"SET statement_timeout = {int(wait_s * 900)}; SET idle_in_transaction_session_timeout = {int(wait_s * 1000)}"
            try:
                connection.execute(bound, prepare=False)  # a node that hangs holds nobody else up
            except BaseException:
                connection.close()
                raise
    return connection


def pulse_of(url: str, *, readonly: bool = False) -> Pulse:
    """A pulse that asks the database of this URL."""
    return Pulse(lambda wait_s: connect(url, wait_s=wait_s, readonly=readonly))


class Database:
    """Connections to one PostgreSQL database: one that writes, for the engine, one that reads, for queries."""

    def __init__(self, url: str, *, readonly: bool = False) -> None:
        self.url = url
        self.readonly = readonly
        self.tables: dict[str, dialect.Table] = {}
        self._writer: Connection | None = None
        self._reader: Connection | None = None
        self._pipeline: Any = None
        self._words: dict[str, str] = {}
        self._bulks: dict[str, dialect.Bulk | None] = {}
        self._streams = count()
        self._failed: tuple[float, ConnectionLost] | None = None
        self.waits, self.reading = Waits(), Waits()
        try:
            self._writing()
            self.describe()
        except BaseException:
            self.close()
            raise

    def watched(self) -> Pulse:
        """The pulse of the database, which its waits heed."""
        pulse = self.waits.pulse = self.reading.pulse = pulse_of(self.url, readonly=self.readonly)
        return pulse

    def describe(self) -> None:
        """Learn the tables of the database, as far as there are any."""
        keys: dict[str, list[str]] = {}
        sql = (
            "SELECT t.relname, a.attname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid"
            " JOIN unnest(i.indkey) WITH ORDINALITY AS k(number, place) ON true"
            " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number"
            " WHERE i.indisprimary AND t.relnamespace = current_schema()::regnamespace ORDER BY t.relname, k.place"
        )
        for table, column in self.load(sql):
            keys.setdefault(table, []).append(column)
        sql = (
            "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns"
            " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
        )
        tables: dict[str, dialect.Table] = {}
        for table, column, kind in self.load(sql):
            tables.setdefault(table, dialect.Table({}, tuple(keys.get(table, ())))).columns[column] = kind
        self.tables = tables
        self._words.clear()
        self._bulks.clear()

    def _writing(self) -> Connection:
        if self._writer is None or self._writer.closed:
            self._writer = self._connect(self.waits)
            with translated():
                self._writer.execute(LOOK_UP, prepare=False)
        return self._writer

    def _reading(self) -> Connection:
        if self._reader is None or self._reader.closed:
            self._reader = self._connect(self.reading)
        return self._reader

    def _connect(self, waits: Waits) -> Connection:
        """Connect, unless it failed a moment ago: who waits meanwhile is told at once."""
        if self._failed is not None and time.monotonic() - self._failed[0] < RECONNECT_PAUSE_S:
            raise ConnectionLost(*self._failed[1].args)
        try:
            connection = connect(self.url, readonly=self.readonly, waits=waits)
        except ConnectionLost as error:
            self._failed = (time.monotonic(), error)
            raise
        self._failed = None
        return connection

    def _statement(self, sql: str) -> str:
        words = self._words.get(sql)
        if words is None:
            words = self._words[sql] = dialect.statement(sql, self.tables)
        return words

    def begin(self) -> None:
        """Start a transaction that writes, if none is open."""
        if self._pipeline is not None:
            return
        connection = self._writing()
        with translated():
            pipeline = connection.pipeline()
            pipeline.__enter__()
            self._pipeline = pipeline
            connection.execute("BEGIN", ())

    def commit(self) -> None:
        """Make the transaction durable. Errors: Conflict; CommitUnknown, when the connection was lost on the way."""
        pipeline, connection = self._pipeline, self._writing()
        assert pipeline is not None
        try:
            with translated():
                connection.execute("COMMIT", ())
                self._pipeline = None
                pipeline.__exit__(None, None, None)
        except ConnectionLost as error:
            raise CommitUnknown(*error.args) from error

    def rollback(self) -> None:
        """Undo the transaction, if one is open."""
        pipeline, self._pipeline = self._pipeline, None
        connection = self._writer
        if connection is None:
            return
        try:
            if pipeline is not None:
                with suppress(psycopg.Error):
                    pipeline.__exit__(None, None, None)
            if not connection.closed:
                connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()

    def write(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run one statement on the writing connection."""
        with translated():
            cursor = self._writing().execute(self._statement(sql), params)
            if self._pipeline is not None:
                self._pipeline_fetch()
            return cursor.fetchall() if cursor.description is not None else []

    def script(self, statements: Sequence[str]) -> None:
        """Run statements without parameters, in PostgreSQL's own words."""
        with translated():
            for sql in statements:
                self._writing().execute(sql, prepare=False)

    def _pipeline_fetch(self) -> None:
        assert self._writer is not None
        with self._writer.pipeline() as pipeline:
            pipeline.sync()

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row: an INSERT as one statement for all of them."""
        rows = rows if isinstance(rows, list) else list(rows)
        if not rows:
            return
        bulk = self._bulks.get(sql, self)
        if bulk is self:
            bulk = self._bulks[sql] = dialect.bulk(sql, self.tables)
        execute = self._writing().execute
        with translated():
            if bulk is None:
                words = self._statement(sql)
                for row in rows:
                    execute(words, row)
                return
            assert isinstance(bulk, dialect.Bulk)
            for turn in dialect.waves(rows, bulk.unique) if bulk.unique and len(rows) > 1 else [rows]:
                execute(bulk.sql, packed(turn, bulk.types))

    def load(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Rows as the writer sees them; asked now, waited for when they are looked at."""
        with translated():
            return Rows(self._writing().execute(self._statement(sql), params, binary=True))

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Committed rows, for queries. A connection that was lost while nobody used it is made anew."""
        words = self._statement(sql)
        for is_last in (False, True):
            connection = self._reading()
            try:
                with translated():
                    return connection.execute(words, params, binary=True).fetchall()
            except ConnectionLost:
                connection.close()
                if is_last:
                    raise
        raise AssertionError

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """For as long as this lasts, `load` and `stream` see the data of one moment. Waiting has no bound meanwhile."""
        connection = self._writing()
        connection.wait_s = None
        try:
            with translated():
                connection.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SCANS}", prepare=False)
            yield
        finally:
            connection.wait_s = WAIT_S
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK", prepare=False)

    @contextmanager
    def migrating(self) -> Generator[None]:
        """A transaction that changes the schema. A large table takes its time, so waiting has no bound meanwhile.

        Not `begin`: psycopg forgets prepared statements after DDL, which pipelines do not bear."""
        connection = self._writing()
        connection.wait_s = None
        try:
            with translated():
                connection.execute(f"BEGIN; {_SCANS}", prepare=False)
            yield
            self.script(["COMMIT"])
        except BaseException:
            self.rollback()
            raise
        finally:
            connection.wait_s = WAIT_S

    def stream(self, sql: str) -> Iterator[Row]:
        """The rows of a statement that are too many to hold, in a snapshot."""
        with translated(), psycopg.RawServerCursor(self._writing(), "stream" + str(next(self._streams))) as cursor:
            cursor.itersize = SCAN_ROWS
            yield from cursor.execute(self._statement(sql), binary=True)

    @staticmethod
    def damages() -> list[str]:
        """Nothing: checking PostgreSQL's files is for its own `pg_amcheck` and checksums."""
        return []

    def scan(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """Committed rows one by one, on a connection of its own, so that a long scan blocks nothing."""
        waits = Waits()
        waits.pulse = self.reading.pulse
        connection = connect(self.url, wait_s=None, readonly=True, waits=waits)
        try:
            with translated():
                yield from connection.cursor(binary=True).stream(self._statement(sql), params, size=SCAN_ROWS)
        finally:
            connection.close()

    def tidy(self) -> None:
        """Nothing is left to be done between two groups."""

    blobs: Callable[[Sequence[bytes]], Array] = staticmethod(Blobs)
    texts: Callable[[Sequence[str]], Array] = staticmethod(Texts)

    @staticmethod
    def ints(values: Iterable[int]) -> Array:
        """Integers to bind where a statement says `carray(?)`."""
        return Ints(list(values))

    def close(self) -> None:
        """Hang up."""
        for connection in (self._writer, self._reader):
            if connection is not None:
                connection.close()


def packed(rows: Sequence[Sequence[Any]], types: Sequence[str]) -> list[Array]:
    """Rows as an array a column."""
    return [KINDS[kind](column) for kind, column in zip(types, zip(*rows, strict=True), strict=True)]


__all__ = ["Database", "Rows", "connect", "errors", "packed"]

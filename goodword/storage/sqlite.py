"""The embedded database: SQLite through apsw, write-ahead log, every commit fsynced, one writer.

A checkpoint copies the log into the database file. Left to a commit it stalls that commit for 100 ms and more, so a thread
copies and syncs ahead, and the writer ends the checkpoint between two groups, when little is left to do.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

PAGE_BYTES = 4096
CACHE_KIB = 128 * 1024
WAL_PAGES_MAX = 64 * 1024 * 1024 // PAGE_BYTES
BUSY_MS = 5_000
READ_AHEAD_BYTES = 4 * 1024 * 1024
TAIL_BYTES = 192 * 1024 * 1024
MAPPED_BYTES_MAX = 1 << 36

Row = tuple[Any, ...]
DatabaseError = apsw.Error


class Database:
    """Two connections to one file: `write` for the engine, `read` for queries."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly
        flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        self._wal_pages = 0
        self._checkpoint_due = threading.Event()
        self._checkpoint_wanted = threading.Event()
        self._ahead_wanted = False
        self._stopping = False
        self._descriptor = -1
        self._thread: threading.Thread | None = None
        with ExitStack() as opened:  # closes them again if a later step fails
            self._connection = apsw.Connection(str(path), flags=flags, statementcachesize=200)
            opened.callback(self._connection.close)
            self._connection.set_busy_timeout(BUSY_MS)
            if not readonly:
                self._prepare()
            self._connection.pragma("cache_size", -CACHE_KIB)
            self._connection.pragma("temp_store", "MEMORY")
            self._connection.pragma("mmap_size", MAPPED_BYTES_MAX)  # pages are read in place, from the system's page cache
            self._reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=100)
            opened.callback(self._reader.close)
            self._reader.set_busy_timeout(BUSY_MS)
            self._reader.pragma("cache_size", -16 * 1024)
            opened.pop_all()
        if not readonly:
            self._thread = threading.Thread(target=self._copy_ahead, name="checkpoint", daemon=True)
            self._thread.start()

    def _prepare(self) -> None:
        connection = self._connection
        connection.pragma("page_size", PAGE_BYTES)
        connection.pragma("journal_mode", "WAL")
        connection.pragma("synchronous", "FULL")
        connection.pragma("secure_delete", "ON")
        connection.pragma("wal_autocheckpoint", 0)
        connection.set_wal_hook(self._note_wal)

    def _note_wal(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        if pages > WAL_PAGES_MAX and not self._checkpoint_due.is_set():
            self._checkpoint_wanted.set()
        return apsw.SQLITE_OK

    def _copy_ahead(self) -> None:
        """The checkpoint thread: copy what is committed, sync the file, then ask the writer to end the checkpoint."""
        connection: apsw.Connection | None = None
        with suppress(OSError):
            # closed after all connections: closing any descriptor of the file drops SQLite's locks on it
            self._descriptor = os.open(self.path, os.O_RDONLY)
        while True:
            self._checkpoint_wanted.wait()
            self._checkpoint_wanted.clear()
            if self._stopping:
                break
            if self._ahead_wanted and self._descriptor >= 0:
                self._ahead_wanted = False
                self._read_ahead(self._descriptor)
                continue
            try:
                if connection is None:
                    connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
                    connection.set_busy_timeout(BUSY_MS)
                    connection.pragma("synchronous", "FULL")
                if self._descriptor < 0:
                    self._descriptor = os.open(self.path, os.O_RDONLY)
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                os.fdatasync(self._descriptor)
            except (apsw.Error, OSError):
                continue
            self._checkpoint_due.set()
        if connection is not None:
            connection.close()

    def read_ahead(self) -> None:
        """After a start, ask for the file in order, so that what comes in need not wait for a slow disk page by page.

        Not before the start is over: the little that it reads would wait behind all this."""
        self._ahead_wanted = True
        self._checkpoint_wanted.set()

    def _read_ahead(self, descriptor: int) -> None:
        """The newest part first."""
        size = os.fstat(descriptor).st_size
        if not hasattr(os, "posix_fadvise"):
            return
        fits = size <= os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        tail = max(0, size - TAIL_BYTES) // READ_AHEAD_BYTES * READ_AHEAD_BYTES
        for start in [*range(tail, size, READ_AHEAD_BYTES), *range(0, tail if fits else 0, READ_AHEAD_BYTES)]:
            if self._stopping or self._checkpoint_wanted.is_set():
                return
            os.posix_fadvise(descriptor, start, READ_AHEAD_BYTES, os.POSIX_FADV_WILLNEED)

    def tidy(self) -> None:
        """Between two groups: end a checkpoint that the thread has prepared."""
        if self._checkpoint_due.is_set():
            with suppress(apsw.Error):  # the group is durable, whatever becomes of the checkpoint: the next one tries again
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._checkpoint_due.clear()

    def begin(self) -> None:
        """Start a transaction that writes."""
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable: returns after fsync."""
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if one is open."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def write(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run one statement on the writing connection."""
        return list(self._connection.execute(sql, params))

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row."""
        self._connection.executemany(sql, rows)

    def load(self, sql: str, params: Sequence[Any] = ()) -> apsw.Cursor:
        """Rows as the writer sees them."""
        return self._connection.execute(sql, params)

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Committed rows, for queries."""
        return list(self._reader.execute(sql, params))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """For as long as this lasts, `load` and `stream` see the data of one moment."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(apsw.Error):  # a damaged file may refuse even this
                self._connection.execute("ROLLBACK")

    def stream(self, sql: str) -> Iterator[Row]:
        """The rows of a statement, one by one."""
        return self._connection.execute(sql)

    def damages(self) -> list[str]:
        """What SQLite finds wrong with its file."""
        return [str(said) for (said,) in self._connection.execute("PRAGMA integrity_check") if said != "ok"]

    def scan(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """Committed rows one by one, on a connection of its own, so that a long scan blocks nothing."""
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_MS)
        try:
            yield from connection.execute(sql, params)
        finally:
            connection.close()

    @staticmethod
    def blobs(values: Sequence[bytes]) -> Any:
        """A list of byte strings as one parameter of `carray(?)`; an empty one is NULL, of which it makes no rows."""
        return apsw.carray(tuple(values)) if values else None

    @staticmethod
    def texts(values: Sequence[str]) -> Any:
        """Texts to bind where a statement says `carray(?)`."""
        return apsw.carray(tuple(values), flags=apsw.SQLITE_CARRAY_TEXT)

    @staticmethod
    def ints(values: Iterable[int]) -> Any:
        """A list of integers as one parameter of `carray(?)`; an empty one is NULL, of which it makes no rows."""
        packed = array("q", values)
        return apsw.carray(packed) if packed else None

    def close(self) -> None:
        """End the checkpoint thread and both connections; the log is emptied into the file where that is possible."""
        if self._thread is not None:
            self._stopping = True
            self._checkpoint_wanted.set()
            self._thread.join(timeout=30)
        self._reader.close()
        try:
            self._connection.close()
        except apsw.Error:
            self._connection.close(True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

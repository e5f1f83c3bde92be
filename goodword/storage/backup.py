"""Backups: a consistent copy of the database while it is written, and its way back. The key store is copied apart.

The copy holds people's data sealed only: without the key store nobody reads it, and with today's key store it shows nobody who was
deleted since. Nothing here overwrites what it was not told to, and a key store is never replaced by one that remembers less.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from goodword.storage import schema
from goodword.storage.cipher import Header, NewerFormat, Unreadable
from goodword.storage.keys import KeyStoreDamaged, KeyStoreMissing
from goodword.storage.lock import lock
from goodword.storage.sqlite import BUSY_MS, Database
from goodword.storage.store import DATABASE_FILE, Missing, OldKeyStore

KEY_FILES = ("keys.bin", "keys.journal", "keys.master")
COPY_BYTES = 1 << 20
POLL_S = 0.1
Progress = Callable[[int, int], None]


class AlreadyThere(Exception):
    """There is something at the destination already."""


class Unfit(Exception):
    """This backup cannot be restored here."""


def copy_database(directory: Path, dest: Path, progress: Progress, *, force: bool = False) -> int:
    """A consistent, compact copy of a folder's database in the file `dest`, whole or not at all; its size in bytes.

    The server goes on writing; until the copy is done its log grows. Errors: Missing, AlreadyThere, OSError, DatabaseError.
    """
    path = directory / DATABASE_FILE
    if not path.exists():
        raise Missing
    if dest.exists() and not force:
        raise AlreadyThere(f"{dest} is there already; --force replaces it.")
    dest.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = dest.with_name(dest.name + ".tmp")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            connection.set_busy_timeout(BUSY_MS)
            _vacuum_into(connection, partial, progress)
        descriptor = os.open(partial, os.O_RDWR)
        os.fsync(descriptor)
        os.close(descriptor)
        os.replace(partial, dest)
        sync_directory(dest.resolve().parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return dest.stat().st_size


def _vacuum_into(connection: apsw.Connection, dest: Path, progress: Progress) -> None:
    total = int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
    failures: list[Exception] = []

    def copy() -> None:
        try:
            connection.execute("VACUUM INTO ?", (str(dest),))
        except Exception as error:  # it is raised again where somebody waits for it
            failures.append(error)

    thread = threading.Thread(target=copy, name="backup")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL_S)
            progress(min(dest.stat().st_size, total), total)
    except BaseException:
        connection.interrupt()
        thread.join()
        raise
    if failures:
        raise failures[0]


def restore(
    source: Path, directory: Path, keys_in: Path, progress: Progress, *, keys_from: Path | None = None, force: bool = False
) -> None:
    """Put a backup's database, and with `keys_from` a key store's copy, in a folder that no server uses.

    Everything is checked before anything is replaced. Opening the store afterwards repeats the deletions the key store remembers.
    Errors: Busy, AlreadyThere, Unfit, OldKeyStore, KeyStoreMissing, NotGoodword, NewerSchema, OSError, DatabaseError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / DATABASE_FILE
    with _alone(directory):
        if path.exists() and not force:
            raise AlreadyThere(f"{path} is there already; --force replaces it.")
        store_id, highest = _look_at(source)
        header = key_header(keys_from or keys_in)
        if header.store_id != store_id:
            raise Unfit("The backup belongs to another key store. Give its copy with --keys.")
        if header.allocated < highest:
            raise OldKeyStore
        if keys_from is not None:
            _check_keys(header, keys_in, force=force)
        partial = path.with_name(path.name + ".tmp")
        _copy(source, partial, progress)
        if keys_from is not None:
            _restore_keys(keys_from, keys_in)
        for suffix in ("-wal", "-shm", "-journal"):  # a log of the database that was here would be replayed into the restored one
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        os.replace(partial, path)
        sync_directory(directory)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the folder's lock. Errors: Busy when a server or another command has it."""
    descriptor = lock(directory)
    try:
        yield
    finally:
        os.close(descriptor)


def key_header(folder: Path) -> Header:
    """What a key store's file begins with: whose it is, how far it goes. Errors: KeyStoreMissing, KeyStoreDamaged."""
    file = folder / KEY_FILES[0]
    if not file.exists():
        raise KeyStoreMissing(file)
    with file.open("rb") as opened:
        try:
            return Header.unpack(opened.read(4096))
        except (Unreadable, NewerFormat):
            raise KeyStoreDamaged(f"The header of {file} is unreadable.") from None


def _look_at(source: Path) -> tuple[bytes, int]:
    """The id of the key store a backup belongs to, and its highest profile number."""
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there.")
    log = source.with_name(source.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise Unfit(f"{log} is beside the backup, so it is no backup but a database in use. Make one with `goodword backup`.")
    database = Database(source, readonly=True)
    try:
        schema.check(database)
        said = list(database.load("SELECT value FROM meta WHERE name = 'key_store'"))
        highest = next(iter(database.load("SELECT coalesce(max(id), 0) FROM profile")))[0]
    finally:
        database.close()
    return bytes.fromhex(said[0][0] if said else ""), highest


def _check_keys(header: Header, keys_in: Path, *, force: bool) -> None:
    if not (keys_in / KEY_FILES[0]).exists():
        return
    here = key_header(keys_in)
    if here.store_id == header.store_id and (here.journal_len > header.journal_len or here.allocated > header.allocated):
        raise Unfit("The key store that is here is newer than its copy: it remembers more deletions or people. Leave --keys out.")
    if not force:
        raise AlreadyThere(f"{keys_in / KEY_FILES[0]} is there already; --force replaces it.")


def _restore_keys(source: Path, dest: Path) -> None:
    dest.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in reversed(KEY_FILES):  # keys.bin last: without it the rest does not pass for a store
        if (source / name).exists():
            _copy(source / name, dest / f"{name}.tmp", lambda _done, _total: None)
            os.replace(dest / f"{name}.tmp", dest / name)
    sync_directory(dest)


def _copy(source: Path, dest: Path, progress: Progress) -> None:
    total = source.stat().st_size
    dest.unlink(missing_ok=True)
    descriptor = os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as out:
            for part in _parts(source):
                out.write(part)
                progress(out.tell(), total)
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        dest.unlink(missing_ok=True)
        raise


def _parts(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while part := file.read(COPY_BYTES):
            yield part


def sync_directory(path: Path) -> None:
    """Make a rename in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Archives: months of an account's log in Parquet files, one a month, which anybody may copy and nobody can read without the key store.

1. A file has the log's rows as they are stored: in the clear are the event's name, times, amount and the person's number; the message is
   sealed with the person's key still, so that a deletion reaches every copy of the file (law 4).
2. A file is there whole or not at all. Only what is on the disk is put on record, and only what is on record may expire.
3. Whatever was interrupted is done again: a month is written anew until it is on record, and never after.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from goodword.core.archive import Archived
from goodword.core.period import month_of, write_month
from goodword.core.times import Millis
from goodword.storage.backup import sync_directory
from goodword.storage.driver import Row
from goodword.storage.expiry import archived_upto, end_before, end_of_month_after

if TYPE_CHECKING:
    from goodword.storage.store import Store

BATCH = 2_000
GROUP_ROWS = 50_000
"""Rows of a file that are written, and can be passed over, together."""
COLUMNS = (
    "arrival", "hash", "profile_id", "type", "name", "at", "received_at", "flags", "duplicate_of", "amount", "currency", "body",
)  # fmt: skip
LABEL = b"goodword"


class Label(msgspec.Struct, frozen=True):
    """What a file says of itself: the installation, the account, and which places of its log it has: after one, up to another."""

    store: str
    account: str
    after: int
    upto: int


class Part(NamedTuple):
    """A month of a log that is to be written."""

    after: int
    upto: int
    month: str


def parts(store: Store, account: int, before: Millis) -> Iterator[Part]:
    """The months, or what is left of them, that were received before a time and are in no file yet, oldest first."""
    last, after = end_before(store, account, before), archived_upto(store, account)
    while after < last:
        first = store.database.read(
            "SELECT arrival, received_at FROM event WHERE account_id = ? AND arrival > ? AND arrival <= ? ORDER BY arrival LIMIT 1",
            (account, after, last),
        )
        if not first:
            return
        upto = min(last, end_of_month_after(store, account, first[0][0] - 1))
        upto = upto if upto > after else last
        yield Part(after, upto, write_month(month_of(first[0][1])))
        after = upto


def rows(store: Store, account: int, after: int, upto: int) -> Iterator[list[Row]]:
    """The rows (COLUMNS) of places after one up to another, in order, some at a time."""
    sql = f"SELECT {', '.join(COLUMNS)} FROM event WHERE account_id = ? AND arrival > ? AND arrival <= ? ORDER BY arrival LIMIT ?"
    while found := store.database.read(sql, (account, after, upto, BATCH)):
        yield found
        after = found[-1][0]


def write(store: Store, account: int, part: Part, folder: Path, now: Millis) -> Iterator[int | Archived]:
    """Write a month: yields how many events are written so far, and at the end what to put on record. Errors: OSError."""
    name = store.accounts[account].id
    taken = store.database.read("SELECT count(*) FROM archive WHERE account_id = ? AND month = ?", (account, part.month))[0][0]
    relative = Path(file_name(name), part.month + (f"-{taken + 1}" if taken else "") + ".parquet")
    path = folder / relative
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    count = 0
    try:
        for count in write_rows(partial, store, account, part.after, part.upto):
            yield count
        size, digest = measure(partial)
        os.replace(partial, path)
        sync_directory(path.parent)
        sync_directory(folder)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    yield Archived(part.month, part.after, part.upto, relative.as_posix(), count, size, digest, now)


def file_name(account: str) -> str:
    """An account's id as a folder's name."""
    return "".join(sign if sign.isalnum() or sign in "-_" else f"%{ord(sign):x}" for sign in account)


def write_rows(path: Path, store: Store, account: int, after: int, upto: int) -> Iterator[int]:
    """Write a part of a log as a file that is on the disk when this ends; yields how many rows are written so far."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    label = Label(store.keys.store_id.hex(), store.accounts[account].id, after, upto)
    schema = pa.schema(
        [
            ("arrival", pa.int64()), ("hash", pa.binary(16)), ("profile_id", pa.int64()), ("type", pa.int16()), ("name", pa.string()),
            ("at", pa.timestamp("ms", tz="UTC")), ("received_at", pa.timestamp("ms", tz="UTC")), ("flags", pa.int32()),
            ("duplicate_of", pa.int64()), ("amount", pa.int64()), ("currency", pa.string()), ("body", pa.binary()),
        ],
        metadata={LABEL: msgspec.json.encode(label)},
    )  # fmt: skip
    count, held = 0, list[Row]()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:

            def put() -> None:
                if held:
                    columns = dict(zip(COLUMNS, zip(*held, strict=True), strict=True))
                    writer.write_table(pa.table({name: pa.array(columns[name], schema.field(name).type) for name in COLUMNS}, schema))
                    held.clear()

            for found in rows(store, account, after, upto):
                held.extend(found)
                count += len(found)
                if len(held) >= GROUP_ROWS:
                    put()
                yield count
            put()
        file.flush()
        os.fsync(file.fileno())


def measure(path: Path) -> tuple[int, bytes]:
    """A file's size and its SHA-256. Errors: OSError."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").digest()


def label_of(path: Path) -> Label | None:
    """What a file says of itself; None when it is no archive. Errors: OSError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        said = pq.read_schema(path).metadata or {}
        return msgspec.json.decode(said[LABEL], type=Label)
    except (KeyError, msgspec.MsgspecError, pa.ArrowInvalid):
        return None


def problems(store: Store, folder: Path) -> list[str]:
    """What is wrong with the files of a folder that are on record, a sentence each."""
    wrong: list[str] = []
    ends: dict[int, int] = {}
    for account, after, upto, name, size, digest in store.database.read(
        "SELECT account_id, after, upto, file, size, digest FROM archive ORDER BY account_id, upto"
    ):
        if after != ends.get(account, after):
            wrong.append(f"Archive {name}: it begins after message {after}, the one before ends with message {ends[account]}.")
        ends[account] = upto
        try:
            if measure(folder / name) != (size, digest):
                wrong.append(f"Archive {name}: the file is not what was written.")
        except OSError as error:
            wrong.append(f"Archive {name}: it cannot be read ({error.strerror}).")
    return wrong

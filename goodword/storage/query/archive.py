"""Questions in SQL over an account's archives and the part of its log that is in no archive yet.

DuckDB reads the files; a message is opened where a question asks for it, with the key of the person it is of. Nothing that was
opened is written anywhere: what is in the store is put beside the archives sealed, and DuckDB has no place to spill to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from goodword.core.event import FROM_BROWSER, IS_EVENT, TYPE_NAMES
from goodword.storage import archive
from goodword.storage.cipher import Unreadable
from goodword.storage.keys import KeyStoreError
from goodword.storage.rows import split_body
from goodword.storage.store import Store

_CONFIG: Any = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "temp_directory": ""}
_KINDS = " ".join(f"WHEN {code} THEN '{name}'" for code, name in TYPE_NAMES.items())
VIEW = f"""
CREATE VIEW events AS SELECT
  e.arrival, lower(hex(e.hash)) AS event_id, CASE e.type {_KINDS} ELSE '' END AS type, e.name, e.at AS event_time, e.received_at,
  coalesce(m.target, e.profile_id) AS person_id, e.amount, e.currency, e.flags & {IS_EVENT} <> 0 AS is_event,
  e.flags & {FROM_BROWSER} <> 0 AS from_browser, e.duplicate_of, goodword_is_deleted(e.profile_id) AS is_deleted,
  goodword_message(e.profile_id, e.body) AS message
FROM read_parquet([{{files}}]) e LEFT JOIN merged m ON m.source = e.profile_id
"""
"""`message` is the message as it was sent; NULL where the person was deleted, or the text was kept no longer."""


class WrongArchive(Exception):
    """A file in this folder is no archive of this installation and account."""


@contextmanager
def asked(store: Store, account: int, folder: Path | None, *, includes_store: bool = True) -> Iterator[Any]:
    """A DuckDB connection with the view `events`, for as long as this lasts. Errors: WrongArchive, OSError."""
    import duckdb

    store.keys.refresh()  # whoever was deleted until now is
    with TemporaryDirectory(prefix="goodword-") as scratch:
        files = _files(store, account, folder) if folder is not None else []
        if includes_store:
            files += _left(store, account, [label for _, label in files], Path(scratch))
        if not files:
            empty = Path(scratch, "nothing.parquet")
            list(archive.write_rows(empty, store, account, 0, 0))
            files = [(empty, archive.Label("", "", 0, 0))]
        with duckdb.connect(":memory:", config=_CONFIG) as connection:
            _define(connection, store)
            connection.execute("CREATE TABLE merged (source BIGINT, target BIGINT)")
            merged = store.database.read("SELECT source, target FROM merged WHERE account_id = ?", (account,))
            if merged:
                connection.executemany("INSERT INTO merged VALUES (?, ?)", merged)
            connection.execute(VIEW.replace("{files}", ", ".join(_quoted(path) for path, _ in files)))
            allowed = ", ".join(sorted({_quoted(path.parent) for path, _ in files}))
            connection.execute(f"SET allowed_directories = [{allowed}]; SET enable_external_access = false; SET lock_configuration = true")
            yield connection


def _quoted(path: Path) -> str:
    text = str(path.resolve()).replace("'", "''")
    return f"'{text}'"


def _files(store: Store, account: int, folder: Path) -> list[tuple[Path, archive.Label]]:
    """The account's archives in a folder."""
    name = store.accounts[account].id
    found = []
    for path in sorted((folder / archive.file_name(name)).glob("*.parquet")):
        label = archive.label_of(path)
        if label is None or (label.store, label.account) != (store.keys.store_id.hex(), name):
            raise WrongArchive(f"{path} is no archive of this installation and account.")
        found.append((path, label))
    return found


def _left(store: Store, account: int, there: list[archive.Label], scratch: Path) -> list[tuple[Path, archive.Label]]:
    """What the store has of the log beside those parts, sealed as it is, in files."""
    found, at, end = [], 0, store.end_of_log(account)
    for label in [*sorted(there, key=lambda label: label.after), archive.Label("", "", end, end)]:
        if at < label.after:
            path = scratch / f"{at}.parquet"
            list(archive.write_rows(path, store, account, at, label.after))
            found.append((path, archive.Label("", "", at, label.after)))
        at = max(at, label.upto)
    return found


def _define(connection: Any, store: Store) -> None:
    """The functions that open what is sealed. DuckDB calls them from its own threads, one at a time here."""
    import pyarrow as pa

    alone = Lock()

    def message(people: Any, bodies: Any) -> Any:
        with alone:
            numbers = people.to_pylist()
            store.fetch_keys(set(numbers))
            return pa.array([_opened(store, *row) for row in zip(numbers, bodies.to_pylist(), strict=True)], pa.string())

    def is_deleted(people: Any) -> Any:
        with alone:
            numbers = people.to_pylist()
            store.fetch_keys(set(numbers))
            return pa.array([store.keys.key(number) is None for number in numbers], pa.bool_())

    how: dict[str, Any] = {"type": "arrow", "null_handling": "special", "side_effects": True}
    connection.create_function("goodword_message", message, ["BIGINT", "BLOB"], "VARCHAR", **how)
    connection.create_function("goodword_is_deleted", is_deleted, ["BIGINT"], "BOOLEAN", **how)


def _opened(store: Store, number: int, sealed: bytes | None) -> str | None:
    try:
        key = store.keys.key(number)
        if key is None or not sealed:
            return None
        return split_body(store.sealer.open_body(key, sealed))[1].decode("utf-8", "replace") or None
    except (Unreadable, KeyStoreError, ValueError):  # `goodword verify` says what is damaged
        return None

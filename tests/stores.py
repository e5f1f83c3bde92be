"""Data folders whose data is in PostgreSQL: a test opens `Store(folder)` as ever, and the folder's database is found or made.

Databases are made once and emptied after a test: making one costs a second on a busy disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goodword.storage.store import Store
from tests.postgres import Postgres
from tests.statement import watched

URLS: dict[Path, str] = {}
"""Where the data of a folder is, for those that are in PostgreSQL now."""
EMPTY = """
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT schemaname, relname FROM pg_stat_user_tables WHERE relname !~ '^slot_' LOOP
    EXECUTE format('DELETE FROM %I.%I', one.schemaname, one.relname)
      || CASE WHEN one.relname = 'meta' THEN ' WHERE name NOT LIKE ''schema%''' ELSE '' END;
  END LOOP;
END $$
"""


class Pool:
    """A server, and databases of it that are empty and wait to be used."""

    def __init__(self) -> None:
        self.postgres = Postgres()
        self._free: list[str] = []
        self._made = 0

    def take(self) -> str:
        """The URL of an empty database."""
        if not self._free:
            self._made += 1
            return self.postgres.database(f"test{self._made}")
        return self._free.pop()

    def give_back(self, url: str) -> None:
        """Empty a database, and keep it for the next."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute(EMPTY)
        self._free.append(url)

    def close(self) -> None:
        """Stop the server."""
        self.postgres.close()


@contextmanager
def open_in_postgres(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For as long as this lasts, `Store(folder)` opens a database of PostgreSQL, the same one for the same folder.

    What is asked there must do on tables that are spread by account (`statement.py`)."""
    taken: dict[Path, str] = {}
    original = Store.__init__

    def opened(self: Store, directory: Path, **named: Any) -> None:
        if directory not in taken:
            taken[directory] = URLS[directory] = pool.take()
        original(self, directory, **{**named, "url": taken[directory]})

    monkeypatch.setattr(Store, "__init__", opened)
    with watched(monkeypatch) as wrong:
        try:
            yield
        finally:
            for directory, url in taken.items():
                del URLS[directory]
                pool.give_back(url)
    assert wrong == [], "\n".join(wrong)


@contextmanager
def placed(request: pytest.FixtureRequest, data: Path) -> Iterator[None]:
    """For as long as this lasts, servers and commands on this folder have their data where the fixture's parameter says: `sqlite`, or
    `postgres`."""
    if request.param != "postgres":
        yield
        return
    pool: Pool = request.getfixturevalue("postgres_pool")
    url = pool.take()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(URLS, data, url)
        patch.setenv("GOODWORD_DATABASE_URL", url)
        yield
    pool.give_back(url)

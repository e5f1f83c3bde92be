"""The schema on PostgreSQL: the same migrations in its words, and those that only nodes need (`migrations/nodes`).

Nodes are brought to a new version one by one: the first of them migrates, and older ones write on. So a schema says, beside its version,
which program's it still suits: its floor. A migration that only adds leaves the floor where it is; one that begins with BREAKS raises it.
"""

from __future__ import annotations

from goodword.storage import dialect, partition
from goodword.storage.driver import Database as AnyDatabase
from goodword.storage.nodes import alone, first_places
from goodword.storage.partition import Periods
from goodword.storage.postgres import Database
from goodword.storage.schema import BREAKS, NewerSchema, NotGoodword, migrations

DEFAULT_ACCOUNT = 1
EMBEDDED_ONLY = 6
"""Up to here migrations moved data on embedded databases alone: on PostgreSQL their tables were made empty."""
MOVING = "moving"
"""The row of `meta` that a database has while an installation is moved into it (`move_target.py`)."""
LOCK_MS = 3_000
"""How long a migration waits for who uses a table, and holds up who comes after it; then it is for the next start."""
_RECORDS = {"schema": "goodword.storage.migrations", "schema_nodes": "goodword.storage.migrations.nodes"}
_FLOOR = "_floor"


def version(database: Database, record: str) -> int:
    """The number of the last migration applied; 0 for an empty database. Errors: NotGoodword."""
    if not database.tables:
        return 0
    if "meta" not in database.tables or "event" not in database.tables:
        raise NotGoodword
    rows = list(database.load("SELECT value FROM meta WHERE name = ?", (record,)))
    return int(rows[0][0]) if rows else 0


def check(database: Database) -> None:
    """That this program can work with the schema as it is now. Errors: NewerSchema, NotGoodword."""
    for record, package in _RECORDS.items():
        own, at = migrations(package)[-1][0], version(database, record)
        if at > own and (version(database, record + _FLOOR) or at) > own:
            raise NewerSchema


def is_moving(database: Database) -> bool:
    """Whether an installation is on its way here, and not all of it has come."""
    return bool(database.tables) and bool(list(database.load("SELECT 1 FROM meta WHERE name = ?", (MOVING,))))


def migrate(database: Database, periods: Periods) -> None:
    """Bring the schema up to this program's; nodes that start together wait for the first. Errors: NewerSchema, NotGoodword."""
    with database.migrating():
        alone(database)
        database.script([f"SET LOCAL lock_timeout = {LOCK_MS}"])
        database.describe()
        check(database)
        for record, package in _RECORDS.items():
            at = version(database, record)
            for number, sql in migrations(package):
                if number > at:
                    database.script(dialect.schema(sql, moves_data=record != "schema" or number > EMBEDDED_ONLY))
                    database.describe()
                    _record(database, record, number)
                    if sql.startswith(BREAKS):
                        _record(database, record + _FLOOR, number)
            _record(database, record + _FLOOR, max(1, version(database, record + _FLOOR)))
        if "place" in database.tables:
            first_places(database, [DEFAULT_ACCOUNT])
            partition.begin(database)
    periods.open()


def _record(database: AnyDatabase, record: str, number: int) -> None:
    database.many("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", [(record, str(number))])

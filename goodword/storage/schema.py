"""The schema: forward-only migrations, each in one transaction with its record. A newer schema is refused."""

from __future__ import annotations

from importlib import resources

from goodword.storage.sqlite import Database

BREAKS = "-- breaks older nodes"
"""How a migration begins after which nodes of an older program cannot work any more. Any other only adds: tables, indexes, columns that are
behind the others and have a default or may be NULL."""


class NewerSchema(Exception):
    """The data was written by a newer Goodword. Install that version or a later one; nothing was changed."""


class NotGoodword(Exception):
    """The database file belongs to another program; nothing was changed."""


def migrations(package: str = "goodword.storage.migrations") -> list[tuple[int, str]]:
    """Every migration: its number and its statements."""
    folder = resources.files(package)
    files = sorted((file.name, file) for file in folder.iterdir() if file.name.endswith(".sql"))
    numbered = [(int(name[:4]), file.read_text()) for name, file in files]
    assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1)), "two with one number: a database would skip one"
    return numbered


def version(database: Database) -> int:
    """The number of the last migration applied; 0 for an empty database."""
    tables = {name for (name,) in database.load("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        return 0
    if "meta" not in tables or "event" not in tables:
        raise NotGoodword
    rows = list(database.load("SELECT value FROM meta WHERE name = 'schema'"))
    return int(rows[0][0]) if rows else 0


def check(database: Database) -> int:
    """The number of the last migration applied. Errors: NewerSchema, NotGoodword."""
    at = version(database)
    if at > migrations()[-1][0]:
        raise NewerSchema
    return at


def migrate(database: Database) -> None:
    """Bring the schema up to this program's. Errors: NewerSchema, NotGoodword."""
    at = check(database)
    for number, sql in migrations():
        if number <= at:
            continue
        database.begin()
        try:
            database.write(sql)
            database.write("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(number),))
            database.commit()
        except BaseException:
            database.rollback()
            raise
    if at < migrations()[-1][0]:
        _describe_sizes(database)


def _describe_sizes(database: Database) -> None:
    """Tell the planner what to expect of every index: accounts are few and large, what follows an account in a key is selective.

    Without it SQLite takes the leading account_id of a primary key for as good as a whole index, and reads an account's every row.
    What it would find itself is not asked for: that reads the whole file, and keeps samples of what people's rows hold.
    """
    database.begin()
    try:
        database.write("ANALYZE sqlite_schema")  # makes the tables that hold it, and reads nothing
        for (table,) in database.write("SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'"):
            database.write(f"DELETE FROM {table}")
        tables = [name for (name,) in database.write("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        for table in tables:
            for _, index, is_unique, origin, _ in database.write(f"PRAGMA index_list({table})"):
                columns = len(database.write(f"PRAGMA index_info({index})"))
                rows = [1_000_000] + [200_000] * (columns > 1) + [100] * max(0, columns - 2) + [1 if is_unique else 10]
                name = table if origin == "pk" else index
                database.write("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table, name, " ".join(map(str, rows))))
        database.write("ANALYZE sqlite_schema")
        database.commit()
    except BaseException:
        database.rollback()
        raise

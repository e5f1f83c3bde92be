"""Statements are written once, in what SQLite and PostgreSQL have in common; what is left between them is translated here, by rule.

| written, as SQLite takes it | PostgreSQL |
|---|---|
| `?`, `?2` | `$1`, `$2` |
| `carray(?) k`, a list of keys as one parameter | `unnest($1) AS k(value)` |
| `CROSS JOIN t x ON ..`, which fixes the order of a join | `JOIN LATERAL (SELECT * FROM t x WHERE .. OFFSET 0) x ON true`, likewise |
| `INDEXED BY` | nothing |
| `ON CONFLICT DO UPDATE`, of the primary key | the primary key's columns are named |
| `max(a, b)` of two values | `greatest(a, b)` |
| `x''` | `''::bytea` |
| many rows of `INSERT .. VALUES (?, ..)` | one `INSERT .. SELECT unnest($1::bigint[]), ..` |
| many rows of `DELETE .. WHERE a = ? AND b = ?` | one `DELETE .. USING unnest($1::bigint[], ..)` |
| in the schema: `INTEGER`, `BLOB`, `TEXT`, `WITHOUT ROWID` | `bigint`, `bytea`, `text COLLATE "C"`, nothing |
| in the schema: `n INTEGER PRIMARY KEY` of a table that has `account_id` | `PRIMARY KEY (account_id, n)` |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

_LITERAL_OR_MARK = re.compile(r"'(?:[^']|'')*'|\?(\d*)")
_LARGER = re.compile(r"\bmax\(([^(),]+, [^(),]+)\)")
_TYPES = {"INTEGER": "bigint", "BLOB": "bytea", "TEXT": 'text COLLATE "C"'}
_AFTER_JOIN = r" (?:CROSS|LEFT) JOIN | WHERE | GROUP BY | ORDER BY | LIMIT |\) |$"
_JOIN = re.compile(rf"(CROSS|LEFT) JOIN (\w+) (\w+) ON (.*?)(?={_AFTER_JOIN})", re.DOTALL)
_TABLE = re.compile(r"CREATE TABLE \w+ \((.*?)\)(?: WITHOUT ROWID)?;", re.DOTALL)
_INSERT = re.compile(r"INSERT INTO (\w+)(?: \(([^)]*)\))? VALUES \(([^)]*)\)(.*)", re.DOTALL)
_DELETE = re.compile(r"DELETE FROM (\w+) WHERE (\w+ = \?(?: AND \w+ = \?)*)")
_CONFLICT = re.compile(r"ON CONFLICT(?: \(([^)]*)\))? DO UPDATE")


class Table(NamedTuple):
    """What is known of a table: the types of its columns, in order, and its primary key."""

    columns: dict[str, str]
    key: tuple[str, ...]


class Bulk(NamedTuple):
    """An INSERT or DELETE of many rows as one statement: `types` are those of its parameters, a column each.

    `unique`: the places, among a row's values, of the conflict target of DO UPDATE: a statement may not update a row twice."""

    sql: str
    types: tuple[str, ...]
    unique: tuple[int, ...]


def statement(sql: str, tables: Mapping[str, Table]) -> str:
    """A statement in PostgreSQL's words."""
    count = 0

    def mark(found: re.Match[str]) -> str:
        nonlocal count
        if not found[0].startswith("?"):
            return found[0]
        count += 1
        return f"${found[1] or count}"

    sql = _LARGER.sub(r"greatest(\1)", sql)
    sql = re.sub(r" INDEXED BY \w+", "", sql)
    if "carray(" in sql:
        sql = _JOIN.sub(_join, sql)
    sql = _LITERAL_OR_MARK.sub(mark, sql.replace("x''", "''::bytea"))
    sql = re.sub(r"carray\((\$\d+)\) k\b", r"unnest(\1) AS k(value)", sql)
    sql = re.sub(r"carray\((\$\d+)\)", r"unnest(\1) AS carray(value)", sql)
    if inserted := re.match(r"INSERT INTO (\w+)", sql):
        key = ", ".join(tables[inserted[1]].key)
        sql = sql.replace("ON CONFLICT DO UPDATE", f"ON CONFLICT ({key}) DO UPDATE")
    return sql


def _join(found: re.Match[str]) -> str:
    """A join looked up row by row, as SQLite does it: statistics of a table that was empty make PostgreSQL read it whole else."""
    kind, table, name, condition = found.groups()
    return f"{'LEFT ' if kind == 'LEFT' else ''}JOIN LATERAL (SELECT * FROM {table} {name} WHERE {condition} OFFSET 0) {name} ON true"


def bulk(sql: str, tables: Mapping[str, Table]) -> Bulk | None:
    """An INSERT of one row, or a DELETE of what has some values, as one of many; None for any other statement.

    Columns that a newer schema has behind those that are named here get their defaults."""
    found = _INSERT.fullmatch(sql)
    if found is None:
        removed = _DELETE.fullmatch(sql)
        return _delete(removed, tables[removed[1]]) if removed is not None else None
    table = tables[found[1]]
    values = [value.strip() for value in found[3].split(",")]
    columns = [name.strip() for name in found[2].split(",")] if found[2] else list(table.columns)[: len(values)]
    asked = [column for column, value in zip(columns, values, strict=True) if value == "?"]
    types = tuple(table.columns[column] for column in asked)
    # not `FROM unnest(..)`, which PostgreSQL writes down row by row before it reads the first
    lists = iter([f"unnest(${place}::{kind}[])" for place, kind in enumerate(types, 1)])
    picked = ", ".join(next(lists) if value == "?" else value for value in values)
    head = f"INSERT INTO {found[1]} ({', '.join(columns)}) SELECT {picked}"
    rest = statement(f"INSERT INTO {found[1]}{found[4]}", tables).removeprefix(f"INSERT INTO {found[1]}")
    conflict = _CONFLICT.search(rest)
    unique = tuple(asked.index(name.strip()) for name in conflict[1].split(",")) if conflict else ()
    return Bulk(head + rest, types, unique)


def _delete(found: re.Match[str], table: Table) -> Bulk:
    asked = [condition.split(" = ")[0] for condition in found[2].split(" AND ")]
    types = tuple(table.columns[column] for column in asked)
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(types, 1))
    matched = " AND ".join(f"t.{column} = u.{column}" for column in asked)
    return Bulk(f"DELETE FROM {found[1]} t USING unnest({arrays}) AS u({', '.join(asked)}) WHERE {matched}", types, ())


def waves(rows: Sequence[Sequence[Any]], unique: tuple[int, ...]) -> list[list[Sequence[Any]]]:
    """Rows in turns, in order, so that no turn has two of one key."""
    if len(set(map(itemgetter(*unique), rows))) == len(rows):
        return [list(rows)]
    turns: list[list[Sequence[Any]]] = [[]]
    seen: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(row[place] for place in unique)
        turn = seen[key] = seen.get(key, -1) + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(row)
    return turns


def schema(sql: str, *, moves_data: bool = True) -> list[str]:
    """The statements of a migration in PostgreSQL's words; without `moves_data` those alone that make or change tables.

    No text in a migration has a semicolon or two dashes."""
    sql = re.sub(r"--[^\n]*", "", sql)
    sql = _TABLE.sub(_table, sql)
    for theirs, ours in _TYPES.items():
        sql = re.sub(rf"\b{theirs}\b", ours, sql)
    statements = [one.strip() for one in sql.split(";") if one.strip()]
    return [one for one in statements if moves_data or one.startswith(("CREATE", "ALTER", "DROP"))]


def _table(found: re.Match[str]) -> str:
    text = found[0].replace(" WITHOUT ROWID", "")
    single = re.search(r"(\w+) INTEGER PRIMARY KEY", text)
    if single is None or single[1] == "account_id" or not re.search(r"\baccount_id\b", text):
        return text
    text = text.replace(single[0], f"{single[1]} INTEGER NOT NULL")
    return f"{text.removesuffix(');')}, PRIMARY KEY (account_id, {single[1]}));"

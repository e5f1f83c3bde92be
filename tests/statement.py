"""What a table that is spread over machines by account asks of a statement, and a recorder of the statements that tests send.

Citus sends a statement that names one account to the machine that has it. One that names none goes to all of them, and one that joins
rows of different accounts, or locks a row without its account, it refuses. Nor does it take functions in an UPDATE, or in the condition
of an upsert, that PostgreSQL does not call immutable.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import goodword
from goodword.storage import cluster, postgres, schema

_PACKAGES = ("goodword.storage.migrations", "goodword.storage.migrations.nodes")
TABLES = {name for package in _PACKAGES for _, sql in schema.migrations(package) for name in re.findall(r"CREATE TABLE (\w+)", sql)}
SPREAD = set(cluster.spread(TABLES))
PACKAGE = Path(goodword.__file__).parent
WHOLE = {
    "storage/verify.py", "storage/verify_delivery.py", "storage/verify_reward.py", "storage/verify_tally.py",
}  # fmt: skip
"""Modules that check an installation as a whole, by hand: they ask all machines, but join no two accounts."""
EVERY_ACCOUNT = {
    "api_key": "keys, campaigns and the rest of settings are read at the start, and when they changed",
    "campaign": "settings",
    "campaign_version": "settings",
    "supplier": "settings",
    "endpoint": "settings",
    "endpoint_health": "settings",
    "block": "settings",
    "server_outcome": "settings",
    "calendar": "settings",
    "SELECT coalesce(sum(settings), 0) FROM place": "whether settings changed anywhere, asked beside groups",
    "SELECT account_id, after, upto, file, size, digest FROM archive ORDER BY account_id, upto": "`goodword verify` compares the files",
    "DELETE FROM mark WHERE at < ?": "housekeeping",
    "SELECT account_id, id FROM delivery WHERE ended_at < ? ORDER BY ended_at LIMIT ?": "housekeeping",
}
"""Statements about all accounts, and why they may be, by their text or by the table of which all is read: none is part of a group."""
_CLAUSES = {"WHERE", "GROUP", "ORDER", "LIMIT", "UNION", "JOIN", "LEFT", "CROSS", "ON", "HAVING", "SOME", "BOTH"}
_ALL_OF = re.compile(r"SELECT account_id, [\w, ]+ FROM (\w+)")
EMBEDDED = {"cli/backup.py", "storage/backup.py", "storage/dictionary.py", "storage/fold.py"}
"""Modules that ask the embedded database alone."""
EMBEDDED_TOO = {
    "SELECT coalesce(max(id), 0) FROM profile",
    "SELECT coalesce(max(arrival), 0) FROM event",
    "SELECT t.after, count(*) FROM reward_transition t",
}
"""Likewise statements; and the beginning of one, whose condition is put behind it."""
_MENTION = re.compile(r"\b(FROM|JOIN|UPDATE|INTO)\s+(\w+)")
_FUNCTION = re.compile(r"\b(?:now|clock_timestamp|random|gen_random_uuid|nextval|extract)\s*\(")


def complaints(sql: str, *, is_whole: bool = False) -> list[str]:
    """What is wrong with a statement for tables that are spread by account; nothing about any other."""
    spread = [table for word, table in _MENTION.findall(sql) if table in SPREAD and (word == "JOIN" or not is_whole)]
    all_of = _ALL_OF.fullmatch(sql)
    if not spread or sql in EVERY_ACCOUNT or (all_of and all_of[1] in EVERY_ACCOUNT):
        return []
    found = []
    named = len(re.findall(r"\baccount_id\b\s*(?:=|IN\b)", sql))
    named += re.match(r"\s*INSERT INTO \w+ \(account_id, [^)]*\) SELECT \w+\.account_id,", sql) is not None
    is_plain_insert = re.match(r"\s*INSERT INTO \w+ (?:\([^)]*\) )?VALUES", sql) is not None
    if is_plain_insert and (columns := re.match(r"\s*INSERT INTO \w+ \(([^)]*)\)", sql)) and "account_id" not in columns[1]:
        found.append("inserts rows without an account")
    if not is_plain_insert and named < len(spread):
        found.append(f"names {named} accounts for {len(spread)} tables ({', '.join(spread)})")
    changes = sql.partition("DO UPDATE")[2] if is_plain_insert else sql if sql.lstrip().startswith(("UPDATE", "DELETE")) else ""
    if called := _FUNCTION.search(changes):
        found.append(f"calls {called[0].rstrip('(')} where only immutable functions may be called")
    if re.search(r"\b(?:nextval|serial|CREATE TRIGGER)\b", sql):
        found.append("uses what each machine would count or do by itself")
    return found


def asked_by() -> str:
    """The module of the package that sends a statement, by its place in it; "" where a test does so itself."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and Path(frame.f_code.co_filename).name in ("statement.py", "postgres.py", "contextlib.py"):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename) if frame is not None else PACKAGE.parent
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else ""


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is wrong with the statements that the package sends to PostgreSQL meanwhile, a sentence each."""
    wrong: list[str] = []
    seen: set[tuple[str, str]] = set()
    statement, many = postgres.Database._statement, postgres.Database.many

    def look(sql: str) -> None:
        module = asked_by()
        if not module or (module, sql) in seen:
            return
        seen.add((module, sql))
        wrong.extend(f"{module}: a query without a name: {each}" for each in unnamed(sql))
        wrong.extend(f"{module}: {each}: {sql}" for each in complaints(sql, is_whole=module in WHOLE))

    def asked(self: postgres.Database, sql: str) -> str:
        look(sql)
        return statement(self, sql)

    def written(self: postgres.Database, sql: str, rows: Sequence[Any]) -> None:
        look(sql)
        many(self, sql, rows)

    monkeypatch.setattr(postgres.Database, "_statement", asked)
    monkeypatch.setattr(postgres.Database, "many", written)
    yield wrong


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The statements that a module spells out, each with its line; what is put into one while it runs is `{}`."""
    parts: set[int] = set()
    for node in ast.walk(ast.parse(source)):  # what is whole comes before its parts
        if isinstance(node, ast.JoinedStr):
            parts.update(id(part) for part in ast.walk(node))
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        else:
            continue
        if re.match(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH) ", text):
            yield node.lineno, text


def unnamed(sql: str) -> list[str]:
    """The queries within a query that have no name: PostgreSQL 15 asks for one."""
    found = []
    for opening in re.finditer(r"\b(?:FROM|JOIN|LATERAL)\s+(\()\s*(?:SELECT|VALUES|WITH)\b", sql):
        depth = 0
        for place in range(opening.start(1), len(sql)):
            depth += {"(": 1, ")": -1}.get(sql[place], 0)
            if depth == 0:
                name = re.match(r"\s*(?:AS\s+)?(\w+)?", sql[place + 1 :])
                if name is None or name[1] is None or name[1].upper() in _CLAUSES:
                    found.append(sql[opening.start() : place + 1])
                break
    return found

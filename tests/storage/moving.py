"""Installations that move to PostgreSQL, for the tests of `goodword migrate-store`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import psycopg
from typer.testing import CliRunner, Result

from goodword.cli.app import make
from goodword.storage import move
from goodword.storage.move_source import NOT_COPIED, Source
from goodword.storage.move_target import Target
from goodword.storage.store import DATABASE_FILE, Store
from tests.running import ROOT

HURRIED = "from goodword.storage import fold\nfold.WAITING_MAX, fold.PARTITION_ROWS_MAX = 800, 2_000"
SMALL_CHUNKS = "from goodword.storage import move\nmove.CHUNK_ROWS = 50"


def messages(first: int, count: int) -> list[dict[str, Any]]:
    """Registrations, conversions and identifies of few people, so that profiles meet and grow, and orders repeat."""
    made: list[dict[str, Any]] = []
    for n in range(first, first + count):
        said = {"userId": f"u{n % 97}", "anonymousId": f"a{n % 211}", "messageId": f"m{n}"}
        if n % 3 == 0:
            made.append({"type": "identify", "traits": {"email": f"u{n % 97}@example.com", "visits": n}, **said})
        elif n % 3 == 1:
            properties = {"partner_conversion_id": f"order-{n // 2}", "cart_value": n}
            made.append({"type": "track", "event": "conversion", "properties": properties, **said})
        else:
            made.append({"type": "track", "event": "view\0ed", "properties": {"n": n}, **said})
    return made


def command(data: Path, url: str, before: str = SMALL_CHUNKS) -> list[str]:
    return [sys.executable, "-c", f"{before}\nfrom goodword.cli import main\nmain()", "migrate-store", str(data), url]


def migrate(data: Path, url: str, before: str = SMALL_CHUNKS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(data, url, before), capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)


def held(value: Any) -> Any:
    """A value as PostgreSQL holds it."""
    return value.replace("\0", "\u2400") if isinstance(value, str) else value


def asked(data: Path, *arguments: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(make(["migrate-store"]), ["migrate-store", str(data), *arguments])


def differences(data: Path, url: str) -> list[str]:
    """Tables whose rows are not the same in both, the key store among them."""
    here = apsw.Connection(str(data / DATABASE_FILE), flags=apsw.SQLITE_OPEN_READONLY)
    found = []
    with psycopg.connect(url) as there:
        for table in [str(name) for (name,) in here.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]:
            if table in NOT_COPIED or table.startswith(("message_", "sqlite_")):
                continue
            columns = ", ".join(name for (name,) in here.execute(f"SELECT name FROM pragma_table_info('{table}')"))
            one = sorted(repr(tuple(map(held, row))) for row in here.execute(f"SELECT {columns} FROM {table}"))
            other = sorted(repr(row) for row in there.execute(f"SELECT {columns} FROM {table}"))
            if one != other:
                found.append(f"{table}: {len(one)} rows and {len(other)}")
        events = set(here.execute("SELECT account_id, profile_id, arrival FROM event"))
        if events != set(there.execute("SELECT account_id, profile_id, arrival FROM person_event").fetchall()):
            found.append("person_event")
    return found


def opened(tmp_path: Path, data: Path, url: str) -> Store:
    """A node on the copy."""
    node = tmp_path / "node"
    node.mkdir(exist_ok=True)
    (node / "keys.master").write_bytes((data / "keys.master").read_bytes())
    (node / "keys.master").chmod(0o600)
    return Store(node, url=url)


def finish(folder: Path, url: str) -> None:
    """What the command does with a server that is stopped."""
    with Store(folder, leaves=True) as store:
        source, target = Source(folder / DATABASE_FILE), Target(url, store.keys.store_id)
        try:
            move.Move(source, target, lambda *_: None).finish(store, folder, folder, url, "elsewhere")
        finally:
            target.close()
            source.close()

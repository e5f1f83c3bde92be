"""docs/how-to/many-nodes.md, "Start on PostgreSQL": its commands, run as they stand there, on a database machine of one's own."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path

import psycopg
import pytest

from goodword.core.account import Scope
from tests.conftest import MARK
from tests.postgres import NoPostgres, Postgres, free_port
from tests.running import ROOT, make_key
from tests.shell import Started, examples, shell, until


def test_the_pages_way_to_two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of `sudo -u postgres psql` PostgreSQL's own first user is asked, and the nodes' ports are free ones."""
    role, master, first, second, *_ = examples((ROOT / "docs" / "how-to" / "many-nodes.md").read_text())
    try:
        postgres = Postgres(listens=True)
    except NoPostgres as error:
        pytest.skip(f"{MARK}{error.__doc__}")
    with postgres:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as owner:
            said = re.findall(r'-c "([^"]+)"', role)
            assert len(said) == 2
            for sql in said:
                owner.execute(sql.replace("ROLE goodword", "ROLE node").replace("OWNER goodword", "OWNER node"))
        place = f"node:PASSWORD@127.0.0.1:{postgres.port}/goodword"
        first = first.replace("goodword:PASSWORD@db.example.com/goodword", place)
        assert place in first
        master += 'echo "$GOODWORD_MASTER_KEY"'
        key = subprocess.run(["bash", "-c", master], capture_output=True, text=True, check=True).stdout.strip()
        ports = free_port(), free_port()
        one = {"GOODWORD_MASTER_KEY": key, "GOODWORD_PORT": str(ports[0])}
        other = {"GOODWORD_MASTER_KEY": key, "GOODWORD_DATABASE_URL": f"postgresql://{place}"}
        with shell(first, tmp_path, one), shell(second.replace("8766", str(ports[1])), tmp_path, other):
            nodes = [Started(port) for port in ports]
            for node in nodes:
                until(node.is_ready)
            for name, value in other.items():
                monkeypatch.setenv(name, value)
            made = make_key(tmp_path / "node-1", Scope.SERVER)
            message = {"type": "identify", "userId": "u", "messageId": "m", "traits": {"plan": "gold"}}
            for node in nodes:
                until(partial(node.stores, message, made))
        with psycopg.connect(f"postgresql://{place}") as reader:
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (1,)

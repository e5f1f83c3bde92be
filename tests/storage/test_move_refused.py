"""`goodword migrate-store`: what cannot be moved, and is said; and what is found wrong on the way is not kept."""

from __future__ import annotations

from pathlib import Path

import apsw
import psycopg
import pytest

from goodword.cli.connection import account_number, engine_of
from goodword.core.command import Erase
from goodword.core.profile import IdentityKey
from goodword.storage import move, move_target
from goodword.storage.keyfile import KeyStoreDamaged
from goodword.storage.move_source import Source
from goodword.storage.move_target import NotTheSame, Target
from goodword.storage.moved import MOVED_FILE
from goodword.storage.store import DATABASE_FILE, Store
from goodword.storage.verify import verify
from tests.storage.moving import asked, finish
from tests.stores import Pool


def test_what_does_not_come_back_as_it_went_is_not_kept(folder: Path, url: str) -> None:
    with Store(folder) as store:
        store_id = store.keys.store_id
    source, target = Source(folder / DATABASE_FILE), Target(url, store_id)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name = ''x''; RETURN NEW; END'")
        other.execute("CREATE TRIGGER spoil BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION spoil()")
        try:
            with pytest.raises(NotTheSame, match="event"):
                move.Move(source, target, lambda *_: None).copy()
            assert other.execute("SELECT count(*) FROM event").fetchall() == [(0,)]
        finally:
            other.execute("DROP TRIGGER spoil ON event")
            other.execute("DROP FUNCTION spoil")
    source.close()
    target.close()


def test_a_damaged_key_store_is_not_copied(folder: Path, url: str) -> None:
    with (folder / "keys.bin").open("r+b") as file:
        file.truncate(4096 + 64)
    with pytest.raises(KeyStoreDamaged):
        finish(folder, url)


def test_the_key_store_may_go_to_a_database_of_its_own(folder: Path, url: str, tmp_path: Path, postgres_pool: Pool) -> None:
    keys = postgres_pool.postgres.database(f"keys-{tmp_path.name}")
    done = asked(folder, url, "--keys-url", keys)
    assert done.exit_code == 0, done.stderr
    with psycopg.connect(url) as data, psycopg.connect(keys) as apart:
        assert apart.execute("SELECT count(*) > 100 FROM goodword_keys.slot").fetchall() == [(True,)]
        assert data.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'goodword_move'").fetchall() == [(0,)]
    node = tmp_path / "node"
    node.mkdir()
    (node / "keys.master").write_bytes((folder / "keys.master").read_bytes())
    (node / "keys.master").chmod(0o600)
    with Store(node, url=url, keys_url=keys) as store:
        assert verify(store) == []


def test_what_cannot_be_moved_is_said_in_a_sentence_and_changes_nothing(
    folder: Path, url: str, tmp_path: Path, postgres_pool: Pool
) -> None:
    def said(data: Path, to: str) -> str:
        done = asked(data, to)
        assert done.exit_code in (1, 2)
        assert len(done.stderr.splitlines()) == 1
        return done.stderr

    assert "There is no Goodword data" in said(tmp_path / "nothing", url)
    assert "looks like postgresql://" in said(folder, "nonsense")
    assert "nowhere" in said(folder, postgres_pool.postgres.url("nowhere"))
    filled = postgres_pool.postgres.database(f"filled-{tmp_path.name}")
    (tmp_path / "other").mkdir()
    with Store(tmp_path / "other", url=filled):
        pass
    assert "Another installation's keys" in said(folder, filled)
    done = asked(folder, filled, "--keys-url", postgres_pool.postgres.url("postgres"))
    assert (done.exit_code, "not empty" in done.stderr) == (1, True)
    latin = f"latin-{tmp_path.name}"
    with psycopg.connect(postgres_pool.postgres.url("postgres"), autocommit=True) as maker:
        maker.execute(f"CREATE DATABASE \"{latin}\" ENCODING 'LATIN1' TEMPLATE template0")
    assert "LATIN1" in said(folder, postgres_pool.postgres.url(latin))
    foreign = postgres_pool.postgres.database(f"foreign-{tmp_path.name}")
    with psycopg.connect(foreign, autocommit=True) as owner:
        owner.execute("CREATE TABLE thing (n int)")
    assert "another program" in said(folder, foreign)
    writer = apsw.Connection(str(folder / DATABASE_FILE))
    writer.execute("UPDATE meta SET value = '9999' WHERE name = 'schema'")
    assert "newer Goodword" in said(folder, url)
    assert not (folder / MOVED_FILE).exists()


def test_two_moves_do_not_meet_and_one_does_not_go_on_anothers(
    folder: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move_target, "ALONE_S", 0.0)
    with Store(folder) as store:
        store_id = store.keys.store_id
    target = Target(url, store_id)
    done = asked(folder, url)
    assert (done.exit_code, "under way" in done.stderr) == (1, True)
    target.close()
    other = tmp_path / "second"
    with engine_of(other) as engine:
        account_number(engine, "x")
    done = asked(other, url)
    assert (done.exit_code, "another installation" in done.stderr) == (1, True)


def test_a_folder_that_goes_on_after_its_move_needs_an_empty_database(folder: Path, url: str) -> None:
    finish(folder, url)
    (folder / MOVED_FILE).unlink()
    with engine_of(folder) as engine:
        engine.execute([Erase(1, (IdentityKey("uu7"),), erasure_id="late")])
    done = asked(folder, url)
    assert (done.exit_code, "Give an empty database" in done.stderr) == (1, True)

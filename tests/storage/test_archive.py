"""Archives: what is in them, what is not, that deletions reach them, and that nothing goes before it is in one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.archive import Archived
from goodword.core.period import DAY_MS, month_of, write_month
from goodword.core.profile import IdentityKey
from goodword.engine import Engine
from goodword.storage import archive, expiry
from goodword.storage.query.archive import WrongArchive, asked
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.referral.town import Town
from tests.running import received
from tests.storage.test_expiry import KEPT, expire, live

pytest.importorskip("pyarrow", reason="NOT TESTED: archives, for which pyarrow is needed")
pytest.importorskip("duckdb", reason="NOT TESTED: archives, for which duckdb is needed")
pytest.importorskip("numpy", reason="NOT TESTED: archives, for which numpy is needed")

NAMING = (b"ben@post.example", b"ada@post.example", b"order-1", b'"page"', b"ada-1", b"userId", b"u19")


@pytest.fixture
def town(on_both: str, tmp_path: Path) -> Iterator[Town]:
    opened = Town(tmp_path / "data")
    yield opened
    opened.close()


def write(town: Town, folder: Path, days: int = 0, account: int = 1) -> list[Archived]:
    """What `goodword archive` does."""
    written = []
    for part in archive.parts(town.store, account, expiry.month_kept(town.now, days)):
        *_, archived = archive.write(town.store, account, part, folder, town.now)
        assert isinstance(archived, Archived)
        assert town.engine.execute([c.RecordArchive(account, archived)])[0].verdict == "done"
        written.append(archived)
    return written


def ask(town: Town, folder: Path | None, sql: str, account: int = 1, **how: Any) -> list[Any]:
    with asked(town.store, account, folder, **how) as connection:
        return list(connection.execute(sql).fetchall())


def keep(town: Town, days: int) -> None:
    settings = replace(town.store.accounts[1].settings, events_kept_days=days, archives_events=True)
    assert town.engine.execute([c.Configure(1, settings)])[0].verdict == "done"


EVERYTHING = "SELECT arrival, event_id, type, name, event_time, person_id, amount, is_event, message FROM events ORDER BY arrival"


def test_a_month_goes_to_a_file_and_then_from_the_store_and_is_asked_as_before(town: Town, tmp_path: Path) -> None:
    live(town)
    month = write_month(month_of(town.now))
    before = ask(town, None, EVERYTHING)
    keep(town, KEPT)
    town.passes(70 * DAY_MS)
    assert expire(town.store, town.now) == 0  # nothing goes that no file holds
    town.buy("order-2", userId="ben")
    written = write(town, tmp_path / "archive")
    assert [(each.month, each.file, each.events) for each in written] == [(month, f"default/{month}.parquet", len(before))]
    assert write(town, tmp_path / "archive") == []
    assert ask(town, tmp_path / "archive", EVERYTHING)[:-1] == before
    assert expire(town.store, town.now) > 400
    assert ask(town, tmp_path / "archive", EVERYTHING)[:-1] == before
    assert ask(town, tmp_path / "archive", EVERYTHING, includes_store=False) == before
    assert ask(town, tmp_path / "archive", "SELECT sum(amount), count(message->>'$.properties.page') FROM events") == [(10_500, 400)]
    assert len(ask(town, None, EVERYTHING)) == 4
    assert (verify(town.store), archive.problems(town.store, tmp_path / "archive")) == ([], [])


def test_law_4_what_is_archived_of_a_person_is_gone_with_their_key(town: Town, tmp_path: Path) -> None:
    live(town)
    town.passes(70 * DAY_MS)
    (archived,) = write(town, tmp_path)
    file = tmp_path / archived.file
    bytes_before = file.read_bytes()
    for naming in NAMING:
        assert naming not in bytes_before, naming
    for clear in (b"Looked", b"conversion", b"registration"):
        assert clear in bytes_before
    assert len(ask(town, tmp_path, "SELECT 1 FROM events WHERE message LIKE '%ben%'")) > 1
    town.engine.execute([c.Erase(1, (IdentityKey("uben"),), erasure_id="e")])
    assert file.read_bytes() == bytes_before
    assert ask(town, tmp_path, "SELECT 1 FROM events WHERE message LIKE '%ben%' OR message LIKE '%order-1%'") == []
    gone = ask(town, tmp_path, "SELECT type, name, amount, message FROM events WHERE is_deleted ORDER BY arrival")
    assert ("track", "conversion", 5_000, None) in gone
    assert {message for *_, message in gone} == {None}
    assert ask(town, tmp_path, "SELECT count(message) FROM events WHERE name = 'Looked'") == [(400,)]


def test_what_was_interrupted_is_done_again(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while a file is written, and after it is there but before it is on record."""
    live(town)
    keep(town, KEPT)
    town.passes(70 * DAY_MS)
    (part,) = archive.parts(town.store, 1, expiry.month_kept(town.now, 0))
    with monkeypatch.context() as broken:

        def fail(_: Path) -> tuple[int, bytes]:
            raise OSError("killed")

        broken.setattr(archive, "measure", fail)
        with pytest.raises(OSError, match="killed"):
            list(archive.write(town.store, 1, part, tmp_path, town.now))
    assert list(tmp_path.rglob("*.parquet*")) == []
    *_, lost = archive.write(town.store, 1, part, tmp_path, town.now)
    assert expire(town.store, town.now) == 0
    (written,) = write(town, tmp_path)
    assert isinstance(lost, Archived)
    assert (written.file, written.events, written.upto) == (lost.file, lost.events, lost.upto)
    assert expire(town.store, town.now) > 400
    assert verify(town.store) == []


def test_a_file_a_month_in_order_with_nothing_left_out(town: Town, tmp_path: Path) -> None:
    """Law 8: and of its account alone."""
    other = town.engine.execute([c.CreateAccount("other/../x")])[0].value
    for number in range(40):
        for account in (1, other):
            said = {"type": "track", "event": f"Looked {account}", "userId": "u", "messageId": f"{number}"}
            town.engine.execute([received(said, town.now, account)])
        town.passes(4 * DAY_MS)
    first = write(town, tmp_path)
    assert [each.month for each in first] == sorted({each.month for each in first})
    assert len(first) >= 5
    assert [each.after for each in first[1:]] == [each.upto for each in first[:-1]]
    town.passes(40 * DAY_MS)
    assert len(write(town, tmp_path)) == 1
    assert len(write(town, tmp_path, account=other)) == len(first) + 1
    assert ask(town, tmp_path, "SELECT name, count(*) FROM events GROUP BY 1", includes_store=False) == [("Looked 1", 40)]
    assert ask(town, tmp_path, "SELECT name, count(*) FROM events GROUP BY 1", account=other) == [(f"Looked {other}", 40)]
    assert {path.parent.parent for path in tmp_path.rglob("*.parquet")} == {tmp_path}
    assert archive.problems(town.store, tmp_path) == []


def test_files_that_were_changed_lost_or_are_of_another_installation_are_told(town: Town, tmp_path: Path) -> None:
    live(town)
    town.passes(40 * DAY_MS)
    (archived,) = write(town, tmp_path / "archive")
    file = tmp_path / "archive" / archived.file
    whole = file.read_bytes()
    file.write_bytes(whole[:-100] + b"x" * 100)
    assert archive.problems(town.store, tmp_path / "archive") == [f"Archive {archived.file}: the file is not what was written."]
    with pytest.raises(WrongArchive):
        ask(town, tmp_path / "archive", EVERYTHING)
    file.unlink()
    (problem,) = archive.problems(town.store, tmp_path / "archive")
    assert "cannot be read" in problem
    file.write_bytes(whole)
    assert archive.problems(town.store, tmp_path / "archive") == []
    with Store(tmp_path / "another") as store:
        Engine(store, lambda: town.now)
        with pytest.raises(WrongArchive), asked(store, 1, tmp_path / "archive"):
            pass


def test_a_question_can_neither_write_nor_read_other_files(town: Town, tmp_path: Path) -> None:
    import duckdb

    (tmp_path / "secret.csv").write_text("a\n1\n")
    for sql in (f"COPY (SELECT 1) TO '{tmp_path}/out.csv'", f"SELECT * FROM '{tmp_path}/secret.csv'", "SET enable_external_access = true"):
        with pytest.raises(duckdb.Error):
            ask(town, None, sql)
    assert ask(town, None, "SELECT count(*) FROM events") == [(0,)]


def test_law_4_a_question_leaves_nothing_readable_on_the_disk(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put beside the archives for the time of a question is sealed, and gone after it."""
    live(town)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with asked(town.store, 1, None) as connection:
        assert len(connection.execute(EVERYTHING).fetchall()) > 400
        files = [path.read_bytes() for path in scratch.rglob("*") if path.is_file()]
        assert files
        for naming in NAMING:
            assert not any(naming in found for found in files), naming
    assert list(scratch.iterdir()) == []

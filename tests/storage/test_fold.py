"""The folded indexes with tiny bounds: whatever happens between memory and tables, each message and each person's event is found once."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from goodword.core import command as c
from goodword.engine import Engine, Unavailable
from goodword.storage import fold
from goodword.storage.fold import KEPT_MS, Filter
from goodword.storage.store import Store
from tests.running import problems, received

NOW = 1_790_000_000_000
PEOPLE = 700  # more than two buckets of profile numbers


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding starts at once, and partitions fill quickly."""
    monkeypatch.setattr(fold, "WAITING_MAX", 300)
    monkeypatch.setattr(fold, "PARTITION_ROWS_MAX", 500)


def _said(number: int) -> dict[str, Any]:
    return {"type": "track", "event": "seen", "userId": f"u{number % PEOPLE}", "messageId": f"m{number}"}


def _take(store: Store, numbers: range, *, size: int = 50, now: int = NOW) -> Counter[str]:
    engine = Engine(store, clock=lambda: now)
    verdicts: Counter[str] = Counter()
    for start in range(numbers.start, numbers.stop, size):
        group: list[c.Command] = [received(_said(number), now) for number in range(start, min(start + size, numbers.stop))]
        verdicts.update(outcome.verdict for outcome in engine.execute(group))
    return verdicts


def _links(store: Store) -> dict[int, list[int]]:
    """Every person's arrivals as readers find them: what is in the table, and what still waits."""
    found: dict[int, list[int]] = {}
    for number, arrival in store.database.read("SELECT profile_id, arrival FROM person_event ORDER BY arrival"):
        found.setdefault(number, []).append(arrival)
    for (number,) in store.database.read("SELECT DISTINCT profile_id FROM event"):
        found.setdefault(number, []).extend(store.people.waiting_of(number))
    return found


def _check(store: Store, numbers: range) -> None:
    """Each message id finds its one event, none that was not sent is found, and each person's events are found once."""
    log = store.database.read("SELECT hash, arrival, profile_id FROM event")
    hashes = {store.sealer.hash(1, f"mm{number}"): number for number in numbers}
    assert store.messages.find(list(hashes)) == {hash16: arrival for hash16, arrival, _ in log}
    assert {row[0] for row in log} == set(hashes)
    assert store.messages.find([store.sealer.hash(1, f"mnever{number}") for number in range(500)]) == {}
    expected: dict[int, list[int]] = {}
    for _, arrival, number in log:
        expected.setdefault(number, []).append(arrival)
    assert {number: sorted(arrivals) for number, arrivals in _links(store).items()} == expected
    waiting = sum(1 for hash16, arrival, _ in log if arrival > store.messages.upto[hash16[0]])
    assert store.messages.waiting == waiting


def test_everything_is_found_once_at_every_stage_and_after_every_crash(tmp_path: Path) -> None:
    data = tmp_path / "data"
    seen_partitions, folded_partly = set(), False
    dice = random.Random(3)
    with Store(data) as store:
        for stage in range(24):
            until = (stage + 1) * 120
            assert _take(store, range(stage * 120, until), size=dice.choice((7, 40, 120))) == {"stored": 120}
            _check(store, range(until))
            seen_partitions.add(len(store.messages.partitions))
            upto = store.messages.upto
            folded_partly |= 0 < sum(bucket > 0 for bucket in upto) < fold.BUCKETS
            copy = tmp_path / f"crash{stage}"  # as a crash would leave it: the files as they are, nothing closed
            shutil.copytree(data, copy, ignore=shutil.ignore_patterns("lock", "*-shm"))
            with Store(copy) as after:
                _check(after, range(until))
                assert problems(after) == []
                assert _take(after, range(until - 60, until + 60)) == {"duplicate": 60, "stored": 60}
                _check(after, range(until + 60))
            shutil.rmtree(copy)
    assert len(seen_partitions) > 3
    assert folded_partly
    with Store(data) as store:
        _check(store, range(24 * 120))


def _failing(store: Store, monkeypatch: pytest.MonkeyPatch, call: str, after: int = 0) -> Callable[[], None]:
    """Make the database fail at a call, after letting some pass; returns what mends it."""
    original, left = getattr(store.database, call), [after]

    def fail(*given: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            return original(*given, **named)
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(store.database, call, fail)
    return lambda: monkeypatch.setattr(store.database, call, original)


@pytest.mark.parametrize(("call", "after"), [("commit", 0), ("many", 0), ("many", 1), ("many", 3), ("many", 6), ("many", 9), ("write", 0)])
def test_a_commit_undone_in_the_midst_of_a_fold_leaves_everything_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, after: int
) -> None:
    failures = 0
    with Store(tmp_path / "data") as store:
        sent = 0
        for _ in range(30):
            mend = _failing(store, monkeypatch, call, after)
            try:
                _take(store, range(sent, sent + 50))
            except Unavailable:
                failures += 1
                mend()
                _check(store, range(sent))
                assert _take(store, range(sent, sent + 50)) == {"stored": 50}
            mend()
            sent += 50
            _check(store, range(sent))
        assert problems(store) == []
    assert failures > 3
    with Store(tmp_path / "data") as store:
        _check(store, range(sent))


def test_a_new_partition_undone_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path / "data") as store:
        sent, undone = 0, 0
        while len(store.messages.partitions) < 4:
            before = dict(store.messages.partitions)
            mend = _failing(store, monkeypatch, "commit")
            with pytest.raises(Unavailable):
                _take(store, range(sent, sent + 50))
            mend()
            assert store.messages.partitions == before
            undone += 1
            _take(store, range(sent, sent + 50))
            sent += 50
        _check(store, range(sent))
        tables = {name for (name,) in store.database.read("SELECT name FROM sqlite_schema WHERE name LIKE 'message\\__' ESCAPE '\\'")}
        assert tables == {f"message_{number}" for number in store.messages.partitions}


def test_partitions_are_dropped_whole_when_old_and_not_before(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        _take(store, range(2_000))
        first = set(store.messages.partitions)
        _take(store, range(2_000, 4_000), now=NOW + KEPT_MS - 1)
        assert first <= set(store.messages.partitions)
        _check(store, range(4_000))
        _take(store, range(4_000, 6_000), now=NOW + KEPT_MS + 60_000)
        assert min(first) not in store.messages.partitions
        rows: dict[int, int] = dict(store.database.read("SELECT number, rows FROM message_partition"))
        assert rows == store.messages.partitions
        for number, count in rows.items():
            assert store.database.read(f"SELECT count(*) FROM message_{number}") == [(count,)]
        kept = [store.sealer.hash(1, f"mm{number}") for number in range(2_000, 6_000)]
        assert len(store.messages.find(kept)) == 4_000
    with Store(tmp_path / "data") as store:
        assert len(store.messages.find(kept)) == 4_000
        assert rows == store.messages.partitions


def test_the_filter_is_rebuilt_while_folding_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Store(data) as store:
        _take(store, range(9_000), size=300)
    with Store(data) as store:
        store.messages.forget_filters()
        assert None in store.messages.filters.values(), "the tables are probed"
        _check(store, range(9_000))
        sent = 9_000
        steps = 0
        for _ in store.messages.rebuild():
            steps += 1
            _take(store, range(sent, sent + 400))
            sent += 400
            _check(store, range(sent))
        assert steps > 5
        assert None not in store.messages.filters.values(), "they are used from now on"
        _check(store, range(sent))
        _take(store, range(sent, sent + 1_000))
        _check(store, range(sent + 1_000))
        assert None not in store.messages.filters.values()


def test_filters_are_kept_over_a_stop_and_built_anew_after_a_crash(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Store(data) as store:
        _take(store, range(5_000))
        assert len(store.messages.partitions) > 1
    with Store(data) as store:
        assert None not in store.messages.filters.values(), "each was kept with its rows"
        _check(store, range(5_000))
        _take(store, range(5_000, 7_000))
        kept: dict[int, int | None] = dict(
            store.database.read(
                "SELECT p.number, f.rows = p.rows FROM message_partition p LEFT JOIN message_filter f ON f.number = p.number"
            )
        )
        newest = max(kept)
        assert all(whole for number, whole in kept.items() if number != newest), "those of full partitions are whole"
        store.messages.forget_filters()  # as a crash would: nothing is kept at the stop
    with Store(data) as store:
        assert [number for number, filter in store.messages.filters.items() if filter is None] == [newest]
        _check(store, range(7_000))
        for _ in store.background():
            pass
        assert None not in store.messages.filters.values()
        _check(store, range(7_000))


def test_a_clean_stop_folds_what_waits_so_that_a_start_reads_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    monkeypatch.setattr("goodword.storage.store.FOLDED_AT_STOP_MIN", 100)
    with Store(data) as store:
        _take(store, range(3_000))
        assert store.messages.waiting
        assert store.people.waiting
    with Store(data) as store:
        assert (store.messages.waiting, store.people.waiting) == (0, 0)
        _check(store, range(3_000))
        _take(store, range(3_000, 3_040))
    with Store(data) as store:
        assert store.messages.waiting == 40, "a little is left as it is"
        _check(store, range(3_040))


def test_a_stop_on_a_full_disk_leaves_what_waits_to_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    monkeypatch.setattr("goodword.storage.store.FOLDED_AT_STOP_MIN", 100)
    with Store(data) as store:
        _take(store, range(1_000))
        waiting = store.messages.waiting

        def full(*_: object) -> None:
            raise OSError("no space left")

        monkeypatch.setattr(store.people, "fold", full)
    with Store(data) as store:
        assert store.messages.waiting == waiting
        _check(store, range(1_000))


def test_a_filter_never_denies_what_was_added_and_seldom_claims_what_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(1)
    added = [dice.randbytes(16) for _ in range(60_000)]
    others = [dice.randbytes(16) for _ in range(60_000)]
    probed: list[bytes] = []
    with Store(tmp_path / "data") as store:
        messages = store.messages
        messages.filters = {1: Filter()}
        messages.partitions = {1: 0}
        monkeypatch.setattr(store.database, "blobs", probed.extend)
        monkeypatch.setattr(store.database, "load", lambda *_: ())
        full = messages.filters[1]
        assert full is not None
        full.add(added)
        messages.find(added)
        assert sorted(probed) == sorted(added)
        probed.clear()
        messages.find(others)
        assert len(probed) < 1_800
        monkeypatch.undo()
        messages.filters, messages.partitions = {}, {}


def test_a_message_that_finds_no_index_would_be_seen(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        _take(store, range(1_500))
        number = min(store.messages.partitions)
        store.database.write(f"DELETE FROM message_{number} WHERE hash = (SELECT min(hash) FROM message_{number})")
        with pytest.raises(AssertionError):
            _check(store, range(1_500))

"""Faults of the machine and mistakes of people: full and read-only disks, wrong files, wrong keys, wrong clocks. Nothing is lost."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from goodword import engine as engines
from goodword.core import command as c
from goodword.core.decide import decide
from goodword.core.profile import IdentityKey
from goodword.engine import Engine, Unavailable
from goodword.storage.receipt import trim_receipts
from goodword.storage.store import Store
from tests.running import Answer, Server, make_key, problems, received, refusal_to_start, rows, run, stored_hashes

HOUR_MS = 3_600_000
RECOVERY_S_MAX = 15


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: mounting is not permitted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", "size=8m", "goodword-test", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # fails if a descriptor is left open


def _order(number: int) -> dict[str, Any]:
    return {"type": "track", "event": "conversion", "userId": f"u{number}", "messageId": f"m{number}",
            "properties": {"partner_conversion_id": f"o{number}", "cart_value": 5, "what": "x" * 500}}  # fmt: skip


def _post(server: Server, key: str, numbers: range) -> dict[int, Answer]:
    return {number: server.post("/segment", _order(number), key) for number in numbers}


def _survive(server: Server, key: str, break_it: Callable[[], None], mend_it: Callable[[], None]) -> None:
    """While writing fails: 503 and Retry-After, alive, not ready. After it: ready by itself, nothing lost, nothing doubled."""
    before = _post(server, key, range(50))
    assert {answer.status for answer in before.values()} == {200}
    break_it()
    during = _post(server, key, range(50, 80))
    refused = {number: answer for number, answer in during.items() if answer.status != 200}
    assert refused, "writing did not fail: the test tests nothing"
    assert {answer.status for answer in refused.values()} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused.values())
    batch = server.post("/v1/batch", {"batch": [_order(number) for number in range(80, 180)]}, key)
    assert batch.status == 503
    assert set(batch.json) >= {"code", "message"}
    assert server.get("/healthz").status == 200
    assert server.get("/readyz").status == 503
    mend_it()
    until = time.monotonic() + RECOVERY_S_MAX
    while server.get("/readyz").status != 200:
        assert time.monotonic() < until, "did not recover by itself"
        time.sleep(0.1)
    again = _post(server, key, range(180))
    assert {answer.status for answer in again.values()} == {200}
    assert server.stop() == 0
    with Store(server.data) as store:
        assert set(stored_hashes(store, 1, [f"m{number}" for number in range(180)]).values()) == {1}
        assert problems(store) == []


def test_a_full_disk_is_503_and_heals_by_itself(small_disk: Path) -> None:
    key = make_key(small_disk)
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    with Server(small_disk) as server:
        _survive(server, key, fill, filler.unlink)


def test_a_file_that_may_not_grow_is_503_and_heals_by_itself(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    with Server(data) as server:

        def limit() -> None:
            size = (data / "goodword.db-wal").stat().st_size
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size + 10_000, resource.RLIM_INFINITY))

        def lift() -> None:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        _survive(server, key, limit, lift)


def test_a_read_only_folder_refuses_to_start(tmp_path: Path) -> None:
    data, view = tmp_path / "data", tmp_path / "view"
    make_key(data)
    view.mkdir()
    _mount("--bind", str(data), str(view))
    try:
        _mount("-o", "remount,ro,bind", str(view))
        said = refusal_to_start(view)
    finally:
        subprocess.run(["umount", str(view)], check=True)
    assert "read-only" in said.lower() or "permission" in said.lower()


def test_a_second_server_on_the_folder_refuses_and_the_first_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data) as server:
        assert "Another Goodword uses this data folder" in refusal_to_start(data)
        made = run("key", "create", "later", "--data", str(data))
        assert made.returncode == 0
        assert server.post("/segment", _order(1), made.stdout.strip()).status == 200


def test_a_taken_port_refuses_clearly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--data", str(tmp_path / "data"), "--port", str(taken.getsockname()[1]))
    assert done.returncode != 0
    assert "address already in use" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def _stored(data: Path) -> bytes:
    """The data folder with one event; the bytes of its database."""
    with Store(data) as store:
        Engine(store).execute([received(_order(1), 1_000_000)])
    return (data / "goodword.db").read_bytes()


def _sql(data: Path, *statements: str) -> None:
    connection = apsw.Connection(str(data / "goodword.db"))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_newer_schema_refuses_and_changes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _stored(data)
    _sql(data, "UPDATE meta SET value = '9999' WHERE name = 'schema'")
    before = (data / "goodword.db").read_bytes()
    assert "newer Goodword" in refusal_to_start(data)
    assert (data / "goodword.db").read_bytes() == before


def test_another_programs_database_refuses_and_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    _sql(data, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)")
    before = (data / "goodword.db").read_bytes()
    assert "belongs to another program" in refusal_to_start(data)
    assert (data / "goodword.db").read_bytes() == before
    assert {path.name for path in data.iterdir()} <= {"goodword.db", "lock"}


def test_a_file_that_is_no_database_refuses(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "goodword.db").write_bytes(b"hello, this is a letter\n" * 500)
    assert "not a database" in refusal_to_start(data)


def test_data_without_its_keys_refuses_and_makes_no_new_ones(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _stored(data)
    kept = tmp_path / "kept"
    kept.mkdir()
    for file in data.glob("keys*"):
        shutil.move(file, kept / file.name)
    assert "keys.bin" in refusal_to_start(data)
    assert not list(data.glob("keys*"))
    for file in kept.iterdir():
        shutil.move(file, data / file.name)
    with Server(data):
        assert len(rows(data, "SELECT 1 FROM event")) == 1


def test_keys_of_another_installation_refuse(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    _stored(data)
    _stored(other)
    for file in other.glob("keys*"):
        shutil.copy(file, data / file.name)
    assert "key store" in refusal_to_start(data)


def test_a_wrong_master_key_refuses(tmp_path: Path) -> None:
    data = tmp_path / "data"
    right, wrong = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    with Server(data, env={"GOODWORD_MASTER_KEY": right}):
        pass
    for given in (wrong, "not a key"):
        assert "master key does not fit" in refusal_to_start(data, env={"GOODWORD_MASTER_KEY": given})
    with Server(data, env={"GOODWORD_MASTER_KEY": right}):
        pass


@pytest.mark.parametrize("place", ["Store._prepare", "Store._insert_account", "Store.load_accounts", "schema.migrate", "KeyStore.open"])
def test_a_crash_in_the_very_first_start_is_harmless(tmp_path: Path, place: str) -> None:
    data = tmp_path / "data"
    crash = f"""
import os
from goodword.storage import schema
from goodword.storage.keys import KeyStore
from goodword.storage.receipt import trim_receipts
from goodword.storage.store import Store
original = {place}
def crash(*given, **named):
    if {place == "schema.migrate"}:
        original(*given, **named)
    os._exit(9)
{place} = crash
"""
    assert run_python(crash, data) == 9
    key = make_key(data)
    with Server(data) as server:
        assert server.post("/segment", _order(1), key).status == 200
        assert rows(data, "SELECT number, id FROM account") == [(1, "default")]


def run_python(code: str, data: Path) -> int:
    """Start a server with this before it; its exit code."""
    try:
        server = Server(data, before=code)
    except Exception as error:
        return int(error.args[1])
    server.kill()
    raise AssertionError("it started")


def test_a_clock_that_jumps_loses_nothing_and_deletions_hold(tmp_path: Path) -> None:
    start = 1_790_000_000_000
    clock = [start]
    old = {"timestamp": "2026-09-20T00:00:00Z"}
    with Store(tmp_path / "data") as store:
        engine = Engine(store, clock=lambda: clock[0])

        def take(**said: Any) -> str:
            return engine.execute([received(said, clock[0])])[0].verdict

        def erase(user: str) -> None:
            engine.execute([c.Erase(1, (IdentityKey("u" + user),), erasure_id=f"{user}{clock[0]}")])

        stored: list[str] = []
        for jump in (0, HOUR_MS, -HOUR_MS, -2 * HOUR_MS, 0, HOUR_MS):
            clock[0] = start + jump
            for number in range(5):
                name = f"{len(stored)}"
                assert take(type="track", event="seen", userId=f"stays{number}", messageId=name) == "stored"
                stored.append(name)
        clock[0] = start + HOUR_MS
        assert take(type="identify", userId="goes", messageId="in", traits={"email": "goes@example.com"}) == "stored"
        clock[0] = start  # the message lies in the future of the clock that deletes it
        erase("goes")
        assert take(type="track", event="seen", userId="goes", messageId="new", **old) == "dropped"
        clock[0] = start + HOUR_MS // 2
        assert take(type="identify", userId="goes", messageId="replayed under another id") == "dropped"
        clock[0] = start + 2 * HOUR_MS
        assert take(type="identify", userId="goes", messageId="really later") == "stored"
        assert set(stored_hashes(store, 1, stored).values()) == {1}
        assert problems(store) == []


def _folder_with_a_log(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    key = make_key(data)
    server = Server(data)
    for number in range(60):
        assert server.post("/segment", _order(number), key).status == 200
    server.kill()
    assert (data / "goodword.db-wal").stat().st_size > 100_000
    return data


def test_a_cut_or_garbled_log_starts_with_what_was_whole(tmp_path: Path) -> None:
    data = _folder_with_a_log(tmp_path)
    dice = random.Random(7)
    size = (data / "goodword.db-wal").stat().st_size
    numbers = [f"m{number}" for number in range(60)]
    seen = set()
    for attempt in range(12):
        copy = tmp_path / f"copy{attempt}"
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*-shm", "*.sock"))
        wal = copy / "goodword.db-wal"
        with wal.open("r+b") as file:
            place = dice.randrange(32, size)
            if attempt % 3 == 0:
                file.truncate(place)
            elif attempt % 3 == 1:
                file.seek(place)
                file.write(dice.randbytes(100))
            else:
                file.seek(0, os.SEEK_END)
                file.write(dice.randbytes(50_000))
        with Store(copy) as store:
            counts = list(stored_hashes(store, 1, numbers).values())
            assert counts == sorted(counts, reverse=True), "a hole in the log"
            assert problems(store) == []
            seen.add(sum(counts))
            outcomes = Engine(store).execute([received(_order(number), 1_790_000_000_000) for number in range(60)])
            assert {outcome.verdict for outcome in outcomes} <= {"stored", "duplicate"}
            assert set(stored_hashes(store, 1, numbers).values()) == {1}
            assert problems(store) == []
    assert len(seen) > 3
    assert 60 in seen


def test_a_server_starts_on_a_log_of_garbage(tmp_path: Path) -> None:
    data = _folder_with_a_log(tmp_path)
    (data / "goodword.db-shm").unlink(missing_ok=True)
    (data / "goodword.db-wal").write_bytes(random.Random(1).randbytes(200_000))
    key = make_key(data)
    with Server(data) as server:
        assert server.post("/segment", _order(1), key).status == 200


def _together(engine: Engine, groups: list[list[c.Command]]) -> list[Any]:
    async def ask() -> list[Any]:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        return await asyncio.gather(*(engine.ask(group) for group in groups), return_exceptions=True)

    return asyncio.run(ask())


def test_a_defect_met_by_one_request_fails_neither_its_neighbours_nor_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(command: c.Command, *rest: Any) -> Any:
        if isinstance(command, c.Receive) and command.understood.message.message_id == "m2":
            raise RuntimeError("a defect")
        return decide(command, *rest)

    monkeypatch.setattr(engines, "decide", defective)
    with Store(tmp_path / "data") as store:
        engine = Engine(store)
        first, bad, third = _together(engine, [[received(_order(number), 1_000)] for number in (1, 2, 3)])
        assert first[0].verdict == third[0].verdict == "stored"
        assert isinstance(bad, Unavailable)
        assert isinstance(_together(engine, [[received(_order(2), 1_000)]])[0], Unavailable)
        assert _together(engine, [[received(_order(4), 1_000)]])[0][0].verdict == "stored"
        assert stored_hashes(store, 1, ["m1", "m2", "m3", "m4"]) == {"m1": 1, "m2": 0, "m3": 1, "m4": 1}


class _Failing:
    """A connection one method of which fails."""

    def __init__(self, connection: apsw.Connection, method: str) -> None:
        self._connection, self._method = connection, method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise apsw.FullError("database or disk is full")
        return getattr(self._connection, name)


def test_a_failed_checkpoint_does_not_unsay_what_was_stored(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        database: Any = store.database
        engine, connection = Engine(store), database._connection
        database._connection = _Failing(connection, "wal_checkpoint")
        database._checkpoint_due.set()
        assert engine.execute([received(_order(1), 1_000)])[0].verdict == "stored"
        database._connection = connection
        assert stored_hashes(store, 1, ["m1"]) == {"m1": 1}


def test_bounding_the_message_log_fails_as_the_disk_does(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        database: Any = store.database
        engine, connection = Engine(store), database._connection
        for _ in range(3):
            engine.execute([received(_order(1), 1_000)])
        database._connection = _Failing(connection, "execute")
        with pytest.raises(OSError, match="full"):
            trim_receipts(store, 1)
        database._connection = connection
        trim_receipts(store, 1)
        assert len(store.database.read("SELECT 1 FROM receipt")) == 1


def test_sigint_stops_as_sigterm_does(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.send_signal(signal.SIGINT)
    assert server.wait() == 0

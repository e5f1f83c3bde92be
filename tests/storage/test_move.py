"""`goodword migrate-store`: an installation moves to PostgreSQL, under load and killed at any moment; nothing is lost or doubled."""

from __future__ import annotations

import http.client
import json
import random
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from goodword.core.account import Scope
from goodword.core.profile import IdentityKey
from goodword.storage import fold, move, move_keys, moved
from goodword.storage.move_source import Source
from goodword.storage.move_target import Target
from goodword.storage.moved import Moved, Moving
from goodword.storage.query import person
from goodword.storage.store import DATABASE_FILE, Store
from goodword.storage.verify import verify
from tests.running import ROOT, Server, basic, make_key, problems, refusal_to_start, stored_hashes
from tests.storage.moving import HURRIED, command, differences, finish, messages, migrate, opened
from tests.stores import URLS

SEED = 20_261_130
KILLS = 3
SENDERS = 3


def test_a_stopped_installation_moves_at_once_whole_and_for_good(folder: Path, url: str, tmp_path: Path) -> None:
    done = migrate(folder, url)
    assert done.returncode == 0, done.stderr
    assert "GOODWORD_MASTER_KEY" in done.stderr
    assert differences(folder, url) == []
    shown = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    with opened(tmp_path, folder, url) as store:
        assert (problems(store), verify(store)) == ([], [])
        assert int(shown["event"][0].replace(",", "")) == store.database.read("SELECT count(*) FROM event")[0][0] > 1_800
        assert len(shown["event"][1]) == 32
        found = person.find_by_keys(store, 1, [IdentityKey("uu1"), IdentityKey("uu5")])
        assert set(found) == {"uu1"}
        fresh = store.reserve_profile_id()
        assert fresh > store.database.read("SELECT max(id) FROM profile")[0][0]
    assert "PostgreSQL database" in refusal_to_start(folder)
    again = migrate(folder, url)
    assert (again.returncode, "nothing is left" in again.stderr) == (0, True)


def test_who_resends_to_the_new_place_is_answered_as_before(
    folder: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(folder, Scope.ADMIN)
    asked = {"Authorization": f"Bearer {key}"}
    again, order = messages(600, 300), json.dumps({"type": "track", "event": "conversion", "userId": "f1", "messageId": "f1"}).encode()

    def answers(server: Server) -> list[Any]:
        said = [server.post("/segment", message, key) for message in again[:20]]
        said.append(server.request("POST", "/segment", order, basic(key)))
        said.append(server.request("GET", "/v5/persons?person_keys=partner_user_id:u1", headers=asked))
        person_id = said[-1].json[0]["id"]
        paths = ("steps", "rewards", "balances", "shareables", "journeys", "memberships", "relationships", "why", "identity-history")
        said += [server.request("GET", f"/v5/persons/{person_id}/{path}", headers=asked) for path in paths]
        said += [server.request("GET", path, headers=asked) for path in ("/v2/campaigns", "/v2/rewards")]
        assert [one.status for one in said] == [200] * len(said)
        return [one.json for one in said]

    with Server(folder) as server:
        before = answers(server)
    assert migrate(folder, url).returncode == 0
    node = tmp_path / "node"
    opened(tmp_path, folder, url).close()
    monkeypatch.setitem(URLS, node, url)
    with Server(node) as server:
        assert answers(server) == before
        assert server.post("/v1/batch", {"batch": again}, key).status == 200
        assert server.post("/segment", {"type": "track", "event": "conversion", "userId": "u1", "messageId": "new"}, key).status == 200
    with opened(tmp_path, folder, url) as store:
        assert stored_hashes(store, 1, [one["messageId"] for one in again]) == {one["messageId"]: 1 for one in again}
        assert verify(store) == []


class Senders:
    """Clients that send until told to stop, delete people, and remember what was acknowledged."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.acknowledged: set[str] = set()
        self.deleted: set[str] = set()
        self._numbers = iter(range(10_000, 1 << 40, 20))
        self._lock = threading.Lock()

    def run(self, server: Server, stop: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while not stop.is_set():
            with self._lock:
                first = next(self._numbers)
            batch = messages(first, 20)
            gone = f"gone{first}"
            batch.append({"type": "identify", "userId": gone, "messageId": gone, "traits": {"email": f"{gone}@example.com"}})
            try:
                if self._post(connection, "/v1/batch", {"batch": batch}):
                    self.acknowledged.update(one["messageId"] for one in batch)
                    if self._post(connection, "/segment", {"type": "delete", "userId": gone, "messageId": f"d{first}"}):
                        self.deleted.add(gone)
            except (OSError, http.client.HTTPException):
                connection.close()
            stop.wait(0.03)  # enough that every pass finds changes, and no more than a slow machine can check afterwards
        connection.close()

    def _post(self, connection: http.client.HTTPConnection, path: str, said: object) -> bool:
        connection.request("POST", path, json.dumps(said), basic(self.key))
        response = connection.getresponse()
        response.read()
        return response.status == 200


def killed(data: Path, url: str, after_s: float) -> int:
    """The exit code of a move that is killed after a while, or was done by then."""
    moving = subprocess.Popen(command(data, url), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        moving.wait(after_s)
    except subprocess.TimeoutExpired:
        moving.send_signal(signal.SIGKILL)
    moving.communicate()
    return moving.returncode


def test_under_load_and_killed_at_any_moment_nothing_is_lost_or_doubled(
    folder: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(SEED)
    key = make_key(folder, Scope.ADMIN)
    load, stop = Senders(key), threading.Event()
    with Server(folder, before=HURRIED) as server:
        threads = [threading.Thread(target=load.run, args=(server, stop)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(KILLS):
                assert killed(folder, url, dice.uniform(0.8, 3)) in (-signal.SIGKILL, 3)
            beside = migrate(folder, url)
            assert (beside.returncode, "Stop it" in beside.stderr) == (3, True), beside.stderr
            with pytest.raises(Moving):
                opened(tmp_path, folder, url)
            assert server.stop() == 0
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    after_s = 0.8
    while (code := killed(folder, url, dice.uniform(0.5, 1) * after_s)) != 0:
        assert code == -signal.SIGKILL
        after_s *= 1.7
    assert differences(folder, url) == []
    assert len(load.acknowledged) > 100
    assert load.deleted
    node = tmp_path / "node"
    with opened(tmp_path, folder, url) as store:
        assert (problems(store), verify(store)) == ([], [])
        events = store.database.read("SELECT count(*) FROM event")
        assert person.find_by_keys(store, 1, [IdentityKey(f"u{name}") for name in load.deleted]) == {}
    monkeypatch.setitem(URLS, node, url)
    first = {int(name[1:]) // 20 * 20 for name in load.acknowledged if name.startswith("m")}
    with Server(node) as server:  # sent again, each is known, and a deleted person's own messages do not come back
        for number in first:
            assert server.post("/v1/batch", {"batch": messages(number, 20)}, key).status == 200
        gone = [{"type": "identify", "userId": name, "messageId": name} for name in sorted(load.deleted)[:100]]
        assert server.post("/v1/batch", {"batch": gone}, key).status == 200
    with opened(tmp_path, folder, url) as store:
        assert store.database.read("SELECT count(*) FROM event") == events
        assert verify(store) == []
        assert set(stored_hashes(store, 1, sorted(load.acknowledged)).values()) == {1}


@pytest.mark.parametrize("step", ["mark", "copy_keys", "complete"])
def test_a_move_that_ends_at_any_step_is_finished_by_the_next(
    folder: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    places: dict[str, Any] = {"mark": moved, "copy_keys": move_keys, "complete": Target}
    original: Callable[..., Any] = getattr(places[step], step)
    for is_done in (False, True):  # just before, and just after

        def end(*given: Any, is_done: bool = is_done) -> None:
            if is_done:
                original(*given)
            raise InterruptedError

        with monkeypatch.context() as broken:
            broken.setattr(places[step], step, end)
            with pytest.raises(InterruptedError):
                finish(folder, url)
        if step != "mark" or is_done:
            with pytest.raises(Moved):
                Store(folder)
        if not (step == "complete" and is_done):
            with pytest.raises(Moving):
                opened(tmp_path, folder, url)
    assert migrate(folder, url).returncode == 0
    assert differences(folder, url) == []
    with opened(tmp_path, folder, url) as store:
        assert verify(store) == []


def test_rows_that_were_added_altered_and_deleted_since_are_found(folder: Path, url: str) -> None:
    """Beside the server's own changes: of values that must be unique, one goes from a row to another in a later chunk."""
    with Store(folder) as store:
        store_id = store.keys.store_id
        campaign = "INSERT INTO coupon VALUES (1, ?, 'pool', 1, NULL, ?, x'00')"
        with store.transaction():
            store.database.many(campaign, [(number, bytes([number]) * 16) for number in range(1, 9)])
    source, target = Source(folder / DATABASE_FILE), Target(url, store_id)
    moving = move.Move(source, target, lambda *_: None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(move, "CHUNK_ROWS", 2)
        table = next(table for table in source.tables if table.name == "coupon")
        moving._copy_table(table, source.accounts())
        writer = apsw.Connection(str(folder / DATABASE_FILE))
        writer.execute("BEGIN; DELETE FROM coupon WHERE id IN (1, 4); UPDATE coupon SET hash = zeroblob(16) WHERE id = 2")
        writer.execute("UPDATE coupon SET hash = ? WHERE id = 8", (bytes([2]) * 16,))
        writer.execute("UPDATE coupon SET hash = ? WHERE id = 2", (bytes([8]) * 16,))
        writer.execute("INSERT INTO coupon VALUES (1, 4, 'pool', 1, 7, ?, x'01'), (1, 9, 'pool', 1, NULL, ?, x'')", (b"n" * 16, b"o" * 16))
        writer.execute("COMMIT")
        moving.written = 0
        moving._copy_table(table, source.accounts())
    with psycopg.connect(url) as there:
        assert there.execute("SELECT * FROM coupon ORDER BY id").fetchall() == list(writer.execute("SELECT * FROM coupon ORDER BY id"))
    assert moving.written == 6  # ids 2; 3 and 4; 7 and 8; 9: of 5 and 6 nothing changed
    source.close()
    target.close()


def test_an_event_that_became_a_repeat_is_altered_with_its_indexes(folder: Path, url: str, tmp_path: Path) -> None:
    with Store(folder) as store:
        store_id = store.keys.store_id
    for is_changed in (False, True):
        source, target = Source(folder / DATABASE_FILE), Target(url, store_id)
        if is_changed:
            writer = apsw.Connection(str(folder / DATABASE_FILE))
            writer.execute("UPDATE event SET amount = amount + 1 WHERE amount IS NOT NULL")
            writer.close()
        move.Move(source, target, lambda *_: None).copy()
        target.close()
        source.close()
    finish(folder, url)
    assert differences(folder, url) == []
    with opened(tmp_path, folder, url) as store:
        said = verify(store)
        assert said  # the tally knows nothing of the changed amounts, and that is all
        assert all(problem.startswith("tally") for problem in said)


def test_a_message_id_that_came_again_after_its_retention_is_found_at_its_newest_event(folder: Path, url: str, tmp_path: Path) -> None:
    writer = apsw.Connection(str(folder / DATABASE_FILE))
    older, newer = (
        row[0] for row in writer.execute("SELECT arrival FROM event WHERE name = 'conversion' ORDER BY arrival LIMIT 2 OFFSET 40")
    )
    writer.execute("UPDATE event SET received_at = received_at - ? WHERE arrival = ?", (2 * fold.KEPT_MS, older))
    writer.execute("UPDATE event SET hash = (SELECT hash FROM event WHERE arrival = ?) WHERE arrival = ?", (older, newer))
    ((hash16,),) = writer.execute("SELECT hash FROM event WHERE arrival = ?", (older,))
    writer.close()
    finish(folder, url)
    with opened(tmp_path, folder, url) as store:
        assert store.find_messages(1, [hash16]) == {hash16: newer}

"""The outbox as stored: sealed for everyone it names, gone with any of them, trimmed, verified, repaired after an old backup."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goodword.core import command as c
from goodword.core.decision import Record
from goodword.core.delivery import Announcement, Attempt, Endpoint
from goodword.core.profile import IdentityKey, ProfileId
from goodword.core.webhook import write_secret
from goodword.engine import Engine
from goodword.storage.query import delivery as outbox
from goodword.storage.save_delivery import trim_deliveries
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.running import received

NOW = 1_800_000_000_000
HOOK = Endpoint("e1", "https://shop.example/hook", write_secret(bytes(32)))


class Shop:
    """A store with an endpoint and three people: ada, bob, cy."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.engine = Engine(store, lambda: NOW)
        self.woken: list[set[tuple[int, str]] | None] = []
        store.on_owed.append(self.woken.append)
        for name in ("ada", "bob", "cy"):
            self.engine.execute([received({"type": "identify", "messageId": name, "userId": name}, NOW)])
        self.engine.execute([c.PutEndpoint(1, HOOK)])

    def number(self, name: str) -> ProfileId:
        rows = self.store.database.read(
            "SELECT profile_id FROM identity WHERE account_id = 1 AND key = ?", (self.store.sealer.hash(1, "u" + name),)
        )
        return ProfileId(rows[0][0])

    def announce(self, number: int, *names: str) -> None:
        """Something that names these people."""
        people = [self.number(name) for name in names]
        payload = {"said of": list(names)}
        said = Announcement("reward.earned", f"id-{number}", NOW, people[0] if people else None, payload, people[1] if people[1:] else None)
        records: list[Record] = [said]
        self.store.save([(1, records, self.store.end_of_log(1) + 1)], NOW)

    def due(self) -> list[tuple[outbox.Delivery, dict[str, Any] | None]]:
        return outbox.due(self.store, 1, "e1", NOW, 100)

    def try_all(self, state: Any = "delivered", at: int = NOW) -> None:
        """Record a try of everything that is due."""
        attempts = tuple(
            Attempt(
                delivery.id, "e1", at, 3, 200, "", delivery.attempts + 1, state, NOW if state == "waiting" else None,
                delivery.about[0], {"body": payload}, {"body": "thanks"}, delivery.about[1],
            )
            for delivery, payload in self.due()
        )  # fmt: skip
        self.engine.execute([c.RecordAttempts(1, attempts)])

    def count(self, table: str) -> int:
        return int(self.store.database.read(f"SELECT count(*) FROM {table}")[0][0])

    def erase(self, name: str) -> None:
        self.engine.execute([c.Erase(1, (IdentityKey("u" + name),), erasure_id=f"x-{name}")])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Store(tmp_path / "data") as store:
        made = Shop(store)
        yield made
        assert verify(store) == []


def test_the_body_opens_with_the_keys_of_both_and_goes_with_either(shop: Shop) -> None:
    shop.announce(1, "ada", "bob")
    shop.announce(2, "bob", "ada")
    shop.announce(3, "cy")
    shop.announce(4)
    assert [payload["said of"] for _, payload in shop.due() if payload] == [["ada", "bob"], ["bob", "ada"], ["cy"], []]
    sealed = shop.store.database.read("SELECT body FROM delivery ORDER BY id")[0][0]
    for name in ("ada", "bob"):
        key = shop.store.keys.key(shop.number(name))
        assert key is not None
        try:
            opened = shop.store.sealer.open_body(key, sealed)
        except Exception:
            opened = b""
        assert b"said of" not in opened
    shop.try_all("waiting")
    assert shop.count("attempt") == 4
    shop.erase("bob")
    assert [payload["said of"] for delivery, payload in shop.due() if payload and delivery.event_type == "reward.earned"] == [["cy"], []]
    assert shop.count("attempt") == 2


def test_what_is_said_of_someone_deleted_meanwhile_is_not_kept(shop: Shop) -> None:
    shop.announce(1, "ada")
    ((delivery, payload),) = shop.due()
    ada = delivery.about[0]
    shop.erase("ada")
    attempt = Attempt(delivery.id, "e1", NOW, 3, 200, "", 1, "delivered", None, ada, {"body": payload})
    assert shop.engine.execute([c.RecordAttempts(1, (attempt,))])[0].verdict == "done"
    assert shop.count("attempt") == 0
    said = Announcement("reward.earned", "late", NOW, ada, {"name": "ada"})
    shop.store.save([(1, [said], shop.store.end_of_log(1) + 1)], NOW)
    assert [each.event_type for each in outbox.deliveries(shop.store, 1)] == ["person.deleted"]


def test_an_attempt_of_a_delivery_that_is_gone_leaves_no_row(shop: Shop) -> None:
    shop.engine.execute([c.RecordAttempts(1, (Attempt(99, "e1", NOW, 3, 200, "", 1, "delivered", None, None),))])
    assert shop.count("attempt") == 0


def test_a_commit_that_owes_something_wakes_the_endpoint_it_is_owed_to(shop: Shop) -> None:
    shop.woken.clear()
    shop.engine.execute([received({"type": "identify", "userId": "dan"}, NOW)])
    assert shop.woken == []
    shop.announce(1, "ada")
    assert shop.woken == [{(1, "e1")}]
    shop.engine.execute([c.Redeliver(1, (5,))])
    assert shop.woken[-1] is None
    shop.engine.execute([c.PutEndpoint(1, HOOK, is_deleted=True)])
    assert shop.woken[-1] is None
    shop.announce(2, "ada")
    assert len(shop.woken) == 3


def test_secrets_are_not_readable_and_survive_a_restart(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        shop = Shop(store)
        other = write_secret(bytes(range(32)))
        shop.engine.execute([c.PutEndpoint(1, Endpoint("e1", HOOK.url, other))])
        shop.announce(1, "ada")
        shop.try_all("waiting")
    for path in (tmp_path / "data").iterdir():
        assert HOOK.secret.encode() not in path.read_bytes()
        assert other.encode() not in path.read_bytes()
    with Store(tmp_path / "data") as store:
        found = store.endpoints[1]["e1"]
        assert (found.secret, found.old_secret) == (other, HOOK.secret)
        assert store.health[1]["e1"].failing_since == NOW
        assert [delivery.attempts for delivery, _ in outbox.due(store, 1, "e1", NOW, 9)] == [1]


def test_what_ended_long_ago_is_trimmed_and_what_waits_is_not(shop: Shop) -> None:
    shop.announce(1, "ada")
    shop.try_all("delivered", NOW - 10)
    shop.announce(2, "ada")
    shop.try_all("dead", NOW - 5)
    shop.announce(3, "ada")
    shop.try_all("waiting", NOW - 10)
    assert trim_deliveries(shop.store.database, NOW - 7, 100) == 1
    assert [each.event_id for each in outbox.deliveries(shop.store, 1)] == ["id-3", "id-2"]
    assert shop.count("attempt") == 2
    assert trim_deliveries(shop.store.database, NOW, 100) == 1
    assert trim_deliveries(shop.store.database, NOW, 100) == 0
    assert [each.state for each in outbox.deliveries(shop.store, 1)] == ["waiting"]


def test_law_5_an_old_backup_forgets_what_was_said_of_someone_deleted_since(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with Store(data) as store:
        shop = Shop(store)
        shop.announce(1, "ada", "bob")
        shop.announce(2, "cy")
        shop.try_all("waiting")
    shutil.copytree(data, backup, ignore=shutil.ignore_patterns("keys*"))
    with Store(data) as store:
        Engine(store, lambda: NOW + 1).execute([c.Erase(1, (IdentityKey("ubob"),), erasure_id="x")])
    for path in data.glob("keys*"):
        shutil.copy(path, backup / path.name)
    with Store(backup) as store:
        assert [each.event_id for each in outbox.deliveries(store, 1)] == ["id-2"]
        assert store.database.read("SELECT count(*) FROM attempt") == [(1,)]
        assert verify(store) == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE delivery SET endpoint_id = 'none'", "its endpoint does not exist"),
        ("UPDATE delivery SET next_at = NULL", "its state and its times disagree"),
        ("UPDATE delivery SET state = 'lost'", "its state and its times disagree"),
        ("UPDATE delivery SET series = 9", "tries are miscounted"),
        ("UPDATE delivery SET attempts = 0", "more was tried than is counted"),
        ("UPDATE delivery SET body = x'00'", "its body cannot be opened"),
        ("UPDATE attempt SET exchange = x'00'", "the log of a try cannot be opened"),
        ("UPDATE attempt SET delivery_id = 1", "which does not exist"),
        ("UPDATE endpoint SET secret = x'00'", "its secret cannot be opened"),
        ("UPDATE delivery SET profile_id = 9999", "names profile 9999, which has no key"),
        ("UPDATE delivery SET account_id = 9", "account 9, which does not exist"),
    ],
)
def test_verify_finds_what_is_wrong_with_the_outbox(tmp_path: Path, sql: str, said: str) -> None:
    with Store(tmp_path / "data") as store:
        shop = Shop(store)
        shop.announce(1, "ada")
        shop.try_all("waiting")
        assert verify(store) == []
        store.database.write(sql)
        assert any(said in problem for problem in verify(store)), verify(store)

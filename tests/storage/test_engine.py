"""The engine on a real store: what a group of commands leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodword.core.account import Settings
from goodword.core.command import Command, Erase, Receive
from goodword.core.event import understand
from goodword.core.message import Rejection, parse
from goodword.core.profile import IdentityKey
from goodword.engine import Engine, Unavailable, wall_clock_ms
from goodword.storage.store import Store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(Store(tmp_path))
    yield engine
    engine.close()


def conversion(user: str, order: str, message_id: str) -> Command:
    said = {
        "type": "track",
        "event": "conversion",
        "userId": user,
        "messageId": message_id,
        "properties": {"partner_conversion_id": order},
    }
    message = parse(json.dumps(said).encode(), received_at=wall_clock_ms(), fallback_id="")
    assert not isinstance(message, Rejection)
    understood = understand(message, Settings())
    assert not isinstance(understood, Rejection)
    return Receive(1, understood, "test")


@pytest.mark.parametrize("together", [True, False], ids=["one group", "a group each"])
def test_two_new_people_never_share_a_profile_number(engine: Engine, together: bool) -> None:
    """A new person whose first conversion repeats another's: the answer names the original's profile, the number is still used."""
    commands = [conversion("u1", "order-1", "m1"), conversion("u2", "order-1", "m2"), conversion("u3", "order-2", "m3")]
    if together:
        engine.execute(commands)
    else:
        for command in commands:
            engine.execute([command])
    owners = engine.store.database.read("SELECT profile_id FROM identity WHERE profile_id IS NOT NULL")
    assert len({number for (number,) in owners}) == 3
    assert len(engine.store.database.read("SELECT id FROM profile")) == 3


def test_whoever_holds_texts_is_told_of_every_id_of_a_deleted_person(engine: Engine) -> None:
    engine.execute([conversion("u1", "order-1", "m1")])
    told: list[tuple[int, tuple[IdentityKey, ...]]] = []
    engine.on_erased.append(lambda account, keys: told.append((account, tuple(keys))))
    engine.execute([Erase(1, (IdentityKey("uu1"),), erasure_id="x")])
    assert told == [(1, (IdentityKey("uu1"),))]


def test_groups_that_fail_leave_nothing_behind_in_memory(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk lasts for hours, and each try brings other messages."""

    def full() -> None:
        raise OSError("no space left")

    monkeypatch.setattr(engine.store.database, "commit", full)
    for number in range(20):
        with pytest.raises(Unavailable):
            engine.execute([conversion("u1", "order-1", f"m{number}")])
    assert len(engine.store.sealer.group_hashes[1]) <= 3, "a message id, a key and a claim"
    monkeypatch.undo()
    engine.execute([conversion("u1", "order-1", "m0")])
    assert engine.store.database.read("SELECT count(*) FROM event") == [(1,)]

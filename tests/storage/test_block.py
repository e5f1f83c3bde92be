"""Block lists on disk: what is stored of an address, what is found after a restart, who is known again."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.block import INSTALLATION, BlockEntry
from goodword.core.event import Understood, understand
from goodword.core.message import Message, parse
from goodword.core.profile import IdentityKey, Profile, ProfileId
from goodword.engine import Engine
from goodword.storage.load_block import reference_for
from goodword.storage.query import block as blocks
from goodword.storage.store import Store

EMAIL = BlockEntry("NORMALIZED_EMAIL", "BLACK", "Mall.Ory+1@gmail.com", "ticket 7")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def put(store: Store, *entries: BlockEntry, account: int = 1, is_listed: bool = True) -> None:
    outcomes = Engine(store).execute([c.PutBlock(account, entry, is_listed) for entry in entries])
    assert [outcome.verdict for outcome in outcomes] == ["done"] * len(entries)


def person(*keys: str) -> Profile:
    return Profile(ProfileId(5), 0, tuple(map(IdentityKey, keys)))


def test_an_address_is_found_and_nowhere_readable(folder: Path) -> None:
    with Store(folder) as store:
        put(store, EMAIL, BlockEntry("EMAIL_DOMAIN", "BLACK", "bad.example"))
    for file in folder.iterdir():
        assert b"mallory" not in file.read_bytes()
    with Store(folder, disposable_domains=frozenset(("mailinator.com",))) as store:
        assert store.references[1].blocked_domains == {"bad.example"}
        assert store.references[1].disposable_domains == {"mailinator.com"}
        assert blocks.look_up(store, 1, "mallory@googlemail.com") == "BLACKLISTED"
        assert blocks.look_up(store, 1, "x@sub.bad.example") == "BLACKLISTED"
        assert blocks.look_up(store, 1, "x@good.example") == "NOT_LISTED"
        assert {(entry.list_type, entry.value) for entry in blocks.entries(store, 1)} == {
            ("EMAIL_DOMAIN", "bad.example"),
            ("NORMALIZED_EMAIL", ""),
        }
        found = reference_for(store, 1, [person("emallory@gmail.com")], ["jane@x.example"], [])
        assert found is not None
        assert found.listed_emails == {"mallory@gmail.com": "BLACK"}
        assert found.disposable_domains == {"mailinator.com"}
        assert reference_for(store, 1, [person("ejane@x.example")], [], []) is None


def test_the_installations_list_holds_for_every_account_and_an_own_entry_beats_it(folder: Path) -> None:
    with Store(folder) as store:
        Engine(store).execute([c.CreateAccount("other")])
        put(
            store,
            EMAIL,
            BlockEntry("CIDR", "BLACK", "192.0.2.0/24"),
            BlockEntry("EMAIL_DOMAIN", "BLACK", "bad.example"),
            account=INSTALLATION,
        )
        put(store, BlockEntry("NORMALIZED_EMAIL", "WHITE", "mallory@gmail.com"), BlockEntry("EMAIL_DOMAIN", "WHITE", "bad.example"))
        assert [blocks.look_up(store, account, "mallory@gmail.com") for account in (1, 2)] == ["WHITELISTED", "BLACKLISTED"]
        assert [blocks.look_up(store, account, "192.0.2.9") for account in (1, 2)] == ["BLACKLISTED", "BLACKLISTED"]
        assert store.references[1].allowed_domains == store.references[2].blocked_domains == {"bad.example"}
        assert store.references[1].blocked_domains == frozenset()
        white = reference_for(store, 1, [person("emallory@gmail.com")], [], [])
        assert white is not None
        assert white.listed_emails == {"mallory@gmail.com": "WHITE"}


def test_taken_off_is_gone_whatever_the_group_did_before(folder: Path) -> None:
    with Store(folder) as store:
        engine = Engine(store)
        domain = BlockEntry("EMAIL_DOMAIN", "BLACK", "bad.example")
        engine.execute([c.PutBlock(1, domain), c.PutBlock(1, domain, False)])
        assert blocks.entries(store, 1) == []
        engine.execute([c.PutBlock(1, domain), c.PutBlock(1, domain, False), c.PutBlock(1, domain)])
        assert len(blocks.entries(store, 1)) == 1
        put(store, EMAIL)
        put(store, EMAIL, is_listed=False)
        assert [entry.value for entry in blocks.entries(store, 1)] == ["bad.example"]


def received(said: bytes) -> Understood:
    message = parse(said, received_at=1_800_000_000_000, fallback_id="x")
    assert isinstance(message, Message)
    understood = understand(message, Settings())
    assert isinstance(understood, Understood)
    return understood


def test_a_blocked_person_is_known_again_by_device_and_mailbox_until_unblocked(folder: Path) -> None:
    said = b'{"type":"identify","messageId":"m1","userId":"u9","anonymousId":"dev-9","traits":{"email":"mal.lory@gmail.com"}}'
    with Store(folder) as store:
        engine = Engine(store)
        number = engine.execute([c.Receive(1, received(said))])[0].profile_id
        assert number is not None
        engine.execute([c.SetBlock(1, number, "EVENTS", "fraud")])
    with Store(folder) as store:
        assert blocks.entries(store, 1) == []
        back = [person("unew", "emallory+2@gmail.com"), person("unew", "adev-9")]
        assert [bool((found := reference_for(store, 1, [each], [], [])) and found.marks) for each in back] == [True, True]
        brought = reference_for(store, 1, [], [], [IdentityKey("adev-9")])
        assert brought is not None
        assert brought.marks == {"adev-9"}
        assert reference_for(store, 1, [person("usibling", "adev-8", "etrudy@x.example")], [], []) is None
        Engine(store).execute([c.SetBlock(1, number, "NONE", "")])
        assert [reference_for(store, 1, [each], [], []) for each in back] == [None, None]

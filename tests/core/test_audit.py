"""What the audit log says of changes by programs and by the command line: which are changes, whose, and that no person is named."""

from __future__ import annotations

from typing import Any

import pytest

from goodword.core import command as c
from goodword.core.account import Key, Scope, Settings
from goodword.core.audit import KEY, audited, by_key, pool_changed, said_of
from goodword.core.block import BlockEntry
from goodword.core.campaign import Document
from goodword.core.delivery import Endpoint
from goodword.core.profile import IdentityKey, ProfileId
from goodword.core.reward import Supplier
from tests.core.world import NOW

NAMED = "ann@example.com"
MADE = Key("k-2", 1, "shop", b"hash", "last", (Scope.SERVER,), NOW, signing_secret="secret")
LISTED = BlockEntry("NORMALIZED_EMAIL", "BLACK", NAMED, NAMED)
ENDPOINT = Endpoint("w-1", "https://hooks.example.com/in", "secret", "webhook", "hook")
ANN = IdentityKey("e" + NAMED)
CHANGES: list[tuple[c.Command, str, str, dict[str, Any]]] = [
    (c.Configure(1, Settings()), "settings.changed", "", {}),
    (c.CreateKey(1, MADE), "key.created", "k-2", {"name": "shop", "scopes": ["server"], "is_signed": True}),
    (c.RevokeKey(1, "k-2"), "key.revoked", "k-2", {}),
    (c.SaveCampaign(1, Document("raf", "raf"), note="more"), "campaign.saved", "raf", {"note": "more"}),
    (c.SaveCampaign(1, Document("raf", "raf"), publish=True), "campaign.published", "raf", {"note": ""}),
    (c.SetCampaignState(1, "raf", "PAUSED"), "campaign.moved", "raf", {"after": "PAUSED", "version": None}),
    (c.PutSupplier(1, Supplier("codes", "COUPON_POOL")), "supplier.changed", "codes", {"type": "COUPON_POOL"}),
    (c.PutEndpoint(1, ENDPOINT), "webhook.changed", "w-1", {}),
    (c.PutEndpoint(1, ENDPOINT, is_deleted=True), "webhook.ended", "w-1", {}),
    (c.Redeliver(1, (1, 2)), "webhook.resent", "", {"count": 2}),
    (c.PutBlock(1, LISTED), "block.listed", "", {"list": "NORMALIZED_EMAIL"}),
    (c.PutBlock(1, LISTED, is_listed=False), "block.ended", "", {"list": "NORMALIZED_EMAIL"}),
    (c.SetBlock(1, ProfileId(7), "REWARDS", NAMED), "person.blocked", "7", {"type": "REWARDS"}),
    (c.Forward(1, ProfileId(7), ProfileId(8)), "person.merged", "7", {"into": "8"}),
    (c.Erase(1, (ANN,), None, "e-1", True), "person.erased", "e-1", {"suppressed": True}),
    (c.Unsuppress(1, (ANN,)), "person.unsuppressed", "", {}),
    (c.MoveReward(1, 9, ("REVOKED",), NAMED), "reward.moved", "9", {"to": ["REVOKED"]}),
    (c.GrantReward(1, ProfileId(7), "shop", NAMED, "raf", "friend"), "reward.granted", "7",
     {"campaign": "raf", "name": "friend", "supplier": ""}),
    (c.SetRewardExpiry(1, 9, None), "reward.expiry_set", "9", {}),
    (c.Review(1, ProfileId(7), "m-1", "raf", "declined", "shop", NAMED), "review.declined", "", {"campaign": "raf"}),
]  # fmt: skip
IS_NONE: list[c.Command] = [c.CreateProfile(1, NAMED), c.CreateAccount("default"), c.TouchKeys(()), c.Rejudge(1, ProfileId(7))]


@pytest.mark.parametrize(("command", "action", "subject", "detail"), CHANGES, ids=lambda each: each if isinstance(each, str) else "")
def test_a_change_is_said_without_naming_anybody(command: c.Command, action: str, subject: str, detail: dict[str, Any]) -> None:
    assert said_of(command) == (action, subject, detail)
    assert audited(command, "") == c.Audited(1, command, "", action, subject, detail)
    assert NAMED not in repr((action, subject, detail))
    assert "secret" not in repr(detail)


@pytest.mark.parametrize("command", IS_NONE)
def test_what_is_no_change_of_anybodys_is_not_said(command: c.Command) -> None:
    assert audited(command, "u-1") is command


def test_a_key_that_may_do_everything_is_named_and_others_are_not() -> None:
    command = c.RevokeKey(1, "k-2")
    admin = Key("k-1", 1, "tool", b"", "", (Scope.ADMIN,), NOW)
    assert by_key(admin, command) == c.Audited(1, command, KEY + "k-1", "key.revoked", "k-2")
    assert by_key(MADE, command) is command


def test_a_deletion_names_any_key_and_what_is_said_already_is_said_once() -> None:
    command = c.Erase(1, (), erasure_id="e-1")
    said = by_key(MADE, command)
    assert said == c.Audited(1, command, KEY + MADE.id, "person.erased", "e-1", {"suppressed": False})
    assert by_key(MADE, said) is said


def test_a_whole_change_of_a_pool_is_one_word() -> None:
    assert pool_changed(1, "", "pool.filled", "codes", 3) == c.Audited(1, c.Note(1), "", "pool.filled", "codes", {"count": 3})

"""The audit log: who changed what, by the console, by the command line, and by a program with an admin key."""

from __future__ import annotations

import re
from html import unescape

import pytest

from goodword.cli.connection import engine_of
from goodword.core.account import Scope
from goodword.core.command import Erase, RevokeKey
from goodword.core.profile import IdentityKey
from tests.console.conftest import Visitor, World
from tests.running import make_key


def lines(visitor: Visitor) -> list[str]:
    """The log's lines as text, the newest first."""
    page = unescape(visitor.get("/settings/audit").body.decode())
    rows = re.findall(r"<tr>(.*?)</tr>", page[page.index("<tbody>") :], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


@pytest.fixture(scope="module")
def log(world: World, people: dict[str, Visitor]) -> list[str]:
    """What was written down of a settings change by an admin key, a block by a server key, and a key ended by the command line."""
    server = make_key(world.server.data, Scope.SERVER)
    world.send({"type": "identify", "userId": "in-the-log", "traits": {"email": "in-the-log@example.com"}})
    number = world.call("GET", "/v5/persons?person_keys=partner_user_id:in-the-log")[0]["id"]
    settings = world.call("GET", "/admin/settings")
    world.call("PUT", "/admin/settings", settings)
    key = world.call("POST", "/admin/keys", {"name": "by a program", "scopes": ["ingest"]})
    refused = world.server.request("DELETE", "/admin/keys/none", None, {"Authorization": f"Bearer {world.key}"})
    assert refused.status == 404
    world.call("PUT", f"/v5/persons/{number}/block", {"type": "REWARDS", "reason": "in-the-log@example.com"}, server)
    with engine_of(world.server.data) as engine:
        assert engine.execute([RevokeKey(1, key["id"])])[0].verdict == "done"
    return lines(people["admin"])


def test_a_program_with_an_admin_key_is_named_by_its_key(log: list[str]) -> None:
    assert any(re.search(r"the key .* settings changed", line) for line in log)
    assert any(re.search(r"the key .* key created .*by a program", line) for line in log)


def test_the_command_line_is_named(log: list[str]) -> None:
    assert "the command line key revoked" in log[0]


def test_what_was_refused_and_what_a_server_does_all_day_is_not_there(log: list[str]) -> None:
    mine = log[: next(place for place, line in enumerate(log) if "settings changed" in line) + 1]
    assert len(mine) == 3
    assert "in-the-log" not in " ".join(log)


def newest(visitor: Visitor, count_before: list[str]) -> list[str]:
    """The lines that came since."""
    log = lines(visitor)
    return log[: log.index(count_before[0])] if count_before else log


def test_a_deletion_is_written_down_once_whoever_asks_for_it(world: World, people: dict[str, Visitor]) -> None:
    destination = make_key(world.server.data, Scope.DESTINATION)
    world.call("PUT", "/admin/settings", world.call("GET", "/admin/settings"))  # a line to look from
    for number in range(4):
        world.send({"type": "identify", "userId": f"erased-{number}", "traits": {"email": f"erased-{number}@example.com"}})
    before = lines(people["admin"])
    world.call("POST", "/segment", {"type": "delete", "messageId": "d-0", "userId": "erased-0"}, destination)
    assert re.fullmatch(r".* the key .* person erased .*", "\n".join(newest(people["admin"], before)))
    world.call("POST", "/segment", [{"type": "delete", "messageId": "d-1", "userId": "erased-1"}], destination)
    world.call("POST", "/v4/erasures", {"partner_user_id": "erased-2"}, destination)
    with engine_of(world.server.data) as engine:
        assert engine.execute([Erase(1, (IdentityKey("uerased-3"),), erasure_id="by-hand")])[0].verdict == "done"
    found = newest(people["admin"], before)
    assert len(found) == 4
    assert "the command line person erased" in found[0]
    assert all(re.search(r"the key .* person erased", line) for line in found[1:])
    assert "erased-" not in " ".join(found)


def test_a_change_of_a_coupon_pool_is_one_line_whatever_its_size(world: World, people: dict[str, Visitor]) -> None:
    server = make_key(world.server.data, Scope.SERVER)
    pool = "/v6/reward-suppliers/manual-coupons/audited/coupons"
    world.call("POST", "/v6/reward-suppliers", {"reward_supplier_id": "audited", "type": "COUPON_POOL", "name": "Audited"})
    before = lines(people["admin"])
    codes = [f"AUD-{number}" for number in range(1_500)]  # more than one command takes
    assert world.call("POST", pool, {"coupons": codes}, server)["added_count"] == len(codes)
    assert world.call("POST", pool, {"coupons": codes}, server)["added_count"] == 0
    [filled] = newest(people["admin"], before)
    assert re.search(r"the key .* pool filled .*1500", filled)
    assert world.call("DELETE", pool, {"coupons": codes[:2]}, server)["removed_count"] == 2
    assert "pool emptied" in newest(people["admin"], before)[0]
    assert len(newest(people["admin"], before)) == 2

"""`goodword reward` and `goodword coupon`, beside a server and without one."""

from __future__ import annotations

import json
from pathlib import Path

from goodword.cli.connection import engine_of
from goodword.core import command as c
from tests.cli.conftest import run
from tests.running import Server


def said(*arguments: str) -> str:
    return run(*arguments).stdout


def refused(*arguments: str) -> str:
    done = run(*arguments, check=False)
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_rewards_are_granted_listed_shown_and_moved(tmp_path: Path) -> None:
    data = tmp_path / "data"
    where = ("--data", str(data))
    with Server(data):
        with engine_of(data) as engine:
            engine.execute([c.CreateProfile(1, "ada@example.com")])
        given = said("reward", "grant", "--email", "ada@example.com", "--supplier", "points", "--value", "12.5", "--note", "late", *where)
        number = given.split(":")[0]
        assert given.strip() == f"{number}: FULFILLED"
        (found,) = json.loads(said("reward", "list", "--state", "fulfilled", "--email", "ada@example.com", "--json", *where))
        assert (found["reward_id"], found["face_value"]) == (number, 12.5)
        assert number in said("reward", "list", *where)
        assert said("reward", "revoke", number, "--message", "by mistake", "--by", "bea", *where).strip() == f"{number}: REVOKED"
        shown = said("reward", "show", number, *where)
        assert "REVOKED (by bea) by mistake" in shown
        assert len(json.loads(said("reward", "show", number, "--json", *where))["history"]) == 3
        assert "cannot become" in refused("reward", "cancel", number, *where)
        assert "FAILED" in refused("reward", "retry", number, *where)
        assert "no reward" in refused("reward", "show", "5", *where)
        assert "--state" in refused("reward", "list", "--state", "gone", *where)
        assert "--value" in refused("reward", "grant", "--email", "ada@example.com", "--value", "x", "--note", "n", *where)
        assert "No person" in refused("reward", "grant", "--email", "b@example.com", "--note", "n", *where)
        assert "Say who" in refused("reward", "grant", "--note", "n", *where)


def test_coupons_are_uploaded_and_counted(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "codes.csv"
    where = ("--data", str(data))
    with engine_of(data):
        pass
    file.write_bytes(b"code\r\n" + b"".join(b"C-%d\r\n" % number for number in range(5_000)) + b"C-1\r\n\xff\r\n")
    assert "no supplier" in refused("coupon", "upload", "spring", str(file), *where)
    first = run("coupon", "upload", "spring", str(file), "--create", *where)
    assert first.stdout.strip() == "Added 5,000 codes, refused 2 rows."
    assert first.stderr.splitlines() == ["row 5002: the pool has it already", "row 5003: it is not UTF-8"]
    with Server(data):
        again = json.loads(said("coupon", "upload", "spring", str(file), "--json", *where))
        assert (again["added_count"], again["refused_count"], len(again["problems"])) == (0, 5_002, 5_002)
        assert "5,000 free, 0 issued, 5,000 in all" in said("coupon", "stats", "spring", *where)
        assert json.loads(said("coupon", "stats", "spring", "--json", *where))["is_low"] is False
        assert "no supplier" in refused("coupon", "stats", "none", *where)
    said("verify", *where)

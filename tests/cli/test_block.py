"""`goodword block ...`, beside a server and without one."""

import json
from pathlib import Path

from tests.cli.conftest import run


def test_entries_are_put_listed_looked_up_and_taken_off(anyhow: Path) -> None:
    where = ("--data", anyhow)
    assert "Blocked" in run("block", "add", "bad.example", "--note", "chargebacks", *where).stdout
    assert "Always let in" in run("block", "add", "jane@bad.example", "--allow", *where).stdout
    run("block", "add", "EvilBot", "--type", "user-agent", *where)
    run("block", "add", "192.0.2.0/24", "--global", *where)
    listed = json.loads(run("block", "list", "--json", *where).stdout)
    assert {(each["list_type"], each["value"]) for each in listed} == {
        ("EMAIL_DOMAIN", "bad.example"), ("NORMALIZED_EMAIL", ""), ("USER_AGENT", "evilbot"),
    }  # fmt: skip
    assert "192.0.2.0/24" in run("block", "list", "--global", *where).stdout
    assert "(hashed)" in run("block", "list", *where).stdout
    said = {
        value: run("block", "test", value, *where).stdout.strip()
        for value in ("joe@bad.example", "jane@bad.example", "192.0.2.1", "nice.example")
    }
    assert list(said.values()) == ["BLACKLISTED", "WHITELISTED", "BLACKLISTED", "NOT_LISTED"]
    run("block", "remove", "bad.example", *where)
    run("block", "remove", "192.0.2.0/24", "--global", *where)
    assert run("block", "test", "joe@bad.example", *where).stdout.strip() == "NOT_LISTED"
    assert run("block", "test", "192.0.2.1", *where).stdout.strip() == "NOT_LISTED"


def test_a_value_of_no_kind_is_a_wrong_argument(data: Path) -> None:
    refused = run("block", "add", "0.0.0.0/0", "--type", "cidr", "--data", data, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert run("block", "add", "x.example", "--account", "nobody", "--data", data, check=False).returncode == 1

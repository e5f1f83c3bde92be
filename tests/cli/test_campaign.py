"""`goodword campaign`, with a server running on the folder and without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Server, run, run_apart

PAGE = "share.destination=https://shop.example/"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Refer-a-friend, from its template."""
    path = tmp_path / "campaign.yaml"
    path.write_text(run("campaign", "template", "refer-a-friend", "--set", PAGE).stdout)
    return path


def campaign(*arguments: object, data: Path) -> Any:
    """What a command prints with --json."""
    return json.loads(run("campaign", *arguments, "--json", "--data", data).stdout)


def state(data: Path) -> tuple[str, int, int]:
    (found,) = campaign("list", data=data)
    return found["state"], found["published_version"], found["version"]


def test_a_campaign_from_template_to_archive(anyhow: Path, file: Path) -> None:
    first = campaign("apply", file, "--publish", "--note", "launch", "--by", "ada", data=anyhow)
    assert (first["state"], first["published_version"], first["changed"]) == ("LIVE", 1, True)
    assert campaign("apply", file, "--publish", data=anyhow)["changed"] is False
    assert "nothing changed; version 1, version 1 in force, LIVE." in run("campaign", "apply", file, "--data", anyhow).stderr
    file.write_text(file.read_text().replace("amount: 10", "amount: 15"))
    differs = run("campaign", "diff", "refer-a-friend", file, "--data", anyhow).stdout
    assert differs == "rewards[advocate].value.amount: 10 -> 15\nrewards[friend].value.amount: 10 -> 15\n"
    campaign("apply", file, data=anyhow)
    assert state(anyhow) == ("LIVE", 1, 2)
    assert run("campaign", "diff", "refer-a-friend", "--data", anyhow).stdout == differs
    assert campaign("diff", "refer-a-friend", "--from", 2, "--to", 1, data=anyhow)[0]["after"] == "10"
    assert campaign("publish", "refer-a-friend", data=anyhow)["published_version"] == 2
    assert campaign("publish", "refer-a-friend", "--version", 1, data=anyhow)["published_version"] == 1
    versions = campaign("versions", "refer-a-friend", data=anyhow)
    assert [(each["version"], each["author"], each["note"]) for each in versions] == [(2, "command line", ""), (1, "ada", "launch")]
    for word, after in (("pause", "PAUSED"), ("resume", "LIVE"), ("end", "ENDED"), ("stop", "STOPPED"), ("archive", "ARCHIVED")):
        assert campaign(word, "refer-a-friend", data=anyhow)["state"] == after
    refused = run("campaign", "resume", "refer-a-friend", "--data", anyhow, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "is ARCHIVED and cannot become LIVE" in refused.stderr


def test_what_is_shown_can_be_applied_again(anyhow: Path, file: Path) -> None:
    run("campaign", "apply", file, "--publish", "--data", anyhow)
    shown = run("campaign", "show", "refer-a-friend", "--data", anyhow)
    assert shown.stderr == "Version 1 of 1; 1 in force; LIVE.\n"
    again = run("campaign", "apply", "-", "--json", "--data", anyhow, said=shown.stdout)
    assert json.loads(again.stdout)["changed"] is False
    whole = campaign("show", "refer-a-friend", "--version", 1, data=anyhow)
    assert (whole["document"]["campaign"], whole["history"][0]["state"]) == ("refer-a-friend", "LIVE")
    assert "Refer a friend" in run("campaign", "list", "--data", anyhow).stdout
    assert "command line" in run("campaign", "versions", "refer-a-friend", "--data", anyhow).stdout


def test_a_document_that_is_wrong_is_told_all_at_once_and_not_saved(anyhow: Path, file: Path) -> None:
    file.write_text(file.read_text().replace("to: friend", "to: freind").replace("pending_days: 0 ", "pending_day: 0 "))
    refused = run("campaign", "apply", file, "--publish", "--data", anyhow, check=False)
    assert refused.returncode == 1
    lines = refused.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"goodword: {file}: line ") for line in lines)
    assert any("rewards[1].to: must be one of advocate, friend, participant. Did you mean `friend`?" in line for line in lines)
    assert campaign("list", data=anyhow) == []
    checked = run("campaign", "validate", file, "--data", anyhow, check=False)
    assert (checked.returncode, len(checked.stdout.splitlines())) == (1, 2)
    said = json.loads(run("campaign", "validate", file, "--json", "--data", anyhow, check=False).stdout)
    assert (said["valid"], {each["path"] for each in said["problems"]}) == (False, {"rewards[1].to", "rewards[0].pending_day"})


def test_validate_needs_no_data(tmp_path: Path, file: Path) -> None:
    done = run("campaign", "validate", file, "--data", tmp_path / "none")
    assert (done.stdout, done.stderr) == ("", f"{file}: may be saved.\n")
    assert not (tmp_path / "none").exists()
    warned = tmp_path / "warned.yaml"
    warned.write_text(run("campaign", "template", "refer-nth").stdout)
    assert "warning: line 10, share.destination: is the template's placeholder" in run("campaign", "validate", warned).stdout


def test_templates_are_listed_and_values_set(tmp_path: Path) -> None:
    listed = run("campaign", "template").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["refer-a-friend", "refer-nth", "reward-for-action", "welcome-offer"]
    for name in ("refer-a-friend", "refer-nth", "reward-for-action", "welcome-offer"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(run("campaign", "template", name, "--set", f"campaign={name}-2", "--set", "rewards[0].value.amount=99").stdout)
        assert run("campaign", "validate", path).returncode == 0
    for arguments, said in (
        (("refer",), "There is no template `refer`."),
        (
            ("refer-nth", "--set", "rewards[0].valu.amount=1"),
            "--set rewards[0].valu.amount: leads nowhere. Did you mean `rewards[0].value`?",
        ),
        (("refer-nth", "--set", "name"), "--set is written PATH=VALUE"),
        (("refer-nth", "--set", "rewards[0].rules.nth=many"), "with these values, line "),
        (("--set", "name=x"), "Say which template the values go into."),
    ):
        done = run("campaign", "template", *arguments, check=False)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert said in done.stderr


def test_what_is_not_there_is_one_clear_line(filled: Path, file: Path) -> None:
    run("campaign", "apply", file, "--data", filled)
    for arguments, said in (
        (("show", "refer-a-frend"), "There is no campaign `refer-a-frend`. Did you mean `refer-a-friend`?"),
        (("show", "refer-a-friend", "--version", 7), "refer-a-friend has no version 7; the latest is 1."),
        (("pause", "refer-a-friend"), "Campaign `refer-a-friend` is NOT_LAUNCHED"),
        (("publish", "refer-a-friend", "--version", 7), "has no version 7"),
        (("diff", "refer-a-friend", file, "--to", 1), "not with both"),
        (("apply", "nowhere.yaml"), "nowhere.yaml: No such file or directory"),
        (("list", "--account", "typo"), "There is no account `typo`."),
    ):
        done = run("campaign", *arguments, "--data", filled, check=False)
        assert (done.returncode != 0, done.stderr.count("\n"), said in done.stderr) == (True, 1, True), (arguments, done.stderr)
    assert run("campaign", "diff", "refer-a-friend", file, "--data", filled).stderr == "They say the same.\n"


def test_a_dry_run_says_what_stored_events_would_have_earned(anyhow: Path, tmp_path: Path) -> None:
    file = tmp_path / "welcome.yaml"
    file.write_text(run("campaign", "template", "welcome-offer").stdout)
    said = campaign("dry-run", file, "--days", 3000, data=anyhow)
    assert (said["campaign_id"], said["events"], said["people"]) == ("welcome-offer", 2, 2)
    (line,) = said["rewards"]
    assert (line["name"], line["count"], line["value"], line["unit"]) == ("welcome", 1, "10.00", "PERCENT_OFF")
    shown = run("campaign", "dry-run", file, "--days", 3000, "--data", anyhow).stdout
    assert "welcome-offer, last 3000 days: 2 events of 2 people." in shown
    assert "10.00 PERCENT_OFF" in shown
    assert campaign("list", data=anyhow) == []


def test_the_schema_is_printed_and_served(server: Server) -> None:
    printed = json.loads(run_apart("campaign", "schema").stdout)
    assert server.ask("GET", "/campaign-schema.json") == (200, printed)
    assert printed["$defs"]["Document"]["required"] == ["campaign", "program"]

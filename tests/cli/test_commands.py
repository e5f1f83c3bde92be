"""Each command, with a server running on the folder and without one."""

import json
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import MESSAGES, Server, run, run_apart, running, write_lines


def test_account_list_show_and_set(anyhow: Path) -> None:
    run("account", "set", "default", "--unmapped-traits", "ignore", "--default-scope", "CLIENT", "--store-pages", "--currency", "eur",
        "--data", anyhow)  # fmt: skip
    shown = json.loads(run("account", "show", "default", "--data", anyhow).stdout)
    assert shown["settings"] == {
        "unmapped_traits": "ignore", "default_scope": "CLIENT", "stores_pages": True, "currency": "EUR", "events": {},
        "time_zone": "", "events_kept_days": 0, "archives_events": False,
    }  # fmt: skip
    run("account", "set", "default", "--no-store-pages", "--data", anyhow)
    (listed,) = json.loads(run("account", "list", "--json", "--data", anyhow).stdout)
    assert listed["settings"]["stores_pages"] is False
    assert listed["settings"]["currency"] == "EUR"
    assert "default" in run("account", "list", "--data", anyhow).stdout


@pytest.mark.parametrize("arguments", [("show", "nope"), ("set", "nope", "--currency", "USD"), ("set", "default", "--currency", "euro")])
def test_a_wrong_account_or_setting_is_one_clear_line(filled: Path, arguments: tuple[str, ...]) -> None:
    done = run("account", *arguments, "--data", filled, check=False)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("goodword: ")
    assert done.stderr.count("\n") == 1


def test_only_making_a_key_makes_an_account(filled: Path, tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "lines.jsonl", MESSAGES)
    for command in (
        ("key", "revoke", "test"), ("event", "list"), ("event", "map", "a", "b"), ("event", "map", "a", "b", "--dry-run"),
        ("event", "unmap", "a"), ("event", "preview", "a", "b"), ("erase", "--user-id", "u-1"), ("erasures",), ("import", lines),
        ("unsuppress", "--user-id", "u-1"), ("export", "person", "--user-id", "u-1"), ("export", "events", "-o", "-"), ("messages",),
    ):  # fmt: skip
        done = run(*command, "--account", "typo", "--data", filled, check=False)
        assert (done.returncode, done.stdout) == (1, ""), command
        assert done.stderr == "goodword: There is no account `typo`. `goodword account list` shows those there are.\n"
    for command in (("account", "show", "typo"), ("account", "set", "typo", "--currency", "EUR")):
        assert run(*command, "--data", filled, check=False).returncode == 1
    assert [account["id"] for account in json.loads(run("account", "list", "--json", "--data", filled).stdout)] == ["default"]


def test_no_command_makes_a_data_folder_by_accident(tmp_path: Path) -> None:
    for command in (("stats",), ("erase", "--user-id", "x"), ("messages",), ("verify",), ("export", "person", "--id", "1"), ("backup", "x"),
                    ("event", "list"), ("key", "rotate-master"), ("key", "list"), ("key", "revoke", "x"), ("erasures",)):  # fmt: skip
        done = run(*command, "--data", tmp_path / "none", check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("goodword: There is no Goodword data")
    assert not (tmp_path / "none").exists()


def test_event_preview_says_what_stored_events_would_become(anyhow: Path) -> None:
    found = json.loads(run("event", "preview", "--preset", "segment-ecommerce", "--json", "--data", anyhow).stdout)
    names = {name["sent"]: name for name in found["names"]}
    assert found["looked_at"] == 5
    ordered = names["Order Completed"]
    assert (ordered["count"], ordered["becomes"], ordered["changed"]) == (2, "conversion", True)
    assert ordered["conversion_id"] == {"found": 2, "missing": 0}
    assert ordered["value"] == {"read": 1, "refused": 1, "absent": 0, "amounts": {"USD": "99.99"}}
    assert ordered["refused_why"] == {"cart_value is not a plain decimal number such as 99.99": 1}
    assert ordered["duplicates"] == {"of_each_other": 1, "of_stored": 0}
    assert names["conversion"]["changed"] is False
    assert names["conversion"]["duplicates"] == {"of_each_other": 1, "of_stored": 0}
    assert json.loads(run("event", "list", "--json", "--data", anyhow).stdout).keys() == {"conversion", "registration"}


def test_event_preview_finds_repeats_of_stored_claims(filled: Path) -> None:
    found = json.loads(run("event", "preview", "x", "y", "--last", "2", "--json", "--data", filled).stdout)
    assert found["names"] == [
        *[name for name in found["names"] if name["sent"] == "conversion" and name["duplicates"] == {"of_each_other": 0, "of_stored": 1}],
        *[name for name in found["names"] if name["sent"] == "registration"],
    ]


def test_event_preview_passes_over_the_deleted(filled: Path) -> None:
    run("erase", "--user-id", "u-1", "--data", filled)
    found = json.loads(run("event", "preview", "--preset", "segment-ecommerce", "--json", "--data", filled).stdout)
    assert found["deleted"] == 2
    assert {name["sent"] for name in found["names"]} == {"conversion", "registration"}
    assert "2 of deleted people cannot be read" in run("event", "preview", "x", "y", "--data", filled).stderr


def test_event_map_takes_effect_and_unmap_ends_it(anyhow: Path, tmp_path: Path) -> None:
    dry = run("event", "map", "Order Completed", "Conversion", "--dry-run", "--data", anyhow)
    assert "conversion" in dry.stdout
    run("event", "map", "Order Completed", "Conversion", "--field", "cart_value=total,revenue", "--field", "partner_conversion_id=order_id",
        "--data", anyhow)  # fmt: skip
    listed = json.loads(run("event", "list", "--json", "--data", anyhow).stdout)
    assert listed["order completed"] == {
        "to": "conversion", "fields": {"cart_value": ["total", "revenue"], "partner_conversion_id": ["order_id"]},
    }  # fmt: skip
    more = {"type": "track", "messageId": "m9", "userId": "u-9", "event": "ORDER completed", "properties": {"order_id": 9, "revenue": 2}}
    run("import", write_lines(tmp_path / "more.jsonl", [more]), "--data", anyhow)
    names = {name["name"]: name for name in json.loads(run("stats", "--json", "--data", anyhow).stdout)["accounts"][0]["events"]}
    assert names["conversion"] == {"type": "track", "name": "conversion", "count": 2, "duplicates": 1, "amounts": {"USD": "7.00"}}
    run("event", "unmap", "order COMPLETED", "--data", anyhow)
    assert run("event", "unmap", "order COMPLETED", "--data", anyhow, check=False).returncode == 1


def test_erase_deletes_and_says_how_many(anyhow: Path) -> None:
    done = run("erase", "--email", " JANE@example.com ", "--data", anyhow)
    said, erasure = done.stdout.split(" Erasure: ")
    assert said == "Deleted 1 profile."
    assert "jane" not in (done.stdout + done.stderr).lower()
    again = run("erase", "--user-id", "u-1", "--suppress", "--data", anyhow).stdout
    assert again.startswith("Deleted 0 profiles. What comes later is dropped. Erasure: ")
    log = json.loads(run("erasures", "--json", "--data", anyhow).stdout)
    assert [(line["id"], line["profiles"], line["keys"], line["suppressed"]) for line in log] == [
        (again.split()[-1], 0, 1, True), (erasure.strip(), 1, 2, False),
    ]  # fmt: skip
    assert log[0]["time"] >= log[1]["time"] > "2026"
    table = run("erasures", "--data", anyhow).stdout
    assert table.index(log[0]["id"]) < table.index(log[1]["id"])
    assert run("export", "person", "--user-id", "u-1", "--data", anyhow, check=False).stderr == "goodword: Nobody is known by this.\n"
    messages = run("messages", "--raw", "--json", "--data", anyhow).stdout
    assert "jane" not in messages.lower()
    assert "Order" not in messages
    assert sum(line.get("deleted", False) for line in map(json.loads, messages.splitlines())) == 3


def test_suppression_drops_what_comes_until_it_is_lifted(anyhow: Path, tmp_path: Path) -> None:
    run("erase", "--user-id", "u-1", "--suppress", "--data", anyhow)
    assert run("erase", "--user-id", "u-1", "--note", "ticket 7", "--data", anyhow, check=False).returncode == 2  # nothing keeps a note
    again = write_lines(tmp_path / "again.jsonl", [{"type": "identify", "userId": "u-1", "messageId": "a1"}])
    assert "1 dropped" in run("import", again, "--data", anyhow).stderr
    assert json.loads(run("stats", "--json", "--data", anyhow).stdout)["accounts"][0]["suppressed_keys"] >= 1
    assert run("unsuppress", "--user-id", "u-1", "--data", anyhow).stdout == "Lifted the suppression of 1 id.\n"
    later = write_lines(tmp_path / "later.jsonl", [{"type": "identify", "userId": "u-1", "messageId": "a2"}])
    assert "1 stored" in run("import", later, "--data", anyhow).stderr


def test_a_persons_whole_file(anyhow: Path, tmp_path: Path) -> None:
    run("export", "person", "--email", "zoe@example.com", "-o", tmp_path / "zoe.json", "--data", anyhow)
    assert (tmp_path / "zoe.json").stat().st_mode & 0o077 == 0
    zoe = json.loads((tmp_path / "zoe.json").read_text())
    assert [(key["key"], key["value"]) for key in zoe["identity"]] == [
        ("partner_user_id", "u-3"), ("email", "zoe@example.com"), ("anonymous_id", "a-1"),
    ]  # fmt: skip
    assert [message["message"]["messageId"] for message in zoe["messages"]] == ["m6", "m7"]
    assert zoe["registration"] == zoe["messages"][0]["event_id"]
    jane = json.loads(run("export", "person", "--user-id", "u-1", "--data", anyhow).stdout)
    parameters = {parameter["name"]: parameter for parameter in jane["parameters"]}
    assert parameters["plan"]["value"] == "gold"
    assert parameters["plan"]["scope"] == "PUBLIC"
    assert json.loads(run("export", "person", "--id", jane["id"], "--data", anyhow).stdout) == jane


def test_events_as_json_lines_and_parquet(anyhow: Path, tmp_path: Path) -> None:
    run("erase", "--user-id", "u-2", "--data", anyhow)
    run("export", "events", "-o", tmp_path / "e.jsonl", "--data", anyhow)
    rows = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [row["name"] for row in rows] == ["Order Completed", "order completed", "conversion", "conversion", "registration"]
    assert [row["deleted"] for row in rows] == [False, False, True, True, False]
    assert rows[2]["message"] is None
    assert rows[0]["message"]["properties"]["order_id"] == "o1"
    assert rows[3]["duplicate_of_arrival"] == rows[2]["arrival"]
    everything = run("export", "events", "-o", "-", "--all-messages", "--data", anyhow).stdout
    assert len(everything.splitlines()) == len(MESSAGES)
    assert run("export", "events", "-o", "-", "--until", "2020-01-01", "--data", anyhow).stdout == ""
    assert len(run("export", "events", "-o", "-", "--since", "2020-01-01", "--data", anyhow).stdout.splitlines()) == 5
    parquet = pytest.importorskip("pyarrow.parquet", reason="NOT TESTED: Parquet, for which pyarrow is needed")
    run("export", "events", "--format", "parquet", "-o", tmp_path / "e.parquet", "--data", anyhow)
    table = parquet.read_table(tmp_path / "e.parquet")
    assert table.column("arrival").to_pylist() == [row["arrival"] for row in rows]
    assert json.loads(table.column("message")[0].as_py()) == rows[0]["message"]


def test_parquet_without_pyarrow_says_what_to_install(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError")
    output = tmp_path / "e.parquet"
    done = run_apart("export", "events", "--format", "parquet", "-o", output, "--data", filled, check=False, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "-m pip install pyarrow" in done.stderr
    assert not output.exists()


def test_messages_are_shown_newest_first_with_their_verdict(server: Server) -> None:
    assert server.ask("POST", "/segment", {"type": "track", "userId": "u-1"})[0] == 400
    server.ask("POST", "/segment", MESSAGES[0])
    lines = [json.loads(line) for line in run("messages", "--json", "--data", server.data).stdout.splitlines()]
    assert [line["verdict"] for line in lines] == [
        "duplicate",
        "rejected",
        "stored",
        "stored",
        "duplicate",
        "stored",
        "stored",
        "stored",
        "stored",
    ]
    assert [line["arrival"] for line in lines] == sorted((line["arrival"] for line in lines), reverse=True)
    assert lines[0]["duplicate_of"] == lines[8]["event_id"]
    assert lines[1]["shape"] == {"type": "track", "userId": "text"}
    assert len(run("messages", "--last", "2", "--json", "--data", server.data).stdout.splitlines()) == 2
    rejected = run("messages", "--verdict", "rejected", "--data", server.data).stdout
    assert "needs an event name" in rejected
    assert "stored" not in rejected


def test_messages_follows_the_log(server: Server) -> None:
    with running("messages", "--follow", "--json", "--raw", "--last", 1, "--data", server.data) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["message"]["messageId"] == MESSAGES[-1]["messageId"]
        server.ask("POST", "/segment", {"type": "track", "event": "Followed", "userId": "u-1"})
        assert json.loads(following.stdout.readline())["name"] == "Followed"
        following.send_signal(signal.SIGINT)
        assert following.wait(timeout=10) == 0


def test_key_create_list_and_revoke(anyhow: Path) -> None:
    secret = run_apart("key", "create", "shop", "--scope", "server", "--account", "shop", "--data", anyhow).stdout
    assert secret.startswith("gw_s_")
    assert secret.count("\n") == 1
    assert "shop" in run("key", "list", "--data", anyhow).stdout
    run("key", "revoke", "shop", "--account", "shop", "--data", anyhow)
    assert run("key", "revoke", "shop", "--account", "shop", "--data", anyhow, check=False).returncode == 1


def test_rotating_the_master_key_needs_the_server_to_stop(server: Server) -> None:
    before = (server.data / "keys.master").read_bytes()
    done = run("key", "rotate-master", "--data", server.data, check=False)
    assert done.returncode == 1
    assert "Stop it first" in done.stderr
    server.stop()
    rotated = run("key", "rotate-master", "--data", server.data)
    after = (server.data / "keys.master").read_bytes()
    assert before != after
    assert after.decode().strip() not in rotated.stdout + rotated.stderr
    run("verify", "--data", server.data)


def test_the_master_key_moves_to_a_file_of_its_own(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "master"
    run("key", "rotate-master", "--new-key-file", file, "--data", filled)
    assert not (filled / "keys.master").exists()
    assert file.stat().st_mode & 0o077 == 0
    assert run("verify", "--data", filled, check=False).returncode == 1
    run_apart("verify", "--data", filled, GOODWORD_MASTER_KEY_FILE=str(file))
    done = run_apart("key", "rotate-master", "--data", filled, check=False, GOODWORD_MASTER_KEY_FILE=str(file))
    assert "--new-key-file" in done.stderr
    second = tmp_path / "second"
    run_apart("key", "rotate-master", "--new-key-file", second, "--data", filled, GOODWORD_MASTER_KEY_FILE=str(file))
    run_apart("verify", "--data", filled, GOODWORD_MASTER_KEY_FILE=str(second))


def test_stats_counts_by_name(anyhow: Path) -> None:
    counted = json.loads(run("stats", "--json", "--data", anyhow).stdout)
    (account,) = counted["accounts"]
    assert account["profiles"] == 3
    names = {name["name"]: (name["count"], name["duplicates"], name["amounts"]) for name in account["events"] if name["type"] == "track"}
    assert names["conversion"] == (1, 1, {"USD": "5.00"})
    assert counted["bytes"]["goodword.db"] > 0
    assert "conversion" in run("stats", "--days", "2", "--data", anyhow).stdout
    assert json.loads(run("stats", "--days", "1", "--json", "--data", anyhow).stdout)["accounts"][0]["events"]


def test_verify_finds_nothing_wrong(anyhow: Path) -> None:
    assert json.loads(run("verify", "--json", "--data", anyhow).stdout) == {"ok": True, "problems": []}


def test_bench_is_passed_on() -> None:
    assert "usage" in run_apart("bench", "--", "--help").stdout.lower()

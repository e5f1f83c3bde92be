"""backup, restore and verify as commands, beside a server under load."""

import json
from pathlib import Path

from tests.cli.conftest import Server, run, running


def test_backup_while_an_import_runs_then_restore(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "load.jsonl"
    with file.open("w") as out:
        for n in range(20_000):
            out.write(json.dumps({"type": "track", "event": "Viewed", "userId": f"u-{n % 2000}", "messageId": f"load-{n}"}) + "\n")
    with running("import", file, "--data", server.data) as importing:
        run("backup", tmp_path / "old.db", "--keys", tmp_path / "keys", "--data", server.data)
        run("verify", "--data", server.data)
        assert importing.wait(timeout=60) == 0
    run("backup", tmp_path / "b.db", "--data", server.data)
    assert run("backup", tmp_path / "b.db", "--data", server.data, check=False).returncode == 1
    assert run("backup", "--keys", tmp_path / "keys", "--data", server.data, check=False).returncode == 1
    refused = run("restore", tmp_path / "b.db", "--force", "--data", server.data, check=False)
    assert refused.returncode == 1
    assert "Stop it first" in refused.stderr
    run("restore", tmp_path / "old.db", "--keys", tmp_path / "keys", "--data", tmp_path / "new")
    run("verify", "--data", tmp_path / "new")
    restored = json.loads(run("stats", "--json", "--data", tmp_path / "new").stdout)["accounts"][0]
    assert restored["profiles"] >= 3


def test_an_old_backup_with_todays_keys_shows_nobody_deleted_since(server: Server, tmp_path: Path) -> None:
    run("backup", tmp_path, "--data", server.data)
    run("erase", "--user-id", "u-1", "--data", server.data)
    server.stop()
    assert "--force" in run("restore", tmp_path, "--data", server.data, check=False).stderr
    run("restore", tmp_path, "--force", "--data", server.data)
    again = Server(server.data)
    try:
        assert run("export", "person", "--user-id", "u-1", "--data", server.data, check=False).returncode == 1
        assert run("export", "person", "--user-id", "u-2", "--data", server.data).returncode == 0
        assert "jane" not in run("messages", "--raw", "--json", "--data", server.data).stdout
        status, _ = again.ask("POST", "/segment", {"type": "track", "event": "E", "userId": "u-1", "timestamp": "2020-01-01T00:00:00Z"})
        assert status == 200
        run("verify", "--data", server.data)
    finally:
        again.stop()


def test_verify_lists_each_problem_and_fails(filled: Path, tmp_path: Path) -> None:
    import apsw

    connection = apsw.Connection(str(filled / "goodword.db"))
    connection.execute("UPDATE tally SET count = 7 WHERE name = 'conversion'")
    connection.close()
    done = run("verify", "--data", filled, check=False)
    assert done.returncode == 1
    assert "tally: `conversion`" in done.stdout
    assert "1 problem(s)." in done.stderr
    said = json.loads(run("verify", "--json", "--data", filled, check=False).stdout)
    assert said["ok"] is False
    assert len(said["problems"]) == 1

"""README's "When one machine is not enough", run as it stands there: from the embedded store to three machines, of which one then dies."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from goodword.core.account import Scope
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.cluster.machines import Cluster
from tests.postgres import free_port
from tests.running import ROOT, Server, make_key, problems, stored_hashes
from tests.shell import PATIENCE_S, Started, examples, shell, until

ORDERS = 200


def parts() -> list[str]:
    """The two examples of the section."""
    return examples((ROOT / "README.md").read_text().split("## When one machine is not enough\n")[1].split("\n## ")[0])


def order(number: int) -> dict[str, Any]:
    properties = {"partner_conversion_id": f"o{number}", "cart_value": "9.99"}
    return {"type": "track", "event": "conversion", "userId": f"u{number % 9}", "messageId": f"m{number}", "properties": properties}


def test_the_readmes_way_from_one_machine_to_three_and_one_dies(cluster: Cluster, tmp_path: Path) -> None:
    cluster.mend()
    cluster.wait_until_whole()
    cluster.empty()
    first, second = map(cluster.own, parts())
    data = tmp_path / "goodword-data"
    key = make_key(data, Scope.DESTINATION)
    with Server(data) as server:
        for number in range(ORDERS):
            assert server.post("/segment", order(number), key).status == 200
        with shell(first, tmp_path, {}) as copying:
            said, _ = copying.communicate(timeout=PATIENCE_S)
            assert (copying.returncode, "Stop it" in said) == (3, True), said
        assert server.post("/segment", order(ORDERS), key).status == 200
    exported = first.splitlines()[0]
    port = free_port()
    with shell(f"{exported}\n{second}", tmp_path, {"GOODWORD_PORT": str(port)}) as running:
        node = Started(port)
        until(node.is_ready)
        assert running.poll() is None
        assert node.post("/segment", order(0), key).status == 200
        cluster.leader().kill()
        for number in range(ORDERS + 1, ORDERS + 11):
            until(partial(node.stores, order(number), key))
        until(node.is_ready)
    master = tmp_path / "check"
    master.mkdir()
    (master / "keys.master").write_bytes((data / "keys.master").read_bytes())
    (master / "keys.master").chmod(0o600)
    with Store(master, url=cluster.url) as store:
        assert set(stored_hashes(store, 1, [f"m{number}" for number in range(ORDERS + 11)]).values()) == {1}
        assert store.database.read("SELECT count(*) FROM event") == [(ORDERS + 11,)]
        assert (problems(store), verify(store)) == ([], [])

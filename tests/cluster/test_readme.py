"""README's "When one machine is not enough", run as it stands there: from the embedded store to three machines, of which one then dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from goodword.core.account import Scope
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.cluster.machines import Cluster
from tests.postgres import free_port
from tests.running import ROOT, Server, make_key, problems, stored_hashes

PATIENCE_S = 90
ORDERS = 200


class Started(Server):
    """A server that a shell has started: it is asked, and nothing else."""

    def __init__(self, port: int) -> None:
        self.port = port


def parts() -> list[str]:
    """The two examples of the section."""
    section = (ROOT / "README.md").read_text().split("## When one machine is not enough\n")[1].split("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


@contextmanager
def shell(script: str, folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A shell that runs lines of the documents in a folder; all that it started ends with it."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GOODWORD_")}
    running = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env={**kept, **environment, "PATH": path}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        try:
            running.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()


def order(number: int) -> dict[str, Any]:
    properties = {"partner_conversion_id": f"o{number}", "cart_value": "9.99"}
    return {"type": "track", "event": "conversion", "userId": f"u{number % 9}", "messageId": f"m{number}", "properties": properties}


def until(is_done: Callable[[], bool]) -> None:
    """Wait for something that will be so. Errors: TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with suppress(OSError):
            if is_done():
                return
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.3)


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
        until(lambda: node.get("/readyz").status == 200)
        assert running.poll() is None
        assert node.post("/segment", order(0), key).status == 200
        cluster.leader().kill()
        for number in range(ORDERS + 1, ORDERS + 11):
            until(lambda number=number: node.post("/segment", order(number), key).status == 200)  # type: ignore[misc]
        until(lambda: node.get("/readyz").status == 200)
    master = tmp_path / "check"
    master.mkdir()
    (master / "keys.master").write_bytes((data / "keys.master").read_bytes())
    (master / "keys.master").chmod(0o600)
    with Store(master, url=cluster.url) as store:
        assert set(stored_hashes(store, 1, [f"m{number}" for number in range(ORDERS + 11)]).values()) == {1}
        assert store.database.read("SELECT count(*) FROM event") == [(ORDERS + 11,)]
        assert (problems(store), verify(store)) == ([], [])

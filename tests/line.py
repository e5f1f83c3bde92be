"""The way between a node and its database, for tests to cut: a proxy, or a network of its own where the machine permits one."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

CHUNK = 1 << 16


class Line:
    """A port of 127.0.0.1 that leads to a socket file. Cut off, it keeps connections open and lets nothing through, as a network does
    that drops every packet; new connections are taken by the system, and nobody answers."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._others: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._is_open = threading.Event()
        self._is_open.set()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Let nothing through."""
        self._is_open.clear()

    def mend(self) -> None:
        """Let through what waits, and all that comes."""
        self._is_open.set()

    def _run(self) -> None:
        while not self._is_closed:
            self._is_open.wait()
            for key, _ in self._selector.select(0.05):
                if not self._is_open.is_set():
                    break
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is self._listening:
                    self._take()
                else:
                    self._pass_on(key.fileobj)

    def _take(self) -> None:
        here, _ = self._listening.accept()
        there = socket.socket(socket.AF_UNIX)
        try:
            there.connect(self._target)
        except OSError:
            here.close()
            there.close()
            return
        for one, other in ((here, there), (there, here)):
            self._others[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        other = self._others.get(source)
        if other is None:
            return
        try:
            data = source.recv(CHUNK)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for one in (source, other):
                self._others.pop(one, None)
                with suppress(KeyError):
                    self._selector.unregister(one)
                one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        self.mend()
        self._thread.join(30)
        for one in (self._listening, *self._others):
            one.close()


class Network:
    """A network of its own for a database, joined to this machine by a cable that can be unplugged: a Linux network namespace."""

    def __init__(self) -> None:
        number = os.getpid() % 200 + 20
        self.name = f"goodword-{os.getpid()}"
        self.here, self.there = f"10.213.{number}.1", f"10.213.{number}.2"
        self._cable = f"gw{os.getpid()}"

    def __enter__(self) -> Self:
        inside = ("netns", "exec", self.name, "ip")
        try:
            self._ip("netns", "add", self.name)
            self._ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            self._ip("addr", "add", f"{self.here}/24", "dev", self._cable)
            self._ip(*inside, "addr", "add", f"{self.there}/24", "dev", "eth0")
            self._ip(*inside, "link", "set", "eth0", "up")
            self._ip("link", "set", self._cable, "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self.__exit__()
            said = getattr(error, "stderr", "") or str(error)
            pytest.skip(f"NOT TESTED: network namespaces are not permitted here: {said.strip()}")
        return self

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    def inside(self, uid: int, gid: int) -> tuple[str, ...]:
        """What runs a command in this network as an unprivileged user."""
        return ("ip", "netns", "exec", self.name, "setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups")

    def unplug(self) -> None:
        """Cut the cable: both ends see silence."""
        self._ip("netns", "exec", self.name, "ip", "link", "set", "eth0", "down")

    def plug(self) -> None:
        """Join it again."""
        self._ip("netns", "exec", self.name, "ip", "link", "set", "eth0", "up")

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            subprocess.run(["ip", "link", "delete", self._cable], capture_output=True, check=False)
            subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)

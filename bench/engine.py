"""The engine alone: `python -m bench.engine`. CPU microseconds a message without HTTP, in one process, by stage.

CPU time hardly depends on what else runs, so this tells more on a busy machine than a rate does. The best of several rounds is printed.
With `--postgres` the data is in a PostgreSQL of the benchmark's own: then also how long each stage took, and the CPU of the database.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.floor import measure_floor
from bench.nodes import SERVER_SETTINGS
from bench.server import children_cpu_s
from bench.traffic import Traffic
from goodword.api.auth import Keyring
from goodword.api.http import Refusal
from goodword.api.intake import Intake
from goodword.core.account import Key, Scope
from goodword.core.command import Asked, CreateKey
from goodword.core.message import Rejection
from goodword.engine import Engine
from goodword.storage.store import Store
from tests.postgres import Postgres

ROUNDS = 5
WARM_UP_GROUPS = 20
_FAILED = (Rejection, Refusal)


def main() -> None:
    """Feed groups of messages, straight from their bytes to the commit."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--size", type=int, default=500, help="messages a group (default: 500, as in batches @16; singles @64 make 64)")
    parser.add_argument("--messages", type=int, default=20_000, help="messages a round (default: 20,000)")
    parser.add_argument("--people", type=int, default=20_000, help="persons (default: 20,000)")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own, not the embedded database")
    options = parser.parse_args()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        postgres = opened.enter_context(Postgres(options=SERVER_SETTINGS)) if options.postgres else None
        url = postgres.database("bench") if postgres else None
        stages = Stages(opened.enter_context(Store(folder / "data", url=url)), Traffic(7, options.people), postgres)
        for _ in range(WARM_UP_GROUPS):
            stages.run([stages.group(options.size)])
        for _ in stages.engine.store.background():
            pass
        rounds = []
        for _ in range(ROUNDS):
            groups = [stages.group(options.size) for _ in range(max(1, options.messages // options.size))]
            rounds.append(stages.run(groups))
        best = min(rounds, key=lambda taken: taken["all"])
        print("  ".join(f"{name} {us:.1f}" for name, us in best.items()), " us a message;",
              "rounds:", ", ".join(f"{taken['all']:.1f}" for taken in rounds))  # fmt: skip
        bodies = [b"{" + stages.traffic.message(0) for _ in range(3_000)]
        print(f"floor {min(measure_floor(bodies, folder, 0.7).cpu_us for _ in range(3)):.1f}")


class Stages:
    """An engine whose stages are timed."""

    def __init__(self, store: Store, traffic: Traffic, postgres: Postgres | None) -> None:
        self.engine = Engine(store)
        self.traffic = traffic
        self.postgres = postgres
        self.key = Key("bench", 1, "bench", bytes(32), "", (Scope.DESTINATION,), 0)
        self.engine.execute([CreateKey(1, self.key)])
        self.intake = Intake(self.engine, Keyring(store))
        self.settings = self.intake.settings_of(self.key)
        self.taken: dict[str, float] = {}
        for owner, name in ((self, "understand"), (store, "load"), (store, "save"), (store.database, "commit")):
            setattr(owner, name, self._timed(name, getattr(owner, name)))
        gc.collect()
        gc.freeze()
        gc.set_threshold(5_000, 50, 1_000)

    def group(self, size: int) -> list[bytes]:
        """The bytes of so many messages."""
        at_ms = int(time.time() * 1000)
        return [b"{" + self.traffic.message(at_ms) for _ in range(size)]

    def understand(self, raws: list[bytes]) -> list[Asked]:
        """Bytes to commands, as a door does it."""
        now = self.engine.clock()
        return [
            command
            for raw in raws
            if not isinstance(command := self.intake.command(raw, self.key, self.settings, "bench", now=now, corrects_skew=True), _FAILED)
        ]

    def run(self, groups: list[list[bytes]]) -> dict[str, float]:
        """Microseconds a message of each stage, `commit` being a part of `save`, and of all together."""
        self.taken.clear()
        database = children_cpu_s(self.postgres.pid) if self.postgres else {}
        began, started = time.process_time(), time.perf_counter()
        for raws in groups:
            self.engine.execute(self.understand(raws))
        self.taken["all"] = time.process_time() - began
        if self.postgres:
            self.taken["all took"] = time.perf_counter() - started
            for name, seconds in children_cpu_s(self.postgres.pid).items():
                if seconds > database.get(name, 0.0):
                    self.taken[f"[{name}]"] = seconds - database.get(name, 0.0)
        messages = sum(map(len, groups))
        return {name: seconds / messages * 1e6 for name, seconds in self.taken.items()}

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            began, started = time.process_time(), time.perf_counter()
            try:
                return call(*args)
            finally:
                self.taken[name] = self.taken.get(name, 0.0) + time.process_time() - began
                if self.postgres:
                    self.taken[f"{name} took"] = self.taken.get(f"{name} took", 0.0) + time.perf_counter() - started

        return timed


if __name__ == "__main__":
    main()

"""The pieces a run is made of: a floor, a window, half load, a flood, a kill, a start, a size."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.driver import Connection, paced, percentile, probe
from bench.floor import Floor, measure_floor
from bench.result import Outcome, Overload, Size, Start, Window
from bench.server import Server, ServerFailed, Watch, disk_bytes
from bench.store import Store, count_events
from bench.traffic import Traffic, batch_body, single_body, single_path
from bench.wrk import Workload, WrkResult, run_wrk

SINGLES = Workload("singles @64", 64)
SINGLES_MANY = Workload("singles @256", 256)
BATCHES = Workload("batches @16", 16, batch=100)
REPEATS = Workload("singles @64, half repeats", 64, repeat_percent=50)
FLOOD = Workload("overload @1000", 1_000)
FIRST_PASS = "batches @16, first pass"
HALF_LOAD = "batches, half load"
FLOOR_FRESH_S = 4.0
_SETTLE_S = 3.0


@dataclass
class Run:
    """One run of the benchmark: its settings, its traffic, and what it has found so far."""

    program: Path
    folder: Path
    people: int
    seconds: float
    repeats: int
    profile_folder: Path | None
    console: Console
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self.traffic = Traffic(secrets.randbits(64), self.people)
        self.pool = self.folder / "pool.txt"
        self.traffic.write_pool(self.pool)
        self._bodies = self.traffic.sample(5_000)
        self._profiled: set[str] = set()
        self._last_floor: Floor | None = None
        self._last_floor_at = 0.0

    def floor(self) -> Floor:
        """Measure the floor now, for a quarter of a window but at least 0.7 s."""
        found = measure_floor(self._bodies, self.folder, max(0.7, self.seconds / 4))
        self.console.print(f"[dim]  {'floor':<38}{found.rate:>12,.0f}/s  {found.cpu_us:6.1f} us[/dim]")
        self._last_floor, self._last_floor_at = found, time.perf_counter()
        return found

    @contextmanager
    def between_floors(self, label: str, name: str, server: Server | None = None) -> Iterator[None]:
        """Measure the floor before and after; one just measured is used again. `server` is given time to finish what it
        does in the background, or it would lower the floor."""
        before = self._last_floor
        if before is None or time.perf_counter() - self._last_floor_at > FLOOR_FRESH_S:
            before = self.floor()
        yield
        if server is not None:
            _settle(server)
        self.outcome.result(label, name).floors += [before, self.floor()]

    def wrk(self, server: Server, key: str, store: Store, workload: Workload, seconds: float) -> WrkResult:
        """Drive the server, and note in the store what it now holds."""
        lag_s, seed = store.lag_s(), secrets.randbits(52)
        found = run_wrk(
            workload,
            url=server.url,
            key=key,
            pool=self.pool,
            people=self.people,
            seed=seed,
            lag_s=lag_s,
            seconds=seconds,
        )
        share = found.stored_share(workload.connections)
        store.add(round(found.messages_made * share), round(found.events_made * share), int(time.time() - lag_s) * 1000)
        return found

    def window(self, server: Server, key: str, store: Store, label: str, workload: Workload, name: str = "") -> Window:
        """One window of `workload`; it is printed and kept under `name`, else under the workload's."""
        with Watch(server) as watch:
            found = self.wrk(server, key, store, workload, self.seconds)
        messages = (found.requests - found.status_errors) * workload.messages_per_request
        window = Window(
            rate=messages / found.seconds,
            cpu_us=watch.cpu_s / max(1, messages) * 1e6,
            p50_ms=found.p50_ms,
            p99_ms=found.p99_ms,
            max_ms=found.max_ms,
            errors=found.status_errors + found.socket_errors,
            rss_anon_bytes_max=watch.rss_anon_bytes_max,
            hwm_bytes=watch.hwm_bytes,
        )
        self._keep(label, name or workload.name, window)
        self._profile(server, key, store, f"{name or workload.name} {label}", workload)
        return window

    def half_load(self, server: Server, key: str, store: Store, label: str, saturated_rate: float) -> None:
        """Batches at half of `saturated_rate` messages a second, evenly paced."""
        made, events = self.traffic.messages_made, self.traffic.events_made
        lag_s = store.lag_s()
        with Watch(server) as watch:
            answers = paced(server, key, self.traffic, rate=saturated_rate / 200, seconds=self.seconds, lag_s=lag_s)
        store.add(self.traffic.messages_made - made, self.traffic.events_made - events, int(time.time() - lag_s) * 1000)
        accepted = [answer.ms for answer in answers if answer.status == 200]
        if len(accepted) < len(answers):
            others = sorted(answer.status for answer in answers if answer.status != 200)
            self.warn(f"{HALF_LOAD} ({label}): {len(others)} of {len(answers)} were answered {sorted(set(others))}")
        window = Window(
            rate=len(accepted) * 100 / self.seconds,
            cpu_us=watch.cpu_s / max(1, len(accepted) * 100) * 1e6,
            p50_ms=percentile(accepted, 50),
            p99_ms=percentile(accepted, 99),
            max_ms=max(accepted, default=0.0),
            errors=len(answers) - len(accepted),
            rss_anon_bytes_max=watch.rss_anon_bytes_max,
            hwm_bytes=watch.hwm_bytes,
        )
        self._keep(label, HALF_LOAD, window)

    def overload(self, server: Server, key: str, store: Store, label: str) -> None:
        """A flood of single messages on 1,000 connections, and a gentle probe that times what is refused."""
        floods: list[WrkResult] = []

        def flood() -> None:
            floods.append(self.wrk(server, key, store, FLOOD, self.seconds))

        with Watch(server) as watch:
            probes = probe(server, key, self.traffic, flood=flood, lag_s=store.lag_s())
        found = floods[0]
        refused = [answer.ms for answer in probes if answer.status == 503]
        odd = sorted({answer.status for answer in probes} - {200, 503})
        if odd:
            self.warn(f"overload ({label}): the probe was also answered {odd}")
        overload = Overload(
            store=label,
            accepted_rate=(found.requests - found.status_errors) / found.seconds,
            refused_share=found.status_errors / max(1, found.requests),
            refused_p50_ms=percentile(refused, 50),
            refused_p99_ms=percentile(refused, 99),
            accepted_p99_ms=percentile([answer.ms for answer in probes if answer.status == 200], 99),
            probes=len(probes),
            socket_errors=found.socket_errors,
            rss_anon_bytes_max=watch.rss_anon_bytes_max,
        )
        self.outcome.overloads.append(overload)
        self.console.print(
            f"  {FLOOD.name:<28}{label:<10}{overload.accepted_rate:>12,.0f}/s accepted, "
            f"{overload.refused_share:.0%} refused, in {overload.refused_p99_ms:.0f} ms (p99)"
        )

    def kill_and_restart(self, server: Server, key: str, store: Store, label: str) -> None:
        """End the server with kill -9 while batches pour in, and time its way back."""
        load = threading.Thread(target=self.wrk, args=(server, key, store, BATCHES, self.seconds))
        load.start()
        time.sleep(max(0.5, self.seconds - 0.5))
        server.kill()
        load.join()
        server.start()
        self.started(label, "kill -9 under load", server)
        self.check_door(server, key)

    def started(self, label: str, after: str, server: Server) -> None:
        """Note how long a start took."""
        self.outcome.starts.append(Start(label, after, server.start_s))
        self.console.print(f"  start {label:<10} {after:<20} {server.start_s:6.2f} s")

    def size(self, store: Store, label: str) -> None:
        """Note the size of a stopped server's store, and check that it holds what was sent."""
        counted = count_events(store.data)
        size = Size(label, store.messages, store.events, counted, disk_bytes(store.data))
        self.outcome.sizes.append(size)
        self.console.print(f"  size  {label:<10} {size.events:,} events, {size.bytes_per_event:,.0f} bytes each")
        if counted is not None and abs(counted - size.events) > 0.05 * size.events:
            self.warn(f"the store ({label}) holds {counted:,} stored events, {size.events:,} were expected")

    def check_door(self, server: Server, key: str) -> None:
        """One message of each kind, alone, and a batch of them must be answered 200.

        Raises:
            ServerFailed: one was not; the message shows the answer.
        """
        kinds = {template.kind: template for template in self.traffic.templates}
        at_ms = int(time.time() * 1000)
        messages = [self.traffic.fresh(template, 0, at_ms) for template in kinds.values()]

        async def ask() -> None:
            connection = Connection(server, key)
            asked = [(single_path(message), single_body(message, key)) for message in messages]
            for path, body in [*asked, ("/v1/batch", batch_body(messages, key))]:
                status, answer = await connection.post(path, body)
                # A batch is answered 200 with its bad messages listed; refusing is cheap, and must not be measured.
                if status != 200 or b'"rejected"' in answer:
                    raise ServerFailed(f"POST {path} was answered {status}: {answer[:500]!r}\nfor {body[:1500]!r}")
            connection.close()

        asyncio.run(ask())

    def warn(self, text: str) -> None:
        """Say now, and again at the end, what makes a figure doubtful."""
        self.outcome.warnings.append(text)
        self.console.print(f"  [yellow]! {text}[/yellow]")

    def _keep(self, label: str, name: str, window: Window) -> None:
        self.outcome.result(label, name).windows.append(window)
        self.console.print(
            f"  {name:<28}{label:<10}{window.rate:>12,.0f}/s  {window.cpu_us:6.1f} us  p50 {window.p50_ms:6.1f}  "
            f"p99 {window.p99_ms:6.1f}  max {window.max_ms:6.1f} ms" + (f"  {window.errors} errors" * bool(window.errors))
        )

    def _profile(self, server: Server, key: str, store: Store, name: str, workload: Workload) -> None:
        if self.profile_folder is None or name in self._profiled:
            return
        self._profiled.add(name)
        found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
        if found is None:
            self.warn("no profile: py-spy is not installed (pip install py-spy)")
            self.profile_folder = None
            return
        self.profile_folder.mkdir(parents=True, exist_ok=True)
        target = self.profile_folder / f"{name.replace(' ', '-').replace(',', '').replace('@', '')}.json"
        command = [found, "record", "-p", str(server.pid), "-d", str(max(1, int(self.seconds) - 1)), "-r", "250"]
        command += ["--nonblocking", "-f", "speedscope", "-o", str(target)]
        spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wrk(server, key, store, workload, self.seconds)
        self.console.print(f"  profile: {target} (https://speedscope.app)" if spy.wait() == 0 else "  no profile")


def _settle(server: Server) -> None:
    """Wait until the server is idle, for 3 s at most."""
    until = time.perf_counter() + _SETTLE_S
    before = server.cpu_s()
    while time.perf_counter() < until:
        time.sleep(0.3)
        now = server.cpu_s()
        if now - before < 0.03:
            return
        before = now

"""What a run has found, as plain values: `report` prints them and `--json` writes them down."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from bench.floor import Floor


@dataclass(frozen=True)
class Window:
    """One measured window. `rate` is accepted messages a second, `cpu_us` the server's CPU microseconds for each."""

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    """Answers that were not 2xx, and connections that failed or timed out."""
    rss_anon_bytes_max: int
    hwm_bytes: int


@dataclass
class Result:
    """The windows of one kind of load on one store, and the floors measured just before and after each."""

    name: str
    store: str
    windows: list[Window] = field(default_factory=list)
    floors: list[Floor] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return median(window.rate for window in self.windows)

    @property
    def floor_rate(self) -> float:
        return median(floor.rate for floor in self.floors)

    @property
    def ratio(self) -> float:
        """The median rate as a share of the median floor."""
        return self.rate / self.floor_rate

    @property
    def p99_ms(self) -> float:
        return median(window.p99_ms for window in self.windows)


@dataclass(frozen=True)
class Overload:
    """1,000 connections that never wait: how many are refused, and how fast.

    Rates and shares are the flood's; milliseconds are those of a gentle probe beside it, which can tell 503 from 200.
    """

    store: str
    accepted_rate: float
    refused_share: float
    refused_p50_ms: float
    refused_p99_ms: float
    accepted_p99_ms: float
    probes: int
    socket_errors: int
    rss_anon_bytes_max: int


@dataclass(frozen=True)
class Start:
    """From the start of the process to the first 200 of /readyz."""

    store: str
    after: str
    seconds: float


@dataclass(frozen=True)
class Size:
    """The data directory of a stopped server; `events_counted` by asking the database, where that is possible."""

    store: str
    messages: int
    events: int
    events_counted: int | None
    disk_bytes: int

    @property
    def bytes_per_event(self) -> float:
        return self.disk_bytes / self.events if self.events else 0.0


@dataclass
class Outcome:
    """Everything one run has found."""

    results: list[Result] = field(default_factory=list)
    overloads: list[Overload] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def result(self, store: str, name: str) -> Result:
        """The result of this kind of load on this store, made when first asked for."""
        for one in self.results:
            if (one.store, one.name) == (store, name):
                return one
        self.results.append(Result(name, store))
        return self.results[-1]

    @property
    def floors(self) -> list[Floor]:
        """Every floor measured, once, in order of the results that share it."""
        return list({id(floor): floor for result in self.results for floor in result.floors}.values())

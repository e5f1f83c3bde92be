"""Operations: is it alive, is it ready, what does it count."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from goodword.api.intake import Intake
from goodword.engine import WAITING_MAX


def routes(intake: Intake) -> list[Route]:
    """The operations routes."""
    engine = intake.engine

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        problems = []
        if engine.store.nodes is not None and engine.store.nodes.trouble:
            problems.append(engine.store.nodes.trouble)
        elif engine.unavailable_since is not None:
            problems.append(
                f"the database: {engine.trouble}" if engine.trouble else "the last commit failed: disk full, read-only or failing"
            )
        if engine.waiting >= WAITING_MAX:
            problems.append("overloaded")
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    async def metrics(_request: Request) -> Response:
        return PlainTextResponse(render(intake), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def render(intake: Intake) -> str:
    """The counters in Prometheus' text format."""
    measures, engine = intake.engine.measures, intake.engine
    lines = [
        "# HELP goodword_messages_total Messages and commands by what became of them.",
        "# TYPE goodword_messages_total counter",
        *(f'goodword_messages_total{{verdict="{verdict}"}} {count}' for verdict, count in sorted(measures.verdicts.items())),
        "# HELP goodword_rejected_total Messages refused at the door, by reason.",
        "# TYPE goodword_rejected_total counter",
        *(f'goodword_rejected_total{{reason="{reason}"}} {count}' for reason, count in sorted(intake.rejections.items())),
        "# HELP goodword_share_links_total Requests for share links by what became of them.",
        "# TYPE goodword_share_links_total counter",
        *(f'goodword_share_links_total{{outcome="{outcome}"}} {count}' for outcome, count in sorted(intake.visits.items())),
        "# HELP goodword_overloaded_total Requests answered 503 because too much was waiting.",
        "# TYPE goodword_overloaded_total counter",
        f"goodword_overloaded_total {measures.overloads}",
        "# HELP goodword_commit_failures_total Groups that could not be stored.",
        "# TYPE goodword_commit_failures_total counter",
        f"goodword_commit_failures_total {measures.failures}",
        "# HELP goodword_database_round_trips_total Round trips to the database that groups took (PostgreSQL).",
        "# TYPE goodword_database_round_trips_total counter",
        f"goodword_database_round_trips_total {measures.trips}",
        "# HELP goodword_conflicts_total Groups that were decided anew because another node was first (PostgreSQL).",
        "# TYPE goodword_conflicts_total counter",
        f"goodword_conflicts_total {measures.conflicts}",
        "# HELP goodword_queue_depth Messages waiting for their group.",
        "# TYPE goodword_queue_depth gauge",
        f"goodword_queue_depth {engine.waiting}",
        *_histogram(
            "goodword_group_size",
            "Messages that shared a commit.",
            [(str((1 << power) - 1), count) for power, count in enumerate(measures.group_sizes[:-1])],
            str(measures.commands),
            measures.groups,
        ),
        *_histogram(
            "goodword_commit_seconds",
            "Time to decide and store a group.",
            [(str((1 << power) / 4000), count) for power, count in enumerate(measures.commit_buckets[:-1])],
            f"{measures.commit_seconds:.6f}",
            measures.groups,
        ),
    ]
    return "\n".join(lines) + "\n"


def _histogram(name: str, help: str, buckets: list[tuple[str, int]], total: str, count: int) -> list[str]:
    """A histogram's lines: `buckets` are upper bounds, each with the count of its own bucket alone."""
    lines, below = [f"# HELP {name} {help}", f"# TYPE {name} histogram"], 0
    for bound, own in buckets:
        below += own
        lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
    return [*lines, f'{name}_bucket{{le="+Inf"}} {count}', f"{name}_sum {total}", f"{name}_count {count}"]

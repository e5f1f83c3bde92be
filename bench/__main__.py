"""The command line: `python -m bench`, `python -m bench erasure`, and what `goodword bench` calls."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bench import erasure
from bench.driver import DriverFailed
from bench.report import print_report, write_json
from bench.run import Run
from bench.scenario import measure_empty, measure_grown, measure_trouble_empty
from bench.server import ServerFailed
from bench.store import Store
from bench.traffic import PEOPLE
from bench.wrk import WrkFailed, require_wrk

REPOSITORY = Path(__file__).resolve().parent.parent
OPEN_FILES_WANTED = 8_192
PROFILES = Path(tempfile.gettempdir()) / "goodword-profiles"


def _events(text: str) -> list[int]:
    try:
        sizes = [int(float(part)) for part in text.replace("_", "").split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of events, or several with commas") from None
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError("a store is grown to at least 1 event")
    return sorted(sizes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures Goodword on this machine: the real server, driven by wrk, as a share of a floor measured "
        "in the same run. Needs wrk (apt-get install wrk). Close what else is running; trust ratios, not rates.",
        epilog="Examples: --quick | --events 1e6,5e6 --keep /var/tmp/grown --json run.json | erasure",
    )
    parser.add_argument("what", nargs="?", choices=("load", "erasure"), default="load", help="load (default) or erasure")
    parser.add_argument("--quick", action="store_true", help="only the empty store, short windows: under 90 s")
    parser.add_argument(
        "--events", type=_events, default=[], metavar="N[,N]",
        help="also on a store grown to N events over HTTP, such as 1e6,5e6 (about a minute a million to fill)",
    )  # fmt: skip
    parser.add_argument(
        "--data", "--keep", dest="data", type=Path, metavar="DIR",
        help="keep the grown store in DIR, and go on with the one there (default: a temporary folder, deleted)",
    )  # fmt: skip
    parser.add_argument("--skip-empty", action="store_true", help="only the grown stores")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of a window (default: 5, quick: 3)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="windows of each kind (default: 3)")
    parser.add_argument("--people", type=int, default=PEOPLE, metavar="N", help=f"persons (default: {PEOPLE:,})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results to FILE")
    parser.add_argument(
        "--profile", nargs="?", type=Path, const=PROFILES, metavar="DIR",
        help=f"py-spy records an extra, uncounted window of each kind (default: {PROFILES})",
    )  # fmt: skip
    parser.add_argument("--server", type=Path, metavar="PROGRAM", help="the goodword program (default: this environment's)")
    return parser


def _program(asked: Path | None) -> Path:
    choices = [asked] if asked else [Path(sys.executable).with_name("goodword"), REPOSITORY / ".venv/bin/goodword"]
    for choice in choices:
        if choice.is_file():
            return choice.resolve() if asked else choice
    raise ServerFailed(f"{choices[-1]} does not exist. `make run` or `make test` builds the environment it lives in.")


def _raise_open_files() -> None:
    """wrk's 1,000 connections and the server's ends of them need more than the usual 1,024 files; both inherit this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _measure(options: argparse.Namespace, run: Run) -> None:
    if not options.skip_empty:
        measure_empty(run)
        measure_trouble_empty(run, 1 if options.quick else run.repeats)
    if options.events and not options.quick:
        store = Store.open(options.data or run.folder / "grown")
        for events in options.events:
            measure_grown(run, store, events)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; 0 when it could be run, whatever it found, and 1 when it could not."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console = Console(width=180, highlight=False)
    seconds = options.seconds or (3.0 if options.quick else 5.0)
    try:
        with ExitStack() as stack:
            if options.what == "load":
                require_wrk()
            beside = options.data.parent if options.data else None
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="goodword-bench-", dir=beside)))
            _raise_open_files()
            run = Run(
                program=_program(options.server), folder=folder, people=options.people, seconds=seconds,
                repeats=options.repeats, profile_folder=options.profile, console=console,
            )  # fmt: skip
            if options.what == "erasure":
                return erasure.main(run, options.data)
            try:
                _measure(options, run)
            finally:
                if run.outcome.results:
                    print_report(run.outcome, console)
                    if options.json:
                        settings = {name: str(value) for name, value in vars(options).items()} | {"seconds": seconds}
                        write_json(run.outcome, options.json, settings)
    except (WrkFailed, ServerFailed, DriverFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

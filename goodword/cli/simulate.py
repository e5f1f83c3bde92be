"""`goodword simulate`: a made-up shop with advocates, friends, shoppers and cheats, played against a server, and what came of it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.table import Table

from goodword.api.auth import hash_secret, new_secret
from goodword.api.intake import new_id
from goodword.cli.account import Json
from goodword.cli.connection import account_number, engine_of, fail, failing_clearly, reader_of
from goodword.cli.progress import progress, table_console
from goodword.console.invitation import first_invitation
from goodword.core.account import Key, Scope
from goodword.core.command import CreateKey
from goodword.document import template, text
from goodword.engine import wall_clock_ms
from goodword.simulation.http import Unreachable
from goodword.simulation.program import NotLaunched
from goodword.simulation.score import Report
from goodword.simulation.sender import Keys
from goodword.simulation.theatre import Plan
from goodword.simulation.theatre import simulate as play
from goodword.storage.query import console as console_users

TEMPLATE = "refer-a-friend"
STOP_S = 60
DEMO_FOLDER = "./goodword-demo"
DEMO = Plan(people=400, each=1, rate=200, program=TEMPLATE)
GROUPS = {Scope.SERVER: (Scope.DESTINATION, Scope.SERVER, Scope.ADMIN), Scope.INGEST: (Scope.INGEST,)}


def simulate(
    people: Annotated[int, typer.Option(min=1, help="How many people, about.")] = 600,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people and the same truth.")] = 1,
    rate: Annotated[float, typer.Option(min=1, help="Messages and clicks a second, at most.")] = 400,
    each: Annotated[int, typer.Option(min=0, help="Play every row of the catalogue of cheats so often at least.")] = 2,
    row: Annotated[list[int] | None, typer.Option(help="Play only this row; may be given more than once.")] = None,
    url: Annotated[str, typer.Option(help="A running server, instead of one of its own.")] = "",
    key: Annotated[str, typer.Option(help="With --url: a key with the scopes destination, server and admin.", envvar="GOODWORD_KEY")] = "",
    browser_key: Annotated[str, typer.Option(help="With --url: a key with the scope ingest; one is made when it is left out.")] = "",
    data: Annotated[
        Path | None, typer.Option(help="Data folder for a server of its own. [default: one that is removed afterwards]")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of a server of its own; 0 picks a free one.")] = 0,
    demo: Annotated[bool, typer.Option("--demo", help="Fill ./goodword-demo (or --data) with a small world, and keep serving it.")] = False,
    as_json: Json = False,
) -> None:
    """Play a made-up shop against a server, and report what it got right: attribution, and every row of the catalogue of cheats.

    Exit code 1 when something is not as it must be."""
    if url and (data is not None or demo):
        fail("--url is a server that runs; --data and --demo start one. Give one of them.", 2)
    plan = DEMO if demo else Plan(people, seed, each, rate, tuple(row or ()))
    with failing_clearly():
        if demo:
            _show(plan, data or Path(DEMO_FOLDER), port or 8765)
        elif url:
            if not key:
                fail("--url needs --key: a key with the scopes destination, server and admin.", 2)
            report = _play(url, Keys(browser_key, key), plan)
        elif data is not None:
            report = _play_in(data, plan, port)
        else:
            with tempfile.TemporaryDirectory(prefix="goodword-") as folder:
                report = _play_in(Path(folder) / "data", plan, port)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        print_report(report)
    raise typer.Exit(1 if report.missed_goals else 0)


def _play_in(folder: Path, plan: Plan, port: int) -> Report:
    keys = make_keys(folder)
    with serving(folder, port) as (url, _):
        return _play(url, keys, plan)


def _play(url: str, keys: Keys, plan: Plan) -> Report:
    document = text.examine(template.template(TEMPLATE) or "").document
    with progress("Playing") as report:
        try:
            return asyncio.run(play(url, keys, plan, msgspec.to_builtins(document), lambda what, done, total: report(done, total, what)))
        except (NotLaunched, Unreachable) as error:
            fail(str(error))


def make_keys(folder: Path) -> Keys:
    """A browser's key and a server's, of the default account of a data folder."""
    secrets = {}
    with engine_of(folder) as engine:
        number = account_number(engine, "default")
        for main, scopes in GROUPS.items():
            secret = secrets[main] = new_secret(scopes)
            named = Key(new_id(), number, f"simulate {main}", hash_secret(secret), secret[-4:], scopes, wall_clock_ms())
            engine.execute([CreateKey(number, named)])
    return Keys(secrets[Scope.INGEST], secrets[Scope.SERVER])


@contextmanager
def serving(folder: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of our own on a data folder, until this ends, however it is ended; its URL and its process."""
    command = [sys.executable, "-m", "goodword", "serve", "--data", str(folder), "--port", str(port)]
    log = folder.parent / f"{folder.name}.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: S603

    def end(number: int, _: object) -> None:
        process.terminate()  # first: an exit may be lost where the interpreter can raise nothing, and then ends with the server
        sys.exit(128 + number)

    before = {each: signal.signal(each, end) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield _url_of(process, log), process
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _url_of(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"https?://\S+", line):
            return found[0].rstrip("/")
    said = log.read_text(errors="replace").strip().splitlines()
    return fail(f"The server did not start: {said[-1] if said else 'it said nothing'}")


# -- what came of it -----------------------------------------------------------------------------------------------------


def print_report(report: Report) -> None:
    """The report for people."""
    console = table_console()
    found = report.attribution
    counts = ", ".join(f"{count} {what}" for what, count in sorted(report.counts.items()))
    console.print(
        f"{report.people} people, seed {report.seed}, {report.seconds:g} s ({report.played_s:g} s playing): {counts}.", highlight=False
    )
    console.print(
        f"Attribution: precision {found.precision:.2%}, recall {found.recall:.2%}"
        f" ({found.right} right, {found.wrong} wrong, {found.missing} missing). Reasons: "
        + ", ".join(f"{count} {reason}" for reason, count in sorted(found.reasons.items())),
        highlight=False,
    )
    columns = (
        "row",
        "cheat",
        "caught",
        "missed",
        "lost",
        "honest twin",
        "paid",
        "waiting",
        "refused",
        "withheld",
        "",
        "what spoke against the cheats",
    )
    table = Table(*columns, box=None, pad_edge=False)
    for row in report.rows:
        if not (row.cheats or row.honest):
            continue
        name, twin = row.title or "-", row.twin + (" (may wait)" if row.may_wait else "")
        table.add_row(
            str(row.row) if row.row else "",
            name if row.row else "ordinary custom",
            *(str(each) for each in (row.caught, row.missed, f"{row.lost:g}", twin[:48], row.paid, row.waiting, row.refused)),
            f"{row.withheld:g}",
            "[green]ok[/green]" if row.is_good else "[red]wrong[/red]",
            ", ".join(f"{rule} {count}" for rule, count in sorted(row.stopped_by.items(), key=lambda each: -each[1])[:4]),
        )
    console.print(table)
    money = report.money
    console.print(
        f"Points paid: {money['paid']:g}; of them to cheats: {money['lost_to_cheats']:g}. Owed to honest people and not paid:"
        f" {money['withheld_from_honest']:g}.",
        highlight=False,
    )
    for goal in report.missed_goals:
        console.print(f"[red]Missed goal:[/red] {goal}", highlight=False)


# -- the demo ------------------------------------------------------------------------------------------------------------

NEXT = """
A referral program is running: {people} made-up people, a live campaign, and the cheats of docs/how-to/try-the-simulator.md.

  Console     {console}
  Server      {url}          key for the API: {key}
  API         {url}/docs

Look at it, in another terminal:

  {program} why --person {friend} --data {folder}     why this friend was rewarded
  {program} why --person {cheat} --data {folder}     why this one was not
  {program} reward list --data {folder}
  {program} review list --data {folder}     what waits for you
  {program} campaign list --data {folder}
  curl -s '{url}/v2/rewards?limit=3' -H 'Authorization: Bearer {key}'

Ctrl-C ends the server. `make demo` serves the same world again; remove {folder} to begin anew."""


def _show(plan: Plan, folder: Path, port: int) -> NoReturn:
    """Fill a folder with a world, once, and serve it until interrupted."""
    marker = folder / "demo.json"
    with serving_keys(folder) as keys, serving(folder, port) as (url, process):
        if not marker.exists():
            typer.echo(f"Filling {folder} with a small world; this takes about half a minute.")
            report = _play(url, keys, plan)
            marker.write_text(json.dumps({"people": report.people, **_people_to_look_at(report)}))
            print_report(report)
        said: dict[str, Any] = json.loads(marker.read_text())
        console = f"{url.rstrip('/')}{_first_link(folder) or '/'}"
        typer.echo(NEXT.format(url=url, key=keys.server, folder=folder, program=_program(), console=console, **said))
        try:
            while process.poll() is None:
                time.sleep(0.5)
        except KeyboardInterrupt:
            pass
    raise typer.Exit(0)


def _first_link(folder: Path) -> str:
    """The path of a sign-in link to the console; "" once somebody has a password."""
    with reader_of(folder) as store:
        path, commands = first_invitation(console_users.everyone(store), wall_clock_ms())
    if commands:
        with engine_of(folder) as engine:
            engine.execute(commands)
    return path


@contextmanager
def serving_keys(folder: Path) -> Iterator[Keys]:
    """The demo's keys: made once, and kept beside its data."""
    file = folder / "simulate.keys"
    if file.exists():
        browser, server = file.read_text().split()
        yield Keys(browser, server)
        return
    folder.mkdir(parents=True, exist_ok=True)
    keys = make_keys(folder)
    file.touch(mode=0o600)
    file.write_text(f"{keys.browser}\n{keys.server}\n")
    yield keys


def _program() -> str:
    """How this program was called, as far as it can be typed again from here."""
    called = Path(sys.argv[0])
    is_below = called.name == "goodword" and called.is_absolute() and called.is_relative_to(Path.cwd())
    return str(called.relative_to(Path.cwd())) if is_below else str(called) if called.name == "goodword" else "goodword"


def _people_to_look_at(report: Report) -> dict[str, str]:
    return {"friend": report.shown.get("friend", ""), "cheat": report.shown.get("cheat", "")}

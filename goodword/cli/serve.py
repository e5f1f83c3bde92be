"""`goodword serve`: run the server."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from goodword import config
from goodword.api.auth import hash_secret, may, new_secret
from goodword.api.intake import new_id
from goodword.cli.connection import fail, failing_clearly
from goodword.cli.workers import run_workers
from goodword.console.invitation import first_invitation
from goodword.core.account import Key, Right, Scope
from goodword.core.command import CreateKey
from goodword.engine import Engine, wall_clock_ms
from goodword.opening import open_store
from goodword.storage.query import console as console_users
from goodword.storage.store import Store

DEMO_SCOPES = (Scope.DESTINATION, Scope.SERVER)
DEMO_FILE = "demo.key"

CURL = """curl -s {url}v1/batch -u {key}: -H 'Content-Type: application/json' -d '{{"batch":[\
{{"type":"identify","userId":"u-1","traits":{{"email":"jane@example.com","firstName":"Jane"}}}},\
{{"type":"track","userId":"u-1","event":"conversion","properties":{{"partner_conversion_id":"order-1","cart_value":"99.99"}}}}]}}' \
&& P=$(curl -s '{url}v5/persons?person_keys=partner_user_id:u-1' -H 'Authorization: Bearer {key}' | sed 's/.*"id":"\\([0-9]*\\)".*/\\1/') \
&& curl -s {url}v5/persons/$P/steps -H 'Authorization: Bearer {key}'"""


def configure_logs() -> None:
    """Structured log lines on standard error; none holds personal data."""
    levels = logging.getLevelNamesMapping()
    level = levels.get(config.read("GOODWORD_LOG").upper(), logging.INFO)
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if config.read("GOODWORD_LOG_FORMAT") == "json":
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def demo_key(store: Store) -> str:
    """The demo key: made once, kept in a file of its own beside the data so that the next start can print it again."""
    file = store.directory / DEMO_FILE
    if file.exists():
        secret = file.read_text().strip()
        key = store.keys_by_hash.get(hash_secret(secret))
        if key is not None and key.revoked_at is None and may(key, Right.READ):
            return secret
    secret = new_secret(DEMO_SCOPES)
    key = Key(new_id(), 1, "demo", hash_secret(secret), secret[-4:], DEMO_SCOPES, wall_clock_ms())
    Engine(store).execute([CreateKey(1, key)])
    file.touch(mode=0o600)
    file.write_text(secret + "\n")
    return secret


def first_link(store: Store) -> str:
    """The path of a sign-in link for the first admin; "" once somebody has a password."""
    path, commands = first_invitation(console_users.everyone(store), wall_clock_ms())
    if commands:
        Engine(store).execute(commands)
    return path


def serve(
    data: Annotated[Path | None, typer.Option(help="Data folder. [default: ./goodword-data]")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [default: 8765]")] = None,
    database_url: Annotated[str | None, typer.Option(help="Keep the data in PostgreSQL: postgresql://user@host/database")] = None,
    demo: Annotated[bool, typer.Option(help="Make a demo key and print a line to try it.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Server processes that share the port, to use several cores; with PostgreSQL.")] = 1,
    shares_port: Annotated[bool, typer.Option("--shares-port", help="Let other server processes listen on the port too.")] = False,
) -> None:
    """Run the server. It is ready when it has printed its URL; SIGTERM drains it."""
    configure_logs()
    if database_url is not None:
        os.environ["GOODWORD_DATABASE_URL"] = database_url
    directory = config.data_folder(str(data) if data else None)
    address, at = host or config.read("GOODWORD_HOST"), port if port is not None else int(config.read("GOODWORD_PORT"))
    if workers > 1:
        if not config.read("GOODWORD_DATABASE_URL"):
            fail("--workers is for PostgreSQL (--database-url): the embedded database has one writer.", 2)
        with failing_clearly():
            run_workers(workers, directory, address, at, lambda url: typer.echo(f"Goodword is at {url}"))
        return
    with failing_clearly():
        store = open_store(directory)
        secret = demo_key(store) if demo else ""
        welcome = first_link(store) if demo else ""

        def announce(url: str) -> None:
            typer.echo(f"Goodword is at {url}")
            if welcome:
                typer.echo(f"Open the console, and set your password (this link works once): {url.rstrip('/')}{welcome}")
            if secret:
                typer.echo(f"Demo key: {secret}\n\nTry it, in another terminal:\n\n{CURL.format(url=url, key=secret)}\n")
            sys.stdout.flush()

        from goodword import bootstrap  # the server's libraries take half a second to load, and no other command needs them

        bootstrap.serve(store, address, at, announce, shares_port=shares_port)

"""`goodword cluster`: an installation on PostgreSQL is spread over machines."""

from __future__ import annotations

from contextlib import closing

import typer

from goodword import config
from goodword.cli.connection import fail, failing_clearly, sentence
from goodword.storage import cluster as citus
from goodword.storage import schema_nodes
from goodword.storage.partition import Periods
from goodword.storage.postgres import Database

cli = typer.Typer(help="Spread an installation on PostgreSQL over machines.", no_args_is_help=True)


@cli.callback()
def _cluster() -> None:
    pass


@cli.command("init")
def init() -> None:
    """Distribute every table by account on PostgreSQL with Citus (GOODWORD_DATABASE_URL is its coordinator). Again is harmless."""
    url = config.read("GOODWORD_DATABASE_URL")
    if not url:
        fail("Set GOODWORD_DATABASE_URL to the coordinator of a PostgreSQL cluster with Citus.", 2)
    with failing_clearly():
        try:
            citus.check(url)
            with closing(Database(url)) as database:
                schema_nodes.migrate(database, Periods(database))
                tables = list(database.tables)
            count = citus.distribute(url, tables, lambda table: typer.echo(f"{table} is distributed.", err=True))
        except citus.NoCitus as error:
            fail(sentence(error))
    typer.echo(f"{count} table(s) distributed." if count else "All tables were distributed before.", err=True)

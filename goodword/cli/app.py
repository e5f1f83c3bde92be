"""The `goodword` command: its groups of commands, put together."""

from __future__ import annotations

import typer

from goodword import __version__
from goodword.cli import key, serve

cli = typer.Typer(
    help="Goodword: the open, self-hosted referral platform behind your customer data platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command("serve")(serve.serve)
cli.add_typer(key.cli, name="key")


@cli.command("version")
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Run the command line."""
    cli()

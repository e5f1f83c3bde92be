"""`goodword serve` by itself: the same command, without the code of all others."""

from __future__ import annotations

import typer

from goodword.cli import serve

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
cli.command("serve")(serve.serve)


@cli.callback()
def _commands() -> None:
    """Keeps `serve` a command with a name."""


def run() -> None:
    """Run the command line."""
    cli()

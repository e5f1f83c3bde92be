"""The `goodword` command: its commands and groups of commands, put together."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module

import typer

from goodword import __version__

COMMANDS = {
    "serve": "serve:serve",
    "key": "key:cli",
    "user": "user:cli",
    "account": "account:cli",
    "event": "event:cli",
    "endpoint": "endpoint:cli",
    "delivery": "endpoint:delivery_cli",
    "campaign": "campaign:cli",
    "block": "block:cli",
    "reward": "reward:cli",
    "coupon": "coupon:cli",
    "messages": "message:show_messages",
    "stats": "stats:stats",
    "report": "report:report",
    "simulate": "simulate:simulate",
    "why": "why:why",
    "review": "review:cli",
    "erase": "privacy:erase",
    "erasures": "privacy:show_erasures",
    "unsuppress": "privacy:unsuppress",
    "export": "export:cli",
    "import": "load:import_file",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "archive": "archive:archive",
    "query": "query:query",
    "verify": "verify:verify",
    "migrate-store": "move:migrate_store",
    "cluster": "cluster:cli",
    "bench": "bench:bench",
}
"""Where each command is: the module of this package, and the command or group in it."""

_PASSES_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def make(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands, of which only the code is loaded: half of the time of a short command."""
    cli = typer.Typer(
        help="Goodword: the open, self-hosted referral platform behind your customer data platform.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(import_module(f"goodword.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            cli.add_typer(found, name=name)
        else:
            cli.command(name, context_settings=_PASSES_ON if name == "bench" else None)(found)
    cli.command("version")(version)
    return cli


def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Run the command line."""
    asked = sys.argv[1:2]
    cli = make(asked) if asked and asked[0] in COMMANDS else make()
    cli()

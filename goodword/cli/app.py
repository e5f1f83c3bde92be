"""The `goodword` command: its groups of commands, put together."""

from __future__ import annotations

import typer

from goodword import __version__
from goodword.cli import (
    account,
    backup,
    bench,
    block,
    campaign,
    coupon,
    endpoint,
    event,
    export,
    key,
    load,
    message,
    privacy,
    review,
    reward,
    serve,
    simulate,
    stats,
    user,
    verify,
    why,
)

cli = typer.Typer(
    help="Goodword: the open, self-hosted referral platform behind your customer data platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command("serve")(serve.serve)
cli.add_typer(key.cli, name="key")
cli.add_typer(user.cli, name="user")
cli.add_typer(account.cli, name="account")
cli.add_typer(event.cli, name="event")
cli.add_typer(endpoint.cli, name="endpoint")
cli.add_typer(endpoint.delivery_cli, name="delivery")
cli.add_typer(campaign.cli, name="campaign")
cli.add_typer(block.cli, name="block")
cli.add_typer(reward.cli, name="reward")
cli.add_typer(coupon.cli, name="coupon")
cli.command("messages")(message.show_messages)
cli.command("stats")(stats.stats)
cli.command("simulate")(simulate.simulate)
cli.command("why")(why.why)
cli.add_typer(review.cli, name="review")
cli.command("erase")(privacy.erase)
cli.command("erasures")(privacy.show_erasures)
cli.command("unsuppress")(privacy.unsuppress)
cli.add_typer(export.cli, name="export")
cli.command("import")(load.import_file)
cli.command("backup")(backup.backup)
cli.command("restore")(backup.restore)
cli.command("verify")(verify.verify)
cli.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(bench.bench)


@cli.command("version")
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Run the command line."""
    cli()

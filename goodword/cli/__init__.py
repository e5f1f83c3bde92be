"""The command line."""

from __future__ import annotations


def main() -> None:
    """The `goodword` command."""
    from goodword.cli.app import run  # imported late: the terminal libraries cost a tenth of a second

    run()

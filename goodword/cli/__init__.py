"""The command line."""

from __future__ import annotations

import sys


def main() -> None:
    """The `goodword` command."""
    if sys.argv[1:2] == ["serve"]:
        from goodword.cli.server import run  # the server needs no other command, and should be up again at once
    else:
        from goodword.cli.app import run  # imported late: the terminal libraries cost a tenth of a second
    run()

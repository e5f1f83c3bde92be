"""`goodword bench`: the benchmark, when run from a checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

import goodword
from goodword.cli.connection import fail


def bench(context: typer.Context) -> None:
    """Measure this machine (from a checkout). Arguments are passed on; `goodword bench -- --help` lists them."""
    checkout = Path(goodword.__file__).resolve().parent.parent
    if not (checkout / "bench" / "__main__.py").exists():
        fail("The benchmark is part of the source code, not of the installed package. Run this from a checkout.")
    done = subprocess.run([sys.executable, "-m", "bench", *context.args], cwd=checkout, check=False)  # noqa: S603 (our own program)
    raise typer.Exit(done.returncode)

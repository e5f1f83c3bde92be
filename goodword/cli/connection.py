"""How the command line reaches the engine: through the running server's local door, or by opening the data itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import typer

from goodword import bootstrap
from goodword.api.local import LocalDoor
from goodword.core.command import Command, CreateAccount
from goodword.core.decision import Outcome
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.storage.keys import KeyStoreError
from goodword.storage.schema import NewerSchema, NotGoodword
from goodword.storage.sqlite import DatabaseError
from goodword.storage.store import Busy, Missing, OldKeyStore, Store

FAILURES = (KeyStoreError, NewerSchema, NotGoodword, Busy, Missing, OldKeyStore, Overloaded, Unavailable)


class Executor(Protocol):
    """What does commands."""

    def execute(self, commands: Sequence[Command]) -> list[Outcome]: ...


def sentence(error: Exception) -> str:
    """An error as a sentence for people: its own words, else its docstring."""
    return str(error) or " ".join((type(error).__doc__ or type(error).__name__).split())


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Turn expected failures into one clear line and exit code 1."""
    try:
        yield
    except FAILURES as error:
        typer.echo(f"goodword: {sentence(error)}", err=True)
        raise typer.Exit(1) from None
    except (OSError, DatabaseError) as error:
        typer.echo(f"goodword: {error}", err=True)
        raise typer.Exit(1) from None


@contextmanager
def engine_of(directory: Path) -> Iterator[Executor]:
    """The engine of a data folder: the running server's, else one of our own for as long as this lasts."""
    try:
        door = LocalDoor(directory)
    except OSError:
        engine = Engine(bootstrap.open_store(directory))
        try:
            yield engine
        finally:
            engine.close()
    else:
        try:
            yield door
        finally:
            door.close()


@contextmanager
def reader_of(directory: Path) -> Iterator[Store]:
    """The data of a folder to read, whether or not a server runs on it."""
    store = bootstrap.open_store(directory, readonly=True)
    try:
        yield store
    finally:
        store.close()


def account_number(engine: Executor, account_id: str) -> int:
    """The number of an account, made on first use."""
    value = engine.execute([CreateAccount(account_id)])[0].value
    return int(value)

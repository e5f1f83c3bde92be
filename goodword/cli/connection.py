"""How the command line reaches the engine: through the running server's local door, or by opening the data itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, Protocol

import typer

from goodword import config
from goodword.api.evidence import BadNetwork, GeoipUnreadable
from goodword.api.local import LocalDoor
from goodword.core.account import Account
from goodword.core.audit import audited
from goodword.core.command import Asked, Audited, CreateAccount, command_of
from goodword.core.decision import Outcome
from goodword.core.profile import IdentityKey, keys_of, read_email
from goodword.core.times import Millis, read_time
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.opening import open_store
from goodword.storage.keys import KeyStoreError
from goodword.storage.lock import Busy
from goodword.storage.moved import Moved, Moving
from goodword.storage.schema import NewerSchema, NotGoodword
from goodword.storage.sqlite import DatabaseError
from goodword.storage.store import Missing, OldKeyStore, Store

SETTINGS_REFUSED = (GeoipUnreadable, BadNetwork)
FAILURES = (
    KeyStoreError, NewerSchema, NotGoodword, Busy, Missing, Moved, Moving, OldKeyStore, Overloaded, Unavailable, *SETTINGS_REFUSED,
)  # fmt: skip
OVERLOADED_PAUSE_S = 0.2
OVERLOADED_TRIES = 150

Data = Annotated[Path | None, typer.Option(help="Data folder. [default: ./goodword-data]")]
AccountId = Annotated[str, typer.Option("--account", help="Account.")]
UserId = Annotated[str | None, typer.Option(help="The person's partner_user_id (Segment's userId).")]
Email = Annotated[str | None, typer.Option(help="The person's e-mail address.")]


class Executor(Protocol):
    """What does commands."""

    def execute(self, commands: Sequence[Asked]) -> list[Outcome]: ...


class CommandLine:
    """Does commands, and has changes among them written down as the command line's."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def execute(self, commands: Sequence[Asked]) -> list[Outcome]:
        """What they came to, in order. Errors: Overloaded, Unavailable, OSError."""
        return self.executor.execute([each if type(each) is Audited else audited(command_of(each), "") for each in commands])


def folder(data: Path | None) -> Path:
    """The data folder: as given, else as set."""
    return config.data_folder(str(data) if data else None)


def embedded(data: Path | None) -> Path:
    """The data folder, for a command that is about the embedded database's files."""
    if config.read("GOODWORD_DATABASE_URL"):
        fail("The data is in PostgreSQL, whose own tools do this: pg_dump or pg_basebackup; the key store's database apart.")
    return folder(data)


def fail(sentence: str, code: int = 1) -> NoReturn:
    """One clear line on standard error, and out."""
    typer.echo(f"goodword: {sentence}", err=True)
    raise typer.Exit(code)


def sentence(error: Exception) -> str:
    """An error as a sentence for people: its own words, else its docstring."""
    return str(error) or " ".join((type(error).__doc__ or type(error).__name__).split())


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Turn expected failures into one clear line and exit code 1."""
    try:
        yield
    except FAILURES as error:
        fail(sentence(error))
    except (OSError, DatabaseError) as error:
        fail(str(error))


@contextmanager
def engine_of(directory: Path) -> Iterator[Executor]:
    """The engine of a data folder: the running server's, else one of our own for as long as this lasts."""
    try:
        door = LocalDoor(directory)
    except OSError:
        engine = Engine(open_store(directory))
        try:
            yield CommandLine(engine)
        finally:
            engine.close()
    else:
        try:
            yield CommandLine(door)
        finally:
            door.close()


@contextmanager
def reader_of(directory: Path) -> Iterator[Store]:
    """The data of a folder to read, whether or not a server runs on it."""
    store = open_store(directory, readonly=True)
    try:
        yield store
    finally:
        store.close()


def account_number(engine: Executor, account_id: str) -> int:
    """The number of an account, made on first use."""
    value = engine.execute([CreateAccount(account_id)])[0].value
    return int(value)


def account_in(store: Store, account_id: str) -> Account:
    """An account that is there."""
    found = store.accounts_by_id.get(account_id)
    return found if found is not None else fail(f"There is no account `{account_id}`. `goodword account list` shows those there are.")


def existing_account(directory: Path, account_id: str) -> Account:
    """An account that is there, in a data folder."""
    with reader_of(directory) as store:
        return account_in(store, account_id)


def person_keys(user_id: str | None, email: str | None) -> tuple[IdentityKey, ...]:
    """The look-up keys a person was named by on the command line, read as a message's would be."""
    address = None
    if email is not None:
        address = read_email(email)
        if address is None:
            fail("This is not an e-mail address.", 2)
    return keys_of(user_id.strip() if user_id else None, address, None)


def time_of(text: str | None, option: str) -> Millis | None:
    """A time given as ISO 8601 or epoch milliseconds."""
    if text is None:
        return None
    at = read_time(int(text) if text.isdigit() and len(text) > 9 else text)
    return at if at is not None else fail(f"{option} is no time. Write it as 2026-01-31 or 2026-01-31T12:00:00Z.", 2)


def patiently(do: Callable[[], list[Outcome]]) -> list[Outcome]:
    """Do commands, waiting for half a minute while the server has too much to do."""
    for _ in range(OVERLOADED_TRIES):
        try:
            return do()
        except Overloaded:
            time.sleep(OVERLOADED_PAUSE_S)
    return do()

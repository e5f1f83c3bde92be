"""One installation's data: the database, the key store beside it, and what is held in memory of them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self

import msgspec

from goodword.core import command as c
from goodword.core.account import Account, Key, Settings
from goodword.core.block import BlockEntry, Blocks
from goodword.core.campaign import Programs
from goodword.core.decision import Record
from goodword.core.delivery import Endpoint, Health
from goodword.core.facts import Facts
from goodword.core.quality import Reference
from goodword.core.reward import Supplier
from goodword.core.times import FOREVER
from goodword.storage import dictionary, fold, schema
from goodword.storage.keys import LIFTED, NO_HASH, KeyStore, KeyStoreMissing
from goodword.storage.load import load
from goodword.storage.load_block import load_blocks
from goodword.storage.load_program import load_programs
from goodword.storage.rows import Sealer, read_key
from goodword.storage.save import Saving
from goodword.storage.save_delivery import erase_deliveries
from goodword.storage.save_referral import erase_referrals
from goodword.storage.sqlite import Database, DatabaseError, Row

DATABASE_FILE = "goodword.db"
LOCK_FILE = "lock"
DEFAULT_ACCOUNT = Account(1, "default", 0, Settings())


class Busy(Exception):
    """Another Goodword uses this data folder. Stop it first, or choose another folder with --data."""


class Missing(Exception):
    """There is no Goodword data in this folder. Start `goodword serve` on it once, or choose another folder with --data."""


class OldKeyStore(Exception):
    """The key store is older than the data: it lacks keys that profiles were sealed with. Restore the newest `keys*` files."""


class Store:
    """Data as one process sees it. A readonly store reads beside a running server."""

    def __init__(
        self,
        directory: Path,
        *,
        master: bytes | None = None,
        readonly: bool = False,
        keys_in: Path | None = None,
        disposable_domains: frozenset[str] = frozenset(),
    ) -> None:
        self.directory = directory
        self.disposable_domains = disposable_domains
        self.readonly = readonly
        self._lock = -1
        path, keys_folder = directory / DATABASE_FILE, keys_in or directory
        if readonly:
            if not path.exists():
                raise Missing
        else:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(directory)
        with ExitStack() as opened:  # lets go of everything again if a later step fails
            opened.callback(self._unlock)
            if path.exists() and path.stat().st_size > 0:
                with closing(Database(path, readonly=True)) as found:  # changes nothing of a file that is refused
                    schema.check(found)
                if not (keys_folder / "keys.bin").exists():
                    raise KeyStoreMissing(keys_folder / "keys.bin")
            # keys first: a crash in between leaves keys without data, which is a fresh start, not data without keys
            self.keys = KeyStore.open(keys_folder, master=master, readonly=readonly)
            opened.callback(self.keys.close)
            self.database = Database(path, readonly=readonly)
            opened.callback(self.database.close)
            if not readonly:
                schema.migrate(self.database)
            self._prepare()
            opened.pop_all()

    def _prepare(self) -> None:
        self.sealer = Sealer(self.keys)
        self.tombstones_applied = 0
        self.accounts: dict[int, Account] = {}
        self.accounts_by_id: dict[str, Account] = {}
        self.keys_by_id: dict[str, Key] = {}
        self.keys_by_hash: dict[bytes, Key] = {}
        self.programs: dict[int, Programs] = {}
        self.server_outcomes: set[int] = set()
        self.suppliers: dict[int, dict[str, Supplier]] = {}
        self.endpoints: dict[int, dict[str, Endpoint]] = {}
        self.health: dict[int, dict[str, Health]] = {}
        self.on_owed: list[Callable[[set[tuple[int, str]] | None], None]] = []
        """Told after a commit which endpoints (account, id) are owed something new; None: endpoints changed, look at all."""
        self.references: dict[int, Reference] = {}
        self.blocks: dict[int, list[BlockEntry]] = {}
        self.block_lists: dict[int, Blocks] = {}
        self._open()

    def _open(self) -> None:
        database = self.database
        bound = next(iter(database.load("SELECT value FROM meta WHERE name = 'key_store'")), None)
        if not self.readonly:
            if bound is None:
                with self._transaction():
                    self._insert_account(DEFAULT_ACCOUNT)
                    database.write("INSERT INTO meta VALUES ('key_store', ?)", (self.keys.store_id.hex(),))
            elif bound[0] != self.keys.store_id.hex():
                raise OldKeyStore
            rows = list(database.load("SELECT value FROM meta WHERE name = 'tombstones'"))
            self.tombstones_applied = int(rows[0][0]) if rows else 0
            if self.tombstones_applied < self.keys.journal_len():
                with self._transaction():
                    applied = self.apply_tombstones()
                self.tombstones_applied = applied
        highest = next(iter(database.load("SELECT coalesce(max(id), 0) FROM profile")))[0]
        if highest > self.keys.allocated:
            self.keys.refresh()  # the server may have handed out more since a reader opened them
        if highest > self.keys.allocated:
            raise OldKeyStore
        self.load_accounts()
        load_programs(self)
        folded: dict[int, dict[int, int]] = {fold.MESSAGES: {}, fold.PEOPLE: {}}
        for kind, bucket, upto in database.load("SELECT kind, bucket, upto FROM fold"):
            if kind in folded:
                folded[kind][bucket] = upto
        self.messages = fold.MessageIds(database, folded[fold.MESSAGES])
        if not self.readonly:
            self.messages.load_filters()
        self.people = fold.PersonEvents(database, folded[fold.PEOPLE])
        fold.replay(database, self.messages, self.people)
        self.last_arrival = last_arrival(database)
        self._reserved: int | None = None
        self.sealer.bodies.find = self._find_dictionary
        self.learned_at = 0
        if not self.readonly:
            newest = "SELECT number, arrival, bytes FROM dictionary ORDER BY number DESC LIMIT 1"
            for number, arrival, sealed in list(self.database.load(newest)):
                self.sealer.bodies.use(number, self.sealer.open_dictionary(sealed))
                self.learned_at = arrival

    def _insert_account(self, account: Account) -> None:
        self.database.write(
            "INSERT INTO account VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (account.number, account.id, account.created_at, msgspec.json.encode(account.settings).decode()),
        )

    def apply_tombstones(self) -> int:
        """Repeat the deletions, and the ends of suppressions, that the key store remembers and this database, restored from a backup or
        cut off, does not.

        Part of the caller's transaction, after which `tombstones_applied` is what this returns."""
        database = self.database
        for account, hash16, number, at, suppressed in self.keys.journal(self.tombstones_applied):
            if number == LIFTED:
                lifted = "UPDATE identity SET barrier_at = ? WHERE account_id = ? AND key = ? AND barrier_at = ?"
                database.write(lifted, (at, account, hash16, FOREVER))
                continue
            if number:
                database.write("DELETE FROM profile WHERE id = ?", (number,))
                database.write("DELETE FROM membership WHERE account_id = ? AND profile_id = ?", (account, number))
                database.write("DELETE FROM merged WHERE account_id = ? AND (source = ? OR target = ?)", (account, number, number))
                erase_deliveries(database, account, number)
                erase_referrals(database, account, number, None, at)
            if hash16 == NO_HASH:
                continue
            erase_referrals(database, account, 0, hash16, at)
            owned = database.write("SELECT profile_id FROM identity WHERE account_id = ? AND key = ?", (account, hash16))
            owner = owned[0][0] if owned else None
            if owner is not None and self.keys.key(owner) is None:
                owner = None
            database.write(
                "INSERT INTO identity VALUES (?, ?, ?, ?) ON CONFLICT (account_id, key)"
                " DO UPDATE SET profile_id = excluded.profile_id, barrier_at = max(barrier_at, excluded.barrier_at)",
                (account, hash16, owner, FOREVER if suppressed else at),
            )
        applied = self.keys.journal_len()
        database.write("INSERT OR REPLACE INTO meta VALUES ('tombstones', ?)", (str(applied),))
        return applied

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self.database.begin()
            yield
            self.database.commit()
        except BaseException:
            self.database.rollback()
            raise

    def load_accounts(self) -> None:
        """Read accounts and keys anew."""
        decode = msgspec.json.Decoder(Settings).decode
        rows = self.database.load("SELECT number, id, created_at, settings FROM account")
        self.accounts = {number: Account(number, id, created_at, decode(settings)) for number, id, created_at, settings in rows}
        self.accounts_by_id = {account.id: account for account in self.accounts.values()}
        keys = [read_key(row, self.sealer) for row in self.database.load("SELECT * FROM api_key")]
        self.keys_by_id = {key.id: key for key in keys}
        self.keys_by_hash = {key.hash: key for key in keys}

    def refreshed(self, rows: Iterable[Row]) -> list[Row]:
        """Rows that were read, once a readonly store knows of every key handed out before, and destroyed, by then."""
        read = list(rows)
        self.keys.refresh()
        return read

    def reserve_profile_id(self) -> int:
        """The next unused profile number; the same one until it is used. Errors: OSError when the disk is full."""
        if self._reserved is None:
            self._reserved = self.keys.next_profile_id()
        return self._reserved

    def use_profile_id(self) -> None:
        """The reserved number was used."""
        self._reserved = None

    def load(self, commands: Sequence[c.Command], now: int) -> dict[int, Facts]:
        """What a group of commands needs to know, which is decided `now`."""
        self.sealer.group_hashes.clear()  # what a group that failed left behind goes too
        return load(self, commands, now)

    def save(self, decisions: Sequence[tuple[int, Sequence[Record], int]], now: int) -> None:
        """Write a group's records (account, records, place in the log) and commit: returns when they are durable. On an error nothing is
        written."""
        saving = Saving(self)
        for account, records, arrival in decisions:
            saving.take(account, records, arrival)
        database = self.database
        last = decisions[-1][2]
        logged = max(self.last_arrival, saving.last_logged())
        try:
            database.begin()
            self.messages.fold(self.last_arrival, now)
            self.people.fold(self.last_arrival)
            saving.write()
            if last > logged:  # a place that no row of the log remembers: ids made of it must not be given out again
                database.write("INSERT OR REPLACE INTO meta VALUES ('arrival', ?)", (str(last),))
            database.commit()
        except BaseException:
            database.rollback()
            self.messages.undone()
            self.people.undone()
            raise
        self.last_arrival = last
        if saving.tombstones_applied is not None:
            self.tombstones_applied = saving.tombstones_applied
        self.messages.committed()
        self.people.committed()
        add_message, add_link = self.messages.add, self.people.add
        for arrival, account, hash16, profile_id, *_ in saving.rows:
            add_message(hash16, arrival, account)
            add_link(profile_id, arrival, account)
        if saving.changes_accounts:
            self.load_accounts()
        if saving.referrals.changes_programs:
            load_programs(self)
        elif saving.referrals.changes_blocks:
            load_blocks(self)
        saving.referrals.deliveries.committed()

    def probe(self, now: int) -> None:
        """Write a row that means nothing, to see whether writing works. Errors: OSError, DatabaseError."""
        self.reserve_profile_id()
        with self._transaction():
            self.database.write("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (str(now),))

    def background(self) -> Iterator[None]:
        """Work for idle moments, a slice a step: the filters of message ids that a crash lost; a better dictionary for bodies."""
        yield from self.messages.rebuild()
        yield from dictionary.learn(self)

    def _find_dictionary(self, number: int) -> bytes | None:
        rows = list(self.database.load("SELECT bytes FROM dictionary WHERE number = ?", (number,)))
        return self.sealer.open_dictionary(rows[0][0]) if rows else None

    def keep_dictionary(self, number: int, learned: bytes) -> None:
        """Store a learned dictionary, and pack bodies with it from now on. On an error all stays as it was. Errors: DatabaseError."""
        with self._transaction():
            row = (number, self.last_arrival, self.sealer.seal_dictionary(learned))
            self.database.write("INSERT INTO dictionary VALUES (?, ?, ?)", row)
        self.sealer.bodies.use(number, learned)

    def trim_receipts(self, kept: int) -> None:
        """Bound the message log: of each account only the last `kept` refused, dropped and repeated messages stay. Errors: OSError."""
        for account in self.accounts:
            newest = "SELECT arrival FROM receipt WHERE account_id = ? ORDER BY arrival DESC LIMIT 1 OFFSET ?"
            cut = self.database.read(newest, (account, kept))
            if cut:
                try:
                    self.database.write("DELETE FROM receipt WHERE account_id = ? AND arrival <= ?", (account, cut[0][0]))
                except DatabaseError as error:
                    raise OSError(str(error)) from error

    def close(self) -> None:
        """Let go of the folder."""
        with ExitStack() as opened:  # each, whatever becomes of the others
            opened.callback(self._unlock)
            opened.callback(self.keys.close)
            opened.callback(self.database.close)
            opened.callback(self._keep_filter)

    def _keep_filter(self) -> None:
        """Spare the next start the building of filters."""
        if self.readonly or not self.messages.partitions:
            return
        try:
            self.database.begin()
            for (number,) in self.database.write("SELECT number FROM message_partition WHERE bits_rows IS NOT rows"):
                self.messages.keep_filter(number)
            self.database.commit()
        except DatabaseError:
            self.database.rollback()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def last_arrival(database: Database) -> int:
    """The last place in the log that was given out, whether or not a row of the log has it."""
    found = database.load(
        "SELECT max(arrival) FROM event UNION ALL SELECT max(arrival) FROM receipt"
        " UNION ALL SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'arrival'"
    )
    return max(arrival or 0 for (arrival,) in found)


def _lock(directory: Path) -> int:
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Busy from None
    return descriptor

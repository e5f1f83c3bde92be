"""One installation's data: the database, the key store beside it, and what is held in memory of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Self

import msgspec

from goodword.core import command as c
from goodword.core.account import Account, Key, Settings
from goodword.core.block import BlockEntry, Blocks
from goodword.core.calendar import UTC_DAYS, Calendar
from goodword.core.campaign import Programs
from goodword.core.decision import Record
from goodword.core.delivery import Endpoint, Health
from goodword.core.facts import Facts
from goodword.core.fresh import Place
from goodword.core.quality import Reference
from goodword.core.reward import Supplier
from goodword.storage import dictionary, fold, moved, schema, tombstone
from goodword.storage.driver import Database, Keys, Row
from goodword.storage.keys import KeyStore, KeyStoreMissing
from goodword.storage.load import load
from goodword.storage.load_block import load_blocks
from goodword.storage.load_program import load_programs
from goodword.storage.lock import lock
from goodword.storage.rows import KEY_COLUMNS, Sealer, account_row, read_key
from goodword.storage.save import Saving

if TYPE_CHECKING:
    from goodword.storage.nodes import Nodes

DATABASE_FILE = "goodword.db"
FOLDED_AT_STOP_MIN = 20_000
"""From so many waiting entries of the indexes on a clean stop folds them all."""
DEFAULT_ACCOUNT = Account(1, "default", 0, Settings())


class Missing(Exception):
    """There is no Goodword data in this folder. Start `goodword serve` on it once, or choose another folder with --data."""


class OldKeyStore(Exception):
    """The key store is older than the data: it lacks keys that profiles were sealed with. Restore the newest `keys*` files."""


class Store:
    """Data as one process sees it. A readonly store reads beside a running server.

    With `url` the data is in PostgreSQL, the key store in the database of `keys_url` (the same, if that is None), and other
    processes write beside this one (`nodes`); the folder holds what is this node's own. Who `leaves` opens a folder that was moved."""

    database: Database
    keys: Keys
    nodes: Nodes | None = None
    read_ahead: Callable[[], None] | None = None
    """Of a file: to be called when the start is over, which would wait behind it."""

    def __init__(
        self,
        directory: Path,
        *,
        master: bytes | None = None,
        readonly: bool = False,
        keys_in: Path | None = None,
        disposable_domains: frozenset[str] = frozenset(),
        url: str | None = None,
        keys_url: str | None = None,
        leaves: bool = False,
    ) -> None:
        self.directory = directory
        self.disposable_domains = disposable_domains
        self.readonly = readonly
        self._lock = -1
        with ExitStack() as opened:  # lets go of everything again if a later step fails
            if url is None:
                if not readonly and not leaves:
                    moved.check(directory)
                self._open_files(opened, master, keys_in or directory)
            else:
                self._connect(opened, url, keys_url or url, master, keys_in or directory)
            self._prepare()
            opened.pop_all()

    def _open_files(self, opened: ExitStack, master: bytes | None, keys_folder: Path) -> None:
        from goodword.storage.sqlite import Database

        directory, readonly = self.directory, self.readonly
        path = directory / DATABASE_FILE
        if readonly:
            if not path.exists():
                raise Missing
        else:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = lock(directory)
        opened.callback(self._unlock)
        if path.exists() and path.stat().st_size > 0:
            with closing(Database(path, readonly=True)) as found:  # changes nothing of a file that is refused
                schema.check(found)
            if not (keys_folder / "keys.bin").exists():
                raise KeyStoreMissing(keys_folder / "keys.bin")
        # keys first: a crash in between leaves keys without data, which is a fresh start, not data without keys
        self.keys = KeyStore.open(keys_folder, master=master, readonly=readonly)
        opened.callback(self.keys.close)
        self.database = database = Database(path, readonly=readonly)
        opened.callback(database.close)
        if not readonly:
            schema.migrate(database)
        self.read_ahead = database.read_ahead

    def _connect(self, opened: ExitStack, url: str, keys_url: str, master: bytes | None, folder: Path) -> None:
        from goodword.storage import schema_nodes
        from goodword.storage.keytable import KeyTable
        from goodword.storage.nodes import Nodes
        from goodword.storage.postgres import Database

        database = Database(url, readonly=self.readonly)
        opened.callback(database.close)
        schema_nodes.check(database)
        if schema_nodes.is_moving(database):
            raise moved.Moving
        keys = self.keys = KeyTable.open(keys_url, master=master, folder=folder)
        opened.callback(keys.close)
        self.database, self.nodes = database, Nodes(database, keys)
        if not self.readonly:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            schema_nodes.migrate(database, self.nodes.periods)

    def _prepare(self) -> None:
        self.sealer = Sealer(self.keys)
        self.tombstones_applied = 0
        self._saved_at = 0
        self._holder = 0
        """Among nodes: the thread that holds accounts for a group; 0 when none does."""
        self.accounts: dict[int, Account] = {}
        self.accounts_by_id: dict[str, Account] = {}
        self.keys_by_id: dict[str, Key] = {}
        self.keys_by_hash: dict[bytes, Key] = {}
        self.programs: dict[int, Programs] = {}
        self.servers_since: dict[int, int] = {}
        """By account, when its servers began to say outcomes."""
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
        if not self.readonly:
            with self.transaction():
                if self.nodes is not None:
                    self.nodes.alone()
                self._bind()
        if self.nodes is None:
            self._check_numbers()
        self.load_settings()
        self._open_indexes()
        self.last_arrival = 0 if self.nodes is not None else fold.last_arrival(database)
        self._reserved: int | None = None
        self.born: set[int] = set()
        """The numbers of profiles that the group being decided made: nothing is stored of them yet."""
        self.sealer.bodies.find = lambda number: dictionary.find(self, number)
        self.learned_at = 0
        if not self.readonly:
            newest = "SELECT number, arrival, bytes FROM dictionary ORDER BY number DESC LIMIT 1"
            for number, arrival, sealed in list(self.database.load(newest)):
                self.sealer.bodies.use(number, self.sealer.open_dictionary(sealed))
                self.learned_at = arrival

    def _bind(self) -> None:
        """Bind a new database to its key store, and bring an older one up to date with it; part of the caller's transaction."""
        bound = self.kept("key_store")
        if bound is None:
            self._insert_account(DEFAULT_ACCOUNT)
            self.keep("key_store", self.keys.store_id.hex())
        elif bound != self.keys.store_id.hex():
            raise OldKeyStore
        if self.kept("tombstones") is None:
            self.keep("tombstones", "0")
        self.tombstones_applied = int(self.kept("tombstones") or 0)
        if self.tombstones_applied < self.keys.journal_len():
            self.tombstones_applied = tombstone.repeat(self)

    def _check_numbers(self) -> None:
        highest = next(iter(self.database.load("SELECT coalesce(max(id), 0) FROM profile")))[0]
        if highest > self.keys.allocated:
            self.keys.refresh()  # the server may have handed out more since a reader opened them
        if highest > self.keys.allocated:
            raise OldKeyStore

    def _open_indexes(self) -> None:
        """Among nodes nothing is folded, and nothing waits in memory: others must find it."""
        database = self.database
        folded: dict[int, dict[int, int]] = {fold.MESSAGES: {}, fold.PEOPLE: {}}
        for kind, bucket, upto in database.load("SELECT kind, bucket, upto FROM fold"):
            if kind in folded:
                folded[kind][bucket] = upto
        self.messages = fold.MessageIds(database, folded[fold.MESSAGES])
        self.people = fold.PersonEvents(database, folded[fold.PEOPLE])
        if self.nodes is None:
            if not self.readonly:
                self.messages.load_filters()
            fold.replay(database, self.messages, self.people)

    def kept(self, name: str) -> str | None:
        """A value of the installation's own."""
        found = next(iter(self.database.load("SELECT value FROM meta WHERE name = ?", (name,))), None)
        return None if found is None else str(found[0])

    def keep(self, name: str, value: str) -> None:
        """Keep a value of the installation's own; part of the caller's transaction."""
        self.database.many("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", [(name, value)])

    def load_settings(self) -> None:
        """Read anew what people configured."""
        self.load_accounts()
        load_programs(self)

    def _insert_account(self, account: Account) -> None:
        self.database.many("INSERT INTO account VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", [account_row(account)])

    def calendar(self, account: int) -> Calendar:
        """An account's days."""
        known = self.accounts.get(account)
        return known.calendar if known is not None else UTC_DAYS

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written meanwhile is committed together, or not at all."""
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
        read = msgspec.json.Decoder(Calendar).decode
        calendars = {account: read(days) for account, days in self.database.load("SELECT account_id, days FROM calendar")}
        rows = self.database.load("SELECT number, id, created_at, settings FROM account")
        self.accounts = {
            number: Account(number, id, created_at, decode(settings), calendars.get(number, UTC_DAYS))
            for number, id, created_at, settings in rows
        }
        self.accounts_by_id = {account.id: account for account in self.accounts.values()}
        keys = [read_key(row, self.sealer) for row in self.database.load(f"SELECT {KEY_COLUMNS} FROM api_key")]
        self.keys_by_id = {key.id: key for key in keys}
        self.keys_by_hash = {key.hash: key for key in keys}

    def refreshed(self, rows: Iterable[Row], person: int | None = None) -> list[Row]:
        """Rows that were read, once this process knows of every key handed out before, and destroyed, by then.

        `person`: the column of the numbers whose keys will be asked for."""
        read = list(rows)
        if self.nodes is None:
            self.keys.refresh()
        else:
            if self._holder == get_ident():  # a held account said itself whether people were deleted (`arrived`)
                self.nodes.take_keys()
            else:
                self.keys.refresh()
            if person is not None:
                self.fetch_keys(row[person] for row in read)
        return read

    def fetch_keys(self, profile_ids: Iterable[int]) -> None:
        """Have these people's keys at hand, where asking for them one by one takes a journey each."""
        if self.nodes is not None:
            self.keys.fetch(profile_ids)

    def is_behind(self) -> bool:
        """Whether a destruction of keys waits to be repeated in the database: what stood beside it was not committed."""
        return self.nodes is None and self.tombstones_applied != self.keys.journal_len()

    def logged_before(self, account: int) -> int:
        """The last place in an account's log before the group that is being decided."""
        return self.last_arrival if self.nodes is None else self.nodes.before.get(account, 0)

    def end_of_log(self, account: int) -> int:
        """The last place in an account's log."""
        return self.last_arrival if self.nodes is None else self.nodes.end_of_log(account)

    def find_messages(self, account: int, hashes: list[bytes]) -> dict[bytes, int]:
        """The arrivals of those of an account's message ids that were stored."""
        return self.messages.find(hashes) if self.nodes is None else self.nodes.find_messages(account, hashes)

    def reserve_profile_id(self) -> int:
        """The next unused profile number; the same one until it is used. Errors: OSError when the disk is full."""
        if self._reserved is None:
            self._reserved = self.keys.next_profile_id()
        return self._reserved

    def use_profile_id(self) -> None:
        """The reserved number was used."""
        if self._reserved is not None:
            self.born.add(self._reserved)
        self._reserved = None

    def load(self, commands: Sequence[c.Command], now: int) -> dict[int, Facts]:
        """What a group of commands needs to know, which is decided `now`. Among nodes, no other writes for its accounts until it is
        saved or let go."""
        self.sealer.group_hashes.clear()  # what a group that failed left behind goes too
        self.born.clear()
        if self.nodes is None:
            facts, place = load(self, commands, now), Place(self.last_arrival)
            for known in facts.values():
                known.place = place
            return facts
        self._holder = get_ident()
        self.nodes.hold(Counter(command.account for command in commands), now)
        facts = load(self, commands, now)
        has_settings, has_erased = self.nodes.arrived()
        if has_settings:
            self.load_settings()
        if has_erased:
            self.keys.refresh()
        if has_settings or has_erased:  # what was loaded by old settings, or with a key that is no more
            facts = load(self, commands, now)
        self.nodes.take_keys()
        for account, known in facts.items():
            known.place = self.nodes.places.get(account) or Place()
        return facts

    def let_go(self) -> None:
        """The group is done, or will not be."""
        if self._holder:
            self._holder = 0
            self.database.rollback()

    def save(self, decisions: Sequence[tuple[int, Sequence[Record], int]], now: int) -> None:
        """Write a group's records (account, records, place in the log) and commit: returns when they are durable. On an error nothing is
        written."""
        if self.nodes is not None and not self._holder:  # what was decided without loading
            self._holder = get_ident()
            self.nodes.hold(Counter(account for account, _, _ in decisions), now)
        saving = Saving(self)
        for account, records, arrival in decisions:
            saving.take(account, records, arrival)
        if self.nodes is None:
            self._save_folded(saving, decisions[-1][2], now)
        else:
            self._save_among(self.nodes, saving, now)
        self.born.clear()
        if saving.changes_accounts:
            self.load_accounts()
        if saving.referrals.changes_programs:
            load_programs(self)
        elif saving.referrals.changes_blocks:
            load_blocks(self)
        saving.referrals.deliveries.committed()

    def _save_among(self, nodes: Nodes, saving: Saving, now: int) -> None:
        saving.write()
        nodes.index(saving.rows)
        for number, *_ in saving.others.get("account", ()):
            nodes.add(number)
        nodes.leave(now, saving.changed_settings(), {account for account, _ in saving.erased})
        nodes.commit()
        self._holder = 0

    def _save_folded(self, saving: Saving, last: int, now: int) -> None:
        database = self.database
        self._saved_at = now
        logged = max(self.last_arrival, saving.last_logged())
        try:
            database.begin()
            self.messages.fold(self.last_arrival, now)
            self.people.fold(self.last_arrival)
            saving.write()
            if last > logged:  # a place that no row of the log remembers: ids made of it must not be given out again
                self.keep("arrival", str(last))
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

    def probe(self, now: int) -> None:
        """Write a row that means nothing, to see whether writing works. Errors: OSError, DatabaseError."""
        self.reserve_profile_id()
        with self.transaction():
            self.keep("probe", str(now))

    def background(self) -> Iterator[None]:
        """Work for idle moments, a slice a step: the filters of message ids that a crash lost; a better dictionary for bodies."""
        yield from self.messages.rebuild()
        if self.nodes is None:
            yield from dictionary.learn(self)

    def close(self) -> None:
        """Let go of the folder."""
        with ExitStack() as opened:  # each, whatever becomes of the others
            opened.callback(self._unlock)
            opened.callback(self.keys.close)
            opened.callback(self.database.close)
            if self.nodes is None and not self.readonly:
                opened.callback(self.messages.keep_filters)
                opened.callback(self._fold_all)
            if self.nodes is not None:
                if not self.readonly:
                    opened.callback(self.nodes.release)
                opened.callback(self.nodes.stop)

    def _fold_all(self) -> None:
        if self._saved_at and self.messages.waiting + self.people.waiting >= FOLDED_AT_STOP_MIN:
            fold.fold_all(self.database, self.messages, self.people, self.last_arrival, self._saved_at)

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

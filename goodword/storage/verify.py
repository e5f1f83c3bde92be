"""verify: every invariant of an installation's data, checked on one snapshot, beside a running server or without one.

Streams through the tables with bounded memory. What it reports holds numbers and keyed hashes, nothing personal.

1. The database file is sound, and every row belongs to an account.
2. A look-up key finds a profile if and only if the profile has it; no profile of a deleted person is left.
3. Every event is of a profile that has or had a key; its body opens, parses and carries its own message id.
4. Every message id is found at its own event, and every event among its person's; how far the indexes are folded makes sense.
5. What repeats points to an earlier event; claims and registrations point to events; the tally is what a recount gives.
6. Merged profiles have no document, and each finds its target in one step; memberships are what the documents say.
7. The key store is whole, and it is this database's.
8. The outbox: endpoints, deliveries and attempts belong together and can be read (verify_delivery.py).
9. Rewards: their moves, the ledger, coupons and counters agree (verify_reward.py).
10. Tallies say what the rows they come from say (verify_tally.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from goodword.core.event import FROM_BROWSER, TYPE_CODES, TYPE_NAMES
from goodword.core.message import Rejection, parse
from goodword.core.profile import Profile
from goodword.storage import fold, verify_delivery, verify_reward, verify_tally
from goodword.storage.cipher import Unreadable
from goodword.storage.driver import Row
from goodword.storage.failure import DatabaseFailure
from goodword.storage.keys import KeyStoreError
from goodword.storage.rows import split_body
from goodword.storage.sqlite import DatabaseError
from goodword.storage.store import Store

BATCH = 1_000
PROBLEMS_MAX = 1_000
Progress = Callable[[float, float, str], None]
_BODY_ERRORS = (Unreadable, KeyStoreError, msgspec.MsgspecError, ValueError)
_ACCOUNT_TABLES = (
    "api_key",
    "event",
    "person_event",
    "profile",
    "identity",
    "claim",
    "merged",
    "audience",
    "membership",
    "receipt",
    "tally",
    "erasure",
    "calendar",
    "campaign",
    "campaign_version",
    "shareable",
    "click",
    "share",
    "share_recipient",
    "journey",
    "relationship",
    "judgement",
    "ruling",
    "reward",
    "reward_transition",
    "earned",
    "spent",
    "credited",
    "referral_tally",
    "referral_month",
    "advocate_month",
    "advocate_tally",
    "reward_tally",
    "people_tally",
    "posting",
    "balance",
    "supplier",
    "coupon",
    "coupon_upload",
    "block",
    "endpoint",
    "endpoint_health",
    "delivery",
    "attempt",
    "archive",
    "expiry",
    "removed_tally",
)


def _silently(_done: float, _total: float, _remark: str) -> None:
    """No progress bar."""


def verify(store: Store, progress: Progress = _silently) -> list[str]:
    """What is wrong, a sentence each, at most PROBLEMS_MAX; empty when all is well. Errors: DatabaseError where nothing can be read."""
    problems: list[str] = []
    try:
        with store.database.snapshot():
            for problem in _Verifying(store, progress).problems():
                problems.append(problem)
                if len(problems) >= PROBLEMS_MAX:
                    problems.append(f"Stopped after {PROBLEMS_MAX} problems.")
                    break
    except (DatabaseError, DatabaseFailure) as error:
        problems.append(f"The database cannot be read any further: {error}.")
    return problems


class _Verifying:
    """One verification: reads in the transaction the caller opened."""

    def __init__(self, store: Store, progress: Progress) -> None:
        self.store, self.database, self.keys, self.progress = store, store.database, store.keys, progress
        self.accounts = {number for (number,) in self.database.load("SELECT number FROM account")}
        self.keys.refresh()
        applied = next(iter(self.database.load("SELECT value FROM meta WHERE name = 'tombstones'")), ("0",))[0]
        self._pending: set[int] = set()
        self._pending_from = int(applied)
        self._steps: list[tuple[str, Callable[[], Iterator[str]], str]] = [
            ("file", self._file, ""),
            ("accounts", self._accounts, ""),
            ("key store", self._key_store, ""),
            ("indexes", self._indexes, ""),
            ("profiles", self._profiles, "profile"),
            ("look-up keys", self._identities, "identity"),
            ("merges", self._merges, "merged"),
            ("memberships", self._memberships, "membership"),
            ("events", self._events, "event"),
            ("claims", self._claims, "claim"),
            ("deliveries", self._deliveries, ""),
            ("rewards", self._rewards, ""),
            ("tallies", self._tallies, ""),
        ]
        self._done, self._total, self._remark = 0, 0, ""

    def problems(self) -> Iterator[str]:
        """Every problem, step by step."""
        self._total = sum(self._count(table) for _, _, table in self._steps if table)
        for name, check, _ in self._steps:
            self._remark = name
            self.progress(self._done, self._total, name)
            yield from check()

    def _rewards(self) -> Iterator[str]:
        yield from verify_reward.problems(self.store, self._is_pending)

    def _tallies(self) -> Iterator[str]:
        yield from verify_tally.problems(self.store, self._is_pending)

    def _deliveries(self) -> Iterator[str]:
        yield from verify_delivery.problems(self.store, self._is_pending)

    def _count(self, table: str) -> int:
        return int(next(iter(self.database.load(f"SELECT count(*) FROM {table}")))[0])

    def _batches(self, sql: str) -> Iterator[list[Row]]:
        """The rows of a statement, some at a time. The cursor stays in the snapshot."""
        rows: list[Row] = []
        for row in self.database.stream(sql):
            rows.append(row)
            if len(rows) == BATCH:
                yield rows
                self._step(rows)
                rows = []
        if rows:
            yield rows
            self._step(rows)

    def _step(self, rows: list[Row]) -> None:
        self._done += len(rows)
        self.progress(self._done, self._total, self._remark)

    def _file(self) -> Iterator[str]:
        yield from (f"The database file is damaged: {said}." for said in self.database.damages())

    def _accounts(self) -> Iterator[str]:
        for table in _ACCOUNT_TABLES:
            sql = f"SELECT DISTINCT account_id FROM {table} WHERE account_id NOT IN (SELECT number FROM account) LIMIT 20"
            for (account,) in self.database.load(sql):
                yield f"{table}: rows of account {account}, which does not exist."

    def _key_store(self) -> Iterator[str]:
        yield from (f"Key store: {problem}" for problem in self.keys.verify())
        said = next(iter(self.database.load("SELECT value FROM meta WHERE name = 'key_store'")), None)
        if said is None or said[0] != self.keys.store_id.hex():
            yield "The database belongs to another key store."

    def _indexes(self) -> Iterator[str]:
        """Watermarks; then both folded indexes as they would be after a restart, for the checks that follow."""
        self.messages, self.people = self.store.messages, self.store.people
        if self.store.nodes is not None:
            yield from self.store.nodes.periods.problems()
            return
        self.last_arrival = fold.last_arrival(self.database)
        folded: dict[int, dict[int, int]] = {fold.MESSAGES: {}, fold.PEOPLE: {}}
        for kind, bucket, upto in self.database.load("SELECT kind, bucket, upto FROM fold"):
            if kind not in folded or not 0 <= bucket < fold.BUCKETS:
                yield f"fold: there is no bucket {bucket} of kind {kind}."
                continue
            if not 0 <= upto <= self.last_arrival:
                yield f"fold: bucket {bucket} of kind {kind} says it is folded up to {upto}; the log ends at {self.last_arrival}."
            folded[kind][bucket] = upto
        self.messages = fold.MessageIds(self.database, folded[fold.MESSAGES])
        self.people = fold.PersonEvents(self.database, folded[fold.PEOPLE])
        fold.replay(self.database, self.messages, self.people)
        self.waiting = self.people.waiting_arrivals()
        self.messages.forget_filters()  # every id is looked for in the tables themselves
        for number, rows in self.messages.partitions.items():
            if (count := self._count(f"message_{number}")) > rows:
                yield f"message_{number} has {count} rows; {rows} are on record."

    def _found(self, account: int, hashes: list[bytes]) -> dict[bytes, int]:
        return self.messages.find(hashes) if self.store.nodes is None else self.store.find_messages(account, hashes)

    def _doc(self, number: int, doc: bytes) -> Profile | None:
        """A profile's document; None when its key was destroyed. Errors: those of _BODY_ERRORS."""
        key = self.keys.key(number)
        return None if key is None else self.store.sealer.open_profile(key, doc)

    def _docs(self, places: set[tuple[int, int]]) -> dict[int, tuple[int, Profile | None]]:
        """Account and document of profiles that have a row, of these places: account and number."""
        sql = "SELECT p.id, p.account_id, p.doc FROM carray(?) k CROSS JOIN profile p ON p.id = k.value AND p.account_id IN (?, ?)"
        found: dict[int, tuple[int, Profile | None]] = {}
        self.store.fetch_keys({number for _, number in places})
        for asked in {account for account, _ in places}:
            numbers = self.database.ints(sorted(number for account, number in places if account == asked))
            for number, account, doc in self.database.load(sql, (numbers, asked, asked)):
                try:
                    found[number] = (account, self._doc(number, doc))
                except _BODY_ERRORS:  # said once, in `_profiles`
                    found[number] = (account, None)
        return found

    def _is_pending(self, number: int) -> bool:
        """Whether the key store knows of a deletion that this snapshot does not: it came after, or the next start repeats it."""
        if number not in self._pending:
            self.keys.refresh()
            self._pending.update(tombstone.profile_id for tombstone in self.keys.journal(self._pending_from))
            self._pending_from = self.keys.journal_len()
        return number in self._pending

    def _profiles(self) -> Iterator[str]:
        for rows in self._batches("SELECT id, account_id, doc FROM profile ORDER BY id"):
            profiles: list[tuple[int, Profile]] = []
            self.store.fetch_keys(row[0] for row in rows)
            for number, account, doc in rows:
                try:
                    profile = self._doc(number, doc)
                except _BODY_ERRORS:
                    yield f"Profile {number}: its document cannot be opened."
                    continue
                if profile is None:
                    if self.keys.destroyed_at(number) is None:
                        yield f"Profile {number} has no key."
                    elif not self._is_pending(number):
                        yield f"Profile {number} was deleted, but its row is there."
                    continue
                if profile.id != number:
                    yield f"Profile {number}: its document says it is {profile.id}."
                profiles.append((account, profile))
            yield from self._keys_of(profiles)
            yield from self._registrations(profiles)
            yield from self._standings(profiles)

    def _keys_of(self, profiles: list[tuple[int, Profile]]) -> Iterator[str]:
        """Each key of a profile finds it."""
        digest = self.store.sealer.hash
        sql = "SELECT i.key, i.profile_id FROM carray(?) k CROSS JOIN identity i ON i.account_id = ? AND i.key = k.value"
        for account in {account for account, _ in profiles}:
            hashes = {digest(account, key): profile.id for its, profile in profiles if its == account for key in profile.keys}
            owners: dict[bytes, int] = dict(self.database.load(sql, (self.database.blobs(sorted(hashes)), account))) if hashes else {}
            for hash16, number in hashes.items():
                if owners.get(hash16) != number:
                    yield f"Profile {number} has the look-up key {hash16.hex()}, which finds {owners.get(hash16) or 'nobody'}."

    def _registrations(self, profiles: list[tuple[int, Profile]]) -> Iterator[str]:
        wanted = {profile.registration: (account, profile.id) for account, profile in profiles if profile.registration is not None}
        found = self._events_at({(account, arrival) for arrival, (account, _) in wanted.items()})
        for arrival, (account, number) in wanted.items():
            if (account, arrival) not in found:
                yield f"Profile {number} registered with event {arrival}, which does not exist."

    def _standings(self, profiles: list[tuple[int, Profile]]) -> Iterator[str]:
        """Each audience a document says a person is in has the person."""
        sql = "SELECT since FROM membership WHERE account_id = ? AND audience = ? AND profile_id = ?"
        for account, profile in profiles:
            for place, (name, member) in enumerate(profile.audiences.items()):
                rows = list(self.database.load(sql, (account, name, profile.id)))
                if bool(rows) != member.is_member or (rows and rows[0][0] != member.since):
                    yield f"Profile {profile.id}: membership of its audience {place} is not what its document says."

    def _identities(self) -> Iterator[str]:
        digest = self.store.sealer.hash
        for rows in self._batches("SELECT account_id, key, profile_id FROM identity WHERE profile_id IS NOT NULL"):
            docs = self._docs({(account, number) for account, _, number in rows})
            hashes = {
                number: {digest(account, key) for key in profile.keys} for number, (account, profile) in docs.items() if profile is not None
            }
            for account, hash16, number in rows:
                if number not in docs:
                    if self.keys.destroyed_at(number) is None:
                        yield f"The look-up key {hash16.hex()} finds profile {number}, which does not exist."
                elif docs[number][0] != account:
                    yield f"The look-up key {hash16.hex()} of account {account} finds profile {number} of account {docs[number][0]}."
                elif number in hashes and hash16 not in hashes[number]:
                    yield f"The look-up key {hash16.hex()} finds profile {number}, which does not have it."

    def _merges(self) -> Iterator[str]:
        sql = (
            "SELECT m.account_id, m.source, m.target, p.id, n.target, t.id FROM merged m"
            " LEFT JOIN profile p ON p.account_id = m.account_id AND p.id = m.source"
            " LEFT JOIN merged n ON n.account_id = m.account_id AND n.source = m.target"
            " LEFT JOIN profile t ON t.account_id = m.account_id AND t.id = m.target"
        )
        for rows in self._batches(sql):
            for _, source, target, document, next_target, target_document in rows:
                if document is not None and not self._is_pending(source):
                    yield f"Profile {source} is merged into {target}, but its row is there."
                if source == target or next_target == source:
                    yield f"Profile {source} is merged into itself, by way of {target}."
                elif next_target is not None:
                    yield f"Profile {source} is merged into {target}, which is merged into {next_target}."
                elif target_document is None and self.keys.destroyed_at(target) is None:
                    yield f"Profile {source} is merged into {target}, which does not exist."

    def _memberships(self) -> Iterator[str]:
        audiences = set(self.database.load("SELECT account_id, name FROM audience"))
        for rows in self._batches("SELECT account_id, audience, profile_id, since FROM membership"):
            docs = self._docs({(account, number) for account, _, number, _ in rows})
            for account, audience, number, _ in rows:
                if (account, audience) not in audiences:
                    yield f"membership: profile {number} is in an audience that does not exist."
                owner, profile = docs.get(number, (account, None))
                if number not in docs and self.keys.destroyed_at(number) is None:
                    yield f"membership: profile {number} does not exist."
                elif profile is not None and (owner != account or audience not in profile.audiences):
                    yield f"membership: profile {number} is in an audience that its document does not know."

    def _events_at(self, places: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of the places (account, arrival) that have an event."""
        sql = "SELECT e.account_id, e.arrival FROM carray(?) k CROSS JOIN event e ON e.arrival = k.value AND e.account_id = ?"
        found: set[tuple[int, int]] = set()
        for asked in {account for account, _ in places}:
            arrivals = self.database.ints(sorted(arrival for account, arrival in places if account == asked))
            found.update((account, arrival) for account, arrival in self.database.load(sql, (arrivals, asked)))
        return found

    def _events(self) -> Iterator[str]:
        counted: Counter[tuple[Any, ...]] = Counter()
        repeated: Counter[tuple[Any, ...]] = Counter()
        amounts: Counter[tuple[Any, ...]] = Counter()
        sql = (
            "SELECT arrival, account_id, hash, profile_id, type, name, at, received_at, duplicate_of, amount, currency, body, flags"
            " FROM event ORDER BY arrival"
        )
        total = 0
        newest = next(iter(self.database.load("SELECT received_at FROM event ORDER BY arrival DESC LIMIT 1")), (0,))[0]
        for rows in self._batches(sql):
            total += len(rows)
            yield from self._places(rows, newest)
            known = self._events_at({(row[1], row[8]) for row in rows if row[8] is not None})
            self.store.fetch_keys(row[3] for row in rows)
            for arrival, account, hash16, number, kind, name, at, _, duplicate_of, amount, currency, body, flags in rows:
                slot = (account, self.store.calendar(account).day_of(at), kind, name, currency or "")
                if duplicate_of is None:
                    counted[slot] += 1
                    amounts[slot] += amount or 0
                else:
                    repeated[slot] += 1
                    is_claimed = flags & FROM_BROWSER and duplicate_of > arrival  # a server said later whose order it is
                    if not (duplicate_of < arrival or is_claimed) or (account, duplicate_of) not in known:
                        yield f"Event {arrival} repeats event {duplicate_of}, which is not an earlier one of its account."
                yield from self._body(arrival, account, hash16, number, kind, body)
        yield from verify_tally.events(self.store, counted, repeated, amounts)
        links = self._count("person_event") + self.people.waiting
        if links != total:
            yield f"{total} events are listed {links} times among their people's."

    def _places(self, rows: list[Row], newest: int) -> Iterator[str]:
        """Each event is found by its message id, and among its person's."""
        accounts, nodes = {row[1] for row in rows}, self.store.nodes
        found = {account: self._found(account, [row[2] for row in rows if row[1] == account]) for account in accounts}
        for row in rows:
            place = found[row[1]].get(row[2])
            is_remembered = row[7] >= newest - fold.KEPT_MS and (nodes is None or nodes.periods.remembers(row[0]))
            if place is None:
                if is_remembered:
                    yield f"Event {row[0]} is not found by its message id."
            elif place != row[0] and (is_remembered or place < row[0]):
                yield f"Event {row[0]} has the message id of event {place}."
        sql = (
            "SELECT e.account_id, e.arrival FROM carray(?) k CROSS JOIN event e ON e.arrival = k.value AND e.account_id = ?"
            " CROSS JOIN person_event p ON p.account_id = e.account_id AND p.profile_id = e.profile_id AND p.arrival = e.arrival"
        )
        linked: set[Row] = set()
        for account in accounts:
            linked.update(self.database.load(sql, (self.database.ints(sorted(row[0] for row in rows if row[1] == account)), account)))
        unlinked = [row for row in rows if (row[1], row[0]) not in linked]
        for row in unlinked:
            if row[0] not in self.waiting.get(row[3], ()):
                yield f"Event {row[0]} is not among those of profile {row[3]}."

    def _body(self, arrival: int, account: int, hash16: bytes, number: int, kind: int, sealed: bytes) -> Iterator[str]:
        try:
            key = self.keys.key(number)
            if key is None:
                if self.keys.destroyed_at(number) is None:
                    yield f"Event {arrival} is of profile {number}, which never had a key."
                return
            _, raw = split_body(self.store.sealer.open_body(key, sealed))
        except _BODY_ERRORS as error:
            yield f"Event {arrival}: its body cannot be opened ({type(error).__name__})."
            return
        if not raw:
            return
        message = parse(raw, received_at=0, fallback_id="", type_hint=TYPE_NAMES.get(kind, ""))
        if isinstance(message, Rejection):
            yield f"Event {arrival}: its body does not parse ({message.code})."
        elif TYPE_CODES.get(message.type) != kind:
            yield f"Event {arrival}: its body is of another type."
        elif message.message_id and self.store.sealer.hash(account, "m" + message.message_id) != hash16:
            yield f"Event {arrival}: its body has another message id."

    def _claims(self) -> Iterator[str]:
        for rows in self._batches("SELECT account_id, key, arrival FROM claim"):
            found = self._events_at({(account, arrival) for account, _, arrival in rows})
            for account, key, arrival in rows:
                if (account, arrival) not in found:
                    yield f"The dedup key {key.hex()} points to event {arrival}, which does not exist in its account."

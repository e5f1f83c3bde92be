"""Loads what deciding about referrals takes: in stages, a bounded number of statements each, however many commands a group has.

Who is meant (clicks, codes, coupons, shares) comes first, then the friends' journeys, then the advocates these name, and who
referred those. A stage is written as `Steps`: it asks, yields, and takes the answer, so that several are waited for together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec

from goodword.core import command as c
from goodword.core.account import CONVERSION, REGISTRATION
from goodword.core.facts import Facts, Lookup, hinted_advocates, wanted_friends, wanted_recipients
from goodword.core.profile import ProfileId
from goodword.core.referral import Click, Evidence, Journey, Shareable
from goodword.core.referral_facts import CouponUse, ReferralFacts, ReferralLookup, SharedTo
from goodword.core.reward import Reward
from goodword.core.times import FOREVER
from goodword.storage.driver import Row
from goodword.storage.load_block import reference_for
from goodword.storage.load_past import Steps, credited, earned, past, spent
from goodword.storage.load_pool import load_pools
from goodword.storage.load_surroundings import surroundings
from goodword.storage.ruling import read_rules, rules_of

if TYPE_CHECKING:
    from goodword.storage.store import Store

ANCESTORS_MAX = 4
ID_DIGITS = 19
CLICKS_WITHIN_MS = 600_000
CLICKS_COUNTED_MAX = 100
"""More clicks from one address in that time make no difference, and must not make each further one slower."""
SHARES_WITHIN_MS = 7 * 24 * 3_600_000
_journey = msgspec.json.Decoder(Journey).decode
_shareable = msgspec.json.Decoder(Shareable).decode
_evidence = msgspec.json.Decoder(Evidence).decode
_secret = msgspec.json.Decoder(dict[str, Any]).decode
REWARD = (
    "r.id, r.profile_id, r.journey_id, r.campaign_id, r.version, r.program, r.name, r.role, r.supplier_id, r.state, r.unit, r.value,"
    " r.cause, r.created_at, r.updated_at, r.other_id, r.nth, r.waiting, r.due_at, r.expires_at, r.coupon,"
    f" {rules_of('r')}, r.is_final, r.secret"
)
"""The columns that `read_reward` reads, of `reward r`."""


def read_reward(store: Store, row: Sequence[Any]) -> Reward:
    """A row of `reward` as a reward; what its recipient's key sealed is empty once the key is destroyed."""
    values, (rules, is_final, secret) = row[:-3], row[-3:]
    key = store.keys.key(values[1]) if secret else None
    opened = _secret(store.sealer.open_body(key, secret)) if key is not None else {}
    rest: dict[str, Any] = {"rules": read_rules(rules), "is_final": bool(is_final), "secret": opened}
    return Reward(*values, **rest)


def begin_referrals(store: Store, account: int, lookup: Lookup, commands: Sequence[c.Command], facts: Facts) -> Loading:
    """Learn which campaigns there are, and whom deciding about referrals is about. The owners of keys and what events claim must be loaded
    already."""
    known = facts.referrals
    known.suppliers = store.suppliers.get(account, known.suppliers)
    known.endpoints = store.endpoints.get(account, known.endpoints)
    known.health = store.health.get(account, known.health)
    known.reference = store.references.get(account, known.reference)
    programs = store.programs.get(account)
    if programs is not None:
        known.programs, known.campaigns = programs, programs.campaigns
        known.servers_since = store.servers_since.get(account, FOREVER)
    loading = Loading(store, account, facts, {key[1:] for key in lookup.keys if key[0] == "e"})
    loading.friends |= lookup.referrals.journeys
    for command in commands:
        if programs is None and type(command) is c.Receive:
            continue  # without campaigns nearly every message costs nothing here
        if command.account == account:
            loading.friends |= wanted_friends(command, facts)
            loading.hinted |= hinted_advocates(command, facts)
            loading.grants += isinstance(command, c.GrantReward)
            loading.judged += type(command) is c.Receive and command.understood.signals is not None  # whose person may be new
    return loading


def load_referrals(loading: Loading, lookup: Lookup, commands: Sequence[c.Command]) -> None:
    """Fill `facts.referrals`. Profiles that commands are about must be loaded already; adds those that are wanted too."""
    known, asked, facts = loading.known, lookup.referrals, loading.facts
    store, account, friends = loading.store, loading.account, loading.friends
    erased = {person for command in commands if command.account == account for person in wanted_recipients(command, facts)}
    grants, judged = loading.grants, loading.judged
    if not (friends or erased or grants or judged or _is_asked(asked)):
        return
    loading.named(asked)
    loading.rewards_by_id(asked.rewards | {use.reward_id for use in known.coupons.values()})
    loading.rewards_of_recipients(erased)
    loading.recipients()
    friends |= {reward.journey_id for reward in known.rewards.values() if reward.waiting == "pending"}
    advocates = asked.advocates | loading.advocates | asked.journeys | loading.hinted
    if friends or advocates or judged:
        loading.people(friends, advocates)
        loading.recipients()
    loading.owners()
    devices = {key for key in lookup.keys if key[0] == "a"}
    known.reference = reference_for(store, account, facts.profiles.values(), loading.emails, devices) or known.reference
    if friends or advocates or known.rewards or grants or judged or asked.pools or asked.pool_codes:
        load_pools(loading, asked, grants + 2 * judged)


def announced(store: Store, account: int, commands: Sequence[c.Command], facts: Facts) -> set[ProfileId]:
    """Whoever registers or converts is named in what endpoints are told, also where nothing else takes the profile's document."""
    wanted: set[ProfileId] = set()
    if not store.endpoints.get(account):
        return wanted
    for command in commands:
        if type(command) is c.Receive and command.account == account and command.understood.name in (REGISTRATION, CONVERSION):
            owners = (facts.owners.get(key) for key in command.understood.keys)
            wanted.update(owner.profile_id for owner in owners if owner is not None and owner.profile_id is not None)
    return wanted


def _is_asked(asked: ReferralLookup) -> bool:
    return any(getattr(asked, name) for name in asked.__struct_fields__)


class Loading:
    """One account's part of a group."""

    def __init__(self, store: Store, account: int, facts: Facts, emails: set[str]) -> None:
        self.store = store
        self.emails = emails
        self.account = account
        self.facts = facts
        self.known: ReferralFacts = facts.referrals
        self.advocates: set[ProfileId] = set()
        self.clicked: set[ProfileId] = set()
        self.friends: set[ProfileId] = set()
        self.hinted: set[ProfileId] = set()
        """Advocates that messages name by an id or an order of theirs."""
        self.grants = self.judged = 0
        self.now = self.known.now
        self._asked: dict[str, set[ProfileId]] = {"profile": set(), "journey": set()}

    def by_hash(self, kind: str, texts: Iterable[str]) -> dict[bytes, str]:
        """Texts by the hashes they are stored under."""
        return self.store.sealer.hashes(self.account, kind, texts)

    def read(self, sql: str, keys: Iterable[Any], *more: Any) -> list[Row]:
        """Rows joined with a list of keys: the list is `k.value`, its place the first `?`."""
        return list(self.ask(sql, keys, *more))

    def ask(self, sql: str, keys: Iterable[Any], *more: Any) -> Iterable[Row]:
        """As `read`, but not waited for before the rows are looked at."""
        ordered = sorted(keys)
        database = self.store.database
        if ordered and isinstance(ordered[0], bytes):
            array = database.blobs(ordered)
        elif ordered and isinstance(ordered[0], str):
            array = database.texts(ordered)
        else:
            array = database.ints(ordered)
        return database.load(sql, (array, *more)) if ordered else ()

    def ahead(self, wanted: set[ProfileId]) -> Steps:
        """People whom the commands say outright, and their journeys, asked for together with the profiles that are `wanted` anyway."""
        self._asked["profile"] |= wanted
        people = self.friends | self.hinted
        for _ in zip_longest(self._resolving(people - wanted), self._profiling(people), self._journeying(people)):
            yield

    def named(self, asked: ReferralLookup) -> None:
        """Clicks, codes, slots, coupons: whoever a message or a call names."""
        known, account = self.known, self.account
        for id, at, advocate, program, campaign, counted, recent, evidence in self.read(
            "SELECT x.id, x.at, x.advocate_id, x.program, x.campaign_id, x.counted, x.recent, x.evidence FROM carray(?) k"
            " CROSS JOIN click x ON x.account_id = ? AND x.id = k.value",
            asked.clicks,
            account,
        ):
            known.clicks[id] = Click(id, at, ProfileId(advocate), program, campaign, "", _evidence(evidence), bool(counted), recent)
            self.advocates.add(ProfileId(advocate))
        for share, advocate, program, campaign, at in self.read(
            "SELECT s.id, s.profile_id, s.program, s.campaign_id, s.at FROM carray(?) k"
            " CROSS JOIN share s ON s.account_id = ? AND s.id = k.value",
            {int(text) for text in asked.clicks if text.isascii() and text.isdigit() and len(text) < ID_DIGITS},
            account,
        ):
            known.sharings[str(share)] = SharedTo(share, ProfileId(advocate), program, campaign, at)
            self.advocates.add(ProfileId(advocate))
        self._shareables(asked)
        for text, use in self._coupon_uses(asked.coupons):
            known.coupons[text] = use
            self.advocates.update(number for number in (use.profile_id, use.other_id) if number is not None)
        if asked.click_ips:
            since = min(asked.click_ips.values()) - CLICKS_WITHIN_MS
            for ip, count in self.read(
                "SELECT k.value, (SELECT count(*) FROM (SELECT 1 FROM click x WHERE x.account_id = ?2 AND x.ip = k.value AND x.ip <> ''"
                " AND x.counted = 1 AND x.at > ?3 LIMIT ?4) few) FROM carray(?1) k",
                asked.click_ips,
                account,
                since,
                CLICKS_COUNTED_MAX,
            ):
                known.clicks_by_ip[ip] = count
        for number, at in asked.shares_since.items():
            rows = self.store.database.load(
                "SELECT coalesce(sum(CASE WHEN recipients > 1 THEN recipients ELSE 1 END), 0) FROM share"
                " WHERE account_id = ? AND profile_id = ? AND at > ?",
                (account, number, at - SHARES_WITHIN_MS),
            )
            known.shares[number] = next(iter(rows))[0]

    def _shareables(self, asked: ReferralLookup) -> None:
        codes = self.by_hash("k", asked.codes | asked.clicked)
        slots = {f"{profile}\0{program}\0{key}": (profile, program, key) for profile, program, key in asked.slots}
        hashed = self.by_hash("s", slots)
        rows = self.read(
            "SELECT s.code, s.profile_id, s.body FROM carray(?) k CROSS JOIN shareable s ON s.account_id = ? AND s.code = k.value",
            codes,
            self.account,
        )
        for code, number, body in self.store.refreshed(rows, 1):
            found = self._shareable(number, body)
            self.known.shareables[codes[code]] = found
            if found is not None:
                (self.advocates if codes[code] in asked.codes else self.clicked).add(found.profile_id)
        rows = self.read(
            "SELECT s.slot, s.profile_id, s.body FROM carray(?) k CROSS JOIN shareable s ON s.account_id = ? AND s.slot = k.value",
            hashed,
            self.account,
        )
        for slot, number, body in self.store.refreshed(rows, 1):
            if (found := self._shareable(number, body)) is not None:
                self.known.slots[slots[hashed[slot]]] = found
                self.advocates.add(found.profile_id)

    def _shareable(self, number: int, body: bytes) -> Shareable | None:
        key = self.store.keys.key(number) if number else None
        if key is None or not body:
            return None
        return _shareable(self.store.sealer.open_body(key, body))

    def owners(self) -> None:
        """The profiles of those whose links were clicked."""
        if self.clicked:
            self.resolve(self.clicked)
            self.profiles({self.facts.merged.get(number, number) for number in self.clicked})

    def _coupon_uses(self, coupons: set[str]) -> Iterable[tuple[str, CouponUse]]:
        hashes = self.by_hash("q", coupons)
        rows = self.read(
            "SELECT q.hash, r.id, r.profile_id, r.other_id, r.role, r.program, r.campaign_id FROM carray(?) k"
            " CROSS JOIN coupon q ON q.account_id = ?2 AND q.hash = k.value"
            " CROSS JOIN reward r ON r.account_id = ?2 AND r.id = q.reward_id",
            hashes,
            self.account,
        )
        for hash16, reward, profile, other, role, program, campaign in rows:
            yield hashes[hash16], CouponUse(reward, ProfileId(profile), other, role, program, campaign)

    def rewards_by_id(self, ids: set[int]) -> None:
        """Rewards that commands name."""
        sql = f"SELECT {REWARD} FROM carray(?) k CROSS JOIN reward r ON r.account_id = ? AND r.id = k.value"
        self._keep_rewards(self.read(sql, ids, self.account))

    def rewards_of_recipients(self, people: set[ProfileId]) -> None:
        """What people who are being deleted have not been given yet."""
        numbers = {number for person in people for number in self.numbers(person)}
        sql = (
            f"SELECT {REWARD} FROM carray(?) k CROSS JOIN reward r ON r.account_id = ? AND r.profile_id = k.value"
            " AND r.state IN ('EARNED', 'FAILED')"
        )
        self._keep_rewards(self.read(sql, numbers, self.account))

    def recipients(self) -> None:
        """The profiles of those that the loaded rewards are for."""
        numbers = {reward.profile_id for reward in self.known.rewards.values()}
        self.resolve(numbers)
        self.profiles({self.facts.merged.get(number, number) for number in numbers})

    def _keep_rewards(self, rows: Iterable[Row]) -> None:
        self.together(self._keeping(rows))

    def _keeping(self, rows: Iterable[Row]) -> Steps:
        found = self.store.refreshed(rows, 1)
        for row in found:
            self.known.keep(read_reward(self.store, row))
        moved = self.ask(
            "SELECT t.reward_id, max(t.seq) + 1 FROM carray(?) k"
            " CROSS JOIN reward_transition t ON t.account_id = ? AND t.reward_id = k.value GROUP BY t.reward_id",
            {row[0] for row in found},
            self.account,
        )
        yield
        for number, moves in moved:
            self.known.moves[number] = moves

    def people(self, friends: set[ProfileId], advocates: set[ProfileId]) -> None:
        """Journeys of friends, the advocates they name, who referred those; profiles, rewards and counters of all of them.

        Most numbers are of nobody who was merged, so what they are asked for is asked together with whether they were."""
        known = self.known
        merged = self.facts.merged
        self.together(*self.about(friends | advocates, friends | advocates))
        friends = {merged.get(number, number) for number in friends}
        self.profiles(friends | {merged.get(number, number) for number in advocates})
        everyone = {number for friend in friends for number in self.numbers(friend)}
        self.journeys(everyone)
        named = advocates | self._touched(everyone)
        self.together(self._matching_back(friends), *self.about(named - everyone, named - everyone))
        named |= {to.advocate_id for shared in known.recipients.values() for to in shared}
        asked = set(everyone)
        for _ in range(ANCESTORS_MAX):
            self.together(*self.about(named - asked, named - asked))
            named = {merged.get(number, number) for number in named} - asked
            if not named:
                break
            asked |= named
            self.profiles(named)
            self.journeys({number for advocate in named for number in self.numbers(advocate)})
            named = self._touched(named)
        asks = any(reward.rules.asks_what_was_done for document in known.programs.terms for reward in document.rewards)
        self.together(
            *surroundings(self, friends),
            past(self, friends | asked if asks else friends),
            self._rewards_of(everyone),
            *self._counters(asked),
        )

    @staticmethod
    def together(*parts: Steps) -> None:
        """Ask what all of these ask before the first answer is waited for; what they ask then likewise."""
        for _ in zip_longest(*parts):
            pass

    def about(self, numbers: set[ProfileId], travellers: set[ProfileId]) -> tuple[Steps, ...]:
        """Whether numbers became part of others; their profiles, and the journeys of some."""
        return self._resolving(numbers), self._profiling(numbers), self._journeying(travellers)

    def numbers(self, number: ProfileId) -> tuple[ProfileId, ...]:
        """A profile's number and those of all that became part of it."""
        profile = self.facts.profiles.get(number)
        return (number, *profile.sources) if profile is not None else (number,)

    def _touched(self, numbers: set[ProfileId]) -> set[ProfileId]:
        """The advocates that people's journeys name."""
        found = (self.known.journeys[number] for number in numbers if number in self.known.journeys)
        return {touch.advocate_id for journey in found for touch in journey.touches}

    def resolve(self, numbers: set[ProfileId]) -> None:
        """Learn which numbers became part of others."""
        self.together(self._resolving(numbers))

    def _resolving(self, numbers: set[ProfileId]) -> Steps:
        rows = self.ask(
            "SELECT m.source, m.target FROM carray(?) k CROSS JOIN merged m ON m.account_id = ? AND m.source = k.value",
            numbers - self.facts.merged.keys() - self.facts.profiles.keys(),
            self.account,
        )
        yield
        for source, target in rows:
            self.facts.merged[source] = target

    def profiles(self, numbers: set[ProfileId]) -> None:
        """Load those profiles that are not loaded yet."""
        self.together(self._profiling(numbers))

    def _profiling(self, numbers: set[ProfileId]) -> Steps:
        from goodword.storage.load import ask_profiles, opened_profiles

        wanted = numbers - self.facts.profiles.keys() - self._asked["profile"]
        if wanted:
            self._asked["profile"] |= wanted
            if self.store.nodes is not None:
                self.store.nodes.ask_keys(wanted)
            rows = ask_profiles(self.store, self.account, wanted)
            yield
            self.facts.profiles.update(opened_profiles(self.store, rows))

    def journeys(self, numbers: set[ProfileId]) -> None:
        """Load journeys."""
        self.together(self._journeying(numbers))

    def _journeying(self, numbers: set[ProfileId]) -> Steps:
        wanted = numbers - self._asked["journey"]
        if wanted:
            self._asked["journey"] |= wanted
            rows = self.ask(
                "SELECT j.profile_id, j.doc FROM carray(?) k CROSS JOIN journey j ON j.account_id = ? AND j.profile_id = k.value",
                wanted,
                self.account,
            )
            yield
            for number, doc in self.store.refreshed(rows, 0):
                key = self.store.keys.key(number)
                if key is not None:
                    self.known.journeys[number] = _journey(self.store.sealer.open_body(key, doc))

    def _matching_back(self, friends: set[ProfileId]) -> Steps:
        """Shares that the friends' addresses received: those of their profiles, and those their messages bring."""
        emails = {email for friend in friends if (profile := self.facts.profiles.get(friend)) for email in profile.emails}
        hashes = self.by_hash("e", emails | self.emails)
        rows = self.ask(
            "SELECT p.email, s.id, s.profile_id, s.program, s.campaign_id, s.at FROM carray(?) k"
            " CROSS JOIN share_recipient p ON p.account_id = ?2 AND p.email = k.value"
            " CROSS JOIN share s ON s.account_id = ?2 AND s.id = p.share_id",
            hashes,
            self.account,
        )
        yield
        for email, share, advocate, program, campaign, at in rows:
            to = SharedTo(share, ProfileId(advocate), program, campaign, at)
            self.known.recipients.setdefault(hashes[email], []).append(to)

    def _rewards_of(self, journeys: set[ProfileId]) -> Steps:
        sql = f"SELECT {REWARD} FROM carray(?) k CROSS JOIN reward r ON r.account_id = ? AND r.journey_id = k.value"
        rows = self.ask(sql, journeys, self.account)
        yield
        yield from self._keeping(rows)

    def _nth_rewards(self, numbers: set[ProfileId]) -> Steps:
        sql = f"SELECT {REWARD} FROM carray(?) k CROSS JOIN reward r ON r.account_id = ? AND r.profile_id = k.value AND r.nth > 0"
        rows = self.ask(sql, numbers, self.account)
        yield
        yield from self._keeping(rows)

    def _counters(self, people: set[ProfileId]) -> Iterable[Steps]:
        """What limits, Nth rules and budgets count, where any terms have such rules."""
        terms = self.known.programs.terms
        rewards = [reward for document in terms for reward in document.rewards]
        home = {number: person for person in people for number in self.numbers(person)}
        if not self.known.campaigns:
            return
        yield credited(self, home)
        if any(reward.rules.limits or reward.rules.annual_value_max or reward.rules.once == "person" for reward in rewards):
            yield earned(self, home)
        if any(reward.rules.nth or reward.rules.milestones for reward in rewards):
            yield self._nth_rewards(set(home))
        if any(document.budgets for document in terms):
            yield spent(self)

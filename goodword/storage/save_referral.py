"""Writes the rows of campaigns, referrals, rewards and deliveries: the part of `save` that begins where messages end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from operator import add
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from goodword.core.campaign import Campaign, Version
from goodword.core.decision import BlockListed, EndpointSaved, Erased, Redelivered, ServerOutcomes
from goodword.core.delivery import Announcement, Attempt, Health
from goodword.core.mailbox import normalize
from goodword.core.referral import Click, Credit, Journey, Judgement, Relationship, Share, Shareable
from goodword.core.reward import CouponMoved, CouponsAdded, CouponUpload, Earning, Given, Posting, Reward, SupplierSaved, Transition
from goodword.core.times import Millis
from goodword.storage.driver import Database
from goodword.storage.load_block import stored_value
from goodword.storage.ruling import Rulings
from goodword.storage.save_delivery import DeliverySaving
from goodword.storage.save_tally import TALLIED, TallySaving

if TYPE_CHECKING:
    from goodword.storage.store import Store

encode = msgspec.json.Encoder().encode
_OF_DELIVERIES = frozenset((Announcement, Attempt, Redelivered, Health))
Rows = list[tuple[Any, ...]]


class ReferralSaving:
    """The rows of one group. Of a journey, a reward or a link only the last state is written; counters are summed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.last: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = defaultdict(dict)
        self.rows: dict[str, Rows] = defaultdict(list)
        self.sums: dict[str, dict[tuple[Any, ...], tuple[int, ...]]] = defaultdict(dict)
        self.journeys: dict[tuple[int, int], Journey] = {}
        self.changes_programs = False
        self.changes_blocks = False
        self.changed_accounts: set[int] = set()
        self.deliveries = DeliverySaving(store)
        self.tallies = TallySaving(store)
        self.rulings = Rulings()

    def take(self, account: int, record: Any, arrival: int) -> None:
        """Add one record. `arrival` is the place in the log of the command that caused it."""
        kind = type(record)
        tally = TALLIED.get(kind)
        if tally is not None:
            tally(self.tallies, account, record)
        taken = _TAKEN.get(kind)
        if taken is not None:
            taken(self, account, record)
        elif kind in _OF_DELIVERIES:
            self.deliveries.take(account, record, arrival)
        elif tally is None:
            self._settings(account, record)

    def _key(self, profile_id: int | None) -> bytes:
        """The key that seals what is about a person, or about nobody. Errors: LookupError when the person's was destroyed."""
        store = self.store
        key = store.keys.key(profile_id) if profile_id else store.sealer.account_secret
        if key is None:
            raise LookupError(f"profile {profile_id} has no key")
        return key

    def _seal(self, profile_id: int | None, value: Any) -> bytes:
        return self.store.sealer.seal_body(self._key(profile_id), encode(value)) if value else b""

    def _journey(self, account: int, record: Journey) -> None:
        self.journeys[account, record.profile_id] = record

    def _relationship(self, account: int, record: Relationship) -> None:
        self.last["relationship"][account, record.friend_id, record.program, record.advocate_id] = (
            record.campaign, record.reason, record.at, record.updated_at, record.displaced_at, record.cause,
            self.store.sealer.hash(account, "l" + record.alike) if record.alike else None,
        )  # fmt: skip

    def _credit(self, account: int, record: Credit) -> None:
        self._add("credited", (account, record.advocate_id, record.program, record.day), record.count)

    def _click(self, account: int, record: Click) -> None:
        self.rows["click"].append((
            account, record.id, record.at, record.advocate_id, record.program, record.campaign,
            self.store.sealer.hash(account, "k" + record.code.casefold()), int(record.is_counted), record.recent, record.evidence.ip,
            encode(record.evidence).decode(), record.origin,
        ))  # fmt: skip

    def _share(self, account: int, record: Share) -> None:
        self.rows["share"].append((
            account, record.id, record.profile_id, record.at, record.channel, record.program, record.campaign,
            len(record.recipients), self._seal(record.profile_id, replace(record, recipients=())), record.quality,
        ))  # fmt: skip
        found = record.recipients if record.quality == "HIGH" else ()
        digest = self.store.sealer.hash
        self.rows["share_recipient"].extend((account, digest(account, "e" + email), record.id) for email in found)

    def _shareable(self, account: int, record: Shareable) -> None:
        digest = self.store.sealer.hash
        slot = digest(account, f"s{record.profile_id}\0{record.program}\0{record.key}")
        self.last["shareable"][account, digest(account, "k" + record.code.casefold())] = (
            slot, record.profile_id, record.program, record.created_at, self._seal(record.profile_id, record),
        )  # fmt: skip

    def _transition(self, account: int, record: Transition) -> None:
        self.rows["reward_transition"].append((
            account, record.reward_id, record.seq, record.at, record.before, record.after, int(record.is_success),
            record.message, record.by, record.cause, self._seal(record.profile_id, record.detail),
        ))  # fmt: skip

    def _earning(self, account: int, record: Earning) -> None:
        place = (account, record.profile_id, record.program, record.name, record.unit, record.day)
        self._add("earned", place, record.count, record.value)
        self._add("spent", (account, record.campaign, record.unit, record.day), record.count, record.value)

    def _posting(self, account: int, record: Posting) -> None:
        self.rows["posting"].append(
            (account, record.id, record.profile_id, record.unit, record.amount, record.reward_id, record.at, record.reason)
        )
        self._add("balance", (account, record.profile_id, record.unit), record.amount)

    def _given(self, account: int, record: Given) -> None:
        self._add("given", (account, record.supplier, record.hour), record.count)

    def _add(self, table: str, place: tuple[Any, ...], *amounts: int) -> None:
        sums = self.sums[table]
        known = sums.get(place)
        sums[place] = amounts if known is None else tuple(map(add, known, amounts))

    def _reward_row(self, account: int, number: int, reward: Reward) -> tuple[Any, ...]:
        partner = reward.secret.get("partner_reward_id") or reward.secret.get("code")
        found_by = self.store.sealer.hash(account, "p" + str(partner).casefold()) if partner else None
        rules, ruling = self.rulings.columns(account, reward.rules)
        return (
            account, number, reward.profile_id, reward.journey_id, reward.other_id, reward.campaign, reward.version, reward.program,
            reward.name, reward.role, reward.supplier, reward.state, reward.unit, reward.value, reward.cause, reward.nth, reward.waiting,
            int(reward.is_final), reward.created_at, reward.updated_at, reward.due_at, reward.expires_at, reward.coupon,
            rules, self._seal(reward.profile_id, reward.secret), found_by, ruling,
        )  # fmt: skip

    def _judgement_row(self, account: int, arrival: int, campaign: str, judged: Judgement) -> tuple[Any, ...]:
        rules, ruling = self.rulings.columns(account, judged.rules)
        return (
            account, arrival, campaign, judged.version, judged.program, judged.kind, judged.friend_id, judged.advocate_id, judged.reason,
            judged.ref, judged.touch_at, judged.quality, judged.review, judged.judged_at, rules, judged.at, judged.amount,
            judged.currency, judged.origin, int(judged.is_new), ruling,
        )  # fmt: skip

    def _coupon(self, account: int, record: CouponsAdded | CouponMoved | CouponUpload) -> None:
        store = self.store
        match record:
            case CouponsAdded():
                hashed, sealed = store.sealer.hash_again, store.sealer.seal_code
                self.rows["coupon"].extend(
                    (account, number, record.supplier, record.upload_id, None, hashed(account, "q" + code.casefold()), sealed(code))
                    for number, code in enumerate(record.codes, record.first)
                )
            case CouponMoved(is_removed=True):
                self.rows["coupon_removed"].append((account, record.id))
            case CouponMoved():
                # a code that was handed out is in its reward, sealed with the recipient's key; the pool keeps its hash
                code = store.sealer.seal_code(record.code) if record.code else b""
                self.rows["coupon_moved"].append((record.reward_id, code, account, record.id))
            case CouponUpload():
                self.rows["coupon_upload"].append(
                    (account, record.id, record.supplier, record.at, record.type, record.added, record.refused, record.by)
                )

    def _settings(self, account: int, record: Any) -> None:
        self.changed_accounts.add(account)
        if isinstance(record, BlockListed):
            self._block(account, record)
            return
        self.changes_programs = True
        match record:
            case Campaign():
                self.last["campaign"][account, record.id] = (
                    record.program, record.created_at, record.updated_at, record.latest, encode(record.history).decode(),
                )  # fmt: skip
            case Version():
                self.rows["campaign_version"].append(
                    (account, record.campaign, record.number, record.at, record.author, record.note, encode(record.document).decode())
                )
            case SupplierSaved(supplier=supplier, at=at):
                self.last["supplier"][account, supplier.id] = (at, at, encode(supplier).decode())
            case EndpointSaved():
                self.deliveries.take(account, record, 0)
            case ServerOutcomes():
                self.rows["server_outcome"].append((account, record.since))
            case _:
                raise TypeError(type(record).__name__)

    def _block(self, account: int, record: BlockListed) -> None:
        """Of an entry put on and taken off in one group the last counts: rows that are put are written before rows that go."""
        self.changes_blocks = True
        entry = record.entry
        place = (account, entry.list_type, stored_value(self.store, account, entry))
        if record.is_listed:
            note = self.store.sealer.seal_secret(entry.note) or b""
            self.last["block"][place] = (entry.filter_type, note, entry.created_at)
            self.rows["unblocked"] = [row for row in self.rows["unblocked"] if row != place]
        else:
            self.last["block"].pop(place, None)
            self.rows["unblocked"].append(place)

    def erase(self, account: int, erased: Erased) -> None:
        """Everything said about deleted people goes; codes stay reserved, referrals point to a number that has nobody."""
        digest = self.store.sealer.hash
        numbers = [(account, number) for number in erased.profile_ids]
        for name in _GONE:
            self.rows[name].extend(numbers)
        self.deliveries.erase(account, erased.profile_ids)
        emails = [key for key in erased.keys if key[0] == "e"]
        self.rows["recipient_gone"].extend((account, digest(account, key)) for key in emails)
        mailboxes = dict.fromkeys(digest(account, "n" + normalize(key[1:])).hex() for key in emails)
        self.rows["note_gone"].extend((account, mailbox) for mailbox in mailboxes)
        if account in self.store.blocks:
            self.changes_blocks = True
            self.changed_accounts.add(account)
        for number in erased.profile_ids:
            self.journeys.pop((account, number), None)

    def write(self) -> None:
        """Write everything, inside the caller's transaction."""
        many = self.store.database.many
        self.tallies.write()
        if self.journeys:
            many(_JOURNEY, [(*place, self._seal(place[1], self.journeys[place])) for place in sorted(self.journeys)])
        if judged := self.tallies.judged:
            many(_JUDGEMENT, [self._judgement_row(*place, judged[place]) for place in sorted(judged)])
        if rewards := self.tallies.rewards:
            many(_REWARD, [self._reward_row(*place, rewards[place]) for place in sorted(rewards)])
        self.rulings.write(self.store.database)
        for name, sql in _LAST.items():
            if found := self.last.get(name):
                many(sql, [(*place, *found[place]) for place in sorted(found)])
        for name, sql in _SUMS.items():
            if sums := self.sums.get(name):
                many(sql, [(*place, *sums[place]) for place in sorted(sums)])
        for name, sql in _ROWS.items():
            if rows := self.rows.get(name):
                many(sql, rows)
        self.deliveries.write()


def erase_referrals(database: Database, account: int, number: int, hash16: bytes | None, at: Millis) -> None:
    """What campaigns stored of a person (or, by the hash of an address, that it was shared to), in a database that is brought up to date
    with a deletion it did not know of. What they were still to be given falls due, and is canceled when it is looked at."""
    if hash16 is not None:
        database.write(_ROWS["recipient_gone"], (account, hash16))
        return
    for name in _GONE:
        database.write(_ROWS[name], (account, number))
    database.write(
        "UPDATE reward SET expires_at = CASE WHEN expires_at < ?1 THEN expires_at ELSE ?1 END WHERE account_id = ?2 AND profile_id = ?3"
        " AND state IN ('EARNED', 'FAILED')",
        (at, account, number),
    )


def _put(table: str, keys: str, columns: str, kept: tuple[str, ...] = ()) -> str:
    names = columns.split()
    marks = ", ".join("?" * (len(keys.split()) + len(names)))
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in kept)
    listed = ", ".join((*keys.split(), *names))
    return f"INSERT INTO {table} ({listed}) VALUES ({marks}) ON CONFLICT ({', '.join(keys.split())}) DO UPDATE SET {changed}"


def _sum(table: str, keys: str, columns: str) -> str:
    names = columns.split()
    marks = ", ".join("?" * (len(keys.split()) + len(names)))
    changed = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in names)
    return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({', '.join(keys.split())}) DO UPDATE SET {changed}"


_JOURNEY = _put("journey", "account_id profile_id", "doc")
_JUDGEMENT = _put(
    "judgement",
    "account_id arrival campaign_id",
    "version program kind friend_id advocate_id reason ref touch_at quality review judged_at rules at amount currency origin is_new ruling",
)
_REWARD = _put(
    "reward",
    "account_id id",
    "profile_id journey_id other_id campaign_id version program name role supplier_id state unit value cause nth waiting is_final"
    " created_at updated_at due_at expires_at coupon rules secret partner ruling",
)
_GONE = ("journey_gone", "recipient_of_gone", "share_gone", "shareable_gone", "secret_gone", "alike_gone")
"""In this order: whom the shares were sent to is found by the shares."""
_LAST = {
    "campaign": _put("campaign", "account_id id", "program created_at updated_at latest history"),
    "supplier": _put("supplier", "account_id id", "created_at updated_at document", ("created_at",)),
    "block": _put("block", "account_id list_type value", "filter_type note created_at", ("created_at",))
    + ", created_at = CASE WHEN block.filter_type = excluded.filter_type THEN block.created_at ELSE excluded.created_at END",
    "shareable": _put("shareable", "account_id code", "slot profile_id program created_at body"),
    "relationship": _put(
        "relationship", "account_id friend_id program advocate_id", "campaign_id reason at updated_at displaced_at cause alike"
    ),
}
_SUMS = {
    "credited": _sum("credited", "account_id advocate_id program day", "count"),
    "earned": _sum("earned", "account_id profile_id program name unit day", "count value"),
    "spent": _sum("spent", "account_id campaign_id unit day", "count value"),
    "given": _sum("given", "account_id supplier_id hour", "count"),
    "balance": _sum("balance", "account_id profile_id unit", "amount"),
}
_ROWS = {
    "server_outcome": "INSERT INTO server_outcome VALUES (?, ?) ON CONFLICT DO NOTHING",
    "campaign_version": "INSERT INTO campaign_version VALUES (?,?,?,?,?,?,?)",
    "click": "INSERT INTO click VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "share": "INSERT INTO share VALUES (?,?,?,?,?,?,?,?,?,?)",
    "share_recipient": "INSERT INTO share_recipient VALUES (?,?,?) ON CONFLICT DO NOTHING",
    "reward_transition": "INSERT INTO reward_transition VALUES (?,?,?,?,?,?,?,?,?,?,?)",
    "posting": "INSERT INTO posting VALUES (?,?,?,?,?,?,?,?)",
    "coupon": "INSERT INTO coupon VALUES (?,?,?,?,?,?,?)",
    "coupon_moved": "UPDATE coupon SET reward_id = ?, code = ? WHERE account_id = ? AND id = ?",
    "coupon_removed": "DELETE FROM coupon WHERE account_id = ? AND id = ? AND reward_id IS NULL",
    "coupon_upload": "INSERT INTO coupon_upload VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (account_id, id)"
    " DO UPDATE SET added = coupon_upload.added + excluded.added, refused = coupon_upload.refused + excluded.refused",
    "unblocked": "DELETE FROM block WHERE account_id = ? AND list_type = ? AND value = ?",
    "note_gone": "UPDATE block SET note = x'' WHERE account_id = ? AND list_type = 'NORMALIZED_EMAIL' AND value = ?",
    "alike_gone": "UPDATE relationship SET alike = NULL WHERE account_id = ? AND friend_id = ?",
    "journey_gone": "DELETE FROM journey WHERE account_id = ? AND profile_id = ?",
    "recipient_of_gone": "DELETE FROM share_recipient WHERE account_id = ?1 AND share_id IN"
    " (SELECT id FROM share WHERE account_id = ?1 AND profile_id = ?2)",
    "share_gone": "DELETE FROM share WHERE account_id = ? AND profile_id = ?",
    "recipient_gone": "DELETE FROM share_recipient WHERE account_id = ? AND email = ?",
    "shareable_gone": "UPDATE shareable SET slot = NULL, profile_id = 0, body = x'' WHERE account_id = ? AND profile_id = ?",
    "secret_gone": "UPDATE reward SET secret = x'' WHERE account_id = ? AND profile_id = ?",
}
_TAKEN: dict[type, Callable[[ReferralSaving, int, Any], None]] = {
    Journey: ReferralSaving._journey,
    Relationship: ReferralSaving._relationship,
    Credit: ReferralSaving._credit,
    Click: ReferralSaving._click,
    Share: ReferralSaving._share,
    Shareable: ReferralSaving._shareable,
    Transition: ReferralSaving._transition,
    Earning: ReferralSaving._earning,
    Posting: ReferralSaving._posting,
    Given: ReferralSaving._given,
    CouponsAdded: ReferralSaving._coupon,
    CouponMoved: ReferralSaving._coupon,
    CouponUpload: ReferralSaving._coupon,
}
"""How a record becomes rows. Rewards and judgements become rows at the end, of their last state, which the tallies hold."""

"""What deciding about referrals takes: the account's campaigns, and what was loaded for a group's commands, laid over as it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from goodword.core.campaign import Campaign, Programs
from goodword.core.decision import BlockListed, EndpointSaved
from goodword.core.delivery import Endpoint, Health
from goodword.core.profile import ProfileId
from goodword.core.quality import Reference
from goodword.core.referral import Click, Credit, Journey, Relationship, Share, Shareable, Step
from goodword.core.reward import BUILT_IN, CouponMoved, CouponsAdded, Earning, Given, Reward, Supplier, SupplierSaved, Transition
from goodword.core.times import FOREVER, Millis


class ReferralLookup(Struct):
    """What commands ask for by name. Codes and coupons in any case; `journeys` are friends known by number."""

    clicks: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    clicked: set[str] = field(default_factory=set)
    """Codes that were clicked: of their owners nothing is wanted but the profile."""
    slots: set[tuple[ProfileId, str, str]] = field(default_factory=set)
    coupons: set[str] = field(default_factory=set)
    recipients: set[str] = field(default_factory=set)
    rewards: set[int] = field(default_factory=set)
    journeys: set[ProfileId] = field(default_factory=set)
    advocates: set[ProfileId] = field(default_factory=set)
    pools: dict[str, int] = field(default_factory=dict)
    """How many free coupons of which supplier."""
    pool_codes: dict[str, set[str]] = field(default_factory=dict)
    """Codes to look for in a supplier's pool."""
    shares_since: dict[ProfileId, Millis] = field(default_factory=dict)
    click_ips: dict[str, Millis] = field(default_factory=dict)
    """Addresses (hashed) whose clicks since a time are counted."""


class SharedTo(Struct, frozen=True):
    """A share that an address received."""

    share_id: int
    advocate_id: ProfileId
    program: str
    campaign: str
    at: Millis


class CouponUse(Struct, frozen=True):
    """A coupon that was handed out: for which reward, to whom, and who is on the other side of that referral."""

    reward_id: int
    profile_id: ProfileId
    other_id: ProfileId | None
    role: str
    program: str
    campaign: str


class ReferralFacts(Struct):
    """What is known of an account's referrals while a group is decided."""

    programs: Programs = field(default_factory=Programs)
    reference: Reference = field(default_factory=Reference)
    suppliers: dict[str, Supplier] = field(default_factory=lambda: dict(BUILT_IN))
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    health: dict[str, Health] = field(default_factory=dict)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    clicks: dict[str, Click] = field(default_factory=dict)
    shareables: dict[str, Shareable | None] = field(default_factory=dict)
    """By code, casefolded; None where a deleted person's code is reserved."""
    slots: dict[tuple[ProfileId, str, str], Shareable] = field(default_factory=dict)
    coupons: dict[str, CouponUse] = field(default_factory=dict)
    sharings: dict[str, SharedTo] = field(default_factory=dict)
    """Acts of sharing that a message names by their id."""
    recipients: dict[str, list[SharedTo]] = field(default_factory=dict)
    journeys: dict[ProfileId, Journey] = field(default_factory=dict)
    histories: dict[ProfileId, tuple[Step, ...]] = field(default_factory=dict)
    """Listened events of people who have no journey yet, from the log; of advocates where a reward asks what they did."""
    rewards: dict[int, Reward] = field(default_factory=dict)
    moves: dict[int, int] = field(default_factory=dict)
    """Transitions a loaded reward has so far."""
    credited: dict[tuple[ProfileId, str], dict[int, int]] = field(default_factory=dict)
    earned: dict[ProfileId, list[Earning]] = field(default_factory=dict)
    spent: dict[tuple[str, str], dict[int, tuple[int, int]]] = field(default_factory=dict)
    """By campaign and unit: what was given out a day, as count and value."""
    free: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Free coupons of a pool, in order: number and code. As many as the group should need."""
    stock: dict[str, int] = field(default_factory=dict)
    """How many coupons a pool has free, counted up to a number that makes no difference."""
    given: dict[str, dict[int, int]] = field(default_factory=dict)
    """What suppliers with a limit fulfilled, by hour, since the day began."""
    pool_codes: dict[str, dict[str, tuple[int, int | None]]] = field(default_factory=dict)
    """Codes that a pool has: number, and the reward each was handed out for."""
    shares: dict[ProfileId, int] = field(default_factory=dict)
    alike: dict[tuple[ProfileId, str], set[ProfileId]] = field(default_factory=dict)
    """By advocate and likeness (`likeness.token_of`): the friends whose address looks so."""
    browsers_by_ip: dict[str, int] = field(default_factory=dict)
    servers_since: Millis = FOREVER
    """When servers of the account began to say outcomes: one that only a browser said stands out from then on."""
    now: Millis = 0
    """When the group is decided: what counts a period counts up to here."""
    clicks_by_ip: dict[str, int] = field(default_factory=dict)

    earned_by: dict[ProfileId, dict[int, Reward]] = field(default_factory=dict)
    """Of `rewards`, those that a person's events earned, for whomever."""
    bonuses: dict[ProfileId, dict[int, Reward]] = field(default_factory=dict)
    """Of `rewards`, an advocate's Nth ones."""
    laid: dict[int, Any] = field(default_factory=dict)
    """Records that were laid over already, by identity: whoever decides something may lay it over before the engine does. They
    are held here, so that no other record comes to have the identity of one that is gone."""

    def lay(self, record: Any) -> None:
        """Lay one record over what was loaded; a second time changes nothing."""
        lay = _LAID.get(type(record))
        if lay is None or id(record) in self.laid:
            return
        self.laid[id(record)] = record
        lay(self, record)

    def _lay_journey(self, record: Journey) -> None:
        self.journeys[record.profile_id] = record

    def _relate(self, record: Relationship) -> None:
        if record.alike:
            self.alike.setdefault((record.advocate_id, record.alike), set()).add(record.friend_id)

    def _credit(self, record: Credit) -> None:
        days = self.credited.setdefault((record.advocate_id, record.program), {})
        days[record.day] = days.get(record.day, 0) + record.count

    def _move(self, record: Transition) -> None:
        self.moves[record.reward_id] = record.seq + 1

    def _give(self, record: Given) -> None:
        hours = self.given.setdefault(record.supplier, {})
        hours[record.hour] = hours.get(record.hour, 0) + record.count

    def _add_coupons(self, record: CouponsAdded) -> None:
        held = self.pool_codes.setdefault(record.supplier, {})
        held.update((code.casefold(), (number, None)) for number, code in enumerate(record.codes, record.first))

    def _lay_campaign(self, record: Campaign) -> None:
        self.campaigns = {**self.campaigns, record.id: record}
        self.programs = Programs.of(self.campaigns)

    def _lay_supplier(self, record: SupplierSaved) -> None:
        self.suppliers = {**self.suppliers, record.supplier.id: record.supplier}

    def _block(self, record: BlockListed) -> None:
        self.reference = self.reference.with_entry(record.entry, record.is_listed)

    def _lay_endpoint(self, record: EndpointSaved) -> None:
        kept = {id: each for id, each in self.endpoints.items() if id != record.endpoint.id}
        self.endpoints = kept if record.is_deleted else {**kept, record.endpoint.id: record.endpoint}

    def _lay_health(self, record: Health) -> None:
        self.health = {**self.health, record.endpoint: record}

    def _lay_shareable(self, record: Shareable) -> None:
        self.shareables[record.code.casefold()] = record
        self.slots = {slot: link for slot, link in self.slots.items() if link.code != record.code}
        self.slots[record.profile_id, record.program, record.key] = record

    def _click(self, record: Click) -> None:
        self.clicks[record.id] = record
        if record.evidence.ip in self.clicks_by_ip:
            self.clicks_by_ip[record.evidence.ip] += 1

    def keep(self, reward: Reward) -> None:
        """Know a reward: by its number, by whose event earned it, and, one for an Nth friend, by whose it is."""
        self.rewards[reward.id] = reward
        self.earned_by.setdefault(reward.journey_id, {})[reward.id] = reward
        if reward.nth:
            self.bonuses.setdefault(reward.profile_id, {})[reward.id] = reward

    def _earn(self, record: Earning) -> None:
        self.earned.setdefault(record.profile_id, []).append(record)
        days = self.spent.setdefault((record.campaign, record.unit), {})
        count, value = days.get(record.day, (0, 0))
        days[record.day] = (count + record.count, value + record.value)

    def _move_coupon(self, record: CouponMoved) -> None:
        """Laying the same move again changes nothing: what hands coupons out lays it at once, the group lays it after."""
        free = self.free.get(record.supplier, [])
        rest = [entry for entry in free if entry[0] != record.id]
        stock = self.stock.get(record.supplier, len(free)) + len(rest) - len(free)
        if record.reward_id is None and not record.is_removed:
            rest.append((record.id, record.code))
            stock += 1
        self.free[record.supplier], self.stock[record.supplier] = rest, stock
        codes = self.pool_codes.get(record.supplier, {})
        code = next((code for code, held in codes.items() if held[0] == record.id), None)
        if code is not None and record.is_removed:
            del codes[code]
        elif code is not None:
            codes[code] = (record.id, record.reward_id)

    def _share(self, record: Share) -> None:
        self.shares[record.profile_id] = self.shares.get(record.profile_id, 0) + max(1, len(record.recipients))
        for email in record.recipients if record.quality == "HIGH" else ():
            to = SharedTo(record.id, record.profile_id, record.program, record.campaign, record.at)
            self.recipients.setdefault(email, []).append(to)


_LAID: dict[type, Callable[[ReferralFacts, Any], None]] = {
    Journey: ReferralFacts._lay_journey,
    Relationship: ReferralFacts._relate,
    Reward: ReferralFacts.keep,
    Credit: ReferralFacts._credit,
    Earning: ReferralFacts._earn,
    Transition: ReferralFacts._move,
    CouponMoved: ReferralFacts._move_coupon,
    Given: ReferralFacts._give,
    CouponsAdded: ReferralFacts._add_coupons,
    Campaign: ReferralFacts._lay_campaign,
    SupplierSaved: ReferralFacts._lay_supplier,
    BlockListed: ReferralFacts._block,
    EndpointSaved: ReferralFacts._lay_endpoint,
    Health: ReferralFacts._lay_health,
    Shareable: ReferralFacts._lay_shareable,
    Click: ReferralFacts._click,
    Share: ReferralFacts._share,
}
"""How a record changes what is known. Whatever is not here changes nothing that a later command of the group asks for."""

"""Writes the tallies (`core.tally`): what the rows of a group add to them and take off, coalesced to one change a count.

What a judgement or a reward counted for before is read from its row, as it stands before the group's own is written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import add
from typing import TYPE_CHECKING, Any, TypeVar

from goodword.core.calendar import Calendar
from goodword.core.decision import Counted
from goodword.core.fresh import IDS_PER_COMMAND
from goodword.core.period import start_of
from goodword.core.presence import Days, sums
from goodword.core.referral import Click, Credit, Judgement, Share, Shareable
from goodword.core.reward import Reward, Transition
from goodword.core.tally import (
    Advocacy,
    AdvocateSlot,
    ReferralSlot,
    RewardSlot,
    of_click,
    of_credited,
    of_judgement,
    of_move,
    of_reward,
    of_share,
)
from goodword.core.times import Millis

if TYPE_CHECKING:
    from goodword.storage.store import Store

Place = TypeVar("Place", bound=Hashable)
_COUNTED = ("at", "amount", "currency", "origin", "is_new")
_JUDGEMENT = (
    "j.arrival, j.campaign_id, j.version, j.program, j.kind, j.friend_id, j.advocate_id, j.reason, j.ref, j.touch_at, j.quality, j.review,"
    f" j.judged_at, {', '.join('j.' + name for name in _COUNTED)}"
)
_REWARD = "r.id, r.created_at, r.campaign_id, r.supplier_id, r.role, r.state, r.unit, r.value"


class TallySaving:
    """The changes of one group, by account and slot."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.referrals: dict[tuple[int, ReferralSlot], tuple[int, ...]] = {}
        self.advocates: dict[tuple[int, AdvocateSlot], tuple[int, ...]] = {}
        self.given: dict[tuple[int, RewardSlot], tuple[int, ...]] = {}
        self.people: dict[int, dict[Days, int]] = {}
        self.judged: dict[tuple[int, int, str], Judgement] = {}
        self.rewards: dict[tuple[int, int], Reward] = {}
        self.links: dict[tuple[int, str], AdvocateSlot] = {}

    def _calendar(self, account: int) -> Calendar:
        return self.store.calendar(account)

    def _day(self, account: int, at: Millis) -> int:
        return self.store.calendar(account).day_of(at)

    def _judged(self, account: int, record: Judgement) -> None:
        self.judged[account, record.arrival, record.campaign] = record

    def _given(self, account: int, record: Reward) -> None:
        self.rewards[account, record.id] = record

    def _moved(self, account: int, record: Transition) -> None:
        moved = of_move(record, self.rewards[account, record.reward_id], self._calendar(account))
        if moved is not None:
            self._reward(account, moved, 0, 0, 1)

    def _clicked(self, account: int, record: Click) -> None:
        self._referral(account, of_click(record, self._calendar(account)), 1, 0)
        if record.is_counted:
            self._advocate(account, AdvocateSlot(self._day(account, record.at), record.advocate_id, ""), Advocacy(clicks=1))

    def _shared(self, account: int, record: Share) -> None:
        slot, count = of_share(record, self._calendar(account))
        self._referral(account, slot, count, 0)
        self._advocate(account, AdvocateSlot(slot.day, record.profile_id, ""), Advocacy(shares=count))

    def _linked(self, account: int, record: Shareable) -> None:
        if record.created_at == record.updated_at:
            self.links[account, record.code.casefold()] = AdvocateSlot(self._day(account, record.created_at), record.profile_id, "")

    def _credited(self, account: int, record: Credit) -> None:
        self._advocate(account, AdvocateSlot(record.day, record.advocate_id, ""), Advocacy(friends=record.count))

    def _counted(self, account: int, record: Counted) -> None:
        people = self.people.setdefault(account, {})
        people[record.days] = people.get(record.days, 0) + record.count

    def _referral(self, account: int, slot: ReferralSlot, count: int, amount: int) -> None:
        _add(self.referrals, (account, slot), (count, amount))

    def _advocate(self, account: int, slot: AdvocateSlot, added: tuple[int, ...]) -> None:
        _add(self.advocates, (account, slot), added)

    def _reward(self, account: int, slot: RewardSlot, *added: int) -> None:
        _add(self.given, (account, slot), added)

    def _judgement(self, account: int, judged: Judgement, sign: int) -> None:
        calendar = self._calendar(account)
        for slot, amount in of_judgement(judged, calendar):
            self._referral(account, slot, sign, sign * amount)
        credited = of_credited(judged, calendar)
        if credited is not None:
            self._advocate(account, credited[0], tuple(sign * each for each in credited[1]))

    def write(self) -> None:
        """Write every change. The rows that change must not have been written yet; inside the caller's transaction."""
        self._settle_judgements()
        self._settle_rewards()
        for (account, _), slot in self.links.items():
            self._advocate(account, slot, Advocacy(links=1))
        many = self.store.database.many
        many(_REFERRAL, [(account, *slot, *added) for (account, slot), added in sorted(self.referrals.items()) if any(added)])
        self._write_months()
        many(_ADVOCATE, [(account, *slot, *added) for (account, slot), added in sorted(self.advocates.items()) if any(added)])
        many(_GIVEN, [(account, *slot, *added) for (account, slot), added in sorted(self.given.items()) if any(added)])
        many(_PEOPLE, [(account, *place, count) for account, days in self.people.items() for place, count in sorted(sums(days).items())])

    def _write_months(self) -> None:
        """The same by month; and who was an advocate in it, which nobody ceases to be."""
        months: dict[tuple[int, ReferralSlot], tuple[int, ...]] = {}
        for (account, slot), added in self.referrals.items():
            _add(months, (account, slot._replace(day=start_of("MONTH", slot.day))), added)
        acted = {
            (account, start_of("MONTH", slot.day), slot.advocate)
            for (account, slot), (links, shares, clicks, *_) in self.advocates.items()
            if links + shares + clicks > 0
        }
        many = self.store.database.many
        many(_MONTH, [(account, *slot, *added) for (account, slot), added in sorted(months.items()) if any(added)])
        many("INSERT INTO advocate_month VALUES (?, ?, ?) ON CONFLICT DO NOTHING", sorted(acted))

    def _settle_judgements(self) -> None:
        """Take off what stood for the same events, add what stands now. Events of this group were never judged before."""
        known: dict[int, set[int]] = {}
        for account, arrival, _ in self.judged:
            if arrival <= self.store.logged_before(account):
                known.setdefault(account, set()).add(arrival)
        sql = f"SELECT {_JUDGEMENT} FROM carray(?) k CROSS JOIN judgement j ON j.account_id = ? AND j.arrival = k.value"
        for account, arrivals in known.items():
            for row in list(self.store.database.load(sql, (self.store.database.ints(sorted(arrivals)), account))):
                counted: dict[str, Any] = dict(zip(_COUNTED, row[-len(_COUNTED) :], strict=True))
                before = Judgement(*row[: -len(_COUNTED)], **counted)
                if (account, before.arrival, before.campaign) in self.judged:
                    self._judgement(account, before, -1)
        for (account, _, _), judged in self.judged.items():
            self._judgement(account, judged, 1)

    def _settle_rewards(self) -> None:
        known: dict[int, set[int]] = {}
        for account, number in self.rewards:
            if number // IDS_PER_COMMAND <= self.store.logged_before(account):
                known.setdefault(account, set()).add(number)
        sql = f"SELECT {_REWARD} FROM carray(?) k CROSS JOIN reward r ON r.account_id = ? AND r.id = k.value"
        for account, numbers in known.items():
            for _, created_at, *place, value in list(self.store.database.load(sql, (self.store.database.ints(sorted(numbers)), account))):
                self._reward(account, RewardSlot(self._day(account, created_at), *place), -1, -value, 0)
        for (account, _), reward in self.rewards.items():
            self._reward(account, of_reward(reward, self._calendar(account)), 1, reward.value, 0)


TALLIED: dict[type, Callable[[TallySaving, int, Any], None]] = {
    Judgement: TallySaving._judged,
    Reward: TallySaving._given,
    Transition: TallySaving._moved,
    Click: TallySaving._clicked,
    Share: TallySaving._shared,
    Shareable: TallySaving._linked,
    Credit: TallySaving._credited,
    Counted: TallySaving._counted,
}
"""How a record is taken; a reward comes before its moves. Of a judgement or a reward only the last state of the group counts."""


def _add(sums: dict[Place, tuple[int, ...]], place: Place, added: tuple[int, ...]) -> None:
    known = sums.get(place)
    sums[place] = added if known is None else tuple(map(add, known, added))


def _upsert(table: str, keys: str, columns: str) -> str:
    marks = ", ".join("?" * (len(keys.split()) + len(columns.split())))
    changed = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in columns.split())
    return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({', '.join(keys.split())}) DO UPDATE SET {changed}"


_REFERRAL = _upsert("referral_tally", "account_id day measure campaign_id detail origin quality unit", "count amount")
_MONTH = _upsert("referral_month", "account_id month measure campaign_id detail origin quality unit", "count amount")
_ADVOCATE = _upsert("advocate_tally", "account_id day advocate_id unit", "links shares clicks sign_ups outcomes friends amount")
_GIVEN = _upsert("reward_tally", "account_id day campaign_id supplier_id role state unit", "count value moves")
_PEOPLE = _upsert("people_tally", "account_id role period start", "count")

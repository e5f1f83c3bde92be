"""Fulfilment: a reward moves from state to state, and what each move gives, takes back and announces (domain 4.2).

What always holds, whatever the order of moves:

1. Every move is a row; the first is `"" -> EARNED`, each begins where the last ended, the last ends in the reward's state.
2. Points and credit are on the ledger exactly while their reward is FULFILLED, SENT or REDEEMED: a move into these posts the value, a
   move out of them posts it back.
3. A reward counts for limits and budgets until it is CANCELED, REVOKED or EXPIRED. One that FAILED still counts, for it is still owed.
4. A coupon is one reward's. It goes back to its pool only if the reward was canceled before anything said that it was sent.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from goodword.core.decision import Record
from goodword.core.delivery import Announcement
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.reward import (
    DAY_MS,
    GONE,
    HELD,
    LEDGER,
    TYPE_ON_THE_WIRE,
    CouponMoved,
    Earning,
    Given,
    Posting,
    Reward,
    RewardState,
    Supplier,
    Transition,
    follows,
    write_value,
)
from goodword.core.times import Millis, write_time

PLACES = 4
"""Ids a reward's moves may take of a command's own, for postings."""
SCHEMA_VERSION = 1
HOUR_MS = 3_600_000


def advance(reward: Reward, facts: Facts, now: Millis, fresh: Fresh, place: int, *, is_new: bool) -> list[Record]:
    """Fulfil an EARNED reward that nothing holds, if it can be; `is_new` also books that it was earned.

    Points and credit are posted, a coupon is handed out, a custom reward waits for the brand's own system. A reward that waits for its
    time or for a person is booked and no more. What cannot be fulfilled is a failed attempt, and the reward FAILED. Coupons and the
    count of moves are laid over `facts` at once, so that the next reward of the same command finds the next coupon.
    """
    moving = Moving(reward, facts, now, fresh, place)
    if is_new:
        moving.begin()
    if not moving.reward.waiting:
        moving.fulfil()
    return moving.done()


def withdraw(
    reward: Reward, facts: Facts, now: Millis, fresh: Fresh, place: int, message: str, *, by: str = "", is_final: bool = False
) -> list[Record]:
    """Take a reward back: CANCELED before it was fulfilled, REVOKED after. One that was used, or is gone, stays: no rows.

    A `message` of a person (`by`) is kept sealed, as it may name somebody.
    """
    after: RewardState = "CANCELED" if reward.state in ("EARNED", "FAILED") else "REVOKED"
    moving = Moving(reward, facts, now, fresh, place)
    if reward.state == "REDEEMED" or not (after == "CANCELED" or follows(moving.supplier, reward.state, after)) or reward.is_gone:
        return []
    moving.move(after, message, by=by, is_final=is_final or reward.is_final)
    return moving.done()


def nameless(announcement: Announcement) -> Announcement:
    """An announcement of a reward without whom it is about."""
    payload = {name: value for name, value in announcement.payload.items() if name not in ("person_id", "partner_user_id", "email")}
    return replace(announcement, profile_id=None, payload=payload)


class Moving:
    """The moves of one reward within one command, and their rows."""

    def __init__(self, reward: Reward, facts: Facts, now: Millis, fresh: Fresh, place: int) -> None:
        self.reward = reward
        self.facts = facts
        self.now = now
        self.fresh = fresh
        self.place = place
        self.supplier: Supplier | None = facts.referrals.suppliers.get(reward.supplier)
        self.profile = facts.profile(reward.profile_id)
        if self.profile is None:  # deleted: there is no key to seal with what may name them
            self.reward = replace(reward, secret={})
        self.records: list[Record] = []

    def done(self) -> list[Record]:
        """Every row, the reward as it came out first."""
        return [self.reward, *self.records]

    def begin(self) -> None:
        """Book that it was earned; of one given by hand, by whom and why."""
        reward, supplier = self.reward, self.supplier
        if reward.expires_at is None and supplier is not None and supplier.expires_days is not None:
            self.reward = replace(reward, expires_at=reward.created_at + supplier.expires_days * DAY_MS)
        self._step("", "EARNED", reward.secret.get("note", ""), reward.secret.get("by", ""), {}, reward.cause)
        self._count(1, reward.value)

    def move(
        self,
        after: RewardState,
        message: str,
        *,
        by: str = "",
        detail: dict[str, Any] | None = None,
        cause: int = 0,
        **changes: Any,
    ) -> None:
        """Go to the state `after`, which the caller knows may follow; `changes` are fields of the reward to set with it."""
        before = self.reward.state
        self.reward = replace(self.reward, state=after, waiting="", due_at=None, updated_at=self.now, **changes)
        if self.supplier is not None and self.supplier.type in LEDGER and (before in HELD) != (after in HELD):
            self._post(after)
        if after in GONE:
            self._count(-1, -self.reward.value)
            self._put_back()
        if after == "FULFILLED" and self.supplier is not None:
            self._watch(self.supplier)
        if after == "SENT" and self.reward.coupon is not None:
            self.reward = replace(self.reward, secret={**self.reward.secret, "is_seen": True})
        self._step(before, after, message, by, detail or {}, cause)

    def attempt(self, message: str, *, after: RewardState = "FULFILLED", by: str = "", detail: dict[str, Any] | None = None) -> None:
        """Note a try to get to `after` that failed; the state stays."""
        self._step(self.reward.state, after, message, by, detail or {}, 0, is_success=False)

    def fulfil(self) -> None:
        """Hand out what an EARNED reward promises."""
        supplier = self.supplier
        if supplier is None or not supplier.enabled:
            reason = "There is no such supplier." if supplier is None else "The supplier is switched off."
            self._fail(f"{reason} Supplier: {self.reward.supplier}.")
        elif supplier.type in LEDGER:
            self.move("FULFILLED", "Posted to the ledger.")
        elif supplier.type == "STATIC_COUPON":
            self.move("FULFILLED", "The supplier's code was given.", secret={**self.reward.secret, "code": supplier.code})
        elif supplier.type == "COUPON_POOL":
            self._hand_out(supplier)
        else:
            self.wait_for_supplier()

    def wait_for_supplier(self) -> None:
        """A custom reward is the brand's to fulfil from now on: what was held back is announced, and when it is overdue is noted."""
        days = self.supplier.overdue_days if self.supplier is not None else None
        overdue_at = self.now + days * DAY_MS if days is not None else None
        self.reward = replace(self.reward, waiting="supplier", due_at=overdue_at, updated_at=self.now)
        if self.facts.referrals.endpoints:
            self._announce("reward.earned", f"{self.reward.id}-open", "")

    def say_overdue(self) -> None:
        """The brand's own system has not fulfilled it for too long. Said once; since when it waits stays."""
        self.reward = replace(self.reward, due_at=None)
        if self.facts.referrals.endpoints:
            self._announce("reward.overdue", f"{self.reward.id}-overdue", "It waits to be fulfilled for longer than it should.")

    def _hand_out(self, supplier: Supplier) -> None:
        known = self.facts.referrals
        secret = self.reward.secret
        if self.reward.coupon is not None:  # it failed after it had been given one, which is still its own
            self.move("FULFILLED", "The coupon it had is given again.")
            return
        free = known.free.get(supplier.id, [])
        if not free and known.stock.get(supplier.id, 0) > 0:
            # the group took all that were loaded, and the pool has more: the next group continues
            self.reward = replace(self.reward, waiting="supplier", due_at=self.now, updated_at=self.now)
            return
        if not free:
            self._fail("The pool has no coupon left.")
            return
        number, code = free[0]
        self._lay(CouponMoved(number, supplier.id, self.reward.id))
        self.move("FULFILLED", "A coupon of the pool was given.", coupon=number, secret={**secret, "code": code})
        if known.stock.get(supplier.id) == supplier.low_balance:
            self._say_low(supplier, number)

    def _fail(self, message: str) -> None:
        self.attempt(message)
        self.move("FAILED", message)

    def _post(self, after: RewardState) -> None:
        reward = self.reward
        amount = reward.value if after in HELD else -reward.value
        number = self.fresh.id(self.place)
        self.place += 1
        self.records.append(Posting(number, reward.profile_id, reward.unit, amount, reward.id, self.now, after))

    def _count(self, count: int, value: int) -> None:
        """Earned, or given back, on the day it was earned: a budget of that day has room again."""
        reward = self.reward
        day = reward.created_at // DAY_MS
        self.records.append(Earning(reward.profile_id, reward.campaign, reward.program, reward.name, reward.unit, day, count, value))

    def revalue(self, value: int, unit: str) -> None:
        """The brand's system gave something else than was promised: limits and budgets count what was given."""
        if (value, unit) == (self.reward.value, self.reward.unit):
            return
        self._count(-1, -self.reward.value)
        self.reward = replace(self.reward, value=value, unit=unit)
        self._count(1, value)

    def _put_back(self) -> None:
        """Return the coupon of a canceled reward, if no one can have seen it."""
        reward = self.reward
        code = reward.secret.get("code")
        if reward.coupon is None or reward.state != "CANCELED" or reward.secret.get("is_seen") or not code:
            return
        self._lay(CouponMoved(reward.coupon, reward.supplier, None, code=code))
        self.reward = replace(reward, coupon=None, secret={key: value for key, value in reward.secret.items() if key != "code"})

    def _lay(self, record: Transition | CouponMoved | Given) -> None:
        self.records.append(record)
        self.facts.referrals.lay(record)

    def _step(
        self,
        before: RewardState | Literal[""],
        after: RewardState,
        message: str,
        by: str,
        detail: dict[str, Any],
        cause: int,
        *,
        is_success: bool = True,
    ) -> None:
        reward = self.reward
        seq = self.facts.referrals.moves.get(reward.id, 0)
        said = message
        if by and message:  # what a person wrote may name somebody: sealed with the recipient's key
            detail, said = {**detail, "message": message}, ""
        if self.profile is None:
            detail = {}
        self._lay(Transition(reward.id, reward.profile_id, seq, self.now, before, after, is_success, said, by, cause, detail))
        if not self.facts.referrals.endpoints:
            return
        if not is_success:
            if after == "FULFILLED":
                self._announce("reward.fulfillment_failed", f"{reward.id}-{seq}", message)
        elif after != "EARNED" or self.supplier is None or self.supplier.type != "CUSTOM_REWARD":
            self._announce(f"reward.{after.lower()}", f"{reward.id}-{seq}", message, detail)

    def _announce(self, event_type: str, number: str, message: str, detail: dict[str, Any] | None = None) -> None:
        """Fields of domain 7.1. A custom reward is announced as earned when it is the brand's to fulfil, not while it waits."""
        reward, supplier, profile = self.reward, self.supplier, self.profile
        event_id = f"reward-{number}"
        data: dict[str, Any] = {"reward_name": reward.name, "program": reward.program, "rewardee_role": reward.role}
        if reward.waiting:
            data["waiting"] = reward.waiting
        if reward.due_at is not None:
            data["due_at"] = write_time(reward.due_at)
        payload: dict[str, Any] = {
            "type": event_type.replace(".", "_"),
            "event_id": event_id,
            "event_time": write_time(self.now),
            "reward_id": str(reward.id),
            "reward_supplier_id": reward.supplier,
            "reward_supplier_name": supplier.name if supplier is not None else "",
            "reward_supplier_type": TYPE_ON_THE_WIRE[supplier.type] if supplier is not None else "",
            "partner_reward_supplier_id": supplier.partner_reward_supplier_id if supplier is not None else "",
            "person_id": str(profile.id if profile is not None else reward.profile_id),
            "partner_user_id": (profile.user_id if profile is not None else None) or "",
            "face_value": write_value(reward.value, reward.unit),
            "face_value_type": reward.unit,
            "state": reward.state,
            "campaign_id": reward.campaign,
            "message": message,
            "data": data,
            "schema_version": SCHEMA_VERSION,
        }
        if supplier is not None and supplier.tags:
            payload["reward_supplier_tags"] = supplier.tags
        if (partner_id := reward.secret.get("partner_reward_id") or reward.secret.get("code")) and reward.state not in GONE:
            payload["partner_reward_id"] = partner_id
        payload.update((name, value) for name, value in (detail or {}).items() if name in ("email", "partner_event_id"))
        announcement = Announcement(event_type, event_id, self.now, reward.profile_id, payload)
        self.records.append(announcement if profile is not None else nameless(announcement))

    def _watch(self, supplier: Supplier) -> None:
        """Count what a supplier with limits gives in an hour and a day, UTC, and say so once when it is more than it should be."""
        if supplier.limit_per_hour is None and supplier.limit_per_day is None:
            return
        limits = (("hour", supplier.limit_per_hour), ("day", supplier.limit_per_day))
        hour = self.now // HOUR_MS
        self._lay(Given(supplier.id, hour, 1))
        hours = self.facts.referrals.given[supplier.id]
        counts = {"hour": hours[hour], "day": sum(count for each, count in hours.items() if each // 24 == hour // 24)}
        for period, limit in limits:
            if limit is not None and counts[period] == limit + 1:
                self._say_many(supplier, period, limit, hour if period == "hour" else hour // 24)

    def _say_many(self, supplier: Supplier, period: str, limit: int, number: int) -> None:
        event_id = f"limit-{supplier.id}-{period}-{number}"
        payload = {
            "type": "supplier_limit_passed",
            "event_id": event_id,
            "event_time": write_time(self.now),
            "reward_supplier_id": supplier.id,
            "reward_supplier_name": supplier.name,
            "period": period,
            "limit": limit,
            "message": f"More than {limit} rewards were given this {period}.",
            "schema_version": SCHEMA_VERSION,
        }
        self.records.append(Announcement("supplier.limit_passed", event_id, self.now, None, payload))

    def _say_low(self, supplier: Supplier, coupon: int) -> None:
        event_id = f"low-{supplier.id}-{coupon}"
        payload = {
            "type": "supplier_low_balance",
            "event_id": event_id,
            "event_time": write_time(self.now),
            "reward_supplier_id": supplier.id,
            "reward_supplier_name": supplier.name,
            "balance": supplier.low_balance,
            "message": f"The pool has {supplier.low_balance} coupons left.",
            "schema_version": SCHEMA_VERSION,
        }
        self.records.append(Announcement("supplier.low_balance", event_id, self.now, None, payload))

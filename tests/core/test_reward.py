"""Rewards under any sequence of commands: the ledger balances, no coupon is issued twice, moves follow the map."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.coupon_file import read_rows, split_lines
from goodword.core.decide import decide
from goodword.core.decision import Outcome, Record
from goodword.core.delivery import Announcement, Endpoint
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.fulfilment import advance, withdraw
from goodword.core.profile import Block, IdentityKey, Profile, ProfileId
from goodword.core.reward import (
    DAY_MS,
    HELD,
    STATES,
    TRANSITIONS,
    CouponMoved,
    CouponsAdded,
    Earning,
    Posting,
    Reward,
    RewardState,
    Supplier,
    Transition,
    read_value,
    write_value,
)

NOW = 1_800_000_000_000
PEOPLE = (ProfileId(1), ProfileId(2), ProfileId(3))
SUPPLIERS = (
    Supplier("pool", "COUPON_POOL", low_balance=1),
    Supplier("static", "STATIC_COUPON", code="HELLO"),
    Supplier("custom", "CUSTOM_REWARD"),
    Supplier("short", "POINTS", expires_days=1),
    Supplier("lasting", "CUSTOM_REWARD", state_transitions={"EARNED": ["FULFILLED", "CANCELED"], "FULFILLED": ["SENT"]}),
)


class Shop:
    """An account with a few people, as the engine would drive it, and what it keeps."""

    def __init__(self) -> None:
        self.now, self.arrival = NOW, 0
        self.facts = Facts()
        self.facts.referrals.endpoints = {"e": Endpoint("e", "https://example.com")}
        for number in PEOPLE:
            self.facts.profiles[number] = Profile(number, NOW, keys=(IdentityKey(f"e{number}@example.com"), IdentityKey(f"uu{number}")))
        self.records: list[Record] = []
        self.said: list[Announcement] = []
        self.reward_ids: list[int] = []
        for supplier in SUPPLIERS:
            self.do(c.PutSupplier(1, supplier))

    @property
    def known(self) -> Any:
        return self.facts.referrals

    def do(self, command: c.Command) -> Outcome:
        self.arrival += 1
        decision = decide(command, self.facts, self.now, Fresh(self.arrival, ProfileId(99)))
        return self.keep(list(decision.records), decision.outcome)

    def keep(self, records: list[Record], outcome: Outcome | None = None) -> Outcome:
        self.facts.lay(records)
        for record in records:
            if isinstance(record, CouponsAdded):
                free = self.known.free.setdefault(record.supplier, [])
                free.extend(enumerate(record.codes, record.first))
                self.known.stock[record.supplier] = len(free)
            if isinstance(record, Reward) and record.id not in self.reward_ids:
                self.reward_ids.append(record.id)
            if isinstance(record, Announcement):
                self.said.append(record)
        self.records.extend(records)
        return outcome or Outcome("done")

    def of(self, kind: type) -> list[Any]:
        return [record for record in self.records if type(record) is kind]

    def reward(self, number: int) -> Reward:
        found: Reward = self.known.rewards[number]
        return found

    def grant(self, supplier: str, who: int = 1, **more: Any) -> Reward:
        said = {"value": 1000, "unit": "POINTS", **more}
        outcome = self.do(c.GrantReward(1, ProfileId(who), "ada", "sorry", supplier=supplier, **said))
        assert outcome.verdict == "done", outcome
        return self.reward(outcome.value)

    def move(self, reward: Reward, *states: Any, **more: Any) -> Outcome:
        return self.do(c.MoveReward(1, reward.id, states, **more))

    def earn(self, supplier: str, **more: Any) -> Reward:
        """A reward as the judge would make it."""
        self.arrival += 1
        fresh = Fresh(self.arrival, ProfileId(99))
        reward = Reward(
            fresh.id(0),
            PEOPLE[0],
            PEOPLE[1],
            "raf",
            1,
            "raf",
            "advocate",
            "advocate",
            supplier,
            "EARNED",
            "POINTS",
            1000,
            7,
            self.now,
            self.now,
        )
        reward = replace(reward, **more)
        self.keep(advance(reward, self.facts, self.now, fresh, 1, is_new=True))
        return self.reward(reward.id)

    def states(self, reward: Reward) -> list[tuple[str, bool]]:
        return [(move.after, move.is_success) for move in self.of(Transition) if move.reward_id == reward.id]

    def check(self) -> None:
        """What must always hold."""
        posted: Counter[int] = Counter()
        for posting in self.of(Posting):
            posted[posting.reward_id] += posting.amount
        for number in self.reward_ids:
            reward = self.reward(number)
            kind = self.known.suppliers[reward.supplier].type
            assert posted[number] == (reward.value if kind == "POINTS" and reward.state in HELD else 0)
            state: RewardState | Literal[""] = ""
            for place, move in enumerate(each for each in self.of(Transition) if each.reward_id == number):
                assert (move.seq, move.before) == (place, state)
                if move.is_success:
                    allowed = TRANSITIONS[state] if state else {"EARNED"}
                    assert move.after in allowed or state == move.after == "SENT"
                    state = move.after
            assert state == reward.state
        assert len({posting.id for posting in self.of(Posting)}) == len(self.of(Posting))
        counted: Counter[tuple[int, str]] = Counter()
        for earning in self.of(Earning):
            counted[earning.profile_id, earning.name] += earning.count
        live = Counter((self.reward(n).profile_id, self.reward(n).name) for n in self.reward_ids if not self.reward(n).is_gone)
        assert {key: count for key, count in counted.items() if count} == dict(live)
        held: dict[int, int | None] = {}
        for moved in self.of(CouponMoved):
            assert held.get(moved.id) is None or moved.reward_id is None, "a coupon was issued twice"
            held[moved.id] = moved.reward_id
        owners = {number: reward for number, reward in held.items() if reward is not None}
        assert owners == {self.reward(n).coupon: n for n in self.reward_ids if self.reward(n).coupon is not None}
        announced = [each.event_id for each in self.said]
        assert len(announced) == len(set(announced)), "announced twice"


COMMANDS = st.one_of(
    st.tuples(st.just("grant"), st.sampled_from([*(each.id for each in SUPPLIERS[:4]), "points"]), st.integers(1, 3)),
    st.tuples(st.just("move"), st.sampled_from(sorted(STATES)), st.integers(0, 8)),
    st.tuples(st.just("both"), st.just(""), st.integers(0, 8)),
    st.tuples(st.just("try"), st.sampled_from(sorted(STATES)), st.integers(0, 8)),
    st.tuples(st.just("tend"), st.just(""), st.integers(0, 8)),
    st.tuples(st.just("withdraw"), st.just(""), st.integers(0, 8)),
    st.tuples(st.just("expire"), st.just(""), st.integers(0, 8)),
    st.tuples(st.just("pending"), st.sampled_from(["points", "pool", "custom"]), st.integers(0, 3)),
    st.tuples(st.just("stock"), st.just(""), st.integers(1, 3)),
    st.tuples(st.just("remove"), st.just(""), st.integers(0, 1)),
    st.tuples(st.just("later"), st.just(""), st.integers(1, 3)),
    st.tuples(st.just("erase"), st.just(""), st.integers(1, 3)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(COMMANDS, max_size=30))
def test_ledger_coupons_and_moves_always_hold(story: list[tuple[str, Any, int]]) -> None:
    shop = Shop()
    for how, what, number in story:
        reward_id = shop.reward_ids[number % len(shop.reward_ids)] if shop.reward_ids else 0
        known = shop.known.rewards.get(reward_id)
        match how:
            case "grant" if ProfileId(number) in shop.facts.profiles:
                shop.grant(what, number)
            case "move":
                shop.do(c.MoveReward(1, reward_id, (what,), "why", "ada" if number % 2 else "", {"partner_reward_id": f"p{number}"}))
            case "both":
                shop.do(c.MoveReward(1, reward_id, ("FULFILLED", "SENT"), detail={"value": 7, "unit": "POINTS"}))
            case "try":
                shop.do(c.MoveReward(1, reward_id, (what,), is_success=False))
            case "tend":
                shop.do(c.TendReward(1, reward_id))
            case "withdraw" if known is not None:
                shop.arrival += 1
                shop.keep(withdraw(known, shop.facts, shop.now, Fresh(shop.arrival, ProfileId(99)), 0, "the order was canceled"))
            case "expire":
                shop.do(c.SetRewardExpiry(1, reward_id, shop.now + 1))
            case "pending":
                shop.earn(what, waiting="pending", due_at=shop.now + number * DAY_MS)
            case "stock":
                shop.do(c.AddCoupons(1, "pool", number, tuple(f"C{shop.arrival}-{each}" for each in range(number))))
            case "remove":
                shop.do(c.RemoveCoupons(1, "pool", 1, () if number else ("C6-0", "none")))
            case "later":
                shop.now += number * DAY_MS
            case "erase":
                shop.do(c.Erase(1, profile_id=ProfileId(number), erasure_id="x"))
            case _:
                pass
        shop.check()


def test_pending_reward_is_fulfilled_once_and_not_before_its_time() -> None:
    shop = Shop()
    reward = shop.earn("points", waiting="pending", due_at=NOW + DAY_MS)
    assert shop.states(reward) == [("EARNED", True)]
    shop.do(c.TendReward(1, reward.id))
    assert shop.reward(reward.id).state == "EARNED"
    shop.now = NOW + DAY_MS
    for _ in range(3):
        shop.do(c.TendReward(1, reward.id))
    assert shop.states(reward) == [("EARNED", True), ("FULFILLED", True)]
    assert [posting.amount for posting in shop.of(Posting)] == [1000]


def test_reward_under_review_waits_for_a_person() -> None:
    shop = Shop()
    reward = shop.earn("points", waiting="review")
    shop.do(c.TendReward(1, reward.id))
    assert shop.states(reward) == [("EARNED", True)]


@pytest.mark.parametrize("what", ["blocked", "deleted"])
def test_who_was_blocked_or_deleted_meanwhile_gets_nothing(what: str) -> None:
    shop = Shop()
    reward = shop.earn("points", waiting="pending", due_at=NOW + 1)
    if what == "blocked":
        shop.facts.profiles[PEOPLE[0]] = replace(shop.facts.profiles[PEOPLE[0]], block=Block("REWARDS", "fraud", NOW))
    else:
        del shop.facts.profiles[PEOPLE[0]]
    shop.now += 1
    shop.do(c.TendReward(1, reward.id))
    assert (shop.reward(reward.id).state, shop.reward(reward.id).is_final) == ("CANCELED", True)
    assert ("person_id" in shop.said[-1].payload) == (what == "blocked")


def test_custom_reward_is_announced_when_it_is_the_brands_to_fulfil() -> None:
    shop = Shop()
    reward = shop.earn("custom", waiting="pending", due_at=NOW + 1)
    assert shop.said == []
    assert shop.move(reward, "FULFILLED").code == "reward_state_invalid"
    shop.now += 1
    shop.do(c.TendReward(1, reward.id))
    assert [(each.event_type, each.payload["data"]["waiting"]) for each in shop.said] == [("reward.earned", "supplier")]
    shop.do(c.TendReward(1, reward.id))
    shop.move(reward, "FULFILLED", detail={"partner_reward_id": "G1"})
    shop.move(reward, "SENT", detail={"email": "1@example.com"})
    assert [each.event_type for each in shop.said] == ["reward.earned", "reward.fulfilled", "reward.sent"]
    assert shop.said[1].payload["partner_reward_id"] == "G1"
    assert shop.said[2].payload["email"] == "1@example.com"
    assert shop.said[0].payload["face_value"] == 10.0
    assert shop.said[0].payload["partner_user_id"] == "u1"


def test_a_custom_reward_that_waits_too_long_is_said_to_once_and_goes_on_waiting() -> None:
    shop = Shop()
    shop.do(c.PutSupplier(1, Supplier("slow", "CUSTOM_REWARD", overdue_days=3, tags=["gifts"])))
    reward = shop.grant("slow")
    assert (reward.waiting, reward.due_at) == ("supplier", NOW + 3 * DAY_MS)
    shop.do(c.TendReward(1, reward.id))
    assert [each.event_type for each in shop.said] == ["reward.earned"]
    shop.now += 3 * DAY_MS
    for _ in range(2):
        shop.do(c.TendReward(1, reward.id))
    late = shop.said[-1]
    assert [each.event_type for each in shop.said] == ["reward.earned", "reward.overdue"]
    assert (late.payload["state"], late.payload["reward_supplier_tags"]) == ("EARNED", ["gifts"])
    waits = shop.reward(reward.id)
    assert (waits.state, waits.waiting, waits.due_at, waits.updated_at) == ("EARNED", "supplier", None, reward.updated_at)
    shop.move(reward, "FULFILLED")
    assert shop.said[-1].event_type == "reward.fulfilled"


def test_where_nobody_listens_an_overdue_reward_is_only_marked() -> None:
    shop = Shop()
    shop.do(c.PutSupplier(1, Supplier("slow", "CUSTOM_REWARD", overdue_days=1)))
    shop.known.endpoints = {}
    reward = shop.grant("slow")
    shop.now += DAY_MS
    shop.do(c.TendReward(1, reward.id))
    assert (shop.reward(reward.id).due_at, shop.said) == (None, [])


def test_withdrawing_leaves_what_was_used_or_may_not_be_revoked() -> None:
    shop = Shop()
    used, kept = shop.grant("custom"), shop.grant("lasting")
    shop.move(used, "FULFILLED")
    shop.move(used, "REDEEMED")
    shop.move(kept, "FULFILLED")
    fresh = Fresh(999, ProfileId(99))
    for reward in (used, kept):
        assert withdraw(shop.reward(reward.id), shop.facts, NOW, fresh, 0, "canceled") == []
    waiting = shop.grant("lasting")
    shop.keep(withdraw(waiting, shop.facts, NOW, fresh, 0, "said Ada", by="ada", is_final=True))
    move = shop.of(Transition)[-1]
    assert (move.after, move.message, move.detail["message"], move.by) == ("CANCELED", "", "said Ada", "ada")
    assert withdraw(shop.reward(waiting.id), shop.facts, NOW, fresh, 0, "again") == []


def test_expiry_by_supplier_and_by_hand() -> None:
    shop = Shop()
    reward, failed, lasting = shop.grant("short"), shop.grant("pool"), shop.grant("lasting")
    assert reward.expires_at == NOW + DAY_MS
    for each in (failed, lasting):
        shop.keep([replace(shop.reward(each.id), expires_at=NOW + 1)])
    assert shop.do(c.SetRewardExpiry(1, lasting.id, NOW + 5)).code == "expired_state_unreachable"
    shop.now += DAY_MS
    for each in (reward, failed, lasting):
        shop.do(c.TendReward(1, each.id))
    assert [shop.reward(each.id).state for each in (reward, failed, lasting)] == ["EXPIRED", "CANCELED", "EARNED"]
    assert shop.reward(lasting.id).expires_at is None
    assert shop.do(c.SetRewardExpiry(1, reward.id, None)).code == "expired_reward_expiration_date_clearing_not_allowed"
    late = shop.do(c.SetRewardExpiry(1, reward.id, shop.now + 1)).code
    assert late == "future_expiration_date_not_allowed_for_expired_reward"
    assert shop.do(c.SetRewardExpiry(1, lasting.id, 1)).code == "reward_expiration_before_reward_creation_not_allowed"
    assert shop.do(c.SetRewardExpiry(1, lasting.id, None)).verdict == "done"
    assert shop.do(c.SetRewardExpiry(1, 5, None)).code == "reward_not_found"
    assert shop.do(c.TendReward(1, 5)).verdict == "done"
    shop.check()


def test_moves_of_a_reward_that_is_none_or_gone() -> None:
    shop = Shop()
    assert shop.do(c.MoveReward(1, 5, ("SENT",))).code == "reward_not_found"
    reward = shop.grant("points")
    assert shop.move(reward, "FULFILLED").verdict == "done", "it is fulfilled: said again"
    assert shop.move(reward, "FAILED").code == "reward_type_not_supported"
    shop.move(reward, "REVOKED")
    assert shop.move(reward, "SENT", is_success=False).code == "reward_illegal_state_transition"
    waiting = shop.earn("static", waiting="pending", due_at=NOW + 9)
    assert shop.move(waiting, "FULFILLED").code == "reward_type_not_supported"
    assert shop.move(waiting, "EARNED").code == "reward_in_not_retryable_state"


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("10", "POINTS", 1000), ("0.005", "USD", 1), ("7.5", "JPY", 8), ("1e3", "USD", 100_000)]
    + [(text, "USD", None) for text in ("", "x", "-1", "NaN", "1e99", None)],
)
def test_values_are_read_exactly(text: Any, unit: str, value: int | None) -> None:
    assert read_value(text, unit) == value
    if value is not None:
        assert read_value(str(write_value(value, unit)), unit) == value


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=6), st.booleans())
def test_every_row_of_any_file_is_a_code_or_named(lines: list[bytes], ends: bool) -> None:
    body = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    rows = list(read_rows(split_lines(body)))
    assert [number for number, _, _ in rows] == sorted({number for number, _, _ in rows})
    for number, code, why in rows:
        assert number >= 1
        assert why or (0 < len(code) <= 64)


def test_header_may_name_the_column() -> None:
    rows = list(read_rows([b"id,Code\n", b"1,A\n", b"2\n"]))
    assert rows == [(2, "A", ""), (3, "", "it has another number of columns than the header")]


def test_one_call_for_two_moves_may_be_repeated_and_a_reward_sent_again() -> None:
    shop = Shop()
    reward = shop.grant("custom")
    for _ in range(2):
        assert shop.move(reward, "FULFILLED", "SENT", detail={"partner_reward_id": "G", "value": 1000, "unit": "POINTS"}).verdict == "done"
    assert len(shop.states(reward)) == 3
    for _ in range(2):
        assert shop.move(reward, "SENT").verdict == "done"
    assert [state for state, _ in shop.states(reward)][2:] == ["SENT"] * 3


def test_value_the_brand_gave_counts() -> None:
    shop = Shop()
    reward = shop.grant("custom")
    shop.move(reward, "FULFILLED", detail={"value": 700, "unit": "USD"})
    assert (shop.reward(reward.id).value, shop.reward(reward.id).unit) == (700, "USD")
    counted: Counter[str] = Counter()
    for earning in shop.of(Earning):
        counted[earning.unit] += earning.value
    assert counted == {"POINTS": 0, "USD": 700}


def test_nothing_is_said_where_nobody_listens() -> None:
    shop = Shop()
    shop.known.endpoints = {}
    shop.grant("points")
    assert shop.said == []


def test_rows_that_cannot_be_read_are_named() -> None:
    assert [why for _, _, why in read_rows([b"A\n", b"\xff\n", b'"open\n'])] == ["", "it is not UTF-8", "its quotes are not closed"]
    assert list(read_rows([b"\xff\xfeA\x00\n", b"B"])) == [(1, "", "the file is UTF-16: save it as UTF-8")]

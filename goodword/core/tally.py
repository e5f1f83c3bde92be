"""Tallies: what overview and reports read. A row adds to a few counts, by the account's day, and what it added is taken off again
when it changes.

So every count is what a recount of the rows would give (`goodword verify` does it), whatever was judged anew, revoked or merged since.
Counts name nobody, and stay when a person is deleted; a tally by advocate has their number, which then finds nobody.
"""

from __future__ import annotations

from typing import NamedTuple

from goodword.core.calendar import Calendar
from goodword.core.referral import Click, Judgement, Share
from goodword.core.reward import Reward, Transition

FIRST_OUTCOME = "first_outcome"


class ReferralSlot(NamedTuple):
    """What a tally of referrals is kept by.

    `measure` is share, click, sign_up, outcome, action or first_outcome (outcomes that were a person's first). `detail` is the channel of
    a share, and why an advocate is credited with the rest. `quality`: HIGH, LOW, or REVIEW while a person is to decide.
    """

    day: int
    measure: str
    campaign: str
    detail: str
    origin: str
    quality: str
    unit: str


class AdvocateSlot(NamedTuple):
    """What a tally of advocates is kept by; `unit` is the currency of amounts, empty where there is none."""

    day: int
    advocate: int
    unit: str


class Advocacy(NamedTuple):
    """What an advocate's tally counts. A share counts each recipient, clicks are those that people seem to have made, outcomes good ones;
    `friends` are good outcomes that are their friend's first."""

    links: int = 0
    shares: int = 0
    clicks: int = 0
    sign_ups: int = 0
    outcomes: int = 0
    friends: int = 0
    amount: int = 0


class RewardSlot(NamedTuple):
    """What a tally of rewards is kept by: the day it was earned and its state now, or the day it moved and the state it came to (then
    without a unit)."""

    day: int
    campaign: str
    supplier: str
    role: str
    state: str
    unit: str


def of_judgement(judged: Judgement, calendar: Calendar) -> list[tuple[ReferralSlot, int]]:
    """Where a judged event counts one, and its amount. An event nobody is credited with is in no tally of referrals."""
    if judged.advocate_id is None or judged.quality == "NONE":
        return []
    quality = "REVIEW" if judged.review == "open" else judged.quality
    unit = judged.currency or ""
    slot = ReferralSlot(calendar.day_of(judged.at), judged.kind, judged.campaign, judged.reason, judged.origin, quality, unit)
    amount = judged.amount or 0
    return [(slot, amount), (slot._replace(measure=FIRST_OUTCOME), amount)] if judged.is_new else [(slot, amount)]


def of_credited(judged: Judgement, calendar: Calendar) -> tuple[AdvocateSlot, Advocacy] | None:
    """What a judged event adds to its advocate's tally."""
    if judged.advocate_id is None or judged.quality == "NONE":
        return None
    is_good = judged.quality == "HIGH" and judged.review != "open" and judged.kind == "outcome"
    slot = AdvocateSlot(calendar.day_of(judged.at), judged.advocate_id, (judged.currency or "") if is_good else "")
    if is_good:
        return slot, Advocacy(outcomes=1, amount=judged.amount or 0)
    return (slot, Advocacy(sign_ups=1)) if judged.kind == "sign_up" else None


def of_click(click: Click, calendar: Calendar) -> ReferralSlot:
    """Where a click counts one: LOW where no person seems to have made it."""
    return ReferralSlot(calendar.day_of(click.at), "click", click.campaign, "", click.origin, "HIGH" if click.is_counted else "LOW", "")


def of_share(share: Share, calendar: Calendar) -> tuple[ReferralSlot, int]:
    """Where an act of sharing counts, and how much: each recipient is one share."""
    slot = ReferralSlot(calendar.day_of(share.at), "share", share.campaign, share.channel, "", share.quality, "")
    return slot, max(1, len(share.recipients))


def of_reward(reward: Reward, calendar: Calendar) -> RewardSlot:
    """Where a reward counts one, and its value."""
    return RewardSlot(calendar.day_of(reward.created_at), reward.campaign, reward.supplier, reward.role, reward.state, reward.unit)


def of_move(move: Transition, reward: Reward, calendar: Calendar) -> RewardSlot | None:
    """Where a move counts one, whatever the reward was worth; None for an attempt that failed, and for what was sent again."""
    if not move.is_success or move.before == move.after:
        return None
    return RewardSlot(calendar.day_of(move.at), reward.campaign, reward.supplier, reward.role, move.after, "")

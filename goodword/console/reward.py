"""Rewards: what was earned, where each stands, and what can be done about it; budgets as gauges, pools as counts."""

from __future__ import annotations

from typing import cast

from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response

from goodword.console.listing import Chunks, Listing, as_file
from goodword.console.navigation import Entry
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.people import name_of
from goodword.console.person import STATE_KINDS
from goodword.core import command as c
from goodword.core.campaign import Programs
from goodword.core.report import REPORTS, Cell
from goodword.core.reward import BUILT_IN, STATES, RewardState, Supplier, follows
from goodword.core.times import write_time
from goodword.storage.query import person as people
from goodword.storage.query import report_list
from goodword.storage.query import reward as rewards
from goodword.storage.query.budget import used
from goodword.storage.query.moment import waiting, worth

ENTRIES = (Entry("Rewards", "/rewards", "support", "See", "r", "rewards"),)
SHOWN = 50
MOVED_AT_ONCE = 200
MOVES: dict[RewardState, tuple[str, str]] = {
    "FULFILLED": ("Mark as given", "The brand's own system gave it."),
    "SENT": ("Mark as sent", "It reached them; of one that was sent already: it was sent again."),
    "REDEEMED": ("Mark as used", "They used it."),
    "EARNED": ("Try again", "It could not be given; it is tried anew."),
    "CANCELED": ("Cancel", "It was not given yet, and will not be. A coupon goes back to its pool."),
    "REVOKED": ("Take back", "It was given, and counts no more. Points are taken off the balance."),
    "EXPIRED": ("Let it expire", "Its time is over."),
}
"""What a person may do with a reward: the state it comes to, a button's words, and what it does."""
BULK: tuple[RewardState, ...] = ("EARNED", "SENT", "CANCELED", "REVOKED")
GRAVE: tuple[RewardState, ...] = ("CANCELED", "REVOKED")
"""What is asked about before it is done to many: it cannot be undone."""


class Move(Struct, frozen=True):
    """A button of a reward's page."""

    to: RewardState
    label: str
    does: str


def suppliers_of(page: Page) -> dict[str, Supplier]:
    """The account's suppliers by id."""
    return page.store.suppliers.get(page.account) or dict(BUILT_IN)


async def index(page: Page) -> Response:
    """`GET /rewards`: newest first, by state, campaign and recipient."""
    campaigns = page.store.programs.get(page.account, Programs()).campaigns
    offset = page.number("offset", 0, 0, 1_000_000)
    found = rewards.list_of(page.store, page.account, _wanted(page), offset, SHOWN + 1)
    live = [each for each in campaigns.values() if each.state_at(page.now) in ("LIVE", "PAUSED")]
    pools = [
        (supplier, rewards.pool(page.store, page.account, supplier.id))
        for supplier in suppliers_of(page).values()
        if supplier.type == "COUPON_POOL"
    ]
    return page.render(
        "reward/index.html",
        rewards=found[:SHOWN],
        older=page.here(offset=offset + SHOWN) if len(found) > SHOWN else "",
        newer=page.here(offset=max(0, offset - SHOWN) or "") if offset else "",
        campaigns=sorted(campaigns),
        budgets=used(page.store, page.account, live, page.now),
        pools=pools,
        kinds=STATE_KINDS,
        bulk=[(to, MOVES[to][0]) for to in BULK],
        worth=worth,
        name_of=name_of,
        may_change=page.viewer.may("marketer"),
    )


def _wanted(page: Page) -> rewards.RewardFilter:
    """What the query asks for."""
    state = page.choice("state", tuple(sorted(STATES)))
    campaign = page.choice("campaign", tuple(page.store.programs.get(page.account, Programs()).campaigns))
    return rewards.RewardFilter(
        states=frozenset((cast(RewardState, state),)) if state else None, campaigns=frozenset((campaign,)) if campaign else None
    )


async def file(page: Page) -> Response:
    """`GET /rewards/file`: the columns are those of the report of rewards."""
    return await as_file(page, Listing("rewards", REPORTS["rewards"].columns, _chunks(page, _wanted(page))))


def _chunks(page: Page, wanted: rewards.RewardFilter) -> Chunks:
    while found := rewards.list_of(page.store, page.account, wanted, 0, report_list.CHUNK):
        names: dict[int, list[Cell]] = {each.reward.profile_id: report_list.names(each.reward.profile_id, each.person) for each in found}
        yield [[write_time(each.reward.created_at), *report_list.reward_cells(each.reward, names)] for each in found]
        wanted = replace(wanted, before=found[-1].reward.id)


def _found(page: Page) -> rewards.StoredReward:
    found = rewards.find(page.store, page.account, page.param("id"))
    if found is None:
        raise PageRefused(404, "There is no reward of this number.")
    return found


async def show(page: Page) -> Response:
    """`GET /rewards/{id}`: where it stands, every move, every rule, and what can be done."""
    found = _found(page)
    reward = found.reward
    other = people.find(page.store, page.account, reward.other_id) if reward.other_id is not None else None
    return page.render(
        "reward/show.html",
        found=found,
        reward=reward,
        other=other,
        history=rewards.history(page.store, page.account, reward)[::-1],
        moves=_moves(page, found) if page.viewer.may("marketer") else [],
        kinds=STATE_KINDS,
        worth=worth,
        waits=waiting(reward),
        name_of=name_of,
    )


def _moves(page: Page, found: rewards.StoredReward) -> list[Move]:
    """What may follow, the mildest first. Sending again is a move from SENT to SENT."""
    supplier = suppliers_of(page).get(found.reward.supplier)
    may = [to for to in MOVES if follows(supplier, found.reward.state, to)]
    if found.reward.state == "SENT":
        may.insert(0, "SENT")
    return [Move(to, *MOVES[to]) for to in may]


async def move(page: Page) -> Response:
    """`POST /rewards/{id}/move`."""
    found = _found(page)
    to = page.form.choice("to", tuple(MOVES))
    note = page.form.text("note", chars_max=300)
    if not page.form.is_good:
        raise PageRefused(400, "This is no move of a reward.")
    command = c.MoveReward(page.account, found.reward.id, (to,), note, page.viewer.user.name or page.viewer.user.email)
    await page.do(command, "reward.moved", str(found.reward.id), to=to)
    return page.redirect(f"/rewards/{found.reward.id}", f"It is {to.lower()} now.")


async def move_many(page: Page) -> Response:
    """`POST /rewards/move`: the same for all that are ticked; those it cannot be done to stay as they are, and are counted. What cannot be
    undone is asked about first."""
    to, note = page.form.choice("to", BULK), page.form.text("note", chars_max=300)
    numbers = [int(text) for text in page.form.many("reward") if text.isascii() and text.isdigit() and len(text) < 20]
    if not numbers or not page.form.is_good:
        return page.redirect("/rewards", "Nothing was ticked.")
    if to in GRAVE and not page.form.is_checked("is_sure"):
        return page.render("reward/sure.html", to=to, move=Move(to, *MOVES[to]), numbers=numbers[:MOVED_AT_ONCE])
    by = page.viewer.user.name or page.viewer.user.email
    done = 0
    for number in numbers[:MOVED_AT_ONCE]:
        command = c.MoveReward(page.account, number, (to,), note, by)
        done += (await page.attempt(command, "reward.moved", str(number), to=to)).verdict != "refused"
    left = len(numbers) - done
    return page.redirect("/rewards", f"{done} done." + (f" {left} stay as they are: their state does not allow it." if left else ""))


ROUTES = (
    shows("/rewards", index, "support"),
    shows("/rewards/file", file, "marketer"),
    changes("/rewards/move", move_many, "marketer"),
    shows("/rewards/{id:int}", show, "support"),
    changes("/rewards/{id:int}/move", move, "marketer"),
)

"""One person, on one page: who they are and how that became known, whom they referred and who referred them, what they got, and why."""

from __future__ import annotations

from itertools import islice
from typing import Any, Literal

from msgspec import Struct
from starlette.responses import Response

from goodword.console.graph import Graph, graph_of
from goodword.console.page import Page, PageRefused, shows
from goodword.console.people import name_of
from goodword.core.profile import Parameter, Profile
from goodword.core.referral import Shareable
from goodword.storage.query import event as events
from goodword.storage.query import person as people
from goodword.storage.query import referral as referrals
from goodword.storage.query import reward as rewards
from goodword.storage.query import why
from goodword.storage.query.history import KEY_NAMES
from goodword.storage.query.moment import Moment, worth
from goodword.storage.query.referral import RelationshipFilter
from goodword.storage.query.why import Story

EVENTS_SHOWN = 15
REWARDS_SHOWN = 20
RELATED_SHOWN = 9
"""People on the graph, on each side."""
MOMENTS_SHOWN = 40
KINDS = {"partner_user_id": "User id", "email": "E-mail", "anonymous_id": "Device"}
CHANGES = {
    "merged": "A profile became part of this one",
    "email_added": "An e-mail address was learned",
    "user_id_added": "A user id was learned",
    "conflict": "A claim on another's address: it stays with its owner",
    "device_moved": "A device moved to somebody else",
    "forwarded": "Merged by hand",
}
STATE_KINDS = {
    "EARNED": "info", "FULFILLED": "good", "SENT": "good", "REDEEMED": "good", "FAILED": "bad", "CANCELED": "", "REVOKED": "bad",
    "EXPIRED": "warn",
}  # fmt: skip
"""How each state of a reward is coloured."""
Mark = Literal["", "good", "bad"]


class Said(Struct, frozen=True):
    """A parameter, and where it came from."""

    name: str
    parameter: Parameter
    is_own: bool


def person_of(page: Page) -> Profile:
    """The person of the path. Errors: PageRefused 404, as for anybody of another account (law 8)."""
    profile = people.find(page.store, page.account, page.param("id"))
    if profile is None:
        raise PageRefused(404, "Nobody has this number: it may be another's account's, or the person was deleted.")
    return profile


async def show(page: Page) -> Response:
    """`GET /people/{id}`."""
    profile = person_of(page)
    if profile.id != page.param("id"):
        return page.redirect(f"/people/{profile.id}", "They are one person by now.")
    store, account = page.store, page.account
    story = why.why_profile(store, account, profile, page.now)
    found = rewards.list_of(store, account, rewards.RewardFilter(people=frozenset(referrals.numbers_of(profile))), 0, REWARDS_SHOWN)
    stream = events.list_of(store, account, profile, events.EventFilter(includes_duplicates=True), 0, EVENTS_SHOWN)
    return page.render(
        "people/show.html",
        profile=profile,
        name=name_of(profile),
        story=story,
        moments=[(each, _mark(each)) for each in reversed(story.moments[-MOMENTS_SHOWN:])],
        rewards=found,
        balances=rewards.balances(store, account, list(referrals.numbers_of(profile))),
        events=stream,
        links=_links(page, profile, story),
        graph=_graph(page, profile),
        parameters=_parameters(profile),
        changes=[(CHANGES.get(each.kind, each.kind), each) for each in reversed(profile.changes)],
        key_names=KEY_NAMES,
        kinds=KINDS,
        states=STATE_KINDS,
        worth=worth,
        may_change=page.viewer.may("marketer"),
        may_erase=page.viewer.may("admin"),
    )


def _parameters(profile: Profile) -> list[Said]:
    own = ("first_name", "last_name", "email")
    live = [Said(name, each, name in own) for name, each in profile.parameters.items() if each.value is not None]
    return sorted(live, key=lambda each: (not each.is_own, each.name.casefold()))


def _mark(moment: Moment) -> Mark:
    """How a moment stands out: what was counted or given, and what was refused or taken back."""
    data = moment.data
    if moment.what in ("unattributed", "reward_refused", "block", "cancellation"):
        return "bad"
    if moment.what == "judged":
        return "good" if data.get("quality") == "HIGH" and not data.get("review") else "bad"
    if moment.what == "reward":
        return "bad" if data.get("state") in ("CANCELED", "REVOKED", "EXPIRED", "FAILED") else "good"
    return "good" if moment.what == "attribution" else ""


def _links(page: Page, profile: Profile, story: Story) -> list[tuple[Shareable, str]]:
    """Their share links, each with its address; none where they refer nobody."""
    if story.advocate is None:
        return []
    origin = str(page.request.base_url).rstrip("/")
    return [(link, f"{origin}/s/{link.code}") for link in referrals.links_of(page.store, page.account, profile)]


def _graph(page: Page, profile: Profile) -> Graph | None:
    def related(role: Literal["ADVOCATE", "FRIEND"]) -> list[Any]:
        wanted = RelationshipFilter(my_roles=frozenset((role,)))
        return list(islice(referrals.relationships(page.store, page.account, profile, wanted), RELATED_SHOWN + 1))

    return graph_of(name_of(profile), related("FRIEND"), related("ADVOCATE"), RELATED_SHOWN)


ROUTES = (shows("/people/{id:int}", show, "support"),)

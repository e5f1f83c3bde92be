"""Why somebody was rewarded, or not: the whole story of a person or an order, in time order, read by indexes alone.

Of a busy person the newest are told: STEPS_MAX things they did, REWARDS_MAX rewards, FRIENDS_MAX friends. `is_cut` says so.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from goodword.core.account import CONVERSION, REGISTRATION
from goodword.core.attribution import in_force, latest_cause, resolve
from goodword.core.campaign import Campaign, Document, Programs
from goodword.core.event import FROM_BROWSER, IS_EVENT, TRACK, cancel_claim, conversion_claim, event_claim
from goodword.core.profile import IdentityKey, Profile, ProfileId, keys_of, read_email
from goodword.core.referral import Journey, Judgement, Relationship, Step, Touch
from goodword.core.reward import Reward
from goodword.core.times import FOREVER, Millis, write_time
from goodword.core.verdict import kind_of, standing_key
from goodword.storage.query import moment as words
from goodword.storage.query import person as people
from goodword.storage.query import referral as rows
from goodword.storage.query.event import arrivals_of
from goodword.storage.query.moment import Moment, People
from goodword.storage.store import Store

STEPS_MAX = 50
REWARDS_MAX = 100
FRIENDS_MAX = 20
LOG_MAX = 1_000
"""How far back in the log the events of somebody without a journey are looked for."""


class Story(Struct):
    """What is known of a person or an order. `summary` is the short answer; `advocate` is there for people who refer others."""

    found: Literal["person", "nobody", "deleted"]
    summary: str
    person: dict[str, Any] | None = None
    order: str | None = None
    moments: list[Moment] = field(default_factory=list)
    advocate: dict[str, Any] | None = None
    is_cut: bool = False


def as_json(story: Story) -> dict[str, Any]:
    """A story for programs; absent parts left out."""
    said: dict[str, Any] = {
        "found": story.found,
        "summary": story.summary,
        "person": story.person,
        "order": story.order,
        "moments": [{"at": write_time(each.at), "what": each.what, "why": each.why, "data": each.data} for each in story.moments],
        "advocate": story.advocate,
        "is_cut": story.is_cut,
    }
    return {name: value for name, value in said.items() if value is not None}


# -- who is asked about ------------------------------------------------------------------------------------------------------------


def why_person(store: Store, account: int, named: str, now: Millis) -> Story:
    """The story of whoever has this user id, e-mail address, anonymous id or number here; the first of these that finds someone."""
    text = named.strip()
    email = read_email(text)
    deleted_at: Millis | None = None
    for key in (*keys_of(text or None, email, None), *keys_of(None, None, text or None)):
        owner, barrier_at = _owner(store, account, key)
        profile = people.find(store, account, owner) if owner is not None else None
        if profile is not None:
            return why_profile(store, account, profile, now)
        if barrier_at:
            deleted_at = max(deleted_at or 0, barrier_at)
    if deleted_at is not None:
        return _deleted(deleted_at)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else 0
    profile = people.find(store, account, number)
    if profile is not None:
        return why_profile(store, account, profile, now)
    return Story("nobody", "Nobody is known by this user id, e-mail address or number: no message has named them.")


def _owner(store: Store, account: int, key: IdentityKey) -> tuple[int | None, Millis]:
    found = store.database.read(
        "SELECT profile_id, barrier_at FROM identity WHERE account_id = ? AND key = ?", (account, store.sealer.hash(account, key))
    )
    return found[0] if found else (None, 0)


def _deleted(at: Millis | None) -> Story:
    when = f" at {words.clock(at)}" if at is not None and at < FOREVER else ""
    return Story("deleted", f"This person was deleted{when}. Nothing is known of them any more.")


def why_order(store: Store, account: int, order: str, now: Millis) -> Story:
    """The story of an order, by the id it was sent with."""
    programs = store.programs.get(account, Programs())
    names = [name for name in sorted(programs.listened) if name != CONVERSION]
    claims = [claim for claim in (conversion_claim(order), *(event_claim(name, order) for name in names)) if claim is not None]
    for claim in claims:
        found = store.database.read(
            "SELECT c.arrival, e.profile_id FROM claim c JOIN event e ON e.arrival = c.arrival AND e.account_id = c.account_id"
            " WHERE c.account_id = ? AND c.key = ?",
            (account, store.sealer.hash(account, claim)),
        )
        if found:
            arrival, number = found[0]
            profile = people.find(store, account, number)
            if profile is None:
                story = _deleted(store.keys.destroyed_at(number))
                story.order, story.summary = order, f"The person who placed this order is not there. {story.summary}"
                return story
            return _Telling(store, account, profile, now, arrival, order).story()
    taken = store.database.read(
        "SELECT 1 FROM claim WHERE account_id = ? AND key = ?", (account, store.sealer.hash(account, cancel_claim(order.strip())))
    )
    more = " A cancellation of it came, but the order itself did not." if taken else ""
    return Story("nobody", f"No order with the id {order} is known: it was never sent as a conversion with its id.{more}", order=order)


def why_profile(store: Store, account: int, profile: Profile, now: Millis) -> Story:
    """The story of a person."""
    return _Telling(store, account, profile, now).story()


# -- the story ---------------------------------------------------------------------------------------------------------------------


class _Telling:
    """One story: everything it takes is read once, then told."""

    def __init__(
        self, store: Store, account: int, profile: Profile, now: Millis, arrival: int | None = None, order: str | None = None
    ) -> None:
        self.store, self.account, self.profile, self.now = store, account, profile, now
        self.arrival, self.order = arrival, order
        self.programs = store.programs.get(account, Programs())
        self.journey = rows.journey_of(store, account, profile) or Journey(profile.id)
        self.is_cut = False
        self.steps = self._steps()
        self.judged = rows.judgements(store, account, [step.arrival for step in self.steps])
        self.rewards = self._rewards()
        self.moves = rows.transitions(store, account, self.rewards)
        self.friends: list[Relationship] = []
        if arrival is None:
            self.friends = rows.latest_friends(store, account, profile, FRIENDS_MAX)
        self.people = self._people()
        self.moments: list[Moment] = []

    def _steps(self) -> list[Step]:
        """What the person did that counts: by their journey, and what the log has where the journey is silent."""
        known = {step.arrival: step for step in self.journey.steps}
        if self.arrival is not None:
            if self.arrival not in known:
                known.update((step.arrival, step) for step in _logged(self.store, self.account, [self.arrival], None))
            found = [known[self.arrival]] if self.arrival in known else []
            return [step if step.key else replace(step, key=self.order or "") for step in found]
        if not known:
            newest = list(islice(arrivals_of(self.store, self.account, self.profile), LOG_MAX))
            names = self.programs.listened | {CONVERSION, REGISTRATION}
            known.update((step.arrival, step) for step in _logged(self.store, self.account, newest, names - self.programs.cancels))
        ordered = sorted(known.values(), key=lambda step: (step.at, step.arrival))
        self.is_cut |= len(ordered) > STEPS_MAX
        return ordered[-STEPS_MAX:]

    def _rewards(self) -> list[Reward]:
        found = rows.rewards_of(self.store, self.account, self.profile, REWARDS_MAX + 1)
        if self.arrival is not None:
            return [reward for reward in found if reward.cause == self.arrival]
        self.is_cut |= len(found) > REWARDS_MAX
        return found[:REWARDS_MAX]

    def _people(self) -> People:
        numbers = {touch.advocate_id for touch in self.journey.touches}
        numbers |= {each.advocate_id for found in self.judged.values() for each in found if each.advocate_id is not None}
        numbers |= {reward.profile_id for reward in self.rewards} | {ProfileId(r.other_id) for r in self.rewards if r.other_id is not None}
        numbers |= {friend.friend_id for friend in self.friends}
        others = people.find_many(self.store, self.account, numbers)
        merged = {ProfileId(number): other.id for number, other in others.items() if number != other.id}
        return People(self.profile, others, merged | dict.fromkeys(self.profile.sources, self.profile.id))

    def story(self) -> Story:
        """All of it."""
        told = self.moments
        self._tell_touches()
        for step in self.steps:
            self._tell_step(step)
        for taken in self.journey.cancellations:
            of = next((step for step in self.steps if step.key == taken.order), None)
            if of is not None or self.arrival is None:
                told.append(words.cancellation_moment(taken, of))
        for reward in self.rewards:
            told += words.reward_moments(reward, self.moves.get(reward.id, []), self.people)
        block = self.profile.block
        if block is not None and block.type != "NONE":
            from_what = "taking part" if block.type == "EVENTS" else "rewards"
            told.append(Moment(block.updated_at, "block", f"They are kept from {from_what}: {block.reason}.", {"type": block.type}))
        advocate = self._tell_advocate() if self.arrival is None else None
        return Story("person", self._summary(), self._person(), self.order, words.told(told), advocate, self.is_cut)

    def _person(self) -> dict[str, Any]:
        profile = self.profile
        return {
            "person_id": str(profile.id),
            "partner_user_id": profile.user_id,
            "email": profile.email,
            "is_known": profile.is_known,
            "known_since": write_time(profile.created_at),
        }

    def _tell_touches(self) -> None:
        """Who may have sent them. Of an order: only what was there to be credited, or came after it."""
        touches = self.journey.touches
        clicks = rows.clicks(self.store, self.account, [touch.ref for touch in touches if not touch.ref.startswith(touch.reason)])
        for touch in touches:
            if not self.steps or touch.step in ("", *(step.message_id for step in self.steps)) or self.arrival is None:
                self.moments += words.touch_moments(touch, clicks.get(touch.ref), self.people)

    def _kind(self, step: Step) -> str:
        for judgement in self.judged.get(step.arrival, ()):
            return judgement.kind
        for campaign in self.programs.campaigns.values():
            kind = kind_of(step.name, _document_at(campaign, step.at))
            if kind is not None:
                return kind
        return "sign_up" if step.name == REGISTRATION else "outcome" if step.name == CONVERSION else "action"

    def _tell_step(self, step: Step) -> None:
        kind = self._kind(step)
        self.moments.append(words.step_moment(step, kind))
        judged = self.judged.get(step.arrival, [])
        for judgement in judged:
            touch = self._credited(judgement)
            if judgement.quality != "NONE":
                others = self._others(step, judgement, touch)
                self.moments.append(words.attribution_moment(judgement, step, touch, others, self.people))
            self.moments.append(words.judged_moment(judgement, step, self.now))
            standing = self.journey.standings.get(standing_key(step, judgement.campaign))
            if standing is not None and standing.decision:
                self.moments.append(words.review_moment(standing, judgement, step))
            self.moments += words.refused_rewards(judgement, step)
        if not any(judgement.quality != "NONE" for judgement in judged):
            campaigns = list(self.programs.campaigns.values())
            terms = {campaign.id: said for campaign in campaigns if (said := _terms(campaign, step)) is not False}
            touches = self.journey.touches
            self.moments.append(words.nobody_moment(step, kind, campaigns, terms, touches, self.people))

    def _credited(self, judgement: Judgement) -> Touch | None:
        said = (judgement.reason, judgement.ref, judgement.touch_at)
        return next((touch for touch in self.journey.touches if (touch.reason, touch.shown_ref, touch.at) == said), None)

    def _others(self, step: Step, judgement: Judgement, credited: Touch | None) -> list[dict[str, Any]]:
        """The other advocates who had sent the person, each by their latest touch, and why they were not credited."""
        campaign = self.programs.campaigns.get(judgement.campaign)
        if campaign is None or credited is None:
            return []
        document = campaign.documents.get(judgement.version, campaign.document)
        merged = dict(self.people.merged)
        latest: dict[ProfileId, Touch] = {}
        for touch in self.journey.touches:
            if touch.step in ("", step.message_id):
                latest[resolve(touch.advocate_id, merged)] = touch
        latest.pop(resolve(credited.advocate_id, merged), None)
        return [
            {
                "who": self.people.label(touch.advocate_id),
                "advocate_id": self.people.number(touch.advocate_id),
                "reason": touch.reason,
                "at": write_time(touch.at),
                "why": words.why_not(
                    touch, step, judgement.kind, campaign.program, document.attribution, credited, self.profile.id, merged
                ),
            }
            for touch in sorted(latest.values(), key=lambda touch: touch.at)
        ]

    # -- as an advocate ------------------------------------------------------------------------------------------------------------

    def _tell_advocate(self) -> dict[str, Any] | None:
        """Their links, clicks and friends; what the latest friends did that was credited to them."""
        links = rows.links_of(self.store, self.account, self.profile)
        if not links and not self.friends:
            return None
        clicked, last_click = rows.count_clicks(self.store, self.account, self.profile)
        count, displaced = rows.count_friends(self.store, self.account, self.profile)
        for link in links:
            data = {"code": link.code, "program": link.program, "key": link.key}
            self.moments.append(Moment(link.created_at, "link", f"They got the share link `{link.code}` of {link.program}.", data))
        return {
            "links": [{"code": each.code, "program": each.program, "created_at": write_time(each.created_at)} for each in links],
            "clicks": {"count": clicked.count, "is_more": clicked.is_more, **({"last_at": write_time(last_click)} if last_click else {})},
            "friends": {
                "count": count.count, "is_more": count.is_more, "displaced": displaced, "latest": self._latest_friends(),
            },
        }  # fmt: skip

    def _latest_friends(self) -> list[dict[str, Any]]:
        """The latest friends, by relationship; what each did last that was credited to this person, or to another."""
        journeys = rows.journeys_of(self.store, self.account, [friend.friend_id for friend in self.friends])
        last = {number: journey.steps[-5:] for number, journey in journeys.items()}
        judged = rows.judgements(self.store, self.account, [step.arrival for steps in last.values() for step in steps])
        mine, found = rows.numbers_of(self.profile), []
        for friend in self.friends:
            who = self.people.label(friend.friend_id)
            gone = f" It was displaced by a later one at {words.clock(friend.displaced_at)}." if friend.displaced_at is not None else ""
            why = f"They referred {who}: {words.REASONS[friend.reason]}.{gone}"
            data = {"friend_id": self.people.number(friend.friend_id), "program": friend.program, "reason": friend.reason}
            self.moments.append(Moment(friend.at, "friend", why, data))
            for step in last.get(friend.friend_id, ()):
                for judgement in judged.get(step.arrival, ()):
                    if judgement.advocate_id in mine:
                        verdict = words.judged_moment(judgement, step, self.now)
                        said = f"{who} ({words.clock(step.at)}): {verdict.why}"
                        self.moments.append(Moment(verdict.at, "judged", said, verdict.data | data))
                        self.moments += words.refused_rewards(judgement, step)
            found.append({
                **data, "who": who, "at": write_time(friend.at), "campaign_id": friend.campaign,
                "displaced_at": write_time(friend.displaced_at) if friend.displaced_at is not None else None,
            })  # fmt: skip
        return found

    # -- the short answer ----------------------------------------------------------------------------------------------------------

    def _summary(self) -> str:
        """In two or three sentences: the latest outcome, who is credited with it, what came of it; then the rewards."""
        said = []
        latest = next((step for step in reversed(self.steps) if self._kind(step) == "outcome"), self.steps[-1] if self.steps else None)
        if latest is not None:
            told = [each for each in self.moments if each.data.get("arrival") == latest.arrival]
            for what in ("attribution", "unattributed", "judged", "reward_refused"):
                said += [each.why for each in told if each.what == what]
        elif not self.friends:
            said.append("They did nothing yet that a campaign looks at.")
        if self.friends:
            count = len(self.friends)
            said.append(f"They referred {'at least ' if count == FRIENDS_MAX else ''}{count} friend{'' if count == 1 else 's'}.")
        for reward in sorted(self.rewards, key=lambda each: each.id)[-4:]:
            said.append(words.given(reward, self.people))
        return " ".join(said)


def _terms(campaign: Campaign, step: Step) -> Document | Literal[False] | None:
    """What a campaign said of a step when it happened: None while it was not live, False where it does not listen to it."""
    terms = in_force(campaign, step.at)
    if kind_of(step.name, _document_at(campaign, step.at)) is None:
        return False
    return terms[1] if terms is not None else None


def _document_at(campaign: Campaign, at: Millis) -> Document:
    """The version that was published at a time; before there was one, that which is published now. A draft only where nothing was ever."""
    return campaign.documents[campaign.version_at(latest_cause(at)) or campaign.published or campaign.latest]


def _logged(store: Store, account: int, arrivals: list[int], names: frozenset[str] | None) -> list[Step]:
    """Events of the log as steps; with `names` (casefolded) only those of these names."""
    found = store.database.read(
        "SELECT e.arrival, e.hash, e.name, e.at, e.received_at, e.flags, e.amount, e.currency FROM carray(?) k"
        " CROSS JOIN event e ON e.arrival = k.value AND e.account_id = ? AND e.type = ? AND e.duplicate_of IS NULL",
        (store.database.ints(arrivals), account, TRACK),
    )
    return [
        Step(arrival, hash16.hex(), name, at, received_at, bool(flags & FROM_BROWSER), amount, currency)
        for arrival, hash16, name, at, received_at, flags, amount, currency in found
        if flags & IS_EVENT and (names is None or name.casefold() in names)
    ]

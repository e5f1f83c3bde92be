"""Verdicts: how a step of a person is judged in the campaigns it counts in, rule by rule (law 9)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from goodword.core.attribution import in_force, referring, resolve
from goodword.core.calendar import UTC_DAYS
from goodword.core.campaign import DAY_MS, Campaign, Document
from goodword.core.decision import Record
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.likeness import token_of
from goodword.core.profile import Profile, ProfileId
from goodword.core.referral import Case, Counts, Journey, Party, Standing, Step, StepKind, Touch
from goodword.core.reward import Passed, RewardTerms
from goodword.core.rulebook import PERSONAL, STICKY, judge_quality
from goodword.core.times import FOREVER, Millis

ANCESTORS_MAX = 5
PARTICIPANT_RULES = PERSONAL | {"bot_clicks"}
"""The quality rules that make sense without a referral: welcome offers, rewards for an action."""


_NOBODY = Touch(0, "SHARE_ID", "", ProfileId(0), "", "", 0)


class Verdict(Struct, gc=False):
    """How a step was judged in one campaign. `touch` is None where the campaign needs no referral."""

    step: Step
    kind: StepKind
    campaign: Campaign
    document: Document
    version: int
    touch: Touch | None
    advocate: Profile | None
    rules: tuple[Passed, ...]
    standing: Standing
    waits: tuple[Passed, ...]
    """Of `rules`, those that hold it back."""
    quality: Literal["HIGH", "LOW", "NONE"] = "HIGH"
    review: Literal["", "open", "approved", "declined"] = ""
    wait_until: Millis = 0
    amount: int | None = None
    notes: list[Passed] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Whether the event is good, and nobody has to say so first."""
        return self.quality == "HIGH" and self.review != "open"

    @property
    def is_pending(self) -> bool:
        """Whether time, or a person, may still change it."""
        return bool(self.wait_until) or self.review == "open"

    @property
    def advocate_id(self) -> ProfileId | None:
        """The number of the credited advocate; of a deleted one too."""
        return self.advocate.id if self.advocate is not None else self.touch.advocate_id if self.touch is not None else None


class Docket:
    """One journey while it is judged: what is known, what was found, and the rows so far.

    Rows are laid over what was loaded at once, so that what follows in the same command counts them. `steps` are the journey's by their
    turn, `outcomes` those of them that are an outcome anywhere. `is_alone`: only the last one is judged, the others stand (`basis`).
    """

    def __init__(self, journey: Journey, friend: Profile, facts: Facts, now: Millis, fresh: Fresh, place: int) -> None:
        self.journey = journey
        self.friend = friend
        self.facts = facts
        self.known = facts.referrals
        self.now = now
        self.fresh = fresh
        self.place = place
        self.merged = {**facts.merged, **dict.fromkeys(friend.sources, friend.id)}
        self.records: list[Record] = []
        self.verdicts: list[Verdict] = []
        self.is_alone = False
        self.calendar = facts.account.calendar if facts.account is not None else UTC_DAYS
        self.standings = dict(journey.standings)
        self._parties: dict[ProfileId, Party] = {}
        self.steps = sorted(journey.steps, key=lambda step: step.turn)
        self.outcomes = [step for step in self.steps if step.name.casefold() in self.known.programs.outcomes]

    def add(self, *records: Record) -> None:
        """Rows that what follows has to know of."""
        for record in records:
            self.records.append(record)
            self.known.lay(record)

    def party(self, profile: Profile) -> Party:
        """A person as the rules see them."""
        found = self._parties.get(profile.id)
        if found is None:
            theirs = self.journey if profile.id == self.friend.id else self.known.journeys.get(profile.id)
            sightings = theirs.sightings if theirs is not None else ()
            found = self._parties[profile.id] = Party(profile, sightings, *_barred_at(profile))
        return found

    def resolve(self, person: ProfileId) -> ProfileId:
        """The number a person goes by since profiles were merged."""
        return resolve(person, self.merged)

    def numbers(self, person: ProfileId) -> tuple[ProfileId, ...]:
        """A person's number, and those of everyone who became part of them."""
        if person == self.friend.id:
            return (person, *self.friend.sources)
        profile = self.facts.profiles.get(person)
        return (person, *profile.sources) if profile is not None else (person,)

    def judged(self) -> Journey:
        """The journey, with how its steps were judged just now."""
        now = {standing_key(each.step, each.campaign.id): replace(each.standing, is_good=each.counts) for each in self.verdicts}
        return replace(self.journey, standings={**self.standings, **now})

    def campaigns_of(self, campaign: Campaign) -> tuple[str, ...]:
        """The campaigns of a campaign's program, itself first."""
        found = (each.id for each in self.known.programs.campaigns.values() if each.program == campaign.program and each.id != campaign.id)
        return (campaign.id, *found)


def standing_key(step: Step, campaign: str) -> str:
    """Under which a journey keeps what was settled about a step in a campaign."""
    return f"{step.arrival} {campaign}"


def kind_of(name: str, document: Document) -> StepKind | None:
    """What an event is to a campaign."""
    folded, events = name.casefold(), document.events
    kinds: tuple[tuple[StepKind, list[str]], ...] = (("outcome", events.outcome), ("sign_up", events.sign_up), ("action", events.actions))
    for kind, names in kinds:
        for each in names:
            if each.casefold() == folded:
                return kind
    return None


def judge_step(docket: Docket, step: Step) -> None:
    """Every campaign that the step counts in."""
    credited = {campaign.id: touch for campaign, touch in referring(docket.journey, step, docket.known.programs, docket.merged)}
    for campaign in docket.known.programs.campaigns.values():
        terms = in_force(campaign, step.at)
        kind = kind_of(step.name, terms[1]) if terms is not None else None
        if terms is None or kind is None:
            continue
        mark, document = terms
        touch = credited.get(campaign.id)
        if touch is None and (mark.state != "LIVE" or not _is_for_anyone(document, kind, step.name)):
            continue
        docket.verdicts.append(_verdict(docket, step, kind, campaign, document, mark.version, touch))


def is_on(terms: RewardTerms, kind: StepKind, name: str) -> bool:
    """Whether a reward is promised for a step: by its kind, or by the event's name."""
    return terms.on == kind or terms.on.casefold() == name.casefold()


def _is_for_anyone(document: Document, kind: StepKind, name: str) -> bool:
    """Whether a campaign promises something for a step that needs no referral."""
    return any(reward.to == "participant" and is_on(reward, kind, name) for reward in document.rewards)


def _verdict(
    docket: Docket, step: Step, kind: StepKind, campaign: Campaign, document: Document, version: int, touch: Touch | None
) -> Verdict:
    standing = docket.standings.get(standing_key(step, campaign.id), Standing())
    advocate = docket.facts.profile(docket.resolve(touch.advocate_id)) if touch is not None else None
    if touch is not None and docket.resolve(touch.advocate_id) == docket.friend.id:
        advocate = docket.friend
    case = _case(docket, step, kind, touch, advocate, document)
    if standing.judged_for not in (None, advocate.id if advocate is not None else None):
        standing = replace(standing, limits=())
    rules = _judged(docket, case, document, standing)
    if any(each.result == "REVIEW" for each in rules):  # while it waits for a person, whatever is blocked meanwhile reaches it
        days = document.review.auto_approve_days
        until = step.known_at + int(days * DAY_MS) if days is not None else FOREVER
        rules = _judged(docket, replace(case, settled_at=max(until, case.settled_at)), document, standing)
    amount, canceled = _net(docket, step)
    rules.append(canceled)
    if step.contested:
        rules.append(_contested(docket, step))
    limits = [each for each in rules if each.rule in STICKY and each.result != "UNKNOWN"]
    limits += [each for each in standing.limits if each.rule not in STICKY]
    standing = replace(standing, limits=tuple(limits), judged_for=advocate.id if advocate is not None else None)
    results = {each.result for each in rules}
    waits = tuple([each for each in rules if each.result == "WAIT"]) if "WAIT" in results else ()
    verdict = Verdict(step, kind, campaign, document, version, touch, advocate, tuple(rules), standing, waits, amount=amount)
    if standing.decision:
        verdict.review = standing.decision
        verdict.quality = "HIGH" if standing.decision == "approved" and canceled.result != "FAIL" else "LOW"
    elif "FAIL" in results:
        verdict.quality = "LOW"
    else:
        verdict.wait_until = max((each.until for each in verdict.waits), default=0)
        if "REVIEW" in results:
            _await_review(verdict, document, docket.now)
    return verdict


def _judged(docket: Docket, case: Case, document: Document, standing: Standing) -> list[Passed]:
    """The verdict of every rule that makes sense for the event. What counts what others did stays as it was settled first."""
    settled = {each.rule: each for each in standing.limits}
    found = judge_quality(document.quality, case, docket.known.reference)
    rules = [settled.get(each.rule, each) if each.rule in STICKY else each for each in found]
    return rules if case.touch is not _NOBODY else [each for each in rules if each.rule in PARTICIPANT_RULES]


def _settled_at(step: Step, kind: StepKind, touch: Touch | None, document: Document) -> Millis:
    """When the event, and who sent the friend, were known, and nothing that it earns waited any longer."""
    browser = document.quality.browser_outcomes
    waits = step.from_browser and browser.action == "wait" and (kind != "sign_up" or browser.sign_ups)
    pending = max((terms.pending_days for terms in document.rewards if is_on(terms, kind, step.name)), default=0)
    return max(
        step.known_at,
        touch.known_at if touch is not None else 0,
        step.known_at + int(browser.days * DAY_MS) if waits else 0,
        step.at + int(pending * DAY_MS) if pending else 0,
    )


def _await_review(verdict: Verdict, document: Document, now: Millis) -> None:
    """A person is to decide; or, where the campaign says so, nobody objected for so many days."""
    days = document.review.auto_approve_days
    until = verdict.step.known_at + int(days * DAY_MS) if days is not None else None
    if until is None:
        verdict.review, verdict.wait_until = "open", 0
    elif now < until:
        verdict.review, verdict.wait_until = "open", max(until, verdict.wait_until)


def _case(docket: Docket, step: Step, kind: StepKind, touch: Touch | None, advocate: Profile | None, document: Document) -> Case:
    credited = docket.known.credited.get((advocate.id, document.program), {}) if advocate is not None else {}
    known, today = docket.known, docket.calendar.day_of(step.at)
    days = document.quality.advocate_outcomes.days
    ip = touch.evidence.ip if touch is not None else ""
    counts = Counts(
        {days: sum(count for day, count in credited.items() if today - days < day <= today)},
        shares=known.shares.get(advocate.id, 0) if advocate is not None else 0,
        browsers_by_ip=max(known.browsers_by_ip.get(ip, 0), known.browsers_by_ip.get(step.evidence.ip, 0)),
    )
    others = _alike(docket, advocate) if advocate is not None else ()
    return Case(
        step,
        kind,
        touch or _NOBODY,
        docket.party(docket.friend),
        docket.party(advocate) if advocate is not None else None,
        docket.journey,
        counts,
        ancestors_of(docket, advocate) if advocate is not None else (),
        docket.now,
        others=others,
        outcomes=frozenset(name.casefold() for name in document.events.outcome),
        servers_since=known.servers_since,
        settled_at=_settled_at(step, kind, touch, document),
    )


def _alike(docket: Docket, advocate: Profile) -> tuple[str, ...]:
    """Addresses of the advocate's other friends that look like one of the friend's."""
    found = {
        number
        for token in {token_of(email) for email in docket.friend.emails}
        for number in docket.known.alike.get((advocate.id, token), ())
    }
    others = (docket.facts.profile(number) for number in sorted(found.difference(docket.numbers(docket.friend.id))))
    return tuple(email for other in others if other is not None and other.id != docket.friend.id for email in other.emails)


def ancestors_of(docket: Docket, advocate: Profile) -> tuple[ProfileId, ...]:
    """Who was credited with the advocate, who with those, and so on."""
    found: list[ProfileId] = []
    wave = [advocate.id]
    generation = 0
    while wave and generation < ANCESTORS_MAX:
        generation += 1
        credited: set[ProfileId] = set()
        for number in [number for person in wave for number in docket.numbers(person)]:
            journey = docket.known.journeys.get(number)
            standings = journey.standings.values() if journey is not None else ()
            credited.update(docket.resolve(each.counted_for) for each in standings if each.counted_for is not None)
        wave = sorted(credited.difference(found, (advocate.id,)))
        found += wave
    return tuple(found)


def _net(docket: Docket, step: Step) -> tuple[int | None, Passed]:
    """What is left of a step's value after returns, and whether it was taken back as a whole."""
    about = [each for each in docket.journey.cancellations if each.is_about(step)]
    if not about:
        return step.amount, Passed("not_canceled", "PASS")
    whole = any(each.amount is None or step.amount is None or each.amount >= step.amount for each in about)
    left = (step.amount or 0) - sum(each.amount or 0 for each in about)
    if whole or left <= 0:
        return 0, Passed("not_canceled", "FAIL", "the order was canceled or returned")
    return left, Passed("not_canceled", "PASS", "a part of the order was returned")


def _contested(docket: Docket, step: Step) -> Passed:
    """Of an order that a browser claimed, and a server said of somebody else. If the two became one person since, the server's counts."""
    rule = "same_buyer"
    if any(each.key == step.key and not each.contested for each in docket.steps):
        return Passed(rule, "FAIL", "it is the same order that a server said")
    if step.contested == "surely":
        return Passed(rule, "FAIL", "only a browser said it, and a server said that somebody else placed this order")
    return Passed(rule, "REVIEW", "only a browser said it, and a server said the order of another profile, perhaps the same person's")


def _barred_at(profile: Profile) -> tuple[Millis, Millis]:
    """When an earlier holder of one of the person's ids was deleted, and of one of their devices, which may have gone to somebody else."""
    if not profile.barriers:
        return 0, 0
    barriers = [(key[0] == "a", at) for key, at in profile.barriers.items() if at < FOREVER]
    ids, devices = ([at for is_device, at in barriers if is_device == wanted] for wanted in (False, True))
    return max(ids, default=0), max(devices, default=0)

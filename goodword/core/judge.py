"""The judge: from a person's journey to verdicts, relationships and rewards.

`settle` judges every step of the journey anew and makes the rows agree with the verdicts: rewards that should be and are not are
earned, those that are and should not be are withdrawn. What follows from a set of messages therefore does not depend on the order
they came in (law 3), and nothing is earned twice (law 2). Outside of it stay rules that count what others did: their first verdict
stands (`Standing.limits`), and so does a person's decision.
"""

from __future__ import annotations

from zlib import crc32

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from goodword.core.attribution import in_force, latest_cause, matched_back, referring, resolve, touches_of, with_touches
from goodword.core.campaign import DAY_MS, Campaign, Document
from goodword.core.decision import Record
from goodword.core.delivery import Announcement
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.fulfilment import advance, withdraw
from goodword.core.profile import Profile, ProfileId
from goodword.core.quality import STICKY, judge_quality
from goodword.core.referral import (
    Case,
    Counts,
    Credit,
    Journey,
    Judgement,
    Party,
    Relationship,
    Standing,
    Step,
    StepKind,
    Touch,
)
from goodword.core.reward import Passed, Reward, RewardTerms
from goodword.core.reward_rule import STICKY as STICKY_REWARD_RULES
from goodword.core.reward_rule import RewardCase, judge_reward, value_of
from goodword.core.times import FOREVER, Millis

ANCESTORS_MAX = 5
REWARDS_PER_COMMAND_MAX = 80
PLACES_PER_REWARD = 6
PARTICIPANT_RULES = frozenset((
    *("browser_outcomes", "blocked_countries", "permitted_countries", "blocked_email_domains", "blocked_person", "valid_email"),
    *("event_value", "late_event", "disputed_identity", "returned_after_deletion", "bot_clicks"),
))  # fmt: skip
"""The quality rules that make sense without a referral: welcome offers, rewards for an action."""

_encode = msgspec.json.Encoder().encode
_NOBODY = Touch(0, "SHARE_ID", "", ProfileId(0), "", "", 0)


class Verdict(Struct):
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
    quality: str = "HIGH"
    review: str = ""
    wait_until: Millis = 0
    amount: int | None = None
    notes: list[Passed] = field(default_factory=list)

    @property
    def advocate_id(self) -> ProfileId | None:
        """The number of the credited advocate; of a deleted one too."""
        return self.advocate.id if self.advocate is not None else self.touch.advocate_id if self.touch is not None else None


def standing_key(step: Step, campaign: str) -> str:
    """Under which a journey keeps what was settled about a step in a campaign."""
    return f"{step.arrival} {campaign}"


def kind_of(name: str, document: Document) -> StepKind | None:
    """What an event is to a campaign."""
    folded, events = name.casefold(), document.events
    kinds: tuple[tuple[StepKind, list[str]], ...] = (("outcome", events.outcome), ("sign_up", events.sign_up), ("action", events.actions))
    return next((kind for kind, names in kinds if any(folded == each.casefold() for each in names)), None)


def settle(journey: Journey, friend: Profile, facts: Facts, now: Millis, fresh: Fresh, place: int = 0) -> list[Record]:
    """Judge a journey, and the rows that make everything agree with the verdicts. `place`: the first of the command's ids to use."""
    return _Settling(journey, friend, facts, now, fresh, place).settle()


class _Settling:
    """One journey being judged. Only pure values are used; this is a class because every step needs the same eight of them."""

    def __init__(self, journey: Journey, friend: Profile, facts: Facts, now: Millis, fresh: Fresh, place: int) -> None:
        self.friend = friend
        self.facts = facts
        self.known = facts.referrals
        self.now = now
        self.fresh = fresh
        self.place = place
        self.before = journey
        self.journey = with_touches(journey, matched_back(friend, facts))
        self.standings = dict(self.journey.standings)
        self.merged = {**facts.merged, **dict.fromkeys(friend.sources, friend.id)}
        self.records: list[Record] = []
        self.verdicts: list[Verdict] = []

    def settle(self) -> list[Record]:
        """See the function of this name."""
        for step in sorted(self.journey.steps, key=lambda step: (step.at, step.arrival)):
            self._judge(step)
        self._relate()
        self._credit()
        self._reconcile()
        self._reconcile_bonuses()
        self._keep_judgements()
        journey = replace(self.journey, standings=self.standings)
        if journey != self.before:
            self.records.append(journey)
        return self.records

    def _judge(self, step: Step) -> None:
        """Every campaign that the step counts in."""
        credited = {campaign.id: touch for campaign, touch in referring(self.journey, step, self.known.programs, self.merged)}
        for campaign in self.known.programs.campaigns.values():
            terms = in_force(campaign, step.at)
            kind = kind_of(step.name, terms[1]) if terms is not None else None
            if terms is None or kind is None:
                continue
            mark, document = terms
            touch = credited.get(campaign.id)
            if touch is None and (mark.state != "LIVE" or not any(reward.to == "participant" for reward in document.rewards)):
                continue
            self.verdicts.append(self._verdict(step, kind, campaign, document, mark.version, touch))

    def _verdict(
        self, step: Step, kind: StepKind, campaign: Campaign, document: Document, version: int, touch: Touch | None
    ) -> Verdict:
        standing = self.standings.get(standing_key(step, campaign.id), Standing())
        advocate = self.facts.profile(resolve(touch.advocate_id, self.merged)) if touch is not None else None
        if touch is not None and resolve(touch.advocate_id, self.merged) == self.friend.id:
            advocate = self.friend
        case = self._case(step, kind, touch, advocate, document)
        rules = judge_quality(document.quality, case, self.known.reference)
        if touch is None:
            rules = tuple(each for each in rules if each.rule in PARTICIPANT_RULES)
        settled = {each.rule: each for each in standing.limits}
        rules = tuple(settled.get(each.rule, each) if each.rule in STICKY else each for each in rules)
        amount, canceled = self._net(step)
        rules = (*rules, canceled)
        limits = tuple(each for each in rules if each.rule in STICKY)
        kept = tuple(each for each in standing.limits if each.rule not in STICKY)
        standing = replace(standing, limits=(*limits, *kept))
        verdict = Verdict(step, kind, campaign, document, version, touch, advocate, rules, standing, amount=amount)
        failed = any(each.result == "FAIL" for each in rules)
        if standing.decision:
            verdict.review = standing.decision
            verdict.quality = "HIGH" if standing.decision == "approved" and canceled.result != "FAIL" else "LOW"
        elif failed:
            verdict.quality = "LOW"
        elif any(each.result == "REVIEW" for each in rules):
            verdict.review = "open"
        else:
            verdict.wait_until = max((each.until for each in rules if each.result == "WAIT"), default=0)
        return verdict

    def _case(self, step: Step, kind: StepKind, touch: Touch | None, advocate: Profile | None, document: Document) -> Case:
        theirs = self.known.journeys.get(advocate.id) if advocate is not None else None
        party = Party(advocate, theirs.sightings if theirs is not None else (), _barred_at(advocate)) if advocate is not None else None
        credited = self.known.credited.get((advocate.id, document.program), {}) if advocate is not None else {}
        today = step.at // DAY_MS
        counts = Counts({days: sum(n for day, n in credited.items() if today - days < day <= today) for days in (1, 7, 30)})
        return Case(
            step,
            kind,
            touch or _NOBODY,
            Party(self.friend, self.journey.sightings, _barred_at(self.friend)),
            party,
            self.journey,
            counts,
            self._ancestors(advocate) if advocate is not None else (),
            self.now,
        )

    def _ancestors(self, advocate: Profile) -> tuple[ProfileId, ...]:
        """Who was credited with the advocate, who with those, and so on."""
        found: list[ProfileId] = []
        wave = [advocate.id]
        for _ in range(ANCESTORS_MAX):
            journeys = (self.known.journeys.get(number) for person in wave for number in self._numbers(person))
            credited = {
                resolve(standing.counted_for, self.merged)
                for journey in journeys
                if journey is not None
                for standing in journey.standings.values()
                if standing.counted_for is not None
            }
            wave = sorted(credited.difference(found, (advocate.id,)))
            found += wave
        return tuple(found)

    def _numbers(self, person: ProfileId) -> tuple[ProfileId, ...]:
        profile = self.facts.profiles.get(person)
        return (person, *profile.sources) if profile is not None else (person,)

    def _net(self, step: Step) -> tuple[int | None, Passed]:
        """What is left of a step's value after returns, and whether it was taken back as a whole."""
        about = [each for each in self.journey.cancellations if step.key and each.order == step.key]
        if not about:
            return step.amount, Passed("not_canceled", "PASS")
        whole = any(each.amount is None or step.amount is None or each.amount >= step.amount for each in about)
        left = (step.amount or 0) - sum(each.amount or 0 for each in about)
        if whole or left <= 0:
            return 0, Passed("not_canceled", "FAIL", "the order was canceled or returned")
        return left, Passed("not_canceled", "PASS", "a part of the order was returned")

    def _relate(self) -> None:
        """Who referred the person in each program; the one credited last, or touching last, stands, the others are displaced."""
        latest: dict[tuple[str, ProfileId], Touch] = {}
        for touch in self.journey.touches:
            programs = [touch.program] if touch.program else sorted({each.program for each in self.known.programs.campaigns.values()})
            for program in programs:
                latest[program, resolve(touch.advocate_id, self.merged)] = touch
        standing = {verdict.campaign.program: verdict.advocate_id for verdict in self.verdicts if verdict.touch is not None}
        related = dict(self.journey.related)
        for (program, advocate), touch in latest.items():
            rivals = [(other.at, number) for (named, number), other in latest.items() if named == program and number != advocate]
            stands = standing.get(program)
            later = max(rivals, default=(0, 0))
            displaced = later[0] if (stands not in (None, advocate)) or (stands is None and later > (touch.at, advocate)) else 0
            key = f"{program} {advocate}"
            if related.get(key) == displaced:
                continue
            related[key] = displaced
            self.records.append(
                Relationship(
                    self.friend.id, program, advocate, touch.campaign, touch.reason, touch.at, self.now, self.fresh.arrival, displaced or None
                )
            )
        if related != self.journey.related:
            self.journey = replace(self.journey, related=related)

    def _credit(self) -> None:
        """Count the first good outcome of the relationship for its advocate, and take back what no longer counts."""
        counted: set[tuple[str, ProfileId]] = set()
        for verdict in self.verdicts:
            standing, advocate = verdict.standing, verdict.advocate
            good = verdict.quality == "HIGH" and verdict.review != "open" and verdict.kind == "outcome" and advocate is not None
            place = (verdict.campaign.program, advocate.id) if advocate is not None else None
            credit = advocate.id if good and advocate is not None and place is not None and place not in counted else None
            if credit is not None and place is not None:
                counted.add(place)
            before = resolve(standing.counted_for, self.merged) if standing.counted_for is not None else None
            if credit != before:
                day, program = verdict.step.at // DAY_MS, verdict.campaign.program
                if before is not None:
                    self._add(Credit(before, program, day, -1))
                if credit is not None:
                    self._add(Credit(credit, program, day, 1))
            verdict.standing = replace(standing, counted_for=credit)

    def _add(self, record: Record) -> None:
        """A row that what follows in this decision has to know of."""
        self.records.append(record)
        self.known.lay(record)

    def _reconcile(self) -> None:
        """Rewards for what the person did: earn what is missing, withdraw what should not be."""
        numbers = set(self._numbers(self.friend.id)) | {self.friend.id, *self.friend.sources}
        mine = [each for each in self.known.rewards.values() if each.journey_id in numbers and not each.nth and each.cause]
        mine.sort(key=lambda reward: reward.id)
        kept: set[int] = set()
        for verdict in self.verdicts:
            for terms in verdict.document.rewards:
                if terms.rules.nth is None and not terms.rules.milestones:
                    self._promise(terms, verdict, mine, kept)
        for reward in mine:
            if reward.id not in kept and not reward.is_gone:
                self._withdraw(reward, "what earned it no longer counts")

    def _promise(self, terms: RewardTerms, verdict: Verdict, mine: list[Reward], kept: set[int]) -> None:
        """One reward of the campaign for one step."""
        if not _is_on(terms, verdict) or verdict.quality != "HIGH" or verdict.review == "open":
            return
        recipient = verdict.advocate if terms.to == "advocate" else self.friend
        if (terms.to != "participant" and verdict.touch is None) or recipient is None:
            return
        same = [each for each in mine if self._is_same(each, terms, verdict)]
        live = [each for each in same if not each.is_gone]
        if any(each.id in kept for each in live) or any(each.is_gone and each.is_final for each in same):
            kept.update(each.id for each in live[:1] if not any(other.id in kept for other in live))
            return
        existing = live[0] if live else None
        worth = value_of(terms, verdict.amount, verdict.step.currency)
        results = self._rules_of(terms, verdict, recipient, existing)
        if worth is None:
            results = (*results, Passed("value", "FAIL", "the event carries no value to take a percentage of"))
        failed = [each for each in results if each.result == "FAIL"]
        if failed or worth is None:
            verdict.notes += [replace(each, rule=f"reward:{terms.name}:{each.rule}") for each in failed]
            return
        if existing is None:
            self._earn(terms, verdict, recipient, worth, results, 0)
        else:
            kept.add(existing.id)
            self._bring_up_to_date(existing, terms, verdict, worth)

    def _rules_of(self, terms: RewardTerms, verdict: Verdict, recipient: Profile, existing: Reward | None) -> tuple[Passed, ...]:
        """The reward's own rules. Limits were passed by a reward that is there already; a limit once failed stays failed."""
        other = self.friend if terms.to == "advocate" else verdict.advocate
        case = RewardCase(
            step=verdict.step,
            kind=verdict.kind,
            recipient=recipient,
            other=other,
            journey=self.journey,
            document=verdict.document,
            quality=verdict.quality,
            amount=verdict.amount,
            earned=tuple(self.known.earned.get(recipient.id, ())),
            credited=sum(self.known.credited.get((recipient.id, verdict.campaign.program), {}).values()),
            spent=self.known.spent,
            now=self.now,
            advocate_journey=self.known.journeys.get(verdict.advocate.id) if verdict.advocate is not None else None,
        )
        results = judge_reward(terms, case)
        if existing is not None:
            return tuple(each for each in results if each.rule not in STICKY_REWARD_RULES)
        prefix = f"reward:{terms.name}:"
        settled = {each.rule: each for each in verdict.standing.limits}
        results = tuple(replace(settled[prefix + each.rule], rule=each.rule) if prefix + each.rule in settled else each for each in results)
        failed = [replace(each, rule=prefix + each.rule) for each in results if each.result == "FAIL" and each.rule in STICKY_REWARD_RULES]
        fresh = tuple(each for each in failed if each.rule not in settled)
        if fresh:
            verdict.standing = replace(verdict.standing, limits=(*verdict.standing.limits, *fresh))
        return results

    def _is_same(self, reward: Reward, terms: RewardTerms, verdict: Verdict) -> bool:
        """Whether a stored reward is the one these terms promise for this step, by the scope of `once`."""
        if reward.name != terms.name or reward.program != verdict.campaign.program or reward.role != terms.to:
            return False
        match terms.rules.once:
            case "event":
                return reward.cause == verdict.step.arrival
            case "person":
                return True
            case _:
                advocate = reward.profile_id if reward.role == "advocate" else reward.other_id
                return (resolve(advocate, self.merged) if advocate is not None else None) == verdict.advocate_id

    def _earn(
        self, terms: RewardTerms, verdict: Verdict, recipient: Profile, worth: tuple[int, str], rules: tuple[Passed, ...], nth: int
    ) -> None:
        """A new reward: waiting where something holds it, else fulfilled at once if its supplier can."""
        if self.place >= REWARDS_PER_COMMAND_MAX * PLACES_PER_REWARD:
            return
        supplier = self.known.suppliers.get(terms.supplier)
        due_at = self._due(terms, verdict)
        days = terms.expires_days if terms.expires_days is not None else supplier.expires_days if supplier is not None else None
        other = self.friend.id if terms.to == "advocate" else verdict.advocate_id
        reward = Reward(
            id=self.fresh.id(self.place),
            profile_id=recipient.id,
            journey_id=self.friend.id,
            campaign=verdict.campaign.id,
            version=verdict.version,
            program=verdict.campaign.program,
            name=terms.name,
            role=terms.to,
            supplier=terms.supplier,
            state="EARNED",
            unit=worth[1],
            value=worth[0],
            cause=verdict.step.arrival,
            created_at=self.now,
            updated_at=self.now,
            other_id=None if terms.to == "participant" and verdict.touch is None else other,
            nth=nth,
            waiting="pending" if due_at > self.now else "",
            due_at=due_at if due_at > self.now else None,
            expires_at=self.now + days * DAY_MS if days else None,
            rules=(*verdict.rules, *rules),
        )
        self._take(advance(reward, self.facts, self.now, self.fresh, self.place + 1, is_new=True))
        self.place += PLACES_PER_REWARD

    def _take(self, records: list[Record]) -> None:
        """Rows of a reward's move, known to what follows. Coupons, earnings and rewards were laid over by whoever made them or are now."""
        for record in records:
            self._add(record)

    def _due(self, terms: RewardTerms, verdict: Verdict) -> Millis:
        pending = verdict.step.at + int(terms.pending_days * DAY_MS) if terms.pending_days else 0
        return max(pending, verdict.wait_until)

    def _bring_up_to_date(self, reward: Reward, terms: RewardTerms, verdict: Verdict, worth: tuple[int, str]) -> None:
        """A reward that is still waiting follows what is known now: an earlier cause, a changed value, a wait that ended sooner or later."""
        if reward.state != "EARNED" or reward.waiting not in ("pending", "review"):
            return
        due_at = self._due(terms, verdict)
        waits = due_at > self.now
        changed = replace(
            reward,
            cause=verdict.step.arrival,
            value=worth[0],
            unit=worth[1],
            due_at=due_at if waits else None,
            waiting="pending" if waits else "",
        )
        if changed == reward:
            return
        changed = replace(changed, updated_at=self.now)
        if waits:
            self._add(changed)
            return
        self._take(advance(changed, self.facts, self.now, self.fresh, self.place, is_new=False))
        self.place += PLACES_PER_REWARD

    def _withdraw(self, reward: Reward, why: str) -> None:
        if self.place < REWARDS_PER_COMMAND_MAX * PLACES_PER_REWARD:
            self._take(withdraw(reward, self.facts, self.now, self.fresh, self.place, why))
            self.place += PLACES_PER_REWARD

    def _reconcile_bonuses(self) -> None:
        """Nth and milestone rewards of the advocates this journey counts for."""
        done: set[tuple[str, str, ProfileId]] = set()
        for verdict in self.verdicts:
            advocate = verdict.advocate
            if advocate is None or verdict.kind != "outcome":
                continue
            for terms in verdict.document.rewards:
                place = (verdict.campaign.program, terms.name, advocate.id)
                if (terms.rules.nth is None and not terms.rules.milestones) or terms.to != "advocate" or place in done:
                    continue
                done.add(place)
                self._bonus(terms, verdict, advocate)

    def _bonus(self, terms: RewardTerms, verdict: Verdict, advocate: Profile) -> None:
        total = sum(self.known.credited.get((advocate.id, verdict.campaign.program), {}).values())
        wanted = set(terms.rules.milestones) if terms.rules.milestones else set()
        if terms.rules.nth:
            wanted |= set(range(terms.rules.nth, total + 1, terms.rules.nth))
        wanted = {number for number in wanted if number <= total}
        numbers = {advocate.id, *advocate.sources}
        held = {
            reward.nth: reward
            for reward in sorted(self.known.rewards.values(), key=lambda each: each.id)
            if reward.nth and reward.name == terms.name and reward.program == verdict.campaign.program and reward.profile_id in numbers
            if not reward.is_gone or reward.is_final
        }
        worth = value_of(terms, verdict.amount, verdict.step.currency)
        if verdict.quality == "HIGH" and verdict.review != "open" and worth is not None:
            for number in sorted(wanted - held.keys()):
                results = self._rules_of(terms, verdict, advocate, None)
                failed = [each for each in results if each.result == "FAIL"]
                if failed:
                    verdict.notes += [replace(each, rule=f"reward:{terms.name}:{each.rule}") for each in failed]
                    break
                self._earn(terms, verdict, advocate, worth, results, number)
        for number in held.keys() - wanted:
            if not held[number].is_gone:
                self._withdraw(held[number], "fewer friends count than it was given for")

    def _keep_judgements(self) -> None:
        """One row a step and campaign, written when it changed; and what was settled, in the journey."""
        seen = set()
        for verdict in self.verdicts:
            touch, step = verdict.touch, verdict.step
            judgement = Judgement(
                arrival=step.arrival,
                campaign=verdict.campaign.id,
                version=verdict.version,
                program=verdict.campaign.program,
                kind=verdict.kind,
                friend_id=self.friend.id,
                advocate_id=verdict.advocate_id,
                reason=touch.reason if touch is not None else "",
                ref=touch.ref if touch is not None else "",
                touch_at=touch.at if touch is not None else None,
                quality=verdict.quality,  # type: ignore[arg-type]
                review=verdict.review,  # type: ignore[arg-type]
                judged_at=0,
                rules=(*verdict.rules, *verdict.notes),
            )
            key = standing_key(step, verdict.campaign.id)
            seen.add(key)
            digest = crc32(_encode(judgement))
            if digest != verdict.standing.digest:
                self.records.append(replace(judgement, judged_at=self.now))
                if not verdict.standing.digest and touch is not None and self.known.endpoints:
                    self.records.append(_attributed(verdict, self.friend, self.now))
            self.standings[key] = replace(verdict.standing, digest=digest)
        for key in self.standings.keys() - seen:
            self._forget(key)

    def _forget(self, key: str) -> None:
        """A step that was judged in a campaign and is no longer credited there: say so, and take back what it counted for."""
        standing = self.standings[key]
        if not standing.digest:
            return
        arrival, _, campaign_id = key.partition(" ")
        step = next((each for each in self.journey.steps if each.arrival == int(arrival)), None)
        campaign = self.known.programs.campaigns.get(campaign_id)
        if step is None or campaign is None:
            return
        if standing.counted_for is not None:
            self._add(Credit(resolve(standing.counted_for, self.merged), campaign.program, step.at // DAY_MS, -1))
        self.standings[key] = replace(standing, counted_for=None, digest=0)
        terms = in_force(campaign, step.at)
        kind = kind_of(step.name, terms[1]) if terms is not None else None
        self.records.append(
            Judgement(
                step.arrival, campaign_id, terms[0].version if terms else 0, campaign.program, kind or "outcome", self.friend.id, None, "", "",
                None, "NONE", "", self.now, (Passed("attribution", "FAIL", "another campaign took the event, or nobody is credited with it"),),
            )
        )  # fmt: skip


def _is_on(terms: RewardTerms, verdict: Verdict) -> bool:
    """Whether a reward is promised for a step: by its kind, or by the event's name."""
    return terms.on == verdict.kind or terms.on.casefold() == verdict.step.name.casefold()


def _barred_at(profile: Profile) -> Millis:
    """When an earlier holder of one of the person's keys was deleted."""
    return max((at for at in profile.barriers.values() if at < FOREVER), default=0)


def _attributed(verdict: Verdict, friend: Profile, now: Millis) -> Announcement:
    step, touch = verdict.step, verdict.touch
    payload = {
        "event_name": step.name,
        "event_time": step.at,
        "person_id": str(friend.id),
        "partner_user_id": friend.user_id,
        "advocate_person_id": str(verdict.advocate_id),
        "campaign_id": verdict.campaign.id,
        "program": verdict.campaign.program,
        "reason": touch.reason if touch is not None else "",
        "quality": verdict.quality,
    }
    return Announcement("referral.attributed", f"attributed-{step.arrival}-{verdict.campaign.id}", now, friend.id, payload)


__all__ = ["latest_cause", "settle", "standing_key", "touches_of"]

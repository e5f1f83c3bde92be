"""The judge: from a person's journey to verdicts, relationships and rewards.

`settle` judges every step of the journey anew and makes the rows agree with the verdicts. What follows from a set of messages
therefore does not depend on the order they came in (law 3), and nothing is earned twice (law 2). Outside of it stay rules that
count what others did: their first verdict stands (`Standing.limits`), and so does a person's decision.
"""

from __future__ import annotations

from zlib import crc32

import msgspec
from msgspec.structs import replace

from goodword.core.attribution import in_force, matched_back, with_touches
from goodword.core.basis import basis_of, comes_alone
from goodword.core.decision import Record
from goodword.core.delivery import Announcement
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.likeness import token_of
from goodword.core.presence import count_people
from goodword.core.profile import Profile, ProfileId
from goodword.core.reconcile import reconcile, reconcile_bonuses
from goodword.core.referral import Credit, Journey, Judgement, Relationship, Touch
from goodword.core.reward import Passed
from goodword.core.times import Millis, write_time
from goodword.core.verdict import Docket, Verdict, judge_step, kind_of, standing_key

_encode = msgspec.json.Encoder().encode


def settle(journey: Journey, friend: Profile, facts: Facts, now: Millis, fresh: Fresh, place: int = 0) -> list[Record]:
    """Judge a journey, and the rows that make everything agree with the verdicts. `place`: the first of the command's ids to use."""
    docket = Docket(with_touches(journey, matched_back(friend, facts)), friend, facts, now, fresh, place)
    basis = basis_of(docket)
    docket.is_alone = comes_alone(docket, basis)
    for step in docket.steps[-1:] if docket.is_alone else docket.steps:
        judge_step(docket, step)
    _relate(docket)
    _hand_over(docket)
    _credit(docket)
    reconcile(docket)
    reconcile_bonuses(docket)
    _keep_judgements(docket)
    count_people(docket)
    is_settled = not any(verdict.is_pending for verdict in docket.verdicts)
    docket.journey = replace(docket.journey, standings=docket.standings, basis=basis if is_settled else 0)
    if docket.journey != facts.referrals.journeys.get(friend.id):
        docket.records.append(docket.journey)
    return docket.records


def _relate(docket: Docket) -> None:
    """Who referred the person in each program; the one credited last, or touching last, stands, the others are displaced."""
    latest: dict[tuple[str, ProfileId], Touch] = {}
    for touch in docket.journey.touches:
        programs = [touch.program] if touch.program else sorted({each.program for each in docket.known.programs.campaigns.values()})
        for program in programs:
            latest[program, docket.resolve(touch.advocate_id)] = touch
    standing = _standing(docket)
    standing |= {verdict.campaign.program: verdict.advocate_id for verdict in docket.verdicts if verdict.touch is not None}
    email = docket.friend.email
    alike = token_of(email) if email is not None else ""
    related = dict(docket.journey.related) if docket.journey.alike == alike else {}
    for (program, advocate), touch in latest.items():
        rivals = [(other.at, number) for (named, number), other in latest.items() if named == program and number != advocate]
        stands = standing.get(program)
        later = max(rivals, default=(0, 0))
        displaced = later[0] if (stands not in (None, advocate)) or (stands is None and later > (touch.at, advocate)) else 0
        key = f"{program} {advocate}"
        if related.get(key) == displaced:
            continue
        related[key] = displaced
        docket.records.append(
            Relationship(
                docket.friend.id,
                program,
                advocate,
                touch.campaign,
                touch.reason,
                touch.at,
                docket.now,
                docket.fresh.arrival,
                displaced or None,
                alike,
            )
        )
    if related != docket.journey.related or (related and docket.journey.alike != alike):
        docket.journey = replace(docket.journey, related=related, alike=alike)


def _standing(docket: Docket) -> dict[str, ProfileId | None]:
    """Of a journey whose earlier steps are not judged anew: who stands as the one who referred the person, by program."""
    if not docket.is_alone:
        return {}
    found = (key.rpartition(" ") for key, displaced in docket.journey.related.items() if not displaced)
    return {program: ProfileId(int(advocate)) for program, _, advocate in found}


def _hand_over(docket: Docket) -> None:
    """What stood for a number that became part of this person stands for the person now: the old rows are displaced.

    They are a moment older than the rows that stand, so that a list with the newest first, of each other person one, shows those.
    """
    for number in docket.friend.sources:
        part = docket.known.journeys.get(number)
        if part is None or not part.related:
            continue
        latest = {docket.resolve(touch.advocate_id): touch for touch in part.touches}
        for key, displaced in part.related.items():
            program, _, advocate = key.rpartition(" ")
            touch = latest.get(docket.resolve(ProfileId(int(advocate))))
            if not displaced and touch is not None:
                docket.records.append(
                    Relationship(
                        number,
                        program,
                        ProfileId(int(advocate)),
                        touch.campaign,
                        touch.reason,
                        touch.at,
                        docket.now - 1,
                        docket.fresh.arrival,
                        docket.now,
                    )
                )
        docket.add(replace(part, related={}))


def _credit(docket: Docket) -> None:
    """Count the first good outcome of the relationship for its advocate, and take back what no longer counts."""
    counted = _counted(docket)
    for verdict in docket.verdicts:
        standing, advocate = verdict.standing, verdict.advocate
        good = verdict.counts and verdict.kind == "outcome" and advocate is not None
        place = (verdict.campaign.program, advocate.id) if advocate is not None else None
        credit = advocate.id if good and advocate is not None and place is not None and place not in counted else None
        if credit is not None and place is not None:
            counted.add(place)
        before = docket.resolve(standing.counted_for) if standing.counted_for is not None else None
        if credit != before:
            day, program = docket.calendar.day_of(verdict.step.at), verdict.campaign.program
            if before is not None:
                docket.add(Credit(before, program, day, -1))
            if credit is not None:
                docket.add(Credit(credit, program, day, 1))
        verdict.standing = replace(standing, counted_for=credit)


def _counted(docket: Docket) -> set[tuple[str, ProfileId]]:
    """Of a journey whose earlier steps are not judged anew: in which program one of them counts for whom."""
    if not docket.is_alone:
        return set()
    campaigns = docket.known.programs.campaigns
    found = ((campaigns.get(key.partition(" ")[2]), standing.counted_for) for key, standing in docket.standings.items())
    return {(campaign.program, docket.resolve(who)) for campaign, who in found if campaign is not None and who is not None}


def _keep_judgements(docket: Docket) -> None:
    """One row a step and campaign, written when it changed; and what was settled, in the journey."""
    seen = set()
    first = docket.outcomes[0].arrival if docket.outcomes else None  # the first the person ever had, referred or not
    for verdict in docket.verdicts:
        touch, step = verdict.touch, verdict.step
        judgement = Judgement(
            arrival=step.arrival,
            campaign=verdict.campaign.id,
            version=verdict.version,
            program=verdict.campaign.program,
            kind=verdict.kind,
            friend_id=docket.friend.id,
            advocate_id=verdict.advocate_id,
            reason=touch.reason if touch is not None else "",
            ref=touch.shown_ref if touch is not None else "",
            touch_at=touch.at if touch is not None else None,
            quality=verdict.quality,
            review=verdict.review,
            judged_at=0,
            rules=(*verdict.rules, *verdict.notes),
            at=step.at,
            amount=verdict.amount,
            currency=step.currency,
            origin=touch.origin if touch is not None else "",
            is_new=step.arrival == first,
        )
        key = standing_key(step, verdict.campaign.id)
        seen.add(key)
        digest = crc32(_encode(judgement))
        if digest != verdict.standing.digest:
            docket.records.append(replace(judgement, judged_at=docket.now))
            if not verdict.standing.digest and touch is not None and docket.known.endpoints:
                docket.records.append(_attributed(verdict, docket.friend, docket.now))
        docket.standings[key] = replace(verdict.standing, digest=digest, is_good=verdict.counts)
    for key in () if docket.is_alone else docket.standings.keys() - seen:
        _forget(docket, key)


def _forget(docket: Docket, key: str) -> None:
    """A step that was judged in a campaign and is no longer credited there: say so, and take back what it counted for."""
    standing = docket.standings[key]
    if not standing.digest:
        return
    arrival, _, campaign_id = key.partition(" ")
    step = next((each for each in docket.journey.steps if each.arrival == int(arrival)), None)
    campaign = docket.known.programs.campaigns.get(campaign_id)
    if step is None or campaign is None:
        return
    if standing.counted_for is not None:
        docket.add(Credit(docket.resolve(standing.counted_for), campaign.program, docket.calendar.day_of(step.at), -1))
    docket.standings[key] = replace(standing, counted_for=None, digest=0, is_good=False)
    terms = in_force(campaign, step.at)
    kind = kind_of(step.name, terms[1]) if terms is not None else None
    why = Passed("attribution", "FAIL", "another campaign took the event, or nobody is credited with it")
    docket.records.append(
        Judgement(
            arrival=step.arrival,
            campaign=campaign_id,
            version=terms[0].version if terms else 0,
            program=campaign.program,
            kind=kind or "outcome",
            friend_id=docket.friend.id,
            advocate_id=None,
            reason="",
            ref="",
            touch_at=None,
            quality="NONE",
            review="",
            judged_at=docket.now,
            rules=(why,),
            at=step.at,
        )
    )


def _attributed(verdict: Verdict, friend: Profile, now: Millis) -> Announcement:
    step, touch, advocate = verdict.step, verdict.touch, verdict.advocate
    payload = {
        "event_name": step.name,
        "event_time": write_time(step.at),
        "person_id": str(friend.id),
        "partner_user_id": friend.user_id,
        "advocate_person_id": str(verdict.advocate_id),
        "advocate_partner_user_id": advocate.user_id if advocate is not None else None,
        "campaign_id": verdict.campaign.id,
        "program": verdict.campaign.program,
        "reason": touch.reason if touch is not None else "",
        "quality": verdict.quality,
    }
    event_id = f"attributed-{step.arrival}-{verdict.campaign.id}"
    return Announcement("referral.attributed", event_id, now, friend.id, payload, other_id=None if advocate is None else advocate.id)

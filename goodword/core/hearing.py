"""Hearing: what a received message adds to a person's journey, before the journey is judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec.structs import replace

from goodword.core.account import CONVERSION, REGISTRATION
from goodword.core.attribution import touches_of, with_touches
from goodword.core.decision import Claim, Record, ServerOutcomes
from goodword.core.delivery import Announcement
from goodword.core.event import FROM_BROWSER, EventRef, Understood, cancel_claim, conversion_claim
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.fulfilment import Moving
from goodword.core.judge import settle
from goodword.core.message import Message, read_object
from goodword.core.money import write_money
from goodword.core.profile import Profile, may_be_one
from goodword.core.referral import Cancellation, Evidence, Journey, Signals, Step, Touch
from goodword.core.reward import follows
from goodword.core.signal import coupon_of
from goodword.core.times import FOREVER, Millis, write_time

STEPS_MAX = 500
STEPS_FIRST = 50
SIGHTINGS_MAX = 20
_SILENT = Signals()


def journey_of(profile: Profile, facts: Facts) -> Journey:
    """A person's journey with those of everyone who became part of them; of someone new to campaigns, what the log remembers."""
    known = facts.referrals
    parts = [known.journeys[number] for number in (profile.id, *profile.sources) if number in known.journeys]
    if not parts:
        return Journey(profile.id, steps=known.histories.get(profile.id, ()))
    whole = parts[0] if parts[0].profile_id == profile.id else replace(parts[0], profile_id=profile.id, related={})
    for part in parts[1:]:
        whole = _joined(whole, part)
    return whole


def _joined(whole: Journey, part: Journey) -> Journey:
    cancellations = {each.message_id: each for each in (*part.cancellations, *whole.cancellations)}
    standings = dict(part.standings)
    for key, mine in whole.standings.items():
        theirs = standings.get(key)
        standings[key] = mine if theirs is None or mine.decision or not theirs.decision else theirs
    joined = replace(
        whole,
        steps=_bounded({step.arrival: step for step in (*part.steps, *whole.steps)}.values()),
        sightings=_latest((*part.sightings, *whole.sightings)),
        cancellations=tuple(cancellations.values()),
        standings=standings,
    )
    return with_touches(joined, part.touches)


def _bounded(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps by time; of very many the first and the latest."""
    ordered = sorted(steps, key=lambda step: step.turn)
    return tuple(ordered if len(ordered) <= STEPS_MAX else ordered[:STEPS_FIRST] + ordered[STEPS_FIRST - STEPS_MAX :])


def _latest(sightings: Iterable[tuple[Millis, Evidence]]) -> tuple[tuple[Millis, Evidence], ...]:
    latest = {evidence: at for at, evidence in sorted(sightings, key=lambda each: each[0])}
    return tuple(sorted(((at, evidence) for evidence, at in latest.items()), key=lambda each: each[0])[-SIGHTINGS_MAX:])


def hear(
    understood: Understood,
    profile: Profile,
    duplicate_of: EventRef | None,
    facts: Facts,
    now: Millis,
    fresh: Fresh,
    left: Profile | None = None,
    claimed: EventRef | None = None,
) -> list[Record]:
    """The rows of what a message says about referrals. `profile` is its person, as the message leaves them, `left` the one whose device
    it takes over, `claimed` the event by which a browser claimed the order for somebody else."""
    signals = understood.signals or _SILENT
    message = understood.message
    before = journey_of(profile, facts)
    touches = touches_of(signals, message.message_id, message.at, facts, now)
    if [key[0] for key in understood.keys] == ["a"]:
        touches = [replace(touch, device=str(understood.keys[0])) for touch in touches]
    journey = with_touches(before, [*touches, *(_left_behind(left, facts) if left is not None else ())])
    if signals.kind and not signals.evidence.is_unknown:
        journey = replace(journey, sightings=_latest((*journey.sightings, (message.at, signals.evidence))))
    redeemed = _redeemed(understood, signals, facts, now, fresh)
    records: list[Record] = []
    if signals.kind == "cancel":
        elsewhere, journey, records = _cancel(understood, signals, profile, journey, facts, fresh)
        if elsewhere is not None:
            owner, theirs = elsewhere
            records += settle(theirs, owner, facts, now, fresh)
    elif signals.kind == "step" and duplicate_of is None:
        journey = _stepped(understood, signals, profile, journey, facts, now, fresh)
        if _is_first_of_server(understood, signals, facts):
            facts.referrals.servers_since = now
            records.append(ServerOutcomes(now))
        if claimed is not None:
            records += _contest(claimed, profile, facts, now, fresh)
    elif signals.kind == "step" and duplicate_of is not None:
        records += _confirm(understood, duplicate_of, profile, facts, now, fresh)
        journey = journey_of(profile, facts) if records else journey
    if journey == before and not (journey.touches or journey.steps):
        return redeemed + records
    return redeemed + records + settle(journey, profile, facts, now, fresh, place=len(records) and 200)


def _left_behind(left: Profile, facts: Facts) -> list[Touch]:
    """What a device told before it named the person it has passed on to: visits by the own link of the person it was known as. They shared
    a link and handed over the device; the visits are the other's, and the rules see that it is one device."""
    device, own = left.changes[-1].key, (left.id, *left.sources)
    return [touch for touch in journey_of(left, facts).touches if touch.device == device and touch.advocate_id in own]


def _checked(message: Message, facts: Facts) -> dict[str, Any] | None:
    """The properties that rewards' checks look at."""
    names = facts.referrals.programs.checked
    if not names:
        return None
    said = read_object(message.properties or b"") or {}
    return {name: said[name] for name in sorted(names) if name in said}


def _redeemed(understood: Understood, signals: Signals, facts: Facts, now: Millis, fresh: Fresh) -> list[Record]:
    """Rewards whose coupons an order used. A server has to say so: a code that was used is not taken back when its order is returned,
    so nobody may claim it in a browser."""
    known = facts.referrals
    if signals.kind != "step" or understood.flags & FROM_BROWSER or understood.name.casefold() not in known.programs.outcomes:
        return []
    records: list[Record] = []
    for code in {hint.value.casefold() for hint in signals.hints if hint.reason == "COUPON_CODE"}:
        use = known.coupons.get(code)
        reward = known.rewards.get(use.reward_id) if use is not None else None
        if reward is None or reward.state not in ("FULFILLED", "SENT"):
            continue
        moving = Moving(reward, facts, now, fresh, 0)
        if follows(moving.supplier, reward.state, "REDEEMED"):
            detail = {"partner_event_id": signals.order, "event_name": understood.name}
            moving.move("REDEEMED", "An order used its code.", detail=detail, cause=fresh.arrival)
            records += moving.done()
            known.lay(moving.reward)
    return records


def _is_first_of_server(understood: Understood, signals: Signals, facts: Facts) -> bool:
    """Whether this is the first order that a server of the account says."""
    return bool(signals.order) and not understood.flags & FROM_BROWSER and facts.referrals.servers_since == FOREVER


def _stepped(
    understood: Understood, signals: Signals, profile: Profile, journey: Journey, facts: Facts, now: Millis, fresh: Fresh
) -> Journey:
    """The journey with one more step; what took the order back before it was said comes along."""
    message = understood.message
    step = Step(
        fresh.arrival,
        message.message_id,
        understood.name,
        message.at,
        now,
        bool(understood.flags & FROM_BROWSER),
        signals.amount,
        signals.currency,
        signals.order,
        signals.evidence,
        said=_checked(message, facts),
    )
    journey = replace(journey, steps=_bounded((*journey.steps, step)))
    ref = facts.claims.get(cancel_claim(signals.order)) if signals.order else None
    if ref is None or any(each.order == signals.order for each in journey.cancellations):
        return journey
    holder = facts.profile(ref.profile_id)
    theirs = journey_of(holder, facts).cancellations if holder is not None and holder.id != profile.id else ()
    found = [each for each in theirs if each.order == signals.order]
    found = found or [Cancellation(f"order {signals.order}", signals.order, ref.at, ref.amount)]
    return replace(journey, cancellations=(*journey.cancellations, *found))


def _cancel(
    understood: Understood, signals: Signals, profile: Profile, journey: Journey, facts: Facts, fresh: Fresh
) -> tuple[tuple[Profile, Journey] | None, Journey, list[Record]]:
    """An order taken back: in the journey of whoever bought, or, before that is known, in that of whoever said it. A browser speaks for
    its own person alone."""
    if not signals.order:
        return None, journey, []
    message, from_browser = understood.message, bool(understood.flags & FROM_BROWSER)
    taken = Cancellation(message.message_id, signals.order, message.at, signals.amount, from_browser)
    if from_browser:
        return None, replace(journey, cancellations=(*journey.cancellations, taken)), []
    records: list[Record] = []
    claim = cancel_claim(signals.order)
    if claim not in facts.claims:
        records.append(Claim(claim, fresh.arrival, profile.id, message.message_id, message.at, signals.amount))
    ref = facts.claims.get(conversion_claim(signals.order) or "")
    owner = facts.profile(ref.profile_id) if ref is not None else None
    if owner is None or owner.id == profile.id:
        return None, replace(journey, cancellations=(*journey.cancellations, taken)), records
    theirs = journey_of(owner, facts)
    return (owner, replace(theirs, cancellations=(*theirs.cancellations, taken))), journey, records


def _confirm(understood: Understood, original: EventRef, profile: Profile, facts: Facts, now: Millis, fresh: Fresh) -> list[Record]:
    """A server repeats what a browser claimed: the step no longer waits for that. The first value stands."""
    if understood.flags & FROM_BROWSER:
        return []
    owner = profile if original.profile_id in (profile.id, *profile.sources) else facts.profile(original.profile_id)
    if owner is None:
        return []
    journey = journey_of(owner, facts)
    amount = understood.signals.amount if understood.signals is not None else None
    steps = tuple(
        replace(step, from_browser=False, server_amount=amount) if step.arrival == original.arrival and step.from_browser else step
        for step in journey.steps
    )
    if steps == journey.steps:
        return []
    journey = replace(journey, steps=steps)
    records = settle(journey, owner, facts, now, fresh)
    for record in records:
        facts.referrals.lay(record)
    return records


def is_anothers(understood: Understood, original: EventRef, profile: Profile | None, facts: Facts) -> bool:
    """Whether a server says what only a browser had said, and of somebody else: who knows the next order's number could claim it. The
    server's word stands (trust.md). `profile` is the message's person, as the message leaves them."""
    signals = understood.signals
    if profile is None or signals is None or signals.kind != "step" or understood.flags & FROM_BROWSER:
        return False
    owner = facts.profile(original.profile_id)
    if owner is None or owner.id in (profile.id, *profile.sources):
        return False
    return any(step.arrival == original.arrival and step.from_browser for step in journey_of(owner, facts).steps)


def _contest(claimed: EventRef, profile: Profile, facts: Facts, now: Millis, fresh: Fresh) -> list[Record]:
    """Whoever had claimed the order has it no longer; where the two may be one person, a person looks at it."""
    owner = facts.profile(claimed.profile_id)
    assert owner is not None, "`is_anothers` found them"
    contested: Literal["perhaps", "surely"] = "perhaps" if may_be_one(owner, profile) else "surely"
    journey = journey_of(owner, facts)
    steps = tuple(replace(step, contested=contested) if step.arrival == claimed.arrival else step for step in journey.steps)
    records = settle(replace(journey, steps=steps), owner, facts, now, fresh)
    for record in records:
        facts.referrals.lay(record)
    return records


def rejudged(profile: Profile, facts: Facts, now: Millis, fresh: Fresh, place: int = 0) -> list[Record]:
    """Judge a person's journey as it is: something outside of it changed, such as a share to their address."""
    journey = journey_of(profile, facts)
    return settle(journey, profile, facts, now, fresh, place) if journey.steps or journey.touches else []


def afresh(journey: Journey) -> Journey:
    """The journey without what limits settled before; people's decisions stay."""
    standings = {key: replace(standing, limits=()) for key, standing in journey.standings.items()}
    return replace(journey, standings=standings)


def _names(profile: Profile) -> dict[str, str]:
    """The person's names, as far as they are known."""
    known = ((name, profile.parameters.get(name)) for name in ("first_name", "last_name"))
    return {name: said.value for name, said in known if said is not None and isinstance(said.value, str) and said.value}


def announced(understood: Understood, profile: Profile | None, arrival: int, now: Millis) -> Announcement | None:
    """A registration or a conversion, for whoever subscribed."""
    message = understood.message
    if understood.name not in (REGISTRATION, CONVERSION) or message.type != "track" or profile is None:
        return None
    payload = {
        "event_name": understood.name,
        "event_time": write_time(message.at),
        "message_id": message.message_id,
        "person_id": str(profile.id),
        "partner_user_id": profile.user_id,
        "email": profile.email,
        **_names(profile),
    }
    if understood.amount is not None and understood.currency is not None:
        payload |= {"cart_value": write_money(understood.amount, understood.currency), "currency": understood.currency}
    if understood.claim is not None and understood.claim[0] == "c":
        payload["partner_conversion_id"] = understood.claim.partition("\0")[2]
    if understood.name == CONVERSION and (code := coupon_of(message)) is not None:
        payload["coupon_code"] = code
    return Announcement(f"{understood.name}.recorded", f"{understood.name}-{arrival}", now, profile.id, payload)

"""Reconciliation: rewards are made to agree with the verdicts. What should be and is not is earned, what should not be is withdrawn.

So the same messages in any order, any number of times, end in the same rewards, each once (laws 2 and 3). Limits, budgets and coupons
are given out in order of commit; what a person or time has ended is not brought back.
"""

from __future__ import annotations

from msgspec.structs import replace

from goodword.core.campaign import DAY_MS
from goodword.core.fulfilment import advance, withdraw
from goodword.core.profile import Profile, ProfileId
from goodword.core.referral import Journey
from goodword.core.reward import HELD, LEDGER, Passed, Reward, RewardTerms, valued
from goodword.core.reward_rule import STICKY, RewardCase, judge_reward, value_of
from goodword.core.times import Millis
from goodword.core.verdict import Docket, Verdict, is_on

PLACES_MAX = 480
PLACES_PER_REWARD = 6


def reconcile(docket: Docket) -> None:
    """Rewards for what the person did: earn what is missing, withdraw what should not be."""
    held = [each for number in docket.numbers(docket.friend.id) for each in docket.known.earned_by.get(number, {}).values()]
    mine = [each for each in held if not each.nth and each.cause]
    mine.sort(key=lambda reward: reward.id)
    kept: set[int] = {each.id for each in mine if not each.is_gone} if docket.is_alone else set()  # earlier steps earned these
    doubted: set[int] = set()
    # What is sure earns before what waits, or an order that only a browser claims would hold up the reward of one that a server said.
    for verdict in sorted(docket.verdicts, key=lambda verdict: verdict.wait_until):
        for promised in verdict.document.rewards:
            terms = valued(promised, docket.known.suppliers.get(promised.supplier))
            if terms.rules.nth is None and not terms.rules.milestones:
                _promise(docket, terms, verdict, mine, kept, doubted)
    for reward in mine:
        if reward.id in kept or reward.is_gone:
            continue
        if reward.id in doubted:
            _hold(docket, reward)
        else:
            _withdraw(docket, reward, "what earned it no longer counts")


def _hold(docket: Docket, reward: Reward) -> None:
    """The event waits for a person, and nothing is earned by it until then, in whatever order its story became known. What was not given
    yet waits along, what the ledger has comes back. A coupon that was handed out, or what the brand's own system gave, may be used: it
    stays until a person decides."""
    if reward.state == "EARNED":
        if reward.waiting != "review":
            docket.add(replace(reward, waiting="review", due_at=None, updated_at=docket.now))
    elif _can_come_back(docket, reward):
        _withdraw(docket, reward, "what earned it waits for a person to look at it")


def _is_early(docket: Docket, reward: Reward, terms: RewardTerms, verdict: Verdict) -> bool:
    """Whether a reward was given for another event, which does not count any more, while this one still waits."""
    return reward.state != "EARNED" and _due(terms, verdict) > docket.now and _can_come_back(docket, reward)


def _can_come_back(docket: Docket, reward: Reward) -> bool:
    """Whether a reward that is past waiting can be taken back and given again without loss."""
    supplier = docket.known.suppliers.get(reward.supplier)
    return reward.state == "FAILED" or (supplier is not None and supplier.type in LEDGER)


def _promise(docket: Docket, terms: RewardTerms, verdict: Verdict, mine: list[Reward], kept: set[int], doubted: set[int]) -> None:
    """One reward of the campaign for one step. `doubted` are rewards that are there although their event waits for a person."""
    if not is_on(terms, verdict.kind, verdict.step.name) or verdict.quality != "HIGH":
        return
    recipient = verdict.advocate if terms.to == "advocate" else docket.friend
    if (terms.to != "participant" and verdict.touch is None) or recipient is None:
        return
    same = [each for each in mine if _is_same(docket, each, terms, verdict)]
    live = [each for each in same if not each.is_gone]
    if verdict.review == "open" and not verdict.wait_until:
        doubted.update(each.id for each in live)
        return
    if any(each.id in kept for each in live) or any(each.is_gone and each.is_final for each in same):
        kept.update(each.id for each in live[:1] if not any(other.id in kept for other in live))
        return
    existing = live[0] if live else None
    if not verdict.campaign.gives_at(docket.now):
        if existing is None:
            verdict.notes.append(Passed(f"reward:{terms.name}:campaign_gives", "FAIL", "the campaign was stopped since"))
        else:
            kept.add(existing.id)
        return
    if existing is not None and _is_early(docket, existing, terms, verdict) and _withdraw(docket, existing, "what is left still waits"):
        mine.remove(existing)
        existing = None
    worth = value_of(terms, verdict.amount, verdict.step.currency)
    results = _rules_of(docket, terms, verdict, recipient, existing)
    if worth is None:
        results = (*results, Passed("value", "FAIL", "the event carries no value to take a percentage of"))
    failed = [each for each in results if each.result == "FAIL"]
    if failed or worth is None:
        verdict.notes += [replace(each, rule=f"reward:{terms.name}:{each.rule}") for each in failed]
        return
    if existing is None:
        earned = _earn(docket, terms, verdict, recipient, worth, results, 0)
        if earned is not None:
            mine.append(earned)
            kept.add(earned.id)
    else:
        kept.add(existing.id)
        _bring_up_to_date(docket, existing, terms, verdict, worth)


def _rules_of(docket: Docket, terms: RewardTerms, verdict: Verdict, recipient: Profile, existing: Reward | None) -> tuple[Passed, ...]:
    """The reward's own rules. Limits were passed by a reward that is there already; a limit once failed stays failed. Who was blocked
    since keeps what was given before (domain 2.8)."""
    advocate = verdict.advocate
    other = docket.friend if terms.to == "advocate" else advocate
    theirs = docket.known.journeys.get(advocate.id) if advocate is not None else None
    if theirs is None and advocate is not None and terms.rules.asks_what_was_done:
        theirs = Journey(advocate.id, steps=docket.known.histories.get(advocate.id, ()))
    case = RewardCase(
        step=verdict.step,
        kind=verdict.kind,
        recipient=recipient,
        other=other,
        journey=docket.judged() if terms.rules.asks_what_was_done else docket.journey,
        document=verdict.document,
        quality=verdict.quality,
        amount=verdict.amount,
        earned=tuple(docket.known.earned.get(recipient.id, ())),
        credited=sum(docket.known.credited.get((recipient.id, verdict.campaign.program), {}).values()),
        spent=docket.known.spent,
        now=docket.now,
        properties=verdict.step.said,
        advocate_journey=theirs,
        campaigns=docket.campaigns_of(verdict.campaign) if terms.rules.asks_what_was_done else (),
    )
    results = judge_reward(terms, case)
    if existing is not None:
        passed = STICKY | {"recipient_may_be_rewarded"} if existing.state in HELD else STICKY
        return tuple([each for each in results if each.rule not in passed])
    prefix = f"reward:{terms.name}:"
    limits = verdict.standing.limits
    settled = {rule: replace(each, rule=rule) for each in limits if (rule := each.rule.removeprefix(prefix)) != each.rule}
    fresh = [each for each in results if each.result == "FAIL" and each.rule in STICKY and each.rule not in settled]
    if fresh:
        verdict.standing = replace(verdict.standing, limits=(*limits, *(replace(each, rule=prefix + each.rule) for each in fresh)))
    return tuple([settled.get(each.rule, each) for each in results]) if settled else results


def _is_same(docket: Docket, reward: Reward, terms: RewardTerms, verdict: Verdict) -> bool:
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
            return (docket.resolve(advocate) if advocate is not None else None) == verdict.advocate_id


def _earn(
    docket: Docket,
    terms: RewardTerms,
    verdict: Verdict,
    recipient: Profile,
    worth: tuple[int, str],
    rules: tuple[Passed, ...],
    nth: int,
) -> Reward | None:
    """A new reward: waiting where something holds it, else fulfilled at once if its supplier can."""
    if docket.place >= PLACES_MAX:
        return None
    supplier = docket.known.suppliers.get(terms.supplier)
    due_at = _due(terms, verdict)
    days = terms.expires_days if terms.expires_days is not None else supplier.expires_days if supplier is not None else None
    other = docket.friend.id if terms.to == "advocate" else verdict.advocate_id
    reward = Reward(
        id=docket.fresh.id(docket.place),
        profile_id=recipient.id,
        journey_id=docket.friend.id,
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
        created_at=docket.now,
        updated_at=docket.now,
        other_id=None if terms.to == "participant" and verdict.touch is None else other,
        nth=nth,
        waiting="pending" if due_at > docket.now else "",
        due_at=due_at if due_at > docket.now else None,
        expires_at=docket.now + days * DAY_MS if days else None,
        rules=(*verdict.waits, *rules),
    )
    docket.add(*advance(reward, docket.facts, docket.now, docket.fresh, docket.place + 1, is_new=True))
    docket.place += PLACES_PER_REWARD
    return reward


def _due(terms: RewardTerms, verdict: Verdict) -> Millis:
    pending = verdict.step.at + int(terms.pending_days * DAY_MS) if terms.pending_days else 0
    return max(pending, verdict.wait_until)


def _bring_up_to_date(docket: Docket, reward: Reward, terms: RewardTerms, verdict: Verdict, worth: tuple[int, str]) -> None:
    """A reward that is still waiting follows what is known now: an earlier cause, a changed value, a wait that ended sooner or later."""
    if reward.state != "EARNED" or reward.waiting not in ("pending", "review"):
        return
    due_at = _due(terms, verdict)
    waits = due_at > docket.now
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
    changed = replace(changed, updated_at=docket.now)
    if waits:
        docket.add(changed)
        return
    docket.add(*advance(changed, docket.facts, docket.now, docket.fresh, docket.place, is_new=False))
    docket.place += PLACES_PER_REWARD


def _withdraw(docket: Docket, reward: Reward, why: str) -> bool:
    """Take a reward back; False where it stays, as one that was used does."""
    if docket.place >= PLACES_MAX:
        return False
    records = withdraw(reward, docket.facts, docket.now, docket.fresh, docket.place, why)
    docket.add(*records)
    docket.place += PLACES_PER_REWARD
    return bool(records)


def reconcile_bonuses(docket: Docket) -> None:
    """Nth and milestone rewards of the advocates this journey counts for."""
    done: set[tuple[str, str, ProfileId]] = set()
    for verdict in docket.verdicts:
        advocate = verdict.advocate
        if advocate is None or verdict.kind != "outcome":
            continue
        for promised in verdict.document.rewards:
            terms = valued(promised, docket.known.suppliers.get(promised.supplier))
            place = (verdict.campaign.program, terms.name, advocate.id)
            if (terms.rules.nth is None and not terms.rules.milestones) or terms.to != "advocate" or place in done:
                continue
            done.add(place)
            _bonus(docket, terms, verdict, advocate)


def _bonus(docket: Docket, terms: RewardTerms, verdict: Verdict, advocate: Profile) -> None:
    total = sum(docket.known.credited.get((advocate.id, verdict.campaign.program), {}).values())
    wanted = set(terms.rules.milestones) if terms.rules.milestones else set()
    if terms.rules.nth:
        wanted |= set(range(terms.rules.nth, total + 1, terms.rules.nth))
    wanted = {number for number in wanted if number <= total}
    numbers = {advocate.id, *advocate.sources}
    own = [each for number in numbers for each in docket.known.bonuses.get(number, {}).values()]
    held = {
        reward.nth: reward
        for reward in sorted(own, key=lambda each: each.id)
        if reward.name == terms.name and reward.program == verdict.campaign.program
        if not reward.is_gone or reward.is_final
    }
    worth = value_of(terms, verdict.amount, verdict.step.currency)
    if verdict.counts and worth is not None and verdict.campaign.gives_at(docket.now):
        for number in sorted(wanted - held.keys()):
            results = _rules_of(docket, terms, verdict, advocate, None)
            failed = [each for each in results if each.result == "FAIL"]
            if failed:
                verdict.notes += [replace(each, rule=f"reward:{terms.name}:{each.rule}") for each in failed]
                break
            _earn(docket, terms, verdict, advocate, worth, results, number)
    for number in held.keys() - wanted:
        if not held[number].is_gone:
            _withdraw(docket, held[number], "fewer friends count than it was given for")

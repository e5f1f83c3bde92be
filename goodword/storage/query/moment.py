"""Moments: what happened to a referral, each in a sentence that a support agent can read to a customer.

Pure: rows in, sentences out. The other side of a referral is named by the first letter and the domain of their address, or by number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct, field

from goodword.core.account import CONVERSION
from goodword.core.attribution import latest_cause, resolve
from goodword.core.campaign import DAY_MS, Attribution, Campaign, Document
from goodword.core.money import write_money
from goodword.core.profile import Profile, ProfileId
from goodword.core.referral import Cancellation, Click, Judgement, Reason, Standing, Step, Touch
from goodword.core.reward import Passed, Reward, Transition, digits
from goodword.core.times import Millis, write_time

What = Literal[
    "link", "share", "click", "link_up", "sign_up", "outcome", "action", "attribution", "displaced", "unattributed", "cancellation",
    "judged", "review", "friend", "reward", "reward_refused", "block",
]  # fmt: skip
ORDER: tuple[What, ...] = (
    "link", "share", "click", "link_up", "sign_up", "outcome", "action", "attribution", "displaced", "unattributed", "cancellation",
    "judged", "review", "friend", "reward", "reward_refused", "block",
)  # fmt: skip
"""In which order moments of the same time are told: what caused something comes before it."""
REASONS: dict[Reason, str] = {
    "COUPON_CODE": "a coupon that came from their referral was used",
    "SHARE_ID": "their share link was followed",
    "SHAREABLE_ID": "their share link was named",
    "SHARE_RECIPIENT": "they had shared with this address",
    "ADVOCATE_CODE": "their code was given",
    "ADVOCATE_PARTNER_USER_ID": "they were named by their user id",
    "ADVOCATE_EMAIL": "they were named by their e-mail address",
    "ADVOCATE_ORDER_ID": "they were named by an order of theirs",
}
STATES = {
    "FULFILLED": "was given", "SENT": "was sent", "REDEEMED": "was used", "FAILED": "could not be given", "CANCELED": "was canceled",
    "REVOKED": "was taken back", "EXPIRED": "expired", "EARNED": "is owed again",
}  # fmt: skip


class Moment(Struct, frozen=True):
    """Something that happened at `at`, of the kind `what`, said in `why`; `data` has its facts for programs."""

    at: Millis
    what: What
    why: str
    data: dict[str, Any] = field(default_factory=dict)


class People(Struct, frozen=True):
    """Who is meant by numbers. `subject` is who the story is about: they are not named in it."""

    subject: Profile
    others: Mapping[int, Profile]
    merged: Mapping[ProfileId, ProfileId]

    def label(self, number: int | None) -> str:
        """Words for a person that give away no more than support needs."""
        if number is None:
            return "nobody"
        return "they themselves" if self.is_subject(number) else label(self.others.get(number))

    def is_subject(self, number: int | None) -> bool:
        """Whether a number means whom the story is about."""
        return number == self.subject.id or number in self.subject.sources

    def number(self, number: int | None) -> str | None:
        """The number a person goes by today."""
        if number is None:
            return None
        found = self.others.get(number)
        return str(self.subject.id if number in self.subject.sources else number if found is None else found.id)


def label(profile: Profile | None) -> str:
    """`j…@example.com`, or `person 12`; someone deleted has nothing left."""
    if profile is None:
        return "someone who was deleted since"
    name, _, domain = (profile.email or "").partition("@")
    return f"{name[0]}…@{domain}" if name else f"person {profile.id}"


def span(millis: int) -> str:
    """A length of time, roughly: `3 days`."""
    seconds = abs(millis) // 1000
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a second"


def clock(at: Millis) -> str:
    """A time to the minute: `2026-01-31 12:00 UTC`."""
    return write_time(at)[:16].replace("T", " ") + " UTC"


def worth(value: int, unit: str) -> str:
    """A reward's value in words: `10 points`, `15.00 USD`, `20 % off`."""
    number = write_money(value, unit)
    whole = number.removesuffix("." + "0" * digits(unit)) if digits(unit) else number
    words = {"POINTS": "points", "PERCENT_OFF": "% off", "MONTH": "month" if whole == "1" else "months"}
    return f"{whole} {words[unit]}" if unit in words else f"{number} {unit}"


def noun(step: Step, kind: str) -> str:
    """What a step is to a customer."""
    if kind == "sign_up":
        return "sign-up"
    return "order" if step.name == CONVERSION or step.key or step.amount is not None else f"event `{step.name}`"


# -- how they came, and what they did ----------------------------------------------------------------------------------------------


def touch_moments(touch: Touch, click: Click | None, people: People) -> list[Moment]:
    """A referral: the click or the naming, and when Goodword learned who it was about."""
    advocate, other = people.label(touch.advocate_id), people.number(touch.advocate_id)
    data = {"reason": touch.reason, "advocate_id": other, "program": touch.program, "campaign_id": touch.campaign, "ref": touch.ref}
    if touch.reason == "SHARE_RECIPIENT":
        return [Moment(touch.at, "share", f"{_upper(advocate)} shared with their e-mail address.", data)]
    if click is None and touch.ref.startswith(touch.reason):
        return [Moment(touch.at, "link_up", f"A message named the advocate: {advocate}, because {REASONS[touch.reason]}.", data)]
    code = click.code if click is not None else touch.code
    seen = click.evidence if click is not None else touch.evidence
    data |= {"click_id": touch.ref, "code": code, "country": seen.country, "site": seen.site}
    link = f"the share link `{code}` of {advocate}" if code else f"a share link of {advocate}"
    counted = "" if click is None or click.is_counted else " It was not counted as a click: a preview, a robot or a repeat."
    moments = [Moment(touch.at, "click", f"They followed {link}.{counted}", data)]
    why = f"Goodword learned that this click was theirs, {span(touch.known_at - touch.at)} after it."
    return [*moments, Moment(touch.known_at, "link_up", why, {"click_id": touch.ref, "advocate_id": other})]


def step_moment(step: Step, kind: str) -> Moment:
    """A sign-up, an order, another event; who said it, and how late."""
    value = f" of {write_money(step.amount, step.currency)} {step.currency}" if step.amount is not None and step.currency else ""
    named = f" (order {step.key})" if step.key else ""
    done = {"sign_up": "They signed up", "outcome": f"They placed an order{value}" if noun(step, kind) == "order" else ""}.get(kind, "")
    done = done or f"They did `{step.name}`{value}"
    said = "A browser claimed it" if step.from_browser else "A server said so"
    late = step.known_at - step.at
    when = f", {span(late)} later" if late >= 60_000 else ""
    data = {
        "name": step.name, "event_id": step.message_id, "arrival": step.arrival, "order": step.key, "from_browser": step.from_browser,
        "received_at": write_time(step.known_at), "value": value[4:],
    }  # fmt: skip
    what: What = "sign_up" if kind == "sign_up" else "outcome" if kind == "outcome" else "action"
    return Moment(step.at, what, f"{done}{named}. {said}{when}.", data)


def cancellation_moment(taken: Cancellation, step: Step | None) -> Moment:
    """An order taken back, wholly or in part."""
    part = taken.amount is not None and step is not None and step.amount is not None and taken.amount < step.amount
    value = f": {write_money(taken.amount, step.currency)} {step.currency}" if part and step and taken.amount and step.currency else ""
    why = f"A part of order {taken.order} was returned{value}." if part else f"Order {taken.order} was canceled or returned."
    if step is not None and not taken.is_about(step):
        why = f"A browser said that order {taken.order} was canceled or returned. A server had said the order, so that does not count."
    return Moment(taken.at, "cancellation", why, {"order": taken.order, "is_partial": part})


# -- who is credited ---------------------------------------------------------------------------------------------------------------


def attribution_moment(judgement: Judgement, step: Step, touch: Touch | None, others: list[dict[str, Any]], people: People) -> Moment:
    """Who is credited with a step in a campaign, and why; and why the others are not."""
    what = noun(step, judgement.kind)
    at = max(step.at, touch.known_at) if touch is not None else step.at
    data = {
        "campaign_id": judgement.campaign, "version": judgement.version, "program": judgement.program, "arrival": step.arrival,
        "reason": judgement.reason, "advocate_id": people.number(judgement.advocate_id), "others": others,
    }  # fmt: skip
    where = f"in the campaign `{judgement.campaign}` (version {judgement.version})"
    if judgement.advocate_id is None or not judgement.reason:
        return Moment(at, "attribution", f"The {what} counts {where}, which needs no referral.", data)
    before = ""
    if judgement.touch_at is not None:
        before = " on it" if touch is not None and touch.step == step.message_id else f" {span(step.at - judgement.touch_at)} before"
    to = "themselves" if people.is_subject(judgement.advocate_id) else people.label(judgement.advocate_id)
    why = f"The {what} was credited to {to} {where}, because {REASONS[judgement.reason]}{before}."
    said = "".join(f" {_upper(each['who'])} had sent them too, and was not credited: {each['why']}." for each in others)
    return Moment(at, "attribution", why + said, data)


_ELSEWHERE = "another campaign of the program took it"


def why_not(
    touch: Touch, step: Step, kind: str, program: str, terms: Attribution, credited: Touch | None, subject: ProfileId,
    merged: Mapping[ProfileId, ProfileId],
) -> str:  # fmt: skip
    """Why a touch is not the one that a step is credited by, as half a sentence."""
    what = noun(step, kind)
    if touch.program not in ("", program):
        return "that was in another program"
    if touch.at > latest_cause(step.at):
        return f"that was {span(touch.at - step.at)} after the {what}, and only what comes before it counts"
    if touch.at < step.at - terms.window_days * DAY_MS:
        return f"that was {span(step.at - touch.at)} before the {what}, and the campaign looks back {terms.window_days} days"
    if touch.reason not in terms.reasons:
        return f"the campaign does not count that {REASONS[touch.reason]}"
    if touch.known_at - step.at > terms.late_days * DAY_MS:
        late = span(touch.known_at - step.at)
        return f"Goodword learned of it {late} after the {what}, and the campaign waits {terms.late_days} days for that"
    if credited is None:
        return _ELSEWHERE
    if credited.step == step.message_id and touch.step != step.message_id:
        return f"the {what} itself named somebody else, which goes first"
    if resolve(touch.advocate_id, dict(merged)) == subject:
        return "a person's own link counts only where there is nobody else's"
    if touch.reason == "SHARE_RECIPIENT" and credited.reason != "SHARE_RECIPIENT":
        return "a followed link or a given code goes before a share to the address"
    return "an earlier referral goes first in this campaign" if terms.model == "first_touch" else "a later referral goes first"


def nobody_moment(
    step: Step, kind: str, campaigns: Iterable[Campaign], terms_of: Mapping[str, Document | None], touches: Iterable[Touch], people: People
) -> Moment:
    """Why nobody is credited with a step. `terms_of`: what each campaign that listens to it said then, None where it was not live."""
    what, reasons = noun(step, kind), []
    touches = list(touches)
    listening = [campaign for campaign in campaigns if campaign.id in terms_of]
    if not listening:
        reasons.append(f"No campaign listens to `{step.name}`.")
    for campaign in listening:
        document = terms_of[campaign.id]
        if document is None:
            reasons.append(f"The campaign `{campaign.id}` was not live at the time of the {what}: {_standing(campaign, step.at)}.")
            continue
        if not touches:
            continue
        for touch in touches:
            why = why_not(touch, step, kind, campaign.program, document.attribution, None, people.subject.id, people.merged)
            mark = campaign.mark_at(latest_cause(step.at))
            if why == _ELSEWHERE and mark is not None and mark.state == "PAUSED":
                why = f"the campaign was paused since {clock(mark.at)}, and pays only those whom its links had brought before"
            reasons.append(f"{_upper(people.label(touch.advocate_id))} had sent them ({clock(touch.at)}), but {why}.")
    if not touches and any(terms_of[campaign.id] is not None for campaign in listening):
        reasons.append("Nobody is known to have sent them: no share link was followed, and no code, coupon or advocate was named.")
    reasons = list(dict.fromkeys(reasons))
    return Moment(
        step.at, "unattributed", f"Nobody was credited with the {what}. " + " ".join(reasons),
        {"arrival": step.arrival, "reasons": reasons},
    )  # fmt: skip


def _standing(campaign: Campaign, at: Millis) -> str:
    mark = campaign.mark_at(latest_cause(at))
    if mark is not None and mark.state != "NOT_LAUNCHED":
        return f"it was {mark.state} since {clock(mark.at)}"
    live = next((mark for mark in campaign.history if mark.state == "LIVE"), None)
    return f"it is live since {clock(live.at)}" if live is not None else "it was never published"


# -- how it was judged -------------------------------------------------------------------------------------------------------------


def rules_as_data(rules: Iterable[Passed]) -> list[dict[str, Any]]:
    """Verdicts for programs."""
    return [
        {"rule": each.rule, "result": each.result, "why": each.why, **({"until": write_time(each.until)} if each.until else {})}
        for each in rules
    ]


def judged_moment(judgement: Judgement, step: Step, now: Millis) -> Moment:
    """The verdict on a step in a campaign, with every rule's."""
    rules = [each for each in judgement.rules if not each.rule.startswith("reward:")]
    what = noun(step, judgement.kind)
    data = {
        "campaign_id": judgement.campaign, "version": judgement.version, "arrival": step.arrival, "quality": judgement.quality,
        "review": judgement.review, "rules": rules_as_data(rules),
    }  # fmt: skip

    def whys(result: str) -> str:
        found = (each.why or each.rule.replace("_", " ") for each in rules if each.result == result)
        return "; ".join(dict.fromkeys(found))

    waits = [each for each in rules if each.result == "WAIT" and each.until > now]
    if judgement.review == "approved":
        why = f"The {what} counts: a person approved it."
    elif judgement.review == "declined":
        why = f"The {what} does not count: a person declined it."
    elif judgement.review == "open":
        why = f"The {what} waits for a person to look at it: {whys('REVIEW')}."
    elif judgement.quality == "LOW":
        why = f"The {what} does not count: {whys('FAIL')}."
    elif judgement.quality == "NONE":
        why = f"The {what} is not counted in the campaign `{judgement.campaign}` any more: {whys('FAIL')}."
    elif waits:
        why = f"The {what} counts from {clock(max(each.until for each in waits))} on: {whys('WAIT')}."
    else:
        unknown = sum(each.result == "UNKNOWN" for each in rules)
        rest = f" {unknown} of them could not be told, which does not count against it." if unknown else ""
        why = f"The {what} counts: no rule speaks against it ({len(rules)} looked at).{rest}"
    return Moment(judgement.judged_at, "judged", why, data)


def review_moment(standing: Standing, judgement: Judgement, step: Step) -> Moment:
    """A person's decision."""
    note = f": {standing.note}" if standing.note else "."
    why = f"{standing.by or 'Somebody'} {standing.decision} the {noun(step, judgement.kind)}{note}"
    data = {"decision": standing.decision, "by": standing.by, "note": standing.note, "campaign_id": judgement.campaign}
    return Moment(standing.decided_at, "review", why, data | {"arrival": step.arrival})


# -- rewards -----------------------------------------------------------------------------------------------------------------------


def reward_moments(reward: Reward, moves: list[Transition], people: People) -> list[Moment]:
    """A reward's way from state to state; with the last of them, what it waits for."""
    who = people.label(reward.profile_id)
    mine = who == "they themselves"
    whose = "They" if mine else f"{_upper(who)} (the {reward.role})"
    prize = f"{worth(reward.value, reward.unit)} (`{reward.name}`)"
    moments = []
    for place, move in enumerate(moves):
        said = f": {_lower(move.message)}" if move.message else "."
        by = f" by {move.by}" if move.by else ""
        if not move.before:
            why = f"{move.by} gave {'them' if mine else who} {prize} by hand{said}" if move.by else f"{whose} earned {prize}."
        elif not move.is_success:
            why = f"A try to hand over {prize} failed{said}"
        else:
            why = f"The reward of {prize}{'' if mine else ' of ' + who} {STATES[move.after]}{by}{said}"
        if place == len(moves) - 1 and (waits := waiting(reward)):
            why = f"{why if why.endswith('.') else why + '.'} {waits}"
        data = reward_data(reward, people) | {"before": move.before, "after": move.after, "success": move.is_success, "by": move.by}
        moments.append(Moment(move.at, "reward", why if why.endswith(".") else why + ".", data))
    return moments


def waiting(reward: Reward) -> str:
    """What an earned reward waits for, as a sentence; empty where it waits for nothing."""
    if reward.state == "FAILED":
        return "It is still owed, and can be tried again."
    if reward.state != "EARNED":
        return ""
    held = next(
        (f", because {each.why}" for each in reward.rules if each.result == "WAIT" and each.why and each.until == reward.due_at), ""
    )
    match reward.waiting:
        case "pending":
            return f"It waits until {clock(reward.due_at or 0)}{held or ', the end of its pending period'}."
        case "review":
            return "It waits for a person to approve it."
        case "supplier":
            return "It waits for the supplier: the brand's own system, or new stock."
        case _:
            return ""


def given(reward: Reward, people: People) -> str:
    """Where a reward stands, as a sentence."""
    who = people.label(reward.profile_id)
    whose = "They earned" if who == "they themselves" else f"{_upper(who)} (the {reward.role}) earned"
    stands = "" if reward.state == "EARNED" else f", which {STATES[reward.state]}"
    waits = waiting(reward)
    return f"{whose} {worth(reward.value, reward.unit)}{stands}.{' ' + waits if waits else ''}"


def reward_data(reward: Reward, people: People) -> dict[str, Any]:
    """A reward for programs, without what it is worth to whoever reads it: codes stay sealed."""
    data = {
        "reward_id": str(reward.id), "name": reward.name, "role": reward.role, "person_id": people.number(reward.profile_id),
        "state": reward.state, "value": worth(reward.value, reward.unit), "campaign_id": reward.campaign, "version": reward.version,
        "arrival": reward.cause,
    }  # fmt: skip
    if reward.waiting:
        data["waiting"] = reward.waiting
    for name, at in (("due_at", reward.due_at), ("expires_at", reward.expires_at)):
        if at is not None:
            data[name] = write_time(at)
    return data


def refused_rewards(judgement: Judgement, step: Step) -> list[Moment]:
    """Rewards that a step did not earn by their own rules."""
    failed: dict[str, list[Passed]] = {}
    for each in judgement.rules:
        kind, _, rest = each.rule.partition(":")
        name, _, rule = rest.rpartition(":")
        if kind == "reward" and each.result == "FAIL":
            failed.setdefault(name, []).append(Passed(rule, each.result, each.why, each.until))
    moments = []
    for name, rules in failed.items():
        why = "; ".join(each.why or each.rule.replace("_", " ") for each in rules)
        data = {"name": name, "campaign_id": judgement.campaign, "arrival": step.arrival, "rules": rules_as_data(rules)}
        moments.append(Moment(judgement.judged_at, "reward_refused", f"The reward `{name}` was not earned: {why}.", data))
    return moments


def _upper(text: str) -> str:
    return text if "…" in text else text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def told(moments: Iterable[Moment]) -> list[Moment]:
    """Moments in time order; of the same time, causes first."""
    return sorted(moments, key=lambda moment: (moment.at, ORDER.index(moment.what)))

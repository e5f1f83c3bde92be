"""Attribution: which advocate is credited with what a person did. By event time, never by arrival (domain 3.6)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from goodword.core.campaign import DAY_MS, Attribution, Campaign, Document, Mark, Programs
from goodword.core.event import conversion_claim
from goodword.core.facts import Facts
from goodword.core.profile import IdentityKey, Profile, ProfileId
from goodword.core.referral import PRECEDENCE, Hint, Journey, Signals, Step, Touch
from goodword.core.times import Millis

TOUCHES_MAX = 200
_PLACE = {reason: place for place, reason in enumerate(PRECEDENCE)}


def latest_cause(at: Millis) -> Millis:
    """Up to when something may have caused an event of this time. Times given in whole seconds are taken as the whole second."""
    return at + 999 if at % 1000 == 0 else at


def touches_of(signals: Signals, message_id: str, at: Millis, facts: Facts, now: Millis) -> list[Touch]:
    """The advocates that a message names: by the clicks it carries, and by what it says."""
    known = facts.referrals
    touches = [
        Touch(
            click.at,
            "SHARE_ID",
            click.id,
            click.advocate_id,
            click.program,
            click.campaign,
            now,
            evidence=click.evidence,
            recent=click.recent,
        )
        for id in signals.clicks
        if (click := known.clicks.get(id)) is not None
    ]
    for hint in signals.hints:
        found = _named(hint, facts)
        if found is None:
            continue
        advocate, program, campaign, said_at = found
        by_click = said_at is not None
        ref = hint.value if by_click else f"{hint.reason} {message_id}"
        touches.append(Touch(said_at if said_at is not None else at, hint.reason, ref, advocate, program, campaign, now, step=message_id))
    return touches


def _named(hint: Hint, facts: Facts) -> tuple[ProfileId, str, str, Millis | None] | None:
    """Whom a hint means: the advocate, program and campaign (empty: any), and the time of the click it names."""
    known = facts.referrals
    folded = hint.value.casefold()
    match hint.reason:
        case "ADVOCATE_PARTNER_USER_ID" | "ADVOCATE_EMAIL":
            kind = "e" if hint.reason == "ADVOCATE_EMAIL" else "u"
            owner = facts.owners.get(IdentityKey(kind + hint.value))
            return (owner.profile_id, "", "", None) if owner is not None and owner.profile_id is not None else None
        case "ADVOCATE_ORDER_ID":
            ref = facts.claims.get(conversion_claim(hint.value) or "")
            return (ref.profile_id, "", "", None) if ref is not None else None
        case "COUPON_CODE":
            use = known.coupons.get(folded)
            if use is not None:
                advocate = use.other_id if use.role == "friend" else use.profile_id
                return (advocate, use.program, use.campaign, None) if advocate is not None else None
        case _:
            click = known.clicks.get(hint.value)
            if click is not None:
                return click.advocate_id, click.program, click.campaign, click.at
            sharing = known.sharings.get(hint.value)
            if sharing is not None:
                return sharing.advocate_id, sharing.program, sharing.campaign, sharing.at
    shareable = known.shareables.get(folded)
    return (shareable.profile_id, shareable.program, "", None) if shareable is not None else None


def matched_back(profile: Profile, facts: Facts) -> list[Touch]:
    """Shares sent to any address of the person."""
    recipients = facts.referrals.recipients
    if not recipients:
        return []
    return [
        Touch(to.at, "SHARE_RECIPIENT", f"share {to.share_id}", to.advocate_id, to.program, to.campaign, to.at)
        for email in profile.emails
        for to in recipients.get(email, ())
    ]


def with_touches(journey: Journey, touches: Iterable[Touch]) -> Journey:
    """The journey with more touches; of one seen twice the earlier knowledge counts. A click that an event names is a touch beside the
    visit itself, as what is said on an event goes first. The first and the latest are kept."""
    touches = list(touches)
    if not touches:
        return journey
    kept = {(touch.reason, touch.ref, touch.step): touch for touch in journey.touches}
    changed = False
    for touch in touches:
        place = (touch.reason, touch.ref, touch.step)
        mine = kept.get(place)
        if mine is None or touch.known_at < mine.known_at:
            kept[place] = touch
            changed = True
    if not changed:
        return journey
    ordered = sorted(kept.values(), key=lambda touch: (touch.at, touch.reason, touch.ref, touch.step))
    if len(ordered) > TOUCHES_MAX:
        ordered = ordered[:1] + ordered[1 - TOUCHES_MAX :]
    return replace(journey, touches=tuple(ordered))


def resolve(advocate: ProfileId, merged: dict[ProfileId, ProfileId]) -> ProfileId:
    """The number that an advocate goes by since profiles were merged."""
    return merged.get(advocate, advocate)


def candidates(journey: Journey, step: Step, program: str, terms: Attribution) -> list[Touch]:
    """The touches that may be credited with a step: before it, within the window, known in time, of this program."""
    until, oldest, late = latest_cause(step.at), step.at - terms.window_days * DAY_MS, terms.late_days * DAY_MS
    return [
        touch
        for touch in journey.touches
        if oldest <= touch.at <= until
        and touch.program in ("", program)
        and touch.reason in terms.reasons
        and touch.known_at - step.at <= late
    ]


def attribute(journey: Journey, step: Step, program: str, terms: Attribution, merged: dict[ProfileId, ProfileId]) -> Touch | None:
    """The touch that is credited with a step, or None.

    What is said on the event itself wins, then the latest (or first) click or code, then an address that was shared to. A person's own
    link counts only where there is nobody else's.
    """
    found = candidates(journey, step, program, terms)
    others = [touch for touch in found if resolve(touch.advocate_id, merged) != journey.profile_id]
    found = others or found
    said = [touch for touch in found if touch.step == step.message_id]
    if said:
        return min(said, key=lambda touch: (_PLACE[touch.reason], touch.ref))
    found = [touch for touch in found if touch.reason != "SHARE_RECIPIENT"] or found
    if not found:
        return None
    if terms.model == "first_touch":
        return min(found, key=lambda touch: (touch.at, _PLACE[touch.reason], touch.ref))
    return max(found, key=lambda touch: (touch.at, -_PLACE[touch.reason], touch.ref))


def in_force(campaign: Campaign, at: Millis) -> tuple[Mark, Document] | None:
    """The state and terms that judge an event of this time, while people may earn in the campaign."""
    mark = campaign.mark_at(latest_cause(at))
    if mark is None or not mark.version or mark.state not in ("LIVE", "PAUSED"):
        return None
    return mark, campaign.documents[mark.version]


def referring(journey: Journey, step: Step, programs: Programs, merged: dict[ProfileId, ProfileId]) -> list[tuple[Campaign, Touch]]:
    """The campaigns, one a program at most, in which the step is credited to someone.

    A friend stays in the campaign whose link they followed while it is live or paused; else the program's live one takes them.
    """
    credited: dict[str, tuple[Campaign, Touch]] = {}
    for campaign in programs.campaigns.values():
        terms = in_force(campaign, step.at)
        if terms is None or campaign.program in credited:
            continue
        touch = attribute(journey, step, campaign.program, terms[1].attribution, merged)
        if touch is not None and _home(campaign, touch, step, programs) is campaign:
            credited[campaign.program] = (campaign, touch)
    return list(credited.values())


def _home(campaign: Campaign, touch: Touch, step: Step, programs: Programs) -> Campaign | None:
    """Which campaign of the program a touch counts in."""
    own = programs.campaigns.get(touch.campaign)
    if own is not None and own.program == campaign.program and in_force(own, step.at) is not None:
        return own
    live = [
        (terms[0].at, each.id, each)
        for each in programs.campaigns.values()
        if each.program == campaign.program and (terms := in_force(each, step.at)) is not None and terms[0].state == "LIVE"
    ]
    return max(live, key=lambda entry: entry[:2])[2] if live else None

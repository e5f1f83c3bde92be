"""Share links, clicks by them, acts of sharing."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from goodword.core import code as codes
from goodword.core import command as c
from goodword.core.campaign import Campaign, Programs, Share
from goodword.core.decision import Decision, Outcome, Record
from goodword.core.delivery import Announcement
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.hearing import rejudged
from goodword.core.profile import IdentityKey, Profile
from goodword.core.reconcile import PLACES_MAX
from goodword.core.referral import Click, Shareable
from goodword.core.referral import Share as ActOfSharing
from goodword.core.rule.share import judge_share
from goodword.core.times import Millis, write_time

WEEK_MS = 7 * 24 * 3_600_000
FIRST_PLACE = 8
PLACES_PER_FRIEND = 40
"""Of the command's own ids, for what judging one friend anew may earn."""


def decide(command: c.PutShareable | c.RecordClick | c.RecordShare, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    """What the command comes to."""
    match command:
        case c.RecordClick():
            return _click(command, facts, now)
        case c.PutShareable():
            return _put(command, facts, now)
        case _:
            return _share(command, facts, now, fresh)


def live_campaign(programs: Programs, program: str, now: Millis) -> tuple[Campaign, Share] | None:
    """The campaign that a program's links lead to, and where: the live one, of several the one that went live last.

    A link outlives campaigns: of one that is paused or ended, friends are sent on to the one that is live.
    """
    found: tuple[Millis, str, Campaign, Share] | None = None
    for campaign in programs.campaigns.values():
        mark = campaign.mark_at(now) if campaign.program == program else None
        if mark is None or mark.state != "LIVE":
            continue
        document = campaign.documents.get(mark.version)
        share = document.share if document is not None else None
        if share is not None and (found is None or (mark.at, campaign.id) > found[:2]):
            found = (mark.at, campaign.id, campaign, share)
    return found[2:] if found is not None else None


def why_dead(shareable: Shareable | None, advocate: Profile | None) -> tuple[str, str] | None:
    """Why a link leads nowhere, as a code and a sentence; None where it is in order."""
    if shareable is None or advocate is None:
        return "shareable_not_found", "No share link has this code."
    if not shareable.is_enabled:
        return "shareable_disabled", "The share link is switched off."
    if advocate.block is not None and advocate.block.type == "EVENTS":
        return "person_blocked", "The person whose link it is was blocked."
    return None


def _click(command: c.RecordClick, facts: Facts, now: Millis) -> Decision:
    """The value is the click, the link and where it leads; of a refusal, the link where there is one: its program says what is shown."""
    said, known = command.click, facts.referrals
    shareable = known.shareables.get(said.code.casefold())
    advocate = facts.profile(shareable.profile_id) if shareable is not None else None
    dead = why_dead(shareable, advocate)
    if dead is not None:
        return Decision(Outcome("refused", code=dead[0], reason=dead[1], value=shareable))
    assert shareable is not None
    assert advocate is not None
    live = live_campaign(known.programs, shareable.program, now)
    if live is None:
        return Decision(Outcome("refused", code="no_live_campaign", reason="The program has no live campaign.", value=shareable))
    click = Click(
        said.id,
        said.at,
        advocate.id,
        shareable.program,
        live[0].id,
        shareable.code,
        said.evidence,
        said.is_counted,
        known.clicks_by_ip.get(said.evidence.ip, 0),
    )
    outcome = Outcome("done", profile_id=advocate.id, value=(click, shareable, live[1]))
    if not known.endpoints:  # nobody to tell, and there are many clicks
        return Decision(outcome, (click,))
    payload = {
        "click_id": click.id,
        "person_id": str(advocate.id),
        "shareable_code": shareable.code,
        "program": click.program,
        "campaign_id": click.campaign,
        "is_counted": click.is_counted,
        "created_date": write_time(click.at),
    }
    return Decision(outcome, (click, Announcement("click.recorded", f"click-{click.id}", now, advocate.id, payload)))


def _put(command: c.PutShareable, facts: Facts, now: Millis) -> Decision:
    profile = facts.profile(command.profile_id)
    if profile is None:
        return _refused("person_not_found", "No person has this id.")
    known, numbers = facts.referrals, (profile.id, *profile.sources)
    folded = command.code.casefold()
    standing = known.shareables.get(folded)
    mine = standing if standing is not None and standing.profile_id in numbers else None
    slot = next((found for number in numbers if (found := known.slots.get((number, command.program, command.key))) is not None), None)
    if command.mode == "update":
        return _update(command, mine, slot, profile, now)
    if slot is not None:
        if not command.is_generated and slot.code.casefold() != folded:
            return _refused("shareable_key_taken", f"The person has a link of this program and key already: {slot.code}.")
        if command.mode == "create_or_update":
            return _changed(command, slot, profile, now)
        return Decision(Outcome("done", profile_id=profile.id, value=slot))
    if folded in known.shareables:
        return _refused("code_taken", "The code is taken. Choose another.")
    if profile.email is None:
        return _refused("person_not_rewardable", "The person has no e-mail address, so a reward could not reach them.")
    wrong = codes.check(command.code)
    if wrong is not None:
        return Decision(wrong)
    made = Shareable(
        command.code, profile.id, command.program, command.key, now, now, command.content or {}, command.data or {}, command.is_enabled
    )
    return Decision(Outcome("done", profile_id=profile.id, value=made), (made,))


def _update(command: c.PutShareable, mine: Shareable | None, slot: Shareable | None, profile: Profile, now: Millis) -> Decision:
    if mine is None:
        return _refused("shareable_not_found", "The person has no share link of this code.")
    if slot is not None and slot.code != mine.code:
        return _refused("shareable_key_taken", f"The person has a link of this program and key already: {slot.code}.")
    return _changed(command, mine, profile, now)


def _changed(command: c.PutShareable, was: Shareable, profile: Profile, now: Millis) -> Decision:
    """A map that is given replaces the whole of it; one that is not stays."""
    changed = replace(
        was,
        program=command.program,
        key=command.key,
        content=was.content if command.content is None else command.content,
        data=was.data if command.data is None else command.data,
        is_enabled=command.is_enabled,
        updated_at=now,
    )
    return Decision(Outcome("done", profile_id=profile.id, value=changed), (changed,))


def _share(command: c.RecordShare, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    said, known = command.share, facts.referrals
    profile = facts.profile(said.profile_id)
    if profile is None:
        return _refused("person_not_found", "No person has this id.")
    shareable = known.shareables.get(said.code.casefold())
    if shareable is None or shareable.profile_id not in (profile.id, *profile.sources):
        return _refused("ADVOCATE_CODE_NOT_FOUND", "The person has no share link of this code.")
    live = live_campaign(known.programs, shareable.program, now)
    share = replace(
        said,
        id=fresh.id(0),
        profile_id=profile.id,
        code=shareable.code,
        program=shareable.program,
        campaign=live[0].id if live is not None else "",
        at=now,
    )
    if live is not None:
        share = replace(share, quality=_quality(share, live[0], facts, now))
    payload = {
        "share_id": str(share.id),
        "person_id": str(profile.id),
        "partner_user_id": profile.user_id,
        "email": profile.email,
        "channel": share.channel,
        "shareable_code": share.code,
        "program": share.program,
        "campaign_id": share.campaign,
        "recipients": len(share.recipients),
        "quality": share.quality,
        "created_date": write_time(now),
    }
    announced = Announcement("share.created", f"share-{share.id}", now, profile.id, payload)
    known.lay(share)
    judged = _judge_friends(share, facts, now, fresh) if share.quality == "HIGH" else []
    return Decision(Outcome("done", profile_id=profile.id, value=share), [share, announced, *judged])


def _quality(share: ActOfSharing, campaign: Campaign, facts: Facts, now: Millis) -> Literal["HIGH", "LOW"]:
    """LOW where a rule of the campaign refuses an act of sharing."""
    known, mark = facts.referrals, campaign.mark_at(now)
    assert mark is not None, "only a live campaign judges"
    document = campaign.documents[mark.version]
    received = {email: sum(to.at > now - WEEK_MS for to in known.recipients.get(email, ())) for email in share.recipients}
    results = judge_share(document.quality, share, known.shares.get(share.profile_id, 0), received)
    return "LOW" if any(each.result == "FAIL" for each in results) else "HIGH"


def _judge_friends(share: ActOfSharing, facts: Facts, now: Millis, fresh: Fresh) -> list[Record]:
    """People who are known under an address that was shared to are judged anew; of very many, the rest with their next event."""
    records: list[Record] = []
    place = FIRST_PLACE
    for email in share.recipients:
        owner = facts.owners.get(IdentityKey("e" + email))
        friend = facts.profile(owner.profile_id) if owner is not None and owner.profile_id is not None else None
        if friend is None or place >= PLACES_MAX:
            continue
        found = rejudged(friend, facts, now, fresh, place)
        place += PLACES_PER_FRIEND if found else 0
        records += found
    return records


def _refused(code: str, reason: str) -> Decision:
    return Decision(Outcome("refused", code=code, reason=reason))

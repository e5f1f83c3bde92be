"""A campaign saved, published, moved from state to state. What changes nothing leaves no row, so that saying it twice is harmless."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.campaign import MOVES, Campaign, Document, Version, moved, published
from goodword.core.campaign_check import Known, check, errors
from goodword.core.campaign_schema import Problem
from goodword.core.decision import Decision, Outcome, Record
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.reward import SupplierSaved
from goodword.core.times import Millis, write_time

CAMPAIGNS_MAX = 500
VERSIONS_MAX = 1_000
SAID_MAX = 5
_HOW = {
    "NOT_LAUNCHED": "It was never launched; publish it to make it live.",
    "ENDED": "It has ended: publish it to make it live again, or stop it.",
    "STOPPED": "It is stopped: publish it to make it live again, or archive it.",
    "ARCHIVED": "An archived campaign stays as it is: save its document under another id.",
    "LIVE": "It is live: stop it first.",
    "PAUSED": "It is paused: stop it first.",
}


def decide(command: c.SaveCampaign | c.SetCampaignState, facts: Facts, now: Millis, fresh: Fresh) -> Decision:  # noqa: ARG001
    """What the command comes to. Its value is what `summary` says, with `changed`."""
    if isinstance(command, c.SaveCampaign):
        return _save(command, facts, now)
    found = facts.referrals.campaigns.get(command.id)
    if found is None:
        return _refused("campaign_not_found", f"There is no campaign `{command.id}`.")
    if command.version is not None and command.version not in found.documents:
        return _refused("campaign_version_not_found", f"Campaign `{command.id}` has no version {command.version}.")
    if command.state == "LIVE" and command.version is not None:
        return _answer(found, _published(found, command.version, facts, now, command.author), now)
    return _answer(found, _moved(found, command, now), now)


def summary(campaign: Campaign, now: Millis) -> dict[str, Any]:
    """What is said of a campaign wherever it is shown: JSON values."""
    document = campaign.document
    return {
        "campaign_id": campaign.id,
        "name": document.name or campaign.id,
        "description": document.description,
        "program_label": campaign.program,
        "campaign_type": "MARKETING",
        "state": campaign.state_at(now),
        "version": campaign.latest,
        "published_version": campaign.version_at(now) or campaign.published,
        "scheduled": [{"at": write_time(mark.at), "state": mark.state, "version": mark.version} for mark in campaign.coming(now)],
        "created_date": write_time(campaign.created_at),
        "updated_date": write_time(campaign.updated_at),
    }


def known_of(facts: Facts) -> Known:
    """What a document is checked against."""
    return Known(facts.referrals.suppliers, facts.account.settings if facts.account is not None else Settings())


def _refused(code: str, reason: str, value: Any = None) -> Decision:
    return Decision(Outcome("refused", code=code, reason=reason, value=value))


def _invalid(problems: list[Problem]) -> Decision:
    said = " ".join(problem.sentence for problem in problems[:SAID_MAX])
    more = f" And {len(problems) - SAID_MAX} more." if len(problems) > SAID_MAX else ""
    return _refused("campaign_invalid", said + more, msgspec.to_builtins(problems))


def _answer(before: Campaign | None, came: tuple[Campaign, list[Record]] | Decision, now: Millis) -> Decision:
    if isinstance(came, Decision):
        return came
    after, records = came
    value = {**summary(after, now), "changed": after is not before}
    return Decision(Outcome("done", value=value), [*records, after] if after is not before else ())


def _save(command: c.SaveCampaign, facts: Facts, now: Millis) -> Decision:
    document, campaigns = command.document, facts.referrals.campaigns
    problems = errors(check(document, known_of(facts)))
    if problems:
        return _invalid(problems)
    before = campaigns.get(document.campaign)
    if before is None and len(campaigns) >= CAMPAIGNS_MAX:
        return _refused("campaign_limit", f"An account may have {CAMPAIGNS_MAX} campaigns.")
    refusal = _may_not_save(before, document, now) if before is not None else None
    if refusal is not None:
        return refusal
    after, records = _saved(before, command, now)
    if command.publish:
        came = _published(after, after.latest, facts, now, command.author)
        if isinstance(came, Decision):
            return came
        after, more = came
        records += more
    return _answer(before, (after, records), now)


def _may_not_save(before: Campaign, document: Document, now: Millis) -> Decision | None:
    if before.state_at(now) == "ARCHIVED":
        return _refused("campaign_state_invalid", f"Campaign `{before.id}` is ARCHIVED. {_HOW['ARCHIVED']}")
    if before.published and document.program != before.program:
        said = (
            f"Campaign `{before.id}` was published in the program `{before.program}` and stays in it. Save the document under another id."
        )
        return _refused("campaign_program_fixed", said)
    if before.latest >= VERSIONS_MAX and document != before.document:
        return _refused("campaign_limit", f"A campaign may have {VERSIONS_MAX} versions. Save the document under another id.")
    return None


def _saved(before: Campaign | None, command: c.SaveCampaign, now: Millis) -> tuple[Campaign, list[Record]]:
    """The campaign with the document as its latest version, which it may be already."""
    document = command.document
    if before is not None and before.document == document:
        return before, []
    number = 1 if before is None else before.latest + 1
    version = Version(document.campaign, number, now, command.author, command.note, document)
    if before is None:
        return Campaign(document.campaign, document.program, now, now, number, (), {number: document}), [version]
    documents = {**before.documents, number: document}
    return replace(before, program=document.program, updated_at=now, latest=number, documents=documents), [version]


def _published(before: Campaign, version: int, facts: Facts, now: Millis, author: str) -> tuple[Campaign, list[Record]] | Decision:
    """The campaign with a version in force, and the suppliers that its document brings."""
    state = before.state_at(now)
    if state == "ARCHIVED":
        return _refused("campaign_state_invalid", f"Campaign `{before.id}` is ARCHIVED. {_HOW['ARCHIVED']}")
    document = before.documents[version]
    problems = errors(check(document, known_of(facts)))
    if problems:  # an older version, checked against what the account is today
        return _invalid(problems)
    after = published(before, version, now, author)
    if not isinstance(after, Campaign):
        name = {"PAUSED": "pause", "ENDED": "end", "STOPPED": "stop"}[after.state]
        name = name if getattr(document.schedule, name) is not None else "end"
        problem = Problem(f"schedule.{name}", f"is past ({write_time(after.at)}), so publishing would not make the campaign live", "")
        return _invalid([replace(problem, fix="Take it out, or move it to a time to come.")])
    known = facts.referrals.suppliers
    brought: list[Record] = [SupplierSaved(each, now) for each in document.suppliers if known.get(each.id) != each]
    if after is before and brought:
        after = replace(before, updated_at=now)
    return after, brought


def _moved(before: Campaign, command: c.SetCampaignState, now: Millis) -> tuple[Campaign, list[Record]] | Decision:
    state = before.state_at(now)
    if command.state == state and command.version in (None, before.version_at(now)):
        return before, []
    if command.state != state and command.state not in MOVES[state]:
        said = f"Campaign `{before.id}` is {state} and cannot become {command.state}. {_HOW[state]}"
        return _refused("campaign_state_invalid", said)
    version = command.version or (before.published if state == "NOT_LAUNCHED" else before.version_at(now))
    if not version and command.state != "ARCHIVED":
        return _refused("campaign_state_invalid", f"Campaign `{before.id}` is {state}. {_HOW['NOT_LAUNCHED']}")
    return moved(before, command.state, version, now, command.author), []

"""Campaigns by the server API: a simplified model of the published one. A campaign is its document; every save is a version."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec import Struct, field

from goodword.api.openapi import Parameter
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.campaign import Campaign, Document, State
from goodword.core.campaign_diff import diff
from goodword.core.times import Millis
from goodword.document import text as texts
from goodword.storage.query import campaign as campaigns

STATES: tuple[State, ...] = ("NOT_LAUNCHED", "LIVE", "PAUSED", "ENDED", "STOPPED", "ARCHIVED")


class CampaignAnswer(Struct):
    """A campaign. `version` is the latest, `published_version` the one in force (0: none yet); `scheduled` is what is to come."""

    campaign_id: str
    name: str
    description: str
    program_label: str
    campaign_type: str
    state: State
    version: int
    published_version: int
    scheduled: list[dict[str, Any]]
    created_date: str
    updated_date: str


class CampaignDocumentAnswer(CampaignAnswer):
    """A campaign with the document of the version that was asked for, and its history of states."""

    document: dict[str, Any]
    document_version: int
    history: list[dict[str, Any]]
    warnings: list[dict[str, Any]] = field(default_factory=list)


class VersionAnswer(Struct):
    """A saved version. `published_date`: when it was last put in force."""

    version: int
    created_date: str
    author: str
    note: str
    published_date: str | None


class VersionDocumentAnswer(VersionAnswer):
    """A saved version with its document."""

    document: dict[str, Any]


class ChangeAnswer(Struct):
    """One place where two documents differ."""

    path: str
    before: Any
    after: Any


class ValidationAnswer(Struct):
    """What is wrong with a document: everything at once."""

    valid: bool
    problems: list[dict[str, Any]]


class VersionRequest(Struct):
    """Which version; the latest when it is left out."""

    version: int | None = None


class DuplicateRequest(Struct):
    """What the copy is called, and the program it belongs to (the same one when it is left out)."""

    campaign_id: str
    program_label: str | None = None
    name: str | None = None


def _now(call: Call) -> Millis:
    return call.intake.engine.clock()


def _found(call: Call) -> Campaign:
    found = campaigns.campaign(call.store, call.account, call.path["campaign_id"])
    if found is None:
        raise ServerRefusal("campaign_not_found", "There is no such campaign.", campaign_id=call.path["campaign_id"][:100])
    return found


def _version(found: Campaign, name: str, text: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ServerRefusal("invalid_parameter", f"{name} must be the number of a version.", parameter=name)
    if int(text) not in found.documents:
        raise ServerRefusal("campaign_version_not_found", f"The campaign has no version {int(text)}.", version=int(text))
    return int(text)


def _shown(call: Call, found: Campaign, number: int | None = None, warnings: list[dict[str, Any]] | None = None) -> CampaignDocumentAnswer:
    version = number or found.latest
    document: dict[str, Any] = msgspec.to_builtins(found.documents[version])
    said = campaigns.as_json(found, _now(call))
    return CampaignDocumentAnswer(
        **said, document=document, document_version=version, history=campaigns.history_as_json(found), warnings=warnings or []
    )


async def _examined(call: Call) -> texts.Checked:
    """The body as a checked document, YAML or JSON, read beside the server's other work."""
    if not call.body.strip():
        raise ServerRefusal("missing_request_body", "The request has no body. Send a campaign's document, as JSON or YAML.")
    return await asyncio.to_thread(texts.examine, call.body, campaigns.known(call.store, call.account))


def _said(checked: texts.Checked) -> list[dict[str, Any]]:
    return [texts.with_line(checked, problem) for problem in checked.problems]


async def _document(call: Call) -> tuple[Document, list[dict[str, Any]]]:
    checked = await _examined(call)
    if checked.document is None or not checked.is_good:
        wrong = [problem for problem in checked.problems if not problem.is_warning]
        said = " ".join(checked.sentence(problem) for problem in wrong)
        many = "There is a problem" if len(wrong) == 1 else f"There are {len(wrong)} problems"
        raise ServerRefusal(
            "campaign_invalid",
            f"{many} in the campaign's document; parameters.problems lists all.",
            description=said,
            problems=_said(checked),
        )
    return checked.document, _said(checked)


async def _save(call: Call, document: Document) -> Campaign:
    publish = bool(call.flag("publish"))
    note = call.query.get("note", "")[:500]
    await call.ask(c.SaveCampaign(call.account, document, author=call.key.name[:100], note=note, publish=publish))
    found = campaigns.campaign(call.store, call.account, document.campaign)
    assert found is not None
    return found


async def list_all(call: Call) -> list[CampaignAnswer]:
    """`GET /v2/campaigns`."""
    states, labels = call.values("state"), set(call.values("program_label"))
    if wrong := [state for state in states if state not in STATES]:
        raise ServerRefusal("invalid_parameter", f"state is one of {', '.join(STATES)}.", parameter="state", value=wrong[0][:100])
    offset, limit = call.page()
    now = _now(call)
    found = [each for each in campaigns.campaigns(call.store, call.account) if not labels or each.program in labels]
    wanted = [each for each in found if not states or each.state_at(now) in states]
    return [CampaignAnswer(**campaigns.as_json(each, now)) for each in wanted[offset : offset + limit]]


async def create(call: Call) -> CampaignDocumentAnswer:
    """`POST /v2/campaigns`."""
    document, warnings = await _document(call)
    if campaigns.campaign(call.store, call.account, document.campaign) is not None:
        raise ServerRefusal("campaign_id_taken", "There is a campaign of this id. To save a new version of it, PUT it.")
    return _shown(call, await _save(call, document), warnings=warnings)


async def get(call: Call) -> CampaignDocumentAnswer:
    """`GET /v2/campaigns/{campaign_id}`."""
    found = _found(call)
    return _shown(call, found, _version(found, "version", call.query.get("version", "").strip(), found.latest))


async def put(call: Call) -> CampaignDocumentAnswer:
    """`PUT /v2/campaigns/{campaign_id}`."""
    found = _found(call)
    document, warnings = await _document(call)
    if document.campaign != found.id:
        said = "The document is of another campaign than the path."
        raise ServerRefusal("campaign_invalid", said, description="campaign: must be the id in the path, or POST it as a new campaign.")
    return _shown(call, await _save(call, document), warnings=warnings)


async def publish(call: Call) -> CampaignDocumentAnswer:
    """`POST /v2/campaigns/{campaign_id}/publish`."""
    found = _found(call)
    asked = call.read(VersionRequest).version if call.body.strip() else None
    version = _version(found, "version", "" if asked is None else str(asked), found.latest)
    await call.ask(c.SetCampaignState(call.account, found.id, "LIVE", version, call.key.name[:100]))
    return _shown(call, _found(call), version)


def _mover(state: State) -> Any:
    async def move(call: Call) -> CampaignAnswer:
        """Put a campaign in a state."""
        found = _found(call)
        await call.ask(c.SetCampaignState(call.account, found.id, state, author=call.key.name[:100]))
        return CampaignAnswer(**campaigns.as_json(_found(call), _now(call)))

    return move


async def list_versions(call: Call) -> list[VersionAnswer]:
    """`GET /v2/campaigns/{campaign_id}/versions`: newest first."""
    offset, limit = call.page()
    lines = campaigns.versions(call.store, call.account, _found(call))[offset : offset + limit]
    return [VersionAnswer(**campaigns.version_as_json(line)) for line in lines]


async def get_version(call: Call) -> VersionDocumentAnswer:
    """`GET /v2/campaigns/{campaign_id}/versions/{version}`."""
    found = _found(call)
    number = _version(found, "version", call.path["version"], 0)
    line = next(each for each in campaigns.versions(call.store, call.account, found) if each.number == number)
    return VersionDocumentAnswer(**campaigns.version_as_json(line), document=msgspec.to_builtins(found.documents[number]))


async def get_diff(call: Call) -> list[ChangeAnswer]:
    """`GET /v2/campaigns/{campaign_id}/diff`."""
    found = _found(call)
    before = _version(found, "from", call.query.get("from", "").strip(), found.version_at(_now(call)) or 1)
    after = _version(found, "to", call.query.get("to", "").strip(), found.latest)
    return [ChangeAnswer(each.path, each.before, each.after) for each in diff(found.documents[before], found.documents[after])]


async def validate(call: Call) -> ValidationAnswer:
    """`POST /v2/campaigns/validate`."""
    checked = await _examined(call)
    return ValidationAnswer(checked.is_good, _said(checked))


async def duplicate(call: Call) -> CampaignDocumentAnswer:
    """`POST /v2/campaigns/{campaign_id}/duplicate`."""
    found = _found(call)
    asked = call.read(DuplicateRequest)
    if campaigns.campaign(call.store, call.account, asked.campaign_id) is not None:
        raise ServerRefusal("campaign_id_taken", "There is a campaign of this id.")
    document = msgspec.structs.replace(
        found.document,
        campaign=asked.campaign_id,
        program=asked.program_label or found.program,
        name=found.document.name if asked.name is None else asked.name,
    )
    await call.ask(c.SaveCampaign(call.account, document, author=call.key.name[:100], note=f"copy of {found.id} {found.latest}"))
    made = campaigns.campaign(call.store, call.account, asked.campaign_id)
    assert made is not None
    return _shown(call, made)


_ONE = "/v2/campaigns/{campaign_id}"
_ID = {"campaign_id": "A campaign's id: its document's `campaign`."}
_BODY = (
    "The body is the document, as JSON or YAML. `campaign_invalid`: `parameters.description` says all that is wrong, `parameters.problems`"
)
_SAVED = (
    Parameter("publish", "Put it in force, LIVE.", {"type": "boolean", "default": False}),
    Parameter("note", "Why, for the list of versions."),
)
_NUMBER = {"type": "integer", "minimum": 1}
_GONE = " `campaign_not_found`."
_MOVES: tuple[tuple[str, State, str], ...] = (
    ("live", "LIVE", "Launch at once, or resume, the version in force"),
    ("pause", "PAUSED", "Pause: friends who are in keep the offer, nobody new comes in"),
    ("end", "ENDED", "End: only what is pending is still fulfilled; it stops by itself after 90 days"),
    ("stop", "STOPPED", "Stop: nothing is earned any more"),
    ("archive", "ARCHIVED", "Archive for good"),
)

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", "/v2/campaigns", "Campaigns", "The campaigns, by id", list_all, Right.READ, list[CampaignAnswer],
        query=(
            Parameter("state", "Only those in this state; may be repeated.", {"type": "string", "enum": list(STATES)}),
            Parameter("program_label", "Only those of this program; may be repeated."),
            *PAGE,
        ),
    ),
    endpoint(
        "POST", "/v2/campaigns", "Campaigns", "Make a campaign", create, Right.MANAGE, CampaignDocumentAnswer, body=Document,
        description=f"{_BODY} lists each with path, fix and line. `campaign_id_taken`; `campaign_limit`: an account has its bounds.",
        query=_SAVED,
    ),
    endpoint(
        "POST", "/v2/campaigns/validate", "Campaigns", "Check a document; nothing is saved", validate, Right.READ, ValidationAnswer,
        body=Document, description="Every problem at once, each with path, fix and line. Warnings do not keep a document from being saved.",
    ),
    endpoint(
        "GET", _ONE, "Campaigns", "A campaign with its document", get, Right.READ, CampaignDocumentAnswer, path_words=_ID,
        description=f"`campaign_version_not_found`.{_GONE}", query=(Parameter("version", "Which one; the latest when left out.", _NUMBER),),
    ),
    endpoint(
        "PUT", _ONE, "Campaigns", "Save a new version", put, Right.MANAGE, CampaignDocumentAnswer, body=Document, path_words=_ID,
        description=f"A document that says what the latest version says saves nothing. {_BODY} lists each. `campaign_program_fixed`: a"
        f" published campaign stays in its program. `campaign_state_invalid`: it is archived.{_GONE}",
        query=_SAVED,
    ),
    endpoint(
        "POST", f"{_ONE}/publish", "Campaigns", "Put a version in force, LIVE", publish, Right.MANAGE, CampaignDocumentAnswer,
        body=VersionRequest, path_words=_ID,
        description="The latest version when none is named; an older one rolls back. Publishing what is in force changes nothing. A"
        f" schedule whose start is to come waits for it; one that is over is `campaign_invalid`. `campaign_version_not_found`.{_GONE}",
    ),
    *(
        endpoint(
            "POST", f"{_ONE}/{word}", "Campaigns", summary, _mover(state), Right.MANAGE, CampaignAnswer, path_words=_ID,
            description="What the schedule still held is dropped. `campaign_state_invalid`: this cannot follow the state it is in;"
            f" the message says what can be done.{_GONE}",
        )
        for word, state, summary in _MOVES
    ),
    endpoint(
        "POST", f"{_ONE}/duplicate", "Campaigns", "Copy the latest version to a new campaign", duplicate, Right.MANAGE,
        CampaignDocumentAnswer, body=DuplicateRequest, path_words=_ID, description=f"`campaign_id_taken`; `campaign_invalid`.{_GONE}",
    ),
    endpoint(
        "GET", f"{_ONE}/versions", "Campaigns", "The versions, newest first", list_versions, Right.READ, list[VersionAnswer],
        path_words=_ID, description=_GONE.strip(), query=PAGE,
    ),
    endpoint(
        "GET", _ONE + "/versions/{version}", "Campaigns", "A version with its document", get_version, Right.READ, VersionDocumentAnswer,
        path_words=_ID | {"version": "Its number."}, description=f"`campaign_version_not_found`.{_GONE}",
    ),
    endpoint(
        "GET", f"{_ONE}/diff", "Campaigns", "What differs between two versions", get_diff, Right.READ, list[ChangeAnswer], path_words=_ID,
        description=f"Path by path, defaults counted as written. `campaign_version_not_found`.{_GONE}",
        query=(
            Parameter("from", "The one in force when left out.", _NUMBER),
            Parameter("to", "The latest when left out.", _NUMBER),
        ),
    ),
]  # fmt: skip

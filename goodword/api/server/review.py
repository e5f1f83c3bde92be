"""The review queue by the server API: what waits for a person, and their decision, single or many at once."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from goodword.api.openapi import Parameter
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, read_id
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.deciding.review import UNCHANGED
from goodword.core.decision import Outcome
from goodword.storage.query import review as reviews
from goodword.storage.query import why
from goodword.storage.query.referral import REVIEW_STATES

ITEMS_MAX = 1_000
NOTE_CHARS_MAX = 2_000
NAME_CHARS_MAX = 200
ASKED_AT_ONCE = 50
"""Decisions that are put to the engine in one go, so that many of them keep nobody else waiting."""
Decided = Literal["approved", "declined"]


class DecisionRequest(Struct):
    """A decision's note, which it needs, and who decides: the key's name when left out."""

    note: str = ""
    by: str = ""


class ReviewItem(Struct):
    """A line of the queue."""

    arrival: int | str
    campaign_id: str


class DecisionsRequest(Struct):
    """One decision about many lines of the queue."""

    items: list[ReviewItem]
    note: str = ""
    by: str = ""


class DecisionAnswer(Struct, omit_defaults=True):
    """What became of a decision. `unchanged`: the same was decided before. `refused`: `code` and `message` say why."""

    arrival: int
    campaign_id: str
    status: Literal["approved", "declined", "unchanged", "refused"]
    code: str = ""
    message: str = ""


class RejudgedAnswer(Struct):
    """How a person stands after all of their events were judged anew."""

    person_id: str
    summary: str
    moments: list[dict[str, Any]] = field(default_factory=list)


async def list_all(call: Call) -> list[dict[str, Any]]:
    """`GET /v2/reviews`: oldest first."""
    said = call.query.get("state") or "open"
    state = next((each for each in REVIEW_STATES if each == said), None)
    if state is None:
        raise ServerRefusal("invalid_parameter", f"state is one of {', '.join(REVIEW_STATES)}.", parameter="state")
    offset, limit = call.page()
    now = call.intake.engine.clock()
    found = reviews.queue(call.store, call.account, state, call.query.get("campaign_id"), limit, offset)
    return [reviews.as_json(line, now) for line in found]


async def _decide(call: Call, items: list[reviews.Item], decision: Decided, note: str, by: str) -> list[DecisionAnswer]:
    note, by = note.strip(), by.strip() or call.key.name
    if not note or len(note) > NOTE_CHARS_MAX:
        raise ServerRefusal("missing_note", f"Say why: note, at most {NOTE_CHARS_MAX} characters.")
    if not by or len(by) > NAME_CHARS_MAX:
        raise ServerRefusal("missing_name", f"Say who decides: by, at most {NAME_CHARS_MAX} characters.")
    answers: dict[reviews.Item, DecisionAnswer] = {}
    asked = list(dict.fromkeys(items))
    for start in range(0, len(asked), ASKED_AT_ONCE):
        found = reviews.targets(call.store, call.account, asked[start : start + ASKED_AT_ONCE])
        commands = [
            c.Review(call.account, number, message_id, campaign, decision, by, note)
            for (_, campaign), (number, message_id) in found.items()
        ]
        outcomes = await call.ask_all(commands)
        for item, outcome in zip(found, outcomes, strict=True):
            answers[item] = _answer(item, decision, outcome)
    missing = "No event of this kind was judged in this campaign, or its person was deleted."
    return [answers.get(item) or DecisionAnswer(*item, "refused", "review_not_found", missing) for item in items]


def _answer(item: reviews.Item, decision: Decided, outcome: Outcome) -> DecisionAnswer:
    if outcome.verdict == "refused":
        return DecisionAnswer(*item, "refused", outcome.code, outcome.reason)
    return DecisionAnswer(*item, "unchanged" if outcome.value == UNCHANGED else decision)


async def _one(call: Call, decision: Decided) -> dict[str, Any]:
    said = call.read(DecisionRequest)
    arrival = _arrival(call.path["arrival"])
    item = (arrival, call.path["campaign_id"])
    answer = (await _decide(call, [item], decision, said.note, said.by))[0]
    if answer.status == "refused":
        raise ServerRefusal(answer.code, answer.message)
    line = reviews.line(call.store, call.account, item)
    return reviews.as_json(line, call.intake.engine.clock()) if line is not None else {}


async def _many(call: Call, decision: Decided) -> list[DecisionAnswer]:
    said = call.read(DecisionsRequest)
    if len(said.items) > ITEMS_MAX:
        raise ServerRefusal("invalid_parameter", f"At most {ITEMS_MAX} items at once.", parameter="items")
    items = [(_arrival(item.arrival), item.campaign_id) for item in said.items]
    return await _decide(call, items, decision, said.note, said.by)


def _arrival(value: object) -> int:
    number = read_id(value)
    if number is None or not 0 <= number < 1 << 62:
        raise ServerRefusal("review_not_found", "The queue has no such event: arrival is a whole number.")
    return number


async def approve(call: Call) -> dict[str, Any]:
    """`POST /v2/reviews/{arrival}/{campaign_id}/approve`."""
    return await _one(call, "approved")


async def decline(call: Call) -> dict[str, Any]:
    """`POST /v2/reviews/{arrival}/{campaign_id}/decline`."""
    return await _one(call, "declined")


async def approve_many(call: Call) -> list[DecisionAnswer]:
    """`POST /v2/reviews/approve`."""
    return await _many(call, "approved")


async def decline_many(call: Call) -> list[DecisionAnswer]:
    """`POST /v2/reviews/decline`."""
    return await _many(call, "declined")


async def rejudge(call: Call) -> RejudgedAnswer:
    """`POST /v5/persons/{person_id}/rejudge`."""
    profile = call.person()
    await call.ask(c.Rejudge(call.account, profile.id, call.key.name))
    story = why.as_json(why.why_profile(call.store, call.account, call.person(), call.intake.engine.clock()))
    return RejudgedAnswer(str(profile.id), story["summary"], story["moments"])


_WORDS = {"arrival": "The event's place in the log, as the queue has it.", "campaign_id": "The campaign that judged it."}
_ONE = (
    "Forces it, whatever the rules say; a canceled order stays without reward. The same decision again changes nothing, the other one"
    " replaces it. `review_not_found`; `missing_note`: a decision needs a note; `missing_name`: and a name, of 200 characters at most;"
    " `campaign_stopped`: nothing is decided in a stopped or archived campaign."
)
_MANY = f"At most {ITEMS_MAX} items; each is answered by itself, in the order asked. `missing_note`, `missing_name`."

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", "/v2/reviews", "Reviews", "The review queue, oldest first", list_all, Right.READ, list[dict[str, Any]],
        description="Events that wait for a person (`state=open`), or that a person decided. Each with every rule's verdict and why;"
        " `waits_until` is when a wait ends by itself.",
        query=(
            Parameter("state", "Which.", {"type": "string", "enum": list(REVIEW_STATES), "default": "open"}),
            Parameter("campaign_id", "Only of this campaign."),
            *PAGE,
        ),
    ),
    endpoint(
        "POST", "/v2/reviews/approve", "Reviews", "Approve many", approve_many, Right.READ, list[DecisionAnswer], body=DecisionsRequest,
        description=_MANY,
    ),
    endpoint(
        "POST", "/v2/reviews/decline", "Reviews", "Decline many", decline_many, Right.READ, list[DecisionAnswer], body=DecisionsRequest,
        description=_MANY,
    ),
    endpoint(
        "POST", "/v2/reviews/{arrival}/{campaign_id}/approve", "Reviews", "Approve an event", approve, Right.READ, dict[str, Any],
        body=DecisionRequest, description=_ONE, path_words=_WORDS,
    ),
    endpoint(
        "POST", "/v2/reviews/{arrival}/{campaign_id}/decline", "Reviews", "Decline an event", decline, Right.READ, dict[str, Any],
        body=DecisionRequest, description=_ONE, path_words=_WORDS,
    ),
    endpoint(
        "POST", "/v5/persons/{person_id}/rejudge", "Reviews", "Judge a person's events anew", rejudge, Right.READ, RejudgedAnswer,
        description="By the terms in force when each happened, limits included; what people decided stays. Answers how it then is.",
    ),
]  # fmt: skip

"""People by the server API: search, create, read, change, forward, block."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from goodword.api.intake import new_id
from goodword.api.openapi import Parameter
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, listed
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.event import conversion_claim
from goodword.core.profile import IdentityKey, Profile, keys_of, read_email
from goodword.core.times import write_time
from goodword.storage.query import person as people

PARTNER_KEYS = ("partner_user_id", "partner_conversion_id")
REASON_CHARS_MAX = 2_000
BlockType = Literal["NONE", "EVENTS", "REWARDS"]


class KeyName(Struct):
    """What identifies a person."""

    name: str = "email"


class Locale(Struct):
    """Languages, as BCP 47 tags: as the person chose, and as their browser last said."""

    last_browser: str | UnsetType = UNSET
    user_specified: str | UnsetType = UNSET


class PersonAnswer(Struct):
    """A person. `identity_key_value` is their e-mail address, empty while none is known."""

    id: str
    identity_id: str
    identity_key: KeyName
    identity_key_value: str
    locale: Locale
    version: str


class PersonRequest(Struct):
    """A person's e-mail address."""

    identity_key_value: str | None = None


class ForwardRequest(Struct):
    """The person to become part of."""

    forward_to_profile_id: str | int


class BlockRequest(Struct):
    """What to keep a person from, and why. NONE lifts the block and needs no reason."""

    type: BlockType
    reason: str | None = ""


class BlockAnswer(Struct):
    """What a person is kept from, and why."""

    type: BlockType
    reason: str
    updated_date: str


def shown(profile: Profile) -> PersonAnswer:
    """A person in the API's shape."""
    said = profile.parameters.get("locale")
    locale = said.value if said is not None and isinstance(said.value, str) else UNSET
    number = str(profile.id)
    return PersonAnswer(number, number, KeyName(), profile.email or "", Locale(user_specified=locale), str(profile.version))


async def search(call: Call) -> list[PersonAnswer]:
    """`GET /v5/persons`: by e-mail, or by any of some partner keys; by both, those found by both."""
    store, account = call.store, call.account
    emails = [value for value in call.query.getlist("identity_key_value") if value.strip()]
    partner_keys = _partner_keys(call.query.getlist("person_keys"))
    if not emails and not partner_keys:
        raise ServerRefusal("invalid_parameter", "Say whom to look for: identity_key_value or person_keys.", parameter="identity_key_value")
    found: dict[int, Profile] = {}
    if partner_keys:
        keys: list[IdentityKey] = []
        claims: list[str] = []
        for name, value in partner_keys:
            if name == "partner_user_id":
                keys.extend(keys_of(value, None, None))
            elif name == "email":
                keys.extend(keys_of(None, read_email(value), None))
            elif name == "partner_conversion_id" and (claim := conversion_claim(value)) is not None:
                claims.append(claim)
        matches = [*people.find_by_keys(store, account, keys).values(), *people.find_by_claims(store, account, claims).values()]
        found = {profile.id: profile for profile in matches}
    if emails:
        # a plus sign that was not escaped arrives as a space, which no address has
        asked = (read_email(value.strip().replace(" ", "+")) for value in emails)
        by_email = people.find_by_keys(store, account, [key for email in asked if email for key in keys_of(None, email, None)])
        named = {profile.id: profile for profile in by_email.values()}
        found = {number: profile for number, profile in named.items() if not partner_keys or number in found}
    offset, limit = call.page()
    return [shown(found[number]) for number in sorted(found)[offset : offset + limit]]


def _partner_keys(values: list[str]) -> list[tuple[str, str]]:
    """`name:value` pairs, repeated or with commas between them; a comma before no name of a key belongs to the value."""
    pairs: list[tuple[str, str]] = []
    for value in values:
        for part in value.split(","):
            name, colon, rest = part.partition(":")
            if colon and (not pairs or name.strip() in (*PARTNER_KEYS, "email") or part is value):
                pairs.append((name.strip(), rest.strip()))
            elif pairs:
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{part}")
            elif part.strip():
                raise ServerRefusal("invalid_parameter", "person_keys are written name:value.", parameter="person_keys")
    return pairs


async def partner_keys(_call: Call) -> list[str]:
    """`GET /v5/persons/partner-keys`."""
    return list(PARTNER_KEYS)


def _email(value: str | None) -> str:
    email = read_email(value)
    if email is None:
        raise ServerRefusal("invalid_key_value", "identity_key_value must be an e-mail address.")
    return email


async def create(call: Call) -> PersonAnswer:
    """`POST /v5/persons`."""
    request = call.read(PersonRequest)
    outcome = await call.ask(c.CreateProfile(call.account, _email(request.identity_key_value)))
    return shown(call.person_of(outcome.profile_id))


async def get(call: Call) -> PersonAnswer:
    """`GET /v5/persons/{person_id}`."""
    return shown(call.person())


async def update(call: Call) -> PersonAnswer:
    """`PUT /v5/persons/{person_id}`: what is left out stays."""
    profile = call.person()
    request = call.read(PersonRequest)
    if request.identity_key_value is None:
        return shown(profile)
    await call.ask(c.SetEmail(call.account, profile.id, _email(request.identity_key_value), new_id()))
    return shown(call.person())


async def forward(call: Call) -> PersonAnswer:
    """`POST /v5/persons/{person_id}/forward`: all ids of the person then find the other one."""
    profile = call.person()
    target = call.person_of(call.read(ForwardRequest).forward_to_profile_id)
    outcome = await call.ask(c.Forward(call.account, profile.id, target.id))
    return shown(call.person_of(outcome.profile_id))


async def get_block(call: Call) -> BlockAnswer:
    """`GET /v5/persons/{person_id}/block`."""
    profile = call.person()
    block = profile.block
    if block is None:
        return BlockAnswer("NONE", "", write_time(profile.created_at))
    return BlockAnswer(block.type, block.reason, write_time(block.updated_at))


async def set_block(call: Call) -> BlockAnswer:
    """`PUT /v5/persons/{person_id}/block`."""
    profile = call.person()
    request = call.read(BlockRequest)
    reason = (request.reason or "").strip()
    if (not reason and request.type != "NONE") or len(reason) > REASON_CHARS_MAX:
        raise ServerRefusal("invalid_block_reason", f"Say why: reason, at most {REASON_CHARS_MAX} characters.")
    await call.ask(c.SetBlock(call.account, profile.id, request.type, reason))
    return await get_block(call)


_PERSON = "/v5/persons/{person_id}"
_FORWARDED = (
    "Events, data, audiences and every key move, and ids of this person find the other from then on."
    " `forwarding_profile_is_device`, `forward_to_profile_is_device`: both must be identified; `forward_to_self`."
)

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", "/v5/persons", "People", "Find people", search, Right.READ, list[PersonAnswer],
        description="By e-mail, by partner keys (any of them), or by both. Nobody found is an empty list.",
        query=(
            Parameter("identity_key_value", "The e-mail address."),
            listed("person_keys", "`partner_user_id:VALUE` or `partner_conversion_id:VALUE`."),
            *PAGE,
        ),
    ),
    endpoint(
        "POST", "/v5/persons", "People", "Make a person of an e-mail address", create, Right.READ, PersonAnswer, body=PersonRequest,
        description="`invalid_key_value`: no e-mail address; `identity_key_value_already_taken`; `person_suppressed`.",
    ),
    endpoint(
        "GET", "/v5/persons/partner-keys", "People", "What people can be found by besides e-mail", partner_keys, Right.READ, list[str]
    ),
    endpoint("GET", _PERSON, "People", "A person", get, Right.READ, PersonAnswer),
    endpoint(
        "PUT", _PERSON, "People", "Change a person's e-mail address", update, Right.READ, PersonAnswer, body=PersonRequest,
        description="The address before still finds the person. `invalid_key_value`, `identity_key_value_already_taken`.",
    ),
    endpoint(
        "POST", _PERSON + "/forward", "People", "Make a person part of another", forward, Right.READ, PersonAnswer, body=ForwardRequest,
        description=_FORWARDED,
    ),
    endpoint("GET", _PERSON + "/block", "People", "Whether a person is blocked", get_block, Right.READ, BlockAnswer),
    endpoint(
        "PUT", _PERSON + "/block", "People", "Block a person from events or rewards, or lift it", set_block, Right.READ, BlockAnswer,
        body=BlockRequest, description="`invalid_block_reason`: a block needs a reason.",
    ),
]  # fmt: skip

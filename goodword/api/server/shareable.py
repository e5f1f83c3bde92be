"""Share links by the server API: make, find, change. The same person, label and key always find the same link."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET, Struct, UnsetType, field

from goodword.api.link import is_same_site, link_to
from goodword.api.own_link import KEY, prefixes_of, put_generated
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, listed
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.campaign import Share
from goodword.core.deciding.share import live_campaign
from goodword.core.referral import Shareable
from goodword.core.times import write_time
from goodword.storage.query import share as links
from goodword.storage.query.referral import links_of

KEY_CHARS_MAX = 200
LABEL_CHARS_MAX = 100
URL_CHARS_MAX = 2_000
TEXT_CHARS_MAX = 2_000
DATA_MAX = 100
DATA_NAME_CHARS_MAX, DATA_VALUE_CHARS_MAX = 200, 2_000
PREFIXES_MAX = 20


class ShareableContent(Struct, omit_defaults=True):
    """What a link shows and where it leads, where that is not as the campaign says. `url` must be of the campaign's site."""

    title: str | None = None
    description: str | None = None
    image_url: str | None = None
    url: str | None = None
    partner_content_id: str | None = None


class ShareableData(Struct):
    """A named value of a link or a share."""

    name: str
    value: str


class ShareableAnswer(Struct):
    """A share link. `label` is the program, `key` its slot among the person's links of that program."""

    code: str
    link: str
    key: str
    label: str
    content: ShareableContent
    data: dict[str, ShareableData]
    enabled: bool
    person_id: str
    created_date: str
    updated_date: str


class ShareableRequest(Struct):
    """A link to make. Without a `code` one is made, after the first of `preferred_code_prefixes` that can be used."""

    label: str | None = None
    key: str | None = None
    code: str | None = None
    preferred_code_prefixes: list[str] | None = None
    content: ShareableContent | None = None
    data: dict[str, str] | None = None
    program_url: str | None = None
    enabled: bool = True


class ShareableUpdateRequest(Struct):
    """What to change; what is left out stays. `content` and `data` replace the whole of it."""

    label: str | None = None
    key: str | None = None
    content: ShareableContent | UnsetType | None = UNSET
    data: dict[str, str] | UnsetType | None = UNSET
    program_url: str | None = None
    enabled: bool | UnsetType = field(default=UNSET)


def shown(call: Call, shareable: Shareable, person_id: int) -> ShareableAnswer:
    """A link in the API's shape."""
    return ShareableAnswer(
        shareable.code,
        link_to(call.origin, shareable.code),
        shareable.key,
        shareable.program,
        ShareableContent(**shareable.content),
        data_shown(shareable.data),
        shareable.is_enabled,
        str(person_id),
        write_time(shareable.created_at),
        write_time(shareable.updated_at),
    )


def data_shown(data: dict[str, str]) -> dict[str, ShareableData]:
    """Data in the API's shape."""
    return {name: ShareableData(name, value) for name, value in data.items()}


async def create(call: Call) -> ShareableAnswer:
    """`POST /v5/persons/{person_id}/shareables`."""
    profile = call.person()
    request = call.read(ShareableRequest)
    program = _label(request.label)
    live = live_share(call, program)
    content = _content(request.content, live) or {}
    key = _key(request.key or request.code or content.get("partner_content_id") or KEY)
    # a link of a person who became part of this one keeps its slot under the number it was made with
    standing = next((link for link in links_of(call.store, call.account, profile) if (link.program, link.key) == (program, key)), None)
    number = standing.profile_id if standing is not None else profile.id

    def put(code: str, is_generated: bool) -> c.PutShareable:
        data = _data(request.data)
        return c.PutShareable(call.account, number, code, program, key, content, data, "get_or_create", is_generated, request.enabled)

    if request.code is not None:
        taken_by = links.account_of(call.store, request.code)
        if taken_by not in (None, call.account):
            raise ServerRefusal("code_taken", "The code is taken. Choose another.")
        outcome = await call.ask(put(request.code, False))
        return shown(call, outcome.value, profile.id)
    prefixes = prefixes_of(live, (request.preferred_code_prefixes or ())[:PREFIXES_MAX])
    outcome = await put_generated(call.store, call.ask_all, prefixes, lambda code: put(code, True))
    if outcome.verdict == "refused":
        raise ServerRefusal(outcome.code, outcome.reason)
    return shown(call, outcome.value, profile.id)


def live_share(call: Call, program: str) -> Share | None:
    """Where links of a program lead at the moment."""
    programs = call.store.programs.get(call.account)
    found = live_campaign(programs, program, call.intake.engine.clock()) if programs is not None else None
    return found[1] if found is not None else None


def _label(label: str | None) -> str:
    if label is None or not label.strip():
        raise ServerRefusal("label_is_missing", "Say which program the link is of: label.")
    if len(label) > LABEL_CHARS_MAX:
        raise ServerRefusal("label_name_length_out_of_range", f"A label has at most {LABEL_CHARS_MAX} characters.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", label):
        raise ServerRefusal("label_name_contains_illegal_character", "A label has only letters A to Z, digits, dashes and underscores.")
    return label


def _key(key: str) -> str:
    if not key.strip() or len(key) > KEY_CHARS_MAX or "\0" in key:
        raise ServerRefusal("invalid_parameter", f"key must be a text of 1 to {KEY_CHARS_MAX} characters.", parameter="key")
    return key


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(char <= " " for char in url)
    except ValueError:
        return False


def _content(said: ShareableContent | None, live: Share | None) -> dict[str, str] | None:
    if said is None:
        return None
    for text in (said.title, said.description, said.partner_content_id):
        if text is not None and len(text) > TEXT_CHARS_MAX:
            words = f"The texts of content have at most {TEXT_CHARS_MAX} characters."
            raise ServerRefusal("content_description_length_exceeded", words)
    if said.image_url and (len(said.image_url) > URL_CHARS_MAX or not _is_web_address(said.image_url)):
        raise ServerRefusal("content_image_url_invalid", "content.image_url must be a web address.")
    if said.url:
        if len(said.url) > URL_CHARS_MAX:
            raise ServerRefusal("content_url_length_out_of_range", f"content.url has at most {URL_CHARS_MAX} characters.")
        if not _is_web_address(said.url):
            raise ServerRefusal("invalid_content_url", "content.url must be a web address.")
        if live is not None and not is_same_site(said.url, live.destination):
            raise ServerRefusal("blocked_content_url", "content.url must be a page of the site that the campaign's links lead to.")
    values = {name: getattr(said, name) for name in said.__struct_fields__}
    return {name: value for name, value in values.items() if value}


def _data(said: dict[str, str] | None) -> dict[str, str] | None:
    return None if said is None else checked_data(said)


def checked_data(said: dict[str, str]) -> dict[str, str]:
    """Data of a link or a share. Errors: ServerRefusal."""
    if len(said) > DATA_MAX:
        raise ServerRefusal("too_much_data", f"data has at most {DATA_MAX} values.")
    for name, value in said.items():
        if not 1 <= len(name) <= DATA_NAME_CHARS_MAX:
            words = f"Names in data have 1 to {DATA_NAME_CHARS_MAX} characters."
            raise ServerRefusal("data_attribute_name_length_out_of_range", words, name=name[:100])
        if not name.strip() or not name.isprintable():
            raise ServerRefusal("data_attribute_name_invalid", "A name in data has only printable characters.", name=name[:100])
        if len(value) > DATA_VALUE_CHARS_MAX:
            words = f"Values in data have at most {DATA_VALUE_CHARS_MAX} characters."
            raise ServerRefusal("data_attribute_value_length_out_of_range", words, name=name)
        if "\0" in value:
            raise ServerRefusal("data_attribute_value_invalid", "A value in data has no null characters.", name=name)
    return said


def read_data_values(call: Call) -> frozenset[tuple[str, str]]:
    """The pairs of `data_values=name:value`. Errors: ServerRefusal 400 data_values_invalid."""
    pairs = [value.partition(":") for value in call.values("data_values")]
    if any(not (name and colon) for name, colon, _ in pairs):
        raise ServerRefusal("data_values_invalid", "data_values are written name:value.")
    return frozenset((name, value) for name, _, value in pairs)


async def list_all(call: Call) -> list[ShareableAnswer]:
    """`GET /v5/persons/{person_id}/shareables`: newest first."""
    profile = call.person()
    labels, names, pairs = set(call.values("labels")), set(call.values("data_keys")), read_data_values(call)
    offset, limit = call.page()
    found = [
        link
        for link in reversed(links_of(call.store, call.account, profile))
        if (not labels or link.program in labels) and names <= link.data.keys() and pairs <= set(link.data.items())
    ]
    return [shown(call, link, profile.id) for link in found[offset : offset + limit]]


def _mine(call: Call) -> tuple[Shareable, int]:
    profile = call.person()
    link = links.find(call.store, call.path["code"], call.account)
    if link is None or link.shareable is None or link.shareable.profile_id not in (profile.id, *profile.sources):
        raise ServerRefusal("shareable_not_found", "The person has no share link of this code.")
    return link.shareable, profile.id


async def get(call: Call) -> ShareableAnswer:
    """`GET /v5/persons/{person_id}/shareables/{code}`."""
    shareable, number = _mine(call)
    return shown(call, shareable, number)


async def update(call: Call) -> ShareableAnswer:
    """`PUT /v5/persons/{person_id}/shareables/{code}`."""
    was, number = _mine(call)
    request = call.read(ShareableUpdateRequest)
    program = _label(request.label) if request.label is not None else was.program
    key = _key(request.key) if request.key is not None else was.key
    content: dict[str, str] | None = None
    if request.content is not UNSET:
        content = _content(request.content, live_share(call, program)) or {}
    data = None if request.data is UNSET else _data(request.data) or {}
    is_enabled = was.is_enabled if request.enabled is UNSET else request.enabled
    command = c.PutShareable(call.account, was.profile_id, was.code, program, key, content, data, "update", is_enabled=is_enabled)
    return shown(call, (await call.ask(command)).value, number)


async def look_up(call: Call) -> ShareableAnswer:
    """`GET /v3/shareables/{code}`."""
    link = links.find(call.store, call.path["code"], call.account)
    if link is None or link.shareable is None or link.advocate is None:
        raise ServerRefusal("shareable_not_found", "No share link has this code.")
    return shown(call, link.shareable, link.advocate.id)


_SHAREABLES = "/v5/persons/{person_id}/shareables"
_CODE: dict[str, Any] = {"code": "The link's code, in any case."}
_CONTENT = (
    " `content_description_length_exceeded`, `content_image_url_invalid`, `content_url_length_out_of_range`, `invalid_content_url`;"
    " `blocked_content_url`: not of the campaign's site. `data_attribute_name_length_out_of_range`, `data_attribute_name_invalid`,"
    " `data_attribute_value_length_out_of_range`, `data_attribute_value_invalid`, `too_much_data`."
    " `label_name_contains_illegal_character`, `label_name_length_out_of_range`."
)

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", _SHAREABLES, "Share links", "A person's share links, newest first", list_all, Right.READ, list[ShareableAnswer],
        description="`data_values_invalid`.",
        query=(
            listed("labels", "Only those of these programs."),
            listed("data_keys", "Only those with data of these names."),
            listed("data_values", "Only those with these values, written `name:value`."),
            *PAGE,
        ),
    ),
    endpoint(
        "POST", _SHAREABLES, "Share links", "Make a person's share link, or find it", create, Right.READ, ShareableAnswer,
        body=ShareableRequest,
        description="The same person, `label` and `key` are answered with the same link. `label_is_missing`; `person_not_rewardable`: no"
        " e-mail address. `code_taken`, in any case; `shareable_key_taken`: the link of this key has another code; `code_out_of_range`;"
        " `code_illegal_character`; `code_contains_reserved_word`." + _CONTENT,
    ),
    endpoint(
        "GET", _SHAREABLES + "/{code:path}", "Share links", "A share link", get, Right.READ, ShareableAnswer,
        description="`shareable_not_found`.", path_words=_CODE,
    ),
    endpoint(
        "PUT", _SHAREABLES + "/{code:path}", "Share links", "Change a share link, or switch it off", update, Right.READ, ShareableAnswer,
        body=ShareableUpdateRequest, description="`shareable_not_found`; `shareable_key_taken`." + _CONTENT, path_words=_CODE,
    ),
    endpoint(
        "GET", "/v3/shareables/{code:path}", "Share links", "Whose share link a code is", look_up, Right.READ, ShareableAnswer,
        description="`shareable_not_found`.", path_words=_CODE,
    ),
]  # fmt: skip

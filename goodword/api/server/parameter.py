"""A person's data by the server API: named values of any JSON, each with a scope."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from goodword.api.intake import new_id
from goodword.api.server.call import LIMIT_MAX, Call, Endpoint, endpoint, is_too_deep, listed, paged
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import ParameterScope, Right
from goodword.core.profile import PARAMETER_NAME_CHARS_MAX, Parameter, Profile
from goodword.core.times import write_time

SCOPES: tuple[ParameterScope, ...] = ("PUBLIC", "PRIVATE", "CLIENT")


class DataAnswer(Struct):
    """A named value. `updated_date` is the time of the message that set it."""

    id: str
    name: str
    value: Any
    scope: ParameterScope
    created_date: str
    updated_date: str


class DataCreateRequest(Struct):
    """A new named value."""

    name: str
    value: Any
    scope: str | None = "PRIVATE"


class DataUpdateRequest(Struct):
    """What to change; what is left out stays."""

    value: Any | UnsetType = UNSET
    scope: str | None = None


def data_of(profile: Profile) -> dict[str, Parameter]:
    """What is known of a person by name. What identifies them is among it, also where no message set it as a trait."""
    found = {name: parameter for name, parameter in profile.parameters.items() if parameter.value is not None}
    for name, value in (("partner_user_id", profile.user_id), ("email", profile.email)):
        if value is not None and name not in found:
            found[name] = Parameter(value, profile.created_at, 0, "PRIVATE", profile.created_at)
    return found


def _shown(call: Call, profile: Profile, name: str, parameter: Parameter) -> DataAnswer:
    number = call.store.sealer.hash(call.account, f"d{profile.id}:{name}").hex()
    created, updated = write_time(parameter.created_at), write_time(parameter.at)
    return DataAnswer(number, name, parameter.value, parameter.scope, created, updated)


def _one(call: Call, name: str) -> DataAnswer:
    profile = call.person()
    parameter = data_of(profile).get(name)
    if parameter is None:
        raise ServerRefusal("data_not_found", "The person has no data of this name.")
    return _shown(call, profile, name, parameter)


def _scope(text: str | None) -> ParameterScope | None:
    if text is None:
        return None
    found = next((scope for scope in SCOPES if scope == text.upper()), None)
    if found is None:
        raise ServerRefusal("invalid_parameter", "scope must be PUBLIC, PRIVATE or CLIENT.", parameter="scope")
    return found


def _checked(value: Any) -> Any:
    if value is None:
        raise ServerRefusal("invalid_value", "value must not be null; to remove it, delete it.")
    if is_too_deep(value):
        raise ServerRefusal("invalid_value", "value is nested too deeply.")
    return value


async def list_all(call: Call) -> dict[str, DataAnswer]:
    """`GET /v5/persons/{person_id}/data`: a map by name, names in order."""
    profile = call.person()
    names = set(call.values("names"))
    scopes = {_scope(text) for text in call.values("scopes")}
    offset, limit = call.page(LIMIT_MAX)
    wanted = sorted(
        (name, parameter)
        for name, parameter in data_of(profile).items()
        if (not names or name in names) and (not scopes or parameter.scope in scopes)
    )
    return {name: _shown(call, profile, name, parameter) for name, parameter in wanted[offset : offset + limit]}


async def create(call: Call) -> DataAnswer:
    """`POST /v5/persons/{person_id}/data`."""
    profile = call.person()
    request = call.read(DataCreateRequest)
    if not request.name.strip() or len(request.name) > PARAMETER_NAME_CHARS_MAX:
        words = f"name must be a text of 1 to {PARAMETER_NAME_CHARS_MAX} characters."
        raise ServerRefusal("invalid_parameter", words, parameter="name")
    scope = _scope(request.scope) or "PRIVATE"
    await call.ask(c.SetParameter(call.account, profile.id, request.name, _checked(request.value), scope, "create", new_id()))
    return _one(call, request.name)


async def get(call: Call) -> DataAnswer:
    """`GET /v5/persons/{person_id}/data/{name}`."""
    return _one(call, call.path["name"])


async def update(call: Call) -> DataAnswer:
    """`PUT /v5/persons/{person_id}/data/{name}`: what is left out stays."""
    profile = call.person()
    name = call.path["name"]
    request = call.read(DataUpdateRequest)
    value = None if request.value is UNSET else _checked(request.value)
    await call.ask(c.SetParameter(call.account, profile.id, name, value, _scope(request.scope), "update", new_id()))
    return _one(call, name)


async def delete(call: Call) -> DataAnswer:
    """`DELETE /v5/persons/{person_id}/data/{name}`: answers what it was."""
    was = _one(call, call.path["name"])
    await call.ask(c.SetParameter(call.account, call.person().id, was.name, None, None, "delete", new_id()))
    return was


_DATA = "/v5/persons/{person_id}/data"
_NAME = {"name": "The value's name."}
_READ_ONLY = "`data_not_found`; `read_only_name`: the name identifies the person and is changed on the person."

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", _DATA, "Data", "What is known of a person, by name", list_all, Right.READ, dict[str, DataAnswer],
        query=(
            listed("names", "Only these."),
            listed("scopes", "Only those of these scopes.", {"type": "string", "enum": list(SCOPES)}),
            *paged(LIMIT_MAX),
        ),
    ),
    endpoint(
        "POST", _DATA, "Data", "Add a value", create, Right.READ, DataAnswer, body=DataCreateRequest,
        description="`data_already_exists`; `read_only_name`; `invalid_value`: null or nested too deeply; `too_much_data`.",
    ),
    endpoint(
        "GET", _DATA + "/{name:path}", "Data", "A value", get, Right.READ, DataAnswer, description="`data_not_found`.", path_words=_NAME
    ),
    endpoint(
        "PUT", _DATA + "/{name:path}", "Data", "Change a value or its scope", update, Right.READ, DataAnswer, body=DataUpdateRequest,
        description=_READ_ONLY, path_words=_NAME,
    ),
    endpoint(
        "DELETE", _DATA + "/{name:path}", "Data", "Remove a value", delete, Right.READ, DataAnswer, description=_READ_ONLY,
        path_words=_NAME,
    ),
]  # fmt: skip

"""The shape of a campaign's document: its JSON schema, made of the types, and what of a raw document does not fit it.

All that is wrong is told at once, each with its path (`rewards[1].value.amount`) and what to do about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from goodword.core.campaign import Document

DECIMALS = frozenset(
    ("amount", "percent", "min", "max", "value_min", "value_max", "annual_value_max", "face_value", "cash_back_percentage", "cash_back_min",
     "cash_back_max")
)  # fmt: skip
"""Fields that are decimal text, and that may be written as numbers."""
PROBLEMS_MAX = 100
ID = "/campaign-schema.json"
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d{1,6})\]")
_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a group of `name: value` lines",
    "null": "nothing",
}


class Problem(Struct, frozen=True):
    """What is wrong in a document, where, and what to do. A warning does not keep it from being saved."""

    path: str
    problem: str
    fix: str
    is_warning: bool = False

    @property
    def sentence(self) -> str:
        """For people, on one line."""
        return f"{self.path or 'the document'}: {self.problem}. {self.fix}".rstrip()


class Place(Struct, frozen=True):
    """A place of a document by its path: what may stand there, and its steps (names, and indexes of lists)."""

    steps: tuple[str | int, ...]
    schema: Mapping[str, Any]


@cache
def schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a campaign's document, defaults included."""
    (root,), definitions = msgspec.json.schema_components([Document], ref_template="#/$defs/{name}")
    for name, kind in _structs(Document, {}).items():
        properties = definitions[name]["properties"]
        definitions[name]["description"] = " ".join(definitions[name].get("description", "").split())
        for field in msgspec.structs.fields(kind):
            said = properties[field.encode_name]
            if field.default_factory is not msgspec.NODEFAULT:
                said["default"] = msgspec.to_builtins(field.default_factory())
            if field.encode_name in DECIMALS:
                properties[field.encode_name] = _or_number(said)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Goodword campaign",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _structs(kind: Any, found: dict[str, type[Struct]]) -> dict[str, type[Struct]]:
    """The struct types a document is made of, by name."""
    if isinstance(kind, type) and issubclass(kind, Struct) and kind.__name__ not in found:
        found[kind.__name__] = kind
        for field in msgspec.structs.fields(kind):
            _structs(field.type, found)
    for inner in getattr(kind, "__args__", ()):
        _structs(inner, found)
    return found


def _or_number(said: dict[str, Any]) -> dict[str, Any]:
    kinds = [each.get("type") for each in said.get("anyOf", [said])]
    if "string" not in kinds:
        return said
    return {**said, "type": ["string", "number"]} if len(kinds) == 1 else {"type": ["string", "number", "null"], "default": None}


def resolve(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of the schema with its reference followed."""
    while "$ref" in said:
        said = schema()["$defs"][said["$ref"].rpartition("/")[2]]
    return said


def read(raw: Any) -> Document | list[Problem]:
    """A raw document (of JSON values) as a Document, or all that does not fit the schema."""
    problems: list[Problem] = []
    fitting = _fit(raw, schema(), "", problems)
    return problems[:PROBLEMS_MAX] or _converted(fitting)


def _converted(fitting: Any) -> Document | list[Problem]:
    try:
        return msgspec.convert(fitting, Document)
    except msgspec.ValidationError as error:  # a bound that the walk does not know of
        return [Problem("", str(error), "See the schema, `goodword campaign schema`.")]


def _fit(value: Any, said: Mapping[str, Any], path: str, problems: list[Problem]) -> Any:
    """The value as the schema wants it; what does not fit is added to the problems."""
    options = [resolve(each) for each in resolve(said).get("anyOf", [said])]
    kinds = [kind for each in options for kind in ([each["type"]] if isinstance(each.get("type"), str) else each.get("type", ()))]
    kind = _kind(value)
    named = next((each for each in options if "enum" in each), None)
    if value is None and "null" not in kinds:
        problems.append(Problem(path, "has no value", f"Write {_wanted(options)}, or leave the line out."))
    elif named is not None:
        if not isinstance(value, str) or value not in named["enum"]:
            problems.append(Problem(path, f"must be one of {', '.join(named['enum'])}", _closest(str(value), named["enum"])))
    elif kind == "object" and "object" in kinds:
        chosen = next(each for each in options if each.get("type") == "object")
        return _fit_object(value, chosen, path, problems)
    elif kind == "array" and "array" in kinds:
        chosen = next(each for each in options if each.get("type") == "array")
        return [_fit(each, chosen["items"], f"{path}[{index}]", problems) for index, each in enumerate(value)]
    elif kind in ("integer", "number") and {"string", "number"} <= set(kinds):
        problems += _out_of_bounds(str(value), options, path)
        return str(value)
    elif kind not in kinds and not (kind == "integer" and "number" in kinds):
        fix = "Put it in quotes." if "string" in kinds and kind in ("integer", "number", "boolean") else f"Write {_wanted(options)} here."
        problems.append(Problem(path, f"must be {_wanted(options)}, not {_NAMES[kind]}", fix))
    else:
        problems += _out_of_bounds(value, options, path)
    return value


def _out_of_bounds(value: Any, options: Sequence[Mapping[str, Any]], path: str) -> list[Problem]:
    """What a type's own bounds say of a value of the right kind."""
    for each in options:
        if isinstance(value, str):
            if "pattern" in each and not re.search(each["pattern"], value):
                return [Problem(path, "is not written as it should be", f"It has to match {each['pattern']}")]
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            least, most, above = each.get("minimum"), each.get("maximum"), each.get("exclusiveMinimum")
            if not ((least is None or value >= least) and (above is None or value > above) and (most is None or value <= most)):
                words = [f"at least {least}"] * (least is not None) + [f"more than {above}"] * (above is not None)
                words += [f"at most {most}"] * (most is not None)
                return [Problem(path, f"must be {' and '.join(words)}", "Write such a number.")]
    return []


def _fit_object(value: Mapping[Any, Any], said: Mapping[str, Any], path: str, problems: list[Problem]) -> Any:
    fields: Mapping[str, Any] = said.get("properties", {})
    others = said.get("additionalProperties", False)
    found = {}
    for name, inner in value.items():
        here = f"{path}.{name}" if path else str(name)
        if not isinstance(name, str) or len(name) > 200:
            problems.append(Problem(here[:250], "is no name", "Names are texts."))
        elif name in fields:
            found[name] = _fit(inner, fields[name], here, problems)
        elif isinstance(others, Mapping):
            found[name] = _fit(inner, others, here, problems)
        else:
            problems.append(Problem(here, "is not known here", nearest(name, fields)))
    for name in said.get("required", ()):
        if name not in value:
            here = f"{path}.{name}" if path else name
            problems.append(Problem(here, "is missing", f"Add `{name}:` with {_wanted([resolve(fields[name])])}."))
    return found


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
        case _:
            return "array"


def _wanted(options: Sequence[Mapping[str, Any]]) -> str:
    """What may stand somewhere, in words."""
    kinds: list[str] = []
    for each in options:
        if "enum" in each:
            kinds.append(f"one of {', '.join(each['enum'])}")
        else:
            kinds += [each["type"]] if isinstance(each["type"], str) else each["type"]
    words = [_NAMES.get(kind, kind) for kind in kinds if kind != "null"]
    return " or ".join(dict.fromkeys(words))


def nearest(name: str, names: Mapping[str, Any] | Sequence[str]) -> str:
    """The fix for a name that is not among those there are."""
    close = get_close_matches(name, list(names), 1, 0.6)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"There {'is' if len(names) == 1 else 'are'} {', '.join(sorted(names))}." if names else "Leave it out."


def _closest(value: str, values: Sequence[str]) -> str:
    """The fix for a word that is not among those just named."""
    close = get_close_matches(value, list(values), 1, 0.6)
    return f"Did you mean `{close[0]}`?" if close else "Write one of these."


def place(path: str) -> Place | Problem:
    """What a path such as `rewards[0].value.amount` leads to in any document; the nearest that there is when it leads nowhere."""
    said = resolve(schema())
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or (at == 0 and path[0] in ".["):
            return Problem(path, "is no path", "Write it like share.destination or rewards[0].value.amount.")
        name, index = found.groups()
        here = path[:at]
        inner = _inside(said, name, index)
        if inner is None:
            return Problem(path, "leads nowhere", _way_out(said, here, name))
        steps.append(name if name is not None else int(index))
        said, at = inner, found.end()
    return Place(tuple(steps), said) if steps else Problem(path, "is no path", "Write it like share.destination.")


def _inside(said: Mapping[str, Any], name: str | None, index: str | None) -> Mapping[str, Any] | None:
    for each in (resolve(each) for each in said.get("anyOf", [said])):
        if name is not None and each.get("type") == "object":
            if name in each.get("properties", {}):
                return resolve(each["properties"][name])
            if isinstance(each.get("additionalProperties"), Mapping):
                return resolve(each["additionalProperties"])
        if index is not None and each.get("type") == "array":
            return resolve(each["items"])
    return None


def _way_out(said: Mapping[str, Any], here: str, name: str | None) -> str:
    """Where someone probably wanted to go."""
    options = [resolve(each) for each in said.get("anyOf", [said])]
    fields = [field for each in options for field in each.get("properties", ())]
    if any(each.get("type") == "array" for each in options):
        return f"It is a list: write {here}[0] for its first entry."
    if name is None:
        return f"{here or 'The document'} is no list."
    dot = "." if here else ""
    leaves = {path.rpartition(".")[2]: path for path in reversed(paths())}
    if not here and name in leaves:
        return f"Did you mean `{leaves[name]}`?"
    close = get_close_matches(name, fields, 1, 0.6)
    if close:
        return f"Did you mean `{here}{dot}{close[0]}`?"
    if not here and (ends := get_close_matches(name, list(leaves), 1, 0.75)):
        return f"Did you mean `{leaves[ends[0]]}`?"
    return f"There {'are' if len(fields) > 1 else 'is'} {', '.join(sorted(fields)) or 'nothing in it'}."


@cache
def paths() -> tuple[str, ...]:
    """Every path that a document may have, lists by their first entry."""
    found: list[str] = []

    def walk(said: Mapping[str, Any], here: str) -> None:
        for each in (resolve(each) for each in resolve(said).get("anyOf", [said])):
            for name, inner in each.get("properties", {}).items():
                path = f"{here}.{name}" if here else name
                found.append(path)
                walk(inner, path)
            if each.get("type") == "array":
                walk(each["items"], f"{here}[0]")

    walk(schema(), "")
    return tuple(found)

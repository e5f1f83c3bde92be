"""What differs between two documents, path by path. Rewards are matched by name and suppliers by id, so that a moved one is no change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from goodword.core.campaign import Document


class Change(Struct, frozen=True):
    """One place: what stood there and what stands there now, as JSON values. None where there is nothing."""

    path: str
    before: Any
    after: Any


def diff(before: Document, after: Document) -> list[Change]:
    """The changes from one document to another, in the document's order; defaults count as written."""
    return list(_diff("", written_out(before), written_out(after)))


def written_out(value: Any) -> Any:
    """A document as JSON values with every default in it."""
    if isinstance(value, Struct):
        return {each.encode_name: written_out(getattr(value, each.name)) for each in msgspec.structs.fields(value)}
    if isinstance(value, list):
        return [written_out(each) for each in value]
    return {name: written_out(each) for name, each in value.items()} if isinstance(value, Mapping) else value


def _diff(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    left, right = _members(before), _members(after)
    if left is None or right is None or not (left or right):
        yield Change(path, before, after)
        return
    for name in dict.fromkeys((*left, *right)):
        here = f"{path}[{name}]" if isinstance(after, list) else f"{path}.{name}" if path else str(name)
        yield from _diff(here, left.get(name), right.get(name))


def _members(value: Any) -> dict[Any, Any] | None:
    """What is inside a value, by name; lists of named things by their names, other lists as one value."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        names = [each.get("name") if "to" in each else each.get("id", index) for index, each in enumerate(value)]
        return dict(zip(names if len(set(names)) == len(names) else range(len(value)), value, strict=True))
    return None

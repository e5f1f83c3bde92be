"""A document's text as the fields of a form and back: values by path, read from YAML and set in it while its comments stay.

A form shows some paths of a document. Only what was changed in it is set, so that the text beside it may be changed at the same time.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

from ruamel.yaml.error import YAMLError

from goodword.core.campaign_schema import Place, Problem, place, resolve
from goodword.document.template import with_values
from goodword.document.text import examine, writer

ON, OFF = "on", ""


def read_fields(text: str, paths: Iterable[str]) -> dict[str, str] | None:
    """The values at these paths as a form shows them, defaults where the text says nothing; None where the text cannot be read."""
    document = _loaded(text)
    return {path: _shown(document, path) for path in paths} if document is not None else None


def length(text: str, path: str) -> int:
    """How many entries the list at a path has; 0 where it is none."""
    found = _found(_loaded(text) or {}, place(path))
    return len(found) if isinstance(found, list) else 0


def with_fields(text: str, changes: Mapping[str, str]) -> str | Problem:
    """The text with these values in it; what is emptied is taken out, so that the default holds again."""
    document = _loaded(text)
    if document is None:
        return Problem("", "cannot be read, so the form cannot be put into it", "Mend the document first.")
    said = {path: _said(path, value) for path, value in changes.items()}
    for path in [path for path, value in said.items() if not value]:
        _take_out(document, place(path))
    return with_values(_dumped(document), [(path, value) for path, value in said.items() if value])


def without(text: str, path: str) -> str:
    """The text without what stands at a path, such as an entry of a list."""
    document = _loaded(text)
    if document is None:
        return text
    _take_out(document, place(path))
    return _dumped(document)


def _loaded(text: str) -> Any:
    """The text as YAML with its comments, or None. `examine` says first whether it is safe to build."""
    if any(problem.path == "" and not problem.is_warning for problem in examine(text).problems):
        return None
    try:
        document = writer().load(text)
    except YAMLError:
        return None
    return document if isinstance(document, dict) else None


def _dumped(document: Any) -> str:
    out = io.StringIO()
    writer().dump(document, out)
    return out.getvalue()


def _found(document: Any, at: Place | Problem) -> Any:
    if isinstance(at, Problem):
        return None
    holder = document
    for step in at.steps:
        if isinstance(step, int):
            holder = holder[step] if isinstance(holder, list) and step < len(holder) else None
        else:
            holder = holder.get(step) if isinstance(holder, dict) else None
    return holder


def _shown(document: Any, path: str) -> str:
    at = place(path)
    value = _found(document, at)
    if value is None and isinstance(at, Place):
        value = _default(at, path)
    if isinstance(value, bool):
        return ON if value else OFF
    return "" if value is None else str(value)


def _default(at: Place, path: str) -> Any:
    """What holds where the text says nothing: of a field, as its holder's part of the schema has it."""
    holder = place(path.rpartition(".")[0]) if "." in path else None
    options = holder.schema.get("anyOf", [holder.schema]) if isinstance(holder, Place) else []
    for each in options:
        said = resolve(each).get("properties", {}).get(at.steps[-1])
        if said is not None:
            return said.get("default")
    return None


def _said(path: str, value: str) -> str:
    """A form's value as YAML has it: a box is true or false."""
    at = place(path)
    if isinstance(at, Place) and at.schema.get("type") == "boolean":
        return "true" if value == ON else "false"
    return value


def _take_out(document: Any, at: Place | Problem) -> None:
    if isinstance(at, Problem):
        return
    holder = _found(document, Place(at.steps[:-1], {}))
    last = at.steps[-1]
    if isinstance(holder, dict):
        holder.pop(last, None)
    elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        holder.pop(last)

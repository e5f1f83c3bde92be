"""The ready-made campaigns: YAML with comments, and values set in it by path while the comments stay."""

from __future__ import annotations

import io
from importlib import resources
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from goodword.core.campaign_schema import Place, Problem, place
from goodword.document.text import writer

FOLDER = "templates"


def names() -> tuple[str, ...]:
    """The templates there are."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml")))


def template(name: str) -> str | None:
    """A template's text, or None where there is none of this name."""
    return _folder().joinpath(f"{name}.yaml").read_text("utf-8") if name in names() else None


def about(name: str) -> str:
    """What a template is for: its first line."""
    return (template(name) or "").partition("\n")[0].lstrip("# ")


def with_values(text: str, values: list[tuple[str, str]]) -> str | Problem:
    """A template with values in it, each set at a path (`share.destination`, `rewards[0].value.amount`). A value is text, or YAML where
    the place takes something else. The first that cannot be set is returned as a problem."""
    if not values:
        return text
    yaml = writer()
    document = yaml.load(text)
    for path, value in values:
        found = place(path)
        if isinstance(found, Problem):
            return found
        problem = _set(document, found, path, value)
        if problem is not None:
            return problem
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _folder() -> Any:
    return resources.files("goodword.document").joinpath(FOLDER)


def _set(document: Any, found: Place, path: str, value: str) -> Problem | None:
    """Put a value where the path leads, making what is missing on the way."""
    read = _read(found, value)
    if isinstance(read, YAMLError):
        return Problem(path, "cannot be read as YAML", "Put the whole of PATH=VALUE in quotes.")
    holder = document
    for index, step in enumerate(found.steps):
        last = index == len(found.steps) - 1
        kind: Any = list if isinstance(step, int) else dict
        if not isinstance(holder, kind):
            return Problem(path, "cannot be set: something else stands where it should go", "Mend the document there first.")
        inner: Any = read if last else CommentedSeq() if isinstance(found.steps[index + 1], int) else CommentedMap()
        if isinstance(step, int):
            if step > len(holder):
                many = f"has {len(holder)} entries" if len(holder) != 1 else "has one entry"
                return Problem(path, f"cannot be set: the list {many}", f"The next one is [{len(holder)}].")
            if step == len(holder):
                holder.append(inner)
            elif last:
                holder[step] = inner
        elif last or holder.get(step) is None:
            holder[step] = inner
        holder = holder[step]
    return None


def _read(found: Place, value: str) -> Any:
    """The value as the place takes it: text as it stands, anything else as YAML says it."""
    options = found.schema.get("anyOf", [found.schema])
    kinds = {kind for each in options for kind in ([each["type"]] if isinstance(each.get("type"), str) else each.get("type", ()))}
    if "string" in kinds and "number" not in kinds:
        return value
    try:
        return YAML(typ="safe", pure=True).load(value)
    except YAMLError as error:
        return error

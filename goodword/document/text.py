"""Campaign documents as text: YAML 1.2 or JSON read into JSON values with the line of each, and written as YAML.

Only plain data is read: no tags that name types, nothing that runs. What is no such text comes back as problems.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec
from msgspec import NODEFAULT, Struct, field
from msgspec.structs import fields
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from goodword.core.campaign import Document
from goodword.core.campaign_check import Known, check, errors
from goodword.core.campaign_schema import Problem
from goodword.core.campaign_schema import read as read_shape

BYTES_MAX = 64 * 1024
NODES_MAX = 20_000
DEPTH_MAX = 40
OPEN_MAX = 100
"""Brackets that may be open at once: the reader's time grows with their square."""
_BRACKETS = re.compile(r"[\[\]{}]")
_TAG = "tag:yaml.org,2002:"


class Text(Struct, frozen=True):
    """A text as JSON values; `lines` says where each path begins, as far as that is known."""

    raw: Any
    lines: dict[str, int] = field(default_factory=dict)


class Checked(Struct, frozen=True):
    """A text as a document (None when it is none) with all that is to be said of it; each problem's sentence begins with its line."""

    document: Document | None
    problems: list[Problem]
    lines: dict[str, int]

    @property
    def is_good(self) -> bool:
        """Whether it may be saved."""
        return self.document is not None and not errors(self.problems)

    def sentence(self, problem: Problem) -> str:
        """A problem for people, with its line where that is known."""
        line = self.line(problem.path)
        return f"{f'line {line}, ' if line else ''}{problem.sentence}"

    def line(self, path: str) -> int:
        """The line a path begins on, or the nearest around it; 0 where it is unknown."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 0)


class _Refused(Exception):
    """The text cannot be read."""

    def __init__(self, problem: str, fix: str, line: int = 0) -> None:
        super().__init__(problem)
        self.problem = Problem("", problem, fix)
        self.line = line


def examine(text: str | bytes, known: Known | None = None) -> Checked:
    """A text read and checked against what an account has: everything that is wrong at once."""
    try:
        found = _parse(text)
    except _Refused as refused:
        return Checked(None, [refused.problem], {"": refused.line} if refused.line else {})
    shaped = read_shape(found.raw)
    if isinstance(shaped, list):
        return Checked(None, shaped, found.lines)
    return Checked(shaped, check(shaped, known), found.lines)


def write(document: Document) -> str:
    """A document as YAML, without what is as by default."""
    out = io.StringIO()
    yaml = writer()
    yaml.dump(_terse(document), out)
    return out.getvalue()


def _terse(value: Any) -> Any:
    """A document as JSON values, without what is as by default."""
    if isinstance(value, Struct):
        said = {}
        for each in fields(value):
            default = each.default if each.default_factory is NODEFAULT else each.default_factory()
            if (inner := getattr(value, each.name)) != default:
                said[each.encode_name] = _terse(inner)
        return said
    if isinstance(value, list):
        return [_terse(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _terse(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def writer() -> YAML:
    """How YAML is written, and read where its comments are to stay."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 120
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.allow_unicode = True
    return yaml


def _parse(text: str | bytes) -> Text:
    if len(text) > BYTES_MAX:
        raise _Refused(f"is larger than {BYTES_MAX // 1024} KiB", "Shorten it.")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise _Refused("is not UTF-8 text", "Save the file in the encoding UTF-8.") from None
    if not text.strip():
        raise _Refused("is empty", "Begin with a template: `goodword campaign template refer-a-friend`.")
    if text.lstrip().startswith("{"):
        found = _json(text)
        if found is not None:
            return found
    return _yaml(text)


def _json(text: str) -> Text | None:
    """JSON, or None where it is none (it may be YAML all the same)."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise _Refused(f"has `{twice[:100]}` twice in one place", "Leave it out once.")
        return found

    def refuse(word: str) -> NoReturn:
        raise _Refused(f"holds {word}, which is no number", "Write a number.")

    try:
        raw = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
        json.dumps(raw, ensure_ascii=False).encode()
    except (json.JSONDecodeError, RecursionError):
        return None
    except UnicodeEncodeError:
        raise _Refused("holds half a character", "Write every character whole.") from None
    except ValueError:  # a number of thousands of digits
        raise _Refused("holds a number that is too long", "Write a shorter one.") from None
    return Text(raw)


def _open_at_once(text: str) -> int:
    """How many brackets are open at once, at most; those within texts count too."""
    most = count = 0
    for found in _BRACKETS.findall(text):
        count = count + 1 if found in "[{" else max(count - 1, 0)
        most = max(most, count)
    return most


def _yaml(text: str) -> Text:
    if _open_at_once(text) > OPEN_MAX:
        raise _Refused("is nested too deeply", "No campaign is.")
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        found = _Building()
        return Text(found.value(node, "", ()), found.lines)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 0
        raise _Refused(f"is no YAML: {error.problem or error.context}", "Look at this line and the one before.", line) from None
    except YAMLError as error:
        raise _Refused(f"is no YAML: {str(error).splitlines()[0][:200]}", "Mend it.") from None
    except RecursionError:
        raise _Refused("is nested too deeply", "No campaign is.") from None


class _Building:
    """JSON values of YAML nodes. A node that an alias repeats counts each time, so that a short text cannot become a huge document."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.count = 0

    def value(self, node: Node | None, path: str, around: tuple[int, ...]) -> Any:
        """A node's value. Errors: _Refused."""
        if node is None:
            raise _Refused("is empty", "Begin with a template: `goodword campaign template refer-a-friend`.")
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.count += 1
        if id(node) in around:
            raise _Refused("contains itself, by an alias", "Write out what the alias stands for.", line)
        if self.count > NODES_MAX or len(around) > DEPTH_MAX:
            raise _Refused("is too large or nested too deeply", "Write less, without aliases.", line)
        inside = (*around, id(node))
        if not isinstance(node, ScalarNode) and str(node.tag) not in (f"{_TAG}map", f"{_TAG}seq"):
            raise _tagged(node, line)
        match node:
            case MappingNode():
                return self._mapping(node, path, inside)
            case SequenceNode():
                return [self.value(each, f"{path}[{index}]", inside) for index, each in enumerate(node.value)]
            case _:
                return _scalar(node, line)

    def _mapping(self, node: MappingNode, path: str, inside: tuple[int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                raise _Refused("has a name that is no word", "Write `name: value`.", line)
            name = str(key.value)
            here = f"{path}.{name}" if path else name
            if name in found:
                raise _Refused(f"has `{here[:200]}` twice", "Leave it out once.", line)
            self.lines[here] = line
            found[name] = self.value(value, here, inside)
        return found


def _scalar(node: Node, line: int) -> Any:
    """A plain value. What YAML takes for a date stays text, and so does a number that is not written the usual way (`0012`)."""
    kind, text = str(node.tag).removeprefix(_TAG), str(node.value)
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text) if len(text) < 20 and text.removeprefix("-").isdigit() and str(int(text)) == text else text
        case "float":
            number = float(text.replace("_", "")) if len(text) < 40 and text.lstrip("+-")[:2].lower() not in (".i", ".n") else None
            return number if number is not None and abs(number) < 1e300 else text
        case "str" | "timestamp" | "merge" | "value":
            return text
        case _:
            raise _tagged(node, line)


def _tagged(node: Node, line: int) -> _Refused:
    return _Refused(f"has the tag {str(node.tag)[:60]}", "Write plain values, without tags.", line)


def with_line(checked: Checked, problem: Problem) -> dict[str, Any]:
    """A problem for programs."""
    said: dict[str, Any] = msgspec.to_builtins(problem)
    line = checked.line(problem.path)
    return said | ({"line": line} if line else {})

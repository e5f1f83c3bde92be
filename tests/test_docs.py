"""The documents say what the code does: links lead somewhere, every door is described, the README's line is the server's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from starlette.routing import BaseRoute

from goodword import bootstrap
from goodword.api import tracking
from goodword.api.app import Application
from goodword.cli.serve import CURL
from goodword.engine import Engine
from goodword.storage.store import Store

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("integrations/**/*.md")])
HTTP = ROOT / "docs" / "reference" / "http.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)


def prose(text: str) -> str:
    """A document without its examples."""
    return FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """The names that a document's headings can be linked by."""
    headings = re.findall(r"^#+ +(.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(document: Path, text: str) -> Iterator[str]:
    """The relative links of a document that lead nowhere: to no file, or to no heading of it."""
    for link in LINK.findall(prose(text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name) if name else document
        if not target.exists() or (anchor and anchor not in anchors(text if target == document else target.read_text())):
            yield link


@pytest.mark.parametrize("link", ["nothing.md", "README.md#no-such-heading", "#neither", "nowhere/"])
def test_the_link_check_sees_a_breach(link: str) -> None:
    assert list(broken_links(ROOT / "CHANGELOG.md", f"# Here\n[a]({link}) [b](#here) [c](README.md) [d](https://example.com/x)")) == [link]


def test_there_are_documents() -> None:
    assert len(DOCUMENTS) > 20


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert list(broken_links(document, document.read_text())) == []


# -- doors -----------------------------------------------------------------------------------------------------------


def plain(path: str) -> str:
    """A route's path as people write it: `{name:path}` is `{name}`."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def served(application: Application) -> set[str]:
    """The path of every route: of the pages, and of each door that routes by itself. The console's pages are for people: one path."""
    routers = [application.pages, *(router for door in vars(application).values() if (router := getattr(door, "router", None)) is not None)]
    routes: Iterable[BaseRoute] = [route for router in routers for route in router.routes]
    paths = {plain(path) for route in routes if isinstance(path := getattr(route, "path", None), str)}
    return {"/console" if path.startswith("/console/") else path for path in paths}


def unnamed(paths: Iterable[str], text: str) -> list[str]:
    """The paths that a document does not name, whole, in code."""
    code = " ".join(re.findall(r"`([^`\n]+)`", text))
    return sorted(path for path in paths if not re.search(rf"(?<![\w/}}]){re.escape(path)}(?![\w/{{-])", code))


def test_the_door_check_sees_a_breach() -> None:
    said = "`POST /v1/track` and /v1/page, `GET /v5/persons/{person_id}/steps`"
    paths = ["/v1/track", "/v1/page", "/v1/t", "/v5/persons/{person_id}", "/v5/persons/{person_id}/steps", "/steps"]
    assert unnamed(paths, said) == ["/steps", "/v1/page", "/v1/t", "/v5/persons/{person_id}"]
    assert plain("/v6/events/{event_name:path}") == "/v6/events/{event_name}"


def test_every_route_is_in_the_http_reference(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        routes = served(bootstrap.make_application(Engine(store)))
    assert {"/readyz", "/metrics", "/v5/persons", "/v6/events/{event_name}"} <= routes
    assert unnamed(routes, HTTP.read_text()) == []


def test_every_path_of_the_message_doors_is_in_the_http_reference() -> None:
    paths = {"/segment", *(f"/v1/{name}" for name in tracking.TYPES), *tracking.BATCHES, "/v1/m", "/v1/projects/{writeKey}/settings"}
    assert len(paths) > 15
    assert unnamed(paths, HTTP.read_text()) == []
    assert all(tracking.Tracking.serves(path) for path in paths - {"/segment"})


# -- what is said in two places --------------------------------------------------------------------------------------


def try_line(text: str) -> str:
    """The line of the README that tries a new server."""
    found = re.search(r"^curl -s \S+v1/batch .*$", text, re.MULTILINE)
    return found[0] if found else ""


def test_the_line_to_paste_in_the_readme_is_the_one_the_server_prints() -> None:
    expected = CURL.format(url="http://127.0.0.1:8765/", key="KEY")
    assert try_line((ROOT / "README.md").read_text()) == expected
    assert try_line(f"x\n{expected} more\n") != expected
    assert try_line("no line") == ""


def misnumbered(names: list[str]) -> list[str]:
    """Decision files that are not numbered 1, 2, 3 .. in four digits, or whose name is not made of words."""
    return [name for number, name in enumerate(sorted(names), 1) if not re.fullmatch(rf"{number:04}-[a-z0-9-]+\.md", name)]


def test_decisions_are_numbered_without_gaps_and_are_all_in_the_index() -> None:
    names = [path.name for path in (ROOT / "docs" / "decisions").iterdir()]
    assert len(names) >= 10
    assert misnumbered(names) == []
    assert misnumbered(["0001-a.md", "0003-b.md"]) == ["0003-b.md"]
    assert misnumbered(["0001-a.md", "0001-b.md"]) == ["0001-b.md"]
    index = (ROOT / "docs" / "index.md").read_text()
    assert [name for name in names if f"](decisions/{name})" not in index] == []


@pytest.mark.parametrize("document", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda path: path.name)
def test_a_decision_has_its_number_context_decision_and_consequences(document: Path) -> None:
    text = document.read_text()
    assert text.startswith(f"# {document.name[:4]}: ")
    assert [part for part in ("## Context", "## Decision", "## Consequences") if f"\n{part}\n" not in text] == []


def untested(text: str) -> list[str]:
    """The tests that a document names in code and no test file has."""
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").glob("**/*.py") if "node_modules" not in path.parts)
    return sorted(name for name in set(re.findall(r"`(test_\w+)`", text)) if not re.search(rf"def {name}\(", sources))


def test_every_test_that_the_reference_names_is_there() -> None:
    assert untested("`test_that_nobody" + "_wrote`") == ["test_that_nobody_wrote"]
    assert [name for path in sorted((ROOT / "docs").glob("reference/*.md")) for name in untested(path.read_text())] == []

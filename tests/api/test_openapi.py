"""The API's own description: complete, valid, readable, and true of the running server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from starlette.routing import Route

from goodword.api import destination, tracking
from goodword.api.server import ServerApi
from goodword.api.server.errors import STATUS
from goodword.bootstrap import make_application
from goodword.engine import Engine
from goodword.opening import open_store
from tests.api.conftest import Api, serving

EXAMPLES = 6
UNPUBLISHED = re.compile(r"\{(\w+):\w+\}")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server of these tests alone: what is sent by chance with an admin key may change settings that others count on."""
    with serving(tmp_path_factory.mktemp("openapi") / "data") as api:
        yield api


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.server.get("/openapi.json").json
    return found


def test_every_route_is_described(document: dict[str, Any], tmp_path: Path) -> None:
    """What the application serves to programs, door by door, is in the document, and what the document says is served."""
    store = open_store(tmp_path / "data")
    try:
        application = make_application(Engine(store))
    finally:
        store.close()
    pages, server = application.pages.routes, application.server.router.routes
    assert isinstance(application.server, ServerApi)
    served = {(method, "/segment") for method in destination.METHODS}
    served |= {("POST", f"/v1/{name}") for name in (*tracking.TYPES, "m")} | {("POST", path) for path in tracking.BATCHES}
    served |= {("GET", "/v1/projects/{write_key}/settings"), ("GET", "/sourceConfig/")}
    for route in [*pages, *server]:
        assert isinstance(route, Route), route
        if route.path == "/" or route.path.startswith("/console"):
            continue  # pages for people
        served |= {(method, UNPUBLISHED.sub(r"{\1}", route.path)) for method in (route.methods or {"GET"}) - {"HEAD"}}
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert served - described == set()
    assert described - served == set()


def test_every_operation_says_what_it_is_and_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    for each in operations:
        assert each["summary"]
        assert all(parameter["description"] for parameter in each["parameters"]), each["operationId"]
        assert all(response["description"] for response in each["responses"].values())
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description") or "enum" in schema, name


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert names <= set(document["components"]["schemas"])


def test_every_code_of_a_refusal_is_described(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    assert [code for code in STATUS if f"`{code}`" not in text] == []


def test_page_needs_no_script_and_nothing_from_elsewhere(api: Api, document: dict[str, Any]) -> None:
    answer = api.server.get("/docs")
    text = answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert re.findall(r"<script|\son\w+=|\sstyle=|https?://|src=", text) == []
    assert 'name="viewport"' in text
    assert "prefers-color-scheme" in text
    for path, methods in document["paths"].items():
        assert path in text
        assert all(f'id="{each["operationId"]}"' in text for each in methods.values())
    targets = set(re.findall(r'href="#([\w-]+)"', text))
    assert targets <= set(re.findall(r'id="([\w-]+)"', text))


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_server_answers_as_described(api: Api, document: dict[str, Any], mode: GenerationMode) -> None:
    """Generated requests, as described and not, on every operation: each answer has a described status, type and shape."""
    person = api.event("Audience Entered", email="openapi@example.com", audience_key="openapi")["person_id"]
    schema = schemathesis.openapi.from_dict(document)
    tried = 0
    wrong: list[str] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        def probe(case: Any) -> None:
            nonlocal tried
            tried += 1
            if case.path_parameters and tried % 2:  # half of the time somebody, else most answers are "nobody has this id"
                case.path_parameters |= {"person_id": person} if "person_id" in case.path_parameters else {}
            headers = {"Authorization": f"Bearer {api.keys['admin']}"}
            case.call_and_validate(base_url=f"http://127.0.0.1:{api.server.port}", headers=headers, checks=CHECKS, timeout=10)

        run = given(case=operation.as_strategy(generation_mode=mode))(probe)
        bounds = settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
        try:
            settings(bounds, suppress_health_check=list(HealthCheck))(run)()
        except Unsatisfiable:
            continue
        except FailureGroup as failures:
            wrong.extend(f"{operation.label}: {failure}\n{failure.message}" for failure in failures.exceptions)
    assert wrong == [], "\n\n".join(wrong)
    assert tried > 150
    assert api.server.get("/readyz").status == 200

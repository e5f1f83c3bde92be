"""The API's own description: an OpenAPI 3.1 document made of the route tables, at /openapi.json, and a page to read it at /docs.

A module that serves routes says what they are in `OPERATIONS: list[Operation]`, beside `routes(intake) -> list[Route]`; `bootstrap`
hands both over. tests/api/test_openapi.py fails when a route is not described.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib import resources
from string import Template
from typing import Any

import msgspec
from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from goodword import __version__

JSON = "application/json"
TEXT = "text/plain"
BEARER, BASIC, QUERY_TOKEN, COOKIE, WRITE_KEY = "bearer", "basic", "query_token", "cookie", "write_key"
SCHEMES: dict[str, dict[str, str]] = {
    BEARER: {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`."},
    BASIC: {"type": "http", "scheme": "basic", "description": "The key is the user; the password is not looked at."},
    QUERY_TOKEN: {"type": "apiKey", "in": "query", "name": "access_token", "description": "For callers that cannot set a header."},
    COOKIE: {"type": "apiKey", "in": "cookie", "name": "access_token", "description": "`access_token` or `extole_token`."},
    WRITE_KEY: {"type": "apiKey", "in": "query", "name": "writeKey", "description": "For beacons, which cannot set a header."},
}
_SHAPES = ("answer", "body", "error")
PATH_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Said(Struct):
    """A refusal at the message doors: a code for programs and a sentence that tells a person what to change."""

    code: str
    message: str


class Parameter(Struct, frozen=True):
    """A query parameter. `schema` is JSON Schema; of an array, the parameter may be repeated or hold a list with commas."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    is_required: bool = False


class Operation(Struct, frozen=True):
    """One method of one path. `answer` and `body` are types msgspec knows, or tuples of them; `errors` says when another status is sent.

    `path` may be written as Starlette does (`{name:path}`). `media` is the answer's content type; `security` names SCHEMES, any
    one of which will do; `error` is the shape of every refusal, None where a refusal has no body of JSON.
    """

    method: str
    path: str
    tag: str
    summary: str
    answer: Any = Any
    body: Any = None
    description: str = ""
    query: Sequence[Parameter] = ()
    path_words: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    error: Any = Said
    security: Sequence[str] = ()
    media: str = JSON
    error_media: str = JSON
    body_media: str = JSON
    is_body_required: bool = True


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    listed = list(operations)
    types = [kind for operation in listed for name in _SHAPES for kind in _alternatives(getattr(operation, name))]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for operation in listed:
        shapes: dict[str, Any] = {}
        for name in _SHAPES:
            found = [next(schema_of) for _ in _alternatives(getattr(operation, name))]
            if found:
                shapes[name] = found[0] if len(found) == 1 else {"anyOf": found}
        paths.setdefault(PATH_PARAMETER.sub(r"{\1}", operation.path), {})[operation.method.lower()] = _described(operation, shapes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Goodword",
            "version": __version__,
            "description": "Open, self-hosted referral platform: a Segment destination, a tracking endpoint for the stock SDKs,"
            " and a server API for people and their events.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SCHEMES},
    }


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return kind if isinstance(kind, tuple) else () if kind is None else (kind,)


def _described(operation: Operation, shapes: dict[str, Any]) -> dict[str, Any]:
    names = PATH_PARAMETER.findall(operation.path)
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": operation.path_words.get(name, ""),
            "schema": {"type": "string", "minLength": 1},
        }
        for name in names
    ]
    for query in operation.query:
        said: dict[str, Any] = {"name": query.name, "in": "query", "description": query.description, "schema": dict(query.schema)}
        if query.is_required:
            said["required"] = True
        parameters.append(said)
    responses: dict[str, Any] = {"200": _response("Done.", operation.media, shapes.get("answer"))}
    for status, when in sorted(operation.errors.items()):
        responses[str(status)] = _response(when, operation.error_media, shapes.get("error"))
        if status == 503:
            responses["503"]["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": operation_id(operation),
        "parameters": parameters,
        "responses": responses,
    }
    if operation.description:
        described["description"] = operation.description
    if "body" in shapes:
        described["requestBody"] = {"required": operation.is_body_required, "content": {operation.body_media: {"schema": shapes["body"]}}}
    if operation.security:
        described["security"] = [{name: []} for name in operation.security]
    return described


def operation_id(operation: Operation) -> str:
    """A name for programs: the method and the path's words."""
    words = re.findall(r"\w+", PATH_PARAMETER.sub(r"by_\1", operation.path))
    return "_".join([operation.method.lower(), *words])


def _response(words: str, media: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    if media == TEXT:
        schema = {"type": "string"}
    return {"description": words} | ({"content": {media: {"schema": schema}}} if schema is not None else {})


OPERATIONS = [
    Operation("GET", "/openapi.json", "Operations", "This document.", answer=dict[str, Any]),
    Operation("GET", "/docs", "Operations", "The same, as a page to read.", answer=str, media="text/html"),
]


def routes(operations: Sequence[Operation]) -> list[Route]:
    """/openapi.json and /docs of these operations."""
    described = document(operations)
    body = msgspec.json.encode(described)
    text, policy = page(described)

    async def openapi(_request: Request) -> Response:
        return Response(body, media_type=JSON)

    async def docs(_request: Request) -> Response:
        headers = {"content-security-policy": policy, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
        return HTMLResponse(text, headers=headers)

    return [Route("/openapi.json", openapi), Route("/docs", docs)]


def page(described: dict[str, Any]) -> tuple[str, str]:
    """The document as HTML, and the Content-Security-Policy to send with it: its own style sheet by hash, and nothing else."""
    folder = resources.files("goodword.api").joinpath("templates")
    style = folder.joinpath("docs.css").read_text()
    tags: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append(_operation_html(method, path, operation))
    sections = [f'<section id="{_anchor(tag)}"><h2>{html.escape(tag)}</h2>{"".join(items)}</section>' for tag, items in tags.items()]
    schemas = described["components"]["schemas"]
    shapes = "".join(_schema_html(name, schema) for name, schema in sorted(schemas.items()))
    sections.append(f'<section id="shapes"><h2>Shapes</h2>{shapes}</section>')
    links = "".join(f'<li><a href="#{_anchor(tag)}">{html.escape(tag)}</a></li>' for tag in [*tags, "Shapes"])
    text = Template(folder.joinpath("docs.html").read_text()).substitute(
        style=style,
        version=html.escape(described["info"]["version"]),
        description=html.escape(described["info"]["description"]),
        links=links,
        sections="".join(sections),
    )
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return text, f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower())


def _prose(text: str) -> str:
    """Escaped text with `code` marked."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _operation_html(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<details id="{operation["operationId"]}"><summary><b class="{method}">{method.upper()}</b> '
        f"<code>{html.escape(path)}</code> <span>{_prose(operation['summary'])}</span></summary>"
    ]
    if "description" in operation:
        parts.append(f"<p>{_prose(operation['description'])}</p>")
    if "security" in operation:
        said = ", ".join(f"<code>{name}</code>" for scheme in operation["security"] for name in scheme)
        parts.append(f"<p>Key: {said}</p>")
    if "requestBody" in operation:
        media, sent = next(iter(operation["requestBody"]["content"].items()))
        parts.append(f"<p>Body, {html.escape(media)}: {_type_html(sent['schema'])}</p>")
    rows = [
        f"<tr><td><code>{html.escape(each['name'])}</code></td><td>{each['in']}</td><td>{_type_html(each['schema'])}</td>"
        f"<td>{_prose(each.get('description', ''))}</td></tr>"
        for each in operation["parameters"]
    ]
    if rows:
        head = "<tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>"
        parts.append(f'<div class="wide"><table>{head}{"".join(rows)}</table></div>')
    rows = []
    for status, response in operation["responses"].items():
        content: dict[str, Any] = next(iter(response.get("content", {}).values()), {})
        shape = _type_html(content["schema"]) if "schema" in content else ""
        rows.append(f"<tr><td>{status}</td><td>{shape}</td><td>{_prose(response['description'])}</td></tr>")
    parts.append(f'<div class="wide"><table><tr><th>Answer</th><th>Shape</th><th></th></tr>{"".join(rows)}</table></div></details>')
    return "".join(parts)


def _schema_html(name: str, schema: dict[str, Any]) -> str:
    rows = []
    for field_name, kind in schema.get("properties", {}).items():
        required = "required" if field_name in schema.get("required", ()) else ""
        rows.append(f"<tr><td><code>{html.escape(field_name)}</code></td><td>{_type_html(kind)}</td><td>{required}</td></tr>")
    table = f'<div class="wide"><table>{"".join(rows)}</table></div>' if rows else f"<p>{_type_html(schema)}</p>"
    said = _prose(str(schema.get("description", "")))
    return f'<details id="shape-{html.escape(name)}"><summary><code>{html.escape(name)}</code></summary><p>{said}</p>{table}</details>'


def _type_html(schema: dict[str, Any]) -> str:
    """A schema in a word or two."""
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#shape-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type_html(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{html.escape(str(each))}</code>" for each in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_type_html(schema.get('items', {}))}"
    extra = schema.get("additionalProperties")
    if kind == "object" and isinstance(extra, dict):
        return f"map of {_type_html(extra)}"
    return html.escape(str(kind)) if kind else "any JSON"

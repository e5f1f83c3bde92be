"""The JSON schema of campaign documents, for editors and other tools; no key is asked for."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from goodword.api.openapi import Operation
from goodword.core.campaign_schema import ID, schema

MEDIA = "application/json"
OPERATIONS = [Operation("GET", ID, "Campaigns", "The JSON schema of a campaign's document", answer=dict[str, Any], media=MEDIA)]


def routes() -> list[Route]:
    """/campaign-schema.json."""
    body = msgspec.json.encode(schema())

    async def serve(_request: Request) -> Response:
        return Response(body, media_type=MEDIA)

    return [Route(ID, serve)]

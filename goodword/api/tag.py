"""The tag for sites without a customer data platform, `/goodword.js`: served from memory, with an ETag, packed where that is taken."""

from __future__ import annotations

import gzip
from hashlib import sha256
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from goodword.api.openapi import Operation

PATH = "/goodword.js"
MEDIA = "text/javascript"
CACHED_S = 3_600


def source() -> bytes:
    """The tag, as it is sent."""
    return resources.files("goodword.api").joinpath("static/goodword.js").read_bytes()


def routes() -> list[Route]:
    """The tag's path."""
    plain = source()
    packed = gzip.compress(plain, 9, mtime=0)
    tag = f'"{sha256(plain).hexdigest()[:20]}"'

    async def goodword_js(request: Request) -> Response:
        headers = {
            "cache-control": f"public, max-age={CACHED_S}",
            "etag": tag,
            "vary": "Accept-Encoding",
            "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin",
            "x-content-type-options": "nosniff",
        }
        if tag in request.headers.get("if-none-match", "") or request.headers.get("if-none-match") == "*":
            return Response(status_code=304, headers=headers)
        takes = [part.partition(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")]
        if "gzip" in takes:
            return Response(packed, headers=headers | {"content-encoding": "gzip"}, media_type=MEDIA)
        return Response(plain, headers=headers, media_type=MEDIA)

    return [Route(PATH, goodword_js)]


OPERATIONS = [
    Operation(
        "GET",
        PATH,
        "Share links",
        "The tag for web pages",
        str,
        description="`data-key` is a key with the scope `ingest`. Sent with an ETag; 304 where the caller has it already.",
        errors={304: "Not modified."},
        error=None,
        media=MEDIA,
    )
]

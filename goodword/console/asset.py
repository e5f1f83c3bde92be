"""Stylesheets, scripts and pictures of the console: read once, packed once, and kept by browsers for as long as they do not change."""

from __future__ import annotations

import gzip
from hashlib import blake2b
from importlib import resources
from importlib.resources.abc import Traversable

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

PATH = "/console/static/"
TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
PACKED_FROM_BYTES = 1_000


class Asset(Struct, frozen=True):
    """A file, its packed bytes where that is worth it, and a mark of its content."""

    body: bytes
    packed: bytes
    mark: str
    type: str


class Assets:
    """The files of `static/`, by their paths in it."""

    def __init__(self) -> None:
        self._found = dict(_walk(resources.files("goodword.console") / "static", ""))

    def address(self, name: str) -> str:
        """A file's address, which changes with its content. Errors: KeyError."""
        return f"{PATH}{name}?v={self._found[name].mark}"

    async def serve(self, request: Request) -> Response:
        """`GET /console/static/...`."""
        found = self._found.get(request.path_params["name"])
        if found is None:
            return Response("There is no such file.", 404, media_type="text/plain")
        headers = {"Vary": "Accept-Encoding", "ETag": f'"{found.mark}"', "X-Content-Type-Options": "nosniff"}
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if request.query_params.get("v") == found.mark else "no-cache"
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        packed = found.packed and "gzip" in request.headers.get("accept-encoding", "")
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(found.packed if packed else found.body, headers=headers, media_type=found.type)


def _walk(folder: Traversable, under: str) -> list[tuple[str, Asset]]:
    found = []
    for file in folder.iterdir():
        name = under + file.name
        if file.is_dir():
            found += _walk(file, name + "/")
        elif (kind := TYPES.get(file.name.rpartition(".")[2])) is not None:
            body = file.read_bytes()
            packed = gzip.compress(body, mtime=0) if len(body) > PACKED_FROM_BYTES else b""
            found.append((name, Asset(body, packed, blake2b(body, digest_size=8).hexdigest(), kind)))
    return found

"""A brand with a live campaign and pages in its colours, on a real server, and the browser of the client tests."""

from __future__ import annotations

import json
import re
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goodword.core.account import Scope
from tests.running import Answer, Server, make_key

PROGRAM = "refer-a-friend"
SECRET = "a secret that only two servers know"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
LOGO = (
    "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHdpZHRoPSI4MCIgaGVpZ2"
    "h0PSI0MCI+PHJlY3Qgd2lkdGg9IjgwIiBoZWlnaHQ9IjQwIiByeD0iOCIgZmlsbD0iI2ZmN2E1OSIvPjwvc3ZnPg=="
)
REWARDS = [
    {"name": "advocate", "to": "advocate", "value": {"amount": 20, "unit": "EUR"}, "supplier": "credit", "rules": {"value_min": 50}},
    {"name": "friend", "to": "friend", "value": {"amount": 10, "unit": "EUR"}, "supplier": "credit", "rules": {"value_min": 50}},
]


class Brand:
    """A brand on a server: its campaign, its people, their pages."""

    def __init__(self, server: Server, key: str) -> None:
        self.server, self.key = server, key

    def call(self, method: str, path: str, said: Any = None, **headers: str) -> Answer:
        body = None if said is None else json.dumps(said).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request(method, path, body, {"Authorization": f"Bearer {self.key}", **named})

    def done(self, method: str, path: str, said: Any = None) -> Any:
        answer = self.call(method, path, said)
        assert answer.status == 200, answer.body
        return answer.json

    def launch(self, campaign: str = "raf", program: str = PROGRAM, *, share: Any = None, **rest: Any) -> None:
        said = {
            "campaign": campaign,
            "program": program,
            "name": "Fernweh",
            "share": {"destination": "https://shop.example.com/welcome", "landing": "hosted", **(share or {})},
            "rewards": REWARDS,
            **rest,
        }
        self.done("POST", "/v2/campaigns?publish=true", said)

    def person(self, first_name: str = "Ada", scope: str = "PUBLIC") -> str:
        """A person with an e-mail address and a first name; their id."""
        found = self.done("POST", "/v5/persons", {"identity_key_value": f"{uuid.uuid4().hex}@example.com"})
        self.done("POST", f"/v5/persons/{found['id']}/data", {"name": "first_name", "value": first_name, "scope": scope})
        return str(found["id"])

    def page(self, person: str, label: str = PROGRAM) -> str:
        """The path of a person's share page, with its token."""
        url = self.done("POST", f"/v5/persons/{person}/share-page", {"label": label})["url"]
        return str(url).partition(f":{self.server.port}")[2]

    def shown(self, path: str, language: str = "en") -> str:
        """The HTML of a page that is there."""
        answer = self.server.get(path, **{"Accept-Language": language})
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def code(self, person: str) -> str:
        """The code of a person's link, which the page made."""
        return str(self.done("GET", f"/v5/persons/{person}/shareables")[0]["code"])

    def shares(self, person: str) -> list[Any]:
        """A person's acts of sharing, newest first."""
        found: list[Any] = self.done("GET", f"/v5/persons/{person}/shares")
        return found

    def landed(self, code: str) -> str:
        """Where a friend lands who follows a link: the path of the page."""
        answer = self.server.get(f"/s/{code}", **{"User-Agent": CHROME})
        assert answer.status == 302
        assert re.fullmatch(r"/f/[\w-]+\?gw=[0-9a-v]{26}", answer.headers["location"]), answer.headers
        return answer.headers["location"]

    def post(self, path: str, **fields: str) -> Answer:
        """A form, sent as a browser sends it."""
        return self.server.request(
            "POST",
            path,
            urllib.parse.urlencode(fields).encode(),
            {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": CHROME},
        )


@pytest.fixture(scope="module")
def brand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brand]:
    data: Path = tmp_path_factory.mktemp("hosted") / "data"
    with Server(data) as server:
        brand = Brand(server, make_key(data, Scope.ADMIN))
        pages = {"logo": LOGO, "accent": "#ff7a59", "band": "#1d3557", "shows_names": True, "asks_email": True}
        brand.launch(pages=pages | {"embed": ["https://shop.example.com"], "terms_url": "https://shop.example.com/terms"})
        yield brand

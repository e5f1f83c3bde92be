"""A server with a live campaign, people with share links, and a visitor who follows them as browsers do."""

from __future__ import annotations

import http.client
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.running import Answer, Server, rows

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1"
PROGRAM = "refer-a-friend"
DESTINATION = "https://shop.example.com/welcome?lang=en&utm_source=old#top"
SHARE = {
    "destination": DESTINATION,
    "mobile_destination": "https://m.shop.example.com/",
    "utm": {"utm_source": "goodword", "utm_campaign": "friends & family"},
    "title": 'Come "in" <now>',
    "description": "10 % & more",
    "image_url": "https://shop.example.com/card.png",
}


class Shop:
    """A brand on a server, by the server API."""

    def __init__(self, server: Server, key: str) -> None:
        self.server, self.key = server, key

    def call(self, method: str, path: str, said: Any = None, key: str | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = None if said is None else json.dumps(said).encode()
        return self.server.request(method, path, body, {"Authorization": f"Bearer {key or self.key}", **named})

    def done(self, method: str, path: str, said: Any = None) -> Any:
        answer = self.call(method, path, said)
        assert answer.status == 200, answer.body
        return answer.json

    def refused(self, method: str, path: str, said: Any = None) -> tuple[int, str]:
        answer = self.call(method, path, said)
        return answer.status, answer.json["code"]

    def launch(self, campaign: str = "raf", program: str = PROGRAM, **share: Any) -> None:
        said = {"campaign": campaign, "program": program, "share": {**SHARE, **share}}
        self.done("POST", "/v2/campaigns?publish=true", said)

    def person(self, email: str = "") -> str:
        found: str = self.done("POST", "/v5/persons", {"identity_key_value": email or f"{uuid.uuid4().hex}@mail.example"})["id"]
        return found

    def link(self, person: str = "", **said: Any) -> Any:
        return self.done("POST", f"/v5/persons/{person or self.person()}/shareables", {"label": PROGRAM, **said})

    def follow(self, code: str, method: str = "GET", **headers: str) -> Answer:
        """Follow a link as a browser of somebody's."""
        named = {"User-Agent": CHROME} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request(method, f"/s/{code}", headers=named)

    def raw_path(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """A path exactly as it is, in bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.putrequest("GET", "/", skip_accept_encoding=True)
            connection._buffer[0] = b"GET " + path.encode("latin-1") + b" HTTP/1.1"  # type: ignore[attr-defined]
            for name, value in {"User-Agent": CHROME, **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def clicks(self) -> list[tuple[Any, ...]]:
        """What is stored of clicks, oldest first: id, advocate, campaign, counted, recent, evidence."""
        sql = "SELECT id, advocate_id, campaign_id, counted, recent, evidence FROM click ORDER BY id"
        return [(*row[:-1], json.loads(row[-1])) for row in rows(self.server.data, sql)]


def click_id(answer: Answer) -> str:
    """The click id in a redirect."""
    assert answer.status == 302, (answer.status, answer.body)
    found = parse_qs(urlsplit(answer.headers["location"]).query)["gw"]
    assert len(found) == 1
    assert re.fullmatch(r"[0-9a-v]{26}", found[0])
    return found[0]

"""Signing in and out over HTTP: passwords, second factors, links, sessions, and the brake on guessing."""

from __future__ import annotations

import http.client
import re
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from http.cookies import SimpleCookie
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher

from goodword.console.session import csrf_of
from goodword.core.console import Role
from tests.console.conftest import World
from tests.running import Answer, Server, run

PASSWORD = "four words in a row"
HASH = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)


class Guest:
    """A browser's cookies and forms, without the browser."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.request(method, f"/console{path}", body, {**(headers or {}), **self._cookie})
            response = connection.getresponse()
            said = response.getheaders()
            for name, value in said:
                if name.lower() == "set-cookie":
                    self._keep(value)
            return Answer(response.status, {name.lower(): value for name, value in said}, response.read())
        finally:
            connection.close()

    def _keep(self, said: str) -> None:
        for name, morsel in SimpleCookie(said).items():
            if morsel.value and morsel["max-age"] != "0":
                self.cookies[name] = morsel.value
            else:
                self.cookies.pop(name, None)

    @property
    def _cookie(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def post(self, path: str, **said: str) -> Answer:
        token = self.cookies.get("goodword_session") or self.cookies.get("goodword_guest", "")
        body = urllib.parse.urlencode({**said, "csrf": csrf_of(token) if token else ""}).encode()
        return self._ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"})

    def sign_in(self, email: str, password: str = PASSWORD, next: str = "") -> Answer:
        self.get("/sign-in")
        return self.post("/sign-in", email=email, password=password, next=next)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of these tests' own: they lock people out."""
    data: Path = tmp_path_factory.mktemp("entrance") / "data"
    with Server(data) as server:
        yield World(server)


def test_a_password_lets_in_and_a_wrong_one_does_not_say_whose_it_is(own: World) -> None:
    user = own.visitor(password=HASH).user
    guest = Guest(own.server)
    wrong, unknown = guest.sign_in(user.email, "not this one"), guest.sign_in("nobody@example.com")
    assert wrong.status == unknown.status == 422
    said = re.compile(rb"The e-mail address or the password is wrong")
    assert said.search(wrong.body)
    assert said.search(unknown.body)
    assert guest.get("/you").status == 303
    answer = guest.sign_in(user.email.upper(), next="/you")
    assert (answer.status, answer.headers["location"]) == (303, "/console/you")
    assert guest.get("/you").status == 200


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/welcome/x"])
def test_after_signing_in_one_stays_here(own: World, next: str) -> None:
    user = own.visitor(password=HASH).user
    assert Guest(own.server).sign_in(user.email, next=next).headers["location"] == "/console/"


def test_the_cookie_is_new_hidden_and_ends_with_the_session(own: World) -> None:
    user = own.visitor(password=HASH).user
    guest = Guest(own.server)
    said = guest.sign_in(user.email).headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    first = guest.cookies["goodword_session"]
    assert guest.post("/sign-in", email=user.email, password=PASSWORD).status == 303  # again, from the same browser
    assert guest.cookies["goodword_session"] != first
    stolen = Guest(own.server)
    stolen.cookies["goodword_session"] = first
    assert stolen.get("/you").status == 303
    kept = guest.cookies["goodword_session"]
    assert guest.post("/sign-out").status == 303
    stolen.cookies["goodword_session"] = kept
    assert stolen.get("/you").status == 303


def test_behind_tls_cookies_are_of_this_host_alone_and_secure(own: World) -> None:
    answer = own.server.request("GET", "/console/sign-in", None, {"X-Forwarded-Proto": "https"})
    assert "__Host-goodword_guest" in answer.headers["set-cookie"]
    assert "Secure" in answer.headers["set-cookie"]


def test_every_session_but_this_one_ends(own: World) -> None:
    visitor = own.visitor(password=HASH)
    there = Guest(own.server)
    there.sign_in(visitor.user.email)
    assert there.get("/you").status == 200
    assert visitor.post("/you/sessions/end-others").status == 303
    assert there.get("/you").status == 303
    assert visitor.get("/you").status == 200


def test_a_new_password_ends_every_other_session(own: World) -> None:
    visitor = own.visitor(password=HASH)
    there = Guest(own.server)
    there.sign_in(visitor.user.email)
    refused = visitor.post("/you/password", {"present": "wrong", "password": "short"})
    assert refused.status == 422
    assert b"This is not your present password" in refused.body
    assert visitor.post("/you/password", {"present": PASSWORD, "password": "another row of words"}).status == 303
    assert there.get("/you").status == 303
    assert visitor.get("/you").status == 200
    assert Guest(own.server).sign_in(visitor.user.email).status == 422
    assert Guest(own.server).sign_in(visitor.user.email, "another row of words").status == 303


def test_a_second_factor_is_asked_for_and_each_code_counts_once(own: World) -> None:
    visitor = own.visitor(password=HASH)
    shown = visitor.get("/you/second-factor").body.decode()
    secret = re.findall(r'name="secret" value="(\w+)"', shown)[0]
    assert visitor.post("/you/second-factor", {"secret": secret, "code": "000000"}).status == 422
    # the code of the step before counts too, which leaves the newer ones for signing in
    assert (
        visitor.post("/you/second-factor", {"secret": secret, "code": pyotp.TOTP(secret).generate_otp(int(time.time()) // 30 - 1)}).status
        == 303
    )
    guest = Guest(own.server)
    guest.sign_in(visitor.user.email, next="/you")
    assert guest.get("/you").status == 303
    assert b"One more step" in guest.get("/sign-in").body
    assert guest.post("/sign-in/code", code="123").status == 422
    code = pyotp.TOTP(secret).now()
    answer = guest.post("/sign-in/code", code=code, next="/you")
    assert (answer.status, answer.headers["location"]) == (303, "/console/you")
    assert guest.get("/you").status == 200
    again = Guest(own.server)
    again.sign_in(visitor.user.email)
    assert again.post("/sign-in/code", code=code).status == 409
    assert visitor.post("/you/second-factor/remove", {"password_again": "wrong"}).status == 422
    assert visitor.post("/you/second-factor/remove", {"password_again": PASSWORD}).status == 303


def test_guessing_is_slowed_down(own: World) -> None:
    user = own.visitor(password=HASH).user
    guest = Guest(own.server)
    answers = [guest.sign_in(user.email, f"wrong {number}").status for number in range(7)]
    assert answers[:5] == [422] * 5
    assert answers[-1] == 429
    assert guest.sign_in(user.email).status == 429


def test_who_is_locked_out_is_out_at_once_and_the_last_admin_stays(own: World) -> None:
    admin, other = own.visitor(account="lock"), own.visitor("marketer", "lock", password=HASH)
    assert admin.post(f"/settings/users/{other.user.id}", {"do": "disable", "role": "marketer"}).status == 303
    assert other.get("/you").status == 303
    assert Guest(own.server).sign_in(other.user.email).status == 422
    assert admin.post(f"/settings/users/{admin.user.id}", {"role": "support"}).status == 409


def test_a_role_taken_away_is_gone_at_the_next_request(own: World) -> None:
    admin, other = own.visitor(account="roles"), own.visitor("admin", "roles")
    assert other.get("/settings/keys").status == 200
    assert admin.post(f"/settings/users/{other.user.id}", {"role": "marketer"}).status == 303
    assert other.get("/settings/keys").status in (303, 403)


@pytest.mark.parametrize("role", ["support", "marketer", "admin"])
def test_who_is_invited_sets_a_password_and_has_their_role(own: World, role: Role) -> None:
    admin = own.visitor(account=f"invites-{role}")
    shown = admin.post("/settings/users", {"email": f"{role}@invited.example", "name": "<b>New</b>", "role": role}).body.decode()
    path = re.findall(r"/console(/welcome/[\w-]+)", shown)[0]
    guest = Guest(own.server)
    assert b"&lt;b&gt;" in admin.get("/settings/users").body
    assert guest.get(path).status == 200
    assert guest.post(path, password="short").status == 422
    assert guest.post(path, password=PASSWORD).status == 303
    assert guest.get("/you").status == 200
    assert (guest.get("/settings/keys").status == 200) is (role == "admin")
    late = Guest(own.server)
    assert late.get(path).status == 410
    assert late.post(path, password=PASSWORD).status in (403, 410)
    taken = admin.post("/settings/users", {"email": f"{role}@invited.example", "role": role})
    assert taken.status == 422
    assert b"Someone uses this e-mail address already" in taken.body


def test_users_by_the_command_line(own: World) -> None:
    data = str(own.server.data)
    made = run("user", "create", "Line@Example.com", "--role", "marketer", "--name", "Line", "--data", data)
    assert made.returncode == 0, made.stderr
    path = made.stdout.strip().partition("/console")[2]
    guest = Guest(own.server)
    guest.get(path)
    assert guest.post(path, password=PASSWORD).status == 303
    assert run("user", "create", "line@example.com", "--data", data).returncode == 1
    assert run("user", "create", "nonsense", "--data", data).returncode == 2
    listed = run("user", "list", "--data", data)
    assert "line@example.com" in listed.stdout
    assert run("user", "disable", "line@example.com", "--data", data).returncode == 0
    assert guest.get("/you").status == 303
    reset = run("user", "reset", "line@example.com", "--data", data)
    again = Guest(own.server)
    again.get(reset.stdout.strip().partition("/console")[2])
    assert again.post(reset.stdout.strip().partition("/console")[2], password="other words in a row").status == 303
    assert run("user", "reset", "who@example.com", "--data", data).returncode == 1
    assert run("user", "disable", "who@example.com", "--data", data).returncode == 1


def test_every_change_is_in_the_audit_log_and_a_refused_one_is_not(own: World) -> None:
    admin = own.visitor(account="audited")
    admin.post("/settings/keys", {"name": "shop", "scope": "ingest"})
    admin.post(f"/settings/users/{admin.user.id}", {"role": "support"})
    shown = admin.get("/settings/audit").body.decode()
    assert "key created" in shown
    assert "user changed" not in shown


def test_what_is_stored_of_users_names_nobody_and_holds_no_secret(own: World) -> None:
    visitor = own.visitor(password=HASH, name="Unmistakable Name")
    stored = b"".join(file.read_bytes() for file in own.server.data.glob("goodword.db*"))
    for text in (visitor.user.email, "Unmistakable Name", HASH, visitor.token):
        assert text.encode() not in stored


def test_settings_are_checked_and_kept(own: World) -> None:
    admin = own.visitor(account="kept")
    wrong = {"currency": "Euro", "time_zone": "Mars/Base", "unmapped_traits": "store", "default_scope": "PUBLIC", "events_kept_days": "30"}
    answer = admin.post("/settings", wrong)
    assert answer.status == 422
    assert b"three letters" in answer.body
    assert b"Choose one of these" in answer.body
    assert b"A number of days, 31 at least" in answer.body
    good = {"currency": "eur", "time_zone": "Europe/Berlin", "unmapped_traits": "ignore", "default_scope": "CLIENT"}
    good |= {"events_kept_days": "400", "archives_events": "on"}
    assert admin.post("/settings", good).status == 303
    shown = admin.get("/settings").body.decode()
    assert 'data-zone="Europe/Berlin"' in shown
    assert 'value="EUR"' in shown
    assert "400 days, and the rest of their calendar month; longer while no archive has them" in shown
    assert admin.post("/settings", {**good, "events_kept_days": ""}).status == 303
    assert "until their people are deleted" in admin.get("/settings").body.decode()


def test_a_suppressed_person_is_let_in_again(own: World) -> None:
    admin = own.visitor(account="suppressing")
    run("erase", "--email", "gone@example.com", "--suppress", "--account", "suppressing", "--data", str(own.server.data))
    assert b"Every message about this person is dropped" in admin.get("/settings?person=Gone%40example.com").body
    assert admin.post("/settings/unsuppress", {"person": "gone@example.com"}).status == 303
    assert b"Every message about this person is dropped" not in admin.get("/settings?person=gone%40example.com").body

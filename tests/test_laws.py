"""The laws of Goodword (ARCHITECTURE.md), each with a test that names it, through the real engine and store, or a real server.

Wider tests of the same laws: 1 and 2 in tests/journey/test_crash.py, 3, 5 and 6 in tests/core, 4 in tests/storage/test_deletion.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from goodword import engine as engines
from goodword.api.intake import new_id
from goodword.core import command as c
from goodword.core.account import Scope
from goodword.core.decision import Outcome
from goodword.core.profile import IdentityKey, Profile
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.storage.query import person
from goodword.storage.query.message import messages as message_log
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.core.test_order import two_arrivals
from tests.core.world import NOW
from tests.running import Server, make_key, problems, received, rows

Said = dict[str, Any]
pytestmark = pytest.mark.usefixtures("on_both")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(Store(tmp_path / "data"), clock=lambda: NOW)
    yield engine
    assert problems(engine.store) == []
    engine.close()


def identify(
    user: str | None = None, email: str | None = None, device: str | None = None, *, id: str = "", at: int = NOW - 100, **traits: Any
) -> Said:
    ids = {"userId": user, "anonymousId": device, "messageId": id or f"{user}{email}{device}{at}{sorted(traits)}"}
    return {"type": "identify", **ids, "timestamp": at, "traits": {**traits, **({"email": email} if email else {})}}


def order(number: str, user: str = "u", id: str = "", value: str = "9.99") -> Said:
    properties = {"partner_conversion_id": number, "cart_value": value}
    return {"type": "track", "event": "conversion", "userId": user, "messageId": id or f"m-{user}-{number}", "properties": properties}


def take(engine: Engine, *said: Said, account: int = 1) -> list[Outcome]:
    return engine.execute([received(one, engine.clock(), account) for one in said])


def find(engine: Engine, key: str, account: int = 1) -> Profile | None:
    return person.find_by_keys(engine.store, account, [IdentityKey(key)]).get(IdentityKey(key))


def values(profile: Profile | None) -> dict[str, Any]:
    return {} if profile is None else {name: one.value for name, one in profile.parameters.items()}


def count(engine: Engine, table: str) -> int:
    return int(engine.store.database.read(f"SELECT count(*) FROM {table}")[0][0])


def erase(engine: Engine, key: str, *, suppress: bool = False, account: int = 1) -> Outcome:
    return engine.execute([c.Erase(account, (IdentityKey(key),), erasure_id=new_id(), suppress=suppress)])[0]


def test_law_1_acknowledged_means_durable_and_processed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    server = Server(data)
    try:
        assert server.post("/v1/batch", {"batch": [identify("u", "j@x.com", plan="gold", at=5), order("o-1")]}, key).status == 200
    finally:
        server.kill()
    engine = Engine(Store(data))
    assert values(find(engine, "uu"))["plan"] == "gold"
    assert engine.store.database.read("SELECT name, amount, currency FROM event ORDER BY arrival") == [
        ("", None, None),
        ("conversion", 999, "USD"),
    ]
    assert [count(engine, table) for table in ("event", "profile", "claim")] == [2, 1, 1]
    assert take(engine, order("O-1", id="again"))[0].verdict == "duplicate"
    assert verify(engine.store) == []
    engine.close()


def test_law_1_what_could_not_be_saved_is_not_acknowledged(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(engine.store.database, "commit", fail)
        with pytest.raises(Unavailable):
            take(engine, identify("u"))
    assert (count(engine, "event"), find(engine, "uu")) == (0, None)
    assert take(engine, identify("u"))[0].verdict == "stored"


def test_law_2_exactly_once_in_effect(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    said = order("o-1", id="m-1")
    with Server(data) as server, ThreadPoolExecutor(8) as pool:
        ways = [
            lambda: server.post("/segment", said, key), lambda: server.post("/v1/track", said, key),
            lambda: server.post("/segment", [said, said], key), lambda: server.post("/v1/batch", {"batch": [said, said, said]}, key),
        ]  # fmt: skip
        assert {future.result().status for future in [pool.submit(way) for way in ways * 4]} == {200}
        answers = [server.post("/segment", said, key).json for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[0]["eventId"]
        again = order("O-1 ", id="m-2")
        assert server.post("/segment", again, key).json["eventId"] == answers[0]["eventId"]
        assert server.post("/segment", again, key).json["eventId"] == answers[0]["eventId"]  # the repeat of a repeat
        once_more = order("o-1", id="m-3")
        assert [result["status"] for result in server.post("/segment", [once_more, once_more], key).json["results"]] == [200, 200]
        assert server.post("/segment", once_more, key).json["eventId"] == answers[0]["eventId"]
    assert rows(data, "SELECT count(*), count(*) FILTER (WHERE duplicate_of IS NULL) FROM event") == [(3, 1)]
    assert rows(data, "SELECT count, duplicates, amount FROM tally") == [(1, 2, 999)]


def ending(store: Store, account: int) -> list[Any]:
    """Where an account has got to, told without profile numbers and places in the log."""
    read = store.database.read
    merged: dict[int, int] = dict(read("SELECT source, target FROM merged WHERE account_id = ?", (account,)))
    events: dict[Any, list[tuple[Any, ...]]] = {}
    for number, kind, name, at, amount, of in read(
        "SELECT profile_id, type, name, at, amount, duplicate_of FROM event WHERE account_id = ?", (account,)
    ):
        events.setdefault(merged.get(number, number), []).append(
            (kind, name, at if name != "registration" else 0, amount or 0, of is not None)
        )
    people = []
    for (number,) in read("SELECT id FROM profile WHERE account_id = ?", (account,)):
        profile = person.find(store, account, number)
        assert profile is not None
        parameters = sorted(
            (name, json.dumps(one.value), one.scope, one.at) for name, one in profile.parameters.items() if one.value is not None
        )
        members = read("SELECT audience FROM membership WHERE account_id = ? AND profile_id = ? ORDER BY 1", (account, number))
        people.append((sorted(profile.keys), parameters, members, profile.email, sorted(events.get(number, []))))
    audiences = read("SELECT name FROM audience WHERE account_id = ? ORDER BY 1", (account,))
    claims = read("SELECT count(*) FROM claim WHERE account_id = ?", (account,))
    return [sorted(people, key=repr), audiences, claims]


def test_law_3_order_does_not_matter(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        engine = Engine(store, clock=lambda: NOW)
        numbers = iter(range(10**6))

        @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(two_arrivals())
        def any_two_arrivals_end_alike(both: tuple[list[list[Said]], list[list[Said]]]) -> None:
            ends = []
            for groups in both:
                account = engine.execute([c.CreateAccount(f"a{next(numbers)}")])[0].value
                for group in groups:
                    take(engine, *group, account=account)
                ends.append(ending(store, account))
            assert ends[0] == ends[1]

        any_two_arrivals_end_alike()
        assert problems(store) == []
        assert verify(store) == []


def test_law_4_deleted_means_gone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    secrets = ["user-4711", "jane.doe@example.com", "Wonderland", "device-0815", "order-31337"]
    with Store(data) as store:
        engine = Engine(store, clock=lambda: NOW)
        take(engine, identify(secrets[0], secrets[1], secrets[3], plan=secrets[2]), order(secrets[4], secrets[0]))
        number = find(engine, "u" + secrets[0])
        assert number is not None
        assert erase(engine, "u" + secrets[0]).value == 1
        assert [find(engine, key) for key in ("u" + secrets[0], "e" + secrets[1], "a" + secrets[3])] == [None] * 3
        assert person.find(store, 1, number.id) is None
        assert store.keys.key(number.id) is None
        assert {(line.is_deleted, line.body) for line in message_log(store, 1, 100)} == {(True, None)}
    for file in (file for file in data.rglob("*") if file.is_file()):
        found = file.read_bytes().lower()
        assert [secret for secret in secrets if secret.lower().encode() in found] == [], file.name


def test_law_5_nothing_comes_back(tmp_path: Path) -> None:
    now = NOW
    engine = Engine(Store(tmp_path / "data"), clock=lambda: now)
    old = identify("u", "j@x.com", "d", at=NOW - 10, plan="gold")
    take(engine, old)
    first = find(engine, "uu")
    erase(engine, "uu")
    erase(engine, "us", suppress=True)
    now += 1_000
    replayed = [{**old, "messageId": f"r{n}"} for n in range(3)]
    assert [o.verdict for o in take(engine, *replayed, identify(None, "j@x.com", at=NOW), identify(None, None, "d", at=NOW))] == [
        "dropped"
    ] * 5
    assert take(engine, old)[0].verdict == "duplicate"
    assert count(engine, "profile") == 0
    engine.close()
    engine = Engine(Store(tmp_path / "data"), clock=lambda: now)  # the same after a restart
    assert take(engine, {**old, "messageId": "r9"})[0].verdict == "dropped"
    assert take(engine, identify("u", at=NOW + 1, fresh=True))[0].verdict == "stored"
    again = find(engine, "uu")
    assert first is not None
    assert again is not None
    assert (again.id != first.id, again.keys, values(again), again.sources) == (True, ("uu",), {"fresh": True}, ())
    assert take(engine, identify("s", at=now))[0].reason == "suppressed user"
    assert problems(engine.store) == []
    engine.close()


def test_law_5_barriers_outlive_merges_in_the_store_too(engine: Engine) -> None:
    take(engine, identify("u", "j@x.com", "d"))
    erase(engine, "uu")
    engine.clock = lambda: NOW + 100
    for said in (identify(None, "j@x.com", "d", at=NOW + 50), identify("u", at=NOW + 50), identify("u", "j@x.com", at=NOW + 51)):
        assert take(engine, said)[0].verdict == "stored"
    assert take(engine, identify(None, None, "d", at=NOW - 5))[0].verdict == "dropped"


def test_law_6_two_known_users_are_never_merged_by_a_guess(engine: Engine) -> None:
    take(engine, identify("u1", "j@x.com", "d", a=1), identify("u2", None, "d", b=2), identify("u2", "j@x.com", at=NOW))
    take(engine, {"type": "alias", "userId": "u2", "previousId": "u1", "messageId": "alias"})
    one, two = find(engine, "uu1"), find(engine, "uu2")
    assert one is not None
    assert two is not None
    assert (one.user_id, one.email, two.user_id, two.email) == ("u1", "j@x.com", "u2", None)
    assert ("conflict", "ej@x.com", one.id) in [(change.kind, change.key, change.other) for change in two.changes]
    assert count(engine, "merged") == 0
    take(engine, identify(None, "k@x.com", c=3), identify("u1", "k@x.com", at=NOW))  # e-mail only, and a user id seen with it
    merged = find(engine, "uu1")
    assert merged is not None
    assert [change.kind for change in merged.changes if change.key == "ek@x.com"] == ["merged"]
    assert values(merged)["c"] == 3


def test_law_7_a_browser_key_writes_and_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    browser, strong = make_key(data, Scope.INGEST), make_key(data, Scope.SERVER)
    with Server(data) as server:
        assert server.post("/v1/identify", identify("u", plan="gold", at=5), browser).status == 200
        bearer = {"Authorization": f"Bearer {browser}"}
        for said in ({"userId": "u"}, {"type": "delete", "userId": "u"}):
            assert server.post("/segment", said, browser).status == 403
            assert [result["status"] for result in server.post("/segment", [said], browser).json["results"]] == [403]
        server.post("/v1/batch", {"batch": [{"type": "delete", "userId": "u"}]}, browser)
        found = server.get("/v5/persons?person_keys=partner_user_id:u", Authorization=f"Bearer {strong}").json
        assert len(found) == 1, "deleted by a browser's key"
        number = found[0]["id"]
        asked = [
            ("GET", "/v5/persons?person_keys=partner_user_id:u"),
            ("GET", f"/v5/persons/{number}"),
            ("GET", f"/v5/persons/{number}/steps"),
        ]
        asked += [
            ("GET", f"/v5/persons/{number}/data"),
            ("POST", f"/v5/persons/{number}/data"),
            ("POST", "/v4/erasures"),
            ("POST", "/v5/persons"),
        ]
        for method, path in asked:
            assert server.request(method, path, b"{}" if method == "POST" else None, bearer).status == 403, path
            assert server.request(method, path, b"{}" if method == "POST" else None).status in (401, 403), path


def test_law_8_no_account_sees_anothers_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    mine, theirs = make_key(data, Scope.SERVER), make_key(data, Scope.SERVER, account="other")
    with Server(data) as server:
        first = [
            server.post("/segment", said, mine).json for said in (identify("u", "j@x.com", plan="gold", at=5, id="m"), order("o", id="o"))
        ]
        second = [
            server.post("/segment", said, theirs).json for said in (identify("u", "j@x.com", team="red", at=5, id="m"), order("o", id="o"))
        ]
        assert {one["eventId"] for one in first}.isdisjoint(one["eventId"] for one in second)
        people = []
        for key in (mine, theirs):
            (one,) = server.get("/v5/persons?person_keys=partner_user_id:u", Authorization=f"Bearer {key}").json
            people.append(one["id"])
        assert people[0] != people[1]
        for number, key, stranger in ((people[0], mine, theirs), (people[1], theirs, mine)):
            assert server.get(f"/v5/persons/{number}", Authorization=f"Bearer {key}").status == 200
            for part in ("", "/data", "/steps", "/identity-history"):
                assert server.get(f"/v5/persons/{number}{part}", Authorization=f"Bearer {stranger}").status != 200
        assert server.post("/segment", {"userId": "u"}, theirs).status == 200
        assert server.get(f"/v5/persons/{people[0]}", Authorization=f"Bearer {mine}").status == 200
    assert rows(data, "SELECT account_id, count(*) FILTER (WHERE duplicate_of IS NULL) FROM event GROUP BY 1 ORDER BY 1") == [
        (1, 2),
        (2, 2),
    ]


def test_law_8_numbers_of_another_account_find_nobody(engine: Engine) -> None:
    other = engine.execute([c.CreateAccount("other")])[0].value
    take(engine, identify("u", plan="gold"))
    mine = find(engine, "uu")
    assert mine is not None
    commands: list[c.Command] = [
        c.SetEmail(other, mine.id, "a@x.com", "m"), c.SetBlock(other, mine.id, "EVENTS", "why"),
        c.SetParameter(other, mine.id, "plan", "stolen", None, "update", "m"), c.SetMembership(other, mine.id, "vip", True, "m"),
    ]  # fmt: skip
    assert {outcome.code for outcome in engine.execute(commands)} == {"person_not_found"}
    assert engine.execute([c.Erase(other, (IdentityKey("uu"),), profile_id=mine.id)])[0].value == 0
    assert person.find(engine.store, other, mine.id) is None
    assert find(engine, "uu") == mine


def test_law_9_every_verdict_explains_itself(engine: Engine) -> None:
    take(engine, identify("u"), order("o", value="99,99"), order("o", id="m2"), order("o"))
    erase(engine, "ugone")
    take(engine, identify("gone", at=NOW - 5))
    engine.execute([c.Refuse(1, "m", "track", "missing_event", "A track message needs an event name.")])
    verdicts: dict[str, list[Any]] = {}
    for line in message_log(engine.store, 1, 100):
        verdicts.setdefault(line.verdict, []).append(line)
    assert set(verdicts) == {"stored", "duplicate", "dropped", "rejected"}
    assert [line.reason for line in verdicts["dropped"]] == ["older than the deletion of its user"]
    assert [line.reason for line in verdicts["rejected"]] == ["A track message needs an event name."]
    assert len(verdicts["duplicate"]) == 2
    (refused,) = [line for line in verdicts["stored"] if line.notes]
    assert refused.notes == ("cart_value is not a plain decimal number such as 99.99",)


def test_law_10_overload_is_said_not_suffered(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "WAITING_MAX", 3)

    async def crowd() -> list[list[Outcome] | BaseException]:
        asked = [engine.ask([received(identify(f"u{n}"), NOW)]) for n in range(10)]
        return await asyncio.gather(*asked, return_exceptions=True)

    results = asyncio.run(crowd())
    refused = [n for n, result in enumerate(results) if isinstance(result, Overloaded)]
    assert refused == list(range(3, 10))
    assert [n for n in range(10) if find(engine, f"uu{n}")] == [0, 1, 2], "a refused request was half done"
    assert engine.waiting == 0
    assert take(engine, identify("u3"))[0].verdict == "stored"


def test_law_10_over_http_503_with_retry_after_and_nothing_half_done(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data, Scope.SERVER)
    with Server(data, before="from goodword import engine\nengine.REQUESTS_MAX = 0") as server:
        for path in ("/segment", "/v1/track", "/v1/batch"):
            answer = server.post(path, {"batch": [order("o")]} if path == "/v1/batch" else order("o"), key)
            assert answer.status == 503, path
            assert int(answer.headers["retry-after"]) >= 1
            assert isinstance(answer.json["message"], str)
        assert server.get("/healthz").status == 200
    assert rows(data, "SELECT count(*) FROM event") == [(0,)]
    with Server(data) as server:
        assert server.post("/segment", order("o"), key).status == 200


def test_law_10_a_crowd_is_answered_in_time_and_the_refused_left_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    with Server(data, before="from goodword import engine\nengine.WAITING_MAX = 40") as server, ThreadPoolExecutor(12) as pool:

        def send(number: int) -> tuple[int, int]:
            batch = [identify(f"u{number}-{n}", at=5) for n in range(40)]
            return number, server.post("/v1/batch", {"batch": batch}, key).status

        answers = list(pool.map(send, range(150)))
        assert {status for _, status in answers} <= {200, 503}
        taken = [number for number, status in answers if status == 200]
        assert taken
        assert rows(data, "SELECT count(*) FROM event") == [(40 * len(taken),)]


def test_every_law_has_a_test_that_names_it() -> None:
    assert {number for number in range(1, 11) if any(name.startswith(f"test_law_{number}_") for name in globals())} == set(range(1, 11))

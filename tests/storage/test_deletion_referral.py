"""Laws 4 and 5 for referrals: links, shares, clicks, journeys, verdicts, rewards, the ledger, webhooks, notes of people.

A chain of people refer each other on a real server, with all that campaigns store. Every second pair of them is deleted: then every byte
of every file is searched for what was said about them, every list is asked, a thief opens what today's keys open, and old data comes back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from goodword.core.account import Scope
from goodword.core.delivery import EVENT_TYPES
from goodword.storage.envelope import open_for
from goodword.storage.store import Store
from tests.api.sharing import CHROME, click_id
from tests.running import Answer, Server, make_key, problems, rows, run
from tests.storage.test_deletion import MARK, _hits, _marks, _secrets
from tests.worker.receiver import Receiver, until

PEOPLE = range(1, 21)
GONE = [3, 4, 7, 8, 11, 12, 15, 16]
KEPT = sorted(set(PEOPLE) - set(GONE))
STORED = (
    *("shareable", "click", "share", "share_recipient", "journey", "relationship", "judgement", "reward", "reward_transition", "earned"),
    *("spent", "credited", "posting", "balance", "coupon", "block", "delivery", "attempt"),
)
BLOCKS = "/v2/blocks?limit=1000"
ALLOW = {"GOODWORD_WEBHOOK_ALLOW": "127.0.0.1"}
CAMPAIGN = {
    "campaign": "chain",
    "program": "chain",
    "share": {"destination": "https://shop.example.com/"},
    "suppliers": [
        {"id": "pool", "type": "COUPON_POOL", "name": "Pool"},
        {"id": "gift", "type": "CUSTOM_REWARD", "name": "Gift"},
    ],
    "quality": {
        **{name: {"action": "off"} for name in ("too_quick", "existing_customer", "referring_sites", "self_referral_ip")},
        **dict.fromkeys(("valid_email", "similar_friends", "self_referral_similar_email", "self_referral_device"), "off"),
        "bot_clicks": {"per_address": 10_000},
        "browser_outcomes": {"action": "review"},
    },
    "rewards": [
        {"name": "points", "to": "advocate", "value": {"amount": "10"}, "rules": {"email": False}},
        {"name": "coupon", "to": "friend", "value": {"amount": "5", "unit": "USD"}, "supplier": "pool"},
        {"name": "later", "to": "friend", "value": {"amount": "7"}, "pending_days": 30},
        {"name": "gift", "to": "advocate", "on": "sign_up", "value": {"amount": "3", "unit": "USD"}, "supplier": "gift"},
    ],
}


class Chain:
    """Everything that was said, so that it can be said again, and what to look for afterwards."""

    def __init__(self, server: Server, key: str, browser: str) -> None:
        self.server, self.key, self.browser = server, key, browser
        self.messages: list[dict[str, Any]] = []
        self.numbers: dict[int, str] = {}
        self.codes: dict[int, str] = {}
        self.coupons: dict[int, set[str]] = {}

    def call(self, method: str, path: str, said: Any = None) -> Answer:
        body = said if isinstance(said, bytes) or said is None else json.dumps(said).encode()
        return self.server.request(method, path, body, {"Authorization": f"Bearer {self.key}"})

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", f"{path}?{urlencode(query)}" if query else path)
        assert answer.status == 200, (path, answer.body)
        return answer.json

    def done(self, path: str, said: Any, method: str = "POST") -> Any:
        answer = self.call(method, path, said)
        assert answer.status == 200, (path, answer.body)
        return answer.json

    def say(self, *said: dict[str, Any], key: str = "") -> None:
        self.messages += said
        answer = self.server.post("/v1/batch", {"batch": said}, key or self.key)
        assert answer.status == 200, answer.body
        assert "rejected" not in answer.json, answer.body

    # -- telling -----------------------------------------------------------------------------------------------------------------------

    def join(self, person: int, click: str | None) -> None:
        """Somebody comes by a link, or by themselves, signs up and buys; then shares a link of their own."""
        s = _secrets(person)
        mine = {"userId": s["user"], "anonymousId": s["device"]}
        if click is not None:
            page = {"url": f"https://shop.example.com/?gw={click}&name={s['name']}", "referrer": "https://www.example.org/"}
            context = {"page": page, "userAgent": CHROME}
            self.say({"type": "page", "messageId": f"p-{s['user']}", "anonymousId": s["device"], "context": context}, key=self.browser)
        traits = {"email": s["email"], "firstName": s["name"], "street": s["street"], "note": s["note"]}
        order: dict[str, Any] = {"partner_conversion_id": s["order"], "cart_value": 30, "ship_to": s["street"]}
        if person % 3 == 0:
            order |= {"coupon_code": f"x-{s['name']}", "advocate_code": f"plain-code-{person - 1}"}
        self.say(
            {"type": "identify", "messageId": f"i-{s['user']}", "traits": traits, **mine},
            {"type": "track", "messageId": f"r-{s['user']}", "event": "registration", "properties": {"by": s["name"]}, **mine},
            {"type": "track", "messageId": f"c-{s['user']}", "event": "conversion", "properties": order, **mine},
        )
        (found,) = self.get("/v5/persons", person_keys=f"partner_user_id:{s['user']}")
        self.numbers[person] = found["id"]

    def share(self, person: int, friend: int) -> str:
        """A vanity code with their name, an e-mail to a friend, a click of the friend's; the click's id."""
        s, number = _secrets(person), self.numbers[person]
        said = {"label": "chain", "key": "main", "code": f"jane-{s['user'][4:]}", "content": {"title": s["note"]}, "data": {"n": s["name"]}}
        self.codes[person] = self.done(f"/v5/persons/{number}/shareables", said)["code"]
        self.done(f"/v5/persons/{number}/shareables", {"label": "chain", "key": "plain", "code": f"plain-code-{person}"})
        said = {
            "channel": "EMAIL", "label": "chain", "recipients": [_secrets(friend)["email"]], "subject": f"hi {s['name']}",
            "message": s["note"], "partner_id": {"name": "crm", "value": s["order"]}, "data": {"n": s["street"]},
        }  # fmt: skip
        self.done(f"/v5/persons/{number}/shares", said)
        return click_id(self.server.request("GET", f"/s/{self.codes[person]}", headers={"User-Agent": CHROME}))

    def decide(self, person: int) -> None:
        """What people at the brand write: reviews, make-goods, revocations, blocks, each with the name in its note."""
        s, number = _secrets(person), self.numbers[person]
        mine = {"userId": s["user"], "anonymousId": s["device"], "context": {"userAgent": CHROME, "ip": "192.0.2.7"}}
        claim = {"partner_conversion_id": f"{s['order']}-web", "cart_value": 3, "advocate_email": "", "share_id": s["name"]}
        said: dict[str, Any] = {"type": "track", "messageId": f"w-{s['user']}", "event": "conversion", "properties": claim, **mine}
        self.say(said, key=self.browser)
        for line in self.get("/v2/reviews", limit=1000):
            if line["friend"]["person_id"] == number:
                path = f"/v2/reviews/{line['arrival']}/{line['campaign_id']}/{'approve' if person % 2 else 'decline'}"
                self.done(path, {"note": f"called {s['name']}", "by": "mara"})
        given = self.done(
            "/v2/rewards", {"person_id": number, "note": s["note"], "reward_supplier_id": "points", "face_value": 1}
        )  # fmt: skip
        self.done(f"/v2/rewards/{given['reward_id']}/revoke", {"message": f"{s['name']} asked for it"})
        for reward in self.get("/v2/rewards", person_id=number):
            if reward["reward_supplier_id"] == "gift":
                said = {"partner_reward_id": f"gift-{s['user']}", "message": s["note"], "success": False}
                self.done(f"/v2/rewards/custom-reward/{reward['reward_id']}/fulfilled", said)
            if reward["reward_supplier_id"] == "pool" and reward["partner_reward_id"]:
                self.coupons[person] = {reward["partner_reward_id"]}
                if person % 4 in (0, 1):
                    self.done(f"/v2/rewards/custom-reward/{reward['reward_id']}/failed", {"message": f"{s['name']} never got it"})
        entry = {"value": s["email"].replace("mail.", f"other.{s['user'][4:]}."), "note": f"{s['name']} charged back"}
        self.done("/v2/blocks", {**entry, "value": s["email"], "filter_type": "WHITE"})
        if person % 5 == 0:
            self.done(f"/v5/persons/{number}/block", {"type": "REWARDS", "reason": s["note"]}, "PUT")

    # -- asking ------------------------------------------------------------------------------------------------------------------------

    def told(self) -> dict[str, str]:
        """All that the server API's lists say of everyone, by path."""
        rewards = self.get("/v2/rewards", limit=1000, success_only="false")
        deliveries = self.get("/v6/webhooks/events", limit=1000)
        paths = ["/v2/rewards?limit=1000", BLOCKS, "/v6/webhooks/events?limit=1000"]
        paths += [f"/v2/rewards/{each['reward_id']}{part}" for each in rewards for part in ("", "/history")]
        paths += [f"/v2/reviews?limit=1000&state={state}" for state in ("open", "approved", "declined")]
        paths += [f"/v6/webhooks/events/{each['id']}" for each in deliveries[::7]]
        parts = ("relationships", "journeys", "rewards", "shares", "shareables", "why", "steps")
        paths += [f"/v5/persons/{self.numbers[person]}/{part}" for person in KEPT for part in parts]
        return {path: json.dumps(self.get(path)) for path in paths}

    def check_gone(self, *unless: str) -> None:
        """Nobody who was deleted is found by anything, but for what these paths say."""
        for person in GONE:
            s, number = _secrets(person), self.numbers[person]
            assert self.get("/v5/persons", person_keys=f"partner_user_id:{s['user']}") == []
            assert self.get("/v5/persons", identity_key_value=s["email"]) == []
            for part in ("", "/rewards", "/relationships", "/shares", "/shareables", "/why", "/balances", "/journeys"):
                assert self.call("GET", f"/v5/persons/{number}{part}").status == 403, part
            for query in ({"person": s["user"]}, {"email": s["email"]}, {"order": s["order"]}):
                story = self.get("/v2/why", **query)
                assert (story["found"], story.get("moments", [])) == ("deleted", []), query
            assert self.call("GET", f"/v3/shareables/{self.codes[person]}").status == 403
            for code in (self.codes[person], self.codes[person].upper()):
                answer = self.call(
                    "POST", f"/v5/persons/{self.numbers[KEPT[0]]}/shareables", {"label": "chain", "key": f"k{person}", "code": code}
                )
                assert (answer.status, answer.json["code"]) == (403, "code_taken")
                page = self.server.request("GET", f"/s/{code}", headers={"User-Agent": CHROME})
                assert (page.status, MARK.findall(page.body.lower())) == (200, [])
            for reward in self.get("/v2/rewards", person_id=number, limit=1000):
                assert reward["state"] not in ("EARNED", "FAILED"), reward
                assert (reward["email"], reward["partner_user_id"], reward["partner_reward_id"]) in ((None, None, None), ("", "", ""))
        told, gone = self.told(), _marks(GONE)
        for path in unless:
            del told[path]
        assert [(path, text) for path, text in told.items() if set(MARK.findall(text.encode())) & gone] == []
        assert set(MARK.findall("".join(told.values()).encode())) >= _marks(KEPT)
        for person in KEPT:
            found = self.get(f"/v5/persons/{self.numbers[person]}/relationships", include_duplicate_identities="true")
            others = {each["other_person_id"]: each["other_person"].get("identity_key_value") for each in found}
            near = [other for other in (person - 1, person + 1) if other in PEOPLE]
            assert others == {self.numbers[other]: None if other in GONE else _secrets(other)["email"] for other in near}
        again = self.free_again()
        lost = {code for person in GONE for code in self.coupons.get(person, ())} - again
        assert [path for path, text in told.items() if any(f'"{code}"' in text for code in lost)] == []

    def free_again(self) -> set[str]:
        """Codes that are in the pool now, or were handed out anew."""
        return {each["code"] for each in self._pool()} | {
            each["partner_reward_id"] for each in self.get("/v2/rewards", limit=1000) if each["reward_supplier_id"] == "pool"
        }

    def _pool(self) -> list[Any]:
        found: list[Any] = self.get("/v6/reward-suppliers/manual-coupons/pool/coupons", limit=1000)
        return found


def _thief(store: Store) -> bytes:
    """All that today's keys open of what campaigns store."""
    read, sealer = store.database.read, store.sealer
    parts: list[bytes] = []
    sealed = {
        "shareable": "profile_id, body", "share": "profile_id, body", "journey": "profile_id, doc", "reward": "profile_id, secret",
    }  # fmt: skip
    for table, columns in sealed.items():
        for number, body in read(f"SELECT {columns} FROM {table}"):
            if body and (key := store.keys.key(number) if number else sealer.account_secret) is not None:
                parts.append(sealer.open_body(key, body))
    moved = "SELECT r.profile_id, t.detail FROM reward_transition t JOIN reward r ON r.account_id = t.account_id AND r.id = t.reward_id"
    for number, detail in read(moved):
        if detail and (key := store.keys.key(number)) is not None:
            parts.append(sealer.open_body(key, detail))
    for number, other, body in read("SELECT profile_id, other_id, body FROM delivery"):
        parts.append(json.dumps(open_for(store, number or None, other or None, body)).encode())
    tries = (
        "SELECT d.profile_id, d.other_id, a.exchange FROM attempt a JOIN delivery d ON d.account_id = a.account_id AND d.id = a.delivery_id"
    )
    for number, other, exchange in read(tries):
        parts.append(json.dumps(open_for(store, number or None, other or None, exchange)).encode())
    return b"\n".join(parts)


def _sealed_hits(data: Path, people: Iterable[int]) -> set[bytes]:
    with Store(data) as store:
        assert problems(store) == []
        return set(MARK.findall(_thief(store))) & _marks(people)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def _tell(chain: Chain, receiver: Receiver) -> None:
    chain.done("/v2/campaigns?publish=true", CAMPAIGN)
    pool = "\n".join(f"CODE-{number:05d}" for number in range(60)).encode()
    assert chain.call("POST", "/v6/reward-suppliers/manual-coupons/pool/coupons", pool).status == 200
    for path in ("/ok", "/status/500"):
        chain.done("/v6/webhooks", {"url": receiver.url(path), "event_types": list(EVENT_TYPES)})
    click = None
    for person in PEOPLE:
        chain.join(person, click)
        click = chain.share(person, person + 1)
    for person in PEOPLE:
        chain.decide(person)
    until(lambda: not rows(chain.server.data, "SELECT 1 FROM delivery WHERE attempts = 0 LIMIT 1"), 60, lambda: "deliveries wait")


def test_law_4_nothing_of_a_deleted_persons_referrals_is_left_in_any_file(tmp_path: Path, receiver: Receiver) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    backup.mkdir()
    key, browser = make_key(data, Scope.ADMIN), make_key(data, Scope.INGEST)
    with Server(data, env=ALLOW) as server:
        chain = Chain(server, key, browser)
        _tell(chain, receiver)
        assert set(MARK.findall("".join(chain.told().values()).encode())) >= _marks(PEOPLE), "the lists speak of everyone"
        for table in STORED:
            assert rows(data, f"SELECT 1 FROM {table} LIMIT 1"), table
        assert run("backup", str(backup / "goodword.db"), "--data", str(data)).returncode == 0
        waiting = len(chain._pool())
        seen_back = [person for person in GONE if person % 4 in (0, 1) and person in chain.coupons]
        for person in GONE:
            assert server.post("/segment", {"userId": _secrets(person)["user"]}, key).status == 200
        chain.check_gone()
        assert len(chain._pool()) == waiting + len(seen_back), "a coupon that nobody saw is back in the pool"
        assert seen_back
        recipients = rows(data, "SELECT count(*) FROM share_recipient")[0][0]
        assert recipients == sum(person in KEPT and person + 1 not in GONE for person in PEOPLE), (
            "hashes of the deleted's addresses are gone"
        )
        shown = [("reward", "list"), ("review", "list"), ("block", "list"), ("endpoint", "list"), ("export", "events", "--output", "-")]
        for command in shown:
            done = run(*command, "--data", str(data))
            assert done.returncode == 0, done.stderr
            assert set(MARK.findall(done.stdout.encode())) & _marks(GONE) == set(), command
        _replay(chain)
        chain.check_gone()
        assert _hits(data, GONE) == []
    assert _hits(tmp_path, GONE) == []
    assert _sealed_hits(data, GONE) == set()
    assert _sealed_hits(data, KEPT) == _marks(KEPT)
    done = run("verify", "--data", str(data))
    assert done.returncode == 0, done.stdout + done.stderr
    _restored(tmp_path, chain)


def _replay(chain: Chain) -> None:
    """Everything again, under the ids it had and under others: the sender kept it all."""
    for again in ("", "again-"):
        messages = [
            {**message, "messageId": again + message["messageId"], "timestamp": "2026-01-05T10:00:00Z"} for message in chain.messages
        ]
        for start in range(0, len(messages), 100):
            answer = chain.server.post("/v1/batch", {"batch": messages[start : start + 100]}, chain.key)
            assert answer.status == 200, answer.body


def _restored(tmp_path: Path, chain: Chain) -> None:
    """The backup from before the deletion, with today's keys: nobody who was deleted since, and nothing comes back."""
    data = tmp_path / "backup"
    for file in (tmp_path / "data").glob("keys*"):
        shutil.copy(file, data / file.name)
    owed = f"SELECT 1 FROM reward WHERE state IN ('EARNED', 'FAILED') AND profile_id IN ({', '.join(chain.numbers[each] for each in GONE)})"
    assert rows(data, owed)
    with Server(data, env=ALLOW) as server:
        chain.server = server
        until(lambda: not rows(data, owed), 30, lambda: "rewards of deleted people stand")
        chain.check_gone(BLOCKS)  # what the brand wrote beside an address in a list is found again by the address alone
        _replay(chain)
        chain.check_gone(BLOCKS)
        assert rows(data, "SELECT count(*) FROM share_recipient") == rows(tmp_path / "data", "SELECT count(*) FROM share_recipient")
    assert _hits(data, GONE) == []
    assert _sealed_hits(data, GONE) == set()
    done = run("verify", "--data", str(data))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_search_knows_everyone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(json.dumps([_secrets(person) for person in PEOPLE]).encode())
    found: Sequence[tuple[str, str]] = _hits(tmp_path, PEOPLE)
    assert len(found) == len(PEOPLE)

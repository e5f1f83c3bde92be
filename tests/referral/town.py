"""A town: a real store and engine with a clock of its own, and the words that referral stories are told in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.account import Key, Scope
from goodword.core.campaign import Campaign, Document, Mark, Version
from goodword.core.decision import Outcome, Record
from goodword.core.profile import ProfileId
from goodword.core.referral import Click, Evidence, Shareable
from goodword.core.reward import Reward
from goodword.engine import Engine
from goodword.storage import verify_tally
from goodword.storage.load_referral import REWARD, read_reward
from goodword.storage.query import person as people
from goodword.storage.ruling import rules_of
from goodword.storage.store import Store

START = 1_790_000_000_000
MINUTE = 60_000
DAY = 24 * 60 * MINUTE
REFER_A_FRIEND: dict[str, Any] = {
    "campaign": "refer-a-friend",
    "program": "refer-a-friend",
    "share": {"destination": "https://shop.example.com/"},
    "rewards": [
        {"name": "advocate-reward", "to": "advocate", "value": {"amount": "10", "unit": "POINTS"}},
        {"name": "friend-reward", "to": "friend", "value": {"amount": "10", "unit": "POINTS"}},
    ],
}
REVIEWED = {**REFER_A_FRIEND, "quality": {"browser_outcomes": {"action": "review"}}}
"""The same, but a person looks at what only a browser said."""
SERVER_KEY = Key("k", 1, "k", b"k", "k", (Scope.SERVER,), 0)
BROWSER_KEY = Key("b", 1, "b", b"b", "b", (Scope.INGEST,), 0)


class Town:
    """One installation with one account."""

    def __init__(self, folder: Path, document: dict[str, Any] | None = REFER_A_FRIEND, store: Store | None = None) -> None:
        self.now = START
        self.engine = Engine(store or Store(folder), clock=lambda: self.now)
        self.store = self.engine.store
        self._intake: Any = None
        self._messages = 0
        if document is not None:
            self.launch(document)

    def close(self) -> None:
        """Every story ends with tallies that say what its rows say."""
        wrong = list(verify_tally.problems(self.store, lambda _: False))
        self.engine.close()
        assert wrong == []

    def reopen(self) -> None:
        """A restart."""
        self.close()
        self.engine = Engine(Store(self.store.directory), clock=lambda: self.now)
        self.store, self._intake = self.engine.store, None

    def tallies(self) -> list[list[tuple[Any, ...]]]:
        """What is counted of referrals and people."""
        tables = ("referral_tally WHERE count <> 0", "people_tally WHERE count <> 0")
        return [sorted(self.store.database.read(f"SELECT * FROM {table}")) for table in tables]

    def put(self, *records: Record) -> None:
        """Save rows as they are."""
        self.store.save([(1, records, self.store.end_of_log(1) + 1)], self.now)

    def launch(self, document: dict[str, Any], at: int | None = None) -> None:
        """A campaign in force since a day, or since `at`."""
        found = msgspec.convert(document, Document)
        since = self.now - DAY if at is None else at
        known = self.store.programs[1].campaigns.get(found.campaign) if 1 in self.store.programs else None
        number = known.latest + 1 if known is not None else 1
        history = (*(known.history if known is not None else ()), Mark(since, "LIVE", number))
        documents = {**(known.documents if known is not None else {}), number: found}
        campaign = Campaign(found.campaign, found.program, since, since, number, history, documents)
        self.put(Version(found.campaign, number, since, "", "", found), campaign)

    def passes(self, millis: int) -> None:
        self.now += millis

    def say(self, kind: str, *, by: Key = SERVER_KEY, message_id: str = "", **said: Any) -> Outcome:
        """One message, in the spec's words."""
        outcomes = self.say_all([self.message(kind, by=by, message_id=message_id, **said)])
        return outcomes[0]

    def message(self, kind: str, *, by: Key = SERVER_KEY, message_id: str = "", at: int | None = None, **said: Any) -> c.Command:
        from goodword.api.auth import Keyring
        from goodword.api.intake import Intake

        if self._intake is None:
            self._intake = Intake(self.engine, Keyring(self.store))
        self._messages += 1
        raw = {"type": kind, "messageId": message_id or f"m{self._messages}", "timestamp": self.now if at is None else at, **said}
        settings = self.store.accounts[1].settings
        command = self._intake.command(json.dumps(raw).encode(), by, settings, "test", now=self.now)
        assert not isinstance(command, Exception), command
        return command

    def say_all(self, commands: list[c.Command]) -> list[Outcome]:
        return self.engine.execute(commands)

    def person(self, user: str, email: str | None = None, **said: Any) -> ProfileId:
        """A person known by user id and address."""
        traits = {"email": email} if email else {}
        outcome = self.say("identify", userId=user, traits=traits, **said)
        assert outcome.profile_id is not None
        return outcome.profile_id

    def link(self, owner: ProfileId, code: str, program: str = "refer-a-friend") -> str:
        self.put(Shareable(code, owner, program, "main", self.now, self.now))
        return code

    def click(self, owner: ProfileId, *, id: str = "", campaign: str = "refer-a-friend", recent: int = 0, **evidence: Any) -> str:
        """A visit by the person's link; its id."""
        self._messages += 1
        id = id or f"click-{self._messages:08d}"
        self.put(Click(id, self.now, owner, campaign, campaign, "code", Evidence(**evidence), recent=recent))
        return id

    def visit(self, click: str, **said: Any) -> Outcome:
        """The page that the click led to, in the browser's own call."""
        page = {"url": f"https://shop.example.com/?gw={click}&utm_source=goodword"}
        return self.say("page", by=BROWSER_KEY, context={"page": page}, **said)

    def buy(self, order: str, value: str = "50.00", **said: Any) -> Outcome:
        properties = {"partner_conversion_id": order, "cart_value": value, **said.pop("properties", {})}
        return self.say("track", event="conversion", properties=properties, **said)

    def rewards(self) -> list[Reward]:
        rows = self.store.database.read(f"SELECT {REWARD} FROM reward r WHERE r.account_id = 1 ORDER BY r.id")
        return [read_reward(self.store, row) for row in rows]

    def live(self) -> list[tuple[str, int, str]]:
        """Rewards that were not taken back: who gets how much, and its state."""
        found = [reward for reward in self.rewards() if not reward.is_gone]
        return sorted((self.name(reward.profile_id), reward.value, reward.state) for reward in found)

    def name(self, number: int) -> str:
        profile = people.find(self.store, 1, number)
        return (profile.user_id or profile.email or "?") if profile is not None else "nobody"

    def judgements(self) -> list[tuple[Any, ...]]:
        return self.store.database.read(
            f"SELECT arrival, campaign_id, reason, quality, review, {rules_of('j')} FROM judgement j WHERE account_id = 1 ORDER BY arrival"
        )


__all__ = ["BROWSER_KEY", "DAY", "MINUTE", "REFER_A_FRIEND", "SERVER_KEY", "START", "Town", "replace"]

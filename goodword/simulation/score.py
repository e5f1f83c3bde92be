"""What the server made of the world, compared with the truth: by its answers alone."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

from goodword.simulation.actor import find_person
from goodword.simulation.play import SCRIPTS, Play, Role

PAID = frozenset(("FULFILLED", "SENT", "REDEEMED"))
AGAINST = frozenset(("FAIL", "REVIEW", "WAIT"))
WAITING = frozenset(("EARNED", "FAILED"))
PAGE = 1_000
REVIEWS_MAX = 100_000
AT_ONCE = 24
EXAMPLES_MAX = 5
WHY_MAX = 3


@dataclass
class Found:
    """What the server says about a person. Points, by whether they were paid or wait."""

    person_id: str = ""
    paid: float = 0
    waiting: float = 0
    advocates: dict[str, str] = field(default_factory=dict)
    """By the number of each advocate that stands, the reason."""


@dataclass
class Row:
    """How one row of the catalogue fared. Money in points."""

    row: int
    title: str = ""
    twin: str = ""
    cheats: int = 0
    caught: int = 0
    missed: int = 0
    lost: float = 0
    """Paid to cheats without anybody's approval."""
    honest: int = 0
    paid: int = 0
    refused: int = 0
    waiting: int = 0
    withheld: float = 0
    """Owed to honest people and refused, or kept waiting where the catalogue does not allow it."""
    stopped_by: dict[str, int] = field(default_factory=dict)
    """Rules that spoke against the cheats, as `why` tells it, and in how many plays; `nobody credited` where there was no advocate."""
    notes: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    may_wait: bool = False

    @property
    def is_good(self) -> bool:
        """Whether it went as it must."""
        return not (self.missed or self.refused or self.notes or (self.waiting and not self.may_wait))


@dataclass
class Attribution:
    """Friends whose advocate is known for certain, and what the server said."""

    right: int = 0
    wrong: int = 0
    """Credited to someone else, or though nobody sent them."""
    missing: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    other_reasons: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Of those credited, how many rightly."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Of those sent, how many were credited to their advocate."""
        return self.right / (self.right + self.missing) if self.right + self.missing else 1.0


@dataclass
class Report:
    """The whole outcome."""

    seed: int
    people: int
    rows: list[Row]
    attribution: Attribution
    counts: dict[str, int]
    troubles: dict[str, int]
    failures: list[str]
    seconds: float = 0
    played_s: float = 0
    """Of the seconds, those until the last message was acknowledged; the rest were spent on asking."""
    money: dict[str, float] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    """User ids worth a look: a `friend` who was rewarded, and a `cheat` who was not."""

    @property
    def missed_goals(self) -> list[str]:
        """What is not as it must be, a sentence each."""
        goals = []
        if self.attribution.precision < 1 or self.attribution.recall < 1:
            goals.append(
                f"attribution: precision {self.attribution.precision:.2%}, recall {self.attribution.recall:.2%}"
                f" ({'; '.join(self.attribution.examples)})"
            )
        for row in self.rows:
            if not row.is_good:
                said = [f"{row.missed} missed"] if row.missed else []
                said += [f"{row.refused} honest refused"] if row.refused else []
                said += [f"{row.waiting} honest kept waiting"] if row.waiting and not row.may_wait else []
                goals.append(f"row {row.row}: {', '.join(said + row.notes)} ({'; '.join(row.examples)})")
        goals += [f"a story failed: {failure}" for failure in self.failures[:EXAMPLES_MAX]]
        goals += [f"{count} x {what}" for what, count in self.troubles.items()]
        return goals

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        said = asdict(self)
        said["attribution"] |= {"precision": self.attribution.precision, "recall": self.attribution.recall}
        for row, shown in zip(self.rows, said["rows"], strict=True):
            shown["is_good"] = row.is_good
        return {**said, "missed_goals": self.missed_goals, "ok": not self.missed_goals}


class Scorer:
    """Asks the server about everyone in the plays, and sums up."""

    def __init__(self, plays: list[Play], seed: int) -> None:
        self.plays, self.seed = plays, seed
        self.rows = {number: Row(number) for number in sorted({script.row for script in SCRIPTS})}
        for script in SCRIPTS:
            row = self.rows[script.row]
            if script.kind == "cheat":
                row.title = script.title
            else:
                row.twin = f"{row.twin}; {script.title}".removeprefix("; ")
                row.may_wait = row.may_wait or script.may_wait
        self.attribution = Attribution()
        self._reasons: Counter[str] = Counter()
        self._other_reasons: Counter[str] = Counter()
        self._reviewed: Counter[str] = Counter()
        self._examples: Counter[tuple[int, str]] = Counter()

    async def score(self) -> Report:
        """Everything, play by play."""
        slots = asyncio.Semaphore(AT_ONCE)
        await self._ask_reviews()

        async def one(play: Play) -> None:
            async with slots:
                self._judge(play, await self._ask(play))
                if play.script.kind == "cheat":
                    await self._ask_why(play)

        for start in range(0, len(self.plays), 2_000):
            await asyncio.gather(*(one(play) for play in self.plays[start : start + 2_000]))
        self.attribution.reasons, self.attribution.other_reasons = dict(self._reasons), dict(self._other_reasons)
        sender = self.plays[0].sender
        failures = [f"{play.script.title} (play {play.number}): {play.failed}" for play in self.plays if play.failed]
        people = sum(len(play.roles) for play in self.plays)
        rows = list(self.rows.values())
        money = {
            "lost_to_cheats": sum(row.lost for row in rows),
            "withheld_from_honest": sum(row.withheld for row in rows),
            "paid": self._paid,
        }
        counts, troubles = dict(sender.counts), dict(sender.troubles)
        return Report(self.seed, people, rows, self.attribution, counts, troubles, failures, money=money, shown=self._shown())

    def _shown(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for play in self.plays:
            for role in play.roles.values():
                if play.script.kind == "honest" and role.reason == "SHARE_ID" and role.owed and not role.is_guest:
                    found.setdefault("friend", role.user_id)
                if play.script.row in (2, 3, 5) and play.script.kind == "cheat" and not role.is_guest:
                    found["cheat"] = role.user_id
        return found

    _paid: float = 0

    async def _ask_reviews(self) -> None:
        """What waits for a person to look at it: as long as it does, there is no reward yet."""
        play = self.plays[0]
        for offset in range(0, REVIEWS_MAX, PAGE):
            answer = await play.sender.ask("GET", f"/v2/reviews?campaign_id={play.terms.program}&limit={PAGE}&offset={offset}")
            found = answer.json if answer.status == 200 else []
            for review in found:
                if review["kind"] == "outcome":
                    for side in ("friend", "advocate"):
                        self._reviewed[str(review.get(side, {}).get("person_id"))] += play.terms.points
            if len(found) < PAGE:
                break

    async def _ask(self, play: Play) -> dict[str, Found]:
        found: dict[str, Found] = {}
        for role in play.roles.values():
            found[role.user_id] = await self._ask_one(play, role)
        return found

    async def _ask_one(self, play: Play, role: Role) -> Found:
        number = await find_person(play, role)
        if number is None:
            return Found()
        found = Found(number)
        for state, points in await rewards_of(play, number):
            if state in PAID:
                found.paid += points
            elif state in WAITING:
                found.waiting += points
        found.waiting += self._reviewed[number]
        if role.is_judged:
            answer = await play.sender.ask("GET", f"/v5/persons/{number}/relationships?limit={PAGE}")
            for relation in answer.json if answer.status == 200 else ():
                if relation["my_role"] == "FRIEND" and not relation.get("displaced"):
                    found.advocates[str(relation["other_person_id"])] = str(relation.get("reason", ""))
        return found

    async def _ask_why(self, play: Play) -> None:
        """Which rules spoke against a cheat: against those of the play who are owed nothing."""
        rules: set[str] = set()
        suspects = [role for role in play.roles.values() if not role.owed] or list(play.roles.values())
        for role in suspects[-WHY_MAX:]:
            answer = await play.sender.ask("GET", f"/v2/why?person={quote(role.email if role.is_guest else role.user_id)}")
            for moment in answer.json["moments"] if answer.status == 200 else ():
                if moment["what"] in ("judged", "reward_refused"):
                    rules.update(each["rule"] for each in moment["data"].get("rules", ()) if each["result"] in AGAINST)
                elif moment["what"] == "unattributed":
                    rules.add("nobody credited")
        row = self.rows[play.script.row]
        for rule in rules:
            row.stopped_by[rule] = row.stopped_by.get(rule, 0) + 1

    def _judge(self, play: Play, found: dict[str, Found]) -> None:
        if play.failed:
            return
        owed: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        by_number: dict[str, Found] = {}
        for role in play.roles.values():
            who = found[role.user_id]
            if not who.person_id and not role.owed:
                continue
            key = who.person_id or role.user_id
            by_number[key] = who
            owed[key][0] += role.owed
            owed[key][1] += role.allowed
        lost = sum(max(0.0, by_number[key].paid - right - allowed) for key, (right, allowed) in owed.items())
        short = {key: max(0.0, right - by_number[key].paid) for key, (right, _) in owed.items()}
        waiting = sum(min(missing, by_number[key].waiting) for key, missing in short.items())
        self._paid += sum(who.paid for who in by_number.values())
        self._tell(play, lost, sum(short.values()) - waiting, waiting)
        for role in play.roles.values():
            if role.is_judged:
                self._judge_attribution(play, role, found)

    def _tell(self, play: Play, lost: float, refused: float, waiting: float) -> None:
        row, script = self.rows[play.script.row], play.script
        row.lost += lost
        row.withheld += refused + (0 if script.may_wait else waiting)
        if script.kind == "cheat":
            row.cheats += 1
            row.missed += lost > 0
            row.caught += not lost
        if script.kind != "cheat" or refused or waiting:
            row.honest += 1
            row.refused += refused > 0
            row.waiting += waiting > 0 and not refused
            row.paid += not (refused or waiting)
        if script.kind != "cheat" and lost:
            row.notes.append(f"paid {lost:g} too much in play {play.number}")
        row.notes += [f"{note} (play {play.number})" for note in play.notes]
        wrong = "missed" if lost else "refused" if refused else "waiting" if waiting and not script.may_wait else ""
        if wrong and self._examples[script.row, wrong] < EXAMPLES_MAX:
            self._examples[script.row, wrong] += 1
            row.examples.append(f"{wrong} in play {play.number}, {script.title}: {', '.join(play.roles)}"[:300])

    def _judge_attribution(self, play: Play, role: Role, found: dict[str, Found]) -> None:
        expected = found[role.referred_by].person_id if role.referred_by else ""
        said = found[role.user_id].advocates
        wrong = [number for number in said if number != expected]
        score = self.attribution
        score.wrong += len(wrong)
        if expected and expected in said:
            score.right += 1
            self._reasons[said[expected]] += 1
            if said[expected] not in (role.reason, ""):
                self._other_reasons[f"{said[expected]} instead of {role.reason}"] += 1
        elif expected or role.referred_by:
            score.missing += 1
        if (wrong or (role.referred_by and expected not in said)) and len(score.examples) < EXAMPLES_MAX:
            score.examples.append(f"{role.user_id} in play {play.number} ({play.script.title}): sent by {role.referred_by or 'nobody'}")


async def rewards_of(play: Play, number: str) -> Iterable[tuple[str, float]]:
    """A person's rewards: state, and points (0 for what is no points)."""
    answer = await play.sender.ask("GET", f"/v5/persons/{number}/rewards?limit={PAGE}")
    if answer.status != 200:
        return []
    return [
        (reward["state"], float(reward["face_value"] or 0) if reward.get("face_value_type") == "POINTS" else 0.0) for reward in answer.json
    ]

"""Campaigns: one declarative document holds everything; versions and states say which terms judge an event.

The terms are those in force at the event's own time (domain: late batches keep the terms they happened under), so a campaign
remembers when which version was published and when which state began.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from goodword.core.page import Pages
from goodword.core.quality import Quality
from goodword.core.referral import PRECEDENCE, Reason
from goodword.core.reward import RewardTerms, Supplier
from goodword.core.times import Millis, read_time

DAY_MS = 24 * 3600 * 1000
ENDED_DAYS = 90
"""An ended campaign stops by itself after so many days (domain 3.1: three months)."""

State = Literal["NOT_LAUNCHED", "LIVE", "PAUSED", "ENDED", "STOPPED", "ARCHIVED"]
MOVES: dict[State, tuple[State, ...]] = {
    "NOT_LAUNCHED": ("LIVE", "STOPPED", "ARCHIVED"),
    "LIVE": ("PAUSED", "ENDED", "STOPPED"),
    "PAUSED": ("LIVE", "ENDED", "STOPPED"),
    "ENDED": ("LIVE", "STOPPED"),
    "STOPPED": ("LIVE", "ARCHIVED"),
    "ARCHIVED": (),
}
"""Which state people may move a campaign to. To the state it is in already, nothing happens."""


class Schedule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When the campaign changes state by itself; times as ISO 8601 text."""

    start: str | None = None
    pause: str | None = None
    end: str | None = None
    stop: str | None = None


class Share(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a share link leads, and what is shown of it. `landing` is whether a friend sees our own page before the destination."""

    destination: str
    landing: Literal["destination", "hosted"] = "destination"
    mobile_destination: str = ""
    unknown_destination: str = ""
    utm: dict[str, str] = field(default_factory=dict)
    title: str = ""
    description: str = ""
    image_url: str = ""
    message: str = ""
    code_prefix: str = ""


class Listens(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which events are what, by canonical name in any case. `actions` are further events that rewards may name in `on`."""

    sign_up: list[str] = field(default_factory=lambda: ["registration"])
    outcome: list[str] = field(default_factory=lambda: ["conversion"])
    cancel: list[str] = field(default_factory=lambda: ["canceled", "returned"])
    actions: list[str] = field(default_factory=list)


class Attribution(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the advocate of an event is found: the latest (or first) referral within the window, that was known in time."""

    window_days: int = 365
    model: Literal["last_touch", "first_touch"] = "last_touch"
    late_days: int = 7
    reasons: list[Reason] = field(default_factory=lambda: list(PRECEDENCE))


class Budget(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A cap on what the campaign may earn people: on value in one unit, or on the number of rewards, a period."""

    unit: str = ""
    value_max: str | None = None
    count_max: int | None = None
    period: Literal["total", "month", "week", "day"] = "total"


class Reviewing(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What becomes of events that wait for a person: nothing, or they pass by themselves so many days after they were received."""

    auto_approve_days: float | None = None


class Document(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A campaign as written."""

    campaign: str
    program: str
    share: Share | None = None
    pages: Pages = Pages()
    name: str = ""
    description: str = ""
    schedule: Schedule = Schedule()
    events: Listens = Listens()
    attribution: Attribution = Attribution()
    quality: Quality = field(default_factory=Quality)
    suppliers: list[Supplier] = field(default_factory=list)
    rewards: list[RewardTerms] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    review: Reviewing = Reviewing()


class Mark(Struct, frozen=True, array_like=True, omit_defaults=True):
    """From `at` on the campaign is in `state` under published `version` (0: none). `is_scheduled`: the document said so; else `by`
    did."""

    at: Millis
    state: State
    version: int
    is_scheduled: bool = False
    by: str = ""


class Campaign(Struct, frozen=True):
    """A campaign of an account: its versions by number, and its history of states. `id` is the document's `campaign`.

    What the schedule holds is part of the history from the moment it is published, so that the state at any time is known without a
    worker to bring it about. What people do by hand takes the place of all that was scheduled after it.
    """

    id: str
    program: str
    created_at: Millis
    updated_at: Millis
    latest: int
    history: tuple[Mark, ...] = ()
    documents: dict[int, Document] = field(default_factory=dict)

    @property
    def published(self) -> int:
        """The version published last; 0 before the first publishing. It may wait for its start: `version_at` says what is in force."""
        return self.history[-1].version if self.history else 0

    @property
    def document(self) -> Document:
        """The latest version, published or not."""
        return self.documents[self.latest]

    def mark_at(self, at: Millis) -> Mark | None:
        """State and version in force at a time, the schedule applied; None before there was any."""
        found = None
        for mark in self.history:
            if mark.at > at:
                break
            found = mark
        return found

    def state_at(self, at: Millis) -> State:
        """Its state at a time."""
        mark = self.mark_at(at)
        return mark.state if mark is not None else "NOT_LAUNCHED"

    def version_at(self, at: Millis) -> int:
        """The version in force at a time; 0 before the first publishing."""
        mark = self.mark_at(at)
        return mark.version if mark is not None else 0

    def gives_at(self, at: Millis) -> bool:
        """Whether it gives rewards to anybody at a time. Stopped is final: not even what waits is given (domain 3.1)."""
        return self.state_at(at) not in ("STOPPED", "ARCHIVED")

    def coming(self, now: Millis) -> tuple[Mark, ...]:
        """What the schedule still holds."""
        return tuple(mark for mark in self.history if mark.is_scheduled and mark.at > now)


def planned(document: Document, version: int) -> tuple[Mark, ...]:
    """The states that a document's schedule holds, in order. An end without a stop stops by itself after ENDED_DAYS."""
    schedule = document.schedule
    said: tuple[tuple[str | None, State], ...] = (
        (schedule.start, "LIVE"),
        (schedule.pause, "PAUSED"),
        (schedule.end, "ENDED"),
        (schedule.stop, "STOPPED"),
    )
    marks = [Mark(at, state, version, True) for text, state in said if (at := read_time(text)) is not None]
    if marks and marks[-1].state == "ENDED":
        marks.append(_stopping(marks[-1]))
    return tuple(marks)


def _stopping(ended: Mark) -> Mark:
    return Mark(ended.at + ENDED_DAYS * DAY_MS, "STOPPED", ended.version, True)


def moved(campaign: Campaign, state: State, version: int, now: Millis, by: str) -> Campaign:
    """A campaign put in a state under a version by hand; what was scheduled is dropped. An ended one stops by itself later."""
    done = tuple(mark for mark in campaign.history if mark.at <= now or not mark.is_scheduled)
    mark = Mark(max(now, done[-1].at) if done else now, state, version, by=by)
    after = (_stopping(mark),) if state == "ENDED" else ()
    return replace(campaign, history=(*done, mark, *after), updated_at=now)


def published(campaign: Campaign, version: int, now: Millis, by: str) -> Campaign | Mark:
    """A campaign with a version in force, LIVE, and its schedule taken up. The same campaign when that is so already, or when what the
    schedule has brought about since still stands.

    Where the schedule's start is yet to come, the campaign stays as it is until then. A mark that the schedule sets before now and
    that would end what is being published is returned instead: publishing would not make it live.
    """
    plan = planned(campaign.documents[version], version)
    expected = tuple(mark for mark in plan if mark.at > now)
    waits = bool(expected) and expected[0].state == "LIVE"
    current = campaign.mark_at(now)
    if current is not None and campaign.coming(now) == expected:
        stands = current.version == version and (current.state == "LIVE" or current.is_scheduled)
        if waits or stands:
            return campaign
    past = [mark for mark in plan if mark.at <= now and mark.state != "LIVE"]
    if past:
        return past[-1]
    if not waits:
        begun = moved(campaign, "LIVE", version, now, by)
    elif current is None:
        begun = moved(campaign, "NOT_LAUNCHED", version, now, by)
    else:
        begun = replace(campaign, history=tuple(mark for mark in campaign.history if mark.at <= now or not mark.is_scheduled))
    last = begun.history[-1].at
    return replace(begun, history=(*begun.history, *(mark for mark in expected if mark.at > last)), updated_at=now)


class Version(Struct, frozen=True):
    """One saved version of a campaign's document, as a row."""

    campaign: str
    number: int
    at: Millis
    author: str
    note: str
    document: Document


class Programs(Struct, frozen=True):
    """An account's campaigns, ready to judge by: what they listen to, by casefolded name."""

    campaigns: dict[str, Campaign] = field(default_factory=dict)
    listened: frozenset[str] = frozenset()
    cancels: frozenset[str] = frozenset()
    checked: frozenset[str] = frozenset()
    """Properties of events that rewards' checks look at, as they are written."""
    outcomes: frozenset[str] = frozenset()
    terms: tuple[Document, ...] = ()
    """Every document that judges events of some time, and each newest one, which may be published any moment: what they ask for
    is counted."""

    @classmethod
    def of(cls, campaigns: dict[str, Campaign]) -> Programs:
        """From the account's campaigns; those never published listen to nothing."""
        listened: set[str] = set()
        cancels: set[str] = set()
        checked: set[str] = set()
        outcomes: set[str] = set()
        terms: list[Document] = []
        for campaign in campaigns.values():
            in_force = {mark.version for mark in campaign.history if mark.version}
            terms += [campaign.documents[number] for number in sorted({*in_force, campaign.latest})]
            for number in in_force:
                events = campaign.documents[number].events
                listened.update(name.casefold() for name in (*events.sign_up, *events.outcome, *events.actions))
                cancels.update(name.casefold() for name in events.cancel)
                outcomes.update(name.casefold() for name in events.outcome)
                for reward in campaign.documents[number].rewards:
                    checks = (*reward.rules.checks, *reward.rules.other_checks)
                    checked.update(check.name for check in checks if check.on == "event")
        return cls(campaigns, frozenset(listened | cancels), frozenset(cancels), frozenset(checked), frozenset(outcomes), tuple(terms))

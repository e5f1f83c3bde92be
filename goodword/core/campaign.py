"""Campaigns: one declarative document holds everything; versions and states say which terms judge an event.

The terms are those in force at the event's own time (domain: late batches keep the terms they happened under), so a campaign
remembers when which version was published and when which state began.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from goodword.core.quality import Quality
from goodword.core.referral import PRECEDENCE, Reason
from goodword.core.reward import RewardTerms, Supplier
from goodword.core.times import Millis

DAY_MS = 24 * 3600 * 1000

State = Literal["NOT_LAUNCHED", "LIVE", "PAUSED", "ENDED", "STOPPED", "ARCHIVED"]


class Schedule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When the campaign changes state by itself; times as ISO 8601 text."""

    start: str | None = None
    pause: str | None = None
    end: str | None = None
    stop: str | None = None


class Share(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a share link leads, and what is shown of it."""

    destination: str
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


class Document(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A campaign as written."""

    campaign: str
    program: str
    share: Share | None = None
    name: str = ""
    description: str = ""
    schedule: Schedule = Schedule()
    events: Listens = Listens()
    attribution: Attribution = Attribution()
    quality: Quality = field(default_factory=Quality)
    suppliers: list[Supplier] = field(default_factory=list)
    rewards: list[RewardTerms] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)


class Mark(Struct, frozen=True, array_like=True):
    """From `at` on the campaign is in `state` under published `version` (0: none)."""

    at: Millis
    state: State
    version: int


class Campaign(Struct, frozen=True):
    """A campaign of an account: its versions by number, and its history of states. `id` is the document's `campaign`."""

    id: str
    program: str
    created_at: Millis
    updated_at: Millis
    latest: int
    history: tuple[Mark, ...] = ()
    documents: dict[int, Document] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """Its present state."""
        return self.history[-1].state if self.history else "NOT_LAUNCHED"

    @property
    def published(self) -> int:
        """The version in force; 0 before the first publishing."""
        return self.history[-1].version if self.history else 0

    @property
    def document(self) -> Document:
        """The latest version, published or not."""
        return self.documents[self.latest]

    def mark_at(self, at: Millis) -> Mark | None:
        """State and version in force at a time; None before there was any."""
        found = None
        for mark in self.history:
            if mark.at > at:
                break
            found = mark
        return found


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

    @classmethod
    def of(cls, campaigns: dict[str, Campaign]) -> Programs:
        """From the account's campaigns; those never published listen to nothing."""
        listened: set[str] = set()
        cancels: set[str] = set()
        for campaign in campaigns.values():
            for number in {mark.version for mark in campaign.history if mark.version}:
                events = campaign.documents[number].events
                listened.update(name.casefold() for name in (*events.sign_up, *events.outcome, *events.actions))
                cancels.update(name.casefold() for name in events.cancel)
        return cls(campaigns, frozenset(listened | cancels), frozenset(cancels))

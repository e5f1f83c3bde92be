"""Referrals: who may have sent a person (touches), what the person did (steps), and what a rule sees of it (a case).

A journey is a person's own set of touches and steps, encrypted with the person's key. Everything judged follows from the set, not
from the order it grew in (law 3): the earliest, the latest and the counts are found anew each time something is added.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from goodword.core.mailbox import emails_of, normalize
from goodword.core.origin import origin_of
from goodword.core.profile import Profile, ProfileId
from goodword.core.reward import Passed
from goodword.core.times import FOREVER, Millis

Reason = Literal[
    "COUPON_CODE",
    "SHARE_ID",
    "SHAREABLE_ID",
    "SHARE_RECIPIENT",
    "ADVOCATE_CODE",
    "ADVOCATE_PARTNER_USER_ID",
    "ADVOCATE_EMAIL",
    "ADVOCATE_ORDER_ID",
]
PRECEDENCE: tuple[Reason, ...] = (
    "COUPON_CODE",
    "SHARE_ID",
    "SHAREABLE_ID",
    "ADVOCATE_CODE",
    "ADVOCATE_PARTNER_USER_ID",
    "ADVOCATE_EMAIL",
    "ADVOCATE_ORDER_ID",
    "SHARE_RECIPIENT",
)
"""Of reasons said on the same event, or at the same millisecond, the earlier one here wins."""
StepKind = Literal["sign_up", "outcome", "action"]


class Evidence(Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """What the edge knows of the device a message came from. `ip`, `net` (its /24 or /48) and `agent` are short keyed hashes, made at
    the edge; `country` is an ISO code; `site` the host and path of the referring page; `blocked` names the block list that holds it."""

    ip: str = ""
    net: str = ""
    agent: str = ""
    country: str = ""
    site: str = ""
    device: str = ""
    is_bot: bool = False
    blocked: str = ""
    hint: str = ""
    """What is odd about a click: `frame` (opened inside another page), `subresource` (loaded as a picture or a script), `headless`."""
    ad: str = ""
    """The mark of a paid advertisement (`site.ad_mark`) on the share link, or on the page address that carried the click's id."""

    @property
    def is_unknown(self) -> bool:
        """A server said it: nothing is known of a device."""
        return not (self.ip or self.agent or self.device)


NO_EVIDENCE = Evidence()


class Hint(Struct, frozen=True, array_like=True, gc=False):
    """An advocate named by a message: `value` is the code, coupon, share id, user id, e-mail or order id as sent."""

    reason: Reason
    value: str


class Signals(Struct, frozen=True, gc=False):
    """What a message says about referrals. `order` is the conversion id it is about, casefolded."""

    clicks: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    kind: Literal["", "step", "cancel"] = ""
    order: str = ""
    evidence: Evidence = NO_EVIDENCE
    amount: int | None = None
    currency: str | None = None


class Click(Struct, frozen=True, gc=False):
    """A visit by a share link, as stored; nothing in it names anyone. `is_counted` is false where no person seems to have made it."""

    id: str
    at: Millis
    advocate_id: ProfileId
    program: str
    campaign: str
    code: str
    evidence: Evidence = NO_EVIDENCE
    is_counted: bool = True
    recent: int = 0
    """Counted clicks from the same address in the ten minutes before, up to a bound."""

    @property
    def origin(self) -> str:
        """Where it came from, in a word."""
        return origin_of(self.evidence.site)


class Shareable(Struct, frozen=True):
    """A person's share link in a program. `key` is its slot: the same person, program and key find the same link."""

    code: str
    profile_id: ProfileId
    program: str
    key: str
    created_at: Millis
    updated_at: Millis
    content: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    is_enabled: bool = True


class Share(Struct, frozen=True):
    """One act of sharing. `recipients` are e-mail addresses, for match-back; Goodword sends no mail itself."""

    id: int
    profile_id: ProfileId
    at: Millis
    channel: str
    code: str
    program: str
    campaign: str
    recipients: tuple[str, ...] = ()
    message: str = ""
    subject: str = ""
    data: dict[str, str] = field(default_factory=dict)
    quality: Literal["HIGH", "LOW"] = "HIGH"
    """LOW where a rule of sharing objected: its recipients are counted, and nobody is credited for having written to them."""


class Relationship(Struct, frozen=True):
    """Who referred whom in a program, as a row. `displaced_at` is when a later referral took its place."""

    friend_id: ProfileId
    program: str
    advocate_id: ProfileId
    campaign: str
    reason: Reason
    at: Millis
    updated_at: Millis
    cause: int
    displaced_at: Millis | None = None
    alike: str = ""
    """What the friend's address looks like (`likeness.token_of`), by which an advocate's friends that look alike are found; stored as a
    keyed hash."""


class Judgement(Struct, frozen=True, gc=False):
    """How an event was judged in a campaign, as a row: by which version, for which advocate and why, with every rule's verdict."""

    arrival: int
    campaign: str
    version: int
    program: str
    kind: StepKind
    friend_id: ProfileId
    advocate_id: ProfileId | None
    reason: Reason | Literal[""]
    ref: str
    touch_at: Millis | None
    quality: Literal["HIGH", "LOW", "NONE"]
    review: Literal["", "open", "approved", "declined"]
    judged_at: Millis
    rules: tuple[Passed, ...] = ()
    at: Millis = 0
    amount: int | None = None
    currency: str | None = None
    """When the event happened, and what is left of its value after returns."""
    origin: str = ""
    """Where the credited click came from (`origin.origin_of`); empty where it was no click."""
    is_new: bool = False
    """Whether it is the person's first outcome of all."""


class Credit(Struct, frozen=True):
    """One more (or one less) high-quality outcome credited to an advocate, on the outcome's day."""

    advocate_id: ProfileId
    program: str
    day: int
    count: int


class Touch(Struct, frozen=True, array_like=True, gc=False):
    """A reason to credit an advocate with what a person did at or after `at`.

    `ref` is what tells touches apart (click id, or the message that named the advocate); `known_at` is when Goodword learned of it;
    `step` is the message id of the step that said it, for touches that are said on an event.
    """

    at: Millis
    reason: Reason
    ref: str
    advocate_id: ProfileId
    program: str
    campaign: str
    known_at: Millis
    code: str = ""
    step: str = ""
    evidence: Evidence = NO_EVIDENCE
    recent: int = 0
    """The click's own `recent`: clicks from its address in the ten minutes before."""
    device: str = ""
    """The key of the browser that told of it, where the message named nobody else."""

    @property
    def shown_ref(self) -> str:
        """`ref` as far as it names nobody: a click or a share. A message's id is the sender's own, and may be made of a user's."""
        return "" if self.ref.startswith(f"{self.reason} ") else self.ref

    @property
    def origin(self) -> str:
        """Where the click came from, in a word; empty where it was none."""
        return origin_of(self.evidence.site) if self.evidence != NO_EVIDENCE else ""


class Step(Struct, frozen=True, array_like=True, gc=False):
    """A listened event of a person: what is judged. `amount` is minor units of `currency`; `key` its conversion id as in dedup keys."""

    arrival: int
    message_id: str
    name: str
    at: Millis
    known_at: Millis
    from_browser: bool = False
    amount: int | None = None
    currency: str | None = None
    key: str = ""
    evidence: Evidence = NO_EVIDENCE
    server_amount: int | None = None
    """What a server said the same order is worth, where a browser had said it first."""
    said: dict[str, Any] | None = None
    """Those properties that a reward's checks look at; None where they are not known."""
    contested: Literal["", "perhaps", "surely"] = ""
    """Where only a browser said it: whether a server said the same order of somebody else, who is perhaps or surely another person."""

    @property
    def turn(self) -> tuple[Millis, str, str]:
        """Its place among a person's steps: by time, and within the same millisecond by what it is about. When it arrived has no say, or
        the order of messages would decide which of two orders of one moment came first (law 3)."""
        return self.at, self.key, self.message_id


class Cancellation(Struct, frozen=True, array_like=True, gc=False):
    """An order taken back, wholly, or (with an `amount` below the order's) in part."""

    message_id: str
    order: str
    at: Millis
    amount: int | None = None
    from_browser: bool = False

    def is_about(self, step: Step) -> bool:
        """Whether it takes this order back: what only a browser says, anyone may, so it reaches no order that a server said."""
        return bool(step.key) and self.order == step.key and (step.from_browser or not self.from_browser)


class Standing(Struct, frozen=True, array_like=True, gc=False):
    """What was settled about one step in one campaign and is not judged anew: rules that count what others did, a person's decision."""

    limits: tuple[Passed, ...] = ()
    decision: Literal["", "approved", "declined"] = ""
    by: str = ""
    note: str = ""
    decided_at: Millis = 0
    counted_for: ProfileId | None = None
    """The advocate that the step was credited to, and counts for in Nth rules and limits."""
    judged_for: ProfileId | None = None
    """The advocate that the limits were judged for: another one is judged anew."""
    digest: int = 0
    """Of the judgement last written, so that what did not change is not written again."""
    is_good: bool = False
    """Whether the step was judged HIGH when it was judged last, and waited for nobody."""


class Journey(Struct, frozen=True, omit_defaults=True, gc=False):
    """A person's side of referrals. `sightings` are devices and addresses, latest last; `standings` go by step and campaign."""

    profile_id: ProfileId
    touches: tuple[Touch, ...] = ()
    steps: tuple[Step, ...] = ()
    sightings: tuple[tuple[Millis, Evidence], ...] = ()
    standings: dict[str, Standing] = field(default_factory=dict)
    cancellations: tuple[Cancellation, ...] = ()
    alike: str = ""
    """The likeness that the relationship rows were written with."""
    related: dict[str, Millis] = field(default_factory=dict)
    """Relationship rows written: `program, advocate` to when it was displaced (0: it stands)."""
    counted: tuple[tuple[int, int], ...] = ()
    """On which days the person is counted as what (`presence`)."""
    basis: int = 0
    """What its steps were judged by (`basis`), where nothing about any of them waits; 0: they are to be judged anew."""


class Party:
    """One side of a referral as the rules see it. `barred_at` is when an earlier holder of one of its ids was deleted (0: never),
    `device_barred_at` when one of a device of theirs was.

    `emails` are all addresses of the person, `mailboxes` what they reach; `devices` those they have, and those that moved on to somebody
    else. What several rules look at is found once here.
    """

    __slots__ = ("barred_at", "device_barred_at", "devices", "email", "emails", "mailboxes", "profile", "sightings")

    def __init__(
        self, profile: Profile, sightings: tuple[tuple[Millis, Evidence], ...] = (), barred_at: Millis = 0, device_barred_at: Millis = 0
    ) -> None:
        self.profile = profile
        self.sightings = sightings
        self.barred_at = barred_at
        self.device_barred_at = device_barred_at
        self.email = profile.email
        self.emails = emails_of(profile)
        self.mailboxes = frozenset(map(normalize, self.emails))
        self.devices = frozenset(profile.devices)


class Counts(Struct, frozen=True, gc=False):
    """What others did, counted up to the event."""

    advocate_outcomes: dict[int, int] = field(default_factory=dict)
    """Good outcomes credited to the advocate, without this one, by how many days up to the event's: the rule's own `days` among them."""
    shares: int = 0
    """Of the advocate in the seven days up to the touch, each recipient one."""
    advocate_clicks: int = 0
    """Counted clicks on the advocate's links in the thirty days up to the touch; the newest two hundred will do."""
    site_clicks: int = 0
    """Of those, clicks whose referring page is a coupon or advertising site (`site.is_coupon_site`)."""
    browsers_by_ip: int = 0
    """Different browsers (`Evidence.agent`) that clicked from the address of the touch in the thirty days up to it."""


class Case(Struct, frozen=True, gc=False):
    """One step of a friend, credited to an advocate by a touch: everything a quality rule may look at.

    `advocate` is None when the advocate was deleted since. `ancestors` are who referred the advocate, who referred those, and so on.
    `others` are the e-mails of the advocate's earlier friends, as far as they are known. `outcomes` are the names of the campaign's
    outcomes, casefolded. `servers_since`: when servers of the account began to say outcomes; one only a browser said stands out then.
    `settled_at`: when nothing held the event back any more, so that a block made later does not reach it.
    """

    step: Step
    kind: StepKind
    touch: Touch
    friend: Party
    advocate: Party | None
    journey: Journey
    counts: Counts
    ancestors: tuple[ProfileId, ...]
    now: Millis
    others: tuple[str, ...] = ()
    outcomes: frozenset[str] = frozenset(("conversion",))
    servers_since: Millis = FOREVER
    settled_at: Millis = FOREVER

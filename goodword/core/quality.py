"""The parameters of the rules that tell a referral from a cheat, each with its default, and the lists that rules look into.

The rules themselves are in `core/rule/`, a module a kind; `core/rulebook.py` has their order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from goodword.core.block import BlockEntry
from goodword.core.referral import Case
from goodword.core.times import Millis

Action = Literal["refuse", "review", "off"]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Days = Annotated[float, Meta(ge=0, le=36_500)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Share = Annotated[float, Meta(gt=0, le=1)]
Decimal = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,4})?$")]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
COUNTRIES = "LB BY LR AF IR YE SD ID UA CN MM SY CI BZ RU ML VE ZW KP SO CF LY PH IQ CU".split()
SPAM_WORDS = (
    "act now|bitcoin|casino|cheap meds|click here|crypto giveaway|double your|earn money fast|free money|get rich|guaranteed income"
    "|limited time only|loan approved|make money|no risk|nude|payday loan|pharmacy|porn|viagra|winner|work from home|xxx|you have won"
).split("|")


class Reference(Struct, frozen=True):
    """Lists that are kept outside the code. `listed_emails` and `marks` are of the people of the group alone: stored are keyed hashes."""

    disposable_domains: frozenset[str] = frozenset()
    blocked_domains: frozenset[str] = frozenset()
    allowed_domains: frozenset[str] = frozenset()
    listed_emails: dict[str, Literal["BLACK", "WHITE"]] = field(default_factory=dict)
    """By mailbox (`mailbox.normalize`)."""
    marks: frozenset[str] = frozenset()
    """Devices (`a...`) and mailboxes (`n...`) of blocked people (`block.marks_of`)."""
    since: dict[str, Millis] = field(default_factory=dict)
    """When each entry that blocks was made, by its domain, mailbox or mark."""

    def reaches(self, value: str, case: Case) -> bool:
        """Whether the entry that blocks this value was made before the event was settled: it does not reach back (domain 2.8)."""
        return self.since.get(value, 0) <= case.settled_at

    def with_entry(self, entry: BlockEntry, is_listed: bool) -> Reference:
        """These lists with an entry put on, or taken off."""
        value, is_black = entry.value, entry.filter_type == "BLACK"
        since = {each: at for each, at in self.since.items() if each != value}
        if is_listed and is_black:
            since[value] = self.since.get(value, entry.created_at)
        match entry.list_type:
            case "EMAIL_DOMAIN":
                black, white = self.blocked_domains - {value}, self.allowed_domains - {value}
                added = frozenset((value,) if is_listed else ())
                black, white = (black | added, white) if is_black else (black, white | added)
                return replace(self, blocked_domains=black, allowed_domains=white, since=since)
            case "NORMALIZED_EMAIL" if not entry.is_stored:
                rest = {email: said for email, said in self.listed_emails.items() if email != value}
                return replace(self, listed_emails={**rest, value: entry.filter_type} if is_listed else rest, since=since)
            case "BLOCKED_PERSON":
                return replace(self, marks=self.marks | {value} if is_listed else self.marks - {value}, since=since)
            case _:
                return self


class _Rule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule with parameters."""


class EmailDomains(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Mail domains that nobody keeps: those known as disposable, the block lists', and `domains`; but not `allowed`."""

    action: Action = "refuse"
    disposable: bool = True
    domains: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)


class BlockedCountries(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Countries, by ISO code, that nobody takes part from."""

    action: Action = "refuse"
    countries: list[Country] = field(default_factory=lambda: list(COUNTRIES))


class PermittedCountries(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The only countries, by ISO code, that people take part from."""

    action: Action = "off"
    countries: list[Country] = field(default_factory=list)


class ReferringSites(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Clicks from coupon and advertising sites: the kept list and `sites` (`host` or `host/path`), but not `allowed`. An advocate of
    whose clicks (`clicks` at least) a `share` comes from there has the others looked at too."""

    action: Action = "refuse"
    sites: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    share: Share = 0.5
    clicks: Count = 20


class BotClicks(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Programs that click; and more than `per_address` clicks from one address within ten minutes."""

    action: Action = "refuse"
    per_address: Count = 20


class TooQuick(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Sooner after the click than a person can be."""

    action: Action = "review"
    sign_up_seconds: Seconds = 2
    outcome_seconds: Seconds = 5


class Hijack(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A click so short before the purchase, by the link of another advocate than the one who brought the friend long before."""

    action: Action = "review"
    seconds: Seconds = 120
    settled_minutes: Annotated[float, Meta(ge=0, le=525_600)] = 10


class Lookback(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The referral is older than this."""

    action: Action = "refuse"
    days: Days = 365


class LateEvent(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event says it happened long before it was received, or before the referral."""

    action: Action = "review"
    days: Days = 7


class SameAddress(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The friend at the advocate's address, in the same browser, within minutes. `shared_by`: so many browsers make an address shared."""

    action: Action = "review"
    minutes: Annotated[float, Meta(ge=0, le=525_600)] = 30
    shared_by: Count = 4


class ExistingCustomer(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The friend bought within so many days before the referral, or was in one of the audiences by then."""

    action: Action = "refuse"
    days: Days = 180
    audiences: list[str] = field(default_factory=lambda: ["existing_customers"])


class CustomersOnly(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The friend must have bought within so many days before."""

    action: Action = "off"
    days: Days = 180


class Returned(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The friend was deleted within so many days before the referral, and is back as someone new."""

    action: Action = "refuse"
    days: Days = 180


class BrowserOutcomes(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Events that only a browser claimed (cheats.md 10): outcomes and actions; with `sign_ups`, those as well."""

    action: Literal["allow", "wait", "review", "refuse"] = "wait"
    days: Days = 7
    sign_ups: bool = False


class EventValue(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Values past belief, in dollars or about as much of another currency: said by a browser, said by anyone; `times` is how much more
    than the server a browser may have said."""

    action: Action = "review"
    browser_max: Decimal = "10000"
    max: Decimal = "1000000"
    times: Annotated[float, Meta(ge=1)] = 1.5


class AdvocateOutcomes(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An advocate's good outcomes within so many days, up to which there is nothing odd."""

    action: Action = "review"
    count: Count = 100
    days: Annotated[int, Meta(ge=1, le=366)] = 1


class MassShares(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """More shares in seven days, each recipient one, than people send to people they know."""

    action: Action = "review"
    count: Count = 100


class ShareRecipients(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Recipients of one share."""

    action: Action = "refuse"
    count: Count = 500


class EmailRate(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Shares that one address gets within seven days, of anybody."""

    action: Action = "refuse"
    count: Count = 5


class ShareCount(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How many shares in seven days make the next one count: at least, at most."""

    action: Action = "off"
    min: Annotated[int, Meta(ge=0)] = 0
    max: Count = 1_000


class SpamContent(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Words of a personal message that friends do not write, in any case; and links other than the share link."""

    action: Action = "refuse"
    words: list[str] = field(default_factory=lambda: list(SPAM_WORDS))
    links: bool = True


class Participant(_Rule, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The friend, or the advocate, has a parameter of this value."""

    action: Action = "off"
    who: Literal["friend", "advocate"] = "friend"
    name: str = ""
    value: str = ""


class Quality(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A campaign's quality rules and their parameters, each with its default."""

    blocked_person: Action = "refuse"
    blocked_person_returns: Action = "review"
    valid_email: Action = "refuse"
    blocked_email_domains: EmailDomains = EmailDomains()
    blocked_countries: BlockedCountries = BlockedCountries()
    permitted_countries: PermittedCountries = PermittedCountries()
    specified_participant: Participant = Participant()
    self_referral_email: Action = "refuse"
    self_referral_similar_email: Action = "review"
    self_referral_device: Action = "review"
    self_referral_ip: SameAddress = SameAddress()
    similar_friends: Action = "refuse"
    mutual_referral: Action = "refuse"
    disputed_identity: Action = "review"
    existing_customer: ExistingCustomer = ExistingCustomer()
    customers_only: CustomersOnly = CustomersOnly()
    returned_after_deletion: Returned = Returned()
    referring_sites: ReferringSites = ReferringSites()
    ad_clicks: Action = "refuse"
    bot_clicks: BotClicks = BotClicks()
    cookie_stuffing: Action = "review"
    too_quick: TooQuick = TooQuick()
    hijack: Hijack = Hijack()
    lookback: Lookback = Lookback()
    late_event: LateEvent = LateEvent()
    browser_outcomes: BrowserOutcomes = BrowserOutcomes()
    event_value: EventValue = EventValue()
    advocate_outcomes: AdvocateOutcomes = AdvocateOutcomes()
    mass_shares: MassShares = MassShares()
    share_recipients: ShareRecipients = ShareRecipients()
    email_rate: EmailRate = EmailRate()
    share_count: ShareCount = ShareCount()
    spam_content: SpamContent = SpamContent()

"""Block lists (domain 2.8): addresses, domains, networks and browsers that may not take part, or (WHITE) may whatever else says.

An account has its own list; the installation's, account 0, holds for all. WHITE beats BLACK, an own entry beats the installation's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Literal

from msgspec import Struct, field

from goodword.core.mailbox import domain_of, domains_of, is_valid, normalize
from goodword.core.profile import IdentityKey, Profile, read_email
from goodword.core.times import Millis

ListType = Literal["NORMALIZED_EMAIL", "EMAIL_DOMAIN", "CIDR", "USER_AGENT"]
FilterType = Literal["BLACK", "WHITE"]
Listed = Literal["BLACKLISTED", "WHITELISTED", "NOT_LISTED"]
INSTALLATION = 0
"""The account whose list holds for every account."""
AGENT_CHARS_MIN, AGENT_CHARS_MAX = 4, 300
NOTE_CHARS_MAX = 500
_PREFIX_MIN = {4: 8, 6: 16}
_LIKE_AN_ADDRESS = re.compile(r"[0-9./]*[./][0-9./]*|[0-9a-f:./]*:[0-9a-f:./]*:[0-9a-f:./]*", re.ASCII | re.IGNORECASE)
_DOMAIN = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.ASCII)


class BlockEntry(Struct, frozen=True):
    """One line of a block list. `value` as `read_value` gives it; where it is stored, that of an address is its keyed hash."""

    list_type: Literal["NORMALIZED_EMAIL", "EMAIL_DOMAIN", "CIDR", "USER_AGENT", "BLOCKED_PERSON"]
    filter_type: FilterType
    value: str
    note: str = ""
    created_at: Millis = 0
    is_stored: bool = False
    """`value` is as it is stored: how an entry that was read is named when it is changed."""


def read_value(list_type: ListType, text: str) -> str | None:
    """The value of an entry as it is kept; None when the text is none of its kind."""
    text = text.strip()
    match list_type:
        case "NORMALIZED_EMAIL":
            email = read_email(text)
            return normalize(email) if email is not None and is_valid(email) else None
        case "EMAIL_DOMAIN":
            return _read_domain(text)
        case "CIDR":
            try:
                network = ip_network(text, strict=False)
            except ValueError:
                return None
            return str(network) if network.prefixlen >= _PREFIX_MIN[network.version] else None
        case _:
            folded = " ".join(text.lower().split())
            return folded if AGENT_CHARS_MIN <= len(folded) <= AGENT_CHARS_MAX and folded != "mozilla/5.0" else None


def _read_domain(text: str) -> str | None:
    domain = text.lower().removeprefix("@").removeprefix("*.").rstrip(".")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            return None
    return domain if _DOMAIN.fullmatch(domain) else None


def kind_of(text: str) -> ListType:
    """Which list a value belongs to, by how it is written."""
    text = text.strip()
    if "@" in text.lstrip("@"):
        return "NORMALIZED_EMAIL"
    with suppress(ValueError):
        ip_network(text, strict=False)
        return "CIDR"
    if _LIKE_AN_ADDRESS.fullmatch(text):
        return "CIDR"
    return "EMAIL_DOMAIN" if " " not in text and "/" not in text and _read_domain(text) is not None else "USER_AGENT"


def marks_of(profile: Profile, keys: Iterable[IdentityKey] = ()) -> list[str]:
    """What a blocked person is known again by: devices, and mailboxes. `keys` are further ones of theirs."""
    found = dict.fromkeys((*profile.keys, *keys))
    devices = [str(key) for key in found if key[0] == "a"]
    return devices + list(dict.fromkeys("n" + normalize(key[1:]) for key in found if key[0] == "e"))


class Lists(Struct, frozen=True):
    """Entries, ready to look up. Hashed values stand for what is known only by its keyed hash."""

    emails: dict[str, FilterType] = field(default_factory=dict)
    domains: dict[str, FilterType] = field(default_factory=dict)
    networks: dict[tuple[int, int], dict[int, FilterType]] = field(default_factory=dict)
    """By IP version and how many bits of an address are not looked at."""
    agents: tuple[tuple[str, FilterType], ...] = ()
    people: frozenset[str] = frozenset()
    since: dict[str, Millis] = field(default_factory=dict)
    """When each entry that blocks was made, by its value."""

    @classmethod
    def of(cls, entries: Iterable[BlockEntry]) -> Lists:
        """From the entries of one account."""
        lists = cls()
        agents: list[tuple[str, FilterType]] = []
        people: set[str] = set()
        for entry in entries:
            if entry.filter_type == "BLACK":
                lists.since[entry.value] = entry.created_at
            match entry.list_type:
                case "NORMALIZED_EMAIL":
                    lists.emails[entry.value] = entry.filter_type
                case "EMAIL_DOMAIN":
                    lists.domains[entry.value] = entry.filter_type
                case "CIDR":
                    network = ip_network(entry.value)
                    rest = network.max_prefixlen - network.prefixlen
                    lists.networks.setdefault((network.version, rest), {})[int(network.network_address) >> rest] = entry.filter_type
                case "USER_AGENT":
                    agents.append((entry.value, entry.filter_type))
                case _:
                    people.add(entry.value)
        return cls(lists.emails, lists.domains, lists.networks, tuple(agents), frozenset(people), lists.since)

    def of_email(self, hashed: str) -> Listed:
        """An address, by its keyed hash."""
        return _said([found] if (found := self.emails.get(hashed)) is not None else [])

    def of_domain(self, domain: str) -> Listed:
        """A domain, by itself and those it is under."""
        return _said([self.domains[each] for each in domains_of(domain) if each in self.domains]) if self.domains else "NOT_LISTED"

    def of_address(self, ip: str) -> Listed:
        """An IP address, by every network it is in."""
        if not self.networks:
            return "NOT_LISTED"
        try:
            address = ip_address(ip)
        except ValueError:
            return "NOT_LISTED"
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped if mapped is not None else address
        number = int(address)
        return _said(
            [
                listed[number >> rest]
                for (version, rest), listed in self.networks.items()
                if version == address.version and number >> rest in listed
            ]
        )

    def of_agent(self, agent: str) -> Listed:
        """A browser's name for itself: by a part of it that is listed, or as a whole where the entry has `*` for anything."""
        if not self.agents:
            return "NOT_LISTED"
        folded = " ".join(agent.lower().split())
        return _said([found for part, found in self.agents if (fnmatchcase(folded, part) if "*" in part else part in folded)])


def _said(found: list[FilterType]) -> Listed:
    return "NOT_LISTED" if not found else "WHITELISTED" if "WHITE" in found else "BLACKLISTED"


class Blocks(Struct, frozen=True):
    """An account's own lists over the installation's."""

    own: Lists = Lists()
    installation: Lists = Lists()

    @property
    def is_empty(self) -> bool:
        """Nothing is listed that an address could be looked up in."""
        return not (self.own.emails or self.installation.emails)

    def of_domain(self, domain: str) -> Listed:
        """A domain, or an address's."""
        return _first(self.own.of_domain(domain_of(domain)), self.installation.of_domain(domain_of(domain)))

    def of_address(self, ip: str) -> Listed:
        """An IP address."""
        return _first(self.own.of_address(ip), self.installation.of_address(ip))

    def of_agent(self, agent: str) -> Listed:
        """A browser's name for itself."""
        return _first(self.own.of_agent(agent), self.installation.of_agent(agent))

    def of_device(self, ip: str, agent: str) -> Literal["", "CIDR", "USER_AGENT"]:
        """Which black list holds a device, for `Evidence.blocked`. An address or browser that is WHITE clears the device."""
        answers = (self.of_address(ip), self.of_agent(agent))
        if "WHITELISTED" in answers or "BLACKLISTED" not in answers:
            return ""
        return "CIDR" if answers[0] == "BLACKLISTED" else "USER_AGENT"


def _first(own: Listed, installation: Listed) -> Listed:
    return installation if own == "NOT_LISTED" else own

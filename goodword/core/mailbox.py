"""Mailboxes: which addresses reach the same one, and which cannot be anybody's.

An address is written in many ways that its provider delivers alike: in any case, with a plus suffix, at some with dots anywhere. Rules and
block lists compare mailboxes; identity compares addresses as they are.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from goodword.core.profile import EMAIL_CHARS_MAX, Profile

_SAME_DOMAIN = {
    "googlemail.com": "gmail.com",
    "protonmail.com": "proton.me",
    "protonmail.ch": "proton.me",
    "pm.me": "proton.me",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
    "ya.ru": "yandex.ru",
    "yandex.com": "yandex.ru",
    "yandex.by": "yandex.ru",
    "yandex.kz": "yandex.ru",
    "yandex.ua": "yandex.ru",
}
"""Domains of one provider under which the same name is the same mailbox."""
_IGNORED = {"gmail.com": str.maketrans("", "", "."), "proton.me": str.maketrans("", "", ".-_")}
"""Characters that a provider does not look at."""
_PLAIN = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,24})", re.ASCII)
_RESERVED = frozenset("alt arpa invalid local localhost onion".split())


@lru_cache(maxsize=4096)
def normalize(email: str) -> str:
    """The address that stands for a mailbox: lower case, without plus suffix, without what its provider ignores. Idempotent."""
    text = email.strip()
    text = text.lower() if text.isascii() else _folded(text)
    name, at, domain = text.rpartition("@")
    if not at:
        return text
    domain = _SAME_DOMAIN.get(domain, domain)
    if name.find("+") > 0:
        name = name[: name.index("+")]
    ignored = _IGNORED.get(domain)
    if ignored is not None:
        name = name.translate(ignored) or name
    return f"{name}@{domain}"


def _folded(text: str) -> str:
    """Text outside of ASCII as people compare it: compatibility forms and case folded until nothing changes."""
    while (folded := unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()) != text:
        text = folded
    return text


def domain_of(email: str) -> str:
    """The domain of an address, in lower case."""
    return email.rpartition("@")[2].strip().lower()


def domains_of(domain: str) -> list[str]:
    """A domain and those it is under, without the last label alone: `a.b.com`, `b.com`."""
    found = [domain]
    while (rest := domain.partition(".")[2]) and "." in rest:
        found.append(rest)
        domain = rest
    return found


def emails_of(profile: Profile) -> list[str]:
    """The addresses of a person: those that find the profile, and the one it was last said to have, should another own that."""
    emails = [key[1:] for key in profile.keys if key[0] == "e"]
    said = profile.parameters.get("email")
    if said is not None and isinstance(said.value, str) and "@" in said.value and (value := said.value.strip().lower()) not in emails:
        emails.append(value)
    return emails


def is_valid(email: str) -> bool:
    """Whether an address can be anybody's, by its syntax; DNS is not asked. The domain `test` is let through, for tests."""
    plain = _PLAIN.fullmatch(email)
    if plain is not None and len(email) <= EMAIL_CHARS_MAX - 2 and plain[1] not in _RESERVED:
        return True
    try:
        validate_email(email, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True

"""Invented traffic like real analytics: about 630 bytes a message, 60 % track, 25 % identify, 10 % conversion.

Making JSON costs more CPU than a server needs to read it, and generator and server share the machine. So a pool of
templates is made once a run, and what must differ in every message (message id, person, time, order id) is a mark of
fixed width that Python and `wrk.lua` overwrite. The remaining 5 % are repeats of earlier messages, byte for byte.

A person is a number below `people`: it gives the userId, the anonymousId, the e-mail and the names, so these never
change between a person's messages; the trait `visits` does. Message ids are 128 random bits: unique over all runs on
one store, and spread evenly over whatever a server hashes them to.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

TRACK, IDENTIFY, CONVERSION = 1, 2, 3
KIND_SHARES = (60, 25, 10)
"""Percent of all messages, in the order of the kinds; what is missing to 100 are repeats."""
REPEAT_PERCENT = 100 - sum(KIND_SHARES)
TEMPLATES = 4_000
PEOPLE = 250_000
REPEAT_MEMORY_MESSAGES = 8_192

MARKS = {"i": 36, "u": 8, "t": 24, "c": 16, "f": 6, "l": 8}
"""Width in bytes of a mark: message id, person number, ISO time, order id, first name, last name."""
_MARK = re.compile("~(?:" + "|".join(f"{letter}{{{width - 1}}}" for letter, width in MARKS.items()) + ")")

# Names have one width, because a mark cannot change the length of a message.
FIRST_NAMES = (
    "Amelia Andrew Carlos Daniel Evelyn George Hannah Isabel Joanna Joshua Marcus Martin Monica Nicole Oliver Robert "
    "Sophia Stefan Thomas Walter"
).split()
LAST_NAMES = (
    "Anderson Chambers Crawford Ferguson Fletcher Franklin Gallardo Harrison Hartmann Kowalski Lindgren Lockhart "
    "Marshall Mitchell Morrison Petersen Robinson Santiago Schubert Thompson Williams"
).split()

_TRACK_NAMES = (
    "Product Viewed", "Product Added", "Cart Viewed", "Products Searched", "Product List Viewed", "Article Read",
    "Video Playback Started", "Coupon Applied", "Checkout Started", "Wishlist Product Added", "Plan Compared",
    "Invite Page Viewed", "Button Clicked", "Form Submitted", "Trial Started", "Feature Used",
)  # fmt: skip
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/18.6 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)
_PAGES = ("shop/shoes", "shop/jackets", "journal/winter", "account/orders", "help/returns", "offers/friends", "cart")
_LOCALES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-MX", "pt-BR")
_CURRENCIES = ("USD", "EUR", "GBP")


@dataclass(frozen=True)
class Template:
    """One message without its opening brace, and where its marks stand: (letter, offset in bytes).

    `pattern` is the same message for Python's bytes formatting: a `%b` for each mark.
    """

    kind: int
    body: bytes
    marks: tuple[tuple[str, int], ...]
    pattern: bytes


def _mark(letter: str) -> str:
    return "~" + letter * (MARKS[letter] - 1)


def _token(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))


def _context(rng: random.Random) -> dict[str, object]:
    page = rng.choice(_PAGES)
    context: dict[str, object] = {
        "library": {"name": "analytics.js", "version": "next-1.81.0"},
        "page": {
            "path": f"/{page}",
            "url": f"https://www.brand.example/{page}?ref={_token(rng, 6)}",
        },
        "userAgent": rng.choice(_AGENTS),
        "ip": f"{rng.randint(11, 172)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
        "locale": rng.choice(_LOCALES),
    }
    if rng.random() < 0.4:
        context["campaign"] = {"name": f"autumn-{_token(rng, 4)}", "source": "newsletter", "medium": "email"}
    return context


def _properties(rng: random.Random, kind: int) -> dict[str, object]:
    price = f"{rng.randint(5, 400)}.{rng.randint(0, 99):02d}"
    if kind == CONVERSION:
        return {
            "partner_conversion_id": f"order-{_mark('c')}",
            "cart_value": price,
            "currency": rng.choice(_CURRENCIES),
            "coupon": _token(rng, 8).upper(),
        }
    return {
        "product_id": _token(rng, 10),
        "sku": f"{_token(rng, 3).upper()}-{rng.randint(100, 999)}",
        "price": float(price),
        "quantity": rng.randint(1, 4),
    }


def _template(rng: random.Random, kind: int) -> Template:
    message: dict[str, object] = {
        "type": "identify" if kind == IDENTIFY else "track",
        "userId": f"user-{_mark('u')}",
        "anonymousId": f"5f1c0a7e-93d2-4b6f-8e15-a1b2{_mark('u')}",
        "timestamp": _mark("t"),
        "context": _context(rng),
    }
    if kind == IDENTIFY:
        message["traits"] = {
            "email": f"person.{_mark('u')}@mail.example",
            "firstName": _mark("f"),
            "lastName": _mark("l"),
            "plan": "plus",
            "visits": rng.randint(1, 500),
        }
    else:
        message["event"] = "conversion" if kind == CONVERSION else rng.choice(_TRACK_NAMES)
        message["properties"] = _properties(rng, kind)
    message["messageId"] = f"ajs-next-{_mark('i')}"
    text = json.dumps(message, separators=(",", ":"))[1:]
    marks = tuple((found[0][1], found.start()) for found in _MARK.finditer(text))
    return Template(kind, text.encode(), marks, _MARK.sub("%b", text).encode())


@lru_cache(maxsize=64)
def _second(at_s: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)).encode()


def _iso(at_ms: int) -> bytes:
    return b"%b.%03dZ" % (_second(at_ms // 1000), at_ms % 1000)


def _uuid(digits: str) -> bytes:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()


@dataclass
class Traffic:
    """The pool of one run, and the Python side of making messages from it.

    `messages_made` and `events_made` count what was made and is not a repeat; an event is a track or a conversion.
    """

    seed: int
    people: int = PEOPLE
    templates: list[Template] = field(default_factory=list)
    messages_made: int = 0
    events_made: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        kinds = self._rng.choices((TRACK, IDENTIFY, CONVERSION), KIND_SHARES, k=TEMPLATES)
        self.templates = [_template(self._rng, kind) for kind in kinds]
        self._earlier: deque[bytes] = deque(maxlen=REPEAT_MEMORY_MESSAGES)

    def write_pool(self, path: Path) -> None:
        """One template a line, `kind TAB marks TAB body`, as `wrk.lua` reads it."""
        with path.open("wb") as file:
            for one in self.templates:
                marks = "".join(f"{letter}{offset}" for letter, offset in one.marks)
                file.write(f"{one.kind}\t{marks}\t".encode() + one.body + b"\n")

    def fresh(self, template: Template, person: int, at_ms: int) -> bytes:
        """One message never sent before, without its opening brace."""
        digits = os.urandom(24).hex()
        values = {"i": _uuid(digits[:32]), "u": b"%08d" % person, "t": _iso(at_ms), "c": digits[32:].encode()}
        if template.kind == IDENTIFY:
            values["f"] = FIRST_NAMES[person % len(FIRST_NAMES)].encode()
            values["l"] = LAST_NAMES[person // 7 % len(LAST_NAMES)].encode()
        self.messages_made += 1
        self.events_made += template.kind != IDENTIFY
        return template.pattern % tuple([values[letter] for letter, _ in template.marks])

    def message(self, at_ms: int, repeat_percent: int = REPEAT_PERCENT) -> bytes:
        """The next message of the mix, without its opening brace; sometimes an earlier one again."""
        rng = self._rng
        if self._earlier and rng.random() * 100 < repeat_percent:
            return self._earlier[int(rng.random() * len(self._earlier))]
        template = self.templates[int(rng.random() * len(self.templates))]
        made = self.fresh(template, int(rng.random() * self.people), at_ms)
        self._earlier.append(made)
        return made

    def sample(self, count: int) -> list[bytes]:
        """`count` complete messages of the mix that are never sent: what the floor is measured with."""
        at_ms = int(time.time() * 1000)
        made, events = self.messages_made, self.events_made
        picks = (self._rng.randrange(len(self.templates)) for _ in range(count))
        bodies = [b"{" + self.fresh(self.templates[pick], self._rng.randrange(self.people), at_ms) for pick in picks]
        self.messages_made, self.events_made = made, events
        return bodies


def batch_body(messages: Iterator[bytes] | list[bytes], key: str) -> bytes:
    """The body of `POST /v1/batch` for messages without their opening braces."""
    sent_at = _iso(int(time.time() * 1000))
    return b'{"batch":[{' + b",{".join(messages) + b'],"sentAt":"' + sent_at + b'","writeKey":"' + key.encode() + b'"}'


def single_body(message: bytes, key: str) -> bytes:
    """The body of `POST /v1/track` or `/v1/identify` for a message without its opening brace."""
    return b'{"sentAt":"' + _iso(int(time.time() * 1000)) + b'","writeKey":"' + key.encode() + b'",' + message


def single_path(message: bytes) -> str:
    """The door a message goes to when it is sent alone."""
    return "/v1/identify" if message.startswith(b'"type":"identify"') else "/v1/track"

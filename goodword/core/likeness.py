"""Likeness: whether two addresses look like one person's.

`same` is certain: the provider delivers both to one mailbox. `alike` is a suspicion that a person should look at: the names differ by what
people change to get a second address. What names have in common by chance is neither: `j.smith@` and `jane.smith@` are two people.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal

from goodword.core.mailbox import normalize

Likeness = Literal["same", "alike", ""]

_LOOKALIKES = {
    "2": "ᒿ",
    "6": "б",
    "8": "ȣ",
    "a": "ɑαаᗅꓮ",
    "b": "ᑲᖯᗷꓐ",
    "c": "сᴄⲥꓚꮯ",
    "d": "ԁᑯᗞᗪꓒꓓ",
    "e": "еҽⴹꓰꬲ",
    "f": "քᖴẝꓝꞙꬵ",
    "g": "ƍɡցᶃꓖ",
    "h": "һհᕼꓧ",
    "i": "ıɩɪιіӏꙇꭵ",
    "j": "ϳјᒍꓙ",
    "k": "κкᛕꓗ",
    "l": "ǀᒪᛁⵏꓡꓲ",
    "m": "мᗰᛖꓟ",
    "n": "ոռꓠ",
    "o": "οσоօଠഠဝჿዐᴏᴑⲟⵔꓳꬽ",
    "p": "ρрᑭⲣꓑ",
    "q": "ԛգզⵕ",
    "r": "гᖇᴦⲅꓣꭇꭈꮁ",
    "s": "ƽѕꓢꜱꮪ",
    "t": "тτꓔ",
    "u": "ʋυսሀᑌᴜꓴꞟꭎꭒ",
    "v": "νѵᐯᴠⴸꓦꛟꮩ",
    "w": "ɯѡԝաᴡꓪꮃ",
    "x": "хᕁᕽᚷⵝꓫ",
    "y": "ɣʏγуүყᶌỿꓬꭚ",
    "z": "ᴢꓜꮓ",
}
"""Letters of other scripts that look like one of ASCII (after the Unicode Consortium's table of confusables, the letters among them)."""
_FOLD = {ord(look): plain for plain, looks in _LOOKALIKES.items() for look in looks} | {ord(mark): None for mark in "._-"}
_LEET = str.maketrans("01", "ol")
_TAIL = re.compile(r"(?<![0-9])[0-9]{1,2}$")
_STEM_MIN = 3
_ELSEWHERE_MIN, _ELSEWHERE_TELLING_MIN = 8, 6
_NOBODYS = frozenset(
    "abuse account accounts accounting admin administrator advocate bestellung billing booking buyer career client compliance contact"
    " customer demo dev email enquiries enquiry example feedback finance friend guest hello help helpdesk hi hostmaster hr"
    " info information inquiries invoice invoices it job jobs kontakt legal mail mailbox marketing media member name newsletter noreply"
    " office order orders owner people person postmaster press privacy purchase receipts reception referrer sale sales security service"
    " shop shopper spam sponsor staff subscriber support team test tester testing user verkauf visitor webmaster welcome".split()
)
"""Names that say what an address is for, not whose it is: numbered or found at many domains, they tell nothing."""


def likeness(one: str, other: str) -> Likeness:
    """How alike two addresses are. Symmetric."""
    first, second = normalize(one), normalize(other)
    if first == second:
        return "same"
    name, _, domain = first.rpartition("@")
    other_name, _, other_domain = second.rpartition("@")
    if domain == other_domain or (not (first + second).isascii() and skeleton(domain) == skeleton(other_domain)):
        return "alike" if stem(name) == stem(other_name) else ""
    return "alike" if name == other_name and _tells_a_person(name) else ""


def look_alike(one: str, other: str) -> Likeness:
    """The same, but numbers at the end count: `friend1@` and `friend2@` are two people."""
    first, second = normalize(one), normalize(other)
    if first == second:
        return "same"
    name, _, domain = first.rpartition("@")
    other_name, _, other_domain = second.rpartition("@")
    return "alike" if domain == other_domain and skeleton(name) == skeleton(other_name) else ""


@lru_cache(maxsize=4096)
def token_of(email: str) -> str:
    """The same for all addresses that `look_alike`."""
    name, _, domain = normalize(email).rpartition("@")
    return f"{skeleton(name)}@{domain}"


def skeleton(text: str) -> str:
    """What a text looks like: without accents and separators, letters of other scripts as those of ASCII, zero as `o`. Idempotent."""
    if not text.isascii():
        text = "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(each))
    return text.translate(_FOLD).lower().translate(_LEET).replace("rn", "m").replace("vv", "w")


def stem(name: str) -> str:
    """The skeleton of a name without a short number at its end, unless little would be left, or nobody's name: `joe2` is `joe`."""
    bare = _TAIL.sub("", name)
    letters = skeleton(bare)
    return letters if len(letters) >= _STEM_MIN and letters not in _NOBODYS else skeleton(name)


def _tells_a_person(name: str) -> bool:
    """Whether the same name at another provider is likely the same person: long, or made of parts."""
    letters = skeleton(name)
    if letters in _NOBODYS:
        return False
    has_parts = any(mark in name for mark in "._-") or any(each.isdigit() for each in name)
    return len(letters) >= (_ELSEWHERE_TELLING_MIN if has_parts else _ELSEWHERE_MIN)

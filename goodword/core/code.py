"""Codes of share links: what one may look like, and how one is made of randomness that the caller brings.

The rules are those of domain 3.3. Codes are compared in any case, so they are ASCII: a letter of another alphabet that looks alike
would make a second code that people read as the first.
"""

from __future__ import annotations

import re

from goodword.core.decision import Outcome

CODE_CHARS_MIN, CODE_CHARS_MAX = 4, 50
PREFIX_CHARS_MAX = 20
RANDOM_BYTES = 16
ALPHABET = "23456789bcdfghjkmnpqrstvwxz"
"""No vowels, so that chance spells no words, and nothing that is misread for something else."""
SUFFIX_CHARS, BARE_CHARS = 9, 10
"""27 ** 9 is 42 bits: with a million codes given out, a guess finds one in seven million tries; look-ups that fail are limited."""

RESERVED = frozenset(
    "account admin administrator api billing goodword login logout moderator null official password root security settings staff support"
    " system undefined www".split()
)
"""Words that a code must not have between its dashes: they would speak for the brand or for the program itself."""
_OFFENSIVE = ("arschloch", "asshole", "faggot", "fuck", "motherf", "nigger", "wichser")
"""Offensive anywhere in a code: no name and no ordinary word has them in it."""
_OFFENSIVE_ALONE = frozenset(
    "bastard bitch bollocks cock cunt dick hitler hure nazi nigga penis porn pussy rape rapist retard scheisse sex shit slut tits vagina"
    " wanker whore".split()
)
"""Offensive by themselves only: names have them in them (Nazir, Yoshitaka)."""
_DIGITS = "0123456789"
_READ_AS = str.maketrans("0134578", "oieastb")
_LEGAL = re.compile(r"[A-Za-z0-9_-]*").fullmatch
_LEGAL_CODE = re.compile(rf"[A-Za-z0-9_-]{{{CODE_CHARS_MIN},{CODE_CHARS_MAX}}}").fullmatch


def is_code(text: str) -> bool:
    """Whether a text could be a code at all: what cannot need not be looked for."""
    return _LEGAL_CODE(text) is not None


def check(code: str) -> Outcome | None:
    """Why a wanted code is refused, or None."""
    if not _LEGAL(code):
        return _refused("code_illegal_character", "A code has only letters A to Z, digits, dashes and underscores.")
    if not CODE_CHARS_MIN <= len(code) <= CODE_CHARS_MAX:
        return _refused("code_out_of_range", f"A code has {CODE_CHARS_MIN} to {CODE_CHARS_MAX} characters.")
    if has_reserved_word(code):
        return _refused("code_contains_reserved_word", "The code has a word in it that codes must not have. Choose another.")
    return None


def has_reserved_word(code: str) -> bool:
    """Whether a code has a reserved or an offensive word in it, numbered or not, digits also read as the letters they stand for."""
    folded = code.casefold()
    for read in (folded, folded.translate(_READ_AS)):
        words = re.split("[-_]", read)
        whole = "".join(words)
        bare = [word.strip(_DIGITS) for word in (*words, whole)]
        if not (RESERVED | _OFFENSIVE_ALONE).isdisjoint((*words, whole, *bare)) or any(word in whole for word in _OFFENSIVE):
            return True
    return False


def generate(randomness: bytes, prefixes: tuple[str, ...] = ()) -> str:
    """A code of RANDOM_BYTES of randomness, after the first of the prefixes (ASCII) that a code may begin with."""
    number = int.from_bytes(randomness, "big")
    prefix = next((found for each in prefixes if (found := as_prefix(each))), "")
    suffix = []
    for _ in range(SUFFIX_CHARS if prefix else BARE_CHARS):
        number, place = divmod(number, len(ALPHABET))
        suffix.append(ALPHABET[place])
    drawn = "".join(suffix)
    return f"{prefix}-{drawn}" if prefix else drawn


def as_prefix(text: str) -> str:
    """A text as the beginning of a code: lower case, what codes cannot have left out; empty when nothing usable is left."""
    kept = re.sub(r"[^a-z0-9]+", "-", text.casefold())[:PREFIX_CHARS_MAX].strip("-")
    return "" if has_reserved_word(kept) else kept


def _refused(code: str, reason: str) -> Outcome:
    return Outcome("refused", code=code, reason=reason)

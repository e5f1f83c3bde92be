"""How rules say what they found."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from goodword.core.reward import Passed


@lru_cache(maxsize=256)
def passes(rule: str, why: str = "") -> Passed:
    """Nothing speaks against it."""
    return Passed(rule, "PASS", why)


@lru_cache(maxsize=256)
def unknown(rule: str, why: str) -> Passed:
    """The data to tell is missing, which does not fail."""
    return Passed(rule, "UNKNOWN", why)


@lru_cache(maxsize=512)
def objects(action: Literal["refuse", "review", "off"], rule: str, why: str) -> Passed:
    """Something speaks against it: refused, or looked at by a person, as the campaign says. `why` names nobody."""
    return Passed(rule, "FAIL" if action == "refuse" else "REVIEW", why)

"""Patterns that people write into campaigns, matched in time that grows with the text alone.

The standard library's engine backtracks: `(a+)+$` takes it minutes over forty letters, and anyone can send forty letters about themselves.
RE2 never does; what it cannot do (looking around, references back) is no pattern here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_NOT_MATCHED = (re2.error, UnicodeEncodeError)
"""What is raised for a pattern that is none, and for text with half a character in it."""


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, _OPTIONS)


def is_pattern(text: str) -> bool:
    """Whether a text is a regular expression as RE2 has them."""
    try:
        _compiled(text)
    except _NOT_MATCHED:
        return False
    return True


def finds(pattern: str, text: str) -> bool | None:
    """Whether the pattern is found somewhere in the text; None where one of the two cannot be read."""
    try:
        return _compiled(pattern).search(text) is not None
    except _NOT_MATCHED:
        return None

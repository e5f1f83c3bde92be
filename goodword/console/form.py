"""A form as it was sent: its texts, cleaned, and what is wrong with them, said beside the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

Choice = TypeVar("Choice", bound=str)

CHARS_MAX = 200
FIELDS_MAX = 5_000
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Form:
    """Values by name, and errors by name. Nothing is believed: every text is bounded and without control characters."""

    def __init__(self, values: Mapping[str, Iterable[str]] | None = None) -> None:
        self._values = {name: list(given) for name, given in (values or {}).items()}
        self.errors: dict[str, str] = {}

    @classmethod
    def read(cls, body: bytes) -> Form:
        """A urlencoded body. Errors: ValueError for more fields than a form of ours has."""
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX):
            found.setdefault(name, []).append(value)
        return cls(found)

    @classmethod
    def of(cls, **values: str) -> Form:
        """A form to be shown filled in."""
        return cls({name: [value] for name, value in values.items()})

    def value(self, name: str) -> str:
        """A field as it was sent, to be shown again; "" when it was not."""
        given = self._values.get(name)
        return given[-1] if given else ""

    def has(self, name: str) -> bool:
        """Whether a field was sent at all; a box that is not ticked is not."""
        return name in self._values

    def many(self, name: str) -> list[str]:
        """All values of a field that may be there more than once."""
        return [_clean(value) for value in self._values.get(name, [])]

    def is_checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self._values.get(name))

    def text(self, name: str, *, needs: str = "", chars_max: int = CHARS_MAX) -> str:
        """A field's text on one line. With `needs`, an empty one is wrong and this says so."""
        text = _clean(self.value(name))
        if not text and needs:
            self.wrong(name, needs)
        elif len(text) > chars_max:
            self.wrong(name, f"This is longer than {chars_max} characters.")
            text = text[:chars_max]
        return text

    def lines(self, name: str) -> str:
        """A field's text with its lines, as a document is written."""
        return self.value(name).replace("\r\n", "\n").replace("\0", "")

    def choice(self, name: str, choices: Iterable[Choice]) -> Choice:
        """One of several values. Anything else is wrong."""
        value, known = self.value(name), tuple(choices)
        found = next((choice for choice in known if choice == value), None)
        if found is None:
            self.wrong(name, "Choose one of these.")
        return known[0] if found is None else found

    def wrong(self, name: str, sentence: str) -> None:
        """Say what is wrong with a field, and how to mend it. The first thing said stands."""
        self.errors.setdefault(name, sentence)

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.errors


def _clean(text: str) -> str:
    return _CONTROLS.sub("", text).strip()

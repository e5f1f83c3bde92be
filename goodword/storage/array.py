"""Lists as one parameter of a statement on PostgreSQL, in its binary format: packed at once, not value by value."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, pack
from typing import Any, cast

from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct(">iiIii")  # dimensions, has nulls, type of the elements, how many, first index
_LENGTH = Struct(">i").pack
_NULL = b"\xff\xff\xff\xff"
NUL, NUL_WRITTEN = "\x00", "\u2400"
"""PostgreSQL's texts cannot hold the character NUL; its picture is stored, and looked for, in its place."""


class Array:
    """A packed list."""

    __slots__ = ("data",)
    element = 0

    def __init__(self, count: int, has_null: bool, items: bytes) -> None:
        self.data = _HEADER.pack(1, has_null, self.element, count, 1) + items if count else _HEADER.pack(0, 0, self.element, 0, 0)[:12]


class Ints(Array):
    """bigint[]"""

    __slots__ = ()
    element = 20

    def __init__(self, values: Sequence[int | None]) -> None:
        count, has_null = len(values), None in values
        if has_null:
            super().__init__(count, True, b"".join([_NULL if value is None else pack(">iq", 8, value) for value in values]))
            return
        flat: list[Any] = [8] * (2 * count)
        flat[1::2] = values
        super().__init__(count, False, pack(">" + "iq" * count, *flat))


def _packed(values: Sequence[bytes | None]) -> bytes:
    """Each with its length before it. Hashes are of one length, which is written once then."""
    if values and None not in values and len(lengths := set(map(len, cast("Sequence[bytes]", values)))) == 1:
        head = _LENGTH(lengths.pop())
        return head + head.join(cast("Sequence[bytes]", values))
    return b"".join([_NULL if value is None else _LENGTH(len(value)) + value for value in values])


class Blobs(Array):
    """bytea[]"""

    __slots__ = ()
    element = 17

    def __init__(self, values: Sequence[bytes | None]) -> None:
        super().__init__(len(values), None in values, _packed(values))


class Texts(Array):
    """text[]"""

    __slots__ = ()
    element = 25

    def __init__(self, values: Sequence[str | None]) -> None:
        encoded = [None if value is None else value.replace(NUL, NUL_WRITTEN).encode() for value in values]
        super().__init__(len(values), None in values, _packed(encoded))


KINDS: dict[str, type[Ints | Blobs | Texts]] = {"bigint": Ints, "bytea": Blobs, "text": Texts}


class _Packed(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        """Is packed already."""
        return obj.data


class IntsDumper(_Packed):
    """Ints as bigint[]."""

    oid = 1016


class BlobsDumper(_Packed):
    """Blobs as bytea[]."""

    oid = 1001


class TextsDumper(_Packed):
    """Texts as text[]."""

    oid = 1009

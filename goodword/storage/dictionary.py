"""Compression of bodies: dictionaries that come with the program, and those that an installation learns from its own messages.

A learned dictionary holds what the messages of many people have in common, and nothing else: before it is made, whatever fewer than
PEOPLE_SHARING of the sampled people share is overwritten with noise, a piece of a text or a number at a time. It is stored
sealed all the same. Each body says which dictionary it needs.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING

import zstandard

from goodword.storage.cipher import Unreadable
from goodword.storage.keyfile import KeyStoreError

if TYPE_CHECKING:
    from goodword.storage.store import Store

BODY_BYTES_MAX = 1 << 20
NUMBER_MAX = 100
DICTIONARY_BYTES = 16 * 1024
PEOPLE_SHARING = 20
PEOPLE_MIN, PEOPLE_MAX = 200, 2_000
FIRST_AT, AGAIN_AFTER = 5_000, 8  # messages; how many times as many until the next one
ROWS_READ_MAX = 20_000
SAMPLE_BYTES_MAX = 4_096
SHRINKS_TO = 0.95
SLICE_ROWS, SLICE_SAMPLES = 100, 5
_LEVEL = 1
_NUMBERED = 0x80  # plus the number of its dictionary: a body's first byte. The first bodies' is 0x28, of zstd's magic number.
_PIECES_MAX = 8

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
_EDGE = re.compile(rb"[^0-9A-Za-z\x80-\xff]+")
_DIGITS, _HEX, _LOWER, _UPPER = b"0123456789", b"abcdef", b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NOISE = [next((kind for kind in (_DIGITS, _LOWER, _UPPER) if code in kind), b"e" if code > 127 else bytes([code])) for code in range(256)]


class Bodies:
    """Packs bodies with the newest dictionary and unpacks them with the one they name. `find` looks a learned one up by its number."""

    def __init__(self) -> None:
        self.find: Callable[[int], bytes | None] = lambda _number: None
        self._unpack: dict[int, Callable[..., bytes]] = {}
        self._one_at_a_time = threading.Lock()
        self.pack_plainly, self._unpack_plainly = _pair(zstandard.ZstdCompressionDict(_file("bodies.dict")), zstandard.FORMAT_ZSTD1)
        self.use(0, _file("bodies-2.dict"))

    def use(self, number: int, dictionary: bytes) -> None:
        """Pack with this dictionary from now on. Number 0 comes with the program, the others are learned."""
        self._compress, self._unpack[number] = _pair(zstandard.ZstdCompressionDict(dictionary), zstandard.FORMAT_ZSTD1_MAGICLESS)
        self.number, self._prefix = number, bytes([_NUMBERED | number])

    def pack(self, body: bytes) -> bytes:
        """A body, compressed."""
        return self._prefix + self._compress(body)

    def unpack(self, packed: bytes, bytes_max: int = BODY_BYTES_MAX) -> bytes:
        """What `pack` or `pack_plainly` was given. Errors: cipher.Unreadable."""
        with self._one_at_a_time:  # a query's thread and a group's: zstd's contexts are for one
            return self._unpacked(packed, bytes_max)

    def _unpacked(self, packed: bytes, bytes_max: int) -> bytes:
        number = packed[0] - _NUMBERED if packed else -1
        if number < 0:
            return self._unpack_plainly(packed, max_output_size=bytes_max)
        unpack = self._unpack.get(number)
        if unpack is None:
            found = self.find(number)
            if found is None:
                raise Unreadable
            _, unpack = _pair(zstandard.ZstdCompressionDict(found), zstandard.FORMAT_ZSTD1_MAGICLESS, packs=False)
            self._unpack[number] = unpack
        return unpack(packed[1:], max_output_size=bytes_max)


def _file(name: str) -> bytes:
    return resources.files("goodword.storage").joinpath(name).read_bytes()


def _pair(
    dictionary: zstandard.ZstdCompressionDict, format: int, *, packs: bool = True
) -> tuple[Callable[[bytes], bytes], Callable[..., bytes]]:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, write_content_size=False, write_checksum=False, write_dict_id=False, format=format
    )
    if packs:
        dictionary.precompute_compress(level=_LEVEL)
    compress = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress
    return compress, zstandard.ZstdDecompressor(dict_data=dictionary, format=format).decompress


def is_due(arrival: int, learned_at: int) -> bool:
    """Whether enough messages have come since the last dictionary."""
    return arrival >= max(FIRST_AT, AGAIN_AFTER * learned_at)


def learn(store: Store) -> Iterator[None]:
    """Learn a dictionary from the newest messages and use it, if it is better; a slice of the work a step. Errors: DatabaseError."""
    bodies = store.sealer.bodies
    arrival = store.last_arrival
    if not is_due(arrival, store.learned_at) or bodies.number >= NUMBER_MAX:
        return
    store.learned_at = arrival
    samples: list[bytes] = []
    for found in _samples(store):
        samples.extend(found)
        yield
    if len(samples) < PEOPLE_MIN:
        return
    masked: list[bytes] = []
    for one in mask(samples):
        masked.extend(one)
        yield
    made: list[bytes] = []
    thread = threading.Thread(target=lambda: made.extend(_train(masked)), name="dictionary", daemon=True)
    thread.start()
    while thread.is_alive():
        yield
    if not made:
        return
    compress, _ = _pair(zstandard.ZstdCompressionDict(made[0]), zstandard.FORMAT_ZSTD1_MAGICLESS)
    judges = samples[:200]
    if sum(len(compress(body)) for body in judges) < SHRINKS_TO * sum(len(bodies.pack(body)) for body in judges):
        keep(store, bodies.number + 1, made[0])
    masked.clear()
    samples.clear()


def find(store: Store, number: int) -> bytes | None:
    """A learned dictionary by its number."""
    rows = store.database.read("SELECT bytes FROM dictionary WHERE number = ?", (number,))
    return store.sealer.open_dictionary(rows[0][0]) if rows else None


def keep(store: Store, number: int, learned: bytes) -> None:
    """Store a learned dictionary, and pack bodies with it from now on. On an error all stays as it was. Errors: DatabaseError."""
    with store.transaction():
        row = (number, store.last_arrival, store.sealer.seal_dictionary(learned))
        store.database.write("INSERT INTO dictionary VALUES (?, ?, ?)", row)
    store.sealer.bodies.use(number, learned)


def _samples(store: Store) -> Iterator[list[bytes]]:
    """Of the newest messages, one of each person: what several of these share, several people share."""
    people: set[int] = set()
    before, left = store.last_arrival + 1, ROWS_READ_MAX
    while left > 0 and len(people) < PEOPLE_MAX:
        sql = "SELECT arrival, profile_id, body FROM event WHERE arrival < ? ORDER BY arrival DESC LIMIT ?"
        rows = store.database.read(sql, (before, SLICE_ROWS))
        if not rows:
            return
        before, left = rows[-1][0], left - len(rows)
        found = []
        for _, number, sealed in rows:
            with suppress(Unreadable, KeyStoreError, zstandard.ZstdError):  # `goodword verify` says what is damaged
                key = store.keys.key(number) if sealed and number not in people else None
                if key is not None:
                    found.append(store.sealer.open_body(key, sealed)[:SAMPLE_BYTES_MAX])
                    people.add(number)
        yield found


def mask(samples: list[bytes]) -> Iterator[list[bytes]]:
    """The samples, each of another person, with noise for what fewer than PEOPLE_SHARING of them have in common."""
    shared: Counter[bytes] = Counter()
    for start in range(0, len(samples), SLICE_SAMPLES):
        for sample in samples[start : start + SLICE_SAMPLES]:
            shared.update({piece for token in _TOKEN.findall(sample) for piece in _pieces(token)})
        if start % 250 == 0:  # what is rare is rather forgotten than remembered
            shared = Counter({piece: count for piece, count in shared.items() if count > 1})
        yield []
    common = {piece for piece, count in shared.items() if count >= PEOPLE_SHARING}
    for start in range(0, len(samples), SLICE_SAMPLES):
        some = samples[start : start + SLICE_SAMPLES]
        yield [_TOKEN.sub(lambda found: _masked(found[0], common), sample) for sample in some]


def _pieces(token: bytes) -> list[bytes]:
    """What a token may be known by: the whole, its beginnings and its ends, cut between words."""
    if not token.startswith(b'"'):
        return [b"=" + token]
    edges = [found.span() for found in _EDGE.finditer(token, 1, len(token) - 1)]
    beginnings = [b"<" + token[:end] for _, end in edges[:_PIECES_MAX]]
    return [b"=" + token, *beginnings, *(b">" + token[start:] for start, _ in edges[-_PIECES_MAX:])]


def _masked(token: bytes, common: set[bytes]) -> bytes:
    """A token with noise for what is not common; punctuation stays."""
    if b"=" + token in common:
        return token
    if not token.startswith(b'"'):
        return _noise(token)
    known = [piece for piece in _pieces(token) if piece in common]
    start = max((len(piece) - 1 for piece in known if piece.startswith(b"<")), default=1)
    end = len(token) - max((len(piece) - 1 for piece in known if piece.startswith(b">")), default=1)
    return token[:start] + _noise(token[start:end]) + token[end:] if start < end else token[:1] + _noise(token[1:-1]) + token[-1:]


def _noise(text: bytes) -> bytes:
    """As long, of the same kinds of characters, and nothing of the text."""
    kinds = _NOISE
    if not text.strip(b"0123456789abcdef-"):
        kinds = [_HEX if kind is _LOWER else kind for kind in _NOISE]
    return bytes([(kind := kinds[code])[drawn % len(kind)] for code, drawn in zip(text, os.urandom(len(text)), strict=True)])


def _train(samples: list[bytes]) -> list[bytes]:
    """A dictionary of what the samples repeat, if they repeat anything."""
    try:
        return [zstandard.train_dictionary(DICTIONARY_BYTES, list(samples)).as_bytes()]
    except zstandard.ZstdError:
        return []

"""Passwords and second factors: argon2 hashes, time-based codes, and the brake on guessing."""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from goodword.core.times import Millis

CHARS_MIN, CHARS_MAX = 10, 200
STEP_S = 30
BY_EMAIL, BY_PLACE = "e:", "i:"
FREE_TRIES = {BY_EMAIL: 5, BY_PLACE: 30}
"""How many wrong tries cost no time. Many people may share a place; an e-mail address is one person's."""
WAIT_MS, WAIT_MS_MAX, DOUBLINGS_MAX = 2_000, 15 * 60_000, 20
REMEMBERED_MAX = 10_000
AT_ONCE = 2

_hasher = PasswordHasher()
_nobody = ""


def password_problem(password: str, email: str = "") -> str:
    """What is wrong with a new password; "" when nothing is. Length counts, not the kinds of characters (NIST SP 800-63B)."""
    if len(password) < CHARS_MIN:
        return f"Use at least {CHARS_MIN} characters. A few words in a row are easy to remember."
    if len(password) > CHARS_MAX:
        return f"Use at most {CHARS_MAX} characters."
    if len(set(password)) < 4 or (email and password.casefold() in (email.casefold(), email.casefold().partition("@")[0])):
        return "This is too easy to guess."
    return ""


class Passwords:
    """Hashes and compares in threads, few at a time: each takes some 50 ms and 64 MiB."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """The argon2id hash of a new password."""
        async with self._turn:
            return await asyncio.to_thread(_hasher.hash, password)

    async def matches(self, hash: str, password: str) -> bool:
        """Whether a password is the one that was hashed. Without a hash it takes as long, and is not: nobody learns who has an account."""
        async with self._turn:
            return await asyncio.to_thread(_matches, hash, password[:CHARS_MAX])


def _matches(hash: str, password: str) -> bool:
    global _nobody
    if not hash:
        _nobody = _nobody or _hasher.hash("nobody's")
    try:
        _hasher.verify(hash or _nobody, password)
    except (VerificationError, InvalidHashError):
        return False
    return bool(hash)


def step_of_code(secret: str, code: str, now: Millis) -> int:
    """The time step that a second factor's code belongs to, one before and after now included; 0 when it is wrong (RFC 6238)."""
    digits = "".join(char for char in code if char.isdigit())
    for step in (now // 1000 // STEP_S + near for near in (0, -1, 1)):
        if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step), digits):
            return step
    return 0


class Brake:
    """Slows guessing down: after a few failures about one name each further one makes it wait twice as long."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, Millis]] = OrderedDict()

    def wait_ms(self, names: tuple[str, ...], now: Millis) -> int:
        """How long to wait before the next try is looked at."""
        return max(0, *(self._until(name) - now for name in names if name), 0)

    def failed(self, names: tuple[str, ...], now: Millis) -> None:
        """A try went wrong: by this address, by this place."""
        for name in filter(None, names):
            self._failures[name] = (self._failures.get(name, (0, 0))[0] + 1, now)
            self._failures.move_to_end(name)
        while len(self._failures) > REMEMBERED_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, names: tuple[str, ...]) -> None:
        """A try went right."""
        for name in names:
            self._failures.pop(name, None)

    def _until(self, name: str) -> Millis:
        count, last = self._failures.get(name, (0, 0))
        over = count - FREE_TRIES[name[:2]]
        return last + min(WAIT_MS << min(over, DOUBLINGS_MAX), WAIT_MS_MAX) if over >= 0 else 0

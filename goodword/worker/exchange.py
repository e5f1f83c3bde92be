"""What came of a call to a receiver. Apart from what makes the call, whose libraries load only when there is somebody to call."""

from __future__ import annotations

from msgspec import Struct, field


class Exchange(Struct, frozen=True):
    """What came of a call: a status, or an error's name. `is_cut`: of the body only the beginning was read."""

    millis: int
    status: int | None = None
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    is_cut: bool = False

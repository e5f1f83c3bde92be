"""What is said to an endpoint, sealed with the keys of both people it names: destroying either key makes it unreadable (law 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from goodword.storage.store import Store

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def seal_for(store: Store, profile_id: int | None, other_id: int | None, value: Any) -> bytes | None:
    """JSON for storing. With nobody to seal it for, the account's secret does. None when one of the keys was destroyed."""
    sealed = _encode(value)
    for key in _keys(store, profile_id, other_id):
        if key is None:
            return None
        sealed = store.sealer.seal_body(key, sealed)
    return sealed


def open_for(store: Store, profile_id: int | None, other_id: int | None, sealed: bytes) -> Any:
    """What `seal_for` was given; None when one of the keys was destroyed. Errors: cipher.Unreadable, of damaged data."""
    for key in reversed(_keys(store, profile_id, other_id)):
        if key is None:
            return None
        sealed = store.sealer.open_body(key, sealed)
    return _decode(sealed)


def _keys(store: Store, *numbers: int | None) -> list[bytes | None]:
    people = [store.keys.key(number) for number in numbers if number]
    return people or [store.sealer.account_secret]

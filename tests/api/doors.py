"""A server with the keys of both message doors, and what is stored of what they took."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

from goodword.core.profile import Profile
from goodword.storage.store import Store
from tests.running import Server, stored_hashes


class Doors(NamedTuple):
    """A server and its keys."""

    server: Server
    data: Path
    key: str
    browser: str
    signed: str

    def hashed(self, message_id: str) -> int:
        """How often a message id is stored."""
        with Store(self.data, readonly=True) as store:
            return stored_hashes(store, 1, [message_id])[message_id]

    def event(self, message_id: str) -> dict[str, Any]:
        """The stored row of a message."""
        with Store(self.data, readonly=True) as store:
            hash16 = store.sealer.hash(1, "m" + message_id)
            found = store.database.read("SELECT name, at, received_at, flags, amount, profile_id FROM event WHERE hash = ?", (hash16,))
        assert len(found) == 1
        return dict(zip(("name", "at", "received_at", "flags", "amount", "profile_id"), found[0], strict=True))

    def profile(self, key: str) -> Profile | None:
        """The profile that owns an identity key."""
        with Store(self.data, readonly=True) as store:
            owned = store.database.read("SELECT profile_id FROM identity WHERE account_id = 1 AND key = ?", (store.sealer.hash(1, key),))
            if not owned or owned[0][0] is None:
                return None
            data_key = store.keys.key(owned[0][0])
            assert data_key is not None
            return store.sealer.open_profile(data_key, store.database.read("SELECT doc FROM profile WHERE id = ?", owned[0])[0][0])


def track(name: str, **fields: Any) -> dict[str, Any]:
    """A message whose id is its name."""
    return {"type": "track", "event": "seen", "userId": f"u {name}", "messageId": name, **fields}


def as_json(said: object) -> bytes:
    """A body."""
    return json.dumps(said).encode()


def encoded(text: str) -> str:
    """Base64, as headers hold it."""
    return base64.b64encode(text.encode()).decode()

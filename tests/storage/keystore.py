"""A key store for the tests of it, and what they do to it."""

import subprocess
import sys
from pathlib import Path

from goodword.storage.keys import (
    KeyStore,
    Tombstone,
)

MASTER, OTHER = bytes(range(32)), bytes(range(1, 33))
ROOT = Path(__file__).parents[2]


def open_store(directory: Path, readonly: bool = False) -> KeyStore:
    return KeyStore.open(directory, master=MASTER, readonly=readonly)


def tombstone(profile_id: int, deleted_at: int = 1000) -> Tombstone:
    return Tombstone(7, profile_id.to_bytes(16), profile_id, deleted_at, False)


def destroy(store: KeyStore, *profile_ids: int, deleted_at: int = 1000) -> None:
    store.destroy(profile_ids, [tombstone(n, deleted_at) for n in profile_ids])


def hand_out(store: KeyStore, count: int = 10) -> int:
    return [store.next_profile_id() for _ in range(count)][-1]


def all_bytes(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


def run(script: str, *args: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, check=check, capture_output=True, text=True, timeout=60)

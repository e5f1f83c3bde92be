"""A data folder is one process's at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_FILE = "lock"


class Busy(Exception):
    """Another Goodword uses this data folder. Stop it first, or choose another folder with --data."""


def lock(directory: Path) -> int:
    """Hold a folder's lock until the descriptor is closed. Errors: Busy when a server or another command has it; OSError."""
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Busy from None
    return descriptor

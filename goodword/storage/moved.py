"""The mark of a folder whose installation went to PostgreSQL (`move.py`), and what is said to who opens either place at the wrong time."""

from __future__ import annotations

import os
from pathlib import Path

from goodword.storage import keyfile

MOVED_FILE = "MOVED"


class Moved(Exception):
    """This installation was moved to PostgreSQL, and goes on there."""

    def __init__(self, marker: Path) -> None:
        where = marker.read_text().strip()
        super().__init__(f"This installation was moved to {where}. To go on here, without what came there since, remove {marker}.")


class Moving(Exception):
    """A move into this database is not finished. Run `goodword migrate-store` again, which goes on where it was."""


def check(folder: Path) -> None:
    """Errors: Moved."""
    if (folder / MOVED_FILE).exists():
        raise Moved(folder / MOVED_FILE)


def mark(folder: Path, where: str) -> None:
    """Say durably in a folder where its installation is now, so that no server starts on it."""
    path = folder / MOVED_FILE
    if not path.exists():
        new = keyfile.new_path(path)
        new.unlink(missing_ok=True)
        keyfile.create_file(new, f"{where}\n".encode())
        os.replace(new, path)
    keyfile.fsync_directory(folder)

"""A dry run in a process of its own, so that judging a year of events holds up nobody: a document comes in, lines of JSON go out.

`python -m goodword.console.campaign.trial_process FOLDER ACCOUNT DAYS`. Lines are `{"done": people, "of": people}`, then `{"found": ...}`,
or `{"failed": why}`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from goodword.core.campaign import Document
from goodword.core.rehearsal import as_json
from goodword.engine import wall_clock_ms
from goodword.opening import open_store
from goodword.storage.query.rehearsal import rehearse


def say(**said: object) -> None:
    """A line to the console."""
    sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
    sys.stdout.flush()


def main(folder: str, account: str, days: str) -> None:
    """Judge, and say how far it is."""
    document = msgspec.json.decode(sys.stdin.buffer.read(), type=Document)
    store = open_store(Path(folder), readonly=True)
    try:
        found = rehearse(store, int(account), document, int(days), wall_clock_ms(), lambda done, of: say(done=done, of=of))
        say(found=as_json(found, document, int(days)))
    except Exception as error:
        say(failed=type(error).__name__)
        raise
    finally:
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

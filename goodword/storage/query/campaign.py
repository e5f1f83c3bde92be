"""Campaigns and their versions, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from goodword.core.account import Settings
from goodword.core.campaign import Campaign
from goodword.core.campaign_check import Known
from goodword.core.deciding.campaign import summary
from goodword.core.reward import BUILT_IN
from goodword.core.times import Millis, write_time
from goodword.storage.store import Store


class VersionLine(Struct, frozen=True):
    """A saved version without its document. `published_at`: when it was last put in force, None if never."""

    number: int
    at: Millis
    author: str
    note: str
    published_at: Millis | None


def campaigns(store: Store, account: int) -> list[Campaign]:
    """An account's campaigns, by id."""
    programs = store.programs.get(account)
    return [programs.campaigns[id] for id in sorted(programs.campaigns)] if programs is not None else []


def campaign(store: Store, account: int, id: str) -> Campaign | None:
    """One of them."""
    programs = store.programs.get(account)
    return programs.campaigns.get(id) if programs is not None else None


def versions(store: Store, account: int, found: Campaign) -> list[VersionLine]:
    """A campaign's versions, newest first."""
    rows = store.database.read(
        "SELECT number, at, author, note FROM campaign_version WHERE account_id = ? AND campaign_id = ? ORDER BY number DESC",
        (account, found.id),
    )
    since = {mark.version: mark.at for before, mark in _changes(found) if before != mark.version}
    return [VersionLine(number, at, author, note, since.get(number)) for number, at, author, note in rows]


def _changes(found: Campaign) -> Sequence[tuple[int, Any]]:
    before = [0, *(mark.version for mark in found.history)]
    return list(zip(before, found.history, strict=False))


def known(store: Store, account: int) -> Known:
    """What the account's documents are checked against."""
    settings = store.accounts[account].settings if account in store.accounts else Settings()
    return Known(store.suppliers.get(account, BUILT_IN), settings)


def as_json(found: Campaign, now: Millis) -> dict[str, Any]:
    """A campaign for programs, without its document."""
    return summary(found, now)


def history_as_json(found: Campaign) -> list[dict[str, Any]]:
    """Its states, oldest first, those to come included."""
    return [
        {"at": write_time(mark.at), "state": mark.state, "version": mark.version, "scheduled": mark.is_scheduled, "by": mark.by}
        for mark in found.history
    ]


def version_as_json(line: VersionLine) -> dict[str, Any]:
    """A version for programs."""
    return {
        "version": line.number,
        "created_date": write_time(line.at),
        "author": line.author,
        "note": line.note,
        "published_date": write_time(line.published_at) if line.published_at is not None else None,
    }

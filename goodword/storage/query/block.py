"""Block lists, for whoever must show them, and what they say of a value."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct

from goodword.core.block import INSTALLATION, BlockEntry, Blocks, FilterType, Listed, ListType, kind_of
from goodword.core.mailbox import normalize
from goodword.core.profile import read_email
from goodword.core.times import Millis
from goodword.storage.load_block import listed_email
from goodword.storage.store import Store


class ListedEntry(Struct, frozen=True):
    """An entry as it is stored. Of an e-mail address only its keyed hash is, so `value` is empty."""

    id: str
    list_type: ListType
    filter_type: FilterType
    value: str
    note: str
    created_at: Millis
    is_global: bool


def entry_id(entry: BlockEntry) -> str:
    """What an entry, as stored, is called."""
    return blake2b(f"{entry.list_type}\0{entry.value}".encode(), digest_size=12).hexdigest()


def entries(store: Store, account: int) -> list[ListedEntry]:
    """An account's entries, newest first. What blocked people are known again by is none of them."""
    found = [
        ListedEntry(
            entry_id(entry),
            entry.list_type,
            entry.filter_type,
            "" if entry.list_type == "NORMALIZED_EMAIL" else entry.value,
            entry.note,
            entry.created_at,
            account == INSTALLATION,
        )
        for entry in store.blocks.get(account, ())
        if entry.list_type != "BLOCKED_PERSON"
    ]
    return sorted(found, key=lambda entry: (-entry.created_at, entry.id))


def look_up(store: Store, account: int, value: str, list_type: ListType | None = None) -> Listed:
    """What the lists say of a value: a mailbox, and if it is not listed its domain; a domain; an IP address; a user agent."""
    kind = list_type or kind_of(value)
    blocks = store.block_lists.get(account) or Blocks()
    match kind:
        case "NORMALIZED_EMAIL":
            mailbox = normalize(read_email(value) or value)
            said, _ = listed_email(store, account, mailbox)
            return blocks.of_domain(mailbox) if said == "NOT_LISTED" else said
        case "EMAIL_DOMAIN":
            return blocks.of_domain(value)
        case "CIDR":
            return blocks.of_address(value.strip().partition("/")[0])
        case _:
            return blocks.of_agent(value)

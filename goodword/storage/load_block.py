"""Block lists, held in memory. Of addresses and of blocked people only keyed hashes are there, so looking one up takes hashing it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from goodword.core.block import INSTALLATION, BlockEntry, Blocks, Listed, Lists, marks_of
from goodword.core.mailbox import emails_of, normalize
from goodword.core.profile import IdentityKey, Profile
from goodword.core.quality import Reference
from goodword.core.times import Millis

if TYPE_CHECKING:
    from goodword.storage.store import Store


def load_blocks(store: Store) -> None:
    """Read all entries anew."""
    found: dict[int, list[BlockEntry]] = defaultdict(list)
    for account, *entry in store.database.load("SELECT account_id, list_type, filter_type, value, note, created_at FROM block"):
        list_type, filter_type, value, note, created_at = entry
        found[account].append(BlockEntry(list_type, filter_type, value, store.sealer.open_secret(note), created_at))
    lists = {account: Lists.of(entries) for account, entries in found.items()}
    everywhere = lists.get(INSTALLATION, Lists())
    store.blocks = dict(found)
    store.block_lists = {account: Blocks(lists.get(account, Lists()), everywhere) for account in (*store.accounts, INSTALLATION)}
    store.references = {account: _reference(store, store.block_lists[account]) for account in store.accounts}


def _reference(store: Store, blocks: Blocks) -> Reference:
    domains = {**blocks.installation.domains, **blocks.own.domains}
    since = {**blocks.installation.since, **blocks.own.since}

    def of(way: str) -> frozenset[str]:
        return frozenset(domain for domain, said in domains.items() if said == way)

    black = of("BLACK")
    return Reference(store.disposable_domains, black, of("WHITE"), since={domain: since[domain] for domain in black})


def stored_value(store: Store, account: int, entry: BlockEntry) -> str:
    """An entry's value as it is stored: of what names somebody, the keyed hash."""
    match entry.list_type:
        case _ if entry.is_stored:
            return entry.value
        case "NORMALIZED_EMAIL":
            return store.sealer.hash(account, "n" + entry.value).hex()
        case "BLOCKED_PERSON":
            return store.sealer.hash(account, "b" + entry.value).hex()
        case _:
            return entry.value


def listed_email(store: Store, account: int, mailbox: str) -> tuple[Listed, Millis]:
    """What the lists say of a mailbox: the account's own first, then the installation's; and since when it is blocked."""
    blocks = store.block_lists.get(account) or Blocks()
    if blocks.is_empty:
        return "NOT_LISTED", 0
    for lists, whose in ((blocks.own, account), (blocks.installation, INSTALLATION)):
        hashed = store.sealer.hash(whose, "n" + mailbox).hex()
        if (said := lists.of_email(hashed)) != "NOT_LISTED":
            return said, lists.since.get(hashed, 0)
    return "NOT_LISTED", 0


def reference_for(
    store: Store, account: int, profiles: Iterable[Profile], emails: Iterable[str], devices: Iterable[IdentityKey]
) -> Reference | None:
    """The account's reference with what its lists say of these people, and of addresses and devices that messages bring; None where
    that is nothing."""
    blocks = store.block_lists.get(account)
    if blocks is None or (blocks.is_empty and not blocks.own.people):
        return None
    people = list(profiles)
    mailboxes = {normalize(email) for email in (*emails, *(email for profile in people for email in emails_of(profile)))}
    listed: dict[str, Literal["BLACK", "WHITE"]] = {}
    marks: set[str] = set()
    since: dict[str, Millis] = {}
    for mailbox in mailboxes:
        said, since_when = listed_email(store, account, mailbox)
        if said != "NOT_LISTED":
            listed[mailbox] = "BLACK" if said == "BLACKLISTED" else "WHITE"
            since[mailbox] = since_when
    if blocks.own.people:
        wanted = {*devices, *("n" + mailbox for mailbox in mailboxes), *(mark for profile in people for mark in marks_of(profile))}
        hashed = {mark: store.sealer.hash(account, "b" + mark).hex() for mark in wanted}
        marks = {mark for mark in wanted if hashed[mark] in blocks.own.people}
        since |= {mark: blocks.own.since.get(hashed[mark], 0) for mark in marks}
    if not listed and not marks:
        return None
    reference = store.references.get(account) or Reference()
    return replace(reference, listed_emails=listed, marks=frozenset(marks), since={**reference.since, **since})

"""What an account's people configured, held in memory: campaigns, suppliers, endpoints, block lists."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from goodword.core.campaign import Campaign, Document, Mark, Programs
from goodword.core.delivery import Endpoint, Health
from goodword.core.reward import BUILT_IN, Supplier
from goodword.storage.load_block import load_blocks

if TYPE_CHECKING:
    from goodword.storage.store import Store

_document = msgspec.json.Decoder(Document).decode
_history = msgspec.json.Decoder(tuple[Mark, ...]).decode
_supplier = msgspec.json.Decoder(Supplier).decode
_endpoint = msgspec.json.Decoder(Endpoint).decode


def load_programs(store: Store) -> None:
    """Read all of it anew."""
    database = store.database
    documents: dict[tuple[int, str], dict[int, Document]] = defaultdict(dict)
    for account, campaign, number, text in database.load("SELECT account_id, campaign_id, number, document FROM campaign_version"):
        documents[account, campaign][number] = _document(text)
    campaigns: dict[int, dict[str, Campaign]] = defaultdict(dict)
    for account, id, program, created_at, updated_at, latest, history in database.load(
        "SELECT account_id, id, program, created_at, updated_at, latest, history FROM campaign"
    ):
        campaigns[account][id] = Campaign(id, program, created_at, updated_at, latest, _history(history), documents[account, id])
    suppliers: dict[int, dict[str, Supplier]] = defaultdict(lambda: dict(BUILT_IN))
    for account, text in database.load("SELECT account_id, document FROM supplier"):
        supplier = _supplier(text)
        suppliers[account][supplier.id] = supplier
    endpoints: dict[int, dict[str, Endpoint]] = defaultdict(dict)
    for account, text, secret in database.load("SELECT account_id, document, secret FROM endpoint"):
        endpoint = _endpoint(text)
        new, _, old = store.sealer.open_secret(secret).partition("\n")
        endpoints[account][endpoint.id] = replace(endpoint, secret=new, old_secret=old)
    health: dict[int, dict[str, Health]] = defaultdict(dict)
    for account, *said in database.load("SELECT account_id, id, failing_since, succeeded_at, failed_at FROM endpoint_health"):
        health[account][said[0]] = Health(*said)
    store.servers_since = dict(database.load("SELECT account_id, since FROM server_outcome"))
    store.programs = {account: Programs.of(found) for account, found in campaigns.items()}
    store.suppliers, store.endpoints = dict(suppliers), dict(endpoints)
    store.health = dict(health)
    load_blocks(store)

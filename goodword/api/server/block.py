"""Block lists by the server API: entries, and what the lists say of a value. Addresses are kept as keyed hashes and never shown."""

from __future__ import annotations

from msgspec import Struct

from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, listed
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.block import INSTALLATION, BlockEntry, FilterType, Listed, ListType, kind_of
from goodword.core.times import write_time
from goodword.storage.load_block import stored_value
from goodword.storage.query import block as blocks


class BlockListRequest(Struct):
    """An entry. Without a `list_type` it is told by how the value is written."""

    value: str
    list_type: ListType | None = None
    filter_type: FilterType = "BLACK"
    note: str = ""


class BlockListChange(Struct):
    """What to change of an entry; what is left out stays."""

    filter_type: FilterType | None = None
    note: str | None = None


class BlockListAnswer(Struct):
    """An entry. `value` is empty where it is an e-mail address, of which only a keyed hash is kept."""

    block_id: str
    list_type: ListType
    filter_type: FilterType
    value: str
    note: str
    created_date: str
    is_global: bool


class BlockTestRequest(Struct):
    """A value to look up: an e-mail address, a domain, an IP address or a user agent."""

    value: str
    list_type: ListType | None = None


class BlockTestAnswer(Struct):
    """What the lists say. WHITE beats BLACK, the account's own list beats the installation's."""

    result: Listed
    list_type: ListType


def _shown(entry: blocks.ListedEntry) -> BlockListAnswer:
    return BlockListAnswer(
        entry.id, entry.list_type, entry.filter_type, entry.value, entry.note, write_time(entry.created_at), entry.is_global
    )


def _entry(call: Call) -> blocks.ListedEntry:
    """The entry of the path. Errors: ServerRefusal 400 block_not_found."""
    for entry in blocks.entries(call.store, call.account):
        if entry.id == call.path["block_id"]:
            return entry
    raise ServerRefusal("block_not_found", "The block lists have no such entry.")


async def list_all(call: Call) -> list[BlockListAnswer]:
    """`GET /v2/blocks`: the account's own entries, newest first."""
    return _page(call, blocks.entries(call.store, call.account))


async def list_global(call: Call) -> list[BlockListAnswer]:
    """`GET /v2/blocks/global`: the installation's entries. They are changed on its command line alone."""
    return _page(call, blocks.entries(call.store, INSTALLATION))


def _page(call: Call, found: list[blocks.ListedEntry]) -> list[BlockListAnswer]:
    types, ways = set(call.values("list_type")), set(call.values("filter_type"))
    wanted = [each for each in found if (not types or each.list_type in types) and (not ways or each.filter_type in ways)]
    offset, limit = call.page()
    return [_shown(entry) for entry in wanted[offset : offset + limit]]


async def create(call: Call) -> BlockListAnswer:
    """`POST /v2/blocks`: an entry that is there already takes the new filter and note."""
    said = call.read(BlockListRequest)
    entry = BlockEntry(said.list_type or kind_of(said.value), said.filter_type, said.value, said.note)
    outcome = await call.ask(c.PutBlock(call.account, entry))
    kept = outcome.value
    id = blocks.entry_id(BlockEntry(kept.list_type, kept.filter_type, stored_value(call.store, call.account, kept)))
    return next(_shown(each) for each in blocks.entries(call.store, call.account) if each.id == id)


async def get(call: Call) -> BlockListAnswer:
    """`GET /v2/blocks/{block_id}`."""
    return _shown(_entry(call))


async def update(call: Call) -> BlockListAnswer:
    """`PUT /v2/blocks/{block_id}`."""
    entry, said = _entry(call), call.read(BlockListChange)
    way = said.filter_type or entry.filter_type
    note = entry.note if said.note is None else said.note
    await call.ask(c.PutBlock(call.account, BlockEntry(entry.list_type, way, _stored(call, entry.id), note, is_stored=True)))
    return _shown(_entry(call))


async def delete(call: Call) -> BlockListAnswer:
    """`DELETE /v2/blocks/{block_id}`: answers what it was."""
    entry = _entry(call)
    gone = BlockEntry(entry.list_type, "BLACK", _stored(call, entry.id), is_stored=True)
    await call.ask(c.PutBlock(call.account, gone, is_listed=False))
    return _shown(entry)


def _stored(call: Call, id: str) -> str:
    return next(entry.value for entry in call.store.blocks[call.account] if blocks.entry_id(entry) == id)


async def look_up(call: Call) -> BlockTestAnswer:
    """`POST /v2/blocks/test`."""
    said = call.read(BlockTestRequest)
    kind = said.list_type or kind_of(said.value)
    return BlockTestAnswer(blocks.look_up(call.store, call.account, said.value, kind), kind)


_LISTS = (listed("list_type", "Only these."), listed("filter_type", "Only these: BLACK, WHITE."), *PAGE)
_ID = {"block_id": "An entry's id."}
_MISSING = "`block_not_found`."

ENDPOINTS: list[Endpoint] = [
    endpoint("GET", "/v2/blocks", "Blocks", "The account's block lists", list_all, Right.READ, list[BlockListAnswer], query=_LISTS),
    endpoint(
        "POST", "/v2/blocks", "Blocks", "Put an entry on the block lists", create, Right.READ, BlockListAnswer, body=BlockListRequest,
        description="`invalid_value`: the value is none of its kind.",
    ),
    endpoint(
        "GET", "/v2/blocks/global", "Blocks", "The installation's block lists, which hold for every account", list_global, Right.READ,
        list[BlockListAnswer], query=_LISTS,
    ),
    endpoint(
        "POST", "/v2/blocks/test", "Blocks", "What the block lists say of a value", look_up, Right.READ, BlockTestAnswer,
        body=BlockTestRequest, description="An address that is not listed itself is looked up by its domain.",
    ),
    endpoint(
        "GET", "/v2/blocks/{block_id}", "Blocks", "One entry", get, Right.READ, BlockListAnswer, path_words=_ID, description=_MISSING
    ),
    endpoint(
        "PUT", "/v2/blocks/{block_id}", "Blocks", "Change an entry's filter or note", update, Right.READ, BlockListAnswer,
        body=BlockListChange, path_words=_ID, description=_MISSING,
    ),
    endpoint(
        "DELETE", "/v2/blocks/{block_id}", "Blocks", "Take an entry off", delete, Right.READ, BlockListAnswer, path_words=_ID,
        description=_MISSING,
    ),
]  # fmt: skip

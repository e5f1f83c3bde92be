"""Coupon pools by the server API: uploads, removals, what is left."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from goodword.api.coupon_upload import UPLOAD_BYTES_MAX, Problem, Uploading, new_operation, patiently
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.api.server.supplier import named_supplier
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.audit import KEY, pool_changed
from goodword.core.reward import COUPONS_PER_COMMAND, Supplier
from goodword.core.times import write_time
from goodword.storage.query import reward as rewards


class UploadAnswer(Struct):
    """What became of an upload. At most 1,000 problems are shown; `refused_count` counts them all."""

    operation_id: str
    added_count: int
    refused_count: int
    problems: list[Problem]


class CouponsRequest(Struct):
    """Codes to take from the pool; none named: all that were not handed out."""

    coupons: list[str] = field(default_factory=list)


class RemovedAnswer(Struct):
    """What was taken from the pool."""

    operation_id: str
    removed_count: int
    refused_count: int


class CouponAnswer(Struct):
    """A code that was not handed out yet."""

    coupon_id: str
    code: str


class StatsAnswer(Struct):
    """A pool's coupons, counted."""

    total_count: int
    available_count: int
    issued_count: int
    low_balance: int
    is_low: bool


class OperationAnswer(Struct):
    """A change of a pool: ADD or DELETE, how many codes, how many rows were refused, by whose key."""

    operation_id: str
    type: str
    created_date: str
    count: int
    refused_count: int
    by: str


def _pool(call: Call) -> Supplier:
    supplier = named_supplier(call)
    if supplier.type != "COUPON_POOL":
        raise ServerRefusal("reward_type_not_supported", "Only a supplier of type COUPON_POOL has coupons.")
    return supplier


async def _patiently(call: Call, command: c.Command) -> Any:
    """A command's value; while there is too much to do it waits, up to a bound. Errors: ServerRefusal."""
    return (await patiently(call.intake.engine, call.ask, command)).value


async def upload(call: Call) -> UploadAnswer:
    """`POST /v6/reward-suppliers/manual-coupons/{reward_supplier_id}/coupons`."""
    supplier = _pool(call)
    body = call.body
    if not body.strip():
        raise ServerRefusal("missing_request_body", "The request has no body. Send one code a line, as CSV.")
    if body.lstrip()[:1] in (b"{", b"["):
        body = _listed(body)
    uploading = Uploading(call.intake.engine, call.account, supplier.id, call.key.name, call.ask)
    await uploading.take(body)
    if uploading.added:
        await call.ask(pool_changed(call.account, KEY + call.key.id, "pool.filled", supplier.id, uploading.added))
    return UploadAnswer(str(uploading.operation), uploading.added, uploading.refused, uploading.problems)


def _listed(body: bytes) -> bytes:
    """Codes sent as JSON, `["A", "B"]` or `{"coupons": ["A", "B"]}`, as lines."""
    try:
        said = msgspec.json.decode(body, type=list[str] | CouponsRequest)
    except msgspec.MsgspecError:
        raise ServerRefusal("binding_error", 'As JSON, codes are sent as {"coupons": ["A", "B"]}.') from None
    codes = said.coupons if isinstance(said, CouponsRequest) else said
    quoted = ('"' + code.replace('"', '""').replace("\n", " ") + '"' for code in codes)
    return "\n".join(quoted).encode("utf-8", "replace")


async def remove(call: Call) -> RemovedAnswer:
    """`DELETE /v6/reward-suppliers/manual-coupons/{reward_supplier_id}/coupons`: those not handed out."""
    supplier = _pool(call)
    codes = call.read(CouponsRequest).coupons if call.body.strip() else []
    operation = new_operation(call.intake.engine.clock())
    removed = refused = 0
    for start in range(0, len(codes), COUPONS_PER_COMMAND):
        part = tuple(codes[start : start + COUPONS_PER_COMMAND])
        value = await _patiently(call, c.RemoveCoupons(call.account, supplier.id, operation, part, call.key.name))
        removed, refused = removed + value["removed"], refused + len(value["refused"])
    everything = c.RemoveCoupons(call.account, supplier.id, operation, (), call.key.name)
    while not codes and (count := (await _patiently(call, everything))["removed"]):
        removed += count
    if removed:
        await call.ask(pool_changed(call.account, KEY + call.key.id, "pool.emptied", supplier.id, removed))
    return RemovedAnswer(str(operation), removed, refused)


async def list_coupons(call: Call) -> list[CouponAnswer]:
    """`GET /v6/reward-suppliers/manual-coupons/{reward_supplier_id}/coupons`: in the order they will be handed out."""
    supplier = _pool(call)
    offset, limit = call.page()
    return [CouponAnswer(str(number), code) for number, code in rewards.coupons(call.store, call.account, supplier.id, offset, limit)]


async def stats(call: Call) -> StatsAnswer:
    """`GET /v6/reward-suppliers/manual-coupons/{reward_supplier_id}/stats`."""
    supplier = _pool(call)
    pool = rewards.pool(call.store, call.account, supplier.id)
    return StatsAnswer(pool.total, pool.free, pool.issued, supplier.low_balance, pool.free <= supplier.low_balance)


async def operations(call: Call) -> list[OperationAnswer]:
    """`GET /v6/reward-suppliers/manual-coupons/{reward_supplier_id}/operations`: newest first."""
    supplier = _pool(call)
    offset, limit = call.page()
    found = rewards.uploads(call.store, call.account, supplier.id, offset, limit)
    return [OperationAnswer(str(each.id), each.type, write_time(each.at), each.added, each.refused, each.by) for each in found]


_POOL = "/v6/reward-suppliers/manual-coupons/{reward_supplier_id}"
_WORDS = {"reward_supplier_id": "A supplier's id."}
_POOLS_ONLY = "`reward_type_not_supported`: only a COUPON_POOL has coupons; `reward_supplier_not_found`."


def _csv(made: Endpoint) -> Endpoint:
    return replace(made, operation=replace(made.operation, body_media="text/csv"), body_bytes_max=UPLOAD_BYTES_MAX)


def _optional(made: Endpoint) -> Endpoint:
    return replace(made, operation=replace(made.operation, is_body_required=False), body_bytes_max=UPLOAD_BYTES_MAX)


ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", _POOL + "/coupons", "Rewards", "A pool's codes that were not handed out", list_coupons, Right.READ, list[CouponAnswer],
        description=_POOLS_ONLY, query=PAGE, path_words=_WORDS,
    ),
    _csv(endpoint(
        "POST", _POOL + "/coupons", "Rewards", "Add codes to a pool", upload, Right.READ, UploadAnswer, body=str,
        description="CSV with one code a line, a header if you like, perhaps gzipped; or JSON `{\"coupons\": [...]}`. A code has at most 64"
        " characters. Rows that are empty, too long, not UTF-8, or in the pool already in any case are named by number, and the rest is"
        " loaded; so the same file can be sent again. " + _POOLS_ONLY,
        path_words=_WORDS,
    )),
    _optional(endpoint(
        "DELETE", _POOL + "/coupons", "Rewards", "Take codes from a pool", remove, Right.READ, RemovedAnswer, body=CouponsRequest,
        description="Those named, or all. What was handed out stays. " + _POOLS_ONLY, path_words=_WORDS,
    )),
    endpoint(
        "GET", _POOL + "/stats", "Rewards", "How many codes a pool has", stats, Right.READ, StatsAnswer, description=_POOLS_ONLY,
        path_words=_WORDS,
    ),
    endpoint(
        "GET", _POOL + "/operations", "Rewards", "What was done to a pool, newest first", operations, Right.READ, list[OperationAnswer],
        description=_POOLS_ONLY, query=PAGE, path_words=_WORDS,
    ),
]  # fmt: skip

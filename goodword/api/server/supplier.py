"""Suppliers of rewards by the server API, and the coupons of their pools."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from goodword.api.server.call import PAGE, Call, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.coupon_file import read_rows, split_lines
from goodword.core.reward import BUILT_IN, COUPONS_PER_COMMAND, TRANSITIONS, TYPE_ON_THE_WIRE, UNITS, Supplier, SupplierType
from goodword.core.times import Millis, write_time
from goodword.engine import Overloaded, Unavailable
from goodword.storage.coupon_order import Window
from goodword.storage.query import reward as rewards

UPLOAD_BYTES_MAX = 96 * 1024 * 1024
CHUNK = 1_000
ROWS_A_PASS = 500
PROBLEMS_SHOWN_MAX = 1_000
PATIENCE_S = 30.0
PAUSE_S = 0.1


class SupplierAnswer(Struct):
    """A source of rewards. `type` is Goodword's own; `reward_supplier_type` the published one it is shown as. `state_transitions` says
    which state may follow which."""

    reward_supplier_id: str
    reward_supplier_type: Literal["MANUAL_COUPON", "CUSTOM_REWARD"]
    type: SupplierType
    name: str
    display_name: str
    display_type: str
    description: str
    enabled: bool
    face_value: float | None
    face_value_type: str | None
    face_value_algorithm_type: Literal["FIXED", "CASH_BACK"]
    partner_reward_supplier_id: str | None
    partner_reward_key_type: Literal["COUPON", "ID"]
    low_balance: int
    expires_days: int | None
    limit_per_hour: int | None
    limit_per_day: int | None
    state_transitions: dict[str, list[str]]
    code: str | UnsetType = UNSET
    tags: list[str] = field(default_factory=list)


class SupplierRequest(Struct, forbid_unknown_fields=True):
    """A supplier to create or change. When changing, what is left out stays. The type cannot be changed."""

    reward_supplier_id: str | UnsetType = UNSET
    type: SupplierType | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    face_value: str | float | UnsetType | None = UNSET
    face_value_type: str | UnsetType | None = UNSET
    code: str | UnsetType = UNSET
    partner_reward_supplier_id: str | UnsetType | None = UNSET
    low_balance: int | UnsetType = UNSET
    expires_days: int | UnsetType | None = UNSET
    limit_per_hour: int | UnsetType | None = UNSET
    limit_per_day: int | UnsetType | None = UNSET
    state_transitions: dict[str, list[str]] | UnsetType = UNSET


class DisplayType(Struct):
    """A way a supplier is shown."""

    type: SupplierType
    reward_supplier_type: Literal["MANUAL_COUPON", "CUSTOM_REWARD"]
    display_name: str


class Problem(Struct):
    """A row of an upload that was not loaded, by its number in the file, and why."""

    row: int
    reason: str


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


DISPLAYED = {
    "POINTS": "Points",
    "ACCOUNT_CREDIT": "Account credit",
    "COUPON_POOL": "Coupon pool",
    "STATIC_COUPON": "Static coupon",
    "CUSTOM_REWARD": "Custom reward",
}


def _shown(supplier: Supplier) -> SupplierAnswer:
    unit = supplier.face_value_type
    wire: Any = TYPE_ON_THE_WIRE[supplier.type]
    own = supplier.state_transitions or {state: sorted(after) for state, after in TRANSITIONS.items()}
    worth = msgspec.convert(supplier.face_value, float, strict=False) if supplier.face_value else None
    return SupplierAnswer(
        supplier.id,
        wire,
        supplier.type,
        supplier.name or supplier.id,
        supplier.name or supplier.id,
        DISPLAYED[supplier.type],
        supplier.description,
        supplier.enabled,
        worth,
        unit or None,
        "FIXED",
        supplier.partner_reward_supplier_id or None,
        "COUPON" if wire == "MANUAL_COUPON" else "ID",
        supplier.low_balance,
        supplier.expires_days,
        supplier.limit_per_hour,
        supplier.limit_per_day,
        own,
        supplier.code or UNSET,
    )


def suppliers_of(call: Call) -> dict[str, Supplier]:
    """The account's suppliers by id."""
    return call.store.suppliers.get(call.account) or dict(BUILT_IN)


def _named(call: Call) -> Supplier:
    found = suppliers_of(call).get(call.path["reward_supplier_id"])
    if found is None:
        raise ServerRefusal("reward_supplier_not_found", "There is no supplier with this id.")
    return found


def _changed(supplier: Supplier, request: SupplierRequest) -> Supplier:
    changes = {
        name: value for name in request.__struct_fields__ if name != "reward_supplier_id" and (value := getattr(request, name)) is not UNSET
    }
    for name in ("face_value", "face_value_type", "partner_reward_supplier_id"):
        if name in changes:
            changes[name] = "" if changes[name] is None else str(changes[name])
    return replace(supplier, **changes)


async def list_all(call: Call) -> list[SupplierAnswer]:
    """`GET /v6/reward-suppliers`: by id."""
    offset, limit = call.page()
    found = sorted(suppliers_of(call).values(), key=lambda supplier: supplier.id)
    return [_shown(supplier) for supplier in found[offset : offset + limit]]


async def get(call: Call) -> SupplierAnswer:
    """`GET /v6/reward-suppliers/{reward_supplier_id}`."""
    return _shown(_named(call))


async def create(call: Call) -> SupplierAnswer:
    """`POST /v6/reward-suppliers`."""
    request = call.read(SupplierRequest)
    if not request.type or not request.reward_supplier_id:
        raise ServerRefusal("invalid_reward_supplier", "A supplier needs a reward_supplier_id and a type.")
    if request.reward_supplier_id in suppliers_of(call):
        raise ServerRefusal("reward_supplier_id_taken", "There is a supplier with this id already. PUT changes it.")
    supplier = _changed(Supplier(request.reward_supplier_id, request.type), request)
    await call.ask(c.PutSupplier(call.account, supplier))
    return _shown(supplier)


async def update(call: Call) -> SupplierAnswer:
    """`PUT /v6/reward-suppliers/{reward_supplier_id}`: what is left out stays."""
    supplier = _changed(_named(call), call.read(SupplierRequest))
    await call.ask(c.PutSupplier(call.account, supplier))
    return _shown(supplier)


async def archive(call: Call) -> SupplierAnswer:
    """`DELETE /v6/reward-suppliers/{reward_supplier_id}`: it gives no more; what it gave stays explained."""
    supplier = replace(_named(call), enabled=False)
    await call.ask(c.PutSupplier(call.account, supplier))
    return _shown(supplier)


async def display_types(_call: Call) -> list[DisplayType]:
    """`GET /v6/reward-suppliers/display-types`."""
    return [DisplayType(kind, TYPE_ON_THE_WIRE[kind], name) for kind, name in DISPLAYED.items()]  # type: ignore[arg-type, index]


def new_operation(now: Millis) -> int:
    """A number for an upload: those of later ones are higher."""
    return (now << 20) | secrets.randbits(20)


def _pool(call: Call) -> Supplier:
    supplier = _named(call)
    if supplier.type != "COUPON_POOL":
        raise ServerRefusal("reward_type_not_supported", "Only a supplier of type COUPON_POOL has coupons.")
    return supplier


class _Uploading:
    """One upload: rows in, chunks out to the engine, other requests in between."""

    def __init__(self, call: Call, supplier: Supplier) -> None:
        self.call, self.supplier = call, supplier
        self.operation = new_operation(call.intake.engine.clock())
        self.window = Window(call.store, call.account)
        self.added, self.refused = 0, 0
        self.problems: list[Problem] = []

    async def take(self, body: bytes) -> UploadAnswer:
        """Load what is right, name what is wrong."""
        unread = 0
        for count, (number, code, why) in enumerate(read_rows(split_lines(body))):
            if why:
                unread += 1
                self._refuse(number, why)
            elif self.window.add(number, code):
                await self._send()
            if count % ROWS_A_PASS == 0:
                await asyncio.sleep(0)
        await self._send()
        await self._add((), unread)
        self.problems.sort(key=lambda problem: problem.row)
        return UploadAnswer(str(self.operation), self.added, self.refused, self.problems)

    def _refuse(self, row: int, why: str) -> None:
        self.refused += 1
        if len(self.problems) < PROBLEMS_SHOWN_MAX:
            self.problems.append(Problem(row, why))

    async def _send(self) -> None:
        for chunk in self.window.chunks(CHUNK):
            outcome = await self._add(tuple(code for _, code in chunk), 0)
            self.added += outcome["added"]
            for place, why in outcome["refused"]:
                self._refuse(chunk[place][0], why)

    async def _add(self, codes: tuple[str, ...], refused: int) -> Any:
        call = self.call
        return await _patiently(call, c.AddCoupons(call.account, self.supplier.id, self.operation, codes, call.key.name, refused))


async def _patiently(call: Call, command: c.Command) -> Any:
    """A command's value; while there is too much to do it waits, up to a bound. Errors: ServerRefusal."""
    waited = 0.0
    while True:
        try:
            outcome = (await call.intake.engine.ask([command]))[0]
        except (Overloaded, Unavailable):
            if waited >= PATIENCE_S:
                return (await call.ask(command)).value
            await asyncio.sleep(PAUSE_S)
            waited += PAUSE_S
            continue
        if outcome.verdict == "refused":
            raise ServerRefusal(outcome.code, outcome.reason)
        return outcome.value


async def upload(call: Call) -> UploadAnswer:
    """`POST /v6/reward-suppliers/manual-coupons/{reward_supplier_id}/coupons`."""
    supplier = _pool(call)
    body = call.body
    if not body.strip():
        raise ServerRefusal("missing_request_body", "The request has no body. Send one code a line, as CSV.")
    if body.lstrip()[:1] in (b"{", b"["):
        body = _listed(body)
    return await _Uploading(call, supplier).take(body)


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
    if codes:
        for start in range(0, len(codes), COUPONS_PER_COMMAND):
            part = tuple(codes[start : start + COUPONS_PER_COMMAND])
            value = await _patiently(call, c.RemoveCoupons(call.account, supplier.id, operation, part, call.key.name))
            removed, refused = removed + value["removed"], refused + len(value["refused"])
        return RemovedAnswer(str(operation), removed, refused)
    while count := (await _patiently(call, c.RemoveCoupons(call.account, supplier.id, operation, (), call.key.name)))["removed"]:
        removed += count
    return RemovedAnswer(str(operation), removed, 0)


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


_SUPPLIERS = "/v6/reward-suppliers"
_SUPPLIER = _SUPPLIERS + "/{reward_supplier_id}"
_POOL = _SUPPLIERS + "/manual-coupons/{reward_supplier_id}"
_WORDS = {"reward_supplier_id": "A supplier's id."}
_UNITS = f"`face_value_type` is a currency or one of {', '.join(sorted(UNITS))}."
_WRONG = "`invalid_reward_supplier` says what is wrong; `reward_supplier_type_fixed`: a supplier's type stays. " + _UNITS
_POOLS_ONLY = "`reward_type_not_supported`: only a COUPON_POOL has coupons; `reward_supplier_not_found`."


def _csv(made: Endpoint) -> Endpoint:
    return replace(made, operation=replace(made.operation, body_media="text/csv"), body_bytes_max=UPLOAD_BYTES_MAX)


def _optional(made: Endpoint) -> Endpoint:
    return replace(made, operation=replace(made.operation, is_body_required=False), body_bytes_max=UPLOAD_BYTES_MAX)


ENDPOINTS: list[Endpoint] = [
    endpoint("GET", _SUPPLIERS, "Rewards", "Suppliers of rewards, by id", list_all, Right.READ, list[SupplierAnswer], query=PAGE),
    endpoint(
        "POST", _SUPPLIERS, "Rewards", "Create a supplier", create, Right.READ, SupplierAnswer, body=SupplierRequest,
        description="`reward_supplier_id_taken`; " + _WRONG,
    ),
    endpoint(
        "GET", _SUPPLIERS + "/display-types", "Rewards", "The kinds of suppliers there are", display_types, Right.READ, list[DisplayType]
    ),
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
    endpoint(
        "GET", _SUPPLIER, "Rewards", "A supplier", get, Right.READ, SupplierAnswer, description="`reward_supplier_not_found`.",
        path_words=_WORDS,
    ),
    endpoint(
        "PUT", _SUPPLIER, "Rewards", "Change a supplier", update, Right.READ, SupplierAnswer, body=SupplierRequest, description=_WRONG,
        path_words=_WORDS,
    ),
    endpoint(
        "DELETE", _SUPPLIER, "Rewards", "Switch a supplier off", archive, Right.READ, SupplierAnswer,
        description="It gives no more rewards; those it gave stay. PUT `enabled` switches it on again.", path_words=_WORDS,
    ),
]  # fmt: skip

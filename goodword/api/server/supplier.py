"""Suppliers of rewards by the server API."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from goodword.api.server.call import PAGE, Call, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.reward import BUILT_IN, TRANSITIONS, TYPE_ON_THE_WIRE, UNITS, Supplier, SupplierType


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
    cash_back_percentage: float | None
    cash_back_min: float | None
    cash_back_max: float | None
    partner_reward_supplier_id: str | None
    partner_reward_key_type: Literal["COUPON", "ID"]
    low_balance: int
    expires_days: int | None
    limit_per_hour: int | None
    limit_per_day: int | None
    overdue_days: int | None
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
    cash_back_percentage: str | float | UnsetType | None = UNSET
    cash_back_min: str | float | UnsetType | None = UNSET
    cash_back_max: str | float | UnsetType | None = UNSET
    code: str | UnsetType = UNSET
    partner_reward_supplier_id: str | UnsetType | None = UNSET
    low_balance: int | UnsetType = UNSET
    expires_days: int | UnsetType | None = UNSET
    limit_per_hour: int | UnsetType | None = UNSET
    limit_per_day: int | UnsetType | None = UNSET
    overdue_days: int | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    state_transitions: dict[str, list[str]] | UnsetType = UNSET


class DisplayType(Struct):
    """A way a supplier is shown."""

    type: SupplierType
    reward_supplier_type: Literal["MANUAL_COUPON", "CUSTOM_REWARD"]
    display_name: str


DISPLAYED: dict[SupplierType, str] = {
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
    return SupplierAnswer(
        supplier.id,
        wire,
        supplier.type,
        supplier.name or supplier.id,
        supplier.name or supplier.id,
        DISPLAYED[supplier.type],
        supplier.description,
        supplier.enabled,
        _float(supplier.face_value),
        unit or None,
        "CASH_BACK" if supplier.cash_back_percentage else "FIXED",
        _float(supplier.cash_back_percentage),
        _float(supplier.cash_back_min),
        _float(supplier.cash_back_max),
        supplier.partner_reward_supplier_id or None,
        "COUPON" if wire == "MANUAL_COUPON" else "ID",
        supplier.low_balance,
        supplier.expires_days,
        supplier.limit_per_hour,
        supplier.limit_per_day,
        supplier.overdue_days,
        own,
        supplier.code or UNSET,
        supplier.tags,
    )


def _float(text: str) -> float | None:
    return float(text) if text else None


def suppliers_of(call: Call) -> dict[str, Supplier]:
    """The account's suppliers by id."""
    return call.store.suppliers.get(call.account) or dict(BUILT_IN)


def named_supplier(call: Call) -> Supplier:
    """The supplier that a path names. Errors: ServerRefusal."""
    found = suppliers_of(call).get(call.path["reward_supplier_id"])
    if found is None:
        raise ServerRefusal("reward_supplier_not_found", "There is no supplier with this id.")
    return found


def _changed(supplier: Supplier, request: SupplierRequest) -> Supplier:
    changes = {
        name: value for name in request.__struct_fields__ if name != "reward_supplier_id" and (value := getattr(request, name)) is not UNSET
    }
    for name in ("face_value", "face_value_type", "cash_back_percentage", "cash_back_min", "cash_back_max", "partner_reward_supplier_id"):
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
    return _shown(named_supplier(call))


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
    supplier = _changed(named_supplier(call), call.read(SupplierRequest))
    await call.ask(c.PutSupplier(call.account, supplier))
    return _shown(supplier)


async def archive(call: Call) -> SupplierAnswer:
    """`DELETE /v6/reward-suppliers/{reward_supplier_id}`: it gives no more; what it gave stays explained."""
    supplier = replace(named_supplier(call), enabled=False)
    await call.ask(c.PutSupplier(call.account, supplier))
    return _shown(supplier)


async def display_types(_call: Call) -> list[DisplayType]:
    """`GET /v6/reward-suppliers/display-types`."""
    return [DisplayType(kind, TYPE_ON_THE_WIRE[kind], name) for kind, name in DISPLAYED.items()]


_SUPPLIERS = "/v6/reward-suppliers"
_SUPPLIER = _SUPPLIERS + "/{reward_supplier_id}"
_WORDS = {"reward_supplier_id": "A supplier's id."}
_UNITS = f"`face_value_type` is a currency or one of {', '.join(sorted(UNITS))}."
_WRONG = "`invalid_reward_supplier` says what is wrong; `reward_supplier_type_fixed`: a supplier's type stays. " + _UNITS


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

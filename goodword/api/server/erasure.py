"""Deletion by the server API: everything held about a person goes (laws 4 and 5). Unknown people succeed, and nothing is created."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from goodword.api.intake import new_id
from goodword.api.server.call import Call, Endpoint, endpoint, read_text
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.profile import keys_of, read_email
from goodword.core.times import write_time
from goodword.storage.query import person as people


class ErasureRequest(Struct):
    """Whom to delete, by either or both. `suppress` also drops all that comes about them later. `note` is
    repeated in the answer and not stored."""

    email: str | None = None
    partner_user_id: str | int | None = None
    note: str | None = None
    suppress: bool | None = False


class ErasureAnswer(Struct):
    """The deletion, done when this is answered."""

    id: str
    status: Literal["COMPLETED"]
    note: str
    created_date: str


async def erase(call: Call) -> ErasureAnswer:
    """`POST /v4/erasures`."""
    request = call.read(ErasureRequest)
    email = read_email(request.email)
    if email is None and request.email not in (None, ""):
        raise ServerRefusal("invalid_key_value", "email must be an e-mail address.")
    keys = keys_of(read_text(request.partner_user_id), email, None)
    if not keys:
        raise ServerRefusal("invalid_parameter", "Say whom to delete: email or partner_user_id.", parameter="email")
    # texts of refused messages, in memory, may name the person by another of their keys
    known = people.find_by_keys(call.store, call.account, keys).values()
    call.intake.forget(call.account, [*keys, *(key for profile in known for key in profile.keys)])
    number = new_id()
    await call.ask(c.Erase(call.account, keys, erasure_id=number, suppress=bool(request.suppress)))
    return ErasureAnswer(number, "COMPLETED", request.note or "", write_time(call.intake.engine.clock()))


ENDPOINTS: list[Endpoint] = [
    endpoint(
        "POST", "/v4/erasures", "Privacy", "Delete a person", erase, Right.DELETE, ErasureAnswer, body=ErasureRequest,
        description="Everything held about the person, and about people merged into them, is gone when this is answered. Messages older"
        " than the deletion are dropped from then on; newer ones make a new person, unless `suppress`. Nobody found is success too."
        " `note` is repeated in the answer and not stored: file it with the answer's `id`, under which `GET /admin/erasures` lists the"
        " deletion. `invalid_key_value`: no e-mail address.",
    ),
]  # fmt: skip

"""An address of a person's own share page, signed, by the server API."""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec import Struct

from goodword.api.link import SHARE_PAGE_PATH
from goodword.api.server.call import Call, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.core.account import Right
from goodword.core.share_token import Pass, issue
from goodword.core.times import write_time

DAY_S = 24 * 3600
EXPIRES_S, EXPIRES_S_MAX = 30 * DAY_S, 400 * DAY_S


class SharePageRequest(Struct):
    """Which page: `label` is the program. `expires_in` is in seconds, thirty days unless said."""

    label: str | None = None
    expires_in: int | None = None


class SharePageAnswer(Struct):
    """The page's address and until when it opens. Whoever has the address sees the page: give it to its person alone."""

    url: str
    expires_at: str


async def create(call: Call) -> SharePageAnswer:
    """`POST /v5/persons/{person_id}/share-page`."""
    profile = call.person()
    request = call.read(SharePageRequest)
    if not request.label:
        raise ServerRefusal("label_is_missing", "Say which program the page is of: label.")
    programs = call.store.programs.get(call.account)
    if programs is None or all(each.program != request.label for each in programs.campaigns.values()):
        raise ServerRefusal("invalid_parameter", "No campaign is of this program.", parameter="label")
    seconds = EXPIRES_S if request.expires_in is None else request.expires_in
    if not 60 <= seconds <= EXPIRES_S_MAX:
        raise ServerRefusal("invalid_parameter", f"expires_in is from 60 to {EXPIRES_S_MAX} seconds.", parameter="expires_in")
    expires_at = call.intake.engine.clock() + seconds * 1000
    token = issue(call.store.sealer.page_secret, Pass(call.account, profile.id, request.label, expires_at))
    return SharePageAnswer(f"{call.origin}{SHARE_PAGE_PATH}{request.label}?{urlencode({'t': token})}", write_time(expires_at))


ENDPOINTS: list[Endpoint] = [
    endpoint(
        "POST", "/v5/persons/{person_id}/share-page", "Share links", "An address of the person's own share page", create, Right.READ,
        SharePageAnswer, body=SharePageRequest, description="`label_is_missing`.",
    ),
]  # fmt: skip

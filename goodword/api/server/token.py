"""Access tokens by the server API: what a key is, keys that end by themselves, and a key changed for a fresh one.

A token is an API key. Its scopes have other names here, those that are published for this API.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from goodword.api.auth import hash_secret, is_over, may, new_secret
from goodword.api.intake import new_id
from goodword.api.server.call import Call, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import RIGHTS, Key, Right, Scope

SCOPE_NAMES = {Scope.INGEST: "UPDATE_PROFILE", Scope.DESTINATION: "BACKEND", Scope.SERVER: "USER_SUPPORT", Scope.ADMIN: "CLIENT_ADMIN"}
"""What a scope is called here."""
DURATION_DEFAULT_S = 30 * 24 * 3600
DURATION_MAX_S = 10_000 * 366 * 24 * 3600


class TokenRequest(Struct):
    """A token to make. What is left out: the scopes of the key that asks, and 30 days. `client_id` is the account's id."""

    client_id: str | None = None
    duration_seconds: int | None = None
    scopes: list[str] | None = None
    email: str | None = None
    password: str | None = None


class TokenAnswer(Struct):
    """A token. `access_token` is there where it was just made or was asked about, `expires_in` (seconds) where it ends by itself."""

    client_id: str
    identity_id: str
    person_id: str
    type: str
    scopes: list[str]
    access_token: str | UnsetType = UNSET
    expires_in: int | UnsetType = UNSET


def _shown(call: Call, key: Key, secret: str = "") -> TokenAnswer:
    account = call.store.accounts[key.account].id
    answer = TokenAnswer(account, key.id, key.id, "MANAGED", [SCOPE_NAMES[scope] for scope in key.scopes], secret or UNSET)
    if key.expires_at is not None:
        answer.expires_in = max((key.expires_at - call.intake.engine.clock()) // 1000, 0)
    return answer


async def get_own(call: Call) -> TokenAnswer:
    """`GET /v4/tokens`: the key that asks."""
    return _shown(call, call.key)


async def get(call: Call) -> TokenAnswer:
    """`GET /v4/tokens/{token}`."""
    return _shown(call, _named(call), call.path["token"])


async def create(call: Call) -> TokenAnswer:
    """`POST /v4/tokens`."""
    request = call.read(TokenRequest) if call.body.strip() else TokenRequest()
    if request.email or request.password:
        raise ServerRefusal("invalid_credentials", "Tokens are made with a key here, not with an address and a password.")
    if request.client_id not in (None, "", call.store.accounts[call.account].id):
        raise ServerRefusal("invalid_client_id", "client_id is not the account of the key that asks.")
    duration_s = DURATION_DEFAULT_S if request.duration_seconds is None else request.duration_seconds
    if not 0 < duration_s <= DURATION_MAX_S:
        raise ServerRefusal("invalid_duration", "duration_seconds is out of range.", default_duration=DURATION_DEFAULT_S)
    scopes = _scopes(call.key, request.scopes)
    now = call.intake.engine.clock()
    secret = new_secret(scopes)
    key = Key(
        new_id(), call.account, call.key.name, hash_secret(secret), secret[-4:], scopes, now, expires_at=now + duration_s * 1000
    )  # fmt: skip
    await call.ask(c.CreateKey(call.account, key))
    return _shown(call, key, secret)


async def exchange(call: Call) -> TokenAnswer:
    """`PUT /v4/tokens/exchange/{token}`: the token ends, another with its name and scopes, as long-lived as it was, begins."""
    old = _named(call)
    now = call.intake.engine.clock()
    secret = new_secret(old.scopes)
    expires_at = None if old.expires_at is None else now + old.expires_at - old.created_at
    fresh = replace(
        old, id=new_id(), hash=hash_secret(secret), hint=secret[-4:], created_at=now, last_used_at=None, expires_at=expires_at
    )  # fmt: skip
    await call.ask_all([c.CreateKey(call.account, fresh), c.RevokeKey(call.account, old.id)])
    return _shown(call, fresh, secret)


async def delete(call: Call) -> dict[str, str]:
    """`DELETE /v4/tokens/{token}`."""
    await call.ask(c.RevokeKey(call.account, _named(call).id))
    return {}


def _named(call: Call) -> Key:
    """The living key with the secret in the path. Errors: ServerRefusal 400 invalid_parameter."""
    key = call.store.keys_by_hash.get(hash_secret(call.path["token"]))
    if key is None or key.account != call.account or key.revoked_at is not None or is_over(key):
        raise ServerRefusal("invalid_parameter", "No token of this account has this value.", parameter="token")
    return key


def _scopes(key: Key, names: list[str] | None) -> tuple[Scope, ...]:
    """The scopes of these names, which the key must have itself. Errors: ServerRefusal 403 scopes_denied."""
    if not names:
        return key.scopes
    known = {name: scope for scope, name in SCOPE_NAMES.items()}
    denied = [name for name in names if name not in known or not all(may(key, right) for right in RIGHTS[known[name]])]
    if denied:
        raise ServerRefusal("scopes_denied", "The key that asks has not these scopes itself.", denied_scopes=denied)
    return tuple(dict.fromkeys(known[name] for name in names))


_TOKEN = {"token": "The token itself."}
_NAMES = ", ".join(f"{name} is {scope.value}" for scope, name in SCOPE_NAMES.items())

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", "/v4/tokens", "Tokens", "What the key that asks is", get_own, Right.WRITE, TokenAnswer, description=f"Scopes: {_NAMES}."
    ),
    endpoint(
        "POST", "/v4/tokens", "Tokens", "Make a token that ends by itself", create, Right.MANAGE, TokenAnswer, body=TokenRequest,
        description="It is a key of the account, under the name of the key that asks, and can be revoked like one. `invalid_duration`;"
        " `invalid_client_id`; `scopes_denied` (403); `invalid_credentials` (403): tokens are not made with a password. Once a token has"
        " ended, requests with it are answered `expired_access_token` (401).",
        body_required=False,
    ),
    endpoint("GET", "/v4/tokens/{token}", "Tokens", "What a token is", get, Right.WRITE, TokenAnswer, path_words=_TOKEN),
    endpoint(
        "PUT", "/v4/tokens/exchange/{token}", "Tokens", "Change a token for a fresh one", exchange, Right.WRITE, TokenAnswer,
        path_words=_TOKEN, description="The old one ends at once. The fresh one has its scopes, and lives as long as the old one was to.",
    ),
    endpoint(
        "DELETE", "/v4/tokens/{token}", "Tokens", "End a token at once", delete, Right.WRITE, dict[str, str], path_words=_TOKEN
    ),
]  # fmt: skip

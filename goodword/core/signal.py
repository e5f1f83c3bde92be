"""What a message says about referrals: click ids in page addresses, codes, coupons and ids of advocates, the order it is about.

Nearly every message says nothing; that is found out without decoding it.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from msgspec import Struct

from goodword.core.account import COMMERCE_FIELDS, Settings
from goodword.core.campaign import Programs
from goodword.core.event import IS_EVENT, Understood, id_of, plain_id
from goodword.core.message import Message, read_object
from goodword.core.money import Money, read_currency, read_money
from goodword.core.profile import read_email
from goodword.core.referral import Hint, Reason, Signals

CLICK_PARAMETER = "gw"
HINT_CHARS_MAX = 256
_CLICK = re.compile(rf"[?&#;]{CLICK_PARAMETER}=([A-Za-z0-9_-]{{8,64}})")
_CLICKS_MAX = 5
_HINTS: dict[str, Reason] = {
    "couponcode": "COUPON_CODE",
    "coupon": "COUPON_CODE",
    "shareid": "SHARE_ID",
    "clickid": "SHARE_ID",
    CLICK_PARAMETER: "SHARE_ID",
    "shareableid": "SHAREABLE_ID",
    "advocatecode": "ADVOCATE_CODE",
    "advocatepartneruserid": "ADVOCATE_PARTNER_USER_ID",
    "advocateuserid": "ADVOCATE_PARTNER_USER_ID",
    "advocateemail": "ADVOCATE_EMAIL",
    "advocateorderid": "ADVOCATE_ORDER_ID",
}
_TELLING = (b"gw=", b'"gw"', b"oupon", b"dvocate", b"hare", b"lick")


class Device(Struct, frozen=True):
    """What a message says about the device it comes from, in clear: for the edge to make evidence of."""

    ip: str = ""
    agent: str = ""
    referrer: str = ""
    page: str = ""


def read_signals(message: Message, understood: Understood, programs: Programs, settings: Settings) -> tuple[Signals, Device] | None:
    """What a message says about referrals, and the device it names; None when it says nothing."""
    kind: Literal["", "step", "cancel"] = ""
    if message.type == "track" and understood.flags & IS_EVENT:
        folded = understood.name.casefold()
        if folded in programs.listened:
            kind = "cancel" if folded in programs.cancels else "step"
    raw = message.raw
    if not kind and not any(word in raw for word in _TELLING):
        return None
    whole = read_object(raw) or {}
    context = whole.get("context")
    context = context if isinstance(context, dict) else {}
    page = context.get("page")
    page = page if isinstance(page, dict) else {}
    said = read_object(message.properties or b"") or message.traits or {}
    clicks = _clicks(context, page, said)
    hints = _hints(said)
    if not (kind or clicks or hints):
        return None
    amount, currency = understood.amount, understood.currency
    if kind and amount is None:
        amount, currency = _amount(said, settings)
    order = _order(understood, said) if kind else ""
    signals = Signals(clicks, hints, kind, order, amount=amount, currency=currency)
    return signals, Device(_text(context.get("ip")), _text(context.get("userAgent")), _text(page.get("referrer")), _text(page.get("url")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _clicks(context: dict[str, Any], page: dict[str, Any], said: dict[str, Any]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for place in (page.get("url"), page.get("search"), said.get("url"), said.get("search"), said.get("path"), context.get("link")):
        if isinstance(place, str):
            found.update(dict.fromkeys(_CLICK.findall(place)))
    kept = context.get("goodword")
    if isinstance(kept, dict) and isinstance(kept.get("click_id"), str):
        found[kept["click_id"]] = None
    return tuple(found)[:_CLICKS_MAX]


def _hints(said: dict[str, Any]) -> tuple[Hint, ...]:
    hints = []
    for name, value in said.items():
        reason = _HINTS.get(name.replace("_", "").lower()) if len(name) <= 30 else None
        text = id_of(value) if reason is not None else None
        if reason is None or text is None or len(text) > HINT_CHARS_MAX:
            continue
        if reason == "ADVOCATE_EMAIL":
            text = read_email(text)
        if text is not None:
            hints.append(Hint(reason, text))
    return tuple(dict.fromkeys(hints))


def coupon_of(message: Message) -> str | None:
    """The coupon's code that an event carries."""
    hints = _hints(read_object(message.properties or b"") or {}) if b"oupon" in message.raw else ()
    return next((hint.value for hint in hints if hint.reason == "COUPON_CODE"), None)


def _amount(said: dict[str, Any], settings: Settings) -> tuple[int | None, str | None]:
    value = next((said[name] for name in COMMERCE_FIELDS["cart_value"] if said.get(name) not in (None, "")), None)
    if value is None:
        return None, None
    money = read_money(value, read_currency(said.get("currency")) or settings.currency)
    return (money.amount, money.currency) if isinstance(money, Money) else (None, None)


def _order(understood: Understood, said: dict[str, Any]) -> str:
    """The conversion id a step carries or a cancellation is about, as dedup keys have it."""
    claim = understood.claim
    if claim is not None and claim[0] == "c":
        return claim.partition("\0")[2]
    found = (id_of(said.get(name)) for name in COMMERCE_FIELDS["partner_conversion_id"])
    return next((plain_id(text) for text in found if text is not None), "")

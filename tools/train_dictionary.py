"""Makes goodword/storage/bodies-2.dict, the dictionary that message bodies are compressed with until an installation has learned its own.

Invented messages only, in the shapes that the stock SDKs send and Segment forwards. A dictionary made from real traffic would carry
people's values out of reach of deletion. Changing a dictionary makes stored bodies unreadable: a new one needs a new file and number.
"""

import json
import random
import sys
import uuid
from collections.abc import Mapping

import zstandard

from goodword.storage.dictionary import DICTIONARY_BYTES

Fields = Mapping[str, object]

NAMES = (
    "Product Viewed,Product Added,Product Removed,Product Clicked,Product List Viewed,Products Searched,Product Shared,Cart Viewed,"
    "Cart Shared,Checkout Started,Checkout Step Viewed,Checkout Step Completed,Payment Info Entered,Order Completed,Order Updated,"
    "Order Refunded,Order Cancelled,Coupon Entered,Coupon Applied,Coupon Denied,Promotion Viewed,Promotion Clicked,Wishlist Product Added,"
    "Signed Up,Signed In,Signed Out,Account Created,Trial Started,Trial Ended,"
    "Subscription Started,Invite Sent,Application Opened,Button Clicked,Form Submitted,"
    "Page Viewed,Video Playback Started,Article Read,Feature Used,conversion,registration,Audience Entered,Audience Exited"
).split(",")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36 Edg/{}.0.0.0",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{}.0) Gecko/20100101 Firefox/{}.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0",
)
LOCALES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "es-MX", "pt-BR", "it-IT", "nl-NL", "pl-PL", "ja-JP")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
chance = random.Random(7)


def token(length: int, letters: str = LETTERS + "0123456789") -> str:
    """Random letters."""
    return "".join(chance.choices(letters, k=length))


def word() -> str:
    """Something like a word, never the same twice."""
    return token(chance.randint(4, 9), LETTERS)


def uid() -> str:
    """A random UUID."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def moment() -> str:
    """A time."""
    day = f"20{chance.randint(26, 29)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    return f"{day}T{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:{chance.randint(0, 59):02}.{chance.randint(0, 999):03}Z"


def price() -> str:
    """An amount."""
    return f"{chance.randint(1, 400)}.{chance.randint(0, 99):02}"


def some(fields: Fields, keeps: float = 0.6) -> dict[str, object]:
    """Some of these fields, in order."""
    return {name: value for name, value in fields.items() if chance.random() < keeps}


def page() -> dict[str, object]:
    """A page, as analytics.js describes it."""
    path = f"/{word()}/{word()}" if chance.random() < 0.5 else f"/{word()}"
    query = chance.choice(("", f"?ref={token(6)}", f"?utm_source={word()}&utm_medium=email&utm_campaign={word()}", f"?id={token(8)}"))
    url = f"https://www.{word()}.{chance.choice(('com', 'example', 'org', 'shop'))}{path}{query}"
    return {"path": path, **some({"referrer": f"https://www.{word()}.com/", "search": query, "title": word().title()}), "url": url}


def context(library: dict[str, object]) -> dict[str, object]:
    """What an SDK says of where it runs."""
    agent = chance.choice(AGENTS).replace("{}", str(chance.randint(120, 155)))
    campaign: Fields = {"name": word(), "source": chance.choice(("newsletter", "google")), "medium": chance.choice(("email", "cpc"))}
    parts: list[Fields] = [
        {"library": library},
        {"page": page()},
        {"userAgent": agent},
        {"ip": ".".join(str(chance.randint(1, 254)) for _ in range(4))},
        {"locale": chance.choice(LOCALES)},
        {"campaign": some(campaign, 0.9)},
        {"timezone": chance.choice(("Europe/Berlin", "America/New_York", "Europe/London", "America/Los_Angeles", "Asia/Tokyo"))},
    ]
    if chance.random() < 0.5:
        chance.shuffle(parts)
    return {name: value for part in parts if chance.random() < 0.8 for name, value in part.items()}


def properties(name: str) -> dict[str, object]:
    """What a track message says, in the words of Segment's e-commerce spec and the destination's."""
    number = chance.choice((price(), float(price())))
    if name in ("conversion", "registration") or name.startswith("Order"):
        order = chance.choice(("order_id", "partner_conversion_id"))
        fields = {
            order: f"order-{token(12)}",
            chance.choice(("cart_value", "total", "revenue")): number,
            "currency": chance.choice(("USD", "EUR", "GBP")),
        }
        more = {
            "coupon": token(8).upper(),
            "email": f"{word()}.{word()}@{word()}.com",
            "first_name": word().title(),
            "last_name": word().title(),
        }
        return {**fields, **some(more, 0.4)}
    product: Fields = {
        "product_id": token(10),
        "sku": f"{token(3).upper()}-{chance.randint(1, 999)}",
        "category": word(),
        "name": word().title(),
    }
    further: Fields = {"brand": word().title(), "price": float(price()), "quantity": chance.randint(1, 4), "position": chance.randint(1, 9)}
    one = {**some(product, 0.7), **some(further, 0.7)}
    if chance.random() < 0.8:
        return one
    return {"products": [one], **some({"query": word(), "url": f"https://www.{word()}.com/{word()}"})}


def traits() -> dict[str, object]:
    """What an identify message says."""
    name = chance.choice((("firstName", "lastName"), ("first_name", "last_name")))
    return {
        "email": f"{word()}.{token(6)}@{word()}.{chance.choice(('com', 'example'))}",
        **some({name[0]: word().title(), name[1]: word().title(), "phone": f"+1{chance.randint(10**9, 10**10 - 1)}"}, 0.8),
        **some({"age": chance.randint(18, 80), "plan": word(), "createdAt": moment(), "company": {"name": word().title(), "id": token(6)}}),
        **some({"visits": chance.randint(1, 500), "city": word().title(), "country": chance.choice(("US", "DE", "GB", "FR"))}, 0.4),
    }


def message() -> bytes:
    """One invented message of the kind analytics libraries send, with its fields in one of their orders."""
    kind = chance.choice(("track", "track", "track", "identify", "identify", "page"))
    name = chance.choice(NAMES)
    library, prefix = chance.choice(
        (
            ({"name": "analytics.js", "version": f"next-1.{chance.randint(60, 99)}.0"}, "ajs-next-"),
            ({"name": "analytics.js", "version": f"next-1.{chance.randint(60, 99)}.0"}, f"ajs-next-{chance.randint(10**12, 2 * 10**12)}-"),
            ({"name": "@segment/analytics-node", "version": "2.2.1"}, f"node-next-{chance.randint(10**12, 2 * 10**12)}-"),
            ({"name": "analytics-python", "version": "2.3.3"}, ""),
            ({"name": "RudderLabs JavaScript SDK", "version": "3.1.0"}, ""),
        )
    )
    user = chance.choice((f"user-{chance.randint(1, 10**8)}", f"user_{token(8)}", str(chance.randint(1, 10**8)), uid()))
    said: dict[str, object] = {"event": name, "properties": properties(name)}
    if kind == "identify":
        said = {"traits": traits()}
    elif kind == "page":
        said = {"name": word().title(), "properties": page()}
    at = moment()
    ids: dict[str, object] = {"userId": user, "anonymousId": uid()}
    id: dict[str, object] = {"messageId": prefix + uid()}
    where = {"context": context(dict(library))}
    orders: tuple[tuple[Fields, ...], ...] = (
        ({"type": kind}, ids, {"timestamp": at}, where, said, id),
        ({"timestamp": at, "integrations": {}}, ids, {"type": kind}, said, where, id, {"sentAt": at, "writeKey": token(24)}),
        ({"type": kind}, id, ids, said, where, {"timestamp": at}),
        (ids, where, said, {"type": kind}, id, {"timestamp": at, "_metadata": {"nodeVersion": "22.1.0"}}, {"sentAt": at}),
        ({"sentAt": at, "writeKey": token(24), "type": kind}, ids, {"timestamp": at}, where, said, id),
        ({"channel": "browser"}, where, said, {"integrations": {"All": True}}, id, {"originalTimestamp": at, "receivedAt": at, "sentAt": at,
         "timestamp": at, "type": kind}, ids, {"version": 2}),
    )  # fmt: skip
    found = {name: value for part in chance.choice(orders) for name, value in part.items()}
    return json.dumps(found, separators=(",", ":") if chance.random() < 0.85 else None).encode()


if __name__ == "__main__":
    samples: list[bytes | bytearray | memoryview] = [message() for _ in range(40_000)]
    trained = zstandard.train_dictionary(DICTIONARY_BYTES, samples[2_000:])
    with open(sys.argv[1], "wb") as file:
        file.write(trained.as_bytes())
    compressor = zstandard.ZstdCompressor(dict_data=trained, level=1)
    judges = samples[:2_000]
    print(
        sum(map(len, judges)) // len(judges), "->", sum(len(compressor.compress(one)) for one in judges) // len(judges), "bytes a message"
    )

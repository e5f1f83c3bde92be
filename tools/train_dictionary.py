"""Makes goodword/storage/bodies.dict, the compression dictionary of message bodies, from invented messages only.

A dictionary made from real traffic would carry people's values out of reach of deletion. Changing the dictionary makes stored
bodies unreadable, so a new one needs a new file name beside this one.
"""

import json
import random
import sys
import uuid

import zstandard

NAMES = ["Product Viewed", "Order Completed", "Signed Up", "Product Added", "Cart Viewed", "Page Viewed", "conversion", "registration"]
LIBRARIES = ["analytics.js", "analytics-node", "analytics-python", "@segment/analytics-node", "RudderLabs JavaScript SDK"]
AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)


def message(chance: random.Random) -> bytes:
    """One invented message of the kind analytics libraries send."""
    day = f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    time = f"{day}T{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:11.{chance.randint(0, 999):03}Z"
    kind = chance.choice(["track", "track", "track", "identify", "page"])
    found: dict[str, object] = {
        "type": kind,
        "messageId": str(uuid.UUID(int=chance.getrandbits(128))),
        "userId": f"user_{chance.randint(0, 10**6)}",
        "anonymousId": str(uuid.UUID(int=chance.getrandbits(128))),
        "timestamp": time,
        "sentAt": time,
        "originalTimestamp": time,
        "receivedAt": time,
        "channel": chance.choice(["server", "browser"]),
        "version": "1.1",
        "integrations": {},
        "context": {
            "library": {"name": chance.choice(LIBRARIES), "version": "2.1.0"},
            "ip": f"203.0.113.{chance.randint(0, 255)}",
            "locale": chance.choice(["en-US", "de-DE", "fr-FR"]),
            "timezone": "Europe/Berlin",
            "userAgent": chance.choice([AGENT.format(chance.randint(100, 140)), PHONE]),
            "page": {
                "path": "/products/example",
                "referrer": "https://www.example.com/",
                "search": "",
                "title": "Example",
                "url": "https://shop.example.com/products/example",
            },
            "campaign": {"name": "spring", "source": "newsletter", "medium": "email"},
        },
    }
    if kind == "track":
        found["event"] = chance.choice(NAMES)
        found["properties"] = {
            "order_id": f"order-{chance.randint(0, 10**8)}",
            "partner_conversion_id": f"order-{chance.randint(0, 10**8)}",
            "cart_value": f"{chance.randint(1, 999)}.{chance.randint(0, 99):02}",
            "currency": "USD",
            "total": chance.randint(1, 99999) / 100,
            "revenue": chance.randint(1, 99999) / 100,
            "products": [{"product_id": "p-1", "sku": "sku-1", "name": "Example", "price": 19.99, "quantity": 1, "category": "Games"}],
            "coupon": "WELCOME10",
            "email": "someone@example.com",
            "first_name": "Some",
            "last_name": "One",
        }
    elif kind == "identify":
        found["traits"] = {
            "email": f"user{chance.randint(0, 10**6)}@example.com",
            "firstName": "Some",
            "lastName": "One",
            "age": chance.randint(18, 80),
            "plan": "premium",
            "existingCustomer": True,
            "createdAt": time,
        }
    else:
        found["name"] = "Home"
        found["properties"] = {"path": "/", "title": "Home", "url": "https://shop.example.com/", "referrer": ""}
    return json.dumps(found, separators=(",", ":")).encode()


if __name__ == "__main__":
    chance = random.Random(7)
    samples: list[bytes | bytearray | memoryview] = [message(chance) for _ in range(20_000)]
    trained = zstandard.train_dictionary(16 * 1024, samples)
    with open(sys.argv[1], "wb") as file:
        file.write(trained.as_bytes())
    compressor = zstandard.ZstdCompressor(dict_data=trained, level=1)
    print(sum(map(len, samples)) // len(samples), "->", sum(len(compressor.compress(s)) for s in samples[:1000]) // 1000, "bytes a message")

"""Why: `python -m bench.why --data DIR`. How long one call takes that tells somebody's story, on a store that `python -m bench --keep DIR`
has grown.

A referral program is launched on it, and friends follow links and buy; then people of before, the friends and their orders are asked
about, one after the other over one connection.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import random
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from bench.clicks import _call, _create_key
from bench.conversions import CAMPAIGN, PROGRAM, _arrival, _clicks, _get, _send
from bench.driver import percentile
from bench.server import HOST, Server, drop_page_cache
from bench.store import Store
from bench.traffic import PEOPLE

FRIENDS = 200


def main() -> None:
    """Prepare referrals, restart with a cold page cache, then ask."""
    parser = argparse.ArgumentParser(prog="python -m bench.why", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of a grown store, as given to `python -m bench --keep`")
    parser.add_argument("--asked", type=int, default=500, help="people asked about of each kind (default: 500)")
    options = parser.parse_args()
    store = Store.open(options.data)
    server = Server(Path(sys.executable).with_name("goodword"), store.data).start()
    try:
        key = _create_key(server.program, store.data)
        run = uuid.uuid4().hex[:8]
        asyncio.run(_refer(server, key, run))
        server.stop()
        drop_page_cache(store.data)
        server.start()
        print(f"{store.events:,} events stored")
        strangers = [f"person=user-{random.randrange(PEOPLE):08d}" for _ in range(options.asked)]
        _ask(server, key, "people of before, first time", strangers)
        _ask(server, key, "people of before, again", strangers)
        _ask(server, key, "friends", [f"person={run}-{number}" for number in range(FRIENDS)])
        _ask(server, key, "orders", [f"order={run}-{number}" for number in range(FRIENDS)])
    finally:
        server.stop()


async def _refer(server: Server, key: str, run: str) -> None:
    """Friends follow the links of a few advocates, sign up and buy. The campaign is there already where the store was asked before."""
    if PROGRAM not in {each["campaign_id"] for each in _get(server, key, "/v2/campaigns")}:
        _call(server, key, "POST", "/v2/campaigns?publish=true", CAMPAIGN)
    codes = []
    for number in range(20):
        person = _call(server, key, "POST", "/v5/persons", {"identity_key_value": f"{run}{number}@why.example"})["id"]
        codes.append(_call(server, key, "POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM, "key": "main"})["code"])
    clicks = await _clicks(server, [random.choice(codes) for _ in range(FRIENDS)])
    messages: list[dict[str, Any]] = []
    for number, click in enumerate(clicks):
        messages += [{**message, "anonymousId": f"a-{run}-{number}"} for message in _arrival(number, click)]
        messages[-1] |= {"userId": f"{run}-{number}", "traits": {"email": f"friend.{run}.{number * 7919:x}@post{number % 83}.example"}}
        bought = {"partner_conversion_id": f"{run}-{number}", "cart_value": "40.00", "currency": "USD"}
        messages.append({"type": "track", "event": "conversion", "userId": f"{run}-{number}", "channel": "server", "properties": bought})
    _, _, errors = await _send(server, key, messages)
    assert not errors


def _ask(server: Server, key: str, name: str, queries: list[str]) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    times, moments = [], 0
    for query in queries:
        began = time.perf_counter()
        connection.request("GET", f"/v2/why?{query}", headers={"Authorization": f"Bearer {key}"})
        story = json.loads(connection.getresponse().read())
        times.append((time.perf_counter() - began) * 1000)
        moments += len(story.get("moments", ()))
    connection.close()
    taken = f"p50 {percentile(times, 50):6.1f} ms  p99 {percentile(times, 99):6.1f} ms  max {max(times):6.1f} ms"
    print(f"{name:<30} {len(times):>5} asked   {taken}   {moments / len(times):.0f} moments each")


if __name__ == "__main__":
    main()

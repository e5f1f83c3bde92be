"""Makes the calls on stdin with a stock Python SDK, flushes, and ends. One process a run: nothing is shared.

stdin: {"sdk", "url", "key", "options", "calls": [{"call", "userId", ...}]}
"""

import importlib
import json
import sys
from typing import Any

MODULES = {
    "segment-analytics-python": "segment.analytics.client",
    "analytics-python": "analytics.client",
    "rudder-sdk-python": "rudderstack.analytics.client",
}
ARGUMENTS = {
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "previousId": "previous_id",
    "groupId": "group_id",
    "event": "event",
    "name": "name",
    "properties": "properties",
    "traits": "traits",
}


def main() -> None:
    job = json.load(sys.stdin)
    client: Any = importlib.import_module(MODULES[job["sdk"]]).Client(job["key"], host=job["url"], **job["options"])
    for call in job["calls"]:
        make = getattr(client, call.pop("call"))
        make(**{ARGUMENTS[name]: value for name, value in call.items()})
    if not job["options"].get("sync_mode"):
        client.flush()
        client.join()


if __name__ == "__main__":
    main()

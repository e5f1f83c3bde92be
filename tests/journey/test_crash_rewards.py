"""Laws 1 and 2 for rewards: `kill -9` amid a storm of orders doubles no reward, loses none, issues no coupon twice, leaves the ledger
balanced, forgets no webhook. Rewards that wait fall due while the server is being killed."""

from __future__ import annotations

import http.client
import json
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from goodword.core.account import Scope
from goodword.storage.store import Store
from tests.running import Server, basic, make_key, problems, run
from tests.worker.receiver import Receiver

KILLS = 10
SENDERS = 4
FRIENDS = 1_500
COUPONS = 1_200
ADVOCATES = 20
PENDING_S = 1.5
SEED = 20_260_102
ALLOW = {"GOODWORD_WEBHOOK_ALLOW": "127.0.0.1"}
CAMPAIGN = {
    "campaign": "storm",
    "program": "storm",
    "share": {"destination": "https://shop.example.com/"},
    "suppliers": [{"id": "pool", "type": "COUPON_POOL", "name": "Pool", "face_value": "5", "face_value_type": "USD"}],
    "quality": {"advocate_outcomes": {"action": "off"}},
    "rewards": [
        {"name": "advocate", "to": "advocate", "value": {"amount": "10"}},
        {"name": "friend", "to": "friend", "value": {"amount": "5", "unit": "USD"}, "supplier": "pool"},
        {"name": "later", "to": "friend", "value": {"amount": "1"}, "pending_days": PENDING_S / 86_400},
    ],
}


class Storm:
    """Clients that send every friend's order three times in all, in batches, until each was acknowledged."""

    def __init__(self, key: str) -> None:
        self.key = key
        dice = random.Random(SEED)
        orders = [n for n in range(FRIENDS) for _ in range(3)]
        dice.shuffle(orders)
        sizes = iter(lambda: dice.choice((1, 7, 40)), 0)
        self.waiting: list[list[dict[str, Any]]] = []
        while orders:
            size = next(sizes)
            self.waiting.append([self.order(n, dice.randrange(1 << 40)) for n in orders[:size]])
            orders = orders[size:]
        self._lock = threading.Lock()

    @staticmethod
    def order(n: int, nonce: int) -> dict[str, Any]:
        properties = {
            "partner_conversion_id": f"order-{n}",
            "cart_value": "20.00",
            "email": f"{chr(97 + n % 26)}{n * 7919}@post{n % 53}.example",
            "advocate_partner_user_id": f"advocate-{n % ADVOCATES}",
        }
        return {"type": "track", "event": "conversion", "userId": f"friend-{n}", "messageId": f"m{n}-{nonce}", "properties": properties}

    def run(self, server: Server, stop: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        while not stop.is_set():
            with self._lock:
                if not self.waiting:
                    break
                batch = self.waiting.pop()
            try:
                connection.request("POST", "/v1/batch", json.dumps({"batch": batch}), basic(self.key))
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                status = 0
                connection.close()
            if status != 200:
                assert status in (0, 503), status
                with self._lock:
                    self.waiting.insert(0, batch)
        connection.close()

    def drive(self, server: Server, seconds: float | None) -> None:
        """Send, and kill the server in the midst of it; without a time, send all there is."""
        stop = threading.Event()
        senders = [threading.Thread(target=self.run, args=(server, stop)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        if seconds is not None:
            time.sleep(seconds)
            server.send_signal(signal.SIGKILL)
            server.wait()
            stop.set()
        for sender in senders:
            sender.join()


def _prepare(data: Path, receiver: Receiver, folder: Path) -> str:
    key = make_key(data, Scope.SERVER)
    document = folder / "storm.json"
    document.write_text(json.dumps(CAMPAIGN))
    codes = folder / "codes.csv"
    codes.write_text("".join(f"CODE-{n:05d}\n" for n in range(COUPONS)))
    for command in (
        ("campaign", "apply", str(document), "--publish"),
        ("coupon", "upload", "pool", str(codes)),
        ("endpoint", "add", receiver.url("/ok"), "--event", "reward.fulfilled"),
    ):
        done = run(*command, "--data", str(data), env=ALLOW)
        assert done.returncode == 0, done.stdout + done.stderr
    return key


def test_law_2_rewards_coupons_and_webhooks_come_through_kill_9_each_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Receiver() as receiver:
        key = _prepare(data, receiver, tmp_path)
        storm = Storm(key)
        server = Server(data, env=ALLOW)
        for n in range(ADVOCATES):
            said = {"type": "identify", "userId": f"advocate-{n}", "traits": {"email": f"{'abcdefghijklmnopqrst'[n] * 5}@work{n}.example"}}
            assert server.post("/segment", said, key).status == 200
        time.sleep(0.05)
        dice = random.Random(SEED)
        left = []
        for _ in range(KILLS):
            storm.drive(server, dice.uniform(0.1, 0.5))
            left.append(len(storm.waiting))
            server = Server(data, env=ALLOW)
        assert sum(1 for count in left if count) >= KILLS // 2, "the storm was over before it was struck"
        storm.drive(server, None)
        ids = _until_all_came(receiver, 2 * FRIENDS + COUPONS)
        server.stop()
        codes = [(got.json["reward_id"], got.json["partner_reward_id"]) for got in receiver.at("/ok") if "partner_reward_id" in got.json]
    assert len(set(codes)) == len({code for _, code in codes}) == len({reward for reward, _ in codes}) == COUPONS
    with Store(data) as store:
        read = store.database.read
        moved = "SELECT reward_id, seq FROM reward_transition WHERE account_id = 1 AND after = 'FULFILLED' AND success = 1"
        assert ids == {f"reward-{reward}-{seq}" for reward, seq in read(moved)}
        rewards = Counter(read("SELECT name, state FROM reward WHERE account_id = 1"))
        assert rewards == {
            ("advocate", "FULFILLED"): FRIENDS,
            ("later", "FULFILLED"): FRIENDS,
            ("friend", "FULFILLED"): COUPONS,
            ("friend", "FAILED"): FRIENDS - COUPONS,
        }
        twice = "SELECT journey_id, name, count(*) FROM reward WHERE account_id = 1 GROUP BY journey_id, name HAVING count(*) > 1"
        assert read(twice) == []
        assert read("SELECT count(*), count(DISTINCT reward_id) FROM coupon WHERE account_id = 1 AND reward_id IS NOT NULL") == [
            (COUPONS, COUPONS)
        ]
        assert read("SELECT count(*), count(DISTINCT reward_id) FROM posting WHERE account_id = 1") == [(2 * FRIENDS, 2 * FRIENDS)]
        balances = read("SELECT profile_id, amount FROM balance WHERE account_id = 1 ORDER BY profile_id")
        assert Counter(amount for _, amount in balances) == {FRIENDS // ADVOCATES * 1_000: ADVOCATES, 100: FRIENDS}
        assert read("SELECT profile_id, sum(amount) FROM posting WHERE account_id = 1 GROUP BY profile_id ORDER BY profile_id") == balances
        assert read("SELECT count(*) FROM delivery WHERE account_id = 1 AND state <> 'delivered'") == [(0,)]
        assert problems(store) == []
    verified = run("verify", "--data", str(data))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _until_all_came(receiver: Receiver, count: int) -> set[str]:
    """The ids of the events that came. One may come twice, for a kill between the answer and its record; none may be missing."""
    deadline = time.monotonic() + 90
    while True:
        ids = {got.headers["webhook-id"] for got in receiver.at("/ok")}
        if len(ids) >= count or time.monotonic() > deadline:
            time.sleep(1.5)  # what was delivered is recorded a moment later
            return ids
        time.sleep(0.2)

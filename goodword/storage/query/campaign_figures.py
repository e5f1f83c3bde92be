"""What campaigns did in the last days, from tallies: one statement for all of them, never the events themselves."""

from __future__ import annotations

from msgspec import Struct, field

from goodword.storage.store import Store


class Figures(Struct):
    """A campaign's counts in some days. `shares` count each recipient, `clicks` those that people seem to have made, `outcomes` good ones;
    `cost` is what was earned and not taken back, by unit, in hundredths or minor units."""

    shares: int = 0
    clicks: int = 0
    sign_ups: int = 0
    outcomes: int = 0
    rewards: int = 0
    cost: dict[str, int] = field(default_factory=dict)


_MEASURES = {"share": "shares", "click": "clicks", "sign_up": "sign_ups", "outcome": "outcomes"}


def figures(store: Store, account: int, first: int) -> dict[str, Figures]:
    """Counts by campaign from a day of the account on."""
    found: dict[str, Figures] = {}
    rows = store.database.read(
        "SELECT campaign_id, measure, sum(count) FROM referral_tally WHERE account_id = ? AND day >= ? AND quality = 'HIGH'"
        " GROUP BY campaign_id, measure",
        (account, first),
    )
    for campaign, measure, count in rows:
        if measure in _MEASURES:
            setattr(found.setdefault(campaign, Figures()), _MEASURES[measure], int(count))
    rows = store.database.read(
        "SELECT campaign_id, unit, sum(count), sum(value) FROM reward_tally WHERE account_id = ? AND day >= ? AND unit <> ''"
        " AND state NOT IN ('CANCELED', 'REVOKED', 'EXPIRED', 'FAILED') GROUP BY campaign_id, unit ORDER BY campaign_id, unit",
        (account, first),
    )
    for campaign, unit, count, value in rows:
        mine = found.setdefault(campaign, Figures())
        mine.rewards += int(count)
        if value:
            mine.cost[unit] = int(value)
    return found

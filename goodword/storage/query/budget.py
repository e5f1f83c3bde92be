"""How much of each budget of a campaign is used up, as the rules count it (core/reward_rule.py)."""

from __future__ import annotations

from msgspec import Struct

from goodword.core.campaign import Budget, Campaign
from goodword.core.reward import read_value
from goodword.core.reward_rule import period_start
from goodword.core.times import Millis
from goodword.storage.store import Store


class Used(Struct, frozen=True):
    """A budget and what was taken of it in its period: rewards, or minor units of `unit`."""

    campaign: str
    budget: Budget
    used: int
    most: int
    is_count: bool


def used(store: Store, account: int, campaigns: list[Campaign], now: Millis) -> list[Used]:
    """Every budget of these campaigns as they are in force; what a draft says limits nothing yet."""
    found = []
    for campaign in campaigns:
        mark = campaign.mark_at(now)
        if mark is None or not mark.version:
            continue
        for budget in campaign.documents[mark.version].budgets:
            rows = store.database.read(
                "SELECT coalesce(sum(count), 0), coalesce(sum(value), 0) FROM spent WHERE account_id = ? AND campaign_id = ? AND day >= ?"
                + (" AND unit = ?" if budget.unit else ""),
                (account, campaign.id, period_start(budget.period, now), *((budget.unit,) if budget.unit else ())),
            )
            count, value = rows[0]
            most = read_value(budget.value_max, budget.unit)
            if most is not None:
                found.append(Used(campaign.id, budget, value, most, False))
            if budget.count_max is not None:
                found.append(Used(campaign.id, budget, count, budget.count_max, True))
    return found

"""What campaigns hold of a person, for their whole file (an access request): links, shares, referrals, how they were judged, rewards.

The other side of a referral is a number: who it is, is theirs to be told.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from goodword.core.profile import Profile
from goodword.core.reward import Reward
from goodword.core.times import write_time
from goodword.storage.query import referral as referrals
from goodword.storage.query import reward as rewards
from goodword.storage.query import share as shares
from goodword.storage.query.moment import rules_as_data, worth
from goodword.storage.query.referral import RelationshipFilter
from goodword.storage.store import Store

ROWS_MAX = 10_000
"""Of each kind so many, the newest. Nobody real has more; who has is an advocate by trade."""


def referral_file(store: Store, account: int, profile: Profile) -> dict[str, Any]:
    """All of it, as JSON."""
    journey = referrals.journey_of(store, account, profile)
    steps = journey.steps if journey is not None else ()
    judged = referrals.judgements(store, account, [step.arrival for step in steps])
    wanted = rewards.RewardFilter(people=frozenset(referrals.numbers_of(profile)))
    related = referrals.relationships(store, account, profile, RelationshipFilter(includes_self=True))
    return {
        "share_links": [
            {"code": link.code, "program": link.program, "key": link.key, "created_at": write_time(link.created_at), "data": link.data}
            for link in referrals.links_of(store, account, profile)
        ],
        "shares": [
            {
                "at": write_time(each.share.at),
                "channel": each.share.channel,
                "program": each.share.program,
                "recipients": each.recipients,
                "message": each.share.message,
                "subject": each.share.subject,
                "data": each.share.data,
            }
            for each in shares.shares_of(store, account, profile, shares.ShareFilter(), ROWS_MAX)
        ],
        "sent_by": [
            {
                "at": write_time(touch.at),
                "reason": touch.reason,
                "advocate_id": str(touch.advocate_id),
                "program": touch.program,
                "campaign_id": touch.campaign,
            }
            for touch in (journey.touches if journey is not None else ())
        ],
        "referrals": [
            {
                "my_role": each.my_role,
                "other_person_id": str(each.other_id),
                "program": each.relationship.program,
                "reason": each.relationship.reason,
                "at": write_time(each.relationship.at),
                "displaced": each.relationship.displaced_at is not None,
            }
            for each in islice(related, ROWS_MAX)
        ],
        "verdicts": [
            {
                "event": step.name,
                "at": write_time(step.at),
                "campaign_id": each.campaign,
                "version": each.version,
                "quality": each.quality,
                "review": each.review,
                "rules": rules_as_data(each.rules),
            }
            for step in steps
            for each in judged.get(step.arrival, ())
        ],
        "rewards": [_reward(store, account, each.reward) for each in rewards.list_of(store, account, wanted, 0, ROWS_MAX)],
        "balances": {
            unit: worth(amount, unit) for unit, amount in rewards.balances(store, account, list(referrals.numbers_of(profile))).items()
        },
    }


def _reward(store: Store, account: int, reward: Reward) -> dict[str, Any]:
    return {
        "id": str(reward.id),
        "name": reward.name,
        "campaign_id": reward.campaign,
        "role": reward.role,
        "worth": worth(reward.value, reward.unit),
        "state": reward.state,
        "created_at": write_time(reward.created_at),
        "given": reward.secret,
        "moves": [
            {"at": write_time(move.at), "state": move.after, "success": move.is_success, "message": move.message, "by": move.by}
            for move in rewards.history(store, account, reward)
        ],
    }

"""What the audit log says of changes that a program or the command line asks for. The console's pages say it themselves, with more detail.

Subjects and details are ids and settings, never what names a person of the brand's. What people do, and what is counted, is no change of
anybody's: it has a log of its own.
"""

from __future__ import annotations

from typing import Any, Literal

from goodword.core import command as c
from goodword.core.account import Key, Scope

KEY = "key:"
"""Who did it, where that was an API key: this and its id."""
Said = tuple[str, str, dict[str, Any]]


def audited(command: c.Command, by: str) -> c.Asked:
    """The command as the engine is asked for it: with a word for the audit log where it is a change."""
    said = said_of(command)
    return c.Audited(command.account, command, by, *said) if said is not None else command


def by_key(key: Key, asked: c.Asked) -> c.Asked:
    """The same for what an API key asks for: changes by keys that may do everything are written down, and deletions by any."""
    if isinstance(asked, c.Audited):
        return asked
    return audited(asked, KEY + key.id) if Scope.ADMIN in key.scopes or isinstance(asked, c.Erase) else asked


def pool_changed(account: int, by: str, action: Literal["pool.filled", "pool.emptied"], supplier: str, count: int) -> c.Audited:
    """A word of a whole change to a coupon pool: the parts of a file are no changes of their own."""
    return c.Audited(account, c.Note(account), by, action, supplier, {"count": count})


def said_of(command: c.Command) -> Said | None:
    """The action, the subject and the details of a change; None for what is none."""
    match command:
        case c.Configure():
            return "settings.changed", "", {}
        case c.CreateKey(key=key):
            return "key.created", key.id, {"name": key.name, "scopes": list(key.scopes), "is_signed": bool(key.signing_secret)}
        case c.RevokeKey(id=id):
            return "key.revoked", id, {}
        case c.SaveCampaign(document=document, note=note, publish=publish):
            return "campaign.published" if publish else "campaign.saved", document.campaign, {"note": note}
        case c.SetCampaignState(id=id, state=state, version=version):
            return "campaign.moved", id, {"after": state, "version": version}
        case c.PutSupplier(supplier=supplier):
            return "supplier.changed", supplier.id, {"type": supplier.type}
        case c.PutEndpoint(endpoint=endpoint, is_deleted=is_deleted):
            return "webhook.ended" if is_deleted else "webhook.changed", endpoint.id, {}
        case c.Redeliver(delivery_ids=numbers):
            return "webhook.resent", "", {"count": len(numbers)}
        case c.PutBlock(entry=entry, is_listed=is_listed):
            return "block.listed" if is_listed else "block.ended", "", {"list": entry.list_type}
        case _:
            return _said_of_person(command)


def _said_of_person(command: c.Command) -> Said | None:
    match command:
        case c.SetBlock(profile_id=number, type=kind):
            return "person.blocked", str(number), {"type": kind}
        case c.Forward(source=source, target=target):
            return "person.merged", str(source), {"into": str(target)}
        case c.Erase(erasure_id=id, suppress=suppress):
            return "person.erased", id, {"suppressed": suppress}
        case c.Unsuppress():
            return "person.unsuppressed", "", {}
        case c.MoveReward(reward_id=number, states=states):
            return "reward.moved", str(number), {"to": list(states)}
        case c.GrantReward(profile_id=number, campaign=campaign, name=name, supplier=supplier):
            return "reward.granted", str(number), {"campaign": campaign, "name": name, "supplier": supplier}
        case c.SetRewardExpiry(reward_id=number):
            return "reward.expiry_set", str(number), {}
        case c.Review(decision=decision, campaign=campaign):
            return f"review.{decision}", "", {"campaign": campaign}
        case _:
            return None

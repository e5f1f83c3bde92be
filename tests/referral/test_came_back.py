"""People who were deleted, and somebody who comes with their id or on their device (`returned_after_deletion`, domain 5.2)."""

from __future__ import annotations

from goodword.core import command as c
from goodword.core.profile import IdentityKey
from tests.referral.town import DAY, MINUTE, Town


def test_who_comes_back_by_the_same_id_earns_nobody_anything(town: Town) -> None:
    town.person("ben", "ben@post.example")
    comes_back(town, "ben")
    assert town.live() == []
    assert quality(town) == [("LOW", "")]


def test_somebody_new_on_the_device_of_a_deleted_person_is_looked_at(town: Town) -> None:
    town.person("ben", "ben@post.example", anonymousId="shared-device")
    comes_back(town, "carl", "shared-device")
    assert quality(town) == [("HIGH", "open")]
    assert town.live() == []


def test_somebody_new_on_a_device_of_their_own_is_paid_for(town: Town) -> None:
    town.person("ben", "ben@post.example", anonymousId="bens-device")
    comes_back(town, "carl")
    assert quality(town) == [("HIGH", "")]
    assert town.live() == [("ada", 1000, "FULFILLED"), ("carl", 1000, "FULFILLED")]


def comes_back(town: Town, user: str, device: str = "new-device") -> None:
    """Ben is deleted, and a month later somebody follows Ada's link and buys."""
    town.passes(MINUTE)
    town.engine.execute([c.Erase(1, (IdentityKey("uben"),))])
    town.passes(30 * DAY)
    town.visit(town.click(town.person("ada", "ada@mail.example")), anonymousId=device)
    town.passes(MINUTE)
    town.person(user, f"{user}@inbox.example", anonymousId=device)
    town.buy("order-1", userId=user)


def quality(town: Town) -> list[tuple[str, str]]:
    """Of each judgement, its quality and what stands with a person to look at it."""
    return [(row[3], row[4]) for row in town.judgements()]

"""What is listed of a referral whose friend was first known by a device alone."""

from __future__ import annotations

from goodword.core.profile import ProfileId
from goodword.storage.query import person as people
from goodword.storage.query import referral
from tests.referral.town import MINUTE, Town


def listed(town: Town, number: ProfileId) -> list[tuple[str, str, bool]]:
    """A person's relationships: in which role, with whom, and whether they stand."""
    profile = people.find(town.store, 1, number)
    assert profile is not None
    found = referral.relationships(town.store, 1, profile, referral.RelationshipFilter())
    return [(each.my_role, town.name(each.other_id), each.relationship.displaced_at is None) for each in found]


def test_a_referral_that_came_over_with_a_device_stands(town: Town) -> None:
    """Ben was a customer; the page of his click was anonymous, and then he logged in."""
    ada, ben = town.person("ada", "ada@mail.example"), town.person("ben", "ben@post.example")
    town.visit(town.click(ada), anonymousId="device-1")
    town.passes(MINUTE)
    town.say("identify", userId="ben", anonymousId="device-1")
    assert listed(town, ben) == [("FRIEND", "ada", True)]
    assert listed(town, ada) == [("ADVOCATE", "ben", True)]


def test_two_who_referred_each_other_are_listed_in_both_roles(town: Town) -> None:
    ada, ben = town.person("ada", "ada@mail.example"), town.person("ben", "ben@post.example")
    town.visit(town.click(ada), userId="ben", anonymousId="device-1")
    town.passes(MINUTE)
    town.visit(town.click(ben), userId="ada", anonymousId="device-2")
    assert sorted(listed(town, ada)) == [("ADVOCATE", "ben", True), ("FRIEND", "ben", True)]

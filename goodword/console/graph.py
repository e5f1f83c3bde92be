"""A person's referrals as a small picture: who sent them on the left, whom they sent on the right. Places only; the template draws."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from goodword.console.people import name_of
from goodword.storage.query.referral import Related

WIDTH = 720
ROW = 46
LEAST_HEIGHT = 92
LABEL_CHARS_MAX = 24


class Node(Struct, frozen=True):
    """Somebody on the picture. `id` 0: deleted, so that nothing leads to them. `is_past`: the referral was displaced by a later one."""

    id: int
    label: str
    reason: str
    x: int
    y: int
    is_past: bool = False


class Graph(Struct, frozen=True):
    """The picture's size, whom it is about, and both sides. `more` friends have no place on it."""

    width: int
    height: int
    label: str
    y: int
    advocates: list[Node]
    friends: list[Node]
    more: bool


def graph_of(label: str, advocates: Sequence[Related], friends: Sequence[Related], shown: int) -> Graph | None:
    """The picture of a person's relationships, at most `shown` on each side; None for somebody without any."""
    if not advocates and not friends:
        return None
    left, right = advocates[:shown], friends[:shown]
    height = max(LEAST_HEIGHT, ROW * max(len(left), len(right)))
    return Graph(
        WIDTH, height, _cut(label), height // 2, _side(left, 0, height), _side(right, WIDTH, height), len(friends) > len(right)
    )  # fmt: skip


def _side(related: Sequence[Related], x: int, height: int) -> list[Node]:
    step = height / max(len(related), 1)
    return [
        Node(
            0 if each.other is None else int(each.other.id),
            "deleted since" if each.other is None else _cut(name_of(each.other)),
            each.relationship.reason.replace("_", " ").lower(),
            x,
            round(step * (place + 0.5)),
            each.relationship.displaced_at is not None,
        )
        for place, each in enumerate(related)
    ]


def _cut(label: str) -> str:
    return label if len(label) <= LABEL_CHARS_MAX else label[: LABEL_CHARS_MAX - 1] + "…"

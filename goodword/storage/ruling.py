"""What rules said of events and rewards, stored once for all that they said the same of.

Nearly every order passes the same thirty rules in the same words: a kilobyte, which names nobody. Beside each judgement it took a page
of its own. Rows name it by its hash; rows of before, and of older nodes, have the words themselves.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from goodword.core.reward import Passed

if TYPE_CHECKING:
    from goodword.storage.driver import Database

_NOTHING = "[]"
_encode = msgspec.json.Encoder().encode
read_rules = msgspec.json.Decoder(tuple[Passed, ...]).decode
"""What a `rules_of` column holds, as the rules' results."""


def rules_of(row: str) -> str:
    """The column of what rules said about a `judgement` or a `reward`, by the name that a statement calls it by."""
    return (
        f"CASE WHEN {row}.rules <> '{_NOTHING}' OR {row}.ruling IS NULL THEN {row}.rules ELSE"
        f" (SELECT said.rules FROM ruling said WHERE said.account_id = {row}.account_id AND said.id = {row}.ruling) END"
    )


class Rulings:
    """What rules said in a group."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], bytes] = {}

    def columns(self, account: int, rules: tuple[Passed, ...]) -> tuple[str, bytes | None]:
        """`rules` and `ruling` of a row. What holds until a moment of its own (a wait) hardly any other row says: it stays with the row."""
        said = _encode(rules)
        ruling = self._known.get((account, said))
        if ruling is None:
            if not rules or any(each.until for each in rules):
                return said.decode(), None
            ruling = self._known[account, said] = blake2b(said, digest_size=16).digest()
        return _NOTHING, ruling

    def write(self, database: Database) -> None:
        """Write what is new; inside the transaction of the rows that name it."""
        rows = sorted((account, ruling, said.decode()) for (account, said), ruling in self._known.items())
        database.many("INSERT INTO ruling VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)

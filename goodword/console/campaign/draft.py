"""A draft on the editor's page: one text, shown as a document and as a form. Both may be changed; what was changed in either is kept.

A form carries what its fields were when it was shown (`was`), and a digest of its document (`seen`). A field that differs was changed by
its user, and is set in the document as it was sent; all other fields are read from the document again.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from goodword.console.campaign.field import LISTS, Group, groups, new_entry, slug_of
from goodword.console.form import Form
from goodword.core.campaign_check import Known
from goodword.core.campaign_schema import Problem
from goodword.document.form import OFF, ON, length, read_fields, with_fields, without
from goodword.document.text import Checked, examine

DOCUMENT = "document"
WAS, SEEN = "was", "seen"
_decode_was = msgspec.json.Decoder(dict[str, str]).decode


class Draft(Struct):
    """A text with what the form shows of it. `values` go by path; `is_readable` is false while the text cannot be read as YAML."""

    text: str
    groups: tuple[Group, ...]
    values: dict[str, str]
    checked: Checked
    is_readable: bool
    is_form_changed: bool = False
    is_document_changed: bool = False

    @property
    def was(self) -> str:
        """What the fields are, to be sent along with them."""
        return msgspec.json.encode(self.values).decode()

    @property
    def seen(self) -> str:
        """What the document is, in short, to be sent along with it."""
        return _digest(self.text)

    @property
    def wrong_paths(self) -> frozenset[str]:
        """Paths of problems that keep the draft from being saved."""
        return frozenset(each.path for each in self.checked.problems if not each.is_warning)

    def slug(self, path: str) -> str:
        """The id of the place that a problem is about: its field, or the document."""
        return slug_of(path) if path in self.paths else DOCUMENT

    @property
    def paths(self) -> frozenset[str]:
        """Paths that the form shows."""
        return frozenset(field.path for group in self.groups for field in group.fields)

    def problem(self, path: str) -> Problem | None:
        """The first thing wrong with a field."""
        return next((each for each in self.checked.problems if each.path == path and not each.is_warning), None)

    @property
    def errors(self) -> int:
        """How many problems keep the draft from being saved."""
        return sum(not each.is_warning for each in self.checked.problems)


def draft_of(text: str, known: Known) -> Draft:
    """A text as a draft."""
    suppliers: Mapping[str, Any] = dict(known.suppliers)
    checked = examine(text, known)
    if checked.document is not None:
        suppliers = {**suppliers, **{each.id: each for each in checked.document.suppliers}}
    shown = groups(length(text, "rewards"), length(text, "budgets"), suppliers)
    values = read_fields(text, (field.path for group in shown for field in group.fields))
    return Draft(text, shown, values or {}, checked, values is not None)


def draft_sent(form: Form, known: Known) -> Draft:
    """The draft of a form as it was sent: its document, with what was changed in its fields."""
    text = form.lines(DOCUMENT)
    changes = _changes(form)
    set_in = with_fields(text, changes) if changes else text
    draft = draft_of(text if isinstance(set_in, Problem) else set_in, known)
    if isinstance(set_in, Problem):
        draft.values = {path: form.value(path) for path in _was(form)}
        if set_in.path:  # the document is fine, and this value is not
            draft.checked = Checked(None, [set_in, *draft.checked.problems], draft.checked.lines)
    draft.is_form_changed, draft.is_document_changed = bool(changes), _digest(text) != form.value(SEEN)
    return draft


def with_step(draft: Draft, step: str, known: Known) -> Draft:
    """The draft after one of the editor's own buttons: `add:rewards`, or `remove:rewards[1]`."""
    verb, _, target = step.partition(":")
    if verb == "add" and target in LISTS:
        came = with_fields(draft.text, new_entry(target, length(draft.text, target)))
        return draft if isinstance(came, Problem) else draft_of(came, known)
    if verb == "remove" and target in {group.entry for group in draft.groups if group.entry}:
        return draft_of(without(draft.text, target), known)
    return draft


def _digest(text: str) -> str:
    """Line ends do not count: browsers send their own."""
    return blake2b(text.strip().encode("utf-8", "replace"), digest_size=8).hexdigest()


def _was(form: Form) -> dict[str, str]:
    try:
        return _decode_was(form.value(WAS).encode())
    except (msgspec.MsgspecError, UnicodeError):
        return {}


def _changes(form: Form) -> dict[str, str]:
    """The fields that were changed, by path. A box that is not sent is not ticked."""
    changed = {}
    for path, before in _was(form).items():
        now = form.lines(path).strip()
        if now != before.strip() and not (path == DOCUMENT or (before not in (ON, OFF) and not form.has(path))):
            changed[path] = now
    return changed

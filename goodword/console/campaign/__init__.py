"""Campaigns in the console: a list, one campaign, its editor, versions, dry runs and pages.

`field.py` says what of a document the form shows, `draft.py` keeps form and document one, `edit.py` is the editor; `version.py` publishes,
`trial.py` runs a draft on stored events in a process of its own, `preview.py` shows the hosted pages, `example.py` tries a live campaign
with made-up people.
"""

from __future__ import annotations

from goodword.console.campaign import edit, example, overview, preview, trial, version
from goodword.console.navigation import Entry

ROUTES = (*edit.ROUTES, *overview.ROUTES, *version.ROUTES, *trial.ROUTES, *preview.ROUTES, *example.ROUTES)
ENTRIES = (Entry("Campaigns", "/campaigns", "marketer", "Run", "c", "campaigns"),)

"""Event names: what events sent under some name become, with presets, and a preview on what came lately before anything is saved."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response

from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.settings import tabs
from goodword.core import command as c
from goodword.core.account import CONVERSION, DEFAULT_EVENTS, REGISTRATION, EventMapping, Settings
from goodword.core.message import clean_name
from goodword.storage.query import preview as previews
from goodword.storage.query.preview import NamePreview, Preview

ID_FIELD, VALUE_FIELD = "partner_conversion_id", "cart_value"
LISTED_OF_LAST, PREVIEWED = 500, 1_000
ROWS_MAX = 200
EMPTY_ROWS = 2
PRESETS_SAID = {"segment-ecommerce": "Segment e-commerce", "segment-b2b": "Segment B2B"}


class Row(Struct):
    """A row of the table: a name as sent, what it becomes ("" for itself), and where a conversion's id and value stand, with commas."""

    sent: str
    to: str = ""
    ids: str = ""
    values: str = ""
    count: int = 0


def _row(sent: str, mapping: EventMapping, count: int = 0) -> Row:
    fields = mapping.fields
    return Row(sent, mapping.to, ", ".join(fields.get(ID_FIELD, ())), ", ".join(fields.get(VALUE_FIELD, ())), count)


def rows_of(settings: Settings, seen: Iterable[NamePreview]) -> list[Row]:
    """The table: names that come and become nothing first, then the mapped ones; by how often each came."""
    counts = {name.sent.casefold(): name for name in seen}
    mapped = [_row(counts[sent].sent if sent in counts else sent, said, counts[sent].count if sent in counts else 0)
              for sent, said in settings.events.items()]  # fmt: skip
    plain = [
        Row(name.sent, count=name.count) for sent, name in counts.items() if sent not in settings.events and sent not in DEFAULT_EVENTS
    ]
    return [*sorted(plain, key=lambda row: (-row.count, row.sent)), *sorted(mapped, key=lambda row: (-row.count, row.sent))]


def read_rows(page: Page) -> list[Row]:
    """The table as it was sent."""
    form = page.form
    columns = [form.many(name) for name in ("sent", "to", "ids", "values")]
    if len({len(column) for column in columns}) != 1 or len(columns[0]) > ROWS_MAX:
        raise PageRefused(400, "The table is not whole.")
    return [Row(*values) for values in zip(*columns, strict=True)]


def draft(settings: Settings, rows: list[Row]) -> Settings:
    """Settings with the table's mappings for all that they had. What a mapping says of other fields stays."""
    events: dict[str, EventMapping] = {}
    for row in rows:
        sent = clean_name(row.sent).casefold()
        if not sent or not row.to:
            continue
        mapping = previews.mapping(row.to)
        before = settings.events.get(sent)
        fields = dict(before.fields) if before is not None and before.to == mapping.to else dict(mapping.fields)
        for name, text in ((ID_FIELD, row.ids), (VALUE_FIELD, row.values)):
            said = [part.strip() for part in text.split(",") if part.strip()]
            if said:
                fields[name] = said
            elif row.ids or row.values:
                fields.pop(name, None)
        events[sent] = replace(mapping, fields=fields)
    return replace(settings, events=events)


async def show(page: Page) -> Response:
    """`GET /settings/events`; with `preset`, its rows added to the table, to be looked at before they are saved."""
    settings = page.settings
    seen = previews.preview(page.store, page.account, settings, LISTED_OF_LAST)
    preset = previews.preset(page.query("preset"))
    if preset is not None:
        settings = previews.drafted(settings, preset)
    found = previews.preview(page.store, page.account, settings, PREVIEWED) if preset is not None else seen
    return _shown(page, rows_of(settings, seen.names), found, is_draft=preset is not None)


def _shown(page: Page, rows: list[Row], found: Preview, *, is_draft: bool) -> Response:
    return page.render(
        "settings/events.html",
        tabs=tabs(page),
        rows=[*rows, *(Row("") for _ in range(EMPTY_ROWS))],
        found=found,
        is_draft=is_draft,
        presets=PRESETS_SAID.items(),
        targets=(REGISTRATION, CONVERSION, "shipped", "canceled", "returned"),
    )


async def preview(page: Page) -> Response:
    """`POST /settings/events/preview`: what the newest events would become. Nothing is changed."""
    rows = read_rows(page)
    found = previews.preview(page.store, page.account, draft(page.settings, rows), PREVIEWED)
    if page.is_fragment:
        return page.render("settings/events_preview.html", found=found)
    return _shown(page, [row for row in rows if row.sent], found, is_draft=True)


async def save(page: Page) -> Response:
    """`POST /settings/events`."""
    settings = draft(page.settings, read_rows(page))
    before = {sent: said.to for sent, said in page.settings.events.items()}
    after = {sent: said.to for sent, said in settings.events.items()}
    changed = {
        sent: [before.get(sent), after.get(sent)]
        for sent in sorted({*before, *after})
        if page.settings.events.get(sent) != settings.events.get(sent)
    }
    await page.do(c.Configure(page.account, settings), "events.mapped", names=changed)
    return page.redirect("/settings/events", "Saved. It holds for events from now on; stored ones stay as they are.")


ROUTES = (
    shows("/settings/events", show, "marketer"),
    changes("/settings/events", save, "marketer"),
    changes("/settings/events/preview", preview, "marketer"),
)

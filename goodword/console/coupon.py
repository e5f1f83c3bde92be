"""Coupon pools: what is left, codes added from a file (dropped on the page, or chosen) or pasted, and what was added when."""

from __future__ import annotations

import re

from starlette.responses import Response

from goodword.api.coupon_upload import UPLOAD_BYTES_MAX, Uploading
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.reward import suppliers_of
from goodword.core import command as c
from goodword.core.decision import Outcome
from goodword.core.reward import Supplier
from goodword.storage.query import reward as rewards

PROBLEMS_SHOWN = 20
UPLOADS_SHOWN = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,60}")


def _pools(page: Page) -> list[tuple[Supplier, rewards.Pool]]:
    found = [each for each in suppliers_of(page).values() if each.type == "COUPON_POOL"]
    return [(each, rewards.pool(page.store, page.account, each.id)) for each in sorted(found, key=lambda each: each.id)]


async def index(page: Page) -> Response:
    """`GET /coupons`."""
    return page.render("coupon/index.html", pools=_pools(page))


async def create(page: Page) -> Response:
    """`POST /coupons`: a new, empty pool."""
    form = page.form
    id = form.text("id", needs="Give it an id: campaigns name it by that.", chars_max=60)
    name, low = form.text("name"), form.text("low_balance") or "0"
    if id and not _ID.fullmatch(id):
        form.wrong("id", "Letters, digits, - and _ only.")
    if id in suppliers_of(page):
        form.wrong("id", "There is a supplier of this id already.")
    if not (low.isascii() and low.isdigit() and len(low) < 10):
        form.wrong("low_balance", "A whole number, or nothing.")
    if form.is_good:
        supplier = Supplier(id, "COUPON_POOL", name, low_balance=int(low))
        outcome = await page.attempt(c.PutSupplier(page.account, supplier), "pool.created", id)
        if outcome.verdict != "refused":
            return page.redirect(f"/coupons/{id}", "The pool is made. Add its codes.")
        form.wrong("id", outcome.reason)
    return page.render("coupon/index.html", 422, pools=_pools(page))


def _pool(page: Page) -> Supplier:
    found = suppliers_of(page).get(page.param("id"))
    if found is None or found.type != "COUPON_POOL":
        raise PageRefused(404, "There is no coupon pool of this id.")
    return found


async def show(page: Page) -> Response:
    """`GET /coupons/{id}`."""
    return _shown(page, _pool(page))


def _shown(page: Page, supplier: Supplier, done: Uploading | None = None, status: int = 200) -> Response:
    return page.render(
        "coupon/show.html",
        status,
        supplier=supplier,
        pool=rewards.pool(page.store, page.account, supplier.id),
        uploads=rewards.uploads(page.store, page.account, supplier.id, 0, UPLOADS_SHOWN),
        done=done,
        problems_shown=PROBLEMS_SHOWN,
    )


async def add(page: Page) -> Response:
    """`POST /coupons/{id}/add`: the codes of a file as the body, or those of a form, one a line. What is wrong is named by its row."""
    supplier = _pool(page)
    is_form = page.request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    body = page.form.lines("codes").encode() if is_form else page.body
    if not body.strip():
        page.form.wrong("codes", "There is no code in it. One a line is wanted.")
        return _shown(page, supplier, status=422)
    by = page.viewer.user.name or page.viewer.user.email

    async def ask(command: c.Command) -> Outcome:
        return await page.do(command, "pool.filled", supplier.id)

    uploading = Uploading(page.engine, page.account, supplier.id, by, ask)
    await uploading.take(body)
    await page.do(c.Note(page.account), "pool.filled", supplier.id, added=uploading.added, refused=uploading.refused)
    return _shown(page, supplier, uploading)


ROUTES = (
    shows("/coupons", index, "marketer"),
    changes("/coupons", create, "marketer"),
    shows("/coupons/{id}", show, "marketer"),
    changes("/coupons/{id}/add", add, "marketer", body_bytes_max=UPLOAD_BYTES_MAX),
)

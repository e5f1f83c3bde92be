"""The console: pages for people, at /console/, on the process and port of everything else. It reads through `storage/query` and writes
through the engine, like any door.

How a feature is added:

1. A module `console/FEATURE.py` (the feature's noun) and a folder `console/templates/FEATURE/`. Longer features become several modules.
2. Functions of a `Page` (`page.py`) that answer: `page.render("feature/index.html", lines=...)`, `page.redirect("/feature", "Saved.")`.
   Errors: `raise PageRefused(404, "There is no such reward.")`. Paths are below /console; `page.at(path, **query)` makes addresses.
3. `ROUTES = (shows(path, answer, role), changes(path, answer, role), ...)`: GET changes nothing, POST changes. `role` is the least that is
   enough: support sees people and rewards, marketer runs campaigns, admin has keys, users and deletion. 403 comes by itself, and so do
   sign-in, CSRF, headers. `ENTRIES = (Entry("Label", path, role, group, key, icon),)` puts it in the navigation. Both are found by
   `FEATURES` in `app.py`, whose order is the navigation's.
4. Reads: `storage/query` with `page.account` first. Writes: `await page.do(command, "thing.changed", id)`, which also writes the audit log
   in the same commit; `page.attempt` where a refusal is said beside a field. Details of the audit log name nobody.
5. Forms: `page.form` (`form.py`): `form.text("name", needs="Give it a name.")`, `form.wrong(...)`, `form.is_good`; answer 422 with the
   page again. In templates `parts.post`, `parts.field`, `parts.problems`, `parts.act` (one button that changes something).
6. Templates extend `layout.html`, say `{% import "parts.html" as parts with context %}`, and use its parts: head, tag, empty, note, code,
   copy, pager, tabs, icon. Everything is escaped: no `|safe`, no inline script or style, no `hx-on`, no `style=`. What people
   outside wrote stands in `<bdi>` or `dir="auto"`, in a `.clip` where it may be long. Filters: `at|time`, `|number`, `|about`, `|percent`,
   `amount|money(currency)`, `|pretty` (JSON), `|short_id`.
7. htmx for parts that renew themselves: `page.is_fragment` tells; the page works without it too. Charts: uPlot, by
   `{% block page_assets %}` on the page that needs it.
8. `tests/console/test_every_page.py` opens every page that links lead to, light and dark, on a phone and a desktop, and lets axe look.

The look is `static/app.css`: tokens and parts. A page that needs more gets a few lines in its layer `pages`.
"""

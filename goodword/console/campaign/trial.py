"""Dry runs: a version judged on the stored events of the last days, with what it would have cost. Nothing is written by it.

A run goes on when its page is left, and its page shows how far it is. Runs are kept in memory: after a restart of the server they have
to be begun anew. Each account has one at a time.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from starlette.responses import Response

from goodword.api.intake import new_id
from goodword.console.campaign.edit import campaign_of
from goodword.console.campaign.overview import document_shown
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.core.campaign import Document
from goodword.core.times import Millis
from goodword.hosted.voice import Voice, voice_of

DAYS = (7, 30, 90, 365)
KEPT_MAX = 20
LINE_BYTES_MAX = 1 << 20
MODULE = "goodword.console.campaign.trial_process"
log = structlog.get_logger()


class Trial(Struct):
    """A run. `found` is what it came to; `failed` why it did not."""

    id: str
    account: int
    campaign: str
    version: int
    days: int
    begun_at: Millis
    done: int = 0
    of: int = 0
    found: dict[str, Any] | None = None
    failed: str = ""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.found is not None or bool(self.failed)


class Trials:
    """The runs of all accounts, the newest last."""

    def __init__(self) -> None:
        self._trials: dict[str, Trial] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, account: int, id: str) -> Trial | None:
        """A run of an account."""
        found = self._trials.get(id)
        return found if found is not None and found.account == account else None

    def of(self, account: int, campaign: str) -> list[Trial]:
        """The runs of a campaign, newest first."""
        return [each for each in reversed(self._trials.values()) if (each.account, each.campaign) == (account, campaign)]

    def running(self, account: int) -> Trial | None:
        """The run that an account waits for."""
        return next((each for each in self._trials.values() if each.account == account and not each.is_over), None)

    def begin(self, trial: Trial, document: Document, folder: Path) -> None:
        """Begin a run, in the background."""
        self._trials[trial.id] = trial
        mine = [each.id for each in self._trials.values() if each.account == trial.account and each.is_over]
        for old in mine[: max(len(mine) - KEPT_MAX, 0)]:
            del self._trials[old]
        task = asyncio.create_task(_run(trial, document, folder))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


trials = Trials()


async def _run(trial: Trial, document: Document, folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        MODULE,
        str(folder.resolve()),
        str(trial.account),
        str(trial.days),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(document))
        process.stdin.close()
        async for line in process.stdout:
            said = msgspec.json.decode(line)
            trial.done, trial.of = said.get("done", trial.done), said.get("of", trial.of)
            trial.found, trial.failed = said.get("found", trial.found), said.get("failed", trial.failed)
        await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        if not trial.is_over:
            trial.failed = "Ended"
            log.error("dry_run_failed", code=process.returncode)


async def index(page: Page) -> Response:
    """`GET /campaigns/{id}/dry-run`."""
    campaign = campaign_of(page)
    return page.render(
        "campaign/trials.html",
        campaign=campaign,
        name=document_shown(campaign, page.now).name or campaign.id,
        trials=trials.of(page.account, campaign.id),
        running=trials.running(page.account),
        days=DAYS,
    )


async def begin(page: Page) -> Response:
    """`POST /campaigns/{id}/dry-run`."""
    campaign = campaign_of(page)
    days, text = page.form.value("days"), page.form.value("version")
    if days not in {str(each) for each in DAYS} or not text.isdecimal() or int(text[:6]) not in campaign.documents:
        raise PageRefused(400, "Choose a version and one of the periods.")
    running = trials.running(page.account)
    if running is not None:
        raise PageRefused(409, f"A dry run of {running.campaign} is under way. Wait for it to end.")
    version = int(text)
    trial = Trial(new_id(), page.account, campaign.id, version, int(days), page.now)
    trials.begin(trial, campaign.documents[version], page.store.directory)
    return page.redirect(f"/campaigns/{campaign.id}/dry-run/{trial.id}")


async def show(page: Page) -> Response:
    """`GET /campaigns/{id}/dry-run/{trial}`: how far it is, or what it came to; htmx asks for the part that changes."""
    campaign = campaign_of(page)
    trial = trials.find(page.account, page.param("trial"))
    if trial is None or trial.campaign != campaign.id:
        raise PageRefused(404, "This dry run is not kept any more: the server was restarted since. Begin it anew.")
    document = campaign.documents[trial.version]
    voice = voice_of(document, "en", page.settings.currency)
    template = "campaign/trial_part.html" if page.is_fragment else "campaign/trial.html"
    return page.render(
        template,
        campaign=campaign,
        name=document.name or campaign.id,
        trial=trial,
        rewards=_rewards(trial, voice),
    )


def _rewards(trial: Trial, voice: Voice) -> list[dict[str, Any]]:
    lines = trial.found["rewards"] if trial.found is not None else []
    return [{**line, "worth": voice.minor(line["value"], line["unit"])} for line in lines]


ROUTES = (
    shows("/campaigns/{id}/dry-run", index, "marketer"),
    changes("/campaigns/{id}/dry-run", begin, "marketer"),
    shows("/campaigns/{id}/dry-run/{trial}", show, "marketer"),
)

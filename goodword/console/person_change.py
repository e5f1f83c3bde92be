"""What can be done about a person: block, merge after a look at both, a reward by hand, their whole file, and deletion.

Each has a page that says what it will do before it is done. A deletion has to be typed.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec
from starlette.responses import Response

from goodword.api.intake import new_id
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.people import name_of
from goodword.console.person import person_of
from goodword.core import command as c
from goodword.core.campaign import Programs
from goodword.core.profile import Profile
from goodword.core.reward import BUILT_IN, Role, read_value
from goodword.core.times import write_time
from goodword.storage.query import history
from goodword.storage.query import person as people
from goodword.storage.query import search as searching
from goodword.storage.query.erasure import erasures
from goodword.storage.query.why import why_profile

BlockType = Literal["NONE", "REWARDS", "EVENTS"]
BLOCKS = (
    ("NONE", "Not blocked: takes part like anybody"),
    ("REWARDS", "Kept from rewards: what they do is stored and judged, and earns nothing"),
    ("EVENTS", "Kept from taking part: their links lead nowhere, and what they do counts for nobody"),
)
BY_HAND = "by-hand"
REASON_CHARS_MAX = 300


# -- block -------------------------------------------------------------------------------------------------------------------------


async def ask_block(page: Page) -> Response:
    """`GET /people/{id}/block`."""
    profile = person_of(page)
    block = profile.block
    page.form = type(page.form).of(type=block.type if block is not None else "REWARDS", reason=block.reason if block is not None else "")
    return _block_shown(page, profile)


def _block_shown(page: Page, profile: Profile, status: int = 200) -> Response:
    return page.render("people/block.html", status, profile=profile, name=name_of(profile), blocks=BLOCKS)


async def block(page: Page) -> Response:
    """`POST /people/{id}/block`."""
    profile = person_of(page)
    kind: BlockType = page.form.choice("type", get_args(BlockType))
    needs = "Say why: support reads it to the person." if kind != "NONE" else ""
    reason = page.form.text("reason", needs=needs, chars_max=REASON_CHARS_MAX)
    if not page.form.is_good:
        return _block_shown(page, profile, 422)
    await page.do(c.SetBlock(page.account, profile.id, kind, reason or "lifted"), "person.blocked", str(profile.id), type=kind)
    return page.redirect(f"/people/{profile.id}", "The block is lifted." if kind == "NONE" else "They are blocked.")


# -- merge -------------------------------------------------------------------------------------------------------------------------


async def ask_merge(page: Page) -> Response:
    """`GET /people/{id}/merge`: whom to keep, looked for; then both side by side."""
    profile = person_of(page)
    text = page.query("q")[:300]
    others = [each.profile for each in searching.search(page.store, page.account, text) if each.profile.id != profile.id] if text else []
    other = others[0] if len(others) == 1 else next((each for each in others if str(each.id) == page.query("with")), None)
    return page.render(
        "people/merge.html", profile=profile, other=other, others=others, text=text, name_of=name_of, history=history.KEY_NAMES
    )  # fmt: skip


async def merge(page: Page) -> Response:
    """`POST /people/{id}/merge`: this one becomes part of `into`. It cannot be undone."""
    profile = person_of(page)
    into = page.form.text("into")
    target = people.find(page.store, page.account, int(into)) if into.isascii() and into.isdigit() and len(into) < 20 else None
    if target is None:
        raise PageRefused(404, "Nobody has the number to merge into.")
    await page.do(c.Forward(page.account, profile.id, target.id), "person.merged", str(profile.id), into=str(target.id))
    return page.redirect(f"/people/{target.id}", "They are one person now.")


# -- a reward by hand --------------------------------------------------------------------------------------------------------------


def _promises(page: Page) -> list[tuple[str, str]]:
    """What can be given: each campaign's rewards, then points and credit. (value, label) pairs."""
    programs = page.store.programs.get(page.account, Programs())
    promised = [
        (f"{campaign.id}:{terms.name}", f"{campaign.document.name or campaign.id}: {terms.name}, for the {terms.to}")
        for campaign in programs.campaigns.values()
        for terms in campaign.document.rewards
    ]
    return [*promised, *((f"{BY_HAND}:{each.id}", f"By hand: {each.name.lower()}, of the value below") for each in BUILT_IN.values())]


async def ask_reward(page: Page) -> Response:
    """`GET /people/{id}/reward`."""
    profile = person_of(page)
    return page.render("people/reward.html", profile=profile, name=name_of(profile), promises=_promises(page))


async def reward(page: Page) -> Response:
    """`POST /people/{id}/reward`: a make-good, with a note and a name; the rules of campaigns are not asked."""
    profile, form = person_of(page), page.form
    promises = _promises(page)
    campaign, _, named = form.choice("what", [value for value, _ in promises]).partition(":")
    note = form.text("note", needs="Say why: it stands in the reward's history.", chars_max=REASON_CHARS_MAX)
    supplier, unit, value = "", "", None
    if campaign == BY_HAND:
        campaign, supplier, named = "", named, ""
        unit = "POINTS" if supplier == "points" else page.settings.currency
        value = read_value(form.text("value", needs="Say how much."), unit)
        if value is None or not value:
            form.wrong("value", "This is no amount: a number like 10 or 12.50.")
    if not form.is_good:
        return page.render("people/reward.html", 422, profile=profile, name=name_of(profile), promises=promises)
    by = page.viewer.user.name or page.viewer.user.email
    grant = c.GrantReward(page.account, profile.id, by, note, campaign, named, supplier, value, unit, _role(page, campaign, named))
    outcome = await page.attempt(grant, "reward.granted", str(profile.id), campaign=campaign, name=named, supplier=supplier)
    if outcome.verdict == "refused":
        form.wrong("what", outcome.reason)
        return page.render("people/reward.html", 422, profile=profile, name=name_of(profile), promises=promises)
    return page.redirect(f"/people/{profile.id}", "The reward is given.")


def _role(page: Page, campaign: str, named: str) -> Role:
    """The side a campaign's reward is for; a reward by hand is for a participant."""
    found = page.store.programs.get(page.account, Programs()).campaigns.get(campaign)
    terms = next((each for each in found.document.rewards if each.name == named), None) if found is not None else None
    return terms.to if terms is not None else "participant"


# -- everything, and nothing -------------------------------------------------------------------------------------------------------


async def download(page: Page) -> Response:
    """`GET /people/{id}/file`: everything held about them, as one JSON file (an access request)."""
    profile = person_of(page)
    said = history.person_file(page.store, page.account, profile)
    text = msgspec.json.format(msgspec.json.encode(said), indent=2)
    name = f"person-{profile.id}.json"
    await page.do(c.Note(page.account), "person.downloaded", str(profile.id))
    return Response(text, media_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _confirmation(profile: Profile) -> str:
    """What has to be typed: what names them best."""
    return profile.email or profile.user_id or str(profile.id)


async def ask_erase(page: Page) -> Response:
    """`GET /people/{id}/erase`: what will be gone, and what remains."""
    profile = person_of(page)
    return _erase_shown(page, profile)


def _erase_shown(page: Page, profile: Profile, status: int = 200) -> Response:
    story = why_profile(page.store, page.account, profile, page.now)
    return page.render(
        "people/erase.html", status, profile=profile, name=name_of(profile), confirmation=_confirmation(profile), story=story
    )  # fmt: skip


async def erase(page: Page) -> Response:
    """`POST /people/{id}/erase`: done when it is answered (law 4)."""
    profile = person_of(page)
    typed = page.form.text("typed", needs="Type what is asked for.", chars_max=1000)
    if typed and typed.casefold() != _confirmation(profile).casefold():
        page.form.wrong("typed", "This is not what is asked for. Nothing was deleted.")
    if not page.form.is_good:
        return _erase_shown(page, profile, 422)
    page.pages.intake.forget(page.account, profile.keys)
    erasure_id = new_id()
    suppress = page.form.is_checked("suppress")
    command = c.Erase(page.account, profile.keys, profile.id, erasure_id, suppress)
    await page.do(command, "person.erased", erasure_id, suppressed=suppress)
    done = next((each for each in erasures(page.store, page.account, 20) if each.id == erasure_id), None)
    when = write_time(done.at) if done is not None else write_time(page.now)
    return page.redirect("/people", f"Deleted at {when}. The proof is {erasure_id}.")


ROUTES = (
    shows("/people/{id:int}/block", ask_block, "marketer"),
    changes("/people/{id:int}/block", block, "marketer"),
    shows("/people/{id:int}/merge", ask_merge, "marketer"),
    changes("/people/{id:int}/merge", merge, "marketer"),
    shows("/people/{id:int}/reward", ask_reward, "marketer"),
    changes("/people/{id:int}/reward", reward, "marketer"),
    shows("/people/{id:int}/file", download, "admin"),
    shows("/people/{id:int}/erase", ask_erase, "admin"),
    changes("/people/{id:int}/erase", erase, "admin"),
)

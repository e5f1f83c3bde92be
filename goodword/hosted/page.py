"""HTML of the hosted pages, and what they are sent with: no script but our own file, nothing from elsewhere but the campaign's logo.

Every text is escaped by the template engine; nothing in a template turns that off. Styles stand in the page with their digest in the
policy, so that a page is one request, a script and a logo.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Any, Literal
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from goodword.api.http import Headers
from goodword.core.page import SHOWN_MAX, Pages, ink_on
from goodword.core.reward import Reward
from goodword.hosted.channel import FORM_TARGETS, opens_beside
from goodword.hosted.voice import Voice, plain_voice
from goodword.storage.query.advocate import Standing

SCRIPT_PATH = "/hosted/page.js"
Notice = Literal["gone", "expired", "no_email", "busy"]
NOTICE_STATUS: dict[Notice, int] = {"gone": 404, "expired": 410, "no_email": 403, "busy": 503}


class Page(Struct, frozen=True):
    """A page with the headers it is sent with."""

    status: int
    body: bytes
    headers: Headers


class ShareView(Struct, frozen=True):
    """What a share page shows. `link` is empty where nothing can be shared at the moment; `action` is where its form goes."""

    voice: Voice
    link: str
    standing: Standing
    action: str
    token: str
    is_preview: bool = False
    """Without a script: it would have nobody to tell."""

    @property
    def qr(self) -> str:
        """The address of the link's QR code, on the host that the page is of."""
        return f"{urlsplit(self.link).path}/qr.svg?scale=4"


class FriendView(Struct, frozen=True):
    """What a friend's page shows. `destination` is where its button leads; `email` is what became of the address they gave."""

    voice: Voice
    destination: str
    action: str
    click_id: str
    email: Literal["", "saved", "wrong"] = ""


def share_page(view: ShareView) -> Page:
    """An advocate's share page."""
    channels = view.voice.pages.channels
    body = (
        _environment()
        .get_template("share.html")
        .render(
            view=view,
            say=view.voice,
            shown=channels[:SHOWN_MAX],
            more=channels[SHOWN_MAX:],
            opens_beside=opens_beside,
            reward_line=reward_line,
            **_surroundings(view.voice.pages),
        )
    )
    return _page(200, body, view.voice.pages, form_targets=FORM_TARGETS, frames=view.voice.pages.embed, scripted=True)


def friend_page(view: FriendView) -> Page:
    """A friend's landing page."""
    body = _environment().get_template("friend.html").render(view=view, say=view.voice, **_surroundings(view.voice.pages))
    return _page(422 if view.email == "wrong" else 200, body, view.voice.pages)


def notice(which: Notice, accepts: str) -> Page:
    """A page that says, politely, why there is none. It names nobody and no campaign."""
    voice = plain_voice(accepts)
    body = _environment().get_template("notice.html").render(say=voice, which=which, **_surroundings(voice.pages))
    return _page(NOTICE_STATUS[which], body, voice.pages, frames=("*",))


def framed_by(frames: str, page: Page) -> Page:
    """A page that these sites may frame."""
    name = b"content-security-policy"
    kept = [(each, value.partition(b"; frame-ancestors ")[0] if each == name else value) for each, value in page.headers]
    headers = [(each, value + f"; frame-ancestors {frames}".encode() if each == name else value) for each, value in kept]
    return Page(page.status, page.body, headers)


def reward_line(voice: Voice, reward: Reward) -> str:
    """How a reward stands, for its recipient."""
    match reward.state:
        case "EARNED":
            due = reward.due_at if reward.waiting == "pending" else None
            return voice.word("reward_by", date=voice.date(due)) if due is not None else voice.word("reward_waiting")
        case "FULFILLED" | "SENT":
            return voice.word("reward_ready")
        case "REDEEMED":
            return voice.word("reward_used")
        case "FAILED":
            return voice.word("reward_failed")
        case "EXPIRED":
            return voice.word("reward_expired")
        case _:
            return voice.word("reward_gone")


@lru_cache(maxsize=1)
def script() -> tuple[bytes, str]:
    """The pages' script, and its address, which changes with it."""
    body = resources.files("goodword.hosted").joinpath("static", "page.js").read_bytes()
    return body, f"{SCRIPT_PATH}?v={sha256(body).hexdigest()[:12]}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("goodword.hosted"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _surroundings(pages: Pages) -> dict[str, Any]:
    """What every template is given. The style is ours, and the colours in it were checked when the document was saved."""
    return {"style": Markup(_style(pages.accent, pages.band)), "script": script()[1], "pages": pages}  # noqa: S704


@lru_cache(maxsize=256)
def _style(accent: str, band: str) -> str:
    style = resources.files("goodword.hosted").joinpath("static", "page.css").read_text("utf-8")
    colors = {"accent": accent, "accent-ink": ink_on(accent)}
    if band:
        colors |= {"band": band, "band-ink": ink_on(band)}
    return style + ":root{" + "".join(f"--{name}:{color};" for name, color in colors.items()) + "}\n"


@lru_cache(maxsize=256)
def _digest(accent: str, band: str) -> str:
    return base64.b64encode(sha256(_style(accent, band).encode()).digest()).decode()


def _page(status: int, body: str, pages: Pages, *, form_targets: str = "", frames: Sequence[str] = (), scripted: bool = False) -> Page:
    logo = urlsplit(pages.logo)
    images = "'self' data:" + (f" https://{logo.netloc}" if logo.scheme == "https" else "")
    policy = {
        "default-src": "'none'",
        "style-src": f"'sha256-{_digest(pages.accent, pages.band)}'",
        "img-src": images,
        "form-action": f"'self' {form_targets}".rstrip(),
        "base-uri": "'none'",
        "frame-ancestors": " ".join(frames) or "'none'",
    }
    if scripted:
        policy |= {"script-src": "'self'", "connect-src": "'self'"}
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"private, no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-robots-tag", b"noindex"),
        (b"vary", b"accept-language"),
        (b"content-security-policy", "; ".join(f"{name} {value}" for name, value in policy.items()).encode()),
    ]
    return Page(status, body.encode("utf-8", "replace"), headers)

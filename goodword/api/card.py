"""The pages of share links: what previews show of one, and what a visitor sees whose link leads nowhere."""

from __future__ import annotations

import base64
import html
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from string import Template

from goodword.api.http import Headers
from goodword.core.campaign import Share

LOST_TITLE = "This link does not lead anywhere any more"
LOST_WORDS = "It may have been mistyped, or the offer behind it has ended. Ask the person who sent it to you for a new one."
AWAY_TITLE = "One moment"
AWAY_WORDS = "This page tries again by itself in a few seconds. Your link is fine."
AWAY_S = 5
_GO_ON = "var go=function(){location.reload()};document.prerendering?document.addEventListener('prerenderingchange',go,{once:true}):go()"
"""A page that was fetched ahead and is now shown to somebody asks again, and is then counted and sent on."""


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


@lru_cache(maxsize=1)
def _templates() -> tuple[Template, str]:
    folder = resources.files("goodword.api").joinpath("templates")
    return Template(folder.joinpath("share.html").read_text()), folder.joinpath("share.css").read_text()


def headers_of_page(*, goes_on: bool = False) -> Headers:
    """What every such page is sent with: nothing from elsewhere, no script but the one that asks again, kept by nobody."""
    script = f" script-src {_digest(_GO_ON)};" if goes_on else ""
    policy = (
        f"default-src 'none'; style-src {_digest(_templates()[1])};{script} base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-robots-tag", b"noindex"),
        (b"content-security-policy", policy.encode()),
    ]


def preview(share: Share, content: dict[str, str], link: str, destination: str, *, goes_on: bool) -> bytes:
    """The page for crawlers and messengers: Open Graph tags of the campaign, or of what the link itself shows. Everything is escaped."""
    title = content.get("title") or share.title or "You have been invited"
    description = content.get("description") or share.description or share.message
    tags = {"og:type": "website", "og:title": title, "og:description": description, "og:url": link}
    tags["og:image"] = content.get("image_url") or share.image_url
    named = {"description": description, "twitter:card": "summary_large_image" if tags["og:image"] else "summary"}
    said = [f'<meta property="{name}" content="{html.escape(value)}">' for name, value in tags.items() if value]
    said += [f'<meta name="{name}" content="{html.escape(value)}">' for name, value in named.items() if value]
    more = f'<p><a href="{html.escape(destination)}" rel="nofollow">Go on</a></p>\n' if destination else ""
    return _page(title, description, "".join(f"{tag}\n" for tag in said), more, f"<script>{_GO_ON}</script>\n" if goes_on else "")


def headers_of_waiting() -> Headers:
    """What the page is sent with that asks again by itself."""
    return [*headers_of_page(), (b"retry-after", b"%d" % AWAY_S)]


@lru_cache(maxsize=1)
def away() -> bytes:
    """The page of a link that cannot be looked up at the moment: it asks again by itself, and so leads on once that is possible."""
    return _page(AWAY_TITLE, AWAY_WORDS, f'<meta http-equiv="refresh" content="{AWAY_S}">\n', "", "")


@lru_cache(maxsize=1)
def lost() -> bytes:
    """The page of a link that leads nowhere."""
    return _page(LOST_TITLE, LOST_WORDS, "", "", "")


def _page(title: str, description: str, tags: str, more: str, script: str) -> bytes:
    template, style = _templates()
    text = template.substitute(
        title=html.escape(title), description=html.escape(description), tags=tags, style=style, more=more, script=script
    )
    return text.encode("utf-8", "replace")

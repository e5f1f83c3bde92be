"""Where each way of sharing leads: an address of its own, with the advocate's text and link in it."""

from __future__ import annotations

from urllib.parse import quote

from goodword.core.page import Channel

ON_THE_SPOT = frozenset(("COPY", "NATIVE", "QR"))
"""Ways of sharing that happen on the page itself; they lead nowhere."""
FORM_TARGETS = (
    "https://wa.me https://api.whatsapp.com https://web.whatsapp.com https://x.com https://twitter.com https://www.facebook.com"
    " https://m.facebook.com https://www.linkedin.com mailto: sms: whatsapp:"
)
"""Where a form may lead, redirects included: what a browser has to be told (`form-action`)."""


def target_of(channel: Channel, link: str, message: str, subject: str) -> str:
    """The address that opens a channel with a message. Facebook and LinkedIn take nothing but the link."""
    text = quote(f"{message}\n{link}" if message else link, safe="")
    match channel:
        case "WHATSAPP":
            return f"https://wa.me/?text={text}"
        case "SMS":
            return f"sms:?&body={text}"  # `?&` is what both iOS and Android read
        case "EMAIL":
            return f"mailto:?subject={quote(subject, safe='')}&body={text}"
        case "X":
            return f"https://x.com/intent/post?text={quote(message, safe='')}&url={quote(link, safe='')}"
        case "FACEBOOK":
            return f"https://www.facebook.com/sharer/sharer.php?u={quote(link, safe='')}"
        case "LINKEDIN":
            return f"https://www.linkedin.com/sharing/share-offsite/?url={quote(link, safe='')}"


def opens_beside(channel: Channel) -> bool:
    """Whether a channel is a page of its own, to be opened beside ours."""
    return channel not in ("SMS", "EMAIL")

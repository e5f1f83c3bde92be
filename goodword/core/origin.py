"""Where a friend's click came from, in a word: the kind of page it was made on. Few enough to count by, and it names nobody."""

from __future__ import annotations

from functools import lru_cache

from goodword.core.site import is_coupon_site, tidy

_HOSTS = {
    "facebook": "facebook.com fb.com fb.me com.facebook.katana com.facebook.lite",
    "instagram": "instagram.com com.instagram.android",
    "linkedin": "linkedin.com lnkd.in com.linkedin.android",
    "mail": (
        "mail.google.com outlook.live.com outlook.office.com outlook.office365.com mail.yahoo.com mail.proton.me mail.aol.com"
        " com.google.android.gm com.microsoft.office.outlook"
    ),
    "messenger": "messenger.com m.me com.facebook.orca",
    "pinterest": "pinterest.com pin.it com.pinterest",
    "reddit": "reddit.com com.reddit.frontpage",
    "search": (
        "google.com bing.com duckduckgo.com search.yahoo.com ecosia.org startpage.com qwant.com com.google.android.googlequicksearchbox"
    ),
    "telegram": "telegram.org telegram.me t.me org.telegram.messenger",
    "tiktok": "tiktok.com com.zhiliaoapp.musically",
    "whatsapp": "whatsapp.com wa.me com.whatsapp",
    "x": "x.com twitter.com t.co com.twitter.android",
    "youtube": "youtube.com youtu.be com.google.android.youtube",
}
_KIND_BY_HOST = {host: kind for kind, hosts in _HOSTS.items() for host in hosts.split()}
ORIGINS: dict[str, str] = {
    "": "No click known",
    "direct": "No page named",
    "coupon": "Coupon and advertising sites",
    "other": "Other sites",
    "facebook": "Facebook",
    "instagram": "Instagram",
    "linkedin": "LinkedIn",
    "mail": "Web mail",
    "messenger": "Messenger",
    "pinterest": "Pinterest",
    "reddit": "Reddit",
    "search": "Search engines",
    "telegram": "Telegram",
    "tiktok": "TikTok",
    "whatsapp": "WhatsApp",
    "x": "X",
    "youtube": "YouTube",
}
"""Every word, and what people call it. Nothing at all: the friend named a code, an advocate or an address, and clicked nothing."""


@lru_cache(maxsize=4_096)
def origin_of(site: str) -> str:
    """The word for a referring page (`host/path`; empty: the browser named none)."""
    if not site:
        return "direct"
    if is_coupon_site(site):
        return "coupon"
    labels = tidy(site).partition("/")[0].split(".")
    for place in range(len(labels)):
        kind = _KIND_BY_HOST.get(".".join(labels[place:]))
        if kind is not None:
            return kind
    return "search" if labels[0] == "google" else "other"

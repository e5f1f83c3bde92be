"""Where clicks come from: coupon and advertising sites, and the marks that advertisements leave on addresses."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl

COUPON_SITES = (
    "bradsdeals.com capitaloneshopping.com chollometro.com couponbirds.com couponcabin.com couponfollow.com couponrani.com coupons.com"
    " dealabs.com dealcatcher.com dealdrop.com dealnews.com dealspotr.com dontpayfull.com fatwallet.com freebieshark.com goodshop.com"
    " grabon.in groupon.com/coupons gutscheine.de gutscheinpony.de hip2save.com hotdeals.com hotukdeals.com invitation.codes"
    " iglucoupons.com joinhoney.com knoji.com krazycouponlady.com latestdeals.co.uk ma-reduc.com mydealz.de mysmartprice.com"
    " myvouchercodes.co.uk offers.com ozbargain.com.au pepper.pl pepper.ru poulpeo.com preisjaeger.at promocodes.com promodescuentos.com"
    " promokodabra.ru quidco.com radins.com reddit.com/r/coupons reddit.com/r/referralcodes reddit.com/r/referrals referralcodes.com"
    " refer.codes refermate.com retailmenot.com savings.com shopathome.com simplycodes.com slickdeals.net sparwelt.de swagbucks.com"
    " topcashback.co.uk topcashback.com vouchercloud.com vouchercodes.co.uk wethrift.com wikibuy.com"
).split()
AD_SITES = (
    "ad.doubleclick.net adservice.google.com bing.com/aclick bing.com/aclk doubleclick.net google.com/aclk googleads.g.doubleclick.net"
    " googleadservices.com googlesyndication.com outbrain.com popads.net propellerads.com taboola.com"
).split()
_COUPON_WORDS = (
    "bonuscode codepromo codigopromo coupon couponcode cupon discountcode gutschein invitecode kupon promocode promokod referralcode"
    " vouchercode"
).split()
"""In the name of a host these say that it deals in codes; `deal` and `save` alone do not."""
_AD_IDS = frozenset("dclid gad_source gbraid gclid gclsrc li_fat_id msclkid ttclid twclid wbraid yclid".split())
_AD_MEDIUMS = frozenset(
    "ad ads banner cpa cpc cpm cpv display paid paid-search paid-social paid_search paid_social paidsearch ppc sem".split()
)
_QUERY_CHARS_MAX = 4_096


@lru_cache(maxsize=64)
def _by_host(sites: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Sites as written, `host` or `host/path`, as paths by host."""
    found: dict[str, tuple[str, ...]] = {}
    for site in sites:
        host, _, path = tidy(site).partition("/")
        found[host] = (*found.get(host, ()), path)
    return found


_KNOWN = (*COUPON_SITES, *AD_SITES)


def tidy(site: str) -> str:
    """A site without scheme, `www.`, port, closing slash and white space, in lower case."""
    text = "".join(site.split()).lower()
    text = text.partition("://")[2] or text
    text = text.removeprefix("www.").partition("?")[0].partition("#")[0]
    host, slash, path = text.partition("/")
    return f"{host.partition(':')[0]}{slash}{path}".rstrip("/")


def is_listed(site: str, sites: Iterable[str] = _KNOWN) -> bool:
    """Whether a page (`host/path`) is of one of the sites: of the host or one under it, at the path or below it."""
    listed = _by_host(tuple(sites))
    host, _, path = tidy(site).partition("/")
    labels = host.split(".")
    for place in range(len(labels) - 1):
        for prefix in listed.get(".".join(labels[place:]), ()):
            if not prefix or path == prefix or path.startswith(prefix + "/"):
                return True
    return False


def sounds_like_coupons(site: str) -> bool:
    """Whether the name of a page's host says that it deals in codes. The path does not count: an own blog may well write of a code."""
    host = tidy(site).partition("/")[0].replace("-", "").replace(".", "")
    return any(word in host for word in _COUPON_WORDS)


def is_coupon_site(site: str, more: Iterable[str] = (), allowed: Iterable[str] = ()) -> bool:
    """Whether clicks from a page are none that a friend was sent: a known coupon or advertising site, one of `more`, or one that calls
    itself so; never one of `allowed`."""
    return bool(site) and _is_coupon_site(site, tuple(more), tuple(allowed))


@lru_cache(maxsize=1_024)
def _is_coupon_site(site: str, more: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    if is_listed(site, allowed):
        return False
    return is_listed(site) or is_listed(site, more) or sounds_like_coupons(site)


def ad_mark(address: str) -> str:
    """The mark of a paid advertisement on an address (a URL, or its query): the parameter's name, or empty.

    `fbclid` is none: Facebook puts it on every link that people share there.
    """
    query = address.partition("?")[2] if "?" in address else address
    for name, value in parse_qsl(query.partition("#")[0][:_QUERY_CHARS_MAX]):
        folded = name.lower()
        if folded in _AD_IDS or (folded == "utm_medium" and value.strip().lower().replace(" ", "_") in _AD_MEDIUMS):
            return folded
    return ""

"""What the edge makes of a request: addresses behind proxies, kinds of callers, referring pages, countries."""

from __future__ import annotations

import struct
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.api.evidence import (
    BadNetwork,
    Edge,
    GeoipUnreadable,
    is_mobile,
    is_prefetch,
    kind_of,
    net_of,
    read_address,
    read_countries,
    read_networks,
    site_of,
)
from goodword.api.guess import ADDRESSES_MAX, GUESSES_MAX, WITHIN_MS, Guesses
from goodword.api.link import address_with, destination_of, is_same_site, new_click_id
from goodword.core.campaign import Share
from goodword.storage.store import Store
from tests.api.sharing import CHROME, IPHONE
from tests.running import refusal_to_start


def mmdb(places: dict[str, str]) -> bytes:
    """A country database in MaxMind's format: a binary tree of IPv4 networks, then the countries."""
    data, offsets = b"", {}
    for country in sorted(set(places.values())):
        offsets[country] = len(data)
        data += packed({"country": {"iso_code": country}})
    tree: list[list[Any]] = [[None, None]]
    for network, country in places.items():
        net = ip_network(network)
        node = 0
        for depth in range(net.prefixlen):
            bit = int(net.network_address) >> (31 - depth) & 1
            if depth == net.prefixlen - 1:
                tree[node][bit] = country
            else:
                if tree[node][bit] is None:
                    tree.append([None, None])
                    tree[node][bit] = len(tree) - 1
                node = tree[node][bit]

    def record(value: Any) -> bytes:
        number = len(tree) if value is None else value if isinstance(value, int) else len(tree) + 16 + offsets[value]
        return struct.pack(">I", number)

    told: dict[str, Any] = {"node_count": (6, len(tree)), "record_size": (5, 32), "ip_version": (5, 4), "database_type": "Test"}
    told |= {"binary_format_major_version": (5, 2), "binary_format_minor_version": (5, 0), "build_epoch": (9, 1)}
    told |= {"languages": ["en"], "description": {"en": "test"}}
    nodes = b"".join(record(left) + record(right) for left, right in tree)
    return nodes + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + packed(told)


def packed(value: Any) -> bytes:
    if isinstance(value, str):
        return bytes([2 << 5 | len(value)]) + value.encode()
    if isinstance(value, tuple):
        kind, number = value
        size = (number.bit_length() + 7) // 8
        head = [kind << 5 | size] if kind < 8 else [size, kind - 7]
        return bytes(head) + number.to_bytes(size, "big")
    if isinstance(value, list):
        return bytes([len(value), 4]) + b"".join(map(packed, value))
    return bytes([7 << 5 | len(value)]) + b"".join(packed(name) + packed(inner) for name, inner in value.items())


@pytest.fixture
def edge(tmp_path: Path) -> Any:
    file = tmp_path / "country.mmdb"
    file.write_bytes(mmdb({"203.0.113.0/24": "CH", "198.51.100.0/25": "us"}))
    with Store(tmp_path / "data") as store:
        yield Edge(store, read_networks("127.0.0.1, 10.0.0.0/8"), read_countries(str(file)))


def test_countries_come_from_the_file(edge: Edge) -> None:
    found = {ip: edge.evidence(1, ip=ip).country for ip in ("203.0.113.9", "198.51.100.1", "198.51.100.200", "2001:db8::1", "", "x")}
    assert found == {"203.0.113.9": "CH", "198.51.100.1": "US", "198.51.100.200": "", "2001:db8::1": "", "": "", "x": ""}


def test_without_a_file_no_country_is_known() -> None:
    assert read_countries("")("203.0.113.9") == ""


def test_settings_that_make_no_sense_keep_the_server_from_starting(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"not a database")
    for file in (broken, tmp_path / "missing"):
        with pytest.raises(GeoipUnreadable):
            read_countries(str(file))
    with pytest.raises(BadNetwork):
        read_networks("10.0.0.0/8, nonsense")
    assert "GOODWORD_GEOIP" in refusal_to_start(tmp_path / "a", env={"GOODWORD_GEOIP": str(broken)})
    assert "GOODWORD_TRUSTED_PROXIES" in refusal_to_start(tmp_path / "b", env={"GOODWORD_TRUSTED_PROXIES": "x"})


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.1", None, "203.0.113.1"),
        ("203.0.113.1", b"198.51.100.7", "203.0.113.1"),
        ("10.1.1.1", b"198.51.100.7", "198.51.100.7"),
        ("10.1.1.1", b"1.1.1.1, 198.51.100.7, 10.2.2.2", "198.51.100.7"),
        ("10.1.1.1", b"10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("10.1.1.1", b"1.1.1.1, rubbish, 10.2.2.2", "10.2.2.2"),
        ("10.1.1.1", b"", "10.1.1.1"),
        ("127.0.0.1", None, ""),
        ("127.0.0.1", b"127.0.0.1", ""),
        ("::1", None, ""),
        ("", b"198.51.100.7", "198.51.100.7"),
        ("", None, ""),
    ],
)
def test_the_clients_address(edge: Edge, peer: str, forwarded: bytes | None, expected: str) -> None:
    headers = {} if forwarded is None else {b"x-forwarded-for": forwarded}
    assert edge.address_of(peer, headers) == expected


def test_evidence_is_comparable_within_an_account_alone(edge: Edge) -> None:
    one, again = edge.evidence(1, ip="2001:DB8::1", agent="A"), edge.evidence(1, ip="2001:db8:0:0::1", agent="A")
    assert one == again
    assert one.ip != edge.evidence(2, ip="2001:db8::1").ip
    assert edge.evidence(1, page="?gclid=1").ad == "gclid"
    assert edge.evidence(1).is_unknown


@given(st.ip_addresses())
def test_neighbours_share_a_network(address: Any) -> None:
    bits = 24 if address.version == 4 else 48
    assert net_of(address) == str(ip_network((address, bits), strict=False))
    assert read_address(str(address)) in (address, getattr(address, "ipv4_mapped", None))


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4.5", "unknown", "_hidden", "[::1", ":", "a:b"])
def test_rubbish_is_no_address(text: str) -> None:
    assert read_address(text) in (None, ip_address("::1"))


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        (CHROME, "person"),
        (IPHONE, "person"),
        ("", "person"),
        ("curl/8.0", "person"),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/96 Mobile Safari/537.36", "person"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 [FBAN/FBIOS;FBAV/430]", "person"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "crawler"),
        ("Twitterbot/1.0", "crawler"),
        (CHROME.replace("Chrome", "HeadlessChrome"), "headless"),
        ("PhantomJS/2.1", "headless"),
    ],
)
def test_kinds_of_callers(agent: str, kind: str) -> None:
    assert kind_of(agent) == kind


def test_hints_of_browsers() -> None:
    assert is_prefetch({b"sec-purpose": b"prefetch;anonymous-client-ip"})
    assert not is_prefetch({b"sec-purpose": b"navigation"})
    assert is_mobile({b"user-agent": IPHONE.encode()})
    assert not is_mobile({b"user-agent": CHROME.encode()})


@pytest.mark.parametrize(
    ("referrer", "site"),
    [
        ("https://www.blog.example/post/?a=1#x", "blog.example/post"),
        ("https://blog.example", "blog.example"),
        ("https://blog.example/@ada", "blog.example"),
        ("https://ada:secret@blog.example/a", "blog.example/a"),
        ("android-app://org.messenger", "org.messenger"),
        ("javascript:alert(1)", ""),
        ("https://[x", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_referring_pages(referrer: str, site: str) -> None:
    assert site_of(referrer) == site


# -- addresses of links ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("destination", "utm", "expected"),
    [
        ("https://a.example", {}, "https://a.example/?gw=ID"),
        ("https://a.example/?", {}, "https://a.example/?gw=ID"),
        ("https://a.example/p?x=1&gw=old&y", {}, "https://a.example/p?x=1&y&gw=ID"),
        ("https://a.example/?utm_source=a&b=%2F", {"source": "n w"}, "https://a.example/?b=%2F&gw=ID&utm_source=n%20w"),
        ("https://a.example/#/route?x=1", {"ref": "1"}, "https://a.example/?gw=ID&ref=1#/route?x=1"),
        ("https://a.example/päth?q=ü", {}, "https://a.example/p%C3%A4th?q=%C3%BC&gw=ID"),
        ("https://bücher.example/", {}, "https://xn--bcher-kva.example/?gw=ID"),
        ("https://a.example/\r\nX-Evil: 1", {}, "https://a.example/X-Evil:%201?gw=ID"),
        ("javascript:alert(1)", {}, None),
        ("//evil.example/", {}, None),
        ("/path", {}, None),
        ("https://", {}, None),
        ("https://[x", {}, None),
    ],
)
def test_a_click_id_in_a_destination(destination: str, utm: dict[str, str], expected: str | None) -> None:
    assert address_with(destination, utm, "ID") == expected


@given(st.text(max_size=80), st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_a_redirect_is_one_line_of_ascii_whatever_a_campaign_says(rest: str, utm: dict[str, str]) -> None:
    found = address_with("https://a.example/" + rest, utm, "ID")
    if found is not None:
        assert found.isascii()
        assert found.isprintable()
        assert " " not in found
        assert found.startswith("https://a.example/")
        assert "gw=ID" in found


def test_a_links_own_page_is_of_the_campaigns_site() -> None:
    share = Share("https://www.shop.example/", mobile_destination="https://m.example/")
    assert destination_of(share, "https://eu.shop.example/x", True) == "https://eu.shop.example/x"
    assert destination_of(share, "https://evil.example/", True) == "https://m.example/"
    assert destination_of(share, "", False) == "https://www.shop.example/"
    for url in ("https://notshop.example/", "ftp://shop.example/", "https://shop.example@evil.example/", "https://[x", "shop.example"):
        assert not is_same_site(url, share.destination)
    assert not is_same_site("https://x.example/", "nonsense")


def test_click_ids_are_ordered_and_random() -> None:
    ids = [new_click_id() for _ in range(2_000)]
    assert ids == sorted(set(ids))
    assert len({id[-8:] for id in ids}) == 2_000


# -- guesses ---------------------------------------------------------------------------------------------------------


def test_guesses_are_counted_for_a_while_and_for_so_many_addresses() -> None:
    guesses = Guesses()
    for second in range(GUESSES_MAX):
        assert not guesses.are_too_many("a", second)
        guesses.note("a", second)
    assert guesses.are_too_many("a", 1_000)
    assert not guesses.are_too_many("b", 1_000)
    assert not guesses.are_too_many("a", WITHIN_MS)
    guesses.note("a", WITHIN_MS)
    assert not guesses.are_too_many("a", WITHIN_MS)
    for number in range(ADDRESSES_MAX + 10):
        guesses.note(str(number), 0)
    assert len(guesses._counts) <= ADDRESSES_MAX
    for _ in range(GUESSES_MAX * 2):
        guesses.note("", 0)
    assert not guesses.are_too_many("", 0)

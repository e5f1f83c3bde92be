"""Addresses that may be called: the whole public Internet and nothing of ours, but for what an allow-list names.

A receiver's address comes from people and from DNS, and the server stands inside a network: without this rule anyone who may name a URL
could have it call cloud metadata, databases and neighbours.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

Address = IPv4Address | IPv6Address
_METADATA = frozenset(map(ip_address, ("168.63.129.16", "192.0.0.192")))
"""Cloud metadata at addresses that look public; the others are link-local, private or shared."""
_EMBEDDING = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10", "5f00::/16")))
"""IPv6 that stands for IPv4 elsewhere (NAT64, 6to4, Teredo, compatible), or for a site of old: never a receiver's own."""


class Allowed(Struct, frozen=True):
    """An allow-list: names of hosts, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> Allowed:
        """Read names, addresses and CIDRs with commas or spaces between. Errors: ValueError, a CIDR that is none."""
        hosts: set[str] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for word in text.replace(",", " ").split():
            if "/" in word or read_address(word) is not None:
                networks.append(ip_network(word.strip("[]"), strict=False))
            else:
                hosts.add(word.lower().rstrip("."))
        return cls(frozenset(hosts), tuple(networks))

    def names(self, host: str) -> bool:
        """Whether a host, a name or an address as text, is on the list."""
        address = read_address(host)
        return host.lower().rstrip(".") in self.hosts if address is None else self.holds(address)

    def holds(self, address: Address) -> bool:
        """Whether an address is in one of the networks."""
        return any(address in network for network in self.networks)

    def permits(self, address: Address) -> bool:
        """Whether an address may be called."""
        return is_public(address) or self.holds(address)


def read_address(host: str) -> Address | None:
    """An address written as a URL's host may be, brackets and zone included; None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address is someone's on the Internet: not private, loopback, link-local, shared (CGNAT), multicast or reserved."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.scope_id is not None or any(address in network for network in _EMBEDDING):
            return False
    return address.is_global and not address.is_multicast and address not in _METADATA

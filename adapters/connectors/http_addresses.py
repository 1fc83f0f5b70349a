"""Which addresses a connector may call: an address out of a contract or a redirect must not reach this machine itself.

Checked where the connection is made, on the address that it is made to: whatever a name resolves to at that moment,
and after every redirect, is what counts.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

METADATA = (
    ip_network("169.254.0.0/16"),  # most clouds; the rest of link-local with it
    ip_network("100.100.100.200/32"),
    ip_network("168.63.129.16/32"),
    ip_network("192.0.0.192/32"),
    ip_network("fd00:ec2::/32"),
)
"""Where clouds answer with a machine's own credentials."""

_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_LOW = 0xFFFFFFFF


class ForbiddenAddress(OSError):
    """A connection to this machine, its link or its cloud's metadata was refused. Carries no address.

    An OSError: of a name with several addresses the others are tried.
    """

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "address not allowed")


def is_local(text: str) -> bool:
    """Whether an IP address is one of this machine, of its link, of a cloud's metadata, or none of a single peer."""
    address = _embedded(ip_address(text.partition("%")[0]))
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address == IPv4Address("255.255.255.255")
        or any(address in network for network in METADATA if network.version == address.version)
    )


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & _LOW)
    return address.ipv4_mapped or address.sixtofour or address


def guarded(*, allow_local: bool) -> Callable[[Any], socket.socket]:
    """Makes the sockets of a client. Its result raises ForbiddenAddress, unless ``allow_local``."""

    def make(info: Any) -> socket.socket:
        family, kind, protocol, _, peer = info
        if not allow_local and is_local(peer[0]):
            raise ForbiddenAddress
        return socket.socket(family, kind, protocol)

    return make

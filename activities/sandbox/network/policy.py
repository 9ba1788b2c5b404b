"""Network policy of an agent: the hosts that the plan names, or every public one; never this machine by accident."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Metadata services of clouds that are not link-local: AWS, Alibaba, Oracle, Azure.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")))


_resolving = ThreadPoolExecutor(8, thread_name_prefix="epw-dns")


class AccessDenied(Exception):
    """A denied connection, with a message for the agent."""


@dataclass(frozen=True)
class NetworkPolicy:
    """Hosts that an agent may connect to; `hosts` None: every public address.

    Entries: `name`, `*.name` (its subdomains) or an address, each with `:port` or for all ports.
    """

    hosts: tuple[str, ...] | None
    closed_ports: tuple[int, ...] = ()
    """Ports of this machine that are always denied: those of the embedded server, which would take the proxy, a process
    of its owner, for a client that may connect."""

    @property
    def includes_loopback(self) -> bool:
        """Whether the plan names this machine itself as a host."""
        return any(_is_loopback(_split(entry)[0]) for entry in self.hosts or ())

    async def address_of(self, host: str, port: int) -> str:
        """The checked address to connect to; not the name, which may resolve to another address a moment later.

        Raises `AccessDenied`.
        """
        name = host.strip("[]").rstrip(".").lower()
        if self.hosts is not None and not any(_matches(entry, name, port) for entry in self.hosts):
            raise AccessDenied(f"{host}:{port} is not among the hosts of the plan's `network`")
        is_literal = _address(name) is not None or _is_loopback(name)
        try:
            found = await _resolved(name, port)
        except (OSError, UnicodeError):
            raise AccessDenied(f"{host} has no address") from None
        if port in self.closed_ports and any(ipaddress.ip_address(each[4][0]).is_loopback for each in found):
            raise AccessDenied(f"{host}:{port} is the embedded Temporal server, which answers no agent")
        for _, _, _, _, (address, *_) in found:
            if (self.hosts is not None and is_literal) or self._is_allowed(ipaddress.ip_address(address)):
                return str(address)
        hint = "" if self.hosts is not None else "; name it in the plan's `network` if that is meant"
        raise AccessDenied(f"{host} is a service of this machine or of its network{hint}")

    def _is_allowed(self, address: IpAddress) -> bool:
        address = _embedded_ipv4(address)
        if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
            return False
        if address in _METADATA or str(address) in _own_addresses():
            return False
        return self.hosts is not None or address.is_global


async def _resolved(name: str, port: int) -> list[Any]:
    """Resolve in threads of its own: names without an answer must not occupy the threads of other work."""
    resolve = partial(socket.getaddrinfo, name, port, type=socket.SOCK_STREAM)
    return await asyncio.get_running_loop().run_in_executor(_resolving, resolve)


def _matches(entry: str, name: str, port: int) -> bool:
    host, given = _split(entry.lower())
    if given is not None and given != port:
        return False
    if host.startswith("*."):
        return name.endswith(host[1:])
    return name == host or (_address(name) is not None and _address(name) == _address(host))


def _split(entry: str) -> tuple[str, int | None]:
    """Split an entry into host and port; None for all ports."""
    host, colon, port = entry.rpartition(":")
    if colon and not port.endswith("]"):
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    return name.lower() == "localhost" or (address is not None and address.is_loopback)


def _address(text: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _embedded_ipv4(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address maps or translates to (NAT64, mapped, 6to4), else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _own_addresses() -> set[str]:
    """Addresses of this machine's interfaces."""
    return {each.address.partition("%")[0] for addresses in psutil.net_if_addrs().values() for each in addresses}

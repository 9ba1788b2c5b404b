"""What an agent may speak to: the hosts that the plan names, or everything public; never this machine by accident."""

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
# Of clouds, where they are not link-local: AWS, Alibaba, Oracle, Azure.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")))


_resolving = ThreadPoolExecutor(8, thread_name_prefix="epw-dns")


class AccessDenied(Exception):
    """In words for the agent."""


@dataclass(frozen=True)
class NetworkPolicy:
    """`hosts` None: every public address. Entries: `name`, `*.name` (its subdomains), an address; each with `:port`
    or for all ports."""

    hosts: tuple[str, ...] | None
    closed: tuple[int, ...] = ()
    """Ports of this machine that nobody reaches, whatever is named: our own server's, who would take it for ours."""

    @property
    def includes_loopback(self) -> bool:
        """Whether the plan names a service of this machine as such."""
        return any(_is_loopback(_split(entry)[0]) for entry in self.hosts or ())

    async def address_of(self, host: str, port: int) -> str:
        """The address to connect to: itself, not the name, since a name may mean another one a moment later.

        Raises `AccessDenied`.
        """
        name = host.strip("[]").rstrip(".").lower()
        if self.hosts is not None and not any(_is_meant(entry, name, port) for entry in self.hosts):
            raise AccessDenied(f"{host}:{port} is not among the hosts of the plan's `network`")
        is_literal = _address(name) is not None or _is_loopback(name)
        try:
            found = await _resolved(name, port)
        except (OSError, UnicodeError):
            raise AccessDenied(f"{host} has no address") from None
        if port in self.closed and any(ipaddress.ip_address(each[4][0]).is_loopback for each in found):
            raise AccessDenied(f"{host}:{port} is the embedded Temporal server, which answers no agent")
        for _, _, _, _, (address, *_) in found:
            if (self.hosts is not None and is_literal) or self._is_allowed(ipaddress.ip_address(address)):
                return str(address)
        named = "" if self.hosts is not None else "; name it in the plan's `network` if that is meant"
        raise AccessDenied(f"{host} is a service of this machine or of its network{named}")

    def _is_allowed(self, address: IpAddress) -> bool:
        address = _inner(address)
        if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
            return False
        if address in _METADATA or str(address) in _own_addresses():
            return False
        return self.hosts is not None or address.is_global


async def _resolved(name: str, port: int) -> list[Any]:
    """By threads of its own: names that nobody answers for hold up nothing else."""
    look = partial(socket.getaddrinfo, name, port, type=socket.SOCK_STREAM)
    return await asyncio.get_running_loop().run_in_executor(_resolving, look)


def _is_meant(entry: str, name: str, port: int) -> bool:
    host, given = _split(entry.lower())
    if given is not None and given != port:
        return False
    if host.startswith("*."):
        return name.endswith(host[1:])
    return name == host or (_address(name) is not None and _address(name) == _address(host))


def _split(entry: str) -> tuple[str, int | None]:
    """Host and port of an entry."""
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


def _inner(address: IpAddress) -> IpAddress:
    """The address that another one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _own_addresses() -> set[str]:
    """Of this machine's interfaces."""
    return {each.address.partition("%")[0] for addresses in psutil.net_if_addrs().values() for each in addresses}

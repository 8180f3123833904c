"""Which names a server answers to, and which pages may talk to it.

A page from anywhere can make a browser send requests to a server on the same machine. Two
headers, which pages cannot forge, tell such requests apart:

* ``Host`` names whom the browser believes to talk to. After DNS rebinding that is the
  attacker's name, so names that are not ours are refused. An address is not a name: nobody
  can make a browser resolve it to something else.
* ``Origin`` names the page that asks. Only our own pages and those that the owner named may.

References:
    RFC 9110, section 7.2 (Host); RFC 6454 (Origin).
"""

from __future__ import annotations

import re
from ipaddress import ip_address

import msgspec

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9._-]{1,253}))(?::\d{1,5})?")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@\s]{1,262})")
_PORTS = {"http": "80", "https": "443"}


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a server answers.

    Attributes:
        hosts: Names in ``Host`` that are ours, in small letters, without ports.
        origins: Pages of others that may ask, such as ``"https://wall.example.org"``.
        any_address: Whether every IP address in ``Host`` is ours: so where the server listens
            on all of them.
    """

    hosts: frozenset[str] = LOOPBACK_NAMES
    origins: frozenset[str] = frozenset()
    any_address: bool = False

    def host(self, header: str) -> bool:
        """Whether a ``Host`` header names this server; browsers send the port with it."""
        name = host_name(header)
        if name is None:
            return False
        return name in self.hosts or (self.any_address and is_address(name))

    def origin(self, origin: str, host: str) -> bool:
        """Whether a page may ask: one that came from this very host and port, or a named one."""
        match = _ORIGIN.fullmatch(origin.lower())
        if match is None:  # also "null": sandboxed frames, files
            return False
        if origin.lower() in self.origins:
            return True
        port = _PORTS[match["scheme"]]
        return match["host"].removesuffix(f":{port}") == host.lower().removesuffix(f":{port}")


def host_name(header: str) -> str | None:
    """The name in a ``Host`` header, without its port; ``None`` when it is malformed."""
    match = _HOST.fullmatch(header.lower())
    return None if match is None else match["six"] or match["name"]


def is_address(name: str) -> bool:
    """Whether a name is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Whether a name or address can only be reached from this machine."""
    if name in LOOPBACK_NAMES:
        return True
    return is_address(name) and ip_address(name).is_loopback


def is_every_address(name: str) -> bool:
    """Whether listening there means listening everywhere."""
    return is_address(name) and ip_address(name).is_unspecified

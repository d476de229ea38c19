"""A server without authentication is for this machine alone."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address

from lcel_adapters.serve._auth._errors import OpenBindingError
from lcel_adapters.serve._auth._guard import Guard
from lcel_adapters.serve._auth._keys import VARIABLE


def refuse_open_binding(host: str, guard: Guard, insecure: bool) -> None:
    """Refuse to listen where others can reach it, if it lets everyone in.

    Raises:
        OpenBindingError: That is so, and nobody said that it should be.
    """
    if insecure or not guard.is_open or is_loopback(host):
        return
    raise OpenBindingError(
        f"On {host!r} others can reach the server, and it asks nobody who they are. Listen on 127.0.0.1; or set"
        f" {VARIABLE}, or auth in langgraph.json; or say --insecure if something else keeps others out."
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there; a name is asked for, and every address of it counts."""
    try:
        return _is_loopback(host)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return all(_is_loopback(str(address[0])) for *_, address in found)


def _is_loopback(text: str) -> bool:
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback

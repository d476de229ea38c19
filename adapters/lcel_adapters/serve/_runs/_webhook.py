"""Telling somebody that a run is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM
from typing import TYPE_CHECKING, Any

import httpx

from lcel_adapters.serve._json import dumps

if TYPE_CHECKING:
    from lcel_adapters.serve._settings import Settings

PAUSES = (0.0, 0.5, 1.0)
"""Seconds before each attempt."""
SECONDS = 10.0
_NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses that a gateway turns into the IPv4 address in their last 32 bits."""
_log = logging.getLogger(__name__)


def refused(url: str, settings: Settings) -> str | None:
    """Why a webhook may not be called, as far as its address tells; None if it may."""
    parsed = _parsed(url)
    if parsed is None:
        return f"The webhook {url!r} is no http or https address."
    if settings.webhook_hosts is not None:
        return None if parsed.host in settings.webhook_hosts else f"Webhooks may not go to {parsed.host!r}."
    if parsed.host == "localhost" or _is_inside(parsed.host):
        return f"Webhooks may not go to {parsed.host!r}, which is inside this network, unless webhook_hosts names it."
    return None


async def call(url: str, payload: Mapping[str, Any], settings: Settings) -> None:
    """POST the run as JSON; tried three times, and a failure is logged, not raised: the run is over."""
    try:
        await _tried(url, payload, settings)
    except asyncio.CancelledError:
        _log.warning("webhook of run %s was not told: the server ended before it answered", payload["run_id"])
        raise


async def _tried(url: str, payload: Mapping[str, Any], settings: Settings) -> None:
    # A proxy would resolve names by itself, and from inside: it is used only for hosts that the operator named.
    named = settings.webhook_hosts is not None
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=named, verify=httpx.create_ssl_context()) as client:
        for attempt, pause in enumerate(PAUSES):
            await asyncio.sleep(pause)
            body = dumps({**payload, "webhook_sent_at": datetime.now(UTC)})
            try:
                target = httpx.URL(url)
                address = None if named else await _outside(target.host, attempt)
                answer = await client.send(_request(client, target, address, body))
                answer.raise_for_status()
            except Exception as error:
                _log.warning("webhook of run %s failed: %r", payload["run_id"], error)
            else:
                return


def _request(client: httpx.AsyncClient, url: httpx.URL, address: str | None, body: bytes) -> httpx.Request:
    """What is sent to an address, for the host of a URL; without an address to whatever the name leads to then."""
    headers = {"content-type": "application/json"}
    if address is None:
        return client.build_request("POST", url, content=body, headers=headers)
    # The certificate has to be the name's all the same.
    headers["host"] = url.netloc.decode("ascii")
    named = {"sni_hostname": url.raw_host.decode("ascii")}
    return client.build_request("POST", url.copy_with(host=address), content=body, headers=headers, extensions=named)


async def _outside(host: str, attempt: int) -> str:
    """An address that a name leads to, each attempt's another one if there are several.

    It is the address that is connected to: a name that is asked twice may lead elsewhere the second time.

    Raises:
        PermissionError: The name leads inside.
        OSError: Nobody knows the name.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    for address in addresses:
        if _is_inside(address):
            raise PermissionError(f"{host!r} leads to {address!r}, which is inside this network")
    return addresses[attempt % len(addresses)]


def _parsed(url: str) -> httpx.URL | None:
    """A URL, read as the client reads it; None if nobody can be called there."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    # What may not be in a host is quoted, and then no host has it.
    known = parsed.scheme in ("http", "https") and parsed.host and "%" not in parsed.host
    return parsed if known and (parsed.port or 0) < 2**16 else None


def _is_inside(host: str) -> bool:
    """Whether an address is this machine's, or of its network; a name is none."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return not _embedded(address).is_global


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address that an IPv6 address stands for, where it stands for an IPv4 one."""
    if address.version == 4:
        return address
    if address in _NAT64:
        return IPv4Address(int(address) % 2**32)
    return address.ipv4_mapped or address.sixtofour or address

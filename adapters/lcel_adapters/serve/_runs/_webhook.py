"""Telling somebody that a run is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from lcel_adapters.serve._json import dumps

if TYPE_CHECKING:
    from lcel_adapters.serve._settings import Settings

ATTEMPTS = 3
SECONDS = 10.0
_log = logging.getLogger(__name__)


def refused(url: str, settings: Settings) -> str | None:
    """Why a webhook may not be called, as far as its address tells; None if it may."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"The webhook {url!r} is no http or https address."
    if settings.webhook_hosts is not None:
        allowed = parts.hostname in settings.webhook_hosts
        return None if allowed else f"Webhooks may not go to {parts.hostname!r}."
    if parts.hostname == "localhost" or _is_inside(parts.hostname):
        return (
            f"Webhooks may not go to {parts.hostname!r}, which is inside this network, unless webhook_hosts names it."
        )
    return None


async def call(url: str, payload: Mapping[str, Any], settings: Settings) -> None:
    """POST the run as JSON; tried three times, and a failure is logged, not raised: the run is over."""
    try:
        await _tried(url, payload, settings)
    except asyncio.CancelledError:
        _log.warning("webhook of run %s was not told: the server ended before it answered", payload["run_id"])
        raise


async def _tried(url: str, payload: Mapping[str, Any], settings: Settings) -> None:
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        for attempt in range(ATTEMPTS):
            body = dumps({**payload, "webhook_sent_at": datetime.now(UTC)})
            try:
                await _check(url, settings)
                answer = await client.post(url, content=body, headers={"content-type": "application/json"})
                answer.raise_for_status()
            except (httpx.HTTPError, OSError) as error:
                _log.warning("webhook of run %s failed: %r", payload["run_id"], error)
                await asyncio.sleep(0.5 * 2**attempt)
            else:
                return


async def _check(url: str, settings: Settings) -> None:
    """See that a name does not lead inside.

    Raises:
        PermissionError: It does.
        OSError: Nobody knows the name.
    """
    if settings.webhook_hosts is not None:
        return
    host = urlsplit(url).hostname
    for *_, address in await asyncio.get_running_loop().getaddrinfo(host, None):
        if _is_inside(str(address[0])):
            raise PermissionError(f"{host!r} leads to {address[0]!r}, which is inside this network")


def _is_inside(host: str) -> bool:
    """Whether an address is this machine's, or of its network; a name is none."""
    try:
        return not ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return False

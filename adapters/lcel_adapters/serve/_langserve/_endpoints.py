"""Which endpoints a route has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from lcel_adapters.serve._langserve._types import EndpointName

KNOWN = frozenset(get_args(EndpointName)) | {"token_feedback"}


def endpoints_of(
    enabled: Sequence[EndpointName] | None,
    disabled: Sequence[EndpointName] | None,
    *,
    feedback: bool,
    public_trace_link: bool,
) -> frozenset[str]:
    """The names of a route's endpoints.

    Args:
        enabled: These and no others; None for all.
        disabled: All but these.
        feedback: Whether the route takes feedback; its name in the lists above counts for nothing, as with LangServe.
        public_trace_link: The same for links to traces.

    Raises:
        ValueError: If both lists are given, one is no sequence, or a name is unknown.
    """
    if enabled and disabled:
        raise ValueError(f"give enabled_endpoints or disabled_endpoints, not both: {enabled!r}, {disabled!r}")
    named = _names("enabled_endpoints", enabled) if enabled is not None else KNOWN
    named -= _names("disabled_endpoints", disabled or ())
    flags = {"feedback": feedback, "public_trace_link": public_trace_link}
    return frozenset(named - set(flags)) | {name for name, wanted in flags.items() if wanted}


def _names(argument: str, names: Sequence[str]) -> frozenset[str]:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ValueError(f"{argument} must be a list or a tuple of names, not {names!r}")
    found = frozenset(name.lower() for name in names)
    if unknown := sorted(found - KNOWN):
        raise ValueError(f"{argument} names no endpoint with {unknown!r}; there are {sorted(KNOWN)!r}")
    return found

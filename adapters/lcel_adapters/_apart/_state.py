"""The state of a chain that was taken apart: a class made of its keys, which pickle finds again by them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from typing_extensions import TypedDict


@cache
def state_of(*keys: str) -> Any:
    """A ``TypedDict`` with these keys, none of which has to be there.

    The same class for the same keys: pickle looks a class up by its module and qualified name, and wants to find that
    very class.
    """
    state: Any = TypedDict("ChainState", dict.fromkeys(keys, Any), total=False)  # type: ignore[misc]  # as it runs
    state.__module__, state.__qualname__ = __name__, f"ChainState({','.join(keys)})"
    return state


def __getattr__(name: str) -> Any:
    if (keys := re.fullmatch(r"ChainState\(([\w,]+)\)", name)) is not None:
        return state_of(*keys[1].split(","))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

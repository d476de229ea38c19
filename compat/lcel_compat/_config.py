"""The configuration of one run, from what the graph was bound to, what surrounds the call and what it was given.

Later sources win, mappings are merged key by key and tags are joined, as LangGraph does
(``langgraph/_internal/_config.py``, ``ensure_config``). The surrounding configuration is what core keeps in
``var_child_runnable_config`` while a node, or a ``RunnableLambda``, is running.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackManager, Callbacks
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import CONFIG_KEYS, ensure_config

from lcel_compat._constants import CONFIGURABLE_METADATA, DEFAULT_RECURSION_LIMIT
from lcel_compat._core import var_child_runnable_config

_COORDINATES = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")
_MERGED = ("metadata", "configurable")


def resolve(bound: RunnableConfig | None, given: RunnableConfig | None, *, events: bool = False) -> RunnableConfig:
    """The configuration a run starts with; none of the arguments is changed.

    Args:
        bound: What ``with_config`` put into the graph.
        given: What the caller passed.
        events: Whether the run is looked at as events. Those are core's, which puts values of ``configurable`` into
            the metadata: ``model`` today, every plain value before langchain-core 1.0 (EVENTS.md, rule 27).

    Returns:
        A configuration with ``tags``, ``metadata``, ``callbacks``, ``recursion_limit`` and ``configurable``,
        and ``run_name``, ``run_id``, ``max_concurrency`` where somebody set them.
    """
    around = _present(var_child_runnable_config.get())
    merged: dict[str, Any] = {
        "tags": [],
        "metadata": {},
        "callbacks": None,
        "recursion_limit": DEFAULT_RECURSION_LIMIT,
        "configurable": {},
        **{k: dict(v) if k in _MERGED else v for k, v in around.items()},
    }
    if _addresses_its_own_thread(bound, given):
        merged["configurable"] = {}
    for config in (bound, given):
        _merge(merged, _present(config), inherited=frozenset(around.get("tags", ())))
    for key in CONFIGURABLE_METADATA:
        if value := merged["configurable"].get(key):
            merged["metadata"].setdefault(key, value)
    if events:
        own = {"configurable": merged["configurable"], "metadata": merged["metadata"]}
        merged["metadata"] = ensure_config(cast("RunnableConfig", own))["metadata"]
    return cast("RunnableConfig", merged)


def checked(config: RunnableConfig) -> RunnableConfig:
    """The same configuration, if its limits are whole numbers that leave something to run.

    Raises:
        ValueError: If they are not.
    """
    for key in ("recursion_limit", "max_concurrency"):
        limit: Any = config.get(key)
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise ValueError(f"{key} is {limit!r}, but it has to be a whole number of at least 1.")
    return config


def combine(base: RunnableConfig | None, extra: RunnableConfig | None) -> RunnableConfig:
    """Two configurations as one, for ``with_config``; ``extra`` wins."""
    merged: dict[str, Any] = {}
    for config in (base, extra):
        _merge(merged, _present(config), inherited=frozenset())
    return cast("RunnableConfig", merged)


def _present(config: RunnableConfig | None) -> dict[str, Any]:
    """The entries that say something; core's defaults (no tags, no metadata) do not override."""
    return {k: v for k, v in (config or {}).items() if v is not None and v not in ([], {}, ())}


def _addresses_its_own_thread(*configs: RunnableConfig | None) -> bool:
    """Whether a caller names a thread or checkpoint, so that the surrounding one does not apply."""
    named = (config.get("configurable") or {} for config in configs if config)
    return any(configurable.get(key) for configurable in named for key in _COORDINATES)


def _merge(merged: dict[str, Any], config: Mapping[str, Any], *, inherited: frozenset[str]) -> None:
    for key, value in config.items():
        if key == "callbacks":
            merged[key] = join_callbacks(merged.get(key), value)
        elif key == "tags":
            # A node's runnable gets the same tags twice: passed on, and from its surroundings.
            merged[key] = [*merged.get(key, ()), *(tag for tag in value if tag not in inherited)]
        elif key in _MERGED:
            merged[key] = {**merged.get(key, {}), **value}
        elif key in CONFIG_KEYS:
            merged[key] = value
        else:
            merged.setdefault("configurable", {})[key] = value


def join_callbacks(base: Callbacks, new: Callbacks) -> Callbacks:
    """Handlers of both, as a list or a manager; a copy whenever there is something to add.

    Of two managers, ``new`` decides which run the next ones are children of.
    """
    if base is None or new is None:
        return (new if base is None else base) or None
    if isinstance(base, list) and isinstance(new, list):
        return base + new
    if isinstance(base, BaseCallbackManager) and isinstance(new, BaseCallbackManager):
        return new.merge(base)
    manager, handlers = (base, new) if isinstance(base, BaseCallbackManager) else (new, base)
    joined = cast("BaseCallbackManager", manager).copy()
    for handler in cast("list[Any]", handlers):
        joined.add_handler(handler, inherit=True)
    return joined

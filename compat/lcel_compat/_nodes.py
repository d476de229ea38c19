"""A node while a graph is being built: what was given to ``add_node``, and what that means."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableLambda, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase

from lcel_compat._body import Body, FunctionBody, body_of
from lcel_compat.errors import InvalidGraphError
from lcel_compat.policies import CachePolicy, RetryPolicy, TimeoutPolicy, cache_policy, retry_policies

DEFAULT_HANDLER: Final = "__default_error_handler__"
"""The node that ``set_node_defaults(error_handler=...)`` makes, under LangGraph's name."""


def handler_name(node: str) -> str:
    """The node that ``add_node(node, error_handler=...)`` makes, under LangGraph's name."""
    return f"__error_handler__{node}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """The arguments of ``add_node`` as they were given, so that another library's builder can be given the same."""

    defer: bool = False
    metadata: Mapping[str, Any] | None = None
    input_schema: Any = None
    retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None
    cache_policy: CachePolicy | None = None
    error_handler: Any = None
    destinations: Mapping[str, str] | Sequence[str] | None = None
    timeout: float | timedelta | TimeoutPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDefaults:
    """What ``set_node_defaults`` was given; ``None`` where it was not."""

    retry_policy: tuple[RetryPolicy, ...] | None = None
    cache_policy: CachePolicy | None = None
    error_handler: Any = None
    timeout: TimeoutPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """A node of a builder.

    Attributes:
        action: What it runs, as it was given.
        options: The arguments of ``add_node`` as they were given; a handler has none of its own.
        body: The action, ready to run.
        input_schema: The part of the state that it is given.
        metadata: Added to the metadata of its runs.
        ends: Where its commands may lead; with the labels of these edges if it is a mapping.
        defer: Whether it runs only when nothing else is left to run.
        retry_policy: Its own policies; ``None`` if the defaults are to apply.
        cache_policy: Its own policy.
        timeout: Its own policy.
        error_handler_node: The node that runs when it fails.
        is_error_handler: Whether it is such a node.
    """

    action: Any
    options: NodeOptions = field(default_factory=NodeOptions)
    body: Body
    input_schema: Any
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ends: Mapping[str, str] | tuple[str, ...] = ()
    defer: bool = False
    retry_policy: tuple[RetryPolicy, ...] | None = None
    cache_policy: CachePolicy | None = None
    timeout: TimeoutPolicy | None = None
    error_handler_node: str | None = None
    is_error_handler: bool = False


def regular(name: str, action: Any, options: NodeOptions, schema: Any, ends: tuple[str, ...]) -> NodeSpec:
    """The node that ``add_node`` adds.

    Args:
        name: Its name.
        action: What it runs.
        options: The other arguments.
        schema: The part of the state that it is given.
        ends: Where its annotations say that it may lead, if the options do not say it.

    Raises:
        TypeError: If the action cannot be a node, or a policy is none.
        ValueError: If the timeout is no time.
    """
    given = options.destinations
    destinations = dict(given) if isinstance(given, Mapping) else tuple(ends if given is None else given)
    return NodeSpec(
        action=action,
        options=options,
        body=body_of(action, name=name),
        input_schema=schema,
        metadata=dict(options.metadata or {}),
        ends=destinations,
        defer=options.defer,
        retry_policy=own_policies(options.retry_policy),
        cache_policy=cache_policy(options.cache_policy),
        timeout=TimeoutPolicy.coerce(options.timeout),
        error_handler_node=None if options.error_handler is None else handler_name(name),
    )


def handler(name: str, action: Any, schema: Any) -> NodeSpec:
    """The node that handles the failures of others.

    Raises:
        TypeError: If the action cannot be a node.
    """
    return NodeSpec(action=action, body=body_of(action, name=name), input_schema=schema, is_error_handler=True)


def own_policies(given: Any) -> tuple[RetryPolicy, ...] | None:
    """A node's own retry policies: an empty sequence is none at all, and ``None`` leaves it to the defaults.

    Raises:
        TypeError: If it is no policy and no sequence of them.
    """
    return None if given is None else retry_policies(given)


def with_defaults(nodes: Mapping[str, NodeSpec], defaults: NodeDefaults, schema: Any) -> dict[str, NodeSpec]:
    """The nodes with the defaults where they set nothing of their own, and the default handler if there is one.

    Handlers take the defaults for retries and timeouts alone: what they return depends on the failure and not only on
    their input, and they must not handle themselves (``langgraph/graph/state.py``, ``compile``).

    Raises:
        InvalidGraphError: If a node has the default handler's name.
    """
    found = dict(nodes)
    if defaults.error_handler is not None:
        if DEFAULT_HANDLER in found:
            raise InvalidGraphError(f"The node name {DEFAULT_HANDLER!r} is that of the default error handler.")
        found[DEFAULT_HANDLER] = handler(DEFAULT_HANDLER, defaults.error_handler, schema)
    fallback = None if defaults.error_handler is None else DEFAULT_HANDLER
    return {name: _completed(spec, defaults, fallback) for name, spec in found.items()}


def _completed(spec: NodeSpec, defaults: NodeDefaults, fallback: str | None) -> NodeSpec:
    spec = dataclasses.replace(
        spec,
        retry_policy=defaults.retry_policy if spec.retry_policy is None else spec.retry_policy,
        timeout=spec.timeout or defaults.timeout,
    )
    if spec.is_error_handler:
        return spec
    return dataclasses.replace(
        spec,
        cache_policy=spec.cache_policy or defaults.cache_policy,
        error_handler_node=spec.error_handler_node or fallback,
    )


def check_timeout(name: str, spec: NodeSpec) -> None:
    """A node with a timeout has to be asynchronous, since a thread cannot be stopped.

    Raises:
        InvalidGraphError: If it is not.
    """
    if spec.timeout is not None and not _is_async(spec.body):
        raise InvalidGraphError(
            f"Node {name!r} has a timeout, but it is synchronous, and a running function cannot be stopped. Make it"
            " asynchronous, or take the timeout away."
        )


def _is_async(body: Body) -> bool:
    if isinstance(body, FunctionBody):
        return body.is_async
    return all(_has_async(runnable) for runnable in body.runnables)


def _has_async(runnable: Runnable[Any, Any]) -> bool:
    """Whether a runnable does not fall back to a thread; one that overrides ``ainvoke`` is believed."""
    while isinstance(runnable, RunnableBindingBase):
        runnable = runnable.bound
    if isinstance(runnable, RunnableSequence):
        return all(_has_async(step) for step in runnable.steps)
    if isinstance(runnable, RunnableLambda):
        return hasattr(runnable, "afunc")
    return type(runnable).ainvoke is not Runnable.ainvoke

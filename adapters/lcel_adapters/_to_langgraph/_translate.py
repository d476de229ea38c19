"""Our classes as LangGraph's: results of nodes, policies, errors."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from lcel_adapters._to_langgraph._library import langgraph
from lcel_compat import errors, policies, types

# Results -----------------------------------------------------------------------------------------------

_OURS: Final = (types.Command, types.Send, types.Overwrite)


def translated(result: Any) -> Any:
    """The result of a node or path with LangGraph's classes in the place of ours.

    They are looked for where they have a meaning: the result itself, the elements of a list, the values of an update.
    Whatever holds none of them is handed on as the same object.
    """
    if isinstance(result, types.Command):
        return command(result)
    if isinstance(result, types.Send):
        return send(result)
    if isinstance(result, types.Overwrite):
        return langgraph().types.Overwrite(result.value)
    if type(result) in (list, tuple) and any(isinstance(part, _OURS) for part in result):
        return type(result)(translated(part) for part in result)
    return update(result)


def update(value: Any) -> Any:
    """An update of the state with ``Overwrite`` translated: a mapping, an instance of the state's class, pairs."""
    overwrite = langgraph().types.Overwrite
    if isinstance(value, Mapping):
        if not any(isinstance(item, types.Overwrite) for item in value.values()):
            return value
        return {k: overwrite(item.value) if isinstance(item, types.Overwrite) else item for k, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)((pair[0], translated(pair[1])) if _is_overwriting(pair) else pair for pair in value)
    return _instance(value)


def _is_overwriting(pair: Any) -> bool:
    return type(pair) is tuple and len(pair) == 2 and isinstance(pair[1], types.Overwrite)


def _instance(value: Any) -> Any:
    """An instance of the state's class; a copy, if one of its fields overwrites."""
    fields = getattr(type(value), "__annotations__", ())
    found = [name for name in fields if isinstance(getattr(value, name, None), types.Overwrite)]
    if not found:
        return value
    other = copy.copy(value)
    for name in found:
        object.__setattr__(other, name, translated(getattr(value, name)))  # the class may be frozen
    return other


def send(packet: types.Send) -> Any:
    """Our packet as LangGraph's."""
    return langgraph().types.Send(packet.node, packet.arg, timeout=their_timeout(packet.timeout))


def command(ours: types.Command[Any]) -> Any:
    """Our command as LangGraph's."""
    goto: Any = ours.goto
    if isinstance(goto, types.Send):
        goto = send(goto)
    elif isinstance(goto, list | tuple):
        goto = [send(target) if isinstance(target, types.Send) else target for target in goto]
    return langgraph().types.Command(graph=ours.graph, update=update(ours.update), resume=ours.resume, goto=goto)


# Policies ----------------------------------------------------------------------------------------------


def their_timeout(policy: policies.TimeoutPolicy | None) -> Any:
    """Our timeout as LangGraph's."""
    if policy is None:
        return None
    return langgraph().types.TimeoutPolicy(
        run_timeout=policy.run_timeout, idle_timeout=policy.idle_timeout, refresh_on=policy.refresh_on
    )


def their_retry(policy: policies.RetryPolicy) -> Any:
    """Our retry policy as LangGraph's."""
    return langgraph().types.RetryPolicy(*policy[:-1], retry_on=_retry_on(policy.retry_on))


def _retry_on(given: Any) -> Any:
    """What is about one of our errors is about LangGraph's of the same name, too; both can come out of a node."""
    if not isinstance(given, type | list | tuple):
        return lambda error: given(told(error))
    classes = (given,) if isinstance(given, type) else tuple(given)
    ours = [cls for cls in classes if cls.__module__ == errors.__name__]
    return (*classes, *(theirs for cls in ours if (theirs := getattr(langgraph().errors, cls.__name__, None))))


def told(error: Any) -> Any:
    """The error that a user's function looks at: ours where LangGraph has one of its own for the same."""
    if type(error) is not langgraph().errors.NodeTimeoutError:
        return error
    ours = errors.NodeTimeoutError(error.node, error.elapsed, kind=error.kind, timeout=error.timeout)
    ours.__cause__ = error
    return ours.with_traceback(error.__traceback__)


def their_cache(policy: policies.CachePolicy | None) -> Any:
    """Our cache policy as LangGraph's; the default keys of the two are the same bytes."""
    return None if policy is None else langgraph().types.CachePolicy(key_func=policy.key_func, ttl=policy.ttl)

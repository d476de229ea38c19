"""What a node does when it fails, takes long, or was run before: retry, timeout and cache policies.

Names, fields, defaults and formulas are LangGraph's (``langgraph/types.py``, ``langgraph/_internal/_retry.py``,
``langgraph/pregel/_retry.py``, ``langgraph/_internal/_cache.py``), and its own policy objects are taken as they are.
Nothing here sleeps, draws a random number or runs anything: the drivers do.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from xxhash import xxh3_128_hexdigest

# Retrying --------------------------------------------------------------------------------------------------

_PERMANENT: Final = (
    ArithmeticError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    ReferenceError,
    RuntimeError,
    StopAsyncIteration,
    StopIteration,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors of the program or its surroundings, which another attempt would meet again."""


def default_retry_on(error: Exception) -> bool:
    """Whether an error looks like one that goes away: lost connections and servers' errors do, mistakes do not.

    The rules are LangGraph's (``langgraph/_internal/_retry.py``). ``httpx`` and ``requests`` are asked only if they
    are loaded; an error of theirs cannot have been raised otherwise.
    """
    if isinstance(error, ConnectionError):
        return True
    if isinstance(error, _classes("httpx", "HTTPStatusError")):
        return _is_server_error(error)
    if isinstance(error, _classes("requests", "HTTPError")):
        # A response of requests is false if its status is an error, so that LangGraph retries 404 as well as 503.
        return not getattr(error, "response", None) or _is_server_error(error)
    return not isinstance(error, _PERMANENT)


def _classes(module: str, name: str) -> tuple[type[BaseException], ...]:
    found = getattr(sys.modules.get(module), name, None)
    return () if found is None else (found,)


def _is_server_error(error: Any) -> bool:
    return bool(500 <= error.response.status_code < 600)


RetryOn: TypeAlias = type[Exception] | Sequence[type[Exception]] | Callable[[Exception], bool]
"""Which errors are worth another attempt: a class, several, or a function that says so of an error."""


class RetryPolicy(NamedTuple):
    """When and how often a node that failed runs again.

    Attributes:
        initial_interval: Seconds before the second attempt.
        backoff_factor: What the interval is multiplied with after each further failure.
        max_interval: The longest interval, in seconds; jitter comes on top.
        max_attempts: How often the node runs at most, the first time included.
        jitter: Whether up to one second, drawn at random, is added to each interval.
        retry_on: The errors that are worth another attempt.
    """

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: RetryOn = default_retry_on


def retry_policies(value: Any) -> tuple[RetryPolicy, ...]:
    """The policies that a user gave as ``retry_policy=``: none, one, or several of which the first that matches counts.

    Raises:
        TypeError: If it is something else.
    """
    if value is None:
        return ()
    if getattr(value, "_fields", None) == RetryPolicy._fields:
        return (RetryPolicy._make(value),)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(policy for single in value for policy in retry_policies(single))
    raise TypeError(f"retry_policy is {value!r}, but it has to be a RetryPolicy or a sequence of them.")


def should_retry(policy: RetryPolicy, error: Exception) -> bool:
    """Whether the policy is about this error.

    Raises:
        TypeError: If ``retry_on`` is neither classes of exceptions nor a function.
    """
    retry_on: Any = policy.retry_on
    if isinstance(retry_on, Sequence):
        return isinstance(error, tuple(retry_on))
    if isinstance(retry_on, type) and issubclass(retry_on, Exception):
        return isinstance(error, retry_on)
    if callable(retry_on):
        return bool(retry_on(error))
    raise TypeError(
        f"retry_on is {retry_on!r}, but it has to be a class of exceptions, a list or tuple of them, or a function of"
        " the error."
    )


def first_policy(policies: Sequence[RetryPolicy], error: Exception) -> RetryPolicy | None:
    """The first of the policies that is about this error."""
    return next((policy for policy in policies if should_retry(policy, error)), None)


def interval(policy: RetryPolicy, attempt: int, jitter: Callable[[], float]) -> float:
    """Seconds to wait before the next attempt.

    Args:
        policy: The policy.
        attempt: How many attempts have failed, from 1.
        jitter: Gives a number between 0 and 1, as ``random.random``; called only if the policy wants jitter.
    """
    try:
        grown = policy.initial_interval * policy.backoff_factor ** (attempt - 1)
    except OverflowError:  # a float cannot hold 2.0 ** 1024, and the limit is what counts then
        grown = policy.max_interval
    return min(policy.max_interval, grown) + (jitter() if policy.jitter else 0.0)


def retry_after(
    policies: Sequence[RetryPolicy], error: Exception, attempt: int, jitter: Callable[[], float]
) -> float | None:
    """Seconds until a failed node runs again, or ``None`` if it does not.

    Args:
        policies: The node's policies.
        error: What it raised.
        attempt: How many attempts have failed, this one included.
        jitter: As for ``interval``.
    """
    policy = first_policy(policies, error)
    if policy is None or attempt >= policy.max_attempts:
        return None
    return interval(policy, attempt, jitter)


# Timing out ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutPolicy:
    """How long one attempt of a node may take.

    A timeout cancels the attempt, so that only asynchronous nodes can have one: a thread cannot be stopped.

    Attributes:
        run_timeout: Seconds for the whole attempt, or a ``timedelta``.
        idle_timeout: Seconds, or a ``timedelta``, without a sign of progress.
        refresh_on: What counts as progress: with ``"auto"`` all that the node writes, streams and calls, with
            ``"heartbeat"`` only ``runtime.heartbeat()``.
    """

    run_timeout: float | timedelta | None = None
    idle_timeout: float | timedelta | None = None
    refresh_on: Literal["auto", "heartbeat"] = "auto"

    @classmethod
    def coerce(cls, value: Any) -> TimeoutPolicy | None:
        """The policy that a user gave as ``timeout=``, with its times in seconds.

        Args:
            value: Seconds or a ``timedelta`` for the whole attempt, a policy, or ``None``.

        Returns:
            A policy with at least one of its two times, or ``None`` if nothing is limited.

        Raises:
            ValueError: If a time is not more than 0, or ``refresh_on`` is something else.
        """
        if value is None:
            return None
        policy = value if hasattr(value, "idle_timeout") else cls(run_timeout=value)
        if policy.refresh_on not in ("auto", "heartbeat"):
            raise ValueError(f"refresh_on is {policy.refresh_on!r}, but it has to be 'auto' or 'heartbeat'.")
        run = _seconds("run_timeout", policy.run_timeout)
        idle = _seconds("idle_timeout", policy.idle_timeout)
        if run is None and idle is None:
            return None
        return cls(run_timeout=run, idle_timeout=idle, refresh_on=policy.refresh_on)


def _seconds(name: str, value: float | timedelta | None) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not seconds > 0:
        raise ValueError(f"{name} is {value!r}, but it must be greater than 0 seconds.")
    return seconds


# Caching ---------------------------------------------------------------------------------------------------


def default_cache_key(*args: Any, **kwargs: Any) -> str | bytes:
    """The arguments as bytes.

    The bytes are those of LangGraph's function of this name, so that the two can share a cache. It puts mappings in
    the order of their keys only where they are keyword arguments (``_freeze`` lets a tuple pass), and the engines hand
    a node's input over as a positional one: equal inputs whose inner dicts were filled in another order have
    different keys.

    Raises:
        TypeError: If the arguments cannot be pickled, or keys of a mapping cannot be ordered.
    """
    try:
        return pickle.dumps((args, _freeze(kwargs, 10)), protocol=5, fix_imports=False)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise TypeError(
            f"The input of a cached node cannot be made a key: {error}. Say what its key is, with"
            " CachePolicy(key_func=...), a function of the input that gives text or bytes."
        ) from error


def _freeze(value: Any, depth: int) -> Hashable:
    """The value with mappings in the order of their keys, and lists as tuples, down to some depth."""
    if depth <= 0 or isinstance(value, Hashable):
        return value  # type: ignore[no-any-return]  # below the depth whatever it is
    if isinstance(value, Mapping):
        return tuple(sorted((key, _freeze(item, depth - 1)) for key, item in value.items()))
    if isinstance(value, Sequence):
        return tuple(_freeze(item, depth - 1) for item in value)
    if hasattr(value, "tobytes"):  # arrays, whose bytes alone do not tell their shape
        return type(value).__name__, value.tobytes(), getattr(value, "shape", None)
    return value  # type: ignore[no-any-return]  # pickle will say whether it can


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """That a node does not run again for an input that it was given before.

    A result belongs to the node's name and to the module and qualified name of what it runs, as LangGraph's do. Graphs
    that share a cache therefore share the results of two lambdas of one function under one node name: name functions,
    or give each graph a cache.

    Attributes:
        key_func: Makes text or bytes of the node's input; equal keys share a result.
        ttl: Seconds that a result is kept; ``None`` for ever.
    """

    key_func: Callable[..., str | bytes] = default_cache_key
    ttl: int | None = None


def cache_policy(value: Any) -> CachePolicy | None:
    """The policy that a user gave as ``cache_policy=``.

    Raises:
        TypeError: If it is something else.
    """
    if value is None or isinstance(value, CachePolicy):
        return value
    if hasattr(value, "key_func") and hasattr(value, "ttl"):
        return CachePolicy(key_func=value.key_func, ttl=value.ttl)
    raise TypeError(f"cache_policy is {value!r}, but it has to be a CachePolicy.")


class CacheKey(NamedTuple):
    """Where the result of a node is kept.

    Attributes:
        ns: The namespace of the node.
        key: A hash of its input's key.
        ttl: Seconds that it is kept; ``None`` for ever.
    """

    ns: tuple[str, ...]
    key: str
    ttl: int | None


def cache_namespace(node: str, function: Callable[..., Any] | None) -> tuple[str, str, str]:
    """Where a node's results are kept, as LangGraph names the place (``langgraph/pregel/_algo.py:672``).

    Args:
        node: The node's name.
        function: What it runs if that is a synchronous function; anything else has no name of its own.
    """
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    module = getattr(function, "__module__", None)
    known = f"{module}.{name}" if name is not None and module is not None else "__dynamic__"
    return ("__pregel_ns_writes", known, node)


def cache_key(policy: CachePolicy, namespace: tuple[str, ...], value: Any) -> CacheKey:
    """Where the result of a node for this input is kept.

    Raises:
        TypeError: If the default key function cannot make a key of the input.
    """
    key = policy.key_func(value)
    return CacheKey(namespace, xxh3_128_hexdigest(key.encode() if isinstance(key, str) else key), policy.ttl)

"""Retry, timeout and cache policies: the same decisions, intervals and keys as LangGraph's."""

from __future__ import annotations

import builtins
import dataclasses
import math
import operator
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcel_compat.policies import (
    CacheKey,
    CachePolicy,
    RetryPolicy,
    TimeoutPolicy,
    cache_key,
    cache_namespace,
    cache_policy,
    default_cache_key,
    default_retry_on,
    first_policy,
    interval,
    retry_after,
    retry_policies,
    should_retry,
)
from tests.support.colours import run
from tests.support.engines import LANGGRAPH

EVERY_ERROR = [
    error
    for error in vars(builtins).values()
    if isinstance(error, type) and issubclass(error, Exception) and not issubclass(error, UnicodeError | ExceptionGroup)
]


def answered(library: str, status: int) -> Exception:
    """What an HTTP client raises for a status."""
    client = import_module(library)
    if library == "requests":
        theirs = client.Response()
        theirs.status_code = status
        return client.HTTPError("no", response=theirs)  # type: ignore[no-any-return]
    request = client.Request("GET", "http://example.com")
    response = client.Response(status, request=request)
    return client.HTTPStatusError("no", request=request, response=response)  # type: ignore[no-any-return]


def lost(library: str, error: str) -> Exception:
    """What an HTTP client raises when there is no answer."""
    return getattr(import_module(library), error)("no")  # type: ignore[no-any-return]


LOOSE_ERRORS: list[Callable[[], Exception]] = [
    *EVERY_ERROR,
    *(partial(lost, "requests", error) for error in ("HTTPError", "ConnectionError", "Timeout")),
    *(partial(lost, "httpx", error) for error in ("ConnectError", "ReadTimeout")),
    *(partial(answered, lib, s) for lib in ("httpx", "requests") for s in (301, 400, 404, 429, 500, 503, 599, 600)),
]


def never() -> float:
    """A source of jitter that must not be asked."""
    raise AssertionError("jitter was drawn")


# Retrying --------------------------------------------------------------------------------------------------


@pytest.mark.langgraph
@pytest.mark.parametrize("make", LOOSE_ERRORS, ids=str)
def test_default_retry_on(make: Callable[[], Exception]) -> None:
    """By default the same errors are tried again as by LangGraph, every built-in one and those of HTTP clients."""
    from langgraph.types import RetryPolicy as Theirs

    error = make()
    assert Theirs().retry_on(error) == default_retry_on(error)  # type: ignore[operator]


@pytest.mark.langgraph  # which brings httpx
@pytest.mark.parametrize(("status", "again"), [(404, False), (500, True), (599, True), (600, False)])
def test_status_of_httpx(status: int, again: bool) -> None:
    """Errors of the server are tried again, errors of the caller are not."""
    assert again is default_retry_on(answered("httpx", status))


def test_http_clients_are_not_imported() -> None:
    """To judge an error loads no HTTP client that the program has not loaded itself."""
    code = "\n".join(
        [
            "import sys",
            "from lcel_compat.policies import default_retry_on as again",
            "loaded = {'httpx', 'requests'} & set(sys.modules)",
            "for name in loaded: del sys.modules[name]",
            "assert again(ConnectionError()) and again(Exception()) and not again(ValueError())",
            "assert not {'httpx', 'requests'} & set(sys.modules)",
        ]
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.langgraph
def test_policies_have_the_same_fields() -> None:
    """Names, order and defaults of the policies are LangGraph's, its two functions aside."""
    from langgraph import types

    theirs, ours = types.RetryPolicy()._asdict(), RetryPolicy()._asdict()
    assert list(theirs) == list(ours)
    assert {**theirs, "retry_on": default_retry_on} == ours
    for name, policy in {"TimeoutPolicy": TimeoutPolicy, "CachePolicy": CachePolicy}.items():
        expected = {f.name: f.default for f in dataclasses.fields(getattr(types, name))}
        assert list(expected) == [f.name for f in dataclasses.fields(policy)]
        expected.update(key_func=default_cache_key) if "key_func" in expected else None
        assert expected == {f.name: f.default for f in dataclasses.fields(policy)}


RETRY_ON: list[Any] = [ValueError, (KeyError, ValueError), [OSError], (), lambda error: bool(error.args)]


@pytest.mark.langgraph
@pytest.mark.parametrize("retry_on", RETRY_ON, ids=str)
@pytest.mark.parametrize("error", [ValueError("no"), KeyError(), OSError(1, "no"), UnicodeError()], ids=repr)
def test_should_retry(retry_on: Any, error: Exception) -> None:
    """A class, several classes and a function say the same of an error as in LangGraph."""
    from langgraph.pregel._retry import _should_retry_on
    from langgraph.types import RetryPolicy as Theirs

    assert _should_retry_on(Theirs(retry_on=retry_on), error) == should_retry(RetryPolicy(retry_on=retry_on), error)


@pytest.mark.parametrize("retry_on", [3, "ValueError2", KeyboardInterrupt("x")], ids=repr)
def test_retry_on_that_is_nothing(retry_on: Any) -> None:
    """What cannot say of an error whether it counts is refused by name."""
    with pytest.raises(TypeError):
        should_retry(RetryPolicy(retry_on=retry_on), ValueError())


def test_first_policy() -> None:
    """Of several policies the first that is about the error counts; none may be."""
    network, value, everything = (RetryPolicy(retry_on=e) for e in (ConnectionError, ValueError, Exception))
    assert value is first_policy((network, value, everything), ValueError())
    assert everything is first_policy((network, value, everything), KeyError())
    assert first_policy((network, value), KeyError()) is None


@given(
    st.floats(0, 10),
    st.floats(0.5, 4),
    st.floats(0, 200),
    st.integers(1, 12),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_interval(initial: float, factor: float, longest: float, attempt: int, jitter: float | None) -> None:
    """Intervals grow by the factor from attempt to attempt up to the limit, and jitter comes on top."""
    policy = RetryPolicy(initial, factor, longest, jitter=jitter is not None)
    expected = initial
    for _ in range(attempt - 1):
        expected *= factor
    drawn = never if jitter is None else lambda: jitter
    actual = interval(policy, attempt, drawn)
    assert math.isclose(min(longest, expected) + (jitter or 0.0), actual, abs_tol=1e-9)


def test_interval_after_very_many_attempts() -> None:
    """When the growth is more than a float can hold, the limit is still the interval."""
    assert interval(RetryPolicy(jitter=False), 5000, never) == 128.0


@pytest.mark.langgraph
@pytest.mark.parametrize("most", [0, 1, 2, 4])
@pytest.mark.parametrize("jitter", [False, True])
def test_retry_after(most: int, jitter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that always fails runs as often, and waits as long in between, as it does in LangGraph."""
    from langgraph.types import RetryPolicy as Theirs

    slept: list[float] = []
    monkeypatch.setattr("langgraph.pregel._retry.time.sleep", slept.append)
    monkeypatch.setattr("langgraph.pregel._retry.random.uniform", lambda low, high: 0.25)

    def fail(state: Any) -> None:
        raise OSError("down")

    values = {"initial_interval": 3.0, "max_attempts": most, "jitter": jitter, "retry_on": OSError}
    builder = LANGGRAPH.StateGraph(Input).add_node("fail", fail, retry_policy=Theirs(**values))  # type: ignore[arg-type]
    with pytest.raises(OSError, match="down"):
        builder.add_edge("__start__", "fail").compile().invoke({"x": 1})

    ours = (RetryPolicy(retry_on=KeyError), RetryPolicy(**values))  # type: ignore[arg-type]
    waits: list[float] = []
    while (wait := retry_after(ours, OSError("down"), len(waits) + 1, lambda: 0.25)) is not None:
        waits.append(wait)
    assert slept == waits


def test_retry_policies() -> None:
    """``retry_policy`` may be one policy or several, in any sequence; anything else is refused."""
    one, two = RetryPolicy(), RetryPolicy(max_attempts=1)
    assert [retry_policies(x) for x in (None, (), one, [one, two])] == [(), (), (one,), (one, two)]
    for wrong in (3, "often", [3], object(), {"max_attempts": 3}):
        with pytest.raises(TypeError, match="RetryPolicy"):
            retry_policies(wrong)


@pytest.mark.langgraph
def test_policies_of_langgraph() -> None:
    """LangGraph's own policy objects are taken, so that a half-moved program keeps working."""
    from langgraph import types

    (retry,) = retry_policies(types.RetryPolicy(max_attempts=9, retry_on=OSError))
    assert (type(retry), retry) == (RetryPolicy, RetryPolicy(max_attempts=9, retry_on=OSError))
    assert TimeoutPolicy(idle_timeout=2.0) == TimeoutPolicy.coerce(types.TimeoutPolicy(idle_timeout=2))
    assert CachePolicy(key_func=repr, ttl=3) == cache_policy(types.CachePolicy(key_func=repr, ttl=3))


# Timing out ------------------------------------------------------------------------------------------------

TIMEOUTS: list[Any] = [
    None,
    2,
    0.5,
    timedelta(milliseconds=1500),
    {},
    {"run_timeout": 3},
    {"run_timeout": timedelta(minutes=1), "idle_timeout": 2},
    {"idle_timeout": 1.0, "refresh_on": "heartbeat"},
    0,
    -1.0,
    timedelta(0),
    {"idle_timeout": 0},
    {"run_timeout": 1, "refresh_on": "never"},
    {"refresh_on": "never"},
]


def coerced(policy: Any, value: Any) -> Any:
    """What a policy class makes of a value: its fields, ``None``, or the class of the error."""
    try:
        made = policy.coerce(policy(**value) if isinstance(value, dict) else value)
    except ValueError as error:
        return type(error)
    return made and {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}


@pytest.mark.langgraph
@pytest.mark.parametrize("value", TIMEOUTS, ids=str)
def test_timeout(value: Any) -> None:
    """Seconds, time spans and policies become what they become in LangGraph, or are refused where it refuses."""
    from langgraph.types import TimeoutPolicy as Theirs

    assert coerced(Theirs, value) == coerced(TimeoutPolicy, value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0, "run_timeout is 0"),
        (float("nan"), "run_timeout is nan"),
        (TimeoutPolicy(idle_timeout=-2), "idle_timeout is -2"),
        (TimeoutPolicy(run_timeout=1, refresh_on="x"), "'auto' or 'heartbeat'"),  # type: ignore[arg-type]
    ],
)
def test_timeout_that_is_none(value: Any, says: str) -> None:
    """The error names the field and its value."""
    with pytest.raises(ValueError, match=says):
        TimeoutPolicy.coerce(value)


# Caching ---------------------------------------------------------------------------------------------------

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
INPUTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner), max_leaves=12
)


@pytest.mark.langgraph
@given(INPUTS)
def test_default_cache_key(value: Any) -> None:
    """The bytes are those of LangGraph, so that the two share a cache."""
    from langgraph._internal._cache import default_cache_key as theirs

    assert theirs(value) == default_cache_key(value)
    assert theirs(value, x=[value]) == default_cache_key(value, x=[value])


@given(st.dictionaries(st.text(), LEAVES, min_size=2))
def test_cache_key_has_no_order(values: dict[str, Any]) -> None:
    """Equal keyword arguments have equal keys, in whatever order they were written."""
    backwards = dict(reversed(values.items()))
    assert default_cache_key(state=[values]) == default_cache_key(state=[backwards])


class Array:
    """Something with bytes and a shape, as numpy's arrays are, and no hash."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def tobytes(self) -> bytes:
        return bytes(math.prod(self.shape))


def test_cache_key_of_arrays() -> None:
    """Arrays count by their bytes and their shape."""
    assert default_cache_key(x=Array(2, 3)) == default_cache_key(x=Array(2, 3))
    assert default_cache_key(x=Array(2, 3)) != default_cache_key(x=Array(3, 2))


@pytest.mark.parametrize("value", [{"f": lambda: None}, {"a": 1, 2: "b"}, {"file": sys.stdout}], ids=str)
def test_cache_key_of_nothing_like_a_value(value: Any) -> None:
    """An input that has no key is an error that says how to give it one."""
    with pytest.raises(TypeError, match=r"CachePolicy\(key_func="):
        default_cache_key(value, x=value)


class Input(TypedDict):
    """One key."""

    x: int


class Asked(Exception):
    """A cache was asked for these keys."""


class Callme:
    """A callable object, which has no name of its own."""

    def __call__(self, state: Any) -> Any:
        return state


async def awaited(state: Any) -> Any:
    """A coroutine function."""
    return state


NODES: list[Any] = [
    operator.neg,
    retry_policies,
    lambda state: state,
    Callme(),
    partial(operator.add, 1),
    Callme,
    awaited,
]


@pytest.mark.langgraph
@pytest.mark.parametrize("function", NODES, ids=str)
@pytest.mark.parametrize("key_func", [lambda value: "text", lambda value: b"bytes"], ids=["text", "bytes"])
def test_cache_key(function: Callable[..., Any], key_func: Callable[[Any], str | bytes]) -> None:
    """A result is kept under the namespace and the hash under which LangGraph keeps it."""
    from langgraph.cache.memory import InMemoryCache
    from langgraph.types import CachePolicy as Theirs

    class Spy(InMemoryCache[Any]):
        async def aget(self, keys: Any) -> Any:
            raise Asked(*keys)

    builder = LANGGRAPH.StateGraph(Input).add_node("node", function, cache_policy=Theirs(key_func=key_func))
    with pytest.raises(Asked) as asked:
        run(builder.add_edge("__start__", "node").compile(cache=Spy()).ainvoke({"x": 1}))

    namespace = cache_namespace("node", None if function is awaited else function)
    assert asked.value.args == (cache_key(CachePolicy(key_func=key_func), namespace, {"x": 1})[:2],)


def test_cache_key_keeps_the_time_to_live() -> None:
    """How long a result is kept goes with its key."""
    key = cache_key(CachePolicy(ttl=7), ("ns",), 1)
    assert CacheKey(("ns",), key.key, 7) == key
    assert key.key == cache_key(CachePolicy(), ("ns",), 1).key


def test_cache_policy_that_is_none() -> None:
    """``cache_policy`` is a policy or nothing."""
    assert cache_policy(None) is None
    for wrong in (3, True, {"ttl": 3}):
        with pytest.raises(TypeError, match="CachePolicy"):
            cache_policy(wrong)

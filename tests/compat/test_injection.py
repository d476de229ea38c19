"""What a node is given beside the state: the parameters it names."""

from __future__ import annotations

import functools
import operator
import typing
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from lcel_compat._body import FunctionBody, function_body, path_of
from lcel_compat.errors import NodeError
from lcel_compat.runtime import Runtime
from lcel_compat.types import StreamWriter

CONFIG: RunnableConfig = {"tags": ["mine"]}
STORE = InMemoryStore()


def write(value: Any) -> None:
    """A stream writer that nobody reads."""


RUNTIME: Runtime[Any] = Runtime(context="ctx", store=STORE, stream_writer=write)
EVERYTHING = {"config": CONFIG, "writer": write, "store": STORE, "runtime": RUNTIME, "error": None}


def given(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what the function is given beside the state."""
    return function_body(function).arguments(CONFIG, write, lambda: RUNTIME)


def written(signature: str, **names: Any) -> Callable[..., Any]:
    """Return a function with this signature, its annotations evaluated."""
    namespace = {**vars(typing), **names, "RunnableConfig": RunnableConfig, "BaseStore": BaseStore}
    namespace["StreamWriter"] = StreamWriter
    exec(compile(f"def node({signature}): ...", "<node>", "exec", dont_inherit=True), namespace)
    node: Callable[..., Any] = namespace["node"]
    return node


SIGNATURES = {
    "state": "",
    "state, config": "config",
    "state, *, config": "config",
    "state, config: RunnableConfig": "config",
    "state, config: Optional[RunnableConfig] = None": "config",
    "state, config: RunnableConfig | None = None": "config",
    "state, config: 'RunnableConfig'": "config",
    "state, config: 'Optional[RunnableConfig]' = None": "config",
    "state, config: 'typing.Optional[runnables.RunnableConfig]' = None": "config",
    "state, config: 'RunnableConfig | None' = None": "config",
    "state, config: dict = None": "",
    "state, config: 'list[RunnableConfig]' = None": "",
    "state, config: Union[RunnableConfig, str, None] = None": "",
    "state, writer": "writer",
    "state, writer: StreamWriter": "writer",
    "state, writer: 'StreamWriter'": "writer",
    "state, writer: Optional[StreamWriter] = None": "writer",
    "state, writer: print = None": "",
    "state, store": "store",
    "state, store: BaseStore": "store",
    "state, store: 'BaseStore'": "store",
    "state, store: Optional[BaseStore] = None": "store",
    "state, store: 'BaseStore | None' = None": "store",
    "state, store: int = 1": "",
    "state, runtime": "runtime",
    "state, runtime: int": "runtime",
    "state, runtime: 'Runtime[Context]'": "runtime",
    "state, error: 'NodeError'": "error",
    "state, error: 'errors.NodeError | None' = None": "error",
    "state, error=None": "",
    "state, error: Exception = None": "",
    "state, previous=None": "",
    "state, other=3": "",
    "state, **config": "",
    "state, *config": "",
    "state, config, writer, store, runtime": "config writer store runtime",
    "config": "",
    "runtime, writer": "writer",
    "": "",
    "*, config": "config",
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_parameters_that_are_filled(signature: str) -> None:
    """A parameter is filled by its name, where its annotation is absent or the expected one."""
    expected = {name: EVERYTHING[name] for name in SIGNATURES[signature].split()}
    assert expected == given(written(signature))


MORE_THAN_LANGGRAPH = {
    "state, config: 'typing.Optional[runnables.RunnableConfig]' = None",
    "state, config: 'RunnableConfig | None' = None",
    "state, writer: Optional[StreamWriter] = None",
    "state, store: 'BaseStore | None' = None",
    "state, error: 'errors.NodeError | None' = None",
}
"""Spellings that LangGraph does not know, of annotations that it knows."""


@pytest.mark.langgraph
@pytest.mark.filterwarnings("ignore:The 'config' parameter should be typed")
@pytest.mark.parametrize("signature", [s for s in SIGNATURES if "state" in s or not s])
def test_parameters_that_langgraph_fills(signature: str) -> None:
    """LangGraph fills the same, but for spellings it does not know, and ``previous``, which is none in its graphs."""
    from langgraph._internal._runnable import RunnableCallable

    theirs = set(RunnableCallable(written(signature)).func_accepts) - {"previous"}
    ours = set(given(written(signature)))
    assert theirs == (set() if signature in MORE_THAN_LANGGRAPH else ours)


@pytest.mark.langgraph
def test_annotations_of_langgraphs_own_classes() -> None:
    """A node that is annotated with the classes it imported from LangGraph, or from here, is given the same."""
    from langgraph.errors import NodeError as Theirs

    for known in (NodeError, Theirs):
        assert set(given(written("state, error: E", E=known))) == {"error"}
        assert set(given(written("state, error: E", E=known | None))) == {"error"}


class Custom:
    """A class of the user's own with a library's name."""

    class BaseStore:
        """No store of LangGraph's."""


def test_a_class_of_the_users_with_a_librarys_name() -> None:
    """An annotation counts by the class it is, not by what that class is called."""
    assert given(written("state, store: S = None", S=Custom.BaseStore)) == {}


def test_an_error_handler_is_told_the_error() -> None:
    """What an error handler is told is what the engine hands on."""
    told = NodeError("a", ValueError("no"))
    body = function_body(written("state, error: 'NodeError'"))
    assert body.arguments(CONFIG, write, error=told) == {"error": told}


def test_the_runtime_is_made_only_for_those_who_ask() -> None:
    """A function that asks for neither runtime nor store costs no runtime."""
    made: list[int] = []

    def make() -> Runtime[Any]:
        made.append(1)
        return RUNTIME

    for signature in ("state", "state, config, writer"):
        function_body(written(signature)).arguments(CONFIG, write, make)
    assert made == []
    function_body(written("state, store, runtime")).arguments(CONFIG, write, make)
    assert made == [1]


class Callable_:
    """A node that is an object."""

    def __call__(self, state: Any, config: RunnableConfig, *, runtime: Any) -> Any:
        """Return what it was given."""
        return config, runtime


def _two(prefix: str, state: Any, writer: StreamWriter) -> Any:
    return prefix, writer


def test_methods_partials_and_objects() -> None:
    """A bound method, a partial and an object with ``__call__`` are looked at without what is bound already."""
    assert {"config", "runtime"} == set(given(Callable_()))
    assert {"config", "runtime"} == set(given(Callable_().__call__))
    assert {"writer"} == set(given(functools.partial(_two, "x")))


def test_functions_without_a_signature() -> None:
    """What cannot be looked at is called with the state alone."""
    assert given(operator.itemgetter("a")) == {}
    assert given(dict) == {}


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("state, previous", r"'node' asks for 'previous'.*functional API"),
        ("state, config: dict", r"'node' asks for 'config', annotated as dict; .* only as RunnableConfig"),
        ("state, store: int", r"'node' asks for 'store', annotated as int; .* only as BaseStore"),
        ("state, writer: int", r"'writer', annotated as int; .* only as StreamWriter"),
        ("state, error", r"'error', annotated as nothing; .* only as NodeError"),
    ],
)
def test_what_nobody_gives_is_refused(signature: str, message: str) -> None:
    """A node that could never be called is refused where it is added, and told what to write instead."""
    with pytest.raises(TypeError, match=message):
        function_body(written(signature))
    with pytest.raises(TypeError, match=message):
        path_of(written(signature))


def test_a_decorator_may_give_what_the_engine_does_not() -> None:
    """A decorator that fills a parameter of what it wraps keeps working, although the wrapped signature shows."""

    def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(state: Any, **given: Any) -> Any:
            return function(state, {"depth": 1}, **given)

        return wrapper

    @with_settings
    def node(state: Any, config: dict[str, int], runtime: Any) -> Any:
        return config["depth"], runtime.context

    body = function_body(node)
    assert isinstance(body, FunctionBody)
    assert body.function({}, **body.arguments(CONFIG, write, lambda: RUNTIME)) == (1, "ctx")

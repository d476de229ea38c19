"""How the configuration of a run comes together: what wins, what is joined, and that nobody's dict is changed."""

from __future__ import annotations

import copy
import uuid
from contextvars import copy_context
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from lcel_compat._config import combine, join_callbacks, resolve
from lcel_compat._constants import CONFIGURABLE_METADATA, DEFAULT_RECURSION_LIMIT
from lcel_compat._core import var_child_runnable_config

ONE, TWO, THREE = BaseCallbackHandler(), BaseCallbackHandler(), BaseCallbackHandler()
Configs = tuple[Any, ...]

DEFAULTS: dict[str, Any] = {
    "tags": [],
    "metadata": {},
    "callbacks": None,
    "recursion_limit": DEFAULT_RECURSION_LIMIT,
    "configurable": {},
}


def resolved(around: Any, bound: Any, given: Any, **options: Any) -> dict[str, Any]:
    """Resolve with a surrounding configuration, in a context of its own."""

    def inside() -> dict[str, Any]:
        var_child_runnable_config.set(around)
        return dict(resolve(bound, given, **options))

    return copy_context().run(inside)


@pytest.mark.parametrize("empty", [None, {}, {"tags": [], "metadata": {}, "callbacks": None, "configurable": {}}])
def test_defaults(empty: Any) -> None:
    """Whatever says nothing leaves the defaults: a config that holds core's own empty entries too."""
    assert resolved(empty, empty, empty) == DEFAULTS


SAYS: list[tuple[str, Configs, dict[str, Any]]] = [
    ("given wins over bound", (None, {"run_name": "b"}, {"run_name": "g"}), {"run_name": "g"}),
    ("bound wins over around", ({"recursion_limit": 3}, {"recursion_limit": 4}, None), {"recursion_limit": 4}),
    ("around is inherited", ({"max_concurrency": 3}, None, {}), {"max_concurrency": 3}),
    (
        "empty does not override",
        (None, {"tags": ["b"], "max_concurrency": 2}, {"tags": []}),
        {"tags": ["b"], "max_concurrency": 2},
    ),
    ("tags are joined", (None, {"tags": ["b"]}, {"tags": ["g"]}), {"tags": ["b", "g"]}),
    ("inherited tags count once", ({"tags": ["a"]}, None, {"tags": ["a", "g"]}), {"tags": ["a", "g"]}),
    (
        "metadata are merged",
        ({"metadata": {"k": 1, "a": 1}}, {"metadata": {"k": 2, "b": 2}}, {"metadata": {"k": 3}}),
        {"metadata": {"k": 3, "a": 1, "b": 2}},
    ),
    (
        "configurable is merged",
        ({"configurable": {"k": 1, "a": 1}}, None, {"configurable": {"k": 2}}),
        {"configurable": {"k": 2, "a": 1}},
    ),
    (
        "another thread has nothing of the surrounding one",
        ({"configurable": {"a": 1, "thread_id": "x"}}, None, {"configurable": {"thread_id": "y"}}),
        {"configurable": {"thread_id": "y"}, "metadata": {"thread_id": "y"}},
    ),
    (
        "coordinates become metadata",
        (None, None, {"configurable": {"thread_id": "t", "other": "o"}}),
        {"configurable": {"thread_id": "t", "other": "o"}, "metadata": {"thread_id": "t"}},
    ),
    (
        "metadata of that name stay",
        (None, None, {"configurable": {"thread_id": "t"}, "metadata": {"thread_id": "mine"}}),
        {"configurable": {"thread_id": "t"}, "metadata": {"thread_id": "mine"}},
    ),
    ("unknown keys are configurable", (None, {"user": "u"}, None), {"configurable": {"user": "u"}}),
    ("callbacks are joined", (None, {"callbacks": [ONE]}, {"callbacks": [TWO]}), {"callbacks": [ONE, TWO]}),
]
TABLE = pytest.mark.parametrize(("configs", "says"), [row[1:] for row in SAYS], ids=[row[0] for row in SAYS])


@TABLE
def test_precedence(configs: Configs, says: dict[str, Any]) -> None:
    """What is given wins over what is bound, which wins over what surrounds the call."""
    assert resolved(*configs) == {**DEFAULTS, **says}


@TABLE
def test_nothing_is_changed(configs: Configs, says: dict[str, Any]) -> None:
    """None of the three is changed, not even inside, and the result shares no container with them."""
    before = [_structure(config) for config in configs]
    result = resolved(*configs)
    for key in ("tags", "metadata", "configurable"):
        container = result[key]
        container.append("later") if isinstance(container, list) else container.update(later=1)
    assert [_structure(config) for config in configs] == before


def _structure(config: Any) -> Any:
    return {k: copy.copy(v) for k, v in config.items()} if config else config


@pytest.mark.langgraph
@TABLE
def test_same_as_langgraph(configs: Configs, says: dict[str, Any]) -> None:
    """LangGraph's ``ensure_config`` makes the same of the same configurations."""
    from langgraph._internal._config import ensure_config

    around, bound, given = configs

    def inside() -> dict[str, Any]:
        var_child_runnable_config.set(around)
        return dict(ensure_config(bound, given))

    assert resolved(*configs) == copy_context().run(inside)


@pytest.mark.langgraph
def test_same_default_limit_as_langgraph() -> None:
    """A run may take as many supersteps as LangGraph's."""
    from langgraph._internal._config import ensure_config

    assert ensure_config()["recursion_limit"] == DEFAULT_RECURSION_LIMIT


@pytest.mark.parametrize(
    "configurable", [{"model": "m"}, {"model": 1}, {"user": "u", "__private": "p"}, {"thread_id": "t"}], ids=str
)
def test_metadata_of_events_are_those_of_core(configurable: dict[str, Any]) -> None:
    """In events, values of ``configurable`` are metadata where core makes them so (EVENTS.md, rule 27)."""
    config: RunnableConfig = {"configurable": configurable, "metadata": {"mine": True}}
    expected = copy_context().run(ensure_config, config)["metadata"]
    assert resolved(None, None, config, events=True)["metadata"] == {**configurable_metadata(configurable), **expected}
    assert resolved(None, None, config)["metadata"] == {**configurable_metadata(configurable), "mine": True}


def test_model_is_metadata_of_events() -> None:
    """The model that a run was configured with is in the metadata of its events, and of its events only."""
    config = {"configurable": {"model": "m"}}
    assert resolved(None, None, config)["metadata"] == {}
    assert resolved(None, None, config, events=True)["metadata"] == {"model": "m"}


def configurable_metadata(configurable: dict[str, Any]) -> dict[str, Any]:
    """What the engine itself copies."""
    return {key: configurable[key] for key in CONFIGURABLE_METADATA if key in configurable}


def test_combine() -> None:
    """``combine``, for ``with_config``, joins and merges without defaults; the second wins."""
    first: RunnableConfig = {"tags": ["a"], "metadata": {"k": 1}, "run_name": "x", "callbacks": [ONE]}
    second: RunnableConfig = {"tags": ["b"], "metadata": {"j": 2}, "run_name": "y", "callbacks": [TWO]}
    before = [_structure(first), _structure(second)]
    assert combine(first, second) == {
        "tags": ["a", "b"],
        "metadata": {"k": 1, "j": 2},
        "run_name": "y",
        "callbacks": [ONE, TWO],
    }
    assert [first, second] == before
    assert combine(None, None) == {}


def manager(*handlers: BaseCallbackHandler) -> CallbackManager:
    """A callback manager with these as inheritable handlers."""
    made = CallbackManager([])
    for handler in handlers:
        made.add_handler(handler, inherit=True)
    return made


@pytest.mark.parametrize(
    ("base", "new", "handlers"),
    [
        (None, None, []),
        ([ONE], None, [ONE]),
        (None, [ONE], [ONE]),
        ([ONE], [TWO], [ONE, TWO]),
        (manager(ONE), [TWO], [ONE, TWO]),
        ([ONE], manager(TWO), [TWO, ONE]),
        (manager(ONE), manager(TWO), [ONE, TWO]),
        (manager(ONE), None, [ONE]),
        (None, manager(ONE), [ONE]),
        (manager(ONE), [TWO, THREE], [ONE, TWO, THREE]),
    ],
    ids=str,
)
def test_callbacks_are_joined(base: Any, new: Any, handlers: list[Any]) -> None:
    """Lists and managers of handlers are joined in every combination; neither side is changed."""
    before = [_handlers(base), _handlers(new)]
    joined = _handlers(join_callbacks(base, new))
    assert len(joined) == len(handlers)
    assert all(any(found is wanted for found in joined) for wanted in handlers)
    assert [_handlers(base), _handlers(new)] == before


def _handlers(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks if isinstance(callbacks, list) else callbacks.inheritable_handlers)


def test_a_manager_keeps_its_parent() -> None:
    """Handlers that join a manager hear of its children: the parent's run id and tags stay."""
    base = manager(ONE)
    base.add_tags(["inherited"])
    joined = join_callbacks(base, [TWO])
    assert isinstance(joined, CallbackManager)
    assert joined.inheritable_tags == ["inherited"]
    assert joined.parent_run_id == base.parent_run_id


def test_of_two_managers_the_new_one_names_the_parent() -> None:
    """What is given to a call decides which run it hangs under, not what the graph was bound to."""
    base, new = manager(ONE), manager(TWO)
    base.parent_run_id, new.parent_run_id = uuid.uuid4(), uuid.uuid4()
    joined = join_callbacks(base, new)
    assert isinstance(joined, CallbackManager)
    assert joined.parent_run_id == new.parent_run_id

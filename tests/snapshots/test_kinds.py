"""The events of every kind of runnable, as a node of a graph."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import langchain_core
import langchain_core.runnables
import pytest
from langchain_core.runnables import Runnable
from syrupy.assertion import SnapshotAssertion

from tests.snapshots.kinds import KINDS, Kind
from tests.snapshots.script import script
from tests.support.colours import ASYNC, SYNC, Colour
from tests.support.models import chat_chain

REPEATED: Final = 20


def _parameter(kind: Kind) -> Any:
    return pytest.param(kind, id=kind.name, marks=[pytest.mark.blocking] if kind.blocks else [])


ALL = pytest.mark.parametrize("kind", [_parameter(kind) for kind in KINDS])
BOTH = pytest.mark.parametrize("kind", [_parameter(kind) for kind in KINDS if kind.only is None])


def _script(kind: Kind, colour: Colour | None = None) -> str:
    colour = colour or (SYNC if kind.only == "sync" else ASYNC)
    events = colour.observe_events(kind.graph(), {"x": kind.value}, dict(kind.config))
    return script(events, at_once=kind.at_once)


@ALL
def test_events(kind: Kind, snapshot: SnapshotAssertion) -> None:
    """A runnable of this kind, as a node, emits the events of its snapshot."""
    assert _script(kind) == snapshot


@BOTH
def test_synchronous_events(kind: Kind) -> None:
    """The synchronous events are the asynchronous ones, in the same order."""
    assert _script(kind, SYNC) == _script(kind)


@pytest.mark.soak
@ALL
def test_events_do_not_flap(kind: Kind) -> None:
    """Twenty runs give one and the same script."""
    assert len({_script(kind) for _ in range(REPEATED)}) == 1


def test_last_chunk() -> None:
    """Whether or not this core ends a stream with an empty chunk, a node's chain streams what it streams alone."""
    alone = ASYNC.observe_events(chat_chain(), {"topic": "parrots"})
    node = ASYNC.observe_events(Kind(name="chain", make=chat_chain, value=None).graph(), {"x": {"topic": "parrots"}})
    assert _streamed(alone) == [chunk for chunk in _streamed(node) if chunk[0] not in {"node", "LangGraph"}]


def _streamed(events: list[Any]) -> list[tuple[str, Any]]:
    chunks = [(event["name"], event["data"]["chunk"]) for event in events if "chunk" in event["data"]]
    return [(name, getattr(chunk, "content", chunk)) for name, chunk in chunks]


# Completeness ----------------------------------------------------------------------------------------------

REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "a prompt whose run is BasePromptTemplate's; only how the value is made differs": (
        "DictPromptTemplate",
        "FewShotChatMessagePromptTemplate",
        "FewShotPromptTemplate",
        "FewShotPromptWithTemplates",
        "ImagePromptTemplate",
        "PipelinePromptTemplate",
        "StructuredPrompt",
    ),
    "a parser whose run is that of a base class that has a snapshot; only the value differs": (
        "BaseGenerationOutputParser",
        "JsonKeyOutputFunctionsParser",
        "JsonOutputFunctionsParser",
        "JsonOutputKeyToolsParser",
        "MarkdownListOutputParser",
        "NumberedListOutputParser",
        "OutputFunctionsParser",
        "PydanticAttrOutputFunctionsParser",
        "PydanticOutputFunctionsParser",
        "PydanticToolsParser",
        "XMLOutputParser",
    ),
    "a fake model for tests; the tests' own models stand for it": (
        "FakeChatModel",
        "FakeListChatModel",
        "FakeListLLM",
        "FakeMessagesListChatModel",
        "FakeStreamingListLLM",
        "GenericFakeChatModel",
        "ParrotFakeChatModel",
        "SimpleChatModel",
        "LLM",
    ),
    "a retriever whose run is BaseRetriever's": ("DocumentIndex", "InMemoryDocumentIndex", "VectorStoreRetriever"),
    "beta steps that need each other within one sequence; gone in core 1.0": ("ContextGet", "ContextSet"),
}
"""Why a class has no snapshot of its own."""


def test_every_kind_has_a_snapshot() -> None:
    """Each public Runnable class of langchain-core occurs in a snapshot's runnable, or there is a reason."""
    shown = {base for kind in KINDS for part in _parts(kind.make()) for base in type(part).__mro__}
    explained = {name for names in REASONS.values() for name in names}
    missing = {cls.__name__ for cls in _runnable_classes() - shown} - explained
    assert missing == set()


def test_no_reason_is_out_of_date() -> None:
    """A class that a reason is given for has no snapshot, so that the list of reasons shrinks as snapshots grow."""
    shown = {type(part).__name__ for kind in KINDS for part in _parts(kind.make())}
    assert shown.isdisjoint(name for names in REASONS.values() for name in names)


def test_exported_classes_are_walked() -> None:
    """What ``langchain_core.runnables`` exports as Runnable is among the classes that are checked."""
    exported = (getattr(langchain_core.runnables, name) for name in langchain_core.runnables.__all__)
    classes = {thing for thing in exported if isinstance(thing, type) and issubclass(thing, Runnable)}
    assert classes <= _runnable_classes()


@cache
def _runnable_classes() -> frozenset[type]:
    """Every public class of langchain-core that is a Runnable, once all of its modules are loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.walk_packages(langchain_core.__path__, "langchain_core."):
            importlib.import_module(module.name)
    return frozenset({Runnable, *(cls for cls in _subclasses(Runnable) if _is_public(cls))})


def _subclasses(cls: Any) -> Iterator[type]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _is_public(cls: type) -> bool:
    """Whether it is core's, and neither private nor a parametrized generic."""
    return cls.__module__.startswith("langchain_core.") and cls.__name__.isidentifier() and cls.__name__[0] != "_"


def _parts(thing: Any) -> Iterator[Any]:
    """A runnable and the runnables in its fields."""
    if isinstance(thing, Runnable):
        yield thing
        fields = getattr(thing, "__dict__", {})
        yield from (part for value in fields.values() for part in _parts(value))
    elif isinstance(thing, dict):
        yield from (part for value in thing.values() for part in _parts(value))
    elif isinstance(thing, list | tuple):
        yield from (part for value in thing for part in _parts(value))

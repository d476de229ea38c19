"""A deliberately broken build, or a stream with one fault in it, never compares as equal."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from tests.differential import cases, nodes, shapes
from tests.differential.observe import events, items
from tests.differential.table import CASES, Case
from tests.support.colours import ASYNC
from tests.support.engines import OURS, Library
from tests.support.models import StreamingChat, chat_chain
from tests.support.normal import assert_same_events, assert_same_items, steps_of

Stream = list[Any]


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


CHAIN = _case("chain_node")


@pytest.fixture(scope="module")
def recorded() -> Stream:
    """The events of a streaming chain in a node."""
    return events(OURS, CHAIN)


def _first(stream: Stream, **wanted: Any) -> int:
    """Return the index of the first event whose fields are as wanted."""
    return next(i for i, e in enumerate(stream) if all(e[k] == v for k, v in wanted.items()))


def _dropped_parser_stream(stream: Stream) -> Stream:
    return [event for event in stream if event["event"] != "on_parser_stream"]


def _renamed_root(stream: Stream) -> Stream:
    root = stream[0]["run_id"]
    return [{**e, "name": "renamed"} if e["run_id"] == root else e for e in stream]


def _renamed_once(stream: Stream) -> Stream:
    stream[-1]["name"] = "renamed"
    return stream


def _duplicated_token(stream: Stream) -> Stream:
    at = _first(stream, event="on_chat_model_stream")
    return [*stream[: at + 1], *stream[at:]]


def _lost_token(stream: Stream) -> Stream:
    del stream[_first(stream, event="on_chat_model_stream")]
    return stream


def _swapped_tokens(stream: Stream) -> Stream:
    tokens = [i for i, e in enumerate(stream) if e["event"] == "on_chat_model_stream"]
    stream[tokens[0]], stream[tokens[1]] = stream[tokens[1]], stream[tokens[0]]
    return stream


def _merged_tokens(stream: Stream) -> Stream:
    first, second = [i for i, e in enumerate(stream) if e["event"] == "on_parser_stream"][:2]
    stream[first]["data"]["chunk"] += stream[second]["data"]["chunk"]
    del stream[second]
    return stream


def _lost_metadata_everywhere(stream: Stream) -> Stream:
    for event in stream:
        event["metadata"].pop("langgraph_node", None)
    return stream


def _lost_metadata_once(stream: Stream) -> Stream:
    event = stream[_first(stream, event="on_parser_end")]
    event["metadata"] = {k: v for k, v in event["metadata"].items() if k != "langgraph_step"}
    return stream


def _lost_tag(stream: Stream) -> Stream:
    run = stream[_first(stream, event="on_prompt_start")]["run_id"]
    return [{**e, "tags": []} if e["run_id"] == run else e for e in stream]


def _missing_end(stream: Stream) -> Stream:
    del stream[_first(stream, event="on_chat_model_end")]
    return stream


def _missing_run(stream: Stream) -> Stream:
    run = stream[_first(stream, event="on_prompt_start")]["run_id"]
    return [event for event in stream if event["run_id"] != run]


def _end_before_stream(stream: Stream) -> Stream:
    at = _first(stream, event="on_parser_end")
    end = stream.pop(at)
    return [*stream[: _first(stream, event="on_parser_stream")], end, *stream[at - 1 :]]


def _reparented(stream: Stream) -> Stream:
    run = stream[_first(stream, event="on_parser_start")]["run_id"]
    return [{**e, "parent_ids": e["parent_ids"][:1]} if e["run_id"] == run else e for e in stream]


def _split_run(stream: Stream) -> Stream:
    stream[_first(stream, event="on_parser_end")]["run_id"] = "0" * 32
    return stream


def _other_message_id(stream: Stream) -> Stream:
    chunk = stream[_first(stream, event="on_chat_model_stream")]["data"]["chunk"]
    chunk.id = "lc_run--99999999-9999-7999-8999-999999999999"
    return stream


def _lost_input(stream: Stream) -> Stream:
    del stream[0]["data"]["input"]
    return stream


def _message_for_chunk(stream: Stream) -> Stream:
    data = stream[_first(stream, event="on_chat_model_end")]["data"]
    data["output"] = HumanMessage(data["output"].content, id=data["output"].id)
    return stream


def _second_root(stream: Stream) -> Stream:
    return [*stream, {**stream[0], "run_id": "1" * 32}]


EVENT_FAULTS: Sequence[Callable[[Stream], Stream]] = (
    _dropped_parser_stream,
    _renamed_root,
    _renamed_once,
    _duplicated_token,
    _lost_token,
    _swapped_tokens,
    _merged_tokens,
    _lost_metadata_everywhere,
    _lost_metadata_once,
    _lost_tag,
    _missing_end,
    _missing_run,
    _end_before_stream,
    _reparented,
    _split_run,
    _other_message_id,
    _lost_input,
    _message_for_chunk,
    _second_root,
)


@pytest.mark.parametrize("fault", EVENT_FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_fault_in_events(recorded: Stream, fault: Callable[[Stream], Stream]) -> None:
    """One fault in a recording of events is reported."""
    with pytest.raises(AssertionError, match="differ"):
        assert_same_events(recorded, fault(copy.deepcopy(recorded)))


def test_no_fault_in_events(recorded: Stream) -> None:
    """A recording equals its own copy, so that the faults above are what is reported."""
    assert_same_events(recorded, copy.deepcopy(recorded))


@pytest.mark.parametrize("case", ["diamond", "chat", "writer_in_function"])
@pytest.mark.parametrize("mode", ["values", "updates", "custom", "messages", "debug", "tasks"])
def test_fault_in_items(mode: str, case: str) -> None:
    """An item lost, doubled or moved to the end of a stream is reported in every mode."""
    row = _case(case)
    steps = steps_of(items(OURS, row, ASYNC, "debug"))
    good = items(OURS, row, ASYNC, mode)
    for bad in (good[1:], good[:1] + good, good[1:] + good[:1]):
        if bad == good:
            continue
        with pytest.raises(AssertionError, match="differ"):
            assert_same_items(mode, good, bad, steps)


def test_parallel_order_is_no_fault() -> None:
    """Two branches of one superstep in the other order compare as equal."""
    row = _case("diamond")
    steps = steps_of(items(OURS, row, ASYNC, "debug"))
    a, b, c, d = items(OURS, row, ASYNC, "updates")
    assert_same_items("updates", [a, b, c, d], [a, c, b, d], steps)
    with pytest.raises(AssertionError, match="differ"):
        assert_same_items("updates", [a, b, c, d], [a, b, d, c], steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A broken build of a row: the function that builds it wrongly, and what sees the fault."""

    name: str
    row: str
    wrong: Callable[[Library], Any]
    modes: tuple[str, ...]


def _chain_of(text: str = "A parrot repeats it.") -> Any:
    return nodes.answers(chat_chain(StreamingChat(text=text)))


def _not_streamed(lib: Library) -> Any:
    """The chain is awaited in the node: the tokens stay, the parser's chunks are gone."""
    chain = _chain_of()

    async def node(state: Any) -> Any:
        return await chain.ainvoke(state)

    return cases.single(lib, cases.Topic, node)


def _sequential(lib: Library) -> Any:
    return cases.logged(lib, "abcd", "^a ab bc cd d$").compile()


BUILDS = (
    Build(name="not streamed", row="chain_node", wrong=_not_streamed, modes=("events",)),
    Build(
        name="other text",
        row="chain_node",
        wrong=lambda lib: cases.single(lib, cases.Topic, _chain_of("A parrot  repeats it.")),
        modes=("events", "messages", "updates", "values"),
    ),
    Build(
        name="renamed node",
        row="chain_node",
        wrong=lambda lib: cases.single(lib, cases.Topic, _chain_of(), name="other"),
        modes=("events", "messages", "updates", "debug"),
    ),
    Build(
        name="renamed graph",
        row="line",
        wrong=lambda lib: cases.logged(lib, "abc", "^a ab bc c$").compile(name="other"),
        modes=("events",),
    ),
    Build(name="no parallel", row="diamond", wrong=_sequential, modes=("events", "values", "debug")),
    Build(
        name="join runs twice",
        row="join",
        wrong=lambda lib: cases.logged(lib, "abcde", "^a ab ac cd be de e$").compile(),
        modes=("events", "values", "updates", "debug"),
    ),
    Build(
        name="no metadata",
        row="node_metadata",
        wrong=lambda lib: cases.single(lib, cases.Topic, _chain_of()),
        modes=("events", "messages", "debug"),
    ),
    Build(name="not deferred", row="defer", wrong=shapes.uneven, modes=("events", "values")),
)


@pytest.mark.parametrize("broken", BUILDS, ids=lambda broken: broken.name.replace(" ", "_"))
def test_broken_build(broken: Build) -> None:
    """A graph that was built wrongly is reported by every mode that shows the fault."""
    row = _case(broken.row)
    wrong = replace(row, build=broken.wrong)
    for mode in broken.modes:
        with pytest.raises(AssertionError, match="differ"):
            _compare(row, wrong, mode)


def _compare(row: Case, wrong: Case, mode: str) -> None:
    if mode == "events":
        assert_same_events(events(OURS, row), events(OURS, wrong))
        return
    good, bad = items(OURS, row, ASYNC, mode), items(OURS, wrong, ASYNC, mode)
    assert_same_items(mode, good, bad, steps_of(items(OURS, row, ASYNC, "debug")))

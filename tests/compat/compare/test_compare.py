"""`compare`, `acompare` and `compare_events`: what they run, what they return, what they refuse."""

from __future__ import annotations

import asyncio
import json
import threading
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, ToolCall, ToolMessage
from langchain_core.runnables import (
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from lcel_compat.compare import (
    ComparisonError,
    UncopyableInputError,
    acompare,
    compare,
    compare_events,
    compare_recordings,
    explain,
)
from lcel_compat.events import arecord
from lcel_compat.replay import Cassette, replay
from tests.support.models import StreamingChat, chat_chain

QUESTION = {"topic": "parrots"}


def kinds(found: Any) -> list[tuple[str, str]]:
    """The findings by kind and run."""
    return [(finding.kind, "/".join(finding.run)) for finding in found.findings]


def test_the_same_chain_is_the_same() -> None:
    """Nothing found, nothing noisy, and figures for both sides."""
    found = compare(chat_chain(), chat_chain(), [QUESTION])
    assert (found.verdict, found.findings, found.noise) == ("same", (), ())
    assert [(one.name, one.before and one.before.count, one.after and one.after.count) for one in found.timings] == [
        ("first_chunk", 3, 1),
        ("total", 3, 1),
    ]


@pytest.mark.blocking
async def test_the_sync_comparison_works_inside_a_running_loop() -> None:
    """As in a notebook: `compare` starts a loop in a thread of its own."""
    assert compare(chat_chain(), chat_chain(), [QUESTION], repeats=0).verdict == "same"


async def test_another_answer_is_found_where_it_is_made_and_where_it_goes() -> None:
    """A changed token changes the model's stream, the parser's, the root's and the ends of all."""
    other = chat_chain(StreamingChat(text="A parrot repeats nothing."))
    found = await acompare(chat_chain(), other, [QUESTION])
    assert found.verdict == "breaking"
    assert ("chunk_changed", "RunnableSequence") in kinds(found)
    assert ("chunk_changed", "RunnableSequence/StreamingChat") in kinds(found)
    assert ("output_changed", "RunnableSequence") in kinds(found)


async def test_each_run_gets_an_input_of_its_own() -> None:
    """A side that changes its input changes nobody else's."""
    greedy: Runnable[Any, Any] = RunnableLambda(
        lambda given: [given["items"].pop(), len(given["items"])], name="greedy"
    )
    given = {"items": [1, 2, 3]}
    found = await acompare(greedy, greedy, [given])
    assert (found.findings, found.noise, given) == ((), (), {"items": [1, 2, 3]})


async def test_an_input_that_cannot_be_copied_is_named_by_its_path() -> None:
    """The error says which part refuses and what to do; `input_factory` does it."""
    given = {"documents": [{"lock": threading.Lock()}]}
    echo: Runnable[Any, Any] = RunnableLambda(lambda given: len(given["documents"]), name="echo")
    with pytest.raises(UncopyableInputError, match=r"input\['documents'\]\[0\]\['lock'\].*input_factory"):
        await acompare(echo, echo, [given])
    found = await acompare(echo, echo, [1, 2], input_factory=lambda n: {"documents": [threading.Lock()] * n})
    assert found.verdict == "same"


async def test_what_the_old_side_does_not_repeat_is_noise() -> None:
    """A field that flaps is told with its rate, hides nothing beside it, and is no finding."""
    number = count()

    def stamped(given: str) -> dict[str, Any]:
        return {"stamp": next(number), "said": given}

    old: Runnable[Any, Any] = RunnableLambda(stamped, name="stamped")
    new: Runnable[Any, Any] = RunnableLambda(lambda given: stamped(given) | {"said": "other"}, name="stamped")
    noisy = await acompare(old, old, ["hello"])
    assert noisy.verdict == "same"
    assert {(one.where, one.rate) for one in noisy.noise} >= {("data.output.stamp", 1.0)}
    found = await acompare(old, new, ["hello"])
    assert {finding.where for finding in found.findings} == {"data.chunk.said", "data.output"}
    assert (await acompare(old, old, ["hello"], repeats=0)).verdict == "breaking", "without repetitions all counts"


async def test_an_error_is_an_outcome() -> None:
    """The exception that ends a run is compared: its type and its text, and whether there is one."""

    def failing(error: Exception | None) -> Runnable[Any, Any]:
        def work(given: str) -> str:
            if error is not None:
                raise error
            return given

        return RunnableLambda(work, name="work")

    same = await acompare(failing(ValueError("no")), failing(ValueError("no")), ["x"])
    assert same.verdict == "same"
    changed = await acompare(failing(ValueError("no")), failing(KeyError("no")), ["x"])
    assert kinds(changed) == [("error_changed", "work")]
    swallowed = await acompare(failing(ValueError("no")), failing(None), ["x"])
    assert ("error_missing", "work") in kinds(swallowed)
    new = await acompare(failing(None), failing(ValueError("no")), ["x"])
    assert ("error_extra", "work") in kinds(new)


async def test_a_late_first_chunk_is_worth_a_word_and_no_verdict() -> None:
    """Time is reported, and never makes a comparison anything but the same."""

    def slow(seconds: float) -> Runnable[Any, Any]:
        async def work(pieces: Any) -> Any:
            async for piece in pieces:
                await asyncio.sleep(seconds)
                yield piece

        return RunnableGenerator(work, name="work")

    found = await acompare(slow(0), slow(0.3), ["x"])
    assert [(one.kind, one.severity) for one in found.findings] == [("first_chunk_slower", "info")]
    assert found.verdict == "same"


async def test_inside_replay_both_sides_get_the_first_answers() -> None:
    """A model that never answers alike is no difference: the old side's first run is recorded, the others play it."""
    number = count()
    model = GenericFakeChatModel(messages=(AIMessage(f"Fact {next(number)}.") for _ in count()))
    chain, questions = chat_chain(model), [QUESTION, {"topic": "owls"}, QUESTION]
    assert (await acompare(chain, chain, questions, repeats=0)).verdict == "breaking"
    asked = next(number)
    for block in (replay(cassette := Cassette()), replay(cassette)):
        with block:
            assert (await acompare(chain, chain, questions)).findings == ()
    assert next(number) == asked + 1 + len(questions), "it was asked once about each input"


async def test_branches_that_race_inside_a_branch_are_no_difference() -> None:
    """Their chunks are objects in objects; each branch's own chunks stay in order, whichever branch is ahead."""

    def nested(first: float, second: float, words: str = "one two") -> Runnable[Any, Any]:
        branches = {"a": told(first, words), "b": told(second, "three four")}
        return RunnablePassthrough.assign(**branches) | RunnableParallel(told=RunnablePassthrough())

    def told(wait: float, words: str) -> Runnable[Any, Any]:
        async def work(pieces: Any) -> Any:
            async for _ in pieces:
                pass
            await asyncio.sleep(wait)
            for word in words.split():
                yield AIMessageChunk(content=word, id=str(uuid4()))

        return RunnableGenerator(work, name="work")

    old, new = nested(0, 0.05), nested(0.05, 0)
    assert (await acompare(old, new, [QUESTION], repeats=0)).findings == ()
    found = await acompare(old, nested(0.05, 0, "two one"), [QUESTION], repeats=0)
    assert ("chunk_changed", "RunnableSequence") in kinds(found)


async def test_identifiers_of_providers_are_identifiers() -> None:
    """What a model's interface names its answers and tool calls by differs each time, and only what differs counts."""

    def caller(answer: str, call: str, again: str) -> Runnable[Any, Any]:
        calls = [ToolCall(name="search", args={"q": "owls"}, id=call)]
        said = [AIMessage("", id=answer, tool_calls=calls), ToolMessage("None.", tool_call_id=again)]
        return RunnableLambda(lambda _: said, name="caller")

    openai, anthropic = (
        ("chatcmpl-" + "A1b2" * 6, "call_" + "C3d4" * 6),
        ("msg_01" + "e5F6" * 5, "toolu_01" + "g7H8" * 5),
    )
    old = caller(*openai, openai[1])
    assert (await acompare(old, caller(*anthropic, anthropic[1]), ["x"])).findings == ()
    broken = await acompare(old, caller(*anthropic, "toolu_01" + "i9J0" * 5), ["x"])
    assert broken.verdict != "same", "the answer belongs to no call"
    echo: Runnable[Any, Any] = RunnableLambda(lambda given: {"file": given}, name="echo")
    files = [[event async for event in echo.astream_events(f"msg_{name * 10}", version="v2")] for name in ("a1", "b2")]
    assert compare_events(*files).verdict == "breaking", "a file is neither a message nor a call"


async def test_a_recorded_run_is_compared_with_plain_events() -> None:
    """Only a recording knows its input: where one side has none there is none to be another."""
    recorded = (await arecord(chat_chain(), [QUESTION]))[0]
    live = [event async for event in chat_chain().astream_events(QUESTION, version="v2")]
    assert compare_events(live, recorded).verdict == compare_events(recorded, live).verdict == "same"
    with pytest.raises(ComparisonError, match="record both with the same inputs"):
        compare_events(recorded, (await arecord(chat_chain(), [{"topic": "owls"}]))[0])


async def test_a_finding_knows_its_input() -> None:
    """Of several inputs the one that differs is named by its number."""
    old: Runnable[Any, Any] = RunnableLambda(lambda n: n, name="f")
    new: Runnable[Any, Any] = RunnableLambda(lambda n: n if n < 2 else -n, name="f")
    found = await acompare(old, new, [1, 2, 3])
    assert found.inputs == 3
    assert {finding.input for finding in found.findings} == {1, 2}


async def test_the_json_is_plain_and_always_the_same() -> None:
    """`to_dict` can be written as JSON, and the same recordings give the same text."""
    sides = [chat_chain(), chat_chain(StreamingChat(text="No."))]
    recordings = [[event async for event in side.astream_events(QUESTION, version="v2")] for side in sides]
    texts = {json.dumps(compare_events(*recordings).to_dict()) for _ in range(3)}
    assert len(texts) == 1
    read = json.loads(texts.pop())
    assert list(read) == ["format", "verdict", "inputs", "events", "findings", "noise", "timings"]
    assert read["findings"][0].keys() >= {"kind", "severity", "run", "before", "after", "readers", "at"}


async def test_recordings_of_other_inputs_are_not_compared() -> None:
    """What was recorded with other inputs, or with more of them, is refused with the reason."""
    with pytest.raises(ComparisonError, match="only one side has a recording of input 1"):
        compare_recordings([[], []], [[]])
    with pytest.raises(ValueError, match="repeats is -1"):
        await acompare(chat_chain(), chat_chain(), [QUESTION], repeats=-1)


async def test_an_identifier_that_is_renewed_is_found_and_one_that_is_its_runs_own_is_not() -> None:
    """Every run has new identifiers, which is no difference; a message whose identifier changes in mid-stream is."""
    recordings = [[e async for e in chat_chain().astream_events(QUESTION, version="v2")] for _ in range(2)]
    assert compare_events(*recordings).findings == ()
    last = [event for event in recordings[1] if event["event"] == "on_chat_model_stream"][-1]
    last["data"]["chunk"] = last["data"]["chunk"].model_copy(update={"id": "run-00000000-0000-0000-0000-000000000000"})
    assert kinds(compare_events(*recordings)) == [("chunk_changed", "RunnableSequence/StreamingChat")]


async def test_a_comparison_is_told_as_text() -> None:
    """`explain` tells the verdict, the findings and the events that differ, old beside new."""
    found = await acompare(chat_chain(), chat_chain(StreamingChat(text="A parrot repeats nothing.")), [QUESTION])
    text = explain(found)
    assert text.startswith("verdict: breaking")
    assert '  - on_parser_stream " it."' in text
    assert '  + on_parser_stream " nothing."' in text
    assert "who would notice: front ends that show tokens by on_chat_model_stream" in text

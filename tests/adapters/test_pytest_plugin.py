"""The pytest plugin, in runs of pytest as its users start them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolCall, ToolMessage
from langchain_core.outputs import Generation
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langchain_core.runnables import (
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from lcel_adapters._pytest._script import script
from lcel_compat import START, MessagesState, Send, StateGraph
from lcel_compat.events import record
from tests.support.fences import environment
from tests.support.models import MULTIPLY, Shelf, StreamingChat, chat_chain

pytest_plugins = ["pytester"]

APP = """
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from lcel_compat.events import record

QUESTION = [{"topic": "parrots"}]


def chain(answer="Hi."):
    model = FakeListChatModel(responses=[answer])
    return ChatPromptTemplate.from_template("On {topic}.") | model | StrOutputParser()


def events(runnable):
    return record(runnable, QUESTION)[0].events
"""


@pytest.fixture
def users(pytester: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """A project with an application and nothing else."""
    pytester.makepyfile(app=APP)
    pytester.syspathinsert()
    pytester.makeini(
        "[pytest]\naddopts = -pno:cacheprovider -pno:anyio -pno:langsmith_plugin\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    yield pytester
    sys.modules.pop("app", None)


def _run(users: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    users.makepyfile(test_move=f"from app import *\n{body}")
    return users.runpytest_inprocess(*arguments)


def test_the_plugin_costs_nothing_before_it_is_used() -> None:
    """A run of pytest that uses no fixture of ours has loaded neither langchain-core nor syrupy nor our packages."""
    program = (
        "import sys, pathlib, tempfile, pytest\n"
        "folder = pathlib.Path(tempfile.mkdtemp())\n"
        "(folder / 'test_nothing.py').write_text('def test_nothing(): pass')\n"
        "others = ['-pno:' + name for name in ('syrupy', 'langsmith_plugin', 'anyio', 'cacheprovider')]\n"
        "assert pytest.main(['-q', '--rootdir', str(folder), *others, str(folder)]) == 0\n"
        "print('LOADED', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert "lcel_adapters._pytest.plugin" in loaded
    heavy = {
        "langchain_core",
        "syrupy",
        "pydantic",
        "lcel_compat",
        "lcel_adapters._node",
        "lcel_adapters._pytest._same",
    }
    assert not heavy & set(loaded)


def test_the_same_events_pass(users: pytest.Pytester) -> None:
    """Events, runs, recordings and files of recordings may stand on either side."""
    body = """
def test_same(assert_same_events, tmp_path):
    before, after = (record(chain(), QUESTION, tmp_path / name) for name in ("a.jsonl", "b.jsonl"))
    for old in (before, tmp_path / "a.jsonl", str(tmp_path / "a.jsonl")):
        assert assert_same_events(old, after).verdict == "same"
    assert_same_events(before[0], after[0])
    assert_same_events(before[0].events, iter(after[0].events))
"""
    _run(users, body).assert_outcomes(passed=1)


def test_other_events_fail_with_both_sides(users: pytest.Pytester) -> None:
    """The failure says what differs, who would notice, and shows old and new aligned, without our own frames."""
    body = """
def test_move(assert_same_events):
    assert_same_events(events(chain()), events(chain("Ho!")))
"""
    done = _run(users, body)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "E * AssertionError: the events differ",
            "E * verdict: breaking (*",
            "E * who would notice: *",
            'E * - on_chain_end *"output":"Hi."*',
            'E * + on_chain_end *"output":"Ho!"*',
        ]
    )
    assert "_same.py" not in done.stdout.str()


def test_what_a_contract_does_not_read_is_not_breaking(users: pytest.Pytester) -> None:
    """With a contract, and with failing from `breaking` on, a consumer's own view decides."""
    users.makefile(".yaml", consumers="reads:\n- event: on_retriever_end\n  fields: [data.output]\n")
    body = """
import pytest

def test_move(assert_same_events):
    found = assert_same_events(
        events(chain()), events(chain("Ho!")), contract="consumers.yaml", fail_on="breaking")
    assert found.verdict == "changed"
    with pytest.raises(AssertionError, match="verdict: changed"):
        assert_same_events(events(chain()), events(chain("Ho!")), contract="consumers.yaml")
"""
    _run(users, body).assert_outcomes(passed=1)


def test_snapshots_are_scripts(users: pytest.Pytester) -> None:
    """`--snapshot-update` writes a script of the run, which then holds; a change shows as the line that changed."""
    body = """
def test_events(events_snapshot):
    assert events(chain()) == events_snapshot
    assert record(chain(), QUESTION)[0] == events_snapshot(name="run")
    assert record(chain(), QUESTION * 2) == events_snapshot(name="recording")
"""
    _run(users, body).assert_outcomes(failed=1)
    _run(users, body, "--snapshot-update").assert_outcomes(passed=1)
    [kept] = (users.path / "__snapshots__").iterdir()
    text = kept.read_text()
    assert (
        '  chain RunnableSequence\n    starts {"topic": "parrots"}\n    prompt ChatPromptTemplate [[]seq:step:1]'
        in (text.replace("[seq:step:1]", "[[]seq:step:1]"))
    )
    assert '      streams ai "H"\n      streams ai "i"\n' in text
    _run(users, body).assert_outcomes(passed=1)
    done = _run(users, body.replace("chain()", 'chain("Ho.")'))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(['E *-*streams ai "i"*', 'E *+*streams ai "o"*'])


def test_a_missing_syrupy_is_named(users: pytest.Pytester) -> None:
    """Where syrupy is not loaded, the fixture says the line that installs it; the other one works."""
    body = """
def test_events(events_snapshot): ...
def test_same(assert_same_events): assert_same_events(events(chain()), events(chain()))
"""
    done = _run(users, body, "-pno:syrupy")
    done.assert_outcomes(errors=1, passed=1)
    done.stdout.fnmatch_lines(['*pip install "lcel-compat[[]test]"*'])


# --- the script -----------------------------------------------------------------------------------


def _events(runnable: Runnable[Any, Any], value: Any) -> Iterable[Any]:
    return record(runnable, [value], redact=None)[0].events


def test_a_script_is_the_same_however_runs_interleave() -> None:
    """Parallel branches, batches and tasks give one script in all of ten runs."""

    async def gather(topic: str) -> list[str]:
        jobs = [chat_chain().ainvoke({"topic": f"{topic} {n}"}) for n in range(3)]
        return [str(answer) for answer in await asyncio.gather(*jobs)]

    answers = RunnableParallel(
        one=chat_chain(StreamingChat(text="One after the other.", delay=0.0001)),
        two=chat_chain(StreamingChat(text="Two at a time.")),
        found=RunnableLambda(lambda x: x["topic"]) | Shelf(),
        both=RunnableLambda(lambda x: chat_chain().batch([x, {"topic": "owls"}])),
        all=RunnableLambda(lambda x: x["topic"]) | RunnableLambda(gather),
    )
    scripts = {script(_events(answers, {"topic": "parrots"})) for _ in range(10)}
    assert len(scripts) == 1
    [text] = scripts
    assert text.count('streams {"one": ') >= 4  # and from core 1.0 on an empty one


def test_a_script_is_the_same_whichever_task_is_first() -> None:
    """Tasks of one node, and branches inside a branch, come in any order, and what they call their messages differs."""

    async def answer(delay: float) -> dict[str, Any]:
        await asyncio.sleep(delay)
        call = ToolCall(name="look", args={"at": "owls" if delay else "parrots"}, id=f"call_{uuid4().hex[:24]}")
        return {"messages": [AIMessage("", tool_calls=[call])]}

    def graph(*delays: float) -> Runnable[Any, Any]:
        builder = StateGraph(MessagesState)
        builder.add_node("answer", answer)
        builder.add_conditional_edges(START, lambda _: [Send("answer", delay) for delay in delays], ["answer"])
        return builder.compile()

    def nested(*delays: float) -> Runnable[Any, Any]:
        async def late(pieces: AsyncIterator[Any], *, delay: float) -> AsyncIterator[str]:
            async for _ in pieces:
                await asyncio.sleep(delay)
            yield "it"
            yield " came"

        parts = {f"part {n}": RunnableGenerator(partial(late, delay=delay)) for n, delay in enumerate(delays)}
        return RunnablePassthrough.assign(**parts) | RunnableParallel(told=RunnablePassthrough())

    for first, second in ((graph(0, 0.05), graph(0.05, 0)), (nested(0, 0.05), nested(0.05, 0))):
        chunks = [
            [line for line in script(_events(runnable, {"messages": []})).splitlines() if line.startswith("  streams")]
            for runnable in (first, second)
        ]
        assert chunks[0] == chunks[1]
        assert len(chunks[0]) >= 2


def test_a_script_shows_what_differs() -> None:
    """Another token, tag, name, order of steps, or error is another script."""
    base = script(_events(chat_chain(), {"topic": "a"}))
    others = [
        script(_events(chat_chain(StreamingChat(text="A parrot repeats that.")), {"topic": "a"})),
        script(_events(chat_chain().with_config(tags=["t"]), {"topic": "a"})),
        script(_events(chat_chain().with_config(run_name="n"), {"topic": "a"})),
        script(_events(chat_chain().with_config(metadata={"m": 1}), {"topic": "a"})),
        script(_events(chat_chain(StreamingChat(fail_after=2)), {"topic": "a"})),
        script([*_events(chat_chain(), {"topic": "a"}), ValueError("x")]),
        script(list(_events(chat_chain(), {"topic": "a"}))[:-1]),
    ]
    assert len({base, *others}) == 8
    assert others[5].endswith("\nraises ValueError: x")


def test_a_conversation_keeps_its_order() -> None:
    """Calls of one model that follow each other, each with a longer history, stand in that order."""

    def talk(n: int) -> int:
        said: list[Any] = [HumanMessage("zero")]
        for word in ("yes", "and", "more"):
            said += [StreamingChat().invoke(said), HumanMessage(word)]
        return n

    lines = script(_events(RunnableLambda(talk), 1)).splitlines()
    asked = [line for line in lines if line.startswith("    starts")]
    assert [line.count("human") for line in asked] == [1, 2, 3]


def test_a_script_shows_tools_and_events_of_ones_own() -> None:
    """Tool calls, their answers and custom events stand where they belong, without ids that differ every time."""

    def tell(x: Any) -> Any:
        dispatch_custom_event("progress", {"done": 1})
        return MULTIPLY.invoke({"type": "tool_call", "id": "c1", "name": "multiply", "args": {"a": 6, "b": 7}})

    assert script(_events(RunnableLambda(tell, name="tell"), 1)).splitlines() == [
        "chain tell",
        "  starts 1",
        "  tool multiply",
        '    starts {"a": 6, "b": 7}',
        '    ends tool "42" answers "c1"',
        '  streams tool "42" answers "c1"',
        '  dispatches {"progress": {"done": 1}}',
        '  ends tool "42" answers "c1"',
    ]


PIECE: Any = {"name": "look", "args": '{"a', "id": "c", "index": 0}
VALUES: dict[str, Any] = {
    'ai "" calls look({"at": 1})': AIMessage("", tool_calls=[{"name": "look", "args": {"at": 1}, "id": "c"}]),
    'ai "" calls look({"a)': AIMessageChunk(
        content="", tool_call_chunks=[{"name": "look", "args": '{"a', "id": "c", "index": 0}]
    ),
    'human [{"text": "x", "type": "text"}]': HumanMessage([{"type": "text", "text": "x"}]),
    'document "p" {"a": 1}': Document("p", metadata={"a": 1}),
    'document "p"': Document("p"),
    '[human "x"]': ChatPromptValue(messages=[HumanMessage("x")]),
    '"x"': StringPromptValue(text="x"),
    '["g"]': [Generation(text="g")],
    '{"a": [1, null]}': {"a": (1, None)},
    'tool "r" answers "c"': ToolMessage("r", tool_call_id="c"),
}


@pytest.mark.parametrize("text", VALUES)
def test_values_are_short(text: str) -> None:
    """Messages and documents are shown by what they say, everything else as JSON."""
    event = {"event": "on_chain_end", "name": "n", "run_id": "1", "data": {"output": VALUES[text]}}
    assert script([event]) == f"chain n\n  ends {text}"


def test_odd_events_have_a_script() -> None:
    """Events without their fields, or with parents that are not there or themselves, are shown all the same."""
    odd: list[Any] = [
        {},
        {"event": "on_chain_start", "run_id": "a", "parent_ids": ["a", "gone"], "data": None},
        {"event": "on_sea", "name": "wave", "run_id": "b", "data": 3},
        {"event": "on_tool_error", "name": "t", "run_id": "c", "data": {"error": ValueError("x")}},
        3,
    ]
    assert script(odd).count("\n") >= 5

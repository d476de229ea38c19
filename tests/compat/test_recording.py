"""Recordings: what is written, what comes back, and what a crash, a stranger or a later version makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

from lcel_compat import END, START, StateGraph
from lcel_compat.events import Recording, RecordingError, RecordingWriter, arecord, iter_runs, load, record, to_jsonable
from lcel_compat.events._lines import Damage, read_lines
from tests.support.colours import run
from tests.support.models import MULTIPLY, Shelf, StreamingChat, chat_chain
from tests.support.normal import assert_same_events

TOPICS = [{"topic": "parrots"}, {"topic": "owls"}]
NAMES = ["run.jsonl", "run.jsonl.zst"]


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file's name, plain and compressed."""
    return tmp_path / str(request.param)


async def _events(runnable: Runnable[Any, Any], value: Any) -> list[Any]:
    return [event async for event in runnable.astream_events(value, version="v2")]


def test_a_recording_holds_what_was_emitted(path: Path) -> None:
    """The events are those of ``astream_events``, messages and documents as such, and ``load`` gives the same."""
    chain: Runnable[Any, Any] = RunnableParallel(
        answer=chat_chain(),
        found=RunnableLambda(lambda x: x["topic"]) | Shelf(),
        said=RunnableLambda(lambda x: [HumanMessage(x["topic"])]),
    )
    recording = record(chain, TOPICS, path)
    assert load(path) == recording
    for one, value in zip(recording, TOPICS, strict=True):
        assert one.input == value
        assert_same_events(run(_events(chain, value)), one.events)
    held = {type(part) for part in _parts(recording[0].events)}
    assert held >= {AIMessageChunk, Document, HumanMessage}


def _parts(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [value, *(found for part in inner for found in _parts(part))]


def test_a_recording_knows_when_and_how() -> None:
    """Times are in milliseconds since each run's start and rise; a run knows how it ended, a recording what made it."""
    failing = chat_chain(StreamingChat(delay=0.01, fail_after=2))
    good, bad = record(chat_chain(StreamingChat(delay=0.01)), TOPICS[:1])[0], record(failing, TOPICS[:1])[0]
    assert (good.ended, good.error_type) == ("complete", "")
    assert (bad.ended, bad.error_type) == ("error", "tests.support.models.ModelFault")
    assert bad.error_message == "broken off after 2 pieces"
    assert [event["event"] for event in bad.events][-1] == "on_chain_stream"
    for one in (good, bad):
        assert list(one.times) == sorted(one.times)
        assert 10 < one.times[-1] <= one.duration < 5_000
    assert record(chat_chain(), TOPICS[:1]).programs.keys() >= {"python", "lcel-compat", "langchain-core"}


def test_an_error_does_not_stop_the_others() -> None:
    """The inputs behind one that failed are run."""
    recording = record(chat_chain(), [{"nothing": 1}, *TOPICS])
    assert [one.ended for one in recording] == ["error", "complete", "complete"]


def test_what_is_recorded_is_what_was_then() -> None:
    """An input or an event that is changed later does not change what was recorded."""

    def spoil(value: dict[str, Any]) -> dict[str, Any]:
        value["topic"] = "spoilt"
        return value

    recording = record(RunnableLambda(spoil), [{"topic": "parrots"}])
    assert recording[0].input == {"topic": "parrots"}
    assert recording[0].events[0]["data"] == {"input": {"topic": "parrots"}}


def test_a_graph_is_recorded(path: Path) -> None:
    """Graphs of this project are recorded like chains."""
    builder = StateGraph(dict)
    builder.add_node("tell", RunnableLambda(lambda state: {"fact": chat_chain().invoke(state)}))
    builder.add_edge(START, "tell")
    builder.add_edge("tell", END)
    graph = builder.compile()
    recording = record(graph, TOPICS, path)
    # Tuples are arrays, as in all JSON.
    assert_same_events(_as_json(run(_events(graph, TOPICS[0]))), _as_json(recording[0].events))


def _as_json(events: Any) -> Any:
    return to_jsonable(events)


def test_version_1_is_recorded() -> None:
    """Events of version 1 are recorded as well."""
    with pytest.warns(match="v1") if _warns_of_v1() else _nothing():
        recording = record(chat_chain(), TOPICS[:1], version="v1")
    assert recording[0].events[0]["parent_ids"] == []
    assert recording[0].events[-1]["data"] == {"output": "A parrot repeats it."}


def _warns_of_v1() -> bool:
    from importlib.metadata import version

    return not version("langchain-core").startswith("0.")


class _nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *args: object) -> None: ...


@pytest.mark.blocking
def test_sync_works_inside_a_running_loop() -> None:
    """``record`` works where a loop runs already, as in a notebook, and ``arecord`` in that loop."""

    async def main() -> tuple[Recording, Recording]:
        return record(chat_chain(), TOPICS), await arecord(chat_chain(), TOPICS)

    first, second = run(main())
    for one, two in zip(first, second, strict=True):
        assert_same_events(one.events, two.events)


def test_cancelling_leaves_a_readable_file(path: Path) -> None:
    """A recording that is cancelled holds what came until then, and says that its run was cut."""

    async def main() -> None:
        slow = chat_chain(StreamingChat(delay=0.2))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(arecord(slow, TOPICS, path), 0.3)

    run(main())
    [one] = load(path)
    assert one.ended == "cut"
    assert len(one.events) > 2
    assert one.duration == one.times[-1]


# --- files ----------------------------------------------------------------------------------------


def test_a_file_can_be_added_to(path: Path) -> None:
    """``append`` adds runs to a recording; without it the file begins anew."""
    first = record(chat_chain(), TOPICS, path)
    second = record(chat_chain(), TOPICS[:1], path, append=True)
    assert (len(first), len(second)) == (2, 1)
    assert list(load(path)) == [*first, *second]
    record(chat_chain(), TOPICS[:1], path)
    assert len(load(path)) == 1


@pytest.mark.parametrize("name", NAMES)
@given(part=st.floats(0, 1, exclude_max=True))
def test_a_file_that_was_cut_off_loses_its_last_line_alone(name: str, part: float, tmp_path_factory: Any) -> None:
    """Cut anywhere, every whole line is read, and what is added later is read behind it."""
    path = tmp_path_factory.mktemp("cut") / name
    with RecordingWriter(path) as writer:
        for number in range(3):
            with writer.run(number) as one:
                for _ in range(5):
                    one.event({"event": "on_x", "n": number})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    try:
        left = load(path)
    except RecordingError:
        assert part < 0.5  # Not even the header is whole.
        return
    assert all(event["n"] == one.input for one in left for event in one.events)
    assert all(len(one.events) == 5 for one in left[:-1])
    with RecordingWriter(path, append=True) as writer, writer.run("more"):
        pass
    whole = load(path)
    assert list(whole)[:-1] == list(left)
    assert (whole[-1].input, whole[-1].ended) == ("more", "complete")
    assert sum("format" in line.value for line in read_lines(path, "recording", Damage())) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_process_leaves_every_line_that_it_wrote(name: str, tmp_path: Path) -> None:
    """What was written is in the file although the process never came to close it."""
    program = (
        "import os, sys; from lcel_compat.events import RecordingWriter\n"
        "with RecordingWriter(sys.argv[1]).run('x') as run:\n"
        "    for n in range(100): run.event({'n': n})\n"
        "    os._exit(9)"
    )
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / name)], env=environ, check=False)
    assert done.returncode == 9
    [one] = load(tmp_path / name)
    assert [event["n"] for event in one.events] == list(range(100))
    assert one.ended == "cut"


def test_a_torn_line_in_the_middle_is_named(tmp_path: Path) -> None:
    """What cannot be read is left out and named; a run whose beginning is lost keeps its events."""
    path = tmp_path / "run.jsonl"
    record(RunnableLambda(str), [1, 2], path)
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = lines[1][:9] + "\n"
    lines[3] = "[1]\n"
    lines[4] = "[" * 100_000 + "\n"
    path.write_text("".join(lines))
    recording = load(path)
    assert recording.damage == (
        "line 2 is no JSON",
        "line 3 belongs to run 0, whose beginning is lost",
        "line 4 is no JSON object",
        "line 5 is nested too deep",
    )
    assert [one.input for one in recording] == [None, 2]


def test_runs_are_read_one_by_one(tmp_path: Path) -> None:
    """``iter_runs`` holds no more than the event it hands out, also where runs were written at once."""
    path = tmp_path / "run.jsonl"
    with RecordingWriter(path) as writer, writer.run("a") as first, writer.run("b") as second:
        for number in range(3):
            first.event({"n": number})
            second.event({"n": -number})
    path.write_text(path.read_text() + "torn", "utf-8")
    damage: list[str] = []
    runs = iter_runs(path, damage=damage)
    one = next(runs)
    assert (one.input, next(one.events), list(one.times), one.ended) == ("a", {"n": 0}, [ANY], "cut")
    other = next(runs)
    assert [event["n"] for event in one.events] == [1, 2], "the events that were not read yet"
    assert [event["n"] for event in other.events] == [0, -1, -2]
    assert (one.ended, other.ended, len(one.times), next(runs, None)) == ("complete", "complete", 3, None)
    assert damage == list(load(path).damage) != []


def test_runs_of_a_later_session_are_not_an_earlier_ones(tmp_path: Path) -> None:
    """Runs are numbered anew behind each header, also where the beginning of one is lost."""
    path = tmp_path / "run.jsonl"
    first = record(RunnableLambda(str), [1], path)
    record(RunnableLambda(str), [2], path, append=True)
    lines = path.read_text().splitlines(keepends=True)
    lost = next(index for index, line in enumerate(lines) if '"input":2' in line)
    path.write_text("".join([*lines[:lost], "{\n", *lines[lost + 1 :]]))
    assert [one.input for one in load(path)] == [1, None]
    assert load(path)[0] == first[0]


HEADER = '{"format":"lcel-compat/recording","version":1}\n'
BAD = {
    "": "holds no JSON lines",
    "not JSON at all": "holds no JSON lines",
    "\x00\x01\x02": "holds no JSON lines",
    '{"event": "on_chain_start"}': "line 1 does not say what it is",
    '{"format": ["lcel-compat/recording"], "version": 1}': "does not say what it is",
    HEADER.replace("recording", "cassette"): "is a cassette, not a recording",
    HEADER.replace("1}", "2}"): "version 2, and this lcel-compat reads up to version 1: pip install --upgrade",
    HEADER.replace("1}", '"1"}'): "'1', which is none",
    HEADER.replace("1}", "true}"): "True, which is none",
    HEADER + '{"event": {}}': "line 2, cannot be read: it has no 'run'",
    HEADER + '{"run": "a"}': "'run' is 'a'",
    HEADER + '{"run": 0, "input": 1}\n{"run": 0, "ms": 1}': "it has no 'end'",
    HEADER + '{"run": 0, "input": 1}\n{"run": 0, "ms": "1", "event": {}}': "'ms' is '1'",
    HEADER + '{"run": 0, "input": 1}\n{"run": 0, "ms": 1, "event": []}': "'event' is",
    HEADER + '{"run": 0, "input": 1}\n{"run": 0, "ms": 1, "end": "well"}': "does not end 'well'",
    HEADER + '{"run": 0, "input": {"lc": 1, "type": "secret", "id": ["PATH"]}}': "line 2.*asks for 'secret'",
    HEADER + '{"run": 0, "input": {"lc": 1, "type": "not_implemented", "id": ["a"]}}': "asks for 'not_implemented'",
    HEADER + '{"run": 0, "input": {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}}': (
        r"asks for \['os', 'system'\], and a file may only ask for messages"
    ),
    HEADER + '{"run": 0, "input": ' + '{"lc":1,"a":' * 400 + "1" + "}" * 400 + "}": "asks for None",
    HEADER + '{"run": 0, "input": ' + "[" * 900 + '{"lc":1}' + "]" * 900 + "}": "nested too deep|asks for None",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_no_recording_is_refused(text: str, tmp_path: Path) -> None:
    """Foreign, newer and hostile files give one error that says which file, which line and why."""
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    with pytest.raises(RecordingError, match=BAD[text]) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_message_with_wrong_fields_is_refused(tmp_path: Path) -> None:
    """A message that cannot be made of its fields is an error with the line, not a message that is half of it."""
    path = tmp_path / "run.jsonl"
    record(RunnableLambda(str), [AIMessage("hi")], path)
    path.write_text(path.read_text().replace('"content":"hi"', '"content":{"x":1}'))
    with pytest.raises(RecordingError, match="line 2, cannot be read: ValidationError"):
        load(path)


def test_files_that_are_not_there_or_broken(tmp_path: Path) -> None:
    """A missing file, a folder and a file that is not compressed are named."""
    (tmp_path / "plain.jsonl.zst").write_text(HEADER)
    for name, said in {"none.jsonl": "No such file", "": "cannot be read", "plain.jsonl.zst": "holds no JSON"}.items():
        with pytest.raises(RecordingError, match=said):
            load(tmp_path / name)
    with pytest.raises(RecordingError, match="cannot be written"):
        record(chat_chain(), TOPICS, tmp_path / "no" / "folder.jsonl")
    (tmp_path / "foreign.jsonl").write_text("{}\n")
    with pytest.raises(RecordingError, match="does not say what it is"):
        record(chat_chain(), TOPICS, tmp_path / "foreign.jsonl", append=True)
    assert (tmp_path / "foreign.jsonl").read_text() == "{}\n"


def test_zstandard_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing, the error is the line that installs it, and no empty file is left."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(RecordingError, match=r'pip install "lcel-compat\[record\]"'):
        record(chat_chain(), TOPICS, tmp_path / "run.jsonl.zst")
    assert not (tmp_path / "run.jsonl.zst").exists()


def test_huge_strings_come_through(path: Path) -> None:
    """Two megabytes in one string are a long line and nothing else."""
    text = "<b>é\u2028" + "é" * 1_000_000
    [one] = record(RunnableLambda(len), [text], path)
    assert one.input == text
    assert path.read_bytes().count(b"\n") == 6 or path.suffix == ".zst"


def test_lines_are_json_objects(tmp_path: Path) -> None:
    """The file can be read line by line by anyone, and each line says what it is."""
    path = tmp_path / "run.jsonl"
    record(chat_chain(), TOPICS, path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0].keys() == {"format", "version", "created", "programs"}
    assert {frozenset(line) for line in lines[1:]} == {
        frozenset({"run", "input"}),
        frozenset({"run", "ms", "event"}),
        frozenset({"run", "ms", "end"}),
    }
    assert [line.value for line in read_lines(path, "recording", Damage())] == lines


def test_a_broken_frame_hides_nothing_before_it(tmp_path: Path) -> None:
    """Of a compressed file with a damaged byte, what stands before the damage is read."""
    path = tmp_path / "run.jsonl.zst"
    record(chat_chain(), [TOPICS[0]] * 50, path)
    whole = load(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    try:
        left = load(path)
    except RecordingError:  # The damage made other lines of what was left, which no recording has.
        return
    assert left.damage or len(left) < len(whole)
    assert [one.input for one in left[:20]] == [one.input for one in whole[:20]]


def test_tools_and_their_calls_come_back(path: Path) -> None:
    """Tool calls, their ids and the messages that answer them are what they were."""
    call = {"type": "tool_call", "id": "c1", "name": "multiply", "args": {"a": 6, "b": 7}}
    [one] = record(MULTIPLY, [call], path)
    assert one.input == call
    assert one.events[-1]["data"]["output"].tool_call_id == "c1"
    assert one.events[-1]["data"]["output"].content == "42"

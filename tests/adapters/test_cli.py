from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lcel_adapters._cli._events import compare_runs
from lcel_adapters._cli._render import Folder, as_text, describe
from lcel_adapters._cli.app import app
from lcel_adapters.desk import QUESTIONS, DeskModel, build_chain
from tests.support.fences import environment

DESK = "lcel_adapters.desk:step_graph"
QUESTION = json.dumps({"question": QUESTIONS[0]})
MODES = ("values", "updates", "custom", "messages", "tasks", "debug", "events")
APP = """
from langchain_core.runnables import RunnableLambda
from typing_extensions import TypedDict

from lcel_compat import END, START, StateGraph


class Counting(TypedDict):
    n: int


def add(state):
    if state["n"] < 0:
        raise ValueError("cannot count below zero")
    return {"n": state["n"] + 1}


builder = StateGraph(Counting).add_node("add", add).add_edge(START, "add").add_edge("add", END)
graph = builder.compile()
double = RunnableLambda(lambda n: n * 2, name="double")
number = 3


def make():
    return builder.compile()


def broken():
    raise OSError("no licence")


def needs(model):
    return graph


async def later():
    return graph
"""
LANGGRAPH_APP = APP.replace("from lcel_compat import", "from langgraph.graph import")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to start in that holds `counting_app.py`; what is imported from it is forgotten afterwards."""
    (tmp_path / "counting_app.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def _cli(*arguments: str, columns: int = 100, stdin: str | None = None, **variables: str) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin, env={"COLUMNS": str(columns), **variables})


def _ok(*arguments: str, **options: Any) -> str:
    result = _cli(*arguments, **options)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def _refused(*arguments: str, code: int = 2, **options: Any) -> str:
    """The message of a command that ends with `code` and prints nothing else."""
    result = _cli(*arguments, **options)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _hear_interrupts() -> None:
    """A shell has them ignored in what it runs in the background, and so would all that comes of that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    code = "from lcel_adapters._cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=environment() | options.pop("env", {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts if os.name == "posix" else None,
        **options,
    )


async def _collected(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]


# stream -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [[], ["--sync"]], ids=["async", "sync"])
def test_json_lines_of_every_mode(colour: list[str]) -> None:
    """One run gives every mode that was asked for; each item is one line of JSON under its mode."""
    asked = [part for mode in MODES for part in ("--mode", mode)]
    lines = _lines(_ok("stream", DESK, "--input", QUESTION, "--json", *asked, *colour))
    by_mode = {mode: [line["item"] for line in lines if line["mode"] == mode] for mode in MODES}

    assert {frozenset(line) for line in lines} == {frozenset({"mode", "item"})}
    assert [sorted(update) for update in by_mode["updates"]][2:] == [["add_context"], ["answer_billing"]]
    assert by_mode["values"][-1]["answer"] == by_mode["updates"][-1]["answer_billing"]["answer"]
    assert len(by_mode["custom"]) == 1
    assert len(by_mode["messages"]) > 50
    assert len(by_mode["tasks"]) == len(by_mode["debug"]) == 8
    assert by_mode["events"][0]["event"] == "on_chain_start"
    assert by_mode["events"][-1]["data"]["output"]["answer"] == by_mode["values"][-1]["answer"]


def test_the_answer_depends_on_the_input() -> None:
    """The input reaches the graph: another question, another answer, the one the chain gives."""
    chain = build_chain(DeskModel())
    for question in QUESTIONS[:3]:
        given = {"question": question}
        text = _ok("stream", DESK, "--input", json.dumps(given), "--mode", "values", "--json")
        assert _lines(text)[-1]["item"]["answer"] == chain.invoke(given)


def test_input_of_every_source(folder: Path) -> None:
    """JSON as the argument, in a file, and on standard input are the same input."""
    (folder / "in.json").write_text('{"n": 4}', encoding="utf-8")
    command = ("stream", "counting_app:graph", "--input")

    assert _ok(*command, '{"n": 4}') == _ok(*command, "@in.json") == _ok(*command, "-", stdin='{"n": 4}')
    assert "n=5" in _ok(*command, "@in.json")


@pytest.mark.parametrize("name", ["graph", "builder", "make"])
@pytest.mark.parametrize("place", ["counting_app", "counting_app.py", "./counting_app.py"])
def test_what_can_be_named(folder: Path, place: str, name: str) -> None:
    """A graph, its builder and a function that makes it, in a module or in a file of the current folder."""
    text = _ok("stream", f"{place}:{name}", "--input", '{"n": 1}', "--json")

    assert _lines(text) == [{"mode": "updates", "item": {"add": {"n": 2}}}]


def test_config_reaches_the_run(folder: Path) -> None:
    """Tags given with `--config` are on the events."""
    command = ("stream", "counting_app:graph", "--input", '{"n": 1}', "--mode", "events", "--json")
    lines = _lines(_ok(*command, "--config", '{"tags": ["trial"]}'))

    assert all("trial" in line["item"]["tags"] for line in lines)


def test_a_run_id_is_the_roots() -> None:
    """A `run_id` given with `--config` is the id of the root run."""
    run_id = "0a0b0c0d-0000-4000-8000-000000000001"
    lines = _lines(
        _ok("stream", DESK, "-i", QUESTION, "-m", "events", "--json", "--config", f'{{"run_id": "{run_id}"}}')
    )

    assert lines[0]["item"]["run_id"] == run_id


def test_a_plain_runnable_streams(folder: Path) -> None:
    """A runnable that is no graph gives its chunks, or its events when those are asked for."""
    command = ("stream", "counting_app:double", "--input", "21", "--json")

    assert _lines(_ok(*command)) == [{"mode": "chunks", "item": 42}]
    assert _lines(_ok(*command, "--sync")) == [{"mode": "chunks", "item": 42}]
    events = _lines(_ok(*command, "--mode", "events"))
    assert [e["item"]["event"] for e in events] == ["on_chain_start", "on_chain_stream", "on_chain_end"]


@pytest.mark.langgraph
def test_langgraph_graphs_stream(folder: Path) -> None:
    """A graph of LangGraph's gives what ours gives: several modes at once, and its events."""
    (folder / "their_app.py").write_text(LANGGRAPH_APP, encoding="utf-8")
    for modes in (["values", "updates", "tasks"], ["events"]):
        asked = [part for mode in modes for part in ("--mode", mode)]
        ours, theirs = (
            _lines(_ok("stream", f"{app}:graph", "--input", '{"n": 1}', "--json", *asked))
            for app in ("counting_app", "their_app")
        )
        assert [(line["mode"], line["item"].get("event")) for line in theirs] == [
            (line["mode"], line["item"].get("event")) for line in ours
        ]
    refusal = _refused("stream", "their_app:graph", "-i", '{"n": 1}', "-m", "events", "-m", "values")
    assert "lcel_compat.StateGraph" in refusal
    assert "--sync" in _refused("stream", "their_app:graph", "-i", '{"n": 1}', "-m", "events", "--sync")


PROBLEMS = [
    pytest.param(["nowhere:graph"], "There is no module 'nowhere'", id="module"),
    pytest.param(["nowhere.py:graph"], "There is no file 'nowhere.py'", id="file"),
    pytest.param(["counting_app:grpah"], "It has 'builder', 'double', 'graph'.", id="object"),
    pytest.param(["counting_app"], "write MODULE:OBJECT", id="form"),
    pytest.param(["counting_app:number"], "of type int", id="no-runnable"),
    pytest.param(["counting_app:needs"], "takes the argument 'model'", id="factory"),
    pytest.param(["counting_app:later"], "is an async function", id="async-factory"),
    pytest.param(["counting_app:broken"], "OSError: no licence", id="failing-factory"),
    pytest.param(["bad_import:graph"], "imports 'not_there', which is not installed", id="dependency"),
    pytest.param(["bad_code:graph"], "ZeroDivisionError: division by zero", id="import-error"),
    pytest.param(["counting_app:graph", "-i", "{n"], "is no JSON: '{n' (", id="json"),
    pytest.param(["counting_app:graph", "-i", "@nowhere.json"], "cannot read the file 'nowhere.json'", id="input"),
    pytest.param(["counting_app:graph", "-m", "event"], "There is no mode 'event'. The modes are values,", id="mode"),
    pytest.param(["counting_app:graph", "--config", "[1]"], "a configuration is an object", id="config"),
    pytest.param(["counting_app:graph", "--config", '{"tag": []}'], "cannot hold 'tag' here", id="config-key"),
    pytest.param(["counting_app:graph", "--config", '{"run_id": "7"}'], "run_id is '7'", id="config-run-id"),
    pytest.param(["counting_app:double", "-m", "values"], "has no mode 'values'", id="mode-of-a-runnable"),
    pytest.param(["counting_app:double", "-m", "events", "--sync"], "Leave --sync out", id="sync-events"),
]


@pytest.mark.parametrize(("arguments", "message"), PROBLEMS)
def test_what_cannot_run_is_said(folder: Path, arguments: list[str], message: str) -> None:
    """Wrong names, inputs, modes: exit code 2, nothing on standard output, cause and remedy in one message."""
    (folder / "bad_import.py").write_text("import not_there", encoding="utf-8")
    (folder / "bad_code.py").write_text("1 / 0", encoding="utf-8")
    given = [] if "-i" in arguments else ["-i", '{"n": 1}']

    refusal = _refused("stream", *arguments, *given)

    assert message in refusal
    assert "Traceback" not in refusal


def test_a_failed_run_is_told_apart(folder: Path) -> None:
    """A node that raises ends with exit code 1, its error and the line that raised it."""
    message = _refused("stream", "counting_app:graph", "-i", '{"n": -1}', "-m", "updates", code=1)
    line = APP.split("\n").index('        raise ValueError("cannot count below zero")') + 1

    assert "ValueError: cannot count below zero" in message
    assert f"counting_app.py:{line}, in add" in message


def test_an_error_cannot_steer_the_terminal(folder: Path) -> None:
    """The text of an exception is shown without its escape sequences, line by line."""
    (folder / "red_app.py").write_text(APP.replace("below zero", r"\x1b[31m\a below\nzero"), encoding="utf-8")
    message = _refused("stream", "red_app:graph", "-i", '{"n": -1}', code=1)

    assert {character for character in message if not character.isprintable()} == {"\n"}
    assert "[31m" in message


def test_readable_lines_fit() -> None:
    """Without `--json` every mode is named, tokens are folded, and no line but prose is wider than the terminal."""
    asked = [part for mode in MODES for part in ("--mode", mode)]
    for columns in (60, 100):
        text = _ok("stream", DESK, "--input", QUESTION, *asked, columns=columns)
        lines = text.splitlines()

        assert set(MODES) <= {line.partition(" ")[0] for line in lines}
        assert max(map(len, lines)) <= columns
        assert len(lines) < 120


# demo ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown() -> str:
    """What the demo prints, 100 columns wide."""
    return _ok("demo", "--delay", "0")


def test_demo_shows_both_sides(shown: str) -> None:
    """The answer, both event streams, what listeners get and all modes are on one plain screen or two."""
    chain, given = build_chain(DeskModel()), {"question": QUESTIONS[0]}
    answer = chain.invoke(given)
    kinds = Counter(event["event"] for event in asyncio.run(_collected(chain.astream_events(given, version="v2"))))

    assert answer.split()[0:4] == shown.partition("Answer")[2].split()[0:4]
    assert "19 of 20 runs: the same events with the same data and tags." in shown
    assert f"All {kinds['on_chat_model_stream']} model tokens" in shown
    assert f"All {kinds['on_parser_stream']} parser chunks" in shown
    assert f"{kinds.total()} events became " in shown
    assert "The root run is 'LangGraph', no longer 'support_desk'" in shown
    assert all(f"\n{mode} " in shown for mode in ("values", "updates", "custom", "messages", "debug", "events"))
    assert len(shown.splitlines()) <= 100
    assert "\x1b" not in shown


def test_demo_tells_what_listeners_get(shown: str) -> None:
    """Chat and sources get what they got; the audit line, which reads the root, is shown to change."""
    rows = shown.partition("Listeners")[2].partition("Modes")[0]
    verdicts = [line.split()[:2] for line in rows.splitlines() if line.startswith(("chat", "sources", "audit"))]

    assert verdicts == [["chat", "unchanged"], ["sources", "unchanged"], ["audit", "changed"]]
    assert '"run": "LangGraph"' in rows


@pytest.mark.parametrize("columns", [48, 60, 100])
def test_demo_fits(columns: int, shown: str) -> None:
    """No line is wider than the terminal; in a narrow one no count and no verdict is lost, nor a name the eye needs."""
    text = shown if columns == 100 else _ok("demo", "--delay", "0", columns=columns)

    assert max(map(len, text.splitlines())) <= columns
    names = ("support_desk", "triage_model", "answer_text") if columns >= 60 else ("support", "triage", "answer")
    assert all(name in text for name in names)
    pieces = re.findall(r"\b1/(8\d)/1\b", text)  # core before 1.0 ends a stream without an empty chunk
    assert len(pieces) == 8
    assert len(set(pieces)) == 1
    assert text.count(" same ") + text.count(" same\n") >= 19


def test_demo_asks_the_question() -> None:
    """`--question` goes through chain, graph and steps: all give the answer that the chain gives to it."""
    question = "Which region is my data stored in?"
    lines = _lines(_ok("demo", "--delay", "0", "--question", question, "--json"))
    answer = build_chain(DeskModel()).invoke({"question": question})
    last = {part: [line for line in lines if line["part"] == part][-1] for part in ("chain", "graph", "steps")}

    assert last["chain"]["item"]["data"]["output"] == answer
    assert last["graph"]["item"]["data"]["output"] == {"question": question, "answer": answer}
    assert last["steps"]["item"]["data"]["output"]["answer"] == answer
    assert [(line["mode"], line["item"]["same"]) for line in lines if line["part"] == "listeners"] == [
        ("chat", True),
        ("sources", True),
        ("audit", False),
    ]


MODEL = """
from langchain_core.language_models import FakeListChatModel

def made():
    return FakeListChatModel(responses=['{"category": "general"}', "Seven parrots."] * 3)
"""


@pytest.mark.parametrize("way", ["option", "environment"])
def test_demo_takes_any_model(folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model named with `--model` or in `LCEL_COMPAT_MODEL` answers in place of the desk's own."""
    (folder / "my_model.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    chosen = ["--model", "my_model:made"] if way == "option" else []
    variables: dict[str, Any] = {"LCEL_COMPAT_MODEL": "my_model:made"} if way == "environment" else {}
    text = _ok("demo", *chosen, **variables)

    assert "Seven parrots." in text.partition("Events")[0]
    assert "FakeListChatModel" in text
    assert "--delay slows" in _refused("demo", "--delay", "0.1", *chosen, **variables)


def test_demo_refuses_what_it_cannot_run() -> None:
    """A model that is not there and an empty question end with exit code 2 and a remedy."""
    assert "is its package installed?" in _refused("demo", "--model", "nowhere:Model")
    assert "--question is empty" in _refused("demo", "--question", "  ")


# the process --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["stream", "counting_app:graph", "-i", '{"n": -1}'], 1),
        (["stream", "counting_app:grpah", "-i", '{"n": 1}'], 2),
        (["dmeo"], 2),
    ],
)
def test_exit_codes(folder: Path, arguments: list[str], code: int) -> None:
    """A process ends with 0 when all went well, 1 when the run failed, 2 when it could not be run."""
    process = _process(*arguments, cwd=folder)
    out, err = process.communicate(timeout=30)

    assert process.returncode == code, err
    assert bool(err) == (code != 0)
    assert "\x1b" not in out + err


@pytest.mark.slow
def test_colours_are_left_out_when_asked() -> None:
    """`FORCE_COLOR` gives colours even to a pipe, `NO_COLOR` takes them back; neither moves a pipe's cursor."""
    arguments = ["stream", DESK, "-i", QUESTION, "-m", "events"]
    processes = [_process(*arguments, env={"FORCE_COLOR": "1", **more}) for more in ({}, {"NO_COLOR": "1"})]
    forced, plain = (_codes(process.communicate(timeout=30)[0]) for process in processes)

    assert "36" in forced
    assert plain <= {"0", "1", "2"}


def _codes(text: str) -> set[str]:
    """The parameters of the escape sequences in a text, each of which must set a style."""
    found = re.findall(r"\x1b\[([0-9;?]*)([A-Za-z])", text)
    assert {letter for _, letter in found} == {"m"}
    return {code for codes, _ in found for code in codes.split(";")}


@pytest.mark.slow
@pytest.mark.parametrize("extra", [["--json"], []], ids=["json", "lines"])
def test_a_closed_pipe_ends_quietly(extra: list[str]) -> None:
    """Whoever reads one line and closes the pipe gets that line, and no complaint."""
    process = _process("stream", DESK, "-i", QUESTION, "-m", "events", *extra)
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()

    assert "on_chain_start" in first
    assert (process.wait(timeout=30), err) == (141, "")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("extra", [[], ["--sync"]], ids=["async", "sync"])
def test_an_interrupt_ends_cleanly(folder: Path, extra: list[str]) -> None:
    """Ctrl-C while a graph runs ends it with code 130 and without a traceback."""
    (folder / "slow.py").write_text(
        "from lcel_adapters.desk import DeskModel\nmodel = DeskModel(delay=0.02)", encoding="utf-8"
    )
    process = _process("stream", "slow:model", "-i", '"Which parrot was it?"', "--json", *extra, cwd=folder)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (130, "")


@pytest.mark.slow
def test_ascii_output_replaces_what_it_lacks() -> None:
    """Where the output's encoding has no such character, a `?` stands for it and nothing fails."""
    process = _process("demo", "--delay", "0", env={"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (0, "")
    assert out.isascii()


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_named(missing: str) -> None:
    """Without typer or rich the command says which line installs them, and ends with 2."""
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom lcel_adapters._cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert 'pip install "lcel-compat[cli]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_help_has_examples() -> None:
    """`--help` of the program and of each command shows a line to try."""
    assert "lcel-compat demo" in _ok("--help")
    for command in ("demo", "stream"):
        assert f"Example: lcel-compat {command}" in _ok(command, "--help")


# rendering ----------------------------------------------------------------------------------------


def test_tokens_fold_into_one_line() -> None:
    """Pieces of one stream become one line with their number and their text, where the stream stopped."""
    folder = Folder()
    ready = [line for piece in ("Hel", "lo\n", "you") for line in folder.add("chunks", piece)]

    assert ready == []
    assert [(line.count, line.detail) for line in folder.pending()] == [(3, '"Hello\\nyou"')]
    assert [line.detail for line in folder.add("custom", {"n": 1})] == ['"Hello\\nyou"', "n=1"]
    assert folder.close() == []


@pytest.mark.parametrize("mode", [*MODES, "checkpoints", "chunks", "of another library"])
@pytest.mark.parametrize("item", [None, 3, "text", [], {}, {"a": object()}, (1, 2), b"\xff"], ids=repr)
def test_any_item_is_shown(mode: str, item: Any) -> None:
    """An item that is not what its mode usually gives is shown all the same."""
    line = describe(mode, item).line

    assert as_text(line, label=True, width=40).plain.startswith(mode[:11])


def test_control_characters_do_not_reach_the_terminal() -> None:
    """What a model writes cannot move the cursor or change the colours."""
    folder = Folder()
    (line,) = [*folder.add("chunks", "a\x1b[31mb\rc"), *folder.close()]

    assert as_text(line, label=False, width=40).plain.isprintable()


def test_events_are_compared_run_by_run() -> None:
    """A chunk that is missing, other data and a lost run are found at their run; the rest stays the same."""
    before = [_event("start", "root"), _event("start", "a", "root"), _event("stream", "a", "root", chunk="x")]
    before += [_event("end", "a", "root", output="x"), _event("start", "b", "root"), _event("end", "root")]
    after = [_event("start", "g"), _event("start", "root", "g"), _event("start", "a", "g", "root")]
    after += [_event("end", "a", "g", "root", output="y"), _event("end", "root", "g"), _event("end", "g")]

    found = {pair.shown.name: pair.difference for pair in compare_runs(before, after).pairs}

    assert found == {
        "g": "new",
        "root": "no longer the root",
        "a": "stream 1 → 0, other data at end",
        "b": "gone",
    }


def _event(phase: str, name: str, *parents: str, **data: Any) -> dict[str, Any]:
    return {
        "event": f"on_chain_{phase}",
        "name": name,
        "run_id": name,
        "parent_ids": list(parents),
        "tags": [],
        "metadata": {},
        "data": data,
    }

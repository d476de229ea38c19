"""`lcel-compat eject`: the source of the graph that a chain becomes; what it wrote gives the chain's events."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lcel_adapters._cli.app import app
from tests.adapters.face.watch import assert_same_runnable
from tests.support.colours import ASYNC
from tests.support.normal import assert_same_events

APP = """
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableBranch, RunnableLambda, RunnableParallel, RunnablePassthrough


def words(text):
    return text.split()


def shout(text):
    return text.upper()


def model():
    return RunnableLambda(lambda prompt: AIMessage(prompt.to_string(), id="1"), name="model")


def make():
    prompt = ChatPromptTemplate.from_template("On {topic}, {size}: {class}")
    facts = RunnablePassthrough.assign(size=lambda d: len(d["topic"]), **{"class": RunnableLambda(lambda d: "x")})
    ends = RunnableBranch((lambda text: "owl" in text, RunnableLambda(shout) | RunnablePassthrough()), words)
    return (facts | prompt | model() | StrOutputParser() | ends).with_config(run_name="rag", tags=["main"])


chain = make()


class holder:
    pair = {"a b": RunnableLambda(words), "c": RunnablePassthrough()} | RunnableLambda(len)


single = RunnableLambda(shout)
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to start in, with an application."""
    (tmp_path / "ejected_app.py").write_text(APP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("ejected"):
            del sys.modules[name]


def _eject(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eject", *arguments])


def _written(name: str, *arguments: str) -> Any:
    result = _eject(*arguments, "-o", f"{name}.py")
    assert (result.exit_code, result.output) == (0, "")
    return import_module(name)


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ("ejected_app:chain", {"topic": "owls"}),
        ("ejected_app:make", {"topic": "cats"}),
        ("ejected_app.py:chain", {"topic": "cats"}),
        ("ejected_app:holder.pair", "a b"),
        ("ejected_app:single", "a"),
    ],
)
def test_what_it_wrote_is_the_chain(folder: Path, spec: str, value: Any) -> None:
    """The module imports, and its face gives the events, chunks and traces of the chain."""
    made = _written("ejected_graph", spec)
    assert_same_runnable(lambda: made.chain, lambda: made.face, value, at_once=True)


@pytest.mark.parametrize("depth", ["0", "1"])
def test_depth(folder: Path, depth: str) -> None:
    """``--depth`` is that of ``from_lcel``; the events are the chain's in any case."""
    made = _written("ejected_graph", "ejected_app:chain", "--depth", depth)
    assert len(made.builder.nodes) == (1 if depth == "0" else 5)
    value = {"topic": "owls"}
    assert_same_events(ASYNC.observe_events(made.chain, value), ASYNC.observe_events(made.face, value))


def test_it_is_laid_out(folder: Path) -> None:
    """The source is as ruff lays it out, within 88 columns but for comments, and parses without warnings."""
    _written("ejected_graph", "lcel_adapters.desk:chain")
    _written("ejected_more", "ejected_app:chain")
    _written("ejected_pair", "ejected_app:holder.pair")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "."]
    (folder / "ejected_app.py").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_desk_is_the_desk(folder: Path) -> None:
    """The sample application, written out: its parallel, its branch and its models give the same events."""
    made = _written("ejected_graph", "lcel_adapters.desk:chain")
    question = {"question": "Where is my invoice?"}
    old, new = (ASYNC.observe_events(runnable, question) for runnable in (made.chain, made.face))
    assert len(old) > 30
    assert_same_events(old, new)


def test_places_to_decide(folder: Path) -> None:
    """What only a person can choose is marked: types, steps, readings, decisions, a saver."""
    source = _eject("ejected_app:chain").output
    marks = [line.strip() for line in source.splitlines() if line.strip().startswith("# decide: ")]
    assert [mark.removeprefix("# decide: ").split()[0] for mark in marks] == [
        "the",
        "write",
        "`lambda",
        "the",
        "a",
    ]
    assert "`lambda state: {**state['input'], 'size': state['size'], 'class': state['class']}`" in source
    assert 'the node "decision" writes one of "1", "default"' in source


def test_a_file_that_is_there_is_kept(folder: Path) -> None:
    """What was ejected may have been edited, so nothing is written over it."""
    (folder / "graph.py").write_text("mine", "utf-8")
    result = _eject("ejected_app:chain", "-o", "graph.py")
    assert result.exit_code == 2
    assert "is there already" in " ".join(result.output.split())
    assert (folder / "graph.py").read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("ejected_app:number", "cannot be"),
        ("ejected_app:nothing", "no attribute"),
        ("lcel_adapters.desk:graph", "is a graph already"),
    ],
)
def test_what_is_no_chain(folder: Path, spec: str, says: str) -> None:
    """An argument that names no chain ends with code 2 and says what is wrong with it."""
    result = _eject(spec)
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())

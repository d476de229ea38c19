"""`lcel-compat compare`: what it takes, prints and writes, its exit codes; and seeded faults through all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from lcel_adapters._cli._load import load_runnable
from lcel_adapters._cli.app import app
from lcel_compat.compare import Contract, Read
from lcel_compat.events import RecordingWriter
from lcel_compat.events import record as record_to_file
from lcel_compat.replay import replay
from tests.compat.compare.faults import seeded
from tests.compat.compare.programs import Maker, record
from tests.support.colours import run as run_async
from tests.support.fences import environment
from tests.support.plugin import count

APP = """
from itertools import count

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda


def make(word, name="chain"):
    return (RunnableLambda(lambda n: f"{word} {n['n']}", name="word") | StrOutputParser()).with_config(run_name=name)


def fail(n):
    raise ValueError("no")


old, same, other, renamed, tagged = make("a"), make("a"), make("b"), make("a", "new"), make("a").with_config(tags=["t"])
failing = RunnableLambda(fail, name="failing")
words = GenericFakeChatModel(messages=(AIMessage(f"answer {n}") for n in count()))
moody = RunnableLambda(str) | words
"""


GOOD = ("compared_app:old", "compared_app:same", "--inputs", "inputs.jsonl")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to start in, with an application and inputs for it."""
    (tmp_path / "compared_app.py").write_text(APP, "utf-8")
    (tmp_path / "inputs.jsonl").write_text('{"n": 1}\n\n{"n": 2}\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("compared_app", None)


def run(*arguments: str) -> Result:
    """`lcel-compat compare` with arguments."""
    return CliRunner().invoke(app, ["compare", *arguments])


def compared(old: str, new: str, *arguments: str) -> Result:
    """Two objects of the application, compared on its inputs."""
    return run(f"compared_app:{old}", f"compared_app:{new}", "--inputs", "inputs.jsonl", *arguments)


@pytest.mark.parametrize(
    ("new", "options", "code", "said"),
    [
        ("same", (), 0, "same"),
        ("same", ("--fail-on", "changed"), 0, "same"),
        ("other", (), 1, "breaking"),
        ("renamed", (), 1, "breaking"),
        ("tagged", (), 0, "changed"),
        ("tagged", ("--fail-on", "changed"), 1, "changed"),
        ("same", ("--events", "v2", "--repeats", "0"), 0, "same"),
    ],
)
def test_the_exit_code_is_the_verdict(folder: Path, new: str, options: tuple[str, ...], code: int, said: str) -> None:
    """0 for the same or what nobody depends on, 1 for what breaks, or for any change where that is asked for."""
    result = compared("old", new, *options)
    assert (result.exit_code, result.stdout.split(":")[0]) == (code, said), result.output


def test_version_1_is_compared_without_complaints(folder: Path) -> None:
    """Core warns of its old events at each run: who asks for them knows."""
    result = compared("old", "same", "--events", "v1")
    assert (result.exit_code, result.stderr) == (0, "")


def test_both_sides_may_fail_alike(folder: Path) -> None:
    """An exception is an outcome of the run that is compared, and no failure of the comparison."""
    alike = compared("failing", "failing")
    assert alike.exit_code == 0
    assert "both sides ended with" in alike.stdout
    assert compared("old", "failing").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nowhere:old", "compared_app:old", "--inputs", "inputs.jsonl"), "There is no module 'nowhere'"),
        (("compared_app:old", "compared_app:none", "--inputs", "inputs.jsonl"), "compared_app:none"),
        (("compared_app:old", "compared_app:same"), "Write --inputs FILE.jsonl"),
        (("compared_app:old", "compared_app:same", "--inputs", "none.jsonl"), "cannot read the file 'none.jsonl'"),
        (("compared_app:old", "compared_app:same", "--inputs", "bad.jsonl"), "line 2 of 'bad.jsonl' is no JSON"),
        (("compared_app:old", "compared_app:same", "--inputs", "empty.jsonl"), "holds no input"),
        (("compared_app:old", "inputs.jsonl"), "inputs.jsonl"),
        (("compared_app:old", "none.jsonl"), "There is no recording 'none.jsonl'"),
        (("nothing.jsonl", "nothing.jsonl"), "there is nothing to compare"),
        ((*GOOD, "--report", "pdf:x"), "none of github:PATH"),
        ((*GOOD, "--report", "html:no/x"), "no/x"),
        ((*GOOD, "--contract", "none.yaml"), "none.yaml"),
    ],
)
def test_what_cannot_be_compared_ends_with_2(folder: Path, arguments: tuple[str, ...], reason: str) -> None:
    """The message says what is wrong and what to write instead; 1 would say that something was compared."""
    (folder / "bad.jsonl").write_text('{"n": 1}\n{"n": \n', "utf-8")
    (folder / "empty.jsonl").write_text("\n", "utf-8")
    RecordingWriter("nothing.jsonl").close()
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert reason in result.stderr


def test_the_reports_are_written(folder: Path) -> None:
    """As many as are asked for, each to its file; the terminal still shows the verdict."""
    kinds = ("html", "json", "junit", "github")
    result = compared("old", "other", *(part for kind in kinds for part in ("--report", f"{kind}:out.{kind}")))
    assert result.stdout.startswith("breaking: consumers would notice")
    assert (folder / "out.html").read_text("utf-8").startswith("<!doctype html>")
    assert json.loads((folder / "out.json").read_text("utf-8"))["verdict"] == "breaking"
    assert ElementTree.parse(folder / "out.junit").getroot().tag == "testsuites"
    assert (folder / "out.github").read_text("utf-8").startswith("::error")


def test_a_report_without_a_path_is_all_that_is_printed(folder: Path) -> None:
    """So that it can be piped."""
    assert json.loads(compared("old", "other", "--report", "json").stdout)["inputs"] == 2


def test_a_contract_decides(folder: Path) -> None:
    """What the contract does not read does not break."""
    Contract(reads=(Read(event="on_chain_end", root=True, fields=("name",)),)).save("c.yaml")
    assert compared("old", "other", "--contract", "c.yaml").exit_code == 0
    assert compared("old", "renamed", "--contract", "c.yaml").exit_code == 1


def write(path: Path, given: Any, events: list[Any]) -> None:
    """Write a recording of one run."""
    with RecordingWriter(path) as writer, writer.run(given) as taken:
        for event in events:
            if isinstance(event, BaseException):
                raise event
            taken.event(event)


def test_recordings_stand_for_runnables(folder: Path) -> None:
    """On either side, or on both; their inputs are the inputs."""
    record_to_file(load_runnable("compared_app:old"), [{"n": 1}, {"n": 2}], "old.jsonl")
    assert run("old.jsonl", "old.jsonl").exit_code == 0
    assert run("old.jsonl", "compared_app:same").exit_code == 0
    assert run("compared_app:other", "old.jsonl").exit_code == 1
    result = run("old.jsonl", "compared_app:same", "--inputs", "inputs.jsonl")
    assert (result.exit_code, "the recording holds the inputs" in result.stderr) == (2, True)


def test_damage_of_a_recording_is_told(folder: Path) -> None:
    """The comparison goes on without what is lost, and standard error says what that is."""
    record_to_file(load_runnable("compared_app:old"), [{"n": 1}, {"n": 2}], "old.jsonl")
    whole = (folder / "old.jsonl").read_text("utf-8")
    (folder / "torn.jsonl").write_text(whole + '{"run":', "utf-8")
    for other in ("old.jsonl", "compared_app:same"):
        result = run("torn.jsonl", other)
        assert (result.exit_code, result.stderr.count("warning: torn.jsonl: ")) == (0, 1), result.output
    (folder / "cut.jsonl").write_text("".join(whole.splitlines(keepends=True)[:-1]), "utf-8")
    assert run("old.jsonl", "cut.jsonl").exit_code == 1
    (folder / "half.jsonl").write_text(whole[: whole.index('{"run":1') + 9], "utf-8")
    half = run("old.jsonl", "half.jsonl")
    assert (half.exit_code, "warning: half.jsonl: " in half.stderr) == (2, True), "why there is one input less"


def test_a_cassette_answers_both_sides(folder: Path) -> None:
    """Models that never answer alike are asked once, and a recording made from the cassette stands for its side."""
    asked, cassette = ("compared_app:moody", "compared_app:moody"), ("--cassette", "calls.jsonl")
    assert run(*asked, "--inputs", "inputs.jsonl", "--repeats", "0").exit_code == 1
    for _ in range(2):
        played = run(*asked, "--inputs", "inputs.jsonl", *cassette)
        assert (played.exit_code, "noise" in played.stdout) == (0, False), played.output
    with replay("calls.jsonl"):
        record_to_file(load_runnable("compared_app:moody"), [{"n": 1}, {"n": 2}], "old.jsonl")
    assert run("old.jsonl", "compared_app:moody").exit_code == 1
    assert run("old.jsonl", "compared_app:moody", *cassette).exit_code == 0
    for wrong in (run("old.jsonl", "old.jsonl", *cassette), run(*GOOD, "--cassette", "old.jsonl")):
        assert (wrong.exit_code, "cassette" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_seeded_faults_are_found_through_the_command_line(folder: Path) -> None:
    """Recordings on disk, the command, its JSON: the right kind at the right run, and the exit code of its verdict."""
    for seed in range(300, 302):
        maker = Maker(seed)
        program = maker.program()
        before, after = (run_async(record(program, "hello")) for _ in range(2))
        write(folder / "old.jsonl", "hello", before)
        for name, fault in seeded(after, seed):
            count("seeded faults by command line", (name, maker.shape))
            write(folder / "new.jsonl", "hello", fault.events)
            result = run("old.jsonl", "new.jsonl", "--report", "json")
            found = json.loads(result.stdout)
            kinds = {(one["kind"], tuple(one["run"])) for one in found["findings"]}
            assert len(kinds) == 1, f"seed {seed}, {name}: {kinds}"
            ((kind, path),) = kinds
            assert kind in fault.kinds, f"seed {seed}, {name}"
            assert path == fault.run, f"seed {seed}, {name}"
            assert result.exit_code == int(found["verdict"] == "breaking")


@pytest.mark.slow
def test_the_command_runs_as_a_process(folder: Path) -> None:
    """As people run it: the module's entry point, in a process of its own."""
    command = [sys.executable, "-c", "from lcel_adapters._cli import main; main()", "compare"]
    command += ["compared_app:old", "compared_app:other", "--inputs", "-"]
    done = subprocess.run(
        command, input='{"n": 1}\n', env=environment(), capture_output=True, text=True, check=False, cwd=folder
    )
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "breaking"), done.stderr

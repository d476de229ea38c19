"""The harness itself, with LangGraph on both sides. No test here looks at how fast anything is."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as harness
from benchmarks import _report
from benchmarks._kinds import Scenario, cost_of, exponent
from benchmarks._rows import Goal, Row, Spread
from benchmarks._timing import Settings

ROOT = Path(__file__).parents[2]
TINY = ["--ours", "langgraph", "--quick", "--rounds", "2"]


def run_benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m benchmarks` in a process of its own, from the project's root."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.langgraph
def test_a_scenario_becomes_a_line_of_the_table_and_of_the_json(tmp_path: Path) -> None:
    """One scenario in its quickest form gives a table, and a JSON file with the same figures."""
    file = tmp_path / "rows.json"

    done = run_benchmarks(*TINY, "--only", "^line of 50, ainvoke$", "--json", str(file))

    assert done.returncode == 0, done.stderr
    document = json.loads(file.read_text(encoding="utf-8"))
    (contest, own_cost) = document["rows"]
    assert contest["scenario"] == "line of 50, ainvoke"
    assert contest["unit"] == "µs/node"
    assert contest["ratio"]["low"] <= contest["ratio"]["median"] <= contest["ratio"]["high"]
    assert contest["goal"] == "ratio ≥ 5"
    assert contest["met"] is (contest["ratio"]["median"] >= 5)
    assert contest["note"] == "", "both sides deliver the same"
    assert own_cost["goal"] == "ours ≤ 20"
    assert document["settings"]["rounds"] == 2
    for heading in _report.HEADINGS:
        assert heading in done.stdout
    assert f"{contest['ratio']['median']:.2f} [" in done.stdout


@pytest.mark.langgraph
def test_a_slow_reader_is_counted_in_items(tmp_path: Path) -> None:
    """How far the producer runs ahead is a number of items, judged by the buffer and one more."""
    file = tmp_path / "rows.json"

    done = run_benchmarks(*TINY, "--only", "slow reader, messages", "--json", str(file))

    assert done.returncode == 0, done.stderr
    (row,) = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert row["unit"] == "items ahead"
    assert row["goal"] == "ours ≤ 257"
    assert row["ours"] > 0
    assert row["met"] is (row["ours"] <= 257)


def test_a_scenario_that_cannot_run_is_a_line_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failing scenario keeps its place in the table with the reason, and the rest still run."""
    broken = Scenario(name="broken", measure=refuse)
    fine = Scenario(name="fine", measure=cost_of("call", lambda: (lambda: 1, 1)))
    monkeypatch.setattr(harness, "scenarios", lambda: (broken, fine))

    code = harness.main([*TINY])

    assert code == 2
    table = capsys.readouterr().out
    assert "could not run: ValueError: no such graph" in table
    assert "µs/call" in table


def refuse(settings: Settings, name: str) -> list[Row]:
    """A measurement that cannot run."""
    raise ValueError("no such graph\nwith a second line")


def test_a_pattern_that_selects_nothing_is_an_error() -> None:
    """`--only` with no match says so and points to `--list`."""
    done = run_benchmarks("--only", "no such scenario")

    assert done.returncode == 2
    assert "'no such scenario' selects no scenario; --list names them" in done.stderr


def test_every_scenario_has_a_name_of_its_own() -> None:
    """`--list` names each scenario once, so that `--only` can single it out."""
    names = run_benchmarks("--list").stdout.splitlines()

    assert len(names) > 20
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("goal", "ratio", "ours", "met"),
    [
        (Goal(sense="at least", bound=5), 5.0, 9.0, True),
        (Goal(sense="at least", bound=5), 4.9, 9.0, False),
        (Goal(sense="at most", bound=1.2), 1.3, 1.0, False),
        (Goal(sense="at most", bound=20, of="ours"), 5.0, 19.0, True),
        (Goal(sense="at most", bound=20, of="ours"), 5.0, 21.0, False),
        (None, 5.0, 1.0, None),
    ],
)
def test_a_goal_judges_the_figure_it_names(goal: Goal | None, ratio: float, ours: float, met: bool | None) -> None:
    """A goal reads the ratio or our own figure, in its own direction; no goal, no verdict."""
    row = Row(scenario="s", unit="µs", against="x", ours=ours, ratio=Spread.of([ratio]), goal=goal)

    assert row.met is met


def test_the_plain_table_lines_up() -> None:
    """Without rich, every line has its columns where the headings are."""
    rows = [
        Row(scenario="short", unit="µs", against="x", reference=1.0, ours=2.0, note="n"),
        Row(scenario="rather longer", unit="µs", against="x", reference=1234.0, note="n"),
    ]
    out = io.StringIO()

    _report._print_plain(rows, out)

    heading, *lines = out.getvalue().splitlines()
    assert [line.index("µs") for line in lines] == [heading.index("unit")] * 2
    assert [line.rindex("n") for line in lines] == [heading.index("note")] * 2
    assert "1,234" in lines[1]


def test_the_exponent_of_linear_cost_is_one_and_of_quadratic_cost_two() -> None:
    """The growth exponent is the slope of log(total cost) over log(size)."""
    sizes = [10, 100, 1000]

    assert exponent(sizes, [7.0, 7.0, 7.0]) == pytest.approx(1.0)
    assert exponent(sizes, [7.0, 70.0, 700.0]) == pytest.approx(2.0)

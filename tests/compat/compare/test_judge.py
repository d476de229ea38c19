"""How bad a difference is without a contract: the table, complete, and what the survey of consumers says of it."""

from __future__ import annotations

from typing import Any

import pytest

from lcel_compat.compare import compare_events
from lcel_compat.compare._judge import _ALWAYS, _BREAKING_IF, _SAYS
from lcel_compat.compare._model import KINDS


def test_every_kind_has_a_severity_and_a_sentence() -> None:
    """A kind is in one of the two tables, and none is judged that is not a kind."""
    assert sorted([*_ALWAYS, *_BREAKING_IF]) == sorted(KINDS) == sorted(_SAYS)


def run(kind: str, run_id: str, *parents: str, name: str = "", **fields: Any) -> list[dict[str, Any]]:
    """A run with a start, a chunk and an end."""
    own = {"name": name or kind, "run_id": run_id, "tags": ["t"], "metadata": {"emit-messages": False, "k": 1}}
    data = {"start": {"input": "in"}, "stream": {"chunk": "out"}, "end": {"output": "out"}}
    return [
        {"event": f"on_{kind}_{phase}", "data": data[phase], **own, "parent_ids": [*parents], **fields}
        for phase in data
    ]


ROOT = run("chain", "root", name="rag")


def with_inner(*inner: dict[str, Any]) -> list[dict[str, Any]]:
    """A recording of the root with runs inside."""
    return [ROOT[0], *inner, *ROOT[1:]]


def inner(kind: str, **fields: Any) -> list[dict[str, Any]]:
    """A run below the root."""
    return run(kind, kind, "root", **fields)


def changed(events: list[dict[str, Any]], phase: int, data: Any) -> list[dict[str, Any]]:
    """A run one of whose events has other data."""
    return [{**event, "data": data} if n == phase else event for n, event in enumerate(events)]


CASES: dict[str, tuple[list[Any], list[Any], str]] = {
    "a model is gone": (inner("chat_model"), [], "breaking"),
    "a prompt is gone": (inner("prompt"), [], "changed"),
    "a chain that wraps something is new": ([], inner("chain"), "changed"),
    "a model is new, so its tokens are shown": ([], inner("chat_model"), "breaking"),
    "a parser has another name": (inner("parser"), inner("parser", name="other"), "breaking"),
    "a prompt has another name": (inner("prompt"), inner("prompt", name="other"), "changed"),
    "a tag is gone": (inner("chain"), inner("chain", tags=[]), "breaking"),
    "a tag is new": (inner("chain"), inner("chain", tags=["t", "seq:step:1"]), "changed"),
    "metadata of a graph are new": (
        inner("chain"),
        inner("chain", metadata={"emit-messages": False, "k": 1, "langgraph_node": "n"}),
        "changed",
    ),
    "metadata that nobody obeys are gone": (
        inner("chain"),
        inner("chain", metadata={"emit-messages": False}),
        "changed",
    ),
    "metadata that a framework obeys are gone": (inner("chain"), inner("chain", metadata={"k": 1}), "breaking"),
    "a tool was given something else": (inner("tool"), changed(inner("tool"), 0, {"input": "x"}), "breaking"),
    "a chain was given something else": (inner("chain"), changed(inner("chain"), 0, {"input": "x"}), "changed"),
    "a retriever found something else": (
        inner("retriever"),
        changed(inner("retriever"), 2, {"output": "x"}),
        "breaking",
    ),
    "a prompt made something else": (inner("prompt"), changed(inner("prompt"), 2, {"output": "x"}), "changed"),
    "a parser streams no more": (inner("parser"), inner("parser")[::2], "breaking"),
    "a chain streams, which it did not": (inner("chain")[::2], inner("chain"), "changed"),
    "tokens come in other chunks": (
        inner("chat_model"),
        [*changed(inner("chat_model"), 1, {"chunk": "o"})[:2], *changed(inner("chat_model"), 1, {"chunk": "ut"})[1:]],
        "changed",
    ),
}


@pytest.mark.parametrize(("before", "after", "severity"), CASES.values(), ids=CASES.keys())
def test_the_survey_decides_what_breaks(before: list[Any], after: list[Any], severity: str) -> None:
    """One difference, one finding, and as grave as the consumers that were found make it."""
    comparison = compare_events(with_inner(*before), with_inner(*after))
    assert [finding.severity for finding in comparison.findings] == [severity]


def test_a_root_that_is_another_breaks_whoever_takes_the_first_run() -> None:
    """Its name, its chunks, its output: consumers take the root by its place."""
    moved = run("chain", "graph", name="LangGraph")
    moved = changed(changed(moved, 1, {"chunk": {"answer": "out"}}), 2, {"output": {"answer": "out"}})
    found = compare_events(ROOT, moved).findings
    assert [(one.kind, one.severity) for one in found] == [
        ("run_renamed", "breaking"),
        ("chunks_retyped", "breaking"),
        ("output_changed", "breaking"),
    ]
    assert all(any("parentless run" in reader for reader in one.readers) for one in found)

"""The support desk, moved as the guides say: what is found, at which run, and who would notice."""

from __future__ import annotations

import asyncio

import pytest

from lcel_adapters import as_lcel
from lcel_adapters.desk import build_chain, build_graph
from lcel_adapters.desk.consumers import CONSUMERS
from lcel_compat.compare import compare, observe

QUESTION = {"question": "Where is my invoice?"}


def test_the_chain_is_the_same_as_itself() -> None:
    """Search and triage run at once in it, and no order of arrival is taken for a difference."""
    found = compare(build_chain(), build_chain(), [QUESTION])
    assert (found.verdict, found.findings, found.noise) == ("same", (), ())


def test_the_chain_in_one_node_breaks_the_root() -> None:
    """Its name, its tags and its chunks are others; what lies inside is where it was, two layers deeper."""
    found = compare(build_chain(), build_graph(), [QUESTION], repeats=1)
    breaking = [(one.kind, one.run) for one in found.findings if one.severity == "breaking"]
    assert breaking == [
        ("run_renamed", ("support_desk",)),
        ("run_retagged", ("support_desk",)),
        ("chunks_retyped", ("support_desk",)),
        ("output_changed", ("support_desk",)),
    ]
    extra = [one.run for one in found.findings if one.kind == "run_extra"]
    assert extra == [("LangGraph", "desk"), ("LangGraph", "desk", "support_desk")]
    moved = {one.run[-1] for one in found.findings if one.kind == "run_reparented"}
    assert moved >= {"gather", "add_context", "route"}
    assert not any(one.kind in ("run_missing", "stream_missing", "chunk_missing") for one in found.findings)


def test_the_chain_in_one_node_behind_the_face_is_the_same() -> None:
    """Moved with `as_lcel`, nobody notices: the same runs, chunks, tags and metadata."""
    face = as_lcel(build_graph(), output="answer")
    found = compare(build_chain(), face, [QUESTION], repeats=1)
    assert (found.verdict, found.findings) == ("same", ())


def test_the_findings_name_who_would_notice() -> None:
    """Each finding of the move says which consumers read what it is about."""
    found = compare(build_chain(), build_graph(), [QUESTION], repeats=0)
    assert all(one.readers for one in found.findings if one.severity == "breaking")
    renamed = next(one for one in found.findings if one.kind == "run_renamed")
    assert "event['name']" in renamed.readers[0]


@pytest.mark.parametrize(("consumer", "verdict"), [("chat", "changed"), ("sources", "changed"), ("audit", "breaking")])
def test_a_contract_learned_from_a_consumer_decides(consumer: str, verdict: str) -> None:
    """Of the three consumers only the one that reads the root is broken by the move."""
    events = observe(build_chain().astream_events(QUESTION, version="v2"))
    asyncio.run(CONSUMERS[consumer](events.__aiter__(), lambda text: None))  # type: ignore[arg-type]
    contract = events.contract(consumer)
    found = compare(build_chain(), build_graph(), [QUESTION], contract=contract, repeats=0)
    assert found.verdict == verdict
    assert {one.readers for one in found.findings if one.severity == "breaking"} <= {(consumer,)}

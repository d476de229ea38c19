"""Contracts: written, read, combined; and what they make of a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lcel_compat.compare import Contract, ContractError, Read, compare_events

TEXT = """\
version: 1
consumer: chat
reads:
- event: on_parser_stream
  name: answer
  tags:
  - final
  fields:
  - data.chunk
- event: on_chain_end
  metadata:
    langgraph_node: say
  root: true
  fields:
  - data.output
"""


def run(name: str = "answer", **fields: Any) -> list[dict[str, Any]]:
    """A recording of one parser run with one chunk."""
    own = {"name": name, "run_id": "r", "tags": ["final"], "metadata": {}, "parent_ids": ["root"], **fields}
    data = {"start": {}, "stream": {"chunk": "hi"}, "end": {"output": "hi"}}
    return [{"event": f"on_parser_{phase}", "data": data[phase], **own} for phase in data]


CONTRACT = Contract(reads=(Read(event="on_parser_stream", name="answer", fields=("data.chunk",)),), consumer="chat")


def test_a_contract_is_written_and_read_back(tmp_path: Path) -> None:
    """YAML in, the same YAML out, by way of a file."""
    path = tmp_path / "chat.yaml"
    path.write_text(TEXT, "utf-8")
    contract = Contract.load(path)
    assert contract.to_yaml() == TEXT
    contract.save(path)
    assert Contract.load(path) == contract == Contract.from_dict(contract.to_dict())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "a list under 'reads'"),
        ("reads: 1", "a list under 'reads'"),
        ("version: 9\nreads: []", "version 9"),
        ("reads: [1]", "entry 0 of 'reads' is no mapping"),
        ("reads: [{events: x}]", "'events', and takes event, name"),
        ("reads: [{tags: x}]", "'tags' is no list of texts"),
        ("reads: [{name: 1}]", "'name' is a text"),
        ("reads: [{metadata: [1]}]", "'metadata' is no mapping"),
        ("reads: [", "cannot read the contract"),
    ],
)
def test_what_is_no_contract_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    """The error names the file, the entry and what is allowed there."""
    path = tmp_path / "c.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ContractError, match=reason) as refused:
        Contract.load(path)
    assert "c.yaml" in str(refused.value)


def test_a_contract_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file is no traceback."""
    with pytest.raises(ContractError, match="cannot read the contract"):
        Contract.load(tmp_path / "none.yaml")


def test_contracts_are_combined() -> None:
    """Two consumers' contracts read what either reads, each entry once."""
    other = Contract(reads=(*CONTRACT.reads, Read(event="on_tool_end")), consumer="audit")
    assert CONTRACT | other == Contract(reads=other.reads, consumer="chat, audit")


CHANGES: dict[str, tuple[list[Any], str]] = {
    "a chunk that is read": ([run()[0], {**run()[1], "data": {"chunk": "ho"}}, run()[2]], "breaking"),
    "a chunk that is gone": ([run()[0], run()[2]], "breaking"),
    "the run is gone": ([], "breaking"),
    "the run has another name": (run("other"), "breaking"),
    "an output that nobody reads": ([*run()[:2], {**run()[2], "data": {"output": "ho"}}], "changed"),
    "an end that nobody reads": (run()[:2], "changed"),
    "tags that nobody reads": (run(tags=[]), "changed"),
    "metadata that nobody reads": (run(metadata={"langgraph_node": "x"}), "changed"),
    "parents that nobody reads": (run(parent_ids=["root", "node"]), "changed"),
}


@pytest.mark.parametrize(("after", "verdict"), CHANGES.values(), ids=CHANGES.keys())
def test_only_what_is_read_can_be_breaking(after: list[Any], verdict: str) -> None:
    """A contract says which differences break its consumer; all others are changes at most."""
    assert compare_events(run(), after, contract=CONTRACT).verdict == verdict


@pytest.mark.parametrize(
    ("read", "after", "verdict"),
    [
        (Read(tags=("final",)), run(tags=[]), "breaking"),
        (Read(tags=("other",)), run(tags=[]), "changed"),
        (Read(root=False), run(parent_ids=[]), "breaking"),
        (Read(root=False), run(parent_ids=["root", "node"]), "changed"),
        (Read(fields=("parent_ids",)), run(parent_ids=["root", "node"]), "breaking"),
        (Read(fields=("metadata",)), run(metadata={"a": 1}), "breaking"),
        (Read(metadata={"a": 1}), run(metadata={"a": 1}), "breaking"),
        (Read(fields=("name",)), run("other"), "breaking"),
        (Read(name="other"), run("other"), "breaking"),
    ],
)
def test_what_selects_is_read(read: Read, after: list[Any], verdict: str) -> None:
    """A run that a consumer selected and selects no more, or the other way round, breaks it."""
    assert compare_events(run(), after, contract=Contract(reads=(read,))).verdict == verdict

"""What comes in may be anything: it is compared, nothing in it is executed, and nothing is silently the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lcel_compat.compare import Comparison, compare_events

ROOT = "00000000-0000-0000-0000-000000000001"


def event(**fields: Any) -> dict[str, Any]:
    """A well-formed event but for what ``fields`` say."""
    plain = {"event": "on_chain_end", "name": "chain", "run_id": ROOT, "tags": [], "metadata": {}, "parent_ids": []}
    return {**plain, "data": {}, **fields}


def output(value: Any) -> list[Any]:
    """A recording of one event whose output is ``value``."""
    return [event(data={"output": value})]


class Unequal:
    """Refuses to be compared, hashed or shown."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Arraylike:
    """Compares element by element, as arrays do, and is then neither true nor false."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def __eq__(self, other: object) -> Any:
        return Arraylike(*self.values)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("the truth of an array is ambiguous")

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[float]:
        return iter(self.values)

    def __getitem__(self, index: int) -> float:
        return self.values[index]


class Refusing(Mapping[str, Any]):
    """A mapping that fails as soon as it is read."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("no item")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no keys")

    def __len__(self) -> int:
        raise RuntimeError("no length")


def cyclic(end: Any) -> list[Any]:
    """A list that holds itself."""
    made: list[Any] = [end]
    made.append(made)
    return made


def deep(end: Any, levels: int = 5_000) -> Any:
    """A value ``levels`` lists deep."""
    for _ in range(levels):
        end = [end]
    return end


SAME = {
    "an object that compares with nothing": lambda: output(Unequal()),
    "an object that is an array": lambda: output(Arraylike(1.0, 2.0)),
    "a cyclic list": lambda: output(cyclic(1)),
    "an object without a form": lambda: output(object()),
    "a mapping that fails": lambda: [Refusing()],
    "no mapping at all": lambda: ["text", 7, None, b"bytes", ValueError("the end")],
    "an empty event": lambda: [{}],
    "an event without a run": lambda: [{"event": "on_chain_start", "name": "x", "data": {}}],
    "an event of an unknown name": lambda: [event(event="on_something_else")],
    "a name that is no text": lambda: [event(event=7, name=["x"], run_id={"a": 1})],
    "tags that are no list": lambda: [event(tags="one"), event(tags=None), event(tags=[Unequal()])],
    "metadata that fail": lambda: [event(metadata=Refusing()), event(metadata=Unequal())],
    "parents that are no list": lambda: [event(parent_ids="one"), event(parent_ids=7), event(parent_ids=[[]])],
    "a run below itself": lambda: [event(parent_ids=[ROOT])],
    "runs below each other": lambda: [event(run_id="a", parent_ids=["b"]), event(run_id="b", parent_ids=["a"])],
    "data that are no mapping": lambda: [event(data=7), event(data=[1]), event(event="on_chain_stream", data="x")],
    "keys that are no text": lambda: [event(data={1: 2, (3, 4): 5}, extra={None: 1})],
    "chunks with such keys": lambda: [event(event="on_chain_stream", data={"chunk": {1: 2, Arraylike: 3}})],
    "lone surrogates": lambda: [event(name="\ud800", data={"output": "\udfff"})],
    "a huge text": lambda: output("x" * 5_000_000),
    "only the end of a run": lambda: [event(), event(), event(event="on_chain_start")],
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME.keys())
def test_whatever_comes_is_the_same_as_itself(make: Any) -> None:
    """Two recordings of equal odd content are the same, and comparing them raises nothing."""
    comparison = compare_events(make(), make())
    assert (comparison.verdict, comparison.findings) == ("same", ())


@pytest.mark.parametrize("make", SAME.values(), ids=SAME.keys())
def test_whatever_comes_is_another_than_nothing(make: Any) -> None:
    """An odd recording is not the same as an empty one, nor as a well-formed one."""
    assert compare_events(make(), []).verdict != "same"
    assert compare_events([event(name="other")], make()).verdict != "same"


DIFFERENT = {
    "one item of an array": (Arraylike(1.0, 2.0), Arraylike(1.0, 3.0)),
    "a number and a truth value": (1, True),
    "a whole number and a float": (1, 1.0),
    "a number and its text": (1, "1"),
    "nothing and a missing key": ({"a": None}, {}),
    "a tuple and what is in it": (("a",), "a"),
    "the end of a cyclic list": (cyclic(1), cyclic(2)),
    "identifiers that are data": (
        {"type": "Document", "id": "00000000-0000-0000-0000-00000000000a"},
        {"type": "Document", "id": "00000000-0000-0000-0000-00000000000b"},
    ),
    "a word of ours and a missing key": ({"a": "(missing)"}, {}),
    "the end of a huge text": ("x" * 1_000_000, "x" * 999_999 + "y"),
    "texts that look like identifiers of ours": ("#1", "#2"),
}


@pytest.mark.parametrize(("before", "after"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_nothing_is_silently_the_same(before: Any, after: Any) -> None:
    """Values that differ are told apart, however alike they are."""
    comparison = compare_events(output(before), output(after))
    assert [finding.kind for finding in comparison.findings] == ["output_changed"]


def test_what_is_too_deep_is_said_to_be() -> None:
    """Below the depth to which values are written nothing is compared, and a finding says so."""
    comparison = compare_events(output(deep(1)), output(deep(2)))
    assert [finding.kind for finding in comparison.findings] == ["value_unreadable"]


def test_a_field_that_is_missing_is_not_a_field_that_is_empty() -> None:
    """An event without tags, metadata or data differs from one whose are empty."""
    for field in ("tags", "metadata", "data", "name"):
        lacking = event()
        del lacking[field]
        assert compare_events([event(**{field: None} if field == "data" else {})], [lacking]).verdict != "same", field


def test_thousands_of_nested_runs_are_no_recursion() -> None:
    """A tree as deep as a recording can make it is read, matched and compared."""

    def chain(leaf: str) -> list[Any]:
        ids = [f"run {n}" for n in range(1_500)]
        last = event(run_id="leaf", name=leaf, parent_ids=ids[-1:])
        return [*(event(run_id=one, parent_ids=ids[max(0, n - 1) : n]) for n, one in enumerate(ids)), last]

    assert compare_events(chain("a"), chain("a")).verdict == "same"
    assert [finding.kind for finding in compare_events(chain("a"), chain("b")).findings] == ["run_renamed"]


def test_an_empty_recording_is_the_same_as_another() -> None:
    """No events on either side are no difference."""
    assert compare_events([], []) == Comparison()

"""No false alarm and no miss: random programs against themselves, and against recordings with one fault in them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from operator import add
from typing import Annotated, Any, Literal, TypedDict

import pytest

from lcel_compat.compare import acompare, compare_events
from tests.compat.compare.faults import FAULTS, seeded
from tests.compat.compare.programs import Maker, record
from tests.support.plugin import count

FAST, SLOW, SOAK = range(4), range(1_000, 1_030, 10), range(2_000, 2_500)


async def check_itself(seeds: range, version: Literal["v1", "v2"] = "v2") -> None:
    """Two runs of each program compare as the same."""
    for seed in seeds:
        maker = Maker(seed)
        program = maker.program()
        count("programs compared with themselves", maker.shape)
        comparison = compare_events(*[await record(program, "hello", version) for _ in range(2)])
        assert (comparison.verdict, comparison.findings) == ("same", ()), f"seed {seed}: {maker.shape}"


async def check_faults(seeds: range, version: Literal["v1", "v2"] = "v2") -> None:
    """Every fault at its place gives one kind of finding, at its run, and no other."""
    for seed in seeds:
        maker = Maker(seed)
        program = maker.program()
        before, after = [await record(program, "hello", version) for _ in range(2)]
        for name, fault in seeded(after, seed):
            count("seeded faults", (name, maker.shape))
            found = {(one.kind, one.run) for one in compare_events(before, fault.events).findings}
            assert len(found) == 1, f"seed {seed}, {name}: {found}"
            ((kind, run),) = found
            assert kind in fault.kinds, f"seed {seed}, {name}"
            assert run == fault.run, f"seed {seed}, {name}"


async def test_a_program_is_the_same_as_itself() -> None:
    """Whatever races inside a program, a recording of it is the same as another."""
    await check_itself(FAST)


async def test_a_program_is_the_same_as_itself_in_version_1() -> None:
    """The same holds for events of version 1, which do not say what lies below what."""
    await check_itself(FAST, "v1")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 50))
async def test_200_programs_are_the_same_as_themselves(first: int) -> None:
    """Of 200 random programs none gives a false alarm."""
    await check_itself(range(first, first + 50))


async def test_every_seeded_fault_is_found() -> None:
    """A fault at a random place is found: the right kind, at the right run, and nothing else."""
    await check_faults(FAST)


async def test_every_seeded_fault_is_found_in_version_1() -> None:
    """The same for recordings of version 1, as far as they have a place for it."""
    await check_faults(range(4), "v1")


@pytest.mark.slow
@pytest.mark.parametrize("first", SLOW)
async def test_every_fault_seeded_into_many_programs_is_found(first: int) -> None:
    """The same for hundreds of faults more; `make soak` seeds ten thousand."""
    await check_faults(range(first, first + 10))


@pytest.mark.soak
@pytest.mark.timeout(1_800)
async def test_every_fault_seeded_into_hundreds_of_programs_is_found() -> None:
    """The same for more than ten thousand faults."""
    await check_faults(SOAK)


async def test_every_kind_of_fault_was_seeded() -> None:
    """No fault passes because no program has a place for it."""
    seen: set[str] = set()
    for seed in range(40):
        events = await record(Maker(seed).program(), "hello")
        seen |= {name for name, _ in seeded(events, seed)}
        if len(seen) == len(FAULTS):
            break
    assert seen == {fault.__name__ for fault in FAULTS}


async def test_a_program_run_against_itself_has_neither_findings_nor_noise() -> None:
    """`acompare` of a program with itself: nothing found, and nothing that flaps."""
    for seed in range(5):
        program = Maker(seed).program()
        comparison = await acompare(program, program, ["hello", "again"], repeats=1)
        assert (comparison.findings, comparison.noise) == ((), ()), f"seed {seed}"


@pytest.mark.langgraph
async def test_parallel_nodes_of_langgraph_give_no_false_alarm() -> None:
    """Nodes of one superstep and tasks sent by `Send` race in what they emit, and so do the root's chunks."""
    graph = _fan_out()
    versions: tuple[Literal["v1", "v2"], ...] = ("v1", "v2")
    for version in versions:
        for _ in range(10):
            recordings = [await record(graph, {"x": 3}, version) for _ in range(2)]
            assert compare_events(*recordings).findings == (), version


class Found(TypedDict, total=False):
    """What the racing nodes read and write."""

    x: int
    found: Annotated[list[str], add]


def _racing(name: str) -> Callable[[Found], Found]:
    def node(state: Found) -> Found:
        time.sleep(random.random() / 500)
        return {"found": [f"{name} {state['x']}"]}

    return node


def _fan_out() -> Any:
    """A graph of LangGraph: three branches at once, one of which is sent three times, in threads that race."""
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send

    builder: Any = StateGraph(Found)
    for name in ("a", "b", "sent"):
        builder.add_node(name, _racing(name))
        builder.add_edge(name, END)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    builder.add_conditional_edges(START, lambda state: [Send("sent", {"x": n}) for n in range(3)], ["sent"])
    return builder.compile()

"""Checkpoints and items in the server's database are what LangGraph's own savers keep."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.base import BaseStore, GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.sqlite.aio import AsyncSqliteStore

from lcel_adapters.serve._storage import Database, open_savers


@pytest.fixture
async def savers(opened: Database) -> tuple[BaseCheckpointSaver[Any], BaseStore]:
    """The checkpointer and the store of a database of each kind."""
    return await open_savers(opened)


@pytest.fixture
def saver(savers: tuple[BaseCheckpointSaver[Any], BaseStore]) -> BaseCheckpointSaver[Any]:
    """The checkpointer."""
    return savers[0]


@pytest.fixture
def store(savers: tuple[BaseCheckpointSaver[Any], BaseStore]) -> BaseStore:
    """The store."""
    return savers[1]


# What is asked of a saver, and what it answers ---------------------------------------------------------


class Put(NamedTuple):
    """A checkpoint, made on another of the same namespace or on none."""

    thread: str
    namespace: str
    parent: int | None
    values: dict[str, Any]
    metadata: dict[str, Any]


class Writes(NamedTuple):
    """Writes of a task on a checkpoint."""

    number: int
    task: str
    path: str
    writes: list[tuple[str, Any]]


class Delete(NamedTuple):
    """A thread's end."""

    thread: str


THREADS = st.sampled_from(["1", "2"])
NAMESPACES = st.sampled_from(["", "child:1", "child:1|deep"])
VALUES = st.sampled_from([1, None, "text", {"a": [1, {"b": 2}]}, AIMessage(content="hi", id="m"), b"\0bytes", (1, 2)])
METADATA = st.fixed_dictionaries(
    {"source": st.sampled_from(["input", "loop", "update"]), "step": st.integers(-1, 9), "parents": st.just({})},
    optional={"run_id": st.sampled_from(["r", "s"]), "note": st.sampled_from(["ü", "a\0b"])},
)
CHANNELS = st.sampled_from(["x", "y", ERROR, INTERRUPT])
OPERATIONS = st.lists(
    st.builds(
        Put,
        THREADS,
        NAMESPACES,
        st.none() | st.integers(0, 9),
        st.dictionaries(st.sampled_from("xy"), VALUES),
        METADATA,
    )
    | st.builds(
        Writes,
        st.integers(0, 9),
        st.sampled_from(["t", "u"]),
        st.sampled_from(["", "~1"]),
        st.lists(st.tuples(CHANNELS, VALUES), min_size=1, max_size=3),
    )
    | st.builds(Delete, THREADS),
    max_size=12,
)


def checkpoint(number: int, values: dict[str, Any]) -> Any:
    """A checkpoint whose id says when it was made."""
    made = empty_checkpoint()
    versions = dict.fromkeys(values, f"{number:032}.0")
    return {**made, "id": f"{number:08}", "channel_values": values, "channel_versions": versions, "ts": "now"}


async def play(saver: BaseCheckpointSaver[Any], operations: list[Any], *, in_threads: bool = False) -> list[Any]:
    """Do what is asked, and tell everything that can be read afterwards."""

    async def call(name: str, *args: Any) -> Any:
        if in_threads:
            return await asyncio.to_thread(getattr(saver, name), *args)
        return await getattr(saver, f"a{name}")(*args)

    made: list[Any] = []
    for operation in operations:
        match operation:
            case Put(thread, namespace, parent, values, metadata):
                place: dict[str, Any] = {"thread_id": thread, "checkpoint_ns": namespace}
                if parent is not None and parent < len(made):
                    place["checkpoint_id"] = made[parent]["configurable"]["checkpoint_id"]
                saved = checkpoint(len(made), values)
                made.append(await call("put", {"configurable": place}, saved, metadata, saved["channel_versions"]))
            case Writes(number, task, path, writes) if made:
                await call("put_writes", made[number % len(made)], writes, task, path)
            case Delete(thread):
                await call("delete_thread", thread)
    return [made, [await call("get_tuple", config) for config in made], *[await _listed(saver, a) for a in _ASKED]]


_ASKED: list[dict[str, Any]] = [
    {"config": None},
    {"config": None, "limit": 3},
    {"config": None, "filter": {"source": "loop"}},
    {"config": {"configurable": {"thread_id": "1"}}},
    {"config": {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}, "limit": 2},
    {"config": {"configurable": {"thread_id": "2", "checkpoint_ns": "child:1"}}, "filter": {"step": 1}},
    {
        "config": {"configurable": {"thread_id": "1", "checkpoint_ns": ""}},
        "before": {"configurable": {"checkpoint_id": "00000004"}},
    },
]


async def _listed(saver: BaseCheckpointSaver[Any], asked: dict[str, Any]) -> list[Any]:
    config, rest = asked["config"], {key: value for key, value in asked.items() if key != "config"}
    return [item async for item in saver.alist(config, **rest)]


@pytest.mark.slow
@pytest.mark.parametrize("in_threads", [False, True], ids=["async", "sync"])
@given(operations=OPERATIONS)
async def test_a_sqlite_saver_keeps_what_langgraphs_keeps(
    tmp_path_factory: pytest.TempPathFactory, operations: list[Any], in_threads: bool
) -> None:
    """For generated puts, writes and deletions, every checkpoint, write and list is that of ``AsyncSqliteSaver``."""
    folder = tmp_path_factory.mktemp("saver")
    database = await Database.open(f"sqlite:///{folder / 'served.db'}")
    ours, _ = await open_savers(database)
    async with AsyncSqliteSaver.from_conn_string(str(folder / "theirs.db")) as theirs:
        await theirs.setup()
        assert await play(ours, operations, in_threads=in_threads) == await play(theirs, operations)
    await database.close()


async def _filled(saver: BaseCheckpointSaver[Any], count: int, *, thread: str = "1", run: str = "r") -> list[Any]:
    """A thread with that many checkpoints, one on the other, with a write on each."""
    config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    made = []
    for number in range(count):
        saved = checkpoint(number, {"x": [number]})
        metadata: Any = {"source": "loop", "step": number, "parents": {}, "run_id": run}
        config = await saver.aput(config, saved, metadata, saved["channel_versions"])
        await saver.aput_writes(config, [("x", number)], "task")
        made.append(config)
    return made


def _ids(found: list[Any]) -> list[int]:
    return [int(one.checkpoint["id"]) for one in found]


async def _all(saver: BaseCheckpointSaver[Any], thread: str, **asked: Any) -> list[Any]:
    config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    return [item async for item in saver.alist(config, **asked)]


@pytest.mark.parametrize("limit", [None, 0, 1, 63, 64, 65, 128, 200])
async def test_a_long_history_is_read_in_pages(saver: BaseCheckpointSaver[Any], limit: int | None) -> None:
    """However many are asked for, each is given once, the newest first."""
    await _filled(saver, 130)
    expected = list(range(130))[::-1]
    assert _ids(await _all(saver, "1", limit=limit)) == expected[: 130 if limit is None else limit]


async def test_a_copied_thread_lives_by_itself(saver: BaseCheckpointSaver[Any]) -> None:
    """The copy has all checkpoints and writes, and stays when the original goes."""
    await _filled(saver, 3)
    await saver.acopy_thread("1", "2")
    original, copied = await _all(saver, "1"), await _all(saver, "2")
    assert [(one.checkpoint, one.metadata, one.pending_writes) for one in copied] == [
        (one.checkpoint, one.metadata, one.pending_writes) for one in original
    ]
    await saver.adelete_thread("1")
    assert await _all(saver, "1") == []
    assert len(await _all(saver, "2")) == 3


async def test_a_pruned_thread_keeps_its_newest_state(saver: BaseCheckpointSaver[Any]) -> None:
    """``keep_latest`` leaves one checkpoint, with its writes and without a parent; other threads are left alone."""
    await _filled(saver, 5)
    await _filled(saver, 2, thread="2")
    await saver.aprune(["1"])
    (left,) = await _all(saver, "1")
    assert (_ids([left]), left.checkpoint["channel_values"], left.parent_config) == ([4], {"x": [4]}, None)
    assert left.pending_writes == [("task", "x", 4)]
    assert len(await _all(saver, "2")) == 2


async def test_pruning_keeps_graphs_inside_that_wait(saver: BaseCheckpointSaver[Any]) -> None:
    """A subgraph's state stays as long as the checkpoint that it ran in is the newest."""
    root = await _filled(saver, 2)
    for number, parent in ((10, root[0]), (11, root[1])):
        saved = checkpoint(number, {"x": number})
        place: Any = {"configurable": {"thread_id": "1", "checkpoint_ns": f"child:{number}"}}
        metadata: Any = {
            "source": "loop",
            "step": 0,
            "parents": {"": parent["configurable"]["checkpoint_id"]},
        }
        await saver.aput(place, saved, metadata, saved["channel_versions"])
    await saver.aprune(["1"])
    left = {one.config["configurable"]["checkpoint_ns"] for one in await _listed(saver, _ASKED[3])}
    assert left == {"", "child:11"}


async def test_pruned_away_is_gone(saver: BaseCheckpointSaver[Any]) -> None:
    """``delete`` leaves nothing; an unknown strategy does nothing and is told."""
    await _filled(saver, 3)
    with pytest.raises(ValueError, match="other"):
        await saver.aprune(["1"], strategy="other")
    assert len(await _all(saver, "1")) == 3
    await saver.aprune(["1"], strategy="delete")
    assert await _all(saver, "1") == []


async def test_the_checkpoints_of_a_run_can_be_deleted(saver: BaseCheckpointSaver[Any]) -> None:
    """Those that a run made go, with their writes; in one thread only, if one is named."""
    await _filled(saver, 2, run="kept")
    config = (await _all(saver, "1"))[0].config
    saved = checkpoint(7, {"x": 7})
    metadata: Any = {"source": "loop", "step": 2, "parents": {}, "run_id": "gone"}
    last = await saver.aput(config, saved, metadata, saved["channel_versions"])
    await saver.aput_writes(last, [("x", 7)], "task")
    await saver.acopy_thread("1", "2")
    await saver.adelete_for_runs(["gone", "never"], thread_id="1")  # type: ignore[call-arg]  # ours are told the thread
    assert (_ids(await _all(saver, "1")), _ids(await _all(saver, "2"))) == ([1, 0], [7, 1, 0])
    await saver.adelete_for_runs(["gone"])
    assert _ids(await _all(saver, "2")) == [1, 0]


async def test_what_is_saved_is_what_it_was_then(saver: BaseCheckpointSaver[Any]) -> None:
    """A value that is changed after the call is saved as it was: on SQLite, whatever waits before it."""
    value = ["before"]
    saved = checkpoint(1, {"x": value})
    place: Any = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
    metadata: Any = {"source": "loop", "step": 0, "parents": {}}
    task = asyncio.create_task(saver.aput(place, saved, metadata, saved["channel_versions"]))
    await task
    value.append("after")
    (found,) = await _all(saver, "1")
    assert found.checkpoint["channel_values"] == {"x": ["before"]}


# Items ------------------------------------------------------------------------------------------------

SPACES = st.sampled_from([("a",), ("a", "b"), ("a", "b", "c"), ("d", "b")])
KEYS = st.sampled_from(["k", "l"])
ITEMS: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{"v": 1}, {"v": "text", "w": [1]}, {}])
BATCHES = st.lists(
    st.lists(
        st.tuples(SPACES, KEYS, ITEMS | st.none()).map(lambda asked: PutOp(*asked))
        | st.tuples(SPACES, KEYS).map(lambda asked: GetOp(*asked))
        | st.tuples(SPACES | st.just(()), st.none() | st.just({"v": 1})).map(lambda asked: SearchOp(*asked)),
        min_size=1,
        max_size=4,
    ),
    max_size=6,
)
SPACES_ASKED = [
    ListNamespacesOp(),
    ListNamespacesOp(max_depth=1),
    ListNamespacesOp((MatchCondition("prefix", ("a", "*")),)),
    ListNamespacesOp((MatchCondition("suffix", ("b",)),), limit=1),
]


def _plain(results: list[Any]) -> list[Any]:
    """What a batch found, without times; searches in no order, as times of one second have none."""
    return [sorted(map(repr, map(_item, one))) if isinstance(one, list) else one and _item(one) for one in results]


def _item(item: Any) -> Any:
    return item if isinstance(item, tuple) else (item.namespace, item.key, item.value)


@pytest.mark.slow
@given(batches=BATCHES)
async def test_a_sqlite_store_keeps_what_langgraphs_keeps(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Any]]
) -> None:
    """For generated batches, every answer is that of ``AsyncSqliteStore``."""
    folder = tmp_path_factory.mktemp("store")
    database = await Database.open(f"sqlite:///{folder / 'served.db'}")
    _, ours = await open_savers(database)
    async with AsyncSqliteStore.from_conn_string(str(folder / "theirs.db")) as theirs:
        await theirs.setup()
        for batch in [*batches, SPACES_ASKED]:
            assert _plain(await ours.abatch(batch)) == _plain(await theirs.abatch(batch))
    await database.close()


async def test_items_can_be_had_from_threads(store: BaseStore) -> None:
    """A node that is a plain function uses the store without awaiting."""
    await asyncio.to_thread(store.put, ("a",), "k", {"v": 1})
    item = await asyncio.to_thread(store.get, ("a",), "k")
    assert item is not None
    assert item.value == {"v": 1}
    assert [found.key for found in await asyncio.to_thread(store.search, ("a",))] == ["k"]
    assert await asyncio.to_thread(store.list_namespaces) == [("a",)]
    await asyncio.to_thread(store.delete, ("a",), "k")
    assert await store.aget(("a",), "k") is None


@pytest.mark.slow
async def test_an_item_ends_with_its_life(opened: Database) -> None:
    """Once its minutes are over an item is not found, by whoever opens the store."""
    _, store = await open_savers(opened)
    await store.aput(("a",), "short", {}, ttl=0.0005)
    await store.aput(("a",), "long", {}, ttl=5)
    await asyncio.sleep(1.1)
    _, later = await open_savers(opened)
    assert [item.key for item in await later.asearch(("a",))] == ["long"]


# Engines ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["ours", pytest.param("langgraph", marks=pytest.mark.langgraph)])
def library(request: pytest.FixtureRequest) -> Any:
    """Our engine and LangGraph."""
    from tests.support.engines import LANGGRAPH, OURS

    return OURS if request.param == "ours" else LANGGRAPH


async def test_graphs_of_both_engines_run_on_them(
    library: Any, savers: tuple[BaseCheckpointSaver[Any], BaseStore]
) -> None:
    """A graph is interrupted, looked at and resumed, sync and async, on the server's checkpointer."""
    from lcel_compat.types import Command as OurCommand

    def ask(state: dict[str, Any]) -> dict[str, Any]:
        return {"answer": library.interrupt("really?")}

    builder = library.StateGraph(dict)
    builder.add_node("ask", ask)
    builder.add_edge(library.START, "ask")
    graph = builder.compile(checkpointer=savers[0], store=savers[1])
    for thread in ("async", "sync"):
        config: Any = {"configurable": {"thread_id": thread}}
        command: Any = OurCommand(resume="yes")
        if library.name != "lcel_compat":
            from langgraph.types import Command

            command = Command(resume="yes")
        if thread == "async":
            await graph.ainvoke({"question": 1}, config)
            assert [task.interrupts[0].value for task in (await graph.aget_state(config)).tasks] == ["really?"]
            assert (await graph.ainvoke(command, config))["answer"] == "yes"
        else:
            await asyncio.to_thread(graph.invoke, {"question": 1}, config)
            assert (await asyncio.to_thread(graph.get_state, config)).next == ("ask",)
            assert (await asyncio.to_thread(graph.invoke, command, config))["answer"] == "yes"
    assert len([state async for state in graph.aget_state_history({"configurable": {"thread_id": "sync"}})]) == 3


async def test_a_saver_may_be_told_which_classes_it_reads(saver: BaseCheckpointSaver[Any]) -> None:
    """The copy that LangGraph makes of a saver to restrict it reads and writes the same rows."""
    copy = saver.with_allowlist([("somewhere", "Something")])
    await _filled(copy, 2)
    assert _ids(await _all(saver, "1")) == [1, 0]

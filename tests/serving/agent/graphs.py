"""The graphs that are served: those of the transcripts, built with any library of LangGraph's signatures."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from langchain_core.callbacks import adispatch_custom_event
from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from tests.serving.agent.models import FakeToolCaller, add, qa_chain

Update = dict[str, Any]


# Of `qa`. The states have comments and no docstrings: those would be in the schemas, and the originals have none.
class QAState(TypedDict, total=False):
    question: str
    answer: str


# Of most graphs: a number, and what the nodes did.
class NState(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


# Of `fan`.
class FState(TypedDict, total=False):
    items: list[int]
    out: Annotated[list[int], operator.add]


# The context of `ctx`.
class Ctx(TypedDict, total=False):
    who: str


class MyErr(Exception):
    """An exception whose text no client may see."""


def build(api: Any, *, tick: float = 0.5) -> dict[str, Any]:
    """All graphs by name, compiled.

    Args:
        api: Has ``StateGraph``, ``START``, ``END``, ``MessagesState``, ``Send``, ``interrupt`` and
            ``get_stream_writer``: a ``tests.support.engines.Library``.
        tick: Seconds between two ticks of ``slow``.
    """
    return {
        "qa": _line(api, QAState, {"answer": _answer}).compile(name="qa"),
        "custom": _line(api, NState, {"work": _work(api)}).compile(name="custom"),
        "sub": _sub(api),
        "human": _line(api, NState, {"prep": _logs("prep"), "ask": _ask(api), "fin": _logs("fin")}).compile(
            name="human"
        ),
        "err": _line(api, NState, {"ok1": _logs("ok1"), "boom": _boom}).compile(name="err"),
        "chat": _chat(api),
        "slow": _line(api, NState, {"pre": _logs("pre"), "slow": _slow(api, tick)}).compile(name="slow"),
        "quiet": _line(api, NState, {"quiet": _quiet}).compile(name="quiet"),
        "trivial": _line(api, NState, {"t": _logs("t")}).compile(name="trivial"),
        "fan": _fan(api),
        "twoint": _twoint(api),
        "ctx": _line(api, NState, {"c": _who}, context_schema=Ctx).compile(name="ctx"),
    }


def _line(api: Any, state: type, nodes: Mapping[str, Any], **options: Any) -> Any:
    # No edge to the end: the graphs of the transcripts have none either, except `qa` and `custom`, where it is drawn.
    graph = api.StateGraph(state, **options)
    before = api.START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    if before in ("answer", "work"):
        graph.add_edge(before, api.END)
    return graph


def _logs(word: str) -> Callable[[NState], Update]:
    return lambda state: {"log": [word]}


async def _answer(state: QAState, config: RunnableConfig) -> Update:
    return {"answer": await qa_chain().ainvoke({"question": state["question"]}, config)}


def _work(api: Any) -> Any:
    async def work(state: NState, config: RunnableConfig) -> Update:
        write = api.get_stream_writer()
        write({"progress": 1, "of": 2})
        write("just a string")
        await adispatch_custom_event("my_event", {"x": 1}, config=config)
        write({"progress": 2, "of": 2})
        return {"log": ["custom"]}

    return work


def _sub(api: Any) -> Any:
    def inner_a(state: NState) -> Update:
        api.get_stream_writer()({"from": "inner_a"})
        return {"log": ["inner_a"]}

    async def inner_b(state: NState, config: RunnableConfig) -> Update:
        return {"log": ["inner_b:" + await qa_chain().ainvoke({"question": "q"}, config)]}

    inner = _line(api, NState, {"inner_a": inner_a, "inner_b": inner_b}).compile(name="inner")
    outer = {"before": _logs("before"), "child": inner, "after": _logs("after")}
    return _line(api, NState, outer).compile(name="sub")


def _ask(api: Any) -> Any:
    def ask(state: NState) -> Update:
        answer = api.interrupt({"question": "approve?", "n": state.get("n")})
        return {"log": [f"answered:{answer}"]}

    return ask


def _boom(state: NState) -> Update:
    faults = {1: MyErr("secret custom error text"), 2: KeyError("missing")}
    raise faults.get(state.get("n", 0), ValueError("boom: bad value"))


def _chat(api: Any) -> Any:
    async def model(state: Update, config: RunnableConfig) -> Update:
        return {"messages": [await FakeToolCaller().ainvoke(state["messages"], config)]}

    async def tools(state: Update, config: RunnableConfig) -> Update:
        return {"messages": [await add.ainvoke(call, config) for call in state["messages"][-1].tool_calls]}

    graph = api.StateGraph(api.MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", tools)
    graph.add_edge(api.START, "model")
    # A lambda: events name the run of the choice after the function.
    choose = lambda state: "tools" if state["messages"][-1].tool_calls else api.END  # noqa: E731
    graph.add_conditional_edges("model", choose, ["tools", api.END])
    graph.add_edge("tools", "model")
    return graph.compile(name="chat")


def _slow(api: Any, tick: float) -> Any:
    async def slow(state: NState) -> Update:
        write, count = api.get_stream_writer(), state.get("n", 5)
        for number in range(count):
            write({"tick": number})
            await asyncio.sleep(tick)
        return {"log": [f"slow{count}"]}

    return slow


async def _quiet(state: NState) -> Update:
    await asyncio.sleep(state.get("n", 12))
    return {"log": ["quiet"]}


def _fan(api: Any) -> Any:
    graph = api.StateGraph(FState)
    graph.add_node("w", lambda state: {"out": [state["x"] * 10]})
    spread = lambda state: [api.Send("w", {"x": item}) for item in state.get("items", [])]  # noqa: E731
    graph.add_conditional_edges(api.START, spread, ["w"])
    return graph.compile(name="fan")


def _twoint(api: Any) -> Any:
    graph = api.StateGraph(NState)
    graph.add_node("a", lambda state: {"log": ["a:" + str(api.interrupt("qa"))]})
    graph.add_node("b", lambda state: {"log": ["b:" + str(api.interrupt("qb"))]})
    graph.add_edge(api.START, "a")
    graph.add_edge(api.START, "b")
    return graph.compile(name="twoint")


def _who(state: NState, runtime: Any, config: RunnableConfig) -> Update:
    context, configurable = runtime.context or {}, config["configurable"]
    return {"log": [f"who={context.get('who')}", f"conf={configurable.get('who')}"]}

"""Policies, defaults and compile options, as somebody moving from LangGraph writes them."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from lcel_compat import START, CompiledStateGraph, StateGraph
from lcel_compat.errors import NodeError
from lcel_compat.managed import IsLastStep, RemainingSteps
from lcel_compat.policies import retry_after
from lcel_compat.types import CachePolicy, RetryPolicy, TimeoutPolicy


class State(TypedDict, total=False):
    topic: str
    last: IsLastStep
    left: RemainingSteps


class Context(TypedDict):
    user: str


async def ask(state: State) -> State:
    if state.get("last") or state.get("left", 0) < 2:
        return {"topic": "end"}
    return {"topic": "go on"}


def rescue(state: State, error: NodeError) -> State:
    return {"topic": f"{error.node}: {error.error}"}


def key(state: State) -> str:
    return state.get("topic", "")


def transient(error: Exception) -> bool:
    return "busy" in str(error)


builder = StateGraph(State, Context)
builder.set_node_defaults(
    retry_policy=RetryPolicy(), cache_policy=CachePolicy(ttl=60), timeout=30, error_handler=rescue
)
builder.add_node("one", ask, retry_policy=RetryPolicy(max_attempts=5, retry_on=transient), timeout=2.5)
builder.add_node("two", ask, retry_policy=[RetryPolicy(retry_on=KeyError), RetryPolicy(retry_on=(OSError, KeyError))])
builder.add_node("three", ask, timeout=timedelta(minutes=1), cache_policy=CachePolicy(key_func=key))
builder.add_node("four", ask, timeout=TimeoutPolicy(idle_timeout=3, refresh_on="heartbeat"), error_handler=rescue)
builder.add_edge(START, "one")

compiled: CompiledStateGraph = builder.compile(
    InMemorySaver(),
    store=InMemoryStore(),
    interrupt_before=["two"],
    interrupt_after="*",
    debug=False,
)
inherits: CompiledStateGraph = builder.compile(True)
given = builder.nodes["one"].options.retry_policy
seconds: float | None = retry_after((RetryPolicy(),), OSError(), 1, lambda: 0.5)

"""Graphs and chains that every engine can run, and the passes over them that are timed."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any, Final, TypedDict

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig

Graph = Runnable[Any, Any]
AsyncPass = Callable[[], Coroutine[Any, Any, int]]
SyncPass = Callable[[], int]

QUESTION: Final = {"question": "What is a superstep?"}
ZERO: Final = {"count": 0}
# Given with every call: LangGraph's astream_events forgets a limit that was set by with_config.
CONFIG: Final = RunnableConfig(recursion_limit=2_000)


class Count(TypedDict):
    """The state of the counting graphs: how many nodes have run."""

    count: Annotated[int, operator.add]


class Answer(TypedDict, total=False):
    """The state of the token graphs."""

    question: str
    answer: str


Modes = str | list[str]
Node = Callable[[Answer, RunnableConfig], Coroutine[Any, Any, Answer]] | Runnable[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine under test: any module with LangGraph's `StateGraph`, `START` and `END`.

    `others` are modules with the rest of LangGraph's names, where `module` has not got them all.
    """

    name: str
    module: str
    others: tuple[str, ...] = ()

    def builder(self, state: type) -> Any:
        """A new `StateGraph(state)` of this engine."""
        return self.load("StateGraph")(state)

    def load(self, name: str) -> Any:
        """The public name of one of the engine's modules."""
        for module in map(import_module, (self.module, *self.others)):
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"{self.name} has no {name!r} in {self.module}")


LANGGRAPH: Final = Engine(name="LangGraph", module="langgraph.graph", others=("langgraph.types", "langgraph.config"))
LCEL_COMPAT: Final = Engine(name="lcel-compat", module="lcel_compat")


async def _count(state: Count) -> Count:
    return {"count": 1}


def _count_sync(state: Count) -> Count:
    return {"count": 1}


def line(engine: Engine, nodes: int, *, sync: bool = False) -> Graph:
    """A graph of `nodes` function nodes in a row; its final `count` is `nodes`."""
    builder = engine.builder(Count)
    names = [f"n{number}" for number in range(nodes)]
    for name in names:
        builder.add_node(name, _count_sync if sync else _count)
    ends = [engine.load("START"), *names, engine.load("END")]
    for before, after in pairwise(ends):
        builder.add_edge(before, after)
    compiled: Graph = builder.compile()
    return compiled


def fan_out(engine: Engine, width: int) -> Graph:
    """`width` async nodes side by side, then one that waits for them all."""
    builder = engine.builder(Count)
    names = [f"n{number}" for number in range(width)]
    for name in names:
        builder.add_node(name, _count)
        builder.add_edge(engine.load("START"), name)
    builder.add_node("join", _count)
    builder.add_edge(names, "join")
    builder.add_edge("join", engine.load("END"))
    compiled: Graph = builder.compile()
    return compiled


class TokenModel(BaseChatModel):
    """A chat model that really streams: `tokens` chunks, giving way to the loop before each.

    `produced` counts the chunks made since the model was built, for measuring how far a producer
    runs ahead of its reader.
    """

    tokens: int
    produced: int = 0

    @property
    def _llm_type(self) -> str:
        return "benchmark-tokens"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = AIMessage("token " * self.tokens)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for _ in range(self.tokens):
            yield self._chunk()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for _ in range(self.tokens):
            # A provider awaits its socket here; without it no reader ever gets a turn.
            await asyncio.sleep(0)
            yield self._chunk()

    def _chunk(self) -> ChatGenerationChunk:
        self.produced += 1
        return ChatGenerationChunk(message=AIMessageChunk(content="token "))


def token_chain(model: TokenModel) -> Runnable[Any, str]:
    """`prompt | model | parser`."""
    return ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()


def called(chain: Runnable[Any, str]) -> Node:
    """The chain inside a function node, as LangGraph's users write it."""

    async def answer(state: Answer, config: RunnableConfig) -> Answer:
        return {"answer": await chain.ainvoke(state, config)}

    return answer


def adapted(chain: Runnable[Any, str]) -> Node:
    """The chain as a streaming node (`lcel_adapters.as_node`), which either engine takes."""
    node: Runnable[Any, Any] = import_module("lcel_adapters").as_node(chain, output="answer")
    return node


def one_node(engine: Engine, node: Node) -> Graph:
    """A graph over `Answer` whose only node is `node`."""
    builder = engine.builder(Answer)
    builder.add_node("answer", node)
    builder.add_edge(engine.load("START"), "answer")
    builder.add_edge("answer", engine.load("END"))
    compiled: Graph = builder.compile()
    return compiled


def ainvoked(graph: Graph) -> AsyncPass:
    """`ainvoke` of a counting graph; delivers the final count."""

    async def run() -> int:
        return int((await graph.ainvoke(ZERO, CONFIG))["count"])

    return run


def invoked(graph: Graph) -> SyncPass:
    """`invoke` of a counting graph; delivers the final count."""
    return lambda: int(graph.invoke(ZERO, CONFIG)["count"])


def astreamed(graph: Graph, modes: Modes, value: object) -> AsyncPass:
    """`astream(value)` in a mode or a list of modes; delivers the number of items."""

    async def run() -> int:
        return sum([1 async for _ in graph.astream(value, CONFIG, stream_mode=modes)])

    return run


def streamed(graph: Graph, modes: Modes) -> SyncPass:
    """`stream` of a counting graph; delivers the number of items."""
    return lambda: sum(1 for _ in graph.stream(ZERO, CONFIG, stream_mode=modes))


def events_of(runnable: Runnable[Any, Any], value: object) -> AsyncPass:
    """`astream_events(value, version="v2")`; delivers the number of events."""

    async def run() -> int:
        return sum([1 async for _ in runnable.astream_events(value, CONFIG, version="v2")])

    return run

"""Programs made at random from a seed: what the comparison is tried on.

Every program maps a text to a text, calls only deterministic parts, and names all of them, so that a recording of it
repeats itself but for what races: branches of parallels, items of batches, nodes of one superstep.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any, Literal, TypedDict

from langchain_core.callbacks import adispatch_custom_event
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from lcel_compat import END, START, StateGraph
from tests.support.models import MULTIPLY, PlainChat, Shelf, StreamingChat, TextModel

Program = Runnable[Any, Any]
WORDS = [
    "a",
    "parrot",
    "repeats",
    "what",
    "it",
    "has",
    "heard",
    "and",
    "a",
    "crow",
    "hides",
    "what",
    "it",
    "has",
    "found",
]


class ProgramFault(Exception):
    """What programs raise that are to fail."""


class Maker:
    """Makes programs from a seed.

    Attributes:
        shape: What was made, in short: two programs of one shape differ in names at most.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._count = 0
        self.shape = ""

    def program(self) -> Program:
        """A sequence of one to three parts, with a name, tags and metadata; one in eight raises at its end."""
        parts = [self.part(depth=2) for _ in range(self._random.randint(1, 3))]
        if self._random.random() < 1 / 8:
            parts.append(RunnableLambda(_fail, name=self._name("fail")))
            self.shape += "!"
        whole = self._say() | parts[0]
        for part in parts[1:]:
            whole = whole | part
        return whole.with_config(run_name="program", tags=["whole"], metadata={"application": "trial"})

    def part(self, depth: int) -> Program:
        """One part: a leaf, or something that holds parts."""
        kinds: list[Callable[[int], Program]] = [self._leaf] if depth == 0 else [self._leaf, *self._composites()]
        made = self._random.choice(kinds)(depth)
        if self._random.random() < 0.3:
            return made.with_config(tags=[self._name("tag")], metadata={self._name("key"): self._random.randrange(9)})
        return made

    def _composites(self) -> list[Callable[[int], Program]]:
        return [self._parallel, self._branch, self._batch, self._retried, self._fallback, self._assigned, self._graph]

    def _leaf(self, depth: int = 0) -> Program:
        return self._random.choice([self._say, self._search, self._multiply, self._notify, self._write, self._plain])()

    def _inner(self, depth: int) -> Program:
        return self.part(depth - 1)

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{what}_{self._count}"

    def _text(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randint(2, 6)))

    def _lambda(self, what: str, function: Callable[..., Any]) -> Program:
        return RunnableLambda(function, name=self._name(what))

    # --- leaves ---

    def _say(self) -> Program:
        self.shape += "s"
        prompt = ChatPromptTemplate.from_messages([("human", "{text}")])
        model = StreamingChat(text=self._text()).with_config(run_name=self._name("model"))
        asked: Program = self._lambda("ask", lambda text: {"text": str(text)[:40]})
        return asked | prompt | model | StrOutputParser(name=self._name("parser"))

    def _plain(self) -> Program:
        self.shape += "p"
        model = PlainChat(text=self._text()).with_config(run_name=self._name("model"))
        return self._lambda("ask", str) | model | StrOutputParser(name=self._name("parser"))

    def _write(self) -> Program:
        self.shape += "w"
        asked: Program = self._lambda("ask", str)
        return asked | TextModel(text=self._text()).with_config(run_name=self._name("llm"))

    def _search(self) -> Program:
        self.shape += "r"
        return Shelf(name=self._name("shelf")) | self._lambda("join", _joined)

    def _multiply(self) -> Program:
        self.shape += "t"
        asked: Program = self._lambda("ask", lambda text: {"a": len(str(text)), "b": 2})
        return asked | MULTIPLY | self._lambda("text", str)

    def _notify(self) -> Program:
        self.shape += "c"
        name = self._name("progress")

        async def notify(text: str, config: RunnableConfig) -> str:
            for step in range(2):
                await adispatch_custom_event(name, {"step": step, "of": len(str(text))}, config=config)
            return str(text)

        return self._lambda("notify", notify)

    # --- what holds parts ---

    def _parallel(self, depth: int) -> Program:
        self.shape += "P("
        branches: dict[str, Any] = {f"branch_{n}": self._inner(depth) for n in range(self._random.randint(2, 3))}
        self.shape += ")"
        both: Program = RunnableParallel(**branches)
        return both | self._lambda("merge", _merged)

    def _assigned(self, depth: int) -> Program:
        self.shape += "A("
        inner = self._inner(depth)
        self.shape += ")"
        asked: Program = self._lambda("ask", lambda text: {"text": text})
        told = RunnablePassthrough.assign(told=self._lambda("pick", lambda state: state["text"]) | inner)
        return asked | told | self._lambda("merge", _merged)

    def _branch(self, depth: int) -> Program:
        self.shape += "B("
        first, second = self._inner(depth), self._inner(depth)
        self.shape += ")"
        return RunnableBranch((RunnableLambda(_is_even, name=self._name("is_even")), first), second)

    def _batch(self, depth: int) -> Program:
        self.shape += "M("
        inner = self._inner(depth)
        self.shape += ")"

        async def batch(text: str, config: RunnableConfig) -> str:
            found = await inner.abatch([f"{text}{n}" for n in range(3)], config)
            return " ".join(map(str, found))

        return self._lambda("batch", batch)

    def _retried(self, depth: int) -> Program:
        self.shape += "R("
        inner, name = self._inner(depth), self._name("flaky")
        self.shape += ")"

        async def retried(text: str, config: RunnableConfig) -> Any:
            tries: list[int] = []

            def flaky(given: str) -> str:
                tries.append(1)
                if len(tries) < 2:
                    raise ProgramFault("try again")
                return given

            again = RunnableLambda(flaky, name=name).with_retry(wait_exponential_jitter=False, stop_after_attempt=3)
            return await (again | inner).ainvoke(text, config)

        return self._lambda("retried", retried)

    def _fallback(self, depth: int) -> Program:
        self.shape += "F("
        inner = self._inner(depth)
        self.shape += ")"
        return self._lambda("fails", _fail).with_fallbacks([inner])

    def _graph(self, depth: int) -> Program:
        self.shape += "G("
        builder = StateGraph(_State)
        for name in ("left", "right"):
            builder.add_node(name, _node(name, self._inner(depth)))
            builder.add_edge(START, name)
        builder.add_node("join", lambda state: {"text": f"{state['left']} {state['right']}"})
        builder.add_edge(["left", "right"], "join")
        builder.add_edge("join", END)
        self.shape += ")"
        graph = builder.compile()

        async def run(text: str, config: RunnableConfig) -> str:
            return str((await graph.ainvoke({"text": text}, config))["text"])

        return self._lambda("graph", run)


class _State(TypedDict, total=False):
    text: str
    left: str
    right: str


def _node(key: str, inner: Program) -> Callable[..., Any]:
    async def node(state: _State, config: RunnableConfig) -> dict[str, str]:
        return {key: str(await inner.ainvoke(state["text"], config))}

    return node


def _fail(text: Any) -> Any:
    raise ProgramFault("this part fails")


def _joined(documents: list[Document]) -> str:
    return "; ".join(document.page_content for document in documents)


def _merged(found: dict[str, Any]) -> str:
    return " | ".join(f"{key}: {found[key]}" for key in sorted(found))


def _is_even(text: Any) -> bool:
    return len(str(text)) % 2 == 0


async def record(program: Program, given: Any, version: Literal["v1", "v2"] = "v2") -> list[Any]:
    """The events of one run, and the exception at their end if it failed."""
    events: list[Any] = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*astream_events.*v1")
        try:
            async for event in program.astream_events(given, version=version):
                events.append(event)
        except ProgramFault as error:
            events.append(error)
    return events

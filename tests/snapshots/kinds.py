"""One runnable of every kind that langchain-core has, with an input for it."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from langchain_core._api import LangChainDeprecationWarning
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.language_models import BaseLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import (
    BaseOutputParser,
    CommaSeparatedListOutputParser,
    JsonOutputParser,
    JsonOutputToolsParser,
    PydanticOutputParser,
    StrOutputParser,
)
from langchain_core.outputs import Generation, LLMResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableWithMessageHistory,
    chain,
)
from langchain_core.tools import Tool
from pydantic import BaseModel

from lcel_adapters import as_node
from lcel_compat import END, START, StateGraph
from tests.support.models import MULTIPLY, PlainChat, Shelf, StreamingChat, TextModel, chat_chain

Make = Callable[[], Any]


class State(TypedDict, total=False):
    """What goes into a runnable, and what comes out."""

    x: Any
    y: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A runnable with an input.

    Attributes:
        at_once: Whether runs in it overlap.
        only: The one colour it has.
        itself: Whether it is a node without ``as_node``.
        blocks: Whether core before 1.0 looks for a function's source file while the loop is running
            (runnables/utils.py, ``get_function_nonlocals``).
    """

    name: str
    make: Make
    value: Any
    at_once: bool = False
    only: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    itself: bool = False
    blocks: bool = False

    def graph(self) -> Any:
        """Return the runnable as the only node of a graph: behind ``as_node``, or ``itself``."""
        builder = StateGraph(State)
        builder.add_node("node", self.make() if self.itself else as_node(self.make(), input="x", output="y"))
        builder.add_edge(START, "node")
        builder.add_edge("node", END)
        return builder.compile()


KINDS: list[Kind] = []


def kind(value: Any, /, **options: Any) -> Callable[[Make], Make]:
    """Add ``make`` to the table under its own name, with an input and the fields of ``Kind``."""

    def add(make: Make) -> Make:
        KINDS.append(Kind(name=make.__name__, make=make, value=value, **options))
        return make

    return add


class PlainText(BaseLLM):
    """A string-in, string-out model that cannot stream."""

    @property
    def _llm_type(self) -> str:
        return "plain-text"

    def _generate(self, prompts: list[str], stop: Any = None, run_manager: Any = None, **kw: Any) -> LLMResult:
        return LLMResult(generations=[[Generation(text=prompt.upper())] for prompt in prompts])


class Shout(BaseOutputParser[str]):
    """A parser of finished text, which does not stream."""

    def parse(self, text: str) -> str:
        return text.upper()


class Colour(BaseModel):
    """What the pydantic parser makes."""

    name: str


def add_one(n: int) -> int:
    """Return the number after ``n``."""
    return n + 1


async def add_two(n: int) -> int:
    """Return the number two after ``n``."""
    return n + 2


def fail(x: Any) -> Any:
    """Raise, whatever the input."""
    raise ValueError(f"no answer for {x!r}")


# Prompts, models, parsers, tools, retrievers ---------------------------------------------------------------


@kind({"word": "hi"})
def prompt() -> Runnable[Any, Any]:
    return PromptTemplate.from_template("Say {word}.")


@kind({"topic": "parrots"})
def chat_prompt() -> Runnable[Any, Any]:
    return ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "On {topic}.")])


@kind("hi")
def chat_model_streaming() -> Runnable[Any, Any]:
    return StreamingChat()


@kind("hi")
def chat_model_calling_a_tool() -> Runnable[Any, Any]:
    return StreamingChat(text="Let me see.", tool_calls=[{"name": "multiply", "args": {"a": 2}, "id": "call-1"}])


@kind("hi")
def chat_model_not_streaming() -> Runnable[Any, Any]:
    return PlainChat()


@kind("hi")
def chat_model_failing() -> Runnable[Any, Any]:
    return StreamingChat(fail_after=2)


@kind("hi")
def text_model_streaming() -> Runnable[Any, Any]:
    return TextModel()


@kind("hi")
def text_model_not_streaming() -> Runnable[Any, Any]:
    return PlainText()


@kind(AIMessage("A parrot."))
def string_parser() -> Runnable[Any, Any]:
    return StrOutputParser()


@kind("hi")
def string_parser_after_a_model() -> Runnable[Any, Any]:
    return StreamingChat() | StrOutputParser()


@kind('{"a": [1, 2]}')
def json_parser() -> Runnable[Any, Any]:
    return JsonOutputParser()


@kind("hi")
def json_parser_after_a_model() -> Runnable[Any, Any]:
    return StreamingChat(text='{"a": [1, 2], "b": "c d"}') | JsonOutputParser()


@kind("hi")
def transforming_parser_after_a_model() -> Runnable[Any, Any]:
    return StreamingChat(text="red, green, blue") | CommaSeparatedListOutputParser()


@kind("hi")
def plain_parser_after_a_model() -> Runnable[Any, Any]:
    return StreamingChat() | Shout()


@kind('{"name": "red"}')
def pydantic_parser() -> Runnable[Any, Any]:
    return PydanticOutputParser(pydantic_object=Colour)


@kind("hi")
def tool_call_parser_after_a_model() -> Runnable[Any, Any]:
    call = {"name": "multiply", "args": {"a": 2}, "id": "call-1"}
    return StreamingChat(text="", tool_calls=[call]) | JsonOutputToolsParser()


@kind({"a": 2, "b": 3})
def tool() -> Runnable[Any, Any]:
    return MULTIPLY


@kind({"name": "multiply", "args": {"a": 2, "b": 3}, "id": "call-1", "type": "tool_call"})
def tool_given_a_call() -> Runnable[Any, Any]:
    return MULTIPLY


@kind("hi")
def tool_of_a_string() -> Runnable[Any, Any]:
    return Tool(name="shout", func=str.upper, description="Says it louder.")


@kind("hi")
def tool_failing() -> Runnable[Any, Any]:
    return Tool(name="fail", func=fail, description="Fails.")


@kind("parrots")
def retriever() -> Runnable[Any, Any]:
    return Shelf()


# Functions -------------------------------------------------------------------------------------------------


@kind(1)
def lambda_sync() -> Runnable[Any, Any]:
    return RunnableLambda(add_one)


@kind(1, only="async")
def lambda_async() -> Runnable[Any, Any]:
    return RunnableLambda(add_two)


@kind(1)
def lambda_of_both_colours() -> Runnable[Any, Any]:
    async def added(n: int) -> int:
        return add_one(n)

    return RunnableLambda(add_one, afunc=added)


@kind(1)
def lambda_returning_a_runnable() -> Runnable[Any, Any]:
    inner = RunnableLambda(add_one)
    return RunnableLambda(lambda n: inner, name="chooses")


@kind("a b", only="sync")
def lambda_that_is_a_generator() -> Runnable[Any, Any]:
    def words(text: str) -> Iterator[str]:
        yield from text.split()

    return RunnableLambda(words)


@kind("hi")
def lambda_that_dispatches() -> Runnable[Any, Any]:
    def progress(text: str) -> str:
        dispatch_custom_event("progress", {"done": 0.5})
        dispatch_custom_event("note", "not a dict")
        return text

    return RunnableLambda(progress)


@kind("hi")
def lambda_failing() -> Runnable[Any, Any]:
    return RunnableLambda(fail)


@kind("hi", only="async")
def lambda_calling_a_model() -> Runnable[Any, Any]:
    async def asks(text: str) -> Any:
        return (await StreamingChat().ainvoke(text)).content

    return RunnableLambda(asks)


@kind(1)
def decorated_function() -> Runnable[Any, Any]:
    @chain
    def doubled(n: int) -> int:
        return n * 2

    return doubled


@kind("a b c", only="sync")
def generator() -> Runnable[Any, Any]:
    def words(texts: Iterator[str]) -> Iterator[str]:
        for text in texts:
            yield from text.split()

    return RunnableGenerator(words)


@kind("a b c", only="async")
def generator_async() -> Runnable[Any, Any]:
    async def words(texts: AsyncIterator[str]) -> AsyncIterator[str]:
        async for text in texts:
            for word in text.split():
                yield word

    return RunnableGenerator(words)


# Composition -----------------------------------------------------------------------------------------------


@kind({"topic": "parrots"})
def sequence() -> Runnable[Any, Any]:
    return chat_chain()


@kind({"topic": "parrots"})
def sequence_within_a_sequence() -> Runnable[Any, Any]:
    return (chat_chain().with_config(run_name="inner") | RunnableLambda(str.upper)).with_config(tags=["outer"])


@kind(1, at_once=True)
def parallel() -> Runnable[Any, Any]:
    return RunnableParallel(more=add_one, same=RunnablePassthrough())


@kind({"topic": "parrots"}, at_once=True)
def parallel_of_chains() -> Runnable[Any, Any]:
    return RunnableParallel(long=chat_chain(), short=chat_chain(StreamingChat(text="A bird.")))


@kind(3)
def branch_taken() -> Runnable[Any, Any]:
    return RunnableBranch((lambda n: n > 5, add_one), (lambda n: n > 2, RunnableLambda(add_one)), lambda n: n)


@kind(0)
def branch_by_default() -> Runnable[Any, Any]:
    return RunnableBranch((lambda n: n > 5, add_one), RunnableLambda(add_one))


@kind("hi")
def passthrough() -> Runnable[Any, Any]:
    return RunnablePassthrough()


@kind("hi")
def passthrough_with_a_function() -> Runnable[Any, Any]:
    return RunnablePassthrough(lambda text: None)


@kind({"n": 1}, at_once=True)
def assign() -> Runnable[Any, Any]:
    return RunnablePassthrough.assign(more=lambda d: d["n"] + 1)


@kind({"topic": "parrots"}, at_once=True)
def assign_of_a_chain() -> Runnable[Any, Any]:
    return RunnablePassthrough.assign(answer=chat_chain())


@kind({"a": 1, "b": 2})
def pick_one() -> Runnable[Any, Any]:
    return RunnablePick("a")


@kind({"a": 1, "b": 2, "c": 3})
def pick_several() -> Runnable[Any, Any]:
    return RunnablePick(["a", "c"])


@kind([1, 2], at_once=True)
def each() -> Runnable[Any, Any]:
    return RunnableLambda(add_one).map()


@kind({"key": "more", "input": 1})
def router() -> Runnable[Any, Any]:
    return RouterRunnable({"more": RunnableLambda(add_one), "same": RunnablePassthrough()})


# Wrappers --------------------------------------------------------------------------------------------------


@kind("hi")
def fallbacks_used() -> Runnable[Any, Any]:
    return StreamingChat(fail_after=0).with_fallbacks([StreamingChat(text="I do.")])


@kind("hi")
def fallbacks_not_used() -> Runnable[Any, Any]:
    return StreamingChat(text="I do.").with_fallbacks([StreamingChat()])


def _flaky() -> Callable[[str], str]:
    """Return a function that raises at its first call."""
    calls: list[str] = []

    def flaky(text: str) -> str:
        calls.append(text)
        return fail(text) if len(calls) == 1 else text

    return flaky


@kind("hi")
def retry_streamed() -> Runnable[Any, Any]:
    """Core retries ``invoke`` alone (EVENTS.md, rule 36), and nodes are streamed for their events."""
    return RunnableLambda(_flaky()).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)


@kind("hi")
def retry_invoked() -> Runnable[Any, Any]:
    retried = RunnableLambda(_flaky()).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    return RunnableLambda(lambda text: retried.invoke(text), name="invokes")


@kind("hi")
def bound_arguments() -> Runnable[Any, Any]:
    return StreamingChat().bind(stop=["x"])


@kind("hi")
def bound_configuration() -> Runnable[Any, Any]:
    return StreamingChat().with_config(run_name="voice", tags=["loud"], metadata={"volume": 11})


@kind("hi")
def bound_parser_configuration() -> Runnable[Any, Any]:
    return StreamingChat() | StrOutputParser().with_config(run_name="reader", tags=["answer"])


@kind("hi")
def bound_listeners() -> Runnable[Any, Any]:
    return StreamingChat().with_listeners(on_start=lambda run: None)


@kind("hi", config={"configurable": {"text": "A crow."}})
def configurable_fields() -> Runnable[Any, Any]:
    return StreamingChat().configurable_fields(text=ConfigurableField(id="text"))


@kind("hi", config={"configurable": {"bird": "crow"}})
def configurable_alternatives() -> Runnable[Any, Any]:
    which = ConfigurableField(id="bird")
    return StreamingChat().configurable_alternatives(which, default_key="parrot", crow=StreamingChat(text="A crow."))


@kind({"question": "And you?"}, at_once=True, blocks=True, config={"configurable": {"session_id": "1"}})
def message_history() -> Runnable[Any, Any]:
    asked = ChatPromptTemplate.from_messages([MessagesPlaceholder("before"), ("human", "{question}")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainDeprecationWarning)
        history = InMemoryChatMessageHistory(messages=[HumanMessage("Hello.")])
        return RunnableWithMessageHistory(
            asked | StreamingChat(),
            lambda session_id: history,
            input_messages_key="question",
            history_messages_key="before",
        )


# As nodes themselves, without as_node ----------------------------------------------------------------------


def _asked(state: State) -> dict[str, Any]:
    return {"topic": state["x"]}


@kind("parrots", itself=True)
def sequence_itself() -> Runnable[Any, Any]:
    return RunnableLambda(_asked) | chat_chain() | (lambda text: {"y": text})


@kind("parrots", itself=True, at_once=True, blocks=True)
def parallel_itself() -> Runnable[Any, Any]:
    return RunnableParallel(y=RunnableLambda(_asked) | chat_chain())


@kind("parrots", itself=True, at_once=True)
def assign_itself() -> Runnable[Any, Any]:
    return RunnablePassthrough.assign(y=lambda state: state["x"].upper())


@kind("parrots", itself=True)
def graph_itself() -> Runnable[Any, Any]:
    inner: Runnable[Any, Any] = Kind(name="inner", make=lambda: RunnableLambda(str.upper), value=None).graph()
    return inner.with_config(run_name="inner")

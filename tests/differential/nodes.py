"""Rows of the table that vary what a node is: chains, models, writers, subgraphs, faults."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from tests.differential.cases import Log, Topic, case, chat_state, logged, says, single
from tests.support.engines import Library
from tests.support.models import (
    MULTIPLY,
    AsyncChat,
    PlainChat,
    Shelf,
    StreamingChat,
    SyncChat,
    TextModel,
    chat_chain,
)

PARROTS = {"topic": "parrots"}
START_LOG = {"log": ["input"]}
StreamWriter = Callable[[Any], None]
CALL = {"name": "multiply", "args": {"a": 2, "b": 3}, "id": "call_1"}


def answers(chain: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Return a chain that ends in an update of ``answer``."""
    return chain | _as_answer


def _as_answer(text: Any) -> dict[str, Any]:
    return {"answer": str(text)}


# chains as nodes


@case(PARROTS)
def chain_node(lib: Library) -> Any:
    """``prompt | model | parser | update`` whole, as a node."""
    return single(lib, Topic, answers(chat_chain()))


@case(PARROTS)
def chain_ends_in_parallel(lib: Library) -> Any:
    """A streaming chain that makes its update by a ``RunnableParallel``: chunks reach the node."""
    return single(lib, Topic, RunnableParallel(answer=chat_chain()))


@case(PARROTS)
def chain_node_configured(lib: Library) -> Any:
    """A chain ``with_config`` of name, tags and metadata."""
    chain = answers(chat_chain()).with_config(run_name="writer", tags=["main"], metadata={"team": "desk"})
    return single(lib, Topic, chain)


@case(PARROTS)
def parts_configured(lib: Library) -> Any:
    """Parts of a chain with names and tags of their own."""
    model = StreamingChat().with_config(run_name="my_llm", tags=["answer"])
    parser = StrOutputParser().with_config(run_name="Assistant")
    chain = RunnableLambda(lambda state: state["topic"]) | model | parser
    return single(lib, Topic, answers(chain))


@case(PARROTS, loose=True)
def parallel_node(lib: Library) -> Any:
    """A ``RunnableParallel`` of two streaming chains as a node."""
    two = RunnableParallel(
        topic=chat_chain(StreamingChat(text="One two three.")),
        answer=chat_chain(StreamingChat(text="Four five six.")),
    )
    return single(lib, Topic, two)


@case(PARROTS)
def assign_node(lib: Library) -> Any:
    """``RunnablePassthrough.assign`` as a node."""
    return single(lib, Topic, RunnablePassthrough.assign(answer=chat_chain()))


@case(PARROTS)
def lambda_node(lib: Library) -> Any:
    """A ``RunnableLambda`` as a node."""
    return single(lib, Topic, RunnableLambda(lambda state: {"answer": state["topic"].upper()}))


def _spell(state: Any) -> Iterator[dict[str, str]]:
    for letter in "abc":
        yield {"answer": letter}


@case(PARROTS, only="sync")
def generator_lambda(lib: Library) -> Any:
    """A generator in a ``RunnableLambda`` as a node."""
    return single(lib, Topic, RunnableLambda(_spell))


@case(PARROTS, only="async")
def generator_lambda_awaited(lib: Library) -> Any:
    """The same generator cannot be streamed asynchronously: core raises ``TypeError``."""
    return single(lib, Topic, RunnableLambda(_spell))


@case(PARROTS)
def branch_node(lib: Library) -> Any:
    """A ``RunnableBranch`` of chains as a node."""
    short = answers(chat_chain(StreamingChat(text="Short it is.")))
    branch = RunnableBranch((lambda s: s["topic"] == "cats", short), answers(chat_chain()))
    return single(lib, Topic, branch)


@case(PARROTS)
def fallback_node(lib: Library) -> Any:
    """A chain whose model fails and whose fallback answers."""
    broken = chat_chain(StreamingChat(fail_after=0))
    return single(lib, Topic, answers(broken.with_fallbacks([chat_chain()])))


@case(PARROTS)
def retry_node(lib: Library) -> Any:
    """A chain ``with_retry`` that never recovers."""
    chain = chat_chain(PlainChat(fail_after=0)).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    return single(lib, Topic, answers(chain))


@case(PARROTS)
def retriever_chain(lib: Library) -> Any:
    """Retrieval, prompt, model and parser in one node."""
    docs = RunnableLambda(lambda state: state["topic"]) | Shelf().with_config(run_name="Docs")
    chain = RunnablePassthrough.assign(docs=docs) | chat_chain()
    return single(lib, Topic, answers(chain))


@case(PARROTS)
def json_chain(lib: Library) -> Any:
    """A streaming JSON parser makes the update itself."""
    model = StreamingChat(text='{"answer": "it  can  talk"}')
    chain = RunnableLambda(lambda s: s["topic"]) | model | JsonOutputParser()
    return single(lib, Topic, chain)


@case(PARROTS)
def text_model_chain(lib: Library) -> Any:
    """A string model in a chain."""
    return single(lib, Topic, answers(RunnableLambda(lambda s: s["topic"]) | TextModel()))


@case(PARROTS)
def plain_model_chain(lib: Library) -> Any:
    """A model that cannot stream."""
    return single(lib, Topic, answers(chat_chain(PlainChat())))


@case(PARROTS)
def sync_model_chain(lib: Library) -> Any:
    """A model with a synchronous client only."""
    return single(lib, Topic, answers(chat_chain(SyncChat())))


@case(PARROTS, only="async")
def async_model_chain(lib: Library) -> Any:
    """A model with an asynchronous client only."""
    return single(lib, Topic, answers(chat_chain(AsyncChat())))


@case(PARROTS, only="sync")
def async_model_in_sync(lib: Library) -> Any:
    """A model with an asynchronous client only, called synchronously, fails."""
    return single(lib, Topic, lambda state: {"answer": AsyncChat().invoke("x").content})


@case(PARROTS)
def slow_tokens(lib: Library) -> Any:
    """Tokens with time between them."""
    return single(lib, Topic, answers(chat_chain(StreamingChat(delay=0.003))))


@case(PARROTS)
def chain_per_node(lib: Library) -> Any:
    """Prompt, model and parser in nodes of their own, around functions."""
    builder = lib.StateGraph(Topic)
    builder.add_node("first", answers(chat_chain(StreamingChat(text="Draft of it."))))
    builder.add_node("log", lambda state: {"log": [state["answer"]], "topic": state["answer"]})
    builder.add_node("second", answers(chat_chain()))
    builder.add_edge(lib.START, "first")
    builder.add_edge("first", "log")
    builder.add_edge("log", "second")
    return builder.compile()


# chains called inside a function


@case(PARROTS)
def invoked_with_config(lib: Library) -> Any:
    """A function that invokes a chain and passes its config on."""

    def node(state: Topic, config: RunnableConfig) -> dict[str, Any]:
        return {"answer": chat_chain().invoke(state, config)}

    return single(lib, Topic, node)


@case(PARROTS)
def invoked_from_context(lib: Library) -> Any:
    """A function that invokes a chain; the config comes from the context."""
    return single(lib, Topic, lambda state: {"answer": chat_chain().invoke(state)})


@case(PARROTS)
def streamed_from_context(lib: Library) -> Any:
    """A function that streams a chain; the config comes from the context."""
    return single(lib, Topic, lambda state: {"answer": "".join(chat_chain().stream(state))})


@case(PARROTS, only="async")
def ainvoked_with_config(lib: Library) -> Any:
    """An async function that awaits a chain and passes its config on."""

    async def node(state: Topic, config: RunnableConfig) -> dict[str, Any]:
        return {"answer": await chat_chain().ainvoke(state, config)}

    return single(lib, Topic, node)


@case(PARROTS, only="async")
def ainvoked_from_context(lib: Library) -> Any:
    """An async function that awaits a chain; the config comes from the context."""

    async def node(state: Topic) -> dict[str, Any]:
        return {"answer": await chat_chain().ainvoke(state)}

    return single(lib, Topic, node)


@case(PARROTS, only="async")
def astreamed_in_node(lib: Library) -> Any:
    """An async function that streams a chain."""

    async def node(state: Topic, config: RunnableConfig) -> dict[str, Any]:
        return {"answer": "".join([piece async for piece in chat_chain().astream(state, config)])}

    return single(lib, Topic, node)


@case(PARROTS)
def two_models_in_node(lib: Library) -> Any:
    """One function that calls a model twice."""

    def node(state: Topic) -> dict[str, Any]:
        first = StreamingChat(text="First of two.").invoke("one")
        second = StreamingChat(text="Second of two.").invoke([first])
        return {"answer": second.content}

    return single(lib, Topic, node)


@case(PARROTS)
def same_message_id(lib: Library) -> Any:
    """Two answers under one message id."""

    def node(state: Topic) -> dict[str, Any]:
        model = StreamingChat(message_id="answer-1")
        return {"answer": f"{model.invoke('one').content} {model.invoke('two').content}"}

    return single(lib, Topic, node)


@case(PARROTS, loose=True, at_once=("StreamingChat",))
def batched_in_node(lib: Library) -> Any:
    """A function that calls a model in a batch."""

    def node(state: Topic, config: RunnableConfig) -> dict[str, Any]:
        got = StreamingChat().batch(["one", "two"], config)
        return {"answer": " ".join(str(message.content) for message in got)}

    return single(lib, Topic, node)


@case(PARROTS)
def retriever_in_function(lib: Library) -> Any:
    """A function that asks a retriever."""
    return single(lib, Topic, lambda s: {"answer": Shelf().invoke(s["topic"])[0].page_content})


@case(PARROTS)
def tool_in_function(lib: Library) -> Any:
    """A function that calls a tool with a tool call and with plain arguments."""

    def node(state: Topic) -> dict[str, Any]:
        message = MULTIPLY.invoke({**CALL, "type": "tool_call"})
        return {"answer": f"{message.content} {MULTIPLY.invoke({'a': 2, 'b': 5})}"}

    return single(lib, Topic, node)


@case(PARROTS)
def custom_event(lib: Library) -> Any:
    """A custom event sent through callbacks from a lambda of a chain."""

    def step(state: Any, config: RunnableConfig) -> dict[str, str]:
        dispatch_custom_event("progress", {"done": 1}, config=config)
        return {"answer": "yes"}

    return single(lib, Topic, RunnableLambda(step) | RunnablePassthrough())


# messages


def _reply(lib: Library, text: str, **options: Any) -> Any:
    model = StreamingChat(text=text, **options)
    return lambda state: {"messages": [model.invoke(state["messages"])]}


@case({"messages": [HumanMessage("hello", id="h1")]})
def chat(lib: Library) -> Any:
    """``MessagesState`` with two model calls in a row."""
    builder = lib.StateGraph(lib.MessagesState)
    builder.add_node("first", _reply(lib, "First answer here."))
    builder.add_node("second", _reply(lib, "Second answer here."))
    builder.add_edge(lib.START, "first")
    builder.add_edge("first", "second")
    builder.add_edge("second", lib.END)
    return builder.compile()


@case({"messages": [("user", "hello")]})
def chat_from_tuples(lib: Library) -> Any:
    """Messages given as tuples and without ids."""
    return single(lib, lib.MessagesState, _reply(lib, "An answer."))


@case({"messages": "hello"})
def chat_model_chain(lib: Library) -> Any:
    """A model at the end of a chain that makes the message update."""
    chain = (lambda state: state["messages"]) | StreamingChat() | (lambda m: {"messages": m})
    return single(lib, lib.MessagesState, RunnableLambda(lambda s: s) | chain)


@case({"messages": "hello"})
def finished_message(lib: Library) -> Any:
    """A node that writes a finished message no model streamed."""
    return single(lib, lib.MessagesState, lambda state: {"messages": [("ai", "by hand")]})


@case({"messages": "hello"})
def finished_message_object(lib: Library) -> Any:
    """A node that writes a message object with an id and repeats the input's."""

    def node(state: Any) -> dict[str, Any]:
        return {"messages": [state["messages"][0], HumanMessage("more", id="m2")]}

    return single(lib, lib.MessagesState, node)


@case({"messages": "hello"})
def plain_chat(lib: Library) -> Any:
    """A model that cannot stream gives one finished message."""
    return single(lib, lib.MessagesState, lambda s: {"messages": PlainChat().invoke(s["messages"])})


@case({"messages": "what is 2 x 3"})
def tool_loop(lib: Library) -> Any:
    """A model that asks for a tool, a function that runs it, and back to the model."""
    builder = lib.StateGraph(chat_state(lib))
    builder.add_node("model", _asks_then_answers)
    builder.add_node("tools", _runs_tools)
    builder.add_edge(lib.START, "model")
    builder.add_conditional_edges("model", _wants_tool, {True: "tools", False: lib.END})
    builder.add_edge("tools", "model")
    return builder.compile()


def _asks_then_answers(state: Any) -> dict[str, Any]:
    asked = any(message.type == "tool" for message in state["messages"])
    model = StreamingChat(text="It is six.") if asked else StreamingChat(text="", tool_calls=[CALL])
    return {"messages": [model.invoke(state["messages"])]}


def _runs_tools(state: Any) -> dict[str, Any]:
    calls = state["messages"][-1].tool_calls
    return {"messages": [MULTIPLY.invoke({**call, "type": "tool_call"}) for call in calls]}


def _wants_tool(state: Any) -> bool:
    return bool(state["messages"][-1].tool_calls)


@case({"messages": "hello"})
def parallel_chat(lib: Library) -> Any:
    """Two models at once in nodes of their own."""
    builder = lib.StateGraph(lib.MessagesState)
    for name in ("left", "right"):
        builder.add_node(name, _reply(lib, f"From the {name} side.", delay=0.002))
        builder.add_edge(lib.START, name)
    return builder.compile()


@case({"messages": "hello"})
def nostream(lib: Library) -> Any:
    """A model tagged ``nostream`` is left out of ``messages``."""
    model = StreamingChat().with_config(tags=["nostream"])
    return single(lib, lib.MessagesState, lambda s: {"messages": model.invoke(s["messages"])})


# writers, arguments, configuration


@case(PARROTS)
def writer_in_function(lib: Library) -> Any:
    """``get_stream_writer()`` in parallel functions."""
    builder = lib.StateGraph(Topic)
    for name in "abc":
        builder.add_node(name, _writes(lib, name))
        builder.add_edge(lib.START, name)
        builder.add_edge(name, "z")
    builder.add_node("z", _writes(lib, "z"))
    return builder.compile()


def _writes(lib: Library, name: str) -> Any:
    def node(state: Any) -> dict[str, Any]:
        writer = lib.get_stream_writer()
        for index in range(3):
            writer({"node": name, "index": index})
        return {"log": [name]}

    return node


@case(PARROTS, only="async")
def writer_in_async(lib: Library) -> Any:
    """``get_stream_writer()`` in an async function."""

    async def node(state: Topic) -> dict[str, Any]:
        lib.get_stream_writer()("plain text")
        lib.get_stream_writer()(None)
        return {"answer": "yes"}

    return single(lib, Topic, node)


@case(PARROTS)
def writer_in_chain(lib: Library) -> Any:
    """``get_stream_writer()`` in a lambda inside a chain."""

    def step(text: Any) -> Any:
        lib.get_stream_writer()({"node": "node", "saw": str(text)})
        return text

    return single(lib, Topic, answers(chat_chain() | step))


@case(PARROTS, config={"configurable": {"user": "ann"}, "metadata": {"team": "desk"}})
def node_arguments(lib: Library) -> Any:
    """Functions that take state, config and writer by position, by keyword and annotated."""

    def by_position(state: Topic, config: RunnableConfig) -> dict[str, Any]:
        return {"log": [config["configurable"]["user"]]}

    def by_keyword(state: Topic, *, config: RunnableConfig, writer: StreamWriter) -> dict[str, Any]:
        writer({"node": "by_keyword"})
        return {"log": [config["metadata"]["team"]]}

    def bare(state, writer):  # type: ignore[no-untyped-def]
        writer({"node": "bare"})
        return {"log": ["bare"]}

    def annotated(state: Topic, writer: StreamWriter) -> dict[str, Any]:
        writer({"node": "annotated"})
        return {"log": ["annotated"]}

    builder = lib.StateGraph(Topic)
    builder.add_sequence([by_position, by_keyword, bare, annotated])
    builder.add_edge(lib.START, "by_position")
    return builder.compile()


@case(
    PARROTS,
    config={
        "tags": ["outer", "seq:step:9"],
        "metadata": {"team": "desk", "n": 1},
        "run_name": "asked",
        "run_id": "11111111-2222-7333-8444-555555555555",
        "recursion_limit": 9,
        "configurable": {"model": "gpt", "user": "ann", "_hidden": 1},
    },
)
def configured_call(lib: Library) -> Any:
    """Tags, metadata, run name, run id and configurable values of the call."""
    return single(lib, Topic, answers(chat_chain()))


@case(PARROTS, config={"tags": ["call"], "metadata": {"call": 1}})
def configured_graph(lib: Library) -> Any:
    """A graph ``with_config`` of its own, merged with the call's."""
    graph = single(lib, Topic, answers(chat_chain()))
    return graph.with_config(tags=["graph"], metadata={"graph": 1}, run_name="asked")


@case(PARROTS)
def node_metadata(lib: Library) -> Any:
    """``add_node(metadata=...)`` reaches the node's runs and its tokens."""
    return single(lib, Topic, answers(chat_chain()), metadata={"owner": "desk"})


# subgraphs


@case(START_LOG)
def subgraph_node(lib: Library) -> Any:
    """A compiled graph as a node, sharing its state."""
    builder = logged(lib, "az", "^a z$")
    builder.add_node("inner", logged(lib, "bc", "^b bc c$").compile())
    builder.add_edge("a", "inner")
    builder.add_edge("inner", "z")
    return builder.compile()


@case(PARROTS)
def subgraph_with_chain(lib: Library) -> Any:
    """A subgraph whose node is a streaming chain."""
    inner = single(lib, Topic, answers(chat_chain()), name="writer")
    return single(lib, Topic, inner, name="inner")


@case(START_LOG)
def subgraph_two_deep(lib: Library) -> Any:
    """A subgraph in a subgraph, both in parallel with a plain node."""
    inner = single(lib, Log, logged(lib, "b", "^b").compile(name="deepest"), name="deep")
    builder = logged(lib, "a", "^a")
    builder.add_node("inner", inner)
    builder.add_edge(lib.START, "inner")
    return builder.compile()


@case(PARROTS)
def subgraph_called(lib: Library) -> Any:
    """A function that invokes a compiled graph with other keys."""
    inner = single(lib, Log, says("b"), name="b")

    def node(state: Topic) -> dict[str, Any]:
        return {"answer": ",".join(inner.invoke({"log": [state["topic"]]})["log"])}

    return single(lib, Topic, node)


@case(PARROTS, only="async")
def subgraph_awaited(lib: Library) -> Any:
    """An async function that awaits a compiled graph and passes its config on."""
    inner = single(lib, Topic, answers(chat_chain()), name="writer")

    async def node(state: Topic, config: RunnableConfig) -> dict[str, Any]:
        return {"answer": (await inner.ainvoke(state, config))["answer"]}

    return single(lib, Topic, node)


@case(PARROTS)
def subgraph_in_chain(lib: Library) -> Any:
    """A compiled graph as a step of a chain that is a node."""
    inner = single(lib, Topic, answers(chat_chain()), name="writer")
    return single(lib, Topic, inner | RunnableLambda(_last_answer))


def _last_answer(state: Any) -> dict[str, Any]:
    return {"answer": str(sorted(state))}


# faults


class Fault(Exception):
    """What a failing node of the table raises."""


def _fails(state: Any) -> Any:
    raise Fault("on purpose")


@case(START_LOG)
def fails_at_once(lib: Library) -> Any:
    """The first node fails."""
    return single(lib, Log, _fails)


@case(START_LOG)
def fails_later(lib: Library) -> Any:
    """The second node fails."""
    builder = logged(lib, "a", "^a")
    builder.add_node("bad", _fails)
    builder.add_edge("a", "bad")
    return builder.compile()


@case(START_LOG)
def path_fails(lib: Library) -> Any:
    """The function of a conditional edge fails."""
    builder = logged(lib, "ab", "^a")
    builder.add_conditional_edges("a", _fails, ["b"])
    return builder.compile()


@case(PARROTS)
def fails_mid_stream(lib: Library) -> Any:
    """A model breaks off after two pieces."""
    return single(lib, Topic, answers(chat_chain(StreamingChat(fail_after=2))))


@case(PARROTS)
def fails_after_writing(lib: Library) -> Any:
    """A function writes a custom value and then fails."""

    def node(state: Any) -> Any:
        lib.get_stream_writer()({"node": "node"})
        raise Fault("after writing")

    return single(lib, Topic, node)


@case(START_LOG)
def fails_inside_subgraph(lib: Library) -> Any:
    """A node of a subgraph fails."""
    return single(lib, Log, single(lib, Log, _fails, name="bad"), name="inner")


def _slow_failure(state: Any) -> Any:
    time.sleep(0.03)
    raise Fault("after the others")


@case(START_LOG)
def one_branch_fails(lib: Library) -> Any:
    """One of two parallel branches fails after the other has finished."""
    builder = logged(lib, "a", "^a")
    builder.add_node("bad", _slow_failure)
    builder.add_edge(lib.START, "bad")
    return builder.compile()


async def _astream_pieces(state: Any) -> AsyncIterator[dict[str, str]]:
    for letter in "abc":
        yield {"answer": letter}


@case(PARROTS, only="async")
def async_generator_lambda(lib: Library) -> Any:
    """An async generator in a ``RunnableLambda`` as a node."""
    return single(lib, Topic, RunnableLambda(_astream_pieces))

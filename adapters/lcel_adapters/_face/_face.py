"""``as_lcel``: a graph with the face of the chain that it replaced."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase

from lcel_adapters._face._beside import Beside, MakeBeside, muted, steps_of, whole
from lcel_adapters._face._graphs import Shape, Silent, place_of, silent_graph
from lcel_adapters._face._mapping import FaceInput, FaceOutput, chain_output, graph_input, mirrors, same
from lcel_adapters._face._orders import AsyncOrders, Order, SyncOrders
from lcel_adapters._face._serve import Feed, Speech, aclosed, aserve, closed, one, serve
from lcel_adapters._face._surroundings import Surroundings
from lcel_adapters._face.errors import FaceError, FaceInterruptError
from lcel_adapters._node import RunnableNode
from lcel_compat import END
from lcel_compat._sum import Sum


def as_lcel(graph: Any, *, input: FaceInput = None, output: FaceOutput = None) -> Runnable[Any, Any]:
    """Give a graph the face of the chain that it replaced.

    Args:
        graph: A compiled ``StateGraph``, ours or LangGraph's.
        input: How the graph's input is made of the chain's: the chain's input is the value of this state key, a dict
            ``{chain_key: state_key}``, a function, or (``None``) the chain's input is the graph's.
        output: How the chain's output is found in the graph's: the value of this state key, a function of the graph's
            output, or (``None``) the graph's output itself.

    Returns:
        A Runnable with the chain's input, output, schemas, chunks and events.

        If the graph is one node made with ``as_node``, and the mappings there and here say the same, the node's
        runnable is the chain: every run that anyone sees is its own, with the caller's configuration, and ``output``
        is checked to be what it returned.

        Any other graph is shown as a sequence is: a root run, in it one run for each node, tagged ``seq:step:N`` where
        N counts supersteps. An adapted node is its runnable's own run; any other node is a chain run named after the
        node, with the models and tools called inside as its children. The chunks are those of the adapted node that
        writes the state key ``output``, if it is certain that nothing after it does, or else the output in one chunk.

    Raises:
        TypeError: If ``graph`` is no compiled ``StateGraph``, or a mapping is none of these.
        FaceError: If the graph cannot be shown as a chain: it is told to stop at a node, or it may take a node's result
            from a cache, without any of the runs that a chain would show.
    """
    silent = silent_graph(graph)
    if silent is None:
        raise TypeError(
            f"as_lcel: {graph!r} ({type(graph).__name__}) is no compiled StateGraph. Compile the builder first; a"
            " remote graph cannot be shown as a chain, since its nodes run elsewhere."
        )
    _check(silent.shape, input, output)
    node = silent.shape.only
    if node is None or not mirrors(node, input, output):
        return StepsFace(silent, input=input, output=output)
    bindings, chain = _unbound(node.bound)
    face: Runnable[Any, Any] = WholeFace(silent, chain, input=input, output=output)
    for binding in reversed(bindings):
        face = binding.model_copy(update={"bound": face})
    return face


def _unbound(chain: Runnable[Any, Any]) -> tuple[list[RunnableBindingBase[Any, Any]], Runnable[Any, Any]]:
    """What a chain is bound to, outermost first, and the chain itself.

    Bindings (``with_config``, ``bind``, a message history) have ways of their own to be composed and observed: they
    merge their configuration before ``astream_events`` looks at it (runnables/base.py:6319). So they stay outside of
    the face, unless they are more than bindings, as ``with_retry`` is.
    """
    bindings: list[RunnableBindingBase[Any, Any]] = []
    while isinstance(chain, RunnableBindingBase) and type(chain).ainvoke is RunnableBindingBase.ainvoke:
        bindings.append(chain)
        chain = chain.bound
    return bindings, chain


def _check(shape: Shape, input: FaceInput, output: FaceOutput) -> None:
    if not (input is None or isinstance(input, str) or callable(input) or _maps_keys(input)):
        raise TypeError(
            f"as_lcel: input={input!r} is neither a state key, nor a dict {{chain_key: state_key}}, nor a function."
        )
    if not (output is None or isinstance(output, str) or callable(output)):
        raise TypeError(f"as_lcel: output={output!r} is neither a state key nor a function of the graph's output.")
    if shape.stops:
        raise FaceError(
            f"as_lcel: the graph stops before or after {_listed(shape.stops)}, and a chain runs to its end. Compile it"
            " without interrupt_before and interrupt_after."
        )
    if shape.cached:
        raise FaceError(
            f"as_lcel: the results of {_listed(shape.cached)} may come from a cache, without the runs, chunks and"
            " events that a chain would show. Compile the graph without cache policies."
        )
    if isinstance(output, str) and shape.outputs is not None and output not in shape.outputs:
        raise FaceError(
            f"as_lcel: output={output!r} is no key of the graph's output, which has {_listed(shape.outputs)}."
        )


def _maps_keys(mapping: Any) -> bool:
    return isinstance(mapping, dict) and all(isinstance(key, str) for key in mapping.values())


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names)


class LegacyFace(Runnable[Any, Any]):
    """A graph that looks like the chain it replaced; made by ``as_lcel``.

    Attributes:
        graph: The graph.
        input: How its input is made of the chain's.
        output: How the chain's output is found in its own.
    """

    def __init__(
        self,
        silent: Silent,
        *,
        input: FaceInput,
        output: FaceOutput,
        speaker: tuple[str, Runnable[Any, Any]] | tuple[None, None],
    ) -> None:
        self.graph = silent.graph
        self.input = input
        self.output = output
        name, runnable = speaker
        self._speaker: Any = runnable
        copy: Any = silent.copy(lambda node, action: place_of(node, action, speaks=node == name, runs=self._speaker))
        self._copies = {True: copy, False: silent.unsaved(copy)}

    def __reduce__(self) -> Any:
        return _restored, (self.graph, self.input, self.output)

    def __repr__(self) -> str:
        return f"as_lcel({self.graph!r}, input={self.input!r}, output={self.output!r})"

    # One run of the graph ------------------------------------------------------------------------------

    def _graph(self, config: RunnableConfig | None) -> Any:
        """The copy of the graph to run: one that persists nothing, unless the caller names a thread."""
        return self._copies[bool((config or {}).get("configurable", {}).get("thread_id"))]

    def _run(self, value: Any, config: RunnableConfig | None, beside: Beside) -> Any:
        """Run the graph in silence, in this thread."""
        silent = beside.enter()
        return silent.run(self._graph(config).invoke, graph_input(value, self.input), muted(config))

    def _arun(self, value: Any, config: RunnableConfig | None, beside: Beside) -> asyncio.Task[Any]:
        """Run the graph in silence, in a task of its own."""
        silent = beside.enter()
        work = self._graph(config).ainvoke(graph_input(value, self.input), muted(config))
        return asyncio.get_running_loop().create_task(work, context=silent)

    def _stream(
        self, value: Any, config: RunnableConfig | None, make: MakeBeside, speech: Speech, **kwargs: Any
    ) -> Generator[Any, None, None]:
        """Run the graph beside this thread, and its speaker in it.

        Args:
            value: The chain's input.
            config: The caller's configuration.
            make: Makes what is handed to the nodes, when the first chunk is asked for: core may call ``stream`` in one
                context and iterate in another (runnables/fallbacks.py).
            speech: What was said before.
            **kwargs: For the speaker's runnable.
        """
        orders = SyncOrders()

        def begin() -> Callable[[], Any]:
            beside = make().streamed(orders)
            return lambda: self._run(value, config, beside)

        def start(order: Order) -> Any:
            return self._speaker.stream(order.value, order.config, **kwargs)

        return serve(orders, begin, start, speech, self._said)

    def _astream(
        self, value: Any, config: RunnableConfig | None, make: MakeBeside, speech: Speech, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """Run the graph beside this task, and its speaker in it; see ``_stream``."""
        orders = AsyncOrders()

        def begin() -> asyncio.Task[Any]:
            return self._arun(value, config, make().streamed(orders))

        def start(order: Order) -> Any:
            return self._speaker.astream(order.value, order.config, **kwargs)

        return aserve(orders, begin, start, speech, self._said)

    def _said(self, final: Any, results: Sequence[Any]) -> Any:
        """The chain's output, out of what the graph returned.

        Args:
            final: The graph's output.
            results: What the speaker's runnable returned, each time it ran.

        Raises:
            FaceInterruptError: If the graph waits for an answer.
            FaceError: If what was said, or shown as the chain's own output, is not the output.
        """
        if isinstance(final, dict) and (asked := final.get("__interrupt__")):
            raise FaceInterruptError(asked)
        output = chain_output(final, self.output)
        if results and not same(results[-1], output):
            raise FaceError(
                f"as_lcel(output={self.output!r}): the graph's output is {output!r}, but the runnable that stands for"
                f" it returned {results[-1]!r}, which was shown. Choose an output= that finds what the node's runnable"
                " returned, or narrow the graph's output_schema to it; what becomes of it is for a step after the face:"
                " as_lcel(...) | function."
            )
        return output


class WholeFace(LegacyFace):
    """The face of a graph whose one node is the chain."""

    def __init__(self, silent: Silent, chain: Runnable[Any, Any], *, input: FaceInput, output: FaceOutput) -> None:
        (name,) = silent.shape.nodes
        super().__init__(silent, input=input, output=output, speaker=(name, chain))
        self.chain = chain
        self.name = getattr(chain, "name", None)

    # The chain's own description -----------------------------------------------------------------------

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        return self.chain.get_name(suffix, name=name)

    @property
    def InputType(self) -> Any:
        return self.chain.InputType

    @property
    def OutputType(self) -> Any:
        return self.chain.OutputType

    def get_input_schema(self, config: RunnableConfig | None = None) -> Any:
        return self.chain.get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> Any:
        return self.chain.get_output_schema(config)

    @property
    def config_specs(self) -> Any:
        return self.chain.config_specs

    def get_graph(self, config: RunnableConfig | None = None) -> Any:
        return self.chain.get_graph(config)

    # Running -------------------------------------------------------------------------------------------

    def _beside(self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Beside:
        return Beside(surroundings=Surroundings(), scope=whole(config), value=input, kwargs=kwargs)

    def _said(self, final: Any, results: Sequence[Any]) -> Any:
        output = super()._said(final, results)
        return results[-1] if results else output

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        beside = self._beside(input, config, kwargs)
        return self._said(self._run(input, config, beside), beside.results)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        beside = self._beside(input, config, kwargs)
        return self._said(await self._arun(input, config, beside), beside.results)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Generator[Any, None, None]:
        return self._stream(input, config, partial(self._beside, input, config, kwargs), Speech(), **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncGenerator[Any, None]:
        return self._astream(input, config, partial(self._beside, input, config, kwargs), Speech(), **kwargs)

    def transform(
        self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Generator[Any, None, None]:
        """Stream a stream: the chain reads it as it comes, and the graph runs when all of it has come."""
        feed = Feed(input)
        with closed(self.chain.transform(iter(feed), config, **kwargs)) as chunks:
            speech = Speech(chunks)
            for chunk in chunks:
                yield speech.add(chunk)
                if feed.ended:
                    break
            make = partial(self._beside, feed.value, config, kwargs)
            yield from self._stream(feed.value, config, make, speech, **kwargs)

    async def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """Stream a stream; see ``transform``."""
        feed = Feed(input)
        async with aclosed(self.chain.atransform(aiter(feed), config, **kwargs)) as chunks:
            speech = Speech(chunks)
            async for chunk in chunks:
                yield speech.add(chunk)
                if feed.ended:
                    break
            make = partial(self._beside, feed.value, config, kwargs)
            async with aclosing(self._astream(feed.value, config, make, speech, **kwargs)) as rest:
                async for chunk in rest:
                    yield chunk


class StepsFace(LegacyFace):
    """The face of a graph of several nodes, which is shown as a sequence of them."""

    def __init__(self, silent: Silent, *, input: FaceInput, output: FaceOutput) -> None:
        name = _speaker(silent.shape, output)
        speaker = (None, None) if name is None else (name, silent.shape.nodes[name].bound)
        super().__init__(silent, input=input, output=output, speaker=speaker)
        # It stands where a sequence stood, and consumers look for that name.
        self.name = RunnableSequence.__name__

    @property
    def InputType(self) -> Any:
        return self.graph.InputType if self.input is None else _hint(self.graph.builder.input_schema, self.input)

    @property
    def OutputType(self) -> Any:
        return self.graph.OutputType if self.output is None else _hint(self.graph.builder.output_schema, self.output)

    def get_input_schema(self, config: RunnableConfig | None = None) -> Any:
        return self._described(self.input).get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> Any:
        return self._described(self.output).get_output_schema(config)

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        return cast("dict[str, Any]", self._described(self.input).get_input_jsonschema(config))

    def get_output_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        return cast("dict[str, Any]", self._described(self.output).get_output_jsonschema(config))

    def _described(self, mapping: Any) -> Any:
        """Who describes a side of the face: the graph if that side is the graph's own, the types above if it is not."""
        return self.graph if mapping is None else super()

    @staticmethod
    def _beside(run_manager: Any, config: RunnableConfig) -> Beside:
        return Beside(surroundings=Surroundings(), scope=steps_of(run_manager, config))

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        def steps(value: Any, run_manager: Any, config: RunnableConfig) -> Any:
            beside = self._beside(run_manager, config)
            return self._said(self._run(value, config, beside), beside.results)

        return self._call_with_config(steps, input, config, **_none(kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        async def steps(value: Any, run_manager: Any, config: RunnableConfig) -> Any:
            beside = self._beside(run_manager, config)
            return self._said(await self._arun(value, config, beside), beside.results)

        return await self._acall_with_config(steps, input, config, **_none(kwargs))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        return self.transform(iter((input,)), config, **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        return self.atransform(one(input), config, **kwargs)

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Stream a stream; the graph runs when all of it has come."""

        def steps(values: Iterator[Any], run_manager: Any, config: RunnableConfig) -> Iterator[Any]:
            total = Sum()
            for value in values:
                total.add(value)
            return self._stream(total.value, config, partial(self._beside, run_manager, config), Speech())

        return self._transform_stream_with_config(input, steps, config, **_none(kwargs))

    def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream a stream; see ``transform``."""

        async def steps(values: AsyncIterator[Any], run_manager: Any, config: RunnableConfig) -> AsyncIterator[Any]:
            total = Sum()
            async for value in values:
                total.add(value)
            make = partial(self._beside, run_manager, config)
            async with aclosing(self._astream(total.value, config, make, Speech())) as chunks:
                async for chunk in chunks:
                    yield chunk

        return self._atransform_stream_with_config(input, steps, config, **_none(kwargs))


def _speaker(shape: Shape, output: FaceOutput) -> str | None:
    """The node whose chunks are those of the face: the only one that writes its output, and known to run once.

    After a function, which might write that key too, it is not certain what the output is; a function in a sequence
    gathers what comes before it, as well (runnables/base.py, ``RunnableLambda.transform``).
    """
    adapted = {name: node for name, node in shape.nodes.items() if isinstance(node, RunnableNode)}
    writers = [name for name, node in adapted.items() if node.output == output and isinstance(output, str)]
    if len(writers) != 1:
        return None
    later = shape.after(writers[0])
    certain = all(name in adapted and isinstance(adapted[name].output, str) for name in later - {END})
    return writers[0] if certain and writers[0] not in later else None


def _hint(schema: Any, key: Any) -> Any:
    """The type of a key of a state."""
    try:
        return typing.get_type_hints(schema).get(key, Any) if isinstance(key, str) else Any
    except (TypeError, NameError):  # a state that is no class, or names what cannot be looked up
        return Any


def _none(kwargs: dict[str, Any]) -> dict[str, Any]:
    if kwargs:
        raise TypeError(
            f"The face of a graph of several nodes takes no {_listed(kwargs)}: there is no one runnable to hand it to."
            " Bind it to the runnable in the node."
        )
    return kwargs


def _restored(graph: Any, input: FaceInput, output: FaceOutput) -> Runnable[Any, Any]:
    """A pickled face; what it was bound to is pickled around it."""
    return _unbound(as_lcel(graph, input=input, output=output))[1]

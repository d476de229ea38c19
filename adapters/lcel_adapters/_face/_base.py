"""What the two faces have in common: one run of the graph, in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Any

from langchain_core.runnables import Runnable

from lcel_adapters._face._beside import Beside, MakeBeside
from lcel_adapters._face._graphs import Silent, place_of
from lcel_adapters._face._mapping import FaceInput, FaceOutput, chain_output, graph_input, same
from lcel_adapters._face._orders import AsyncOrders, Order, SyncOrders
from lcel_adapters._face._serve import Speech, aserve, serve
from lcel_adapters._face.errors import FaceError, FaceInterruptError


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
        self.graph: Any = silent.graph
        self.input = input
        self.output = output
        name, runnable = speaker
        self._speaker: Any = runnable
        copy: Any = silent.copy(lambda node, action: place_of(node, action, speaks=node == name, runs=self._speaker))
        self._copies = {True: copy, False: silent.unsaved(copy)}

    def __reduce__(self) -> Any:
        from lcel_adapters._face._lcel import restored

        return restored, (self.graph, self.input, self.output)

    def __repr__(self) -> str:
        return f"as_lcel({self.graph!r}, input={self.input!r}, output={self.output!r})"

    # One run of the graph ------------------------------------------------------------------------------

    def _graph(self, beside: Beside) -> Any:
        """The copy of the graph to run: one that persists nothing, unless the caller names a thread."""
        return self._copies[bool(beside.config.get("configurable", {}).get("thread_id"))]

    def _run(self, value: Any, beside: Beside) -> Any:
        """Run the graph in silence, in this thread."""
        silent = beside.enter()
        return silent.run(self._graph(beside).invoke, graph_input(value, self.input), beside.config)

    def _arun(self, value: Any, beside: Beside) -> asyncio.Task[Any]:
        """Run the graph in silence, in a task of its own."""
        silent = beside.enter()
        work = self._graph(beside).ainvoke(graph_input(value, self.input), beside.config)
        return asyncio.get_running_loop().create_task(work, context=silent)

    def _stream(self, value: Any, make: MakeBeside, speech: Speech, **kwargs: Any) -> Generator[Any, None, None]:
        """Run the graph beside this thread, and its speaker in it.

        Args:
            value: The chain's input.
            make: Makes what is handed to the nodes, when the first chunk is asked for: core may call ``stream`` in one
                context and iterate in another (runnables/fallbacks.py).
            speech: What was said before.
            **kwargs: For the speaker's runnable.
        """
        orders = SyncOrders()

        def begin() -> Callable[[], Any]:
            beside = make().streamed(orders)
            return lambda: self._run(value, beside)

        def start(order: Order) -> Any:
            return self._speaker.stream(order.value, order.config, **kwargs)

        return serve(orders, begin, start, speech, self._said)

    def _astream(self, value: Any, make: MakeBeside, speech: Speech, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """Run the graph beside this task, and its speaker in it; see ``_stream``."""
        orders = AsyncOrders()

        def begin() -> asyncio.Task[Any]:
            return self._arun(value, make().streamed(orders))

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

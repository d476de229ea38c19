"""The face of a graph that was a chain: the chain's own structure, whose steps serve the orders of the graph's nodes.

Some runs of a chain span several nodes: the root, a parallel, an inner sequence, a branch. They are opened and closed,
their steps numbered and tagged, and their chunks merged by the classes of langchain-core that did it before: for each
run of the face the chain's structure is put together again, with a ``Step`` (``_steps.py``) in place of each node.
Beside it runs the graph, in silence. It decides what runs, on what, how often, and keeps the state; a node orders its
work, and the step does it (``_board.py``).

A step begins before the graph comes to its node where the graph allows it (``_seats.py``): so a chain taken apart
streams as the chain did, and a long branch of a parallel does not wait for a superstep. What it did is written in its
node's superstep all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, cast

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._apart._board import Board, Said
from lcel_adapters._apart._graph import ChainGraph
from lcel_adapters._apart._parts import Leaf, passed_by
from lcel_adapters._apart._places import Apart, ApartGraph
from lcel_adapters._apart._seats import handlers_of, seats_of
from lcel_adapters._apart._steps import Steps
from lcel_adapters._apart._take import INPUT, OUTPUT
from lcel_adapters._face._beside import inside, muted
from lcel_adapters._face._lcel import as_lcel, check, unbound
from lcel_adapters._face._mapping import same
from lcel_adapters._face._serve import GraphThread, aclosed, closed, end_of
from lcel_adapters._face._surroundings import Surroundings
from lcel_adapters._face._whole import WholeFace
from lcel_adapters._face.errors import FaceError, FaceInterruptError, RunEnded
from lcel_compat._sum import Sum
from lcel_compat.errors import GraphInterrupt

_THREADS: Final = 64
"""Nodes of the silent graph that may wait at once; the work itself is limited as in the chain."""


def apart_face(graph: Any) -> Runnable[Any, Any]:
    """The face of a compiled graph that ``from_lcel`` made; see ``as_lcel``.

    Raises:
        FaceError: If the graph cannot be shown as a chain.
    """
    builder = cast("ChainGraph", graph.builder)
    if isinstance(builder.part, Leaf):
        return as_lcel(graph, input=INPUT, output=OUTPUT)
    silent = ApartGraph(graph)
    check(silent.shape, INPUT, None)
    bindings, chain = unbound(builder.chain)
    face: Runnable[Any, Any] = ApartFace(silent, chain)
    for binding in reversed(bindings):
        face = binding.model_copy(update={"bound": face})
    return face


class ApartFace(WholeFace):
    """The face of a graph that was a chain."""

    def __init__(self, silent: ApartGraph, chain: Runnable[Any, Any]) -> None:
        builder = silent.graph.builder
        self.graph = silent.graph
        self.input, self.output = INPUT, None
        self.chain = chain
        self.name = getattr(chain, "name", None)
        self._result = builder.result
        self._part = builder.part
        self._seats = seats_of(builder)
        self._handlers = handlers_of(builder)
        self._passed_by = passed_by(builder.part)
        self._unedited = self._seats.keys() == builder.nodes.keys() and all(s.ahead for s in self._seats.values())
        copy: Any = silent.copy(lambda name, action: None)  # type: ignore[arg-type, return-value]  # it makes its own
        self._copies = {True: copy, False: silent.unsaved(copy)}

    def __reduce__(self) -> Any:
        return _restored, (self.graph,)

    def __repr__(self) -> str:
        return f"as_lcel({self.graph!r})"

    # One run -------------------------------------------------------------------------------------------

    def _show(self, config: RunnableConfig | None, future: Callable[[], Any], *, streaming: bool) -> tuple[Apart, Any]:
        """What the graph runs with, and the chain's structure with a run's steps in it."""
        board = Board(self._seats, self._handlers, self._passed_by, future)
        silent = muted(config)
        # The steps of a chain are no supersteps, and waiting nodes are no work.
        silent["recursion_limit"] = silent.get("recursion_limit", 25) + len(self._seats)
        silent["max_concurrency"] = max(_THREADS, len(self._seats))
        beside = Apart(surroundings=Surroundings(), config=silent, scope=inside({}), streaming=streaming, board=board)
        return beside, self._part.build(Steps(self._seats, board))

    def _checked(self, final: Any, output: Any, *, edited: bool) -> Any:
        """The face's output, if it is the graph's.

        Raises:
            FaceInterruptError: If the graph waits for an answer.
            FaceError: If the graph was edited, and its output is another one than what was said.
        """
        if isinstance(final, dict) and (asked := final.get("__interrupt__")):
            raise FaceInterruptError(asked)
        if final is None or (self._unedited and not edited):
            return output
        try:
            own = self._result.read(final)
        except KeyError as missing:
            raise FaceError(f"as_lcel: the graph ended, and nothing was written to {missing}.") from None
        if not same(output, own):
            raise FaceError(
                f"as_lcel: the graph's output is {own!r}, but the chain's last step returned {output!r}, which was"
                " shown. What becomes of a chain's output is for a step after the face: as_lcel(...) | function."
            )
        return output

    # Running -------------------------------------------------------------------------------------------

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        with _Thread(self, config) as run:
            chain = run.open(Future, streaming=False)
            run.start(input)
            output = chain.invoke(input, config, **kwargs)
        return run.checked(output)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        async with _Task(self, config) as run:
            chain = run.open(asyncio.get_running_loop().create_future, streaming=False)
            run.start(input)
            output = await chain.ainvoke(input, config, **kwargs)
        return await run.checked(output)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Generator[Any, None, None]:
        def said(chain: Any, run: _Thread) -> Any:
            run.start(input)
            return chain.stream(input, config, **kwargs)

        return _Thread(self, config).said(said)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncGenerator[Any, None]:
        def said(chain: Any, run: _Task) -> Any:
            run.start(input)
            return chain.astream(input, config, **kwargs)

        return _Task(self, config).said(said)

    def transform(
        self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Generator[Any, None, None]:
        """Stream a stream: the chain reads it as it comes, and the graph runs when all of it has come."""
        return _Thread(self, config).said(lambda chain, run: chain.transform(run.fed(input), config, **kwargs))

    def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """Stream a stream; see ``transform``."""
        return _Task(self, config).said(lambda chain, run: chain.atransform(run.fed(input), config, **kwargs))


class _Run:
    """The graph of one run of a face, beside the chain.

    Args:
        face: The face.
        config: The caller's configuration.
    """

    def __init__(self, face: ApartFace, config: RunnableConfig | None) -> None:
        self._face = face
        self._config = config
        self._board: Board
        self._beside: Apart

    def open(self, future: Callable[[], Any], *, streaming: bool) -> Any:
        """The chain's structure, with the steps of this run in it.

        Only now is looked at what surrounds the call: core may call ``stream`` in one context and iterate in another
        (runnables/fallbacks.py).
        """
        self._beside, chain = self._face._show(self._config, future, streaming=streaming)
        self._board = self._beside.board
        return chain

    def _checked(self, final: Any, output: Any) -> Any:
        return self._face._checked(final, output, edited=self._board.edited)


class _Thread(_Run):
    """The graph in a thread beside the caller's."""

    _graph: GraphThread | None = None

    def start(self, value: Any) -> None:
        """Run the graph."""
        self._graph = GraphThread(lambda: self._work(value), lambda: None)

    def _work(self, value: Any) -> Any:
        try:
            final = self._face._run(value, self._beside)
        except BaseException as error:
            self._board.end(error)
            raise
        self._board.end(None)
        return final

    def fed(self, source: Iterator[Any]) -> Iterator[Any]:
        """The chain's input on its way; the graph starts when all of it has come."""
        total = Sum()
        for chunk in source:
            total.add(chunk)
            yield chunk
        self.start(total.value)

    def said(self, says: Callable[[Any, _Thread], Any]) -> Generator[Any, None, None]:
        """What the chain says."""
        said, chunks = Said(), says(self.open(Future, streaming=True), self)
        with closed(chunks), self:
            for chunk in chunks:
                yield said.add(chunk)
        self.checked(said.result)

    def checked(self, output: Any) -> Any:
        """The output, when the graph is done."""
        try:
            final = None if self._graph is None else self._graph.result()
        except RunEnded:
            return output
        return self._checked(final, output)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self._board.finish()
        self._board.close()
        if self._graph is not None:
            self._graph.join()
        if isinstance(error, GraphInterrupt):
            raise FaceInterruptError(error.interrupts) from None


class _Task(_Run):
    """The graph in a task beside the caller's."""

    _graph: asyncio.Task[Any] | None = None

    def start(self, value: Any) -> None:
        """Run the graph."""
        self._graph = self._face._arun(value, self._beside)
        self._graph.add_done_callback(self._ended)

    def _ended(self, graph: asyncio.Task[Any]) -> None:
        self._board.end(None if graph.cancelled() else graph.exception())

    async def fed(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The chain's input on its way; the graph starts when all of it has come."""
        total = Sum()
        async for chunk in source:
            total.add(chunk)
            yield chunk
        self.start(total.value)

    async def said(self, says: Callable[[Any, _Task], Any]) -> AsyncGenerator[Any, None]:
        """What the chain says."""
        future = asyncio.get_running_loop().create_future
        said, chunks = Said(), says(self.open(future, streaming=True), self)
        async with aclosed(chunks), self:
            async for chunk in chunks:
                yield said.add(chunk)
        await self.checked(said.result)

    async def checked(self, output: Any) -> Any:
        """The output, when the graph is done."""
        try:
            final = None if self._graph is None else await self._graph
        except RunEnded:
            return output
        return self._checked(final, output)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if error is None:
            self._board.finish()
        self._board.close()
        if self._graph is not None and error is not None:
            await end_of(self._graph)
        if isinstance(error, GraphInterrupt):
            raise FaceInterruptError(error.interrupts) from None


def _restored(graph: Any) -> Runnable[Any, Any]:
    """A pickled face; what it was bound to is pickled around it."""
    return unbound(as_lcel(graph))[1]

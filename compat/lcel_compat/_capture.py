"""The capture of callbacks: what the runnables inside a graph do, as entries of the run's log.

One handler serves every mode that needs one. Core taps the chunks of the first handler it finds that is marked as
a streaming handler and of no other (EVENTS.md, 5.2), so a second one beside it would lose whole parser streams at
random. Where somebody else's marked handler is already there (the run is inside an outer ``astream_events``, a
LangServe route, another graph), it keeps its callbacks but is hidden from the search (``Unmarked``), and the taps
of ``Capture`` pass every chunk through its taps as well.

How an entry is formed follows langchain-core's tracers/event_stream.py (EVENTS.md, section 4).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.callbacks.base import BaseCallbackManager
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import GenerationChunk, LLMResult

from lcel_compat._core import V3_MARKER, StreamingHandler
from lcel_compat._log import Dispatched, Log, Run, RunEnded, RunFailed, RunStarted, RunStreamed
from lcel_compat._mailbox import AsyncMailbox, Mailbox

T = TypeVar("T")

_REMEMBERED = 1024
"""Ended runs whose ancestry is kept, for runs that start under a parent that has ended already."""


class RunAbandoned(BaseException):
    """Ends a stream in a thread, at its second chunk from then on, when its run has no consumer any more.

    Threads cannot be cancelled. It is no ``Exception`` so that neither core's callback manager nor a node that catches
    errors takes it for one; it never leaves the engine.
    """


class Capture(BaseCallbackHandler, StreamingHandler[Any]):
    """Writes the runs below one graph run to its log.

    Args:
        log: The log.
        mailbox: The queue whose limit holds producers back.
        others: Marked handlers of somebody else, whose taps see the chunks too.

    Attributes:
        ends_all: Whether a run that fails ends all runs inside it that are still open, the last one first.
    """

    run_inline = True

    def __init__(self, log: Log, mailbox: Mailbox, others: Sequence[StreamingHandler[Any]] = ()) -> None:
        self._log = log
        self._mailbox = mailbox
        self._others = others
        self._runs: dict[UUID, Run] = {}
        self._ended: OrderedDict[UUID, tuple[str, ...]] = OrderedDict()
        self._tapped: set[UUID] = set()
        self.ends_all = False

    @property
    def threaded(self) -> bool:
        """Whether it belongs to a synchronous run."""
        return not isinstance(self._mailbox, AsyncMailbox)

    def __copy__(self) -> Capture:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Capture:
        return self

    # What core's taps call for the chunks of a run ------------------------------------------------------

    async def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[T]) -> AsyncIterator[T]:
        """Pass the chunks of a run on, writing each to the log."""
        for other in self._others:
            output = other.tap_output_aiter(run_id, output)
        mine = self._first_tap(run_id)
        run: Run | None = None
        async for chunk in output:
            if mine and (run := run or self._runs.get(run_id)):
                self._log.write(RunStreamed(run=run, chunk=chunk))
                if self._mailbox.full and isinstance(self._mailbox, AsyncMailbox):
                    await self._mailbox.room()
            yield chunk

    def tap_output_iter(self, run_id: UUID, output: Iterator[T]) -> Iterator[T]:
        """Pass the chunks of a run on, writing each to the log.

        When nobody reads any more, one chunk is let through: it may be the only one, the result of a function that has
        done its work, which would be lost and done again.

        Raises:
            RunAbandoned: In a thread, at the chunk after that.
        """
        for other in self._others:
            output = other.tap_output_iter(run_id, output)
        mine, abandoned = self._first_tap(run_id), False
        run: Run | None = None
        for chunk in output:
            if abandoned:
                raise RunAbandoned
            if mine and (run := run or self._runs.get(run_id)):
                self._write(RunStreamed(run=run, chunk=chunk))
            abandoned = self._mailbox.abandons_caller()
            yield chunk

    def begin(self, run: Run) -> None:
        """Write the start of a run."""
        self._runs[run.id] = run
        self._write(RunStarted(run=run))

    def chunk(self, run_id: UUID, chunk: Any) -> None:
        """Write a chunk of a run that the engine itself taps: a node, or the graph."""
        if run := self._runs.get(run_id):
            self._log.write(RunStreamed(run=run, chunk=chunk))

    def _first_tap(self, run_id: UUID) -> bool:
        first = run_id not in self._tapped
        self._tapped.add(run_id)
        return first

    # Runs ----------------------------------------------------------------------------------------------

    def _write(self, entry: Any) -> None:
        self._log.write(entry)
        if self._mailbox.given - self._mailbox.taken >= self._mailbox.limit:
            self._mailbox.hold()

    def _begin(
        self,
        run_id: UUID,
        run_type: str,
        serialized: Mapping[str, Any] | None,
        parent_run_id: UUID | None,
        *,
        name: str | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **inputs: Any,
    ) -> None:
        self.begin(
            Run(
                id=run_id,
                type=run_type,
                name=_name(name, serialized),
                tags=tags or [],
                metadata=metadata or {},
                parents=self.ancestry(parent_run_id),
                **inputs,
            )
        )

    def ancestry(self, parent: UUID | None) -> tuple[str, ...]:
        if parent is None:
            return ()
        if run := self._runs.get(parent):
            return (*run.parents, run.key)
        return (*self._ended.get(parent, ()), str(parent))

    def _finish(self, run_id: UUID) -> Run | None:
        """Forget a run that is over, but for its place in the tree."""
        run = self._runs.pop(run_id, None)
        self._tapped.discard(run_id)
        if run is not None:
            self._ended[run_id] = run.parents
            if len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
        return run

    def _end(self, run_id: UUID, output: Any, inputs: Any = None) -> None:
        if run := self._finish(run_id):
            self._write(RunEnded(run=run, output=output, inputs=inputs))

    def _fail(self, run_id: UUID, error: BaseException) -> None:
        if self.ends_all and (failed := self._runs.get(run_id)):
            # Dropped work, a thread's or that of a sibling of what failed, never says itself that it has ended.
            for inner in reversed([run.id for run in self._runs.values() if failed.key in run.parents]):
                self._end_failed(inner, error)
        self._end_failed(run_id, error)

    def _end_failed(self, run_id: UUID, error: BaseException) -> None:
        if run := self._finish(run_id):
            self._write(RunFailed(run=run, error=error))

    # Callbacks -----------------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_type: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        # A streaming run does not know its input yet; core says so with this very placeholder (rule 13).
        known = not is_placeholder(inputs)
        self._begin(
            run_id,
            run_type or "chain",
            serialized,
            parent_run_id,
            name=name,
            tags=tags,
            metadata=metadata,
            inputs=inputs if known else None,
            has_inputs=known,
        )

    def on_chain_end(self, outputs: Any, *, run_id: UUID, inputs: Any = None, **kwargs: Any) -> None:
        self._end(run_id, outputs, inputs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._fail(run_id, error)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._begin(
            run_id,
            "chat_model",
            serialized,
            parent_run_id,
            name=name,
            tags=tags,
            metadata=metadata,
            inputs={"messages": messages},
            has_inputs=True,
        )

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._begin(
            run_id,
            "llm",
            serialized,
            parent_run_id,
            name=name,
            tags=tags,
            metadata=metadata,
            inputs={"prompts": prompts},
            has_inputs=True,
        )

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any) -> None:
        run = self._runs.get(run_id)
        if run is None or run_id in self._tapped:
            return
        if run.type == "chat_model":
            part = AIMessageChunk(content=token) if chunk is None else chunk.message
        else:
            part = GenerationChunk(text=token if isinstance(token, str) else "") if chunk is None else chunk
        self._write(RunStreamed(run=run, chunk=part))
        if self._mailbox.closed and self._mailbox.abandons_caller():
            raise RunAbandoned

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        run = self._runs.get(run_id)
        if run is None:
            return
        self._end(run_id, response)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._fail(run_id, error)

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._begin(
            run_id,
            "tool",
            serialized,
            parent_run_id,
            name=name,
            tags=tags,
            metadata=metadata,
            inputs=inputs,
            has_inputs=True,
            tool_call_id=kwargs.get("tool_call_id"),
        )

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._end(run_id, output)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if (call := kwargs.get("tool_call_id")) and (run := self._runs.get(run_id)):
            run.tool_call_id = call
        self._fail(run_id, error)

    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._begin(
            run_id,
            "retriever",
            serialized,
            parent_run_id,
            name=name,
            tags=tags,
            metadata=metadata,
            inputs={"query": query},
            has_inputs=True,
        )

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._end(run_id, documents)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._fail(run_id, error)

    def on_custom_event(
        self,
        name: str,
        data: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        run = self._runs.get(run_id)
        self._write(
            Dispatched(
                name=name,
                data=data,
                run_id=run_id,
                tags=tags or [],
                metadata=metadata or {},
                parents=run.parents if run else self._ended.get(run_id, ()),
            )
        )


class Gate(BaseCallbackHandler):
    """Holds back whoever emits through awaited callbacks while the consumer is behind.

    ``Capture`` is synchronous, since it serves threads and the event loop alike. This handler stands beside it and
    is asked after it: as long as there is room, or when the caller cannot wait, it is to be ignored and costs one
    look; otherwise its coroutine is awaited by core's asynchronous callback manager.
    """

    run_inline = True

    def __init__(self, mailbox: AsyncMailbox) -> None:
        self._mailbox = mailbox

    def __copy__(self) -> Gate:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Gate:
        return self

    @property
    def _idle(self) -> bool:
        return not self._mailbox.room_needed()

    ignore_llm = ignore_chain = ignore_agent = ignore_retriever = _idle
    ignore_chat_model = ignore_custom_event = _idle
    ignore_retry = True

    async def _room(self, *args: Any, **kwargs: Any) -> None:
        await self._mailbox.room()

    on_chat_model_start = on_llm_start = on_llm_new_token = on_llm_end = _room
    on_chain_start = on_chain_end = on_tool_start = on_tool_end = _room
    on_retriever_start = on_retriever_end = on_custom_event = _room


class Unmarked:
    """Somebody else's handler with everything but its taps, so that core does not take it for the one to tap."""

    __slots__ = ("_handler",)

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def __getattr__(self, name: str) -> Any:
        if name.startswith("tap_output_"):
            raise AttributeError(name)
        return getattr(self._handler, name)

    def __copy__(self) -> Unmarked:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Unmarked:
        return self


def is_placeholder(inputs: Any) -> bool:
    """Whether this is what core passes as the input of a run that streams its input (runnables/base.py:2641)."""
    return type(inputs) is dict and len(inputs) == 1 and type(inputs.get("input")) is str and not inputs["input"]


def is_marked(handler: Any) -> bool:
    """Whether core would stream for this handler and may tap it."""
    return isinstance(handler, StreamingHandler)


def install(manager: BaseCallbackManager, log: Log, mailbox: Mailbox) -> Capture:
    """Make a capture the one marked handler of a manager, and of all its children.

    Args:
        manager: The run's own manager; its handlers are changed.
        log: Where the capture writes.
        mailbox: Whose limit holds producers back.

    Returns:
        The capture.
    """
    others: list[Any] = [h for h in manager.handlers if is_marked(h)]
    capture = _capture_class(others)(log, mailbox, others)
    replaced = {id(h): Unmarked(h) for h in others}
    mine: list[Any] = [capture, Gate(mailbox)] if isinstance(mailbox, AsyncMailbox) else [capture]
    manager.handlers = mine + _exchanged(manager.handlers, replaced)
    manager.inheritable_handlers = mine + _exchanged(manager.inheritable_handlers, replaced)
    return capture


def _exchanged(handlers: Iterable[Any], replaced: Mapping[int, Any]) -> list[Any]:
    return [replaced.get(id(h), h) for h in handlers]


def _capture_class(others: Iterable[Any]) -> type[Capture]:
    """A capture marked for the content-block protocol where a handler it stands for is."""
    if V3_MARKER is None or not any(isinstance(h, V3_MARKER) for h in others):
        return Capture
    return type("Capture", (Capture, V3_MARKER), {})


def _name(name: str | None, serialized: Mapping[str, Any] | None) -> str:
    """A run's name as core assigns it (tracers/event_stream.py, ``_assign_name``)."""
    if name is not None:
        return name
    if serialized:
        if "name" in serialized:
            return str(serialized["name"])
        if "id" in serialized:
            return str(serialized["id"][-1])
    return "Unnamed"


async def one(item: T) -> AsyncIterator[T]:
    """An asynchronous iterator over one thing, to pass a finished value through a tap."""
    yield item

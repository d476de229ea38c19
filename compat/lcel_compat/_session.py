"""One run of a graph from its input to its end.

``Session.conduct`` decides everything that is the same whether a run is awaited or not: it asks the machine what to
do next and yields instructions. Two drivers carry them out (``_drive.py``)::

    Call(x)      finish a callback, send back its result
    Start(task)  run a node beside the others
    WAIT         hand out items until a node is done, send back its Finished
    DRAIN        hand out the items that are there
    STOP         end the nodes that run

A run ends once: it completes, it fails because a node or the graph itself raised, or an exception arrives from the
driver because the consumer stopped or was cancelled. Callbacks see an end or an error accordingly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast
from uuid import UUID, uuid4

from langchain_core.runnables import RunnableConfig

from lcel_compat._capture import Capture, install, is_marked
from lcel_compat._constants import INTEGRATION, NAMESPACE_SEPARATOR
from lcel_compat._core import langsmith_tracer
from lcel_compat._execute import ASYNC, ChainRun, Colour, Frame
from lcel_compat._log import Emitted, Entry, Log, Projection
from lcel_compat._machine import Machine, Task
from lcel_compat._mailbox import Mailbox
from lcel_compat._program import Program
from lcel_compat._runs import OwnRun, node_run, root_run
from lcel_compat.modes import CAPTURED, MODES, EventFilter, Scope


@dataclass(slots=True)
class Call:
    """Finish a call that may have to be awaited; a ``final`` one is finished even if the run is cancelled meanwhile."""

    result: Any
    final: bool = False


@dataclass(slots=True)
class Start:
    """Run a node; ``Finished`` goes to the mailbox when it is done. ``beside``: others run at the same time."""

    task: Task
    beside: bool


class Wait:
    """Hand out items as they come until a node is done; come back with its ``Finished``."""


class Drain:
    """Hand out the items that are there."""


class Stop:
    """End what runs, and come back when it has ended or a bound is over."""


WAIT: Final = Wait()
DRAIN: Final = Drain()
STOP: Final = Stop()
Instruction: TypeAlias = Call | Start | Wait | Drain | Stop


@dataclass(slots=True, kw_only=True)
class Finished:
    """What a driver posts when a node is done, with what it raised, if it did."""

    task: Task
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller asked for.

    Attributes:
        value: The input.
        config: The resolved configuration.
        modes: The stream modes, empty for ``invoke``.
        labelled: Whether items are ``(mode, item)``.
        output_keys: The keys that the output shows.
        chunk_modes: The modes whose items the root run's ``on_chain_stream`` events carry.
        chunks_labelled: Whether those are ``(mode, item)``.
        event_filter: Which events ``events`` shows.
    """

    value: Any
    config: RunnableConfig
    modes: tuple[str, ...] = ()
    labelled: bool = False
    output_keys: tuple[str, ...]
    chunk_modes: tuple[str, ...] = ("updates",)
    chunks_labelled: bool = False
    event_filter: EventFilter


class RootChunks:
    """Makes the items of a mode the chunks of the graph's own run.

    ``astream_events`` taps what ``astream`` would yield, so the root's ``on_chain_stream`` events carry items of
    the mode that was asked for (EVENTS.md, rule 2), ``updates`` unless said otherwise.
    """

    def __init__(self, mode: str, inner: Projection, *, labelled: bool) -> None:
        self.reads: tuple[type[Entry], ...] = inner.reads
        self._inner = inner
        self._label = mode if labelled else None
        self._capture: Capture | None = None
        self._run_id: UUID | None = None

    def attach(self, capture: Capture, run_id: UUID) -> None:
        """From now on chunks go to this run."""
        self._capture, self._run_id = capture, run_id

    def project(self, entry: Entry) -> Iterator[Any]:
        for item in self._inner.project(entry):
            if self._capture is not None and self._run_id is not None:
                self._capture.chunk(self._run_id, item if self._label is None else (self._label, item))
        return iter(())


class Session:
    """One run.

    Args:
        program: The graph.
        request: What was asked for.
        colour: How other people's code is called.
        mailbox: The queue between the run and its driver.

    Attributes:
        output: The final state, once the run is complete.
    """

    def __init__(self, program: Program, request: Request, colour: Colour, mailbox: Mailbox) -> None:
        self.output: Any = None
        self._request = request
        self._colour = colour
        self._mailbox = mailbox
        config = request.config
        namespace = config["configurable"].get("checkpoint_ns") or ""
        scope = Scope(
            output_keys=request.output_keys,
            state_keys=program.state,
            is_root=program.is_root,
            namespace=tuple(namespace.split(NAMESPACE_SEPARATOR)) if namespace else (),
            input=request.value,
            event_filter=request.event_filter,
        )
        self._chunks = self._root_chunks(scope)
        # Several modes may read one entry; their items then come in the order of MODES, as LangGraph's do.
        projections: dict[str, Projection] = {m: MODES[m](scope) for m in MODES if m in request.modes}
        self._log = Log({**projections, **self._chunks}, mailbox.give, labelled=request.labelled)
        self.machine = Machine(
            program,
            self._log,
            output_keys=request.output_keys,
            namespace=namespace,
            metadata=config["metadata"],
            tags=config["tags"],
            recursion_limit=config["recursion_limit"],
        )
        self._name = config.get("run_name") or program.name
        self._limit = config.get("max_concurrency") or (1 << 30)
        self.frame: Frame

    def _root_chunks(self, scope: Scope) -> Mapping[str, RootChunks]:
        request = self._request
        if "events" not in request.modes:
            return {}
        return {
            f"root chunks: {mode}": RootChunks(mode, MODES[mode](scope), labelled=request.chunks_labelled)
            for mode in request.chunk_modes
        }

    def conduct(self) -> Generator[Instruction, Any, None]:
        """The whole run, as instructions.

        Raises:
            BaseException: What a node raised, what the machine refused, or what the driver threw in.
        """
        root = yield from self._open()
        failure: BaseException | None = None
        try:
            failure = yield from self._supersteps()
            if failure is not None:
                yield STOP
            yield DRAIN
        except BaseException as error:
            try:
                yield STOP
            finally:
                yield from _tell(root and root.on_chain_error(error), final=True)
            raise
        if failure is not None:
            yield from _tell(root and root.on_chain_error(failure), final=True)
            raise failure
        self.output = self.machine.output()
        if root is not None:
            yield from _tell(root.on_chain_end(self.output))
            yield DRAIN

    @property
    def emits(self) -> bool:
        """Whether nodes may send values with a stream writer that somebody reads."""
        return self._log.wants(Emitted)

    def result(self) -> Any:
        """What ``invoke`` returns: the final state, or ``None`` if nothing of the output was ever written."""
        return self.output if self.machine.changed_output else None

    def _open(self) -> Generator[Instruction, Any, ChainRun | None]:
        """Find out who listens, tell them that the run starts, and set the frame for the nodes."""
        config = self._request.config
        manager = cast("Any", self._colour.manager).configure(
            inheritable_callbacks=config["callbacks"],
            inheritable_tags=config["tags"],
            inheritable_metadata=config["metadata"],
        )
        captures = not CAPTURED.isdisjoint(self._request.modes)
        foreign = [handler for handler in manager.handlers if self._streams_for(handler)]
        root: Any = None
        capture: Capture | None = None
        if captures or manager.handlers:
            if "ls_integration" not in manager.metadata:
                manager.add_metadata({"ls_integration": INTEGRATION})
            capture = install(manager, self._log, self._mailbox) if captures else None
            root = root_run(
                manager,
                capture,
                self._mailbox,
                name=self._name,
                run_id=config.get("run_id"),
                value=self._request.value,
            )
            if type(root) is not OwnRun:
                root = yield Call(root)
        for chunks in self._chunks.values():
            chunks.attach(cast("Capture", capture), cast("ChainRun", root).run_id)
        self.frame = Frame(
            machine=self.machine,
            colour=self._colour,
            config=config,
            open=None if root is None else lambda task: node_run(task, root, self._colour.manager),
            run_id=uuid4() if root is None else root.run_id,
            taps=foreign if capture is None else (capture,),
            streaming="events" in self._request.modes or bool(foreign),
            traced=root is not None and langsmith_tracer(root.handlers) is not None,
            writer=self._writer(),
        )
        return cast("ChainRun | None", root)

    def _streams_for(self, handler: Any) -> bool:
        """Whether nodes are streamed because of a handler that was there before this run.

        In a synchronous run LangGraph never does. Here it is done for a graph that is a node of another graph whose
        synchronous events are asked for, so that they are those of an asynchronous run.
        """
        if self._colour is ASYNC:
            return is_marked(handler)
        return isinstance(handler, Capture) and handler.threaded and bool(self._request.modes)

    def _writer(self) -> Any:
        log, mailbox = self._log, self._mailbox
        if not log.wants(Emitted):
            return _ignore

        def write(value: Any) -> None:
            log.write(Emitted(value=value))
            if mailbox.full:
                mailbox.hold()

        return write

    def _supersteps(self) -> Generator[Instruction, Any, BaseException | None]:
        """Run node after node until there is none left; what failed, if something did."""
        ready: deque[Task] = deque()
        running = 0
        try:
            ready.extend(self._hand_on(self.machine.begin(self._request.value)))
            while ready or running:
                while ready and running < self._limit:
                    running += 1
                    yield Start(ready.popleft(), running + len(ready) > 1)
                done: Finished = yield WAIT
                running -= 1
                ready.extend(self._settle(done))
        except _Failed as failed:
            return failed.error
        return None

    def _hand_on(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """The first task only hands the input on; without a conditional entry there is nothing to run."""
        (start,) = tasks
        if start.node.branches:
            return tasks
        try:
            start.writes = start.node.writes(start.input)
        except Exception as error:
            raise _Failed(error) from error
        return self._settle(Finished(task=start))

    def _settle(self, done: Finished) -> Sequence[Task]:
        """Tell the machine that a task is over; the tasks to start next."""
        if done.error is not None:
            done.error.add_note(f"During task with name {done.task.name!r} and id {done.task.id!r}")
            self.machine.failed(done.task, done.error)
            raise _Failed(done.error)
        try:
            return self.machine.finished(done.task)
        except Exception as error:
            # It ends the run as a node's does: what was streamed before is handed out.
            raise _Failed(error) from error


def _tell(told: Any, *, final: bool = False) -> Generator[Instruction, Any, None]:
    """Finish telling handlers something, if that is not done yet."""
    if told is not None:
        yield Call(told, final=final)


class _Failed(Exception):
    """Carries what ended the run out of the loop over supersteps."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _ignore(value: Any) -> None:
    """The stream writer when nobody asked for ``custom``."""

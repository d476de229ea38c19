"""One run of a graph from its input to its end.

``Session.conduct`` decides everything that is the same whether a run is awaited or not: it asks the machine what to
do next and yields instructions. Two drivers carry them out (``_drive.py``)::

    Call(x)      finish a callback or a call of the saver, send back its result
    Start(task)  run a node beside the others
    WAIT         hand out items until a node is done, send back its Finished
    DRAIN        hand out the items that are there
    STOP         end the nodes that run

A run ends once: it completes, it waits for answers, it fails because a node or the graph itself raised, or an exception
arrives from the driver because the consumer stopped or was cancelled. Callbacks see an end or an error accordingly.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from lcel_compat._answers import Answers, common_answer, given_to
from lcel_compat._begin import Continued, begin_saved, begin_unsaved
from lcel_compat._caching import look_up, remember
from lcel_compat._capture import Capture, RunAbandoned, install, is_marked
from lcel_compat._constants import INTEGRATION, NAMESPACE_SEPARATOR, RESUME, TASK_ID, TASK_SEPARATOR
from lcel_compat._context import TaskScope
from lcel_compat._core import langsmith_tracer
from lcel_compat._execute import ASYNC, ChainRun, Colour, Frame
from lcel_compat._instructions import DRAIN, STOP, WAIT, Call, Conduct, Finished, Instruction, Start, Stop
from lcel_compat._keep import Keeper, patched
from lcel_compat._log import Asked, Emitted, Log, TaskFinished
from lcel_compat._machine import Machine, Task, is_handled
from lcel_compat._mailbox import Mailbox
from lcel_compat._pipeline import Opened, Pipes
from lcel_compat._program import Program
from lcel_compat._readers import RootChunks, readers
from lcel_compat._request import Request
from lcel_compat._runs import OwnRun, node_run, root_run
from lcel_compat._sink import Sink
from lcel_compat._snapshot import checkpointed
from lcel_compat.errors import GraphBubbleUp, GraphDrained, GraphInterrupt, ParentCommand, StepTimeoutError
from lcel_compat.modes import CAPTURED
from lcel_compat.runtime import ExecutionInfo, RunControl, Runtime, coerce_context, server_info_of
from lcel_compat.types import Durability, Interrupt

if TYPE_CHECKING:
    from langgraph.cache.base import BaseCache
    from langgraph.checkpoint.base import BaseCheckpointSaver


class Session:
    """One run.

    Args:
        program: The graph.
        request: What was asked for.
        colour: How other people's code is called.
        mailbox: The queue between the run and its driver.

    Attributes:
        output: The final state, once the run is over.
        interrupts: What the run waits for, once it does.
        namespace: Where the graph stands: ``""``, or the namespace of the task that it runs in.
        machine: The superstep machine.
        sinks: The consumers that see what graphs inside this one do.
        mailboxes: Its own queue, and those of the consumers around it that see what it does.
        store: What nodes keep things in.
        control: By which the run can be asked to stop.
        continued: How the run began.
        deadline: When the superstep has to be over, by ``time.monotonic``; ``None`` if it may take as long as it takes.
    """

    def __init__(self, program: Program, request: Request, colour: Colour, mailbox: Mailbox) -> None:
        parent = request.parent
        around = None if parent is None else parent.frame.session
        self.output: Any = None
        self.interrupts: list[Interrupt] = []
        self.request = request
        self.parent = parent
        self.around: Session | None = around
        self.namespace = _namespace(request)
        self.config = patched(request.config, checkpoint_ns=self.namespace) if self.namespace else request.config
        self.store: Any = request.settings.store if around is None else around.store
        self.control: RunControl = request.control or (RunControl() if around is None else around.control)
        self.continued = Continued()
        self.deadline: float | None = None
        self._colour = colour
        self._mailbox = mailbox
        self._program = program
        own = request.sink(mailbox, program)
        inherited = () if around is None else around.sinks
        self.sinks: tuple[Sink, ...] = (*inherited, own) if request.below else inherited
        self._chunks = RootChunks()
        self.log = Log(
            readers(request, program, self.namespace, own=own, inherited=inherited, chunks=self._chunks), own.lock
        )
        self.keeper = self._keeper()
        self._lends = self.saver is not None
        self.machine = Machine(
            program,
            self.log,
            output_keys=request.output_keys,
            namespace=self.namespace,
            metadata=self.config["metadata"],
            tags=self.config["tags"],
            recursion_limit=self.config["recursion_limit"],
        )
        self._name = self.config.get("run_name") or program.name
        self._limit = self.config.get("max_concurrency") or (1 << 30)
        self.mailboxes: tuple[Mailbox, ...] = (mailbox, *(sink.mailbox for sink in inherited))
        self._write = self._writer()
        self._runtime: Runtime[Any] | None = None
        self._cache: BaseCache[Any] | None = request.settings.cache or (None if around is None else around.cache)
        self._pipes: Pipes | None = None
        # Otherwise a saver, a cache or a consumer further out comes before the run's own consumer.
        self._tells_nobody_first = self.keeper is None and self._cache is None and not self.sinks
        self.frame: Frame

    def _keeper(self) -> Keeper | None:
        """What saves the run: the graph's own saver, or that of the graph around it."""
        settings = self.request.settings
        if settings.saver is None:
            return None
        given = self.config["configurable"]
        mapped = (given.get("checkpoint_map") or {}).get(self.namespace)
        config = patched(self.config, checkpoint_ns=self.namespace, thread_id=str(given["thread_id"]))
        config = patched(config, checkpoint_id=mapped) if mapped else config
        durability = self.durability
        return Keeper(
            saver=settings.saver,
            program=self._program,
            colour=self._colour,
            durability=durability or "async",
            config=config,
            parents=given.get("checkpoint_map") or {},
            queue=self._colour.queue(),
        )

    @property
    def saver(self) -> BaseCheckpointSaver[Any] | None:
        """What saves graphs inside: the run's own saver, or that of the graph around one that is not saved."""
        own = self.request.settings.saver
        return own if own is not None or self.around is None else self.around.saver

    @property
    def cache(self) -> BaseCache[Any] | None:
        """What keeps the writes of nodes with a cache policy."""
        return self._cache

    @property
    def durability(self) -> Durability | None:
        """When the run saves, if somebody said so: graphs inside it do the same."""
        if self.request.durability is not None or self.around is None:
            return self.request.durability
        return self.around.durability

    def conduct(self) -> Conduct:
        """The whole run, as instructions.

        Raises:
            BaseException: What a node raised, what the machine refused, or what the driver threw in.
        """
        root = yield from self._open()
        failure: BaseException | None = None
        try:
            failure = yield from self._supersteps()
            if failure is not None or self._pipes:
                self._abandon_pipes()
                yield Stop(heard=self.request.error_events)
                self._keep_what_finished()
            failure = yield from self._save_rest(failure)
            yield DRAIN
        except BaseException as error:
            try:
                yield from self._stop_and_save(error)
            finally:
                yield from _tell(root and root.on_chain_error(error), final=True)
            raise
        if failure is not None:
            yield from _tell(root and root.on_chain_error(failure), final=True)
            if self.request.error_events:
                yield DRAIN
            if self.parent is None and isinstance(failure, ParentCommand):
                _note(failure, f"There is no graph around {self._program.name!r} that could take the command.")
            try:
                raise failure if self.parent is None else self.parent.outward(failure)
            finally:
                del failure  # its traceback holds on to this frame
        self.output = self.machine.output()
        if root is not None:
            yield from _tell(root.on_chain_end(self.output))
            yield DRAIN

    @property
    def abandoned(self) -> bool:
        """Whether this run, or one around it, was stopped; in a thread nothing else ends the graphs inside."""
        return self._mailbox.abandoned or (self.around is not None and self.around.abandoned)

    @property
    def emits(self) -> bool:
        """Whether nodes may send values with a stream writer that somebody reads."""
        return self.log.wants(Emitted)

    def too_late(self, error: TimeoutError) -> TimeoutError:
        """What a ``TimeoutError`` means: that the superstep takes too long, or whatever a call meant by it."""
        seconds = self.request.settings.step_timeout
        if self.deadline is None or time.monotonic() < self.deadline:
            return error
        running = ", ".join(repr(task.name) for task in self.machine.tasks.values() if not task.writes)
        return StepTimeoutError(
            f"A superstep of the graph {self._program.name!r} took longer than its step_timeout of {seconds} s allows;"
            f" {running} had not finished."
        )

    def leave(self) -> None:
        """The run is over; what the frame holds would otherwise stay until the garbage collector comes."""
        self._runtime = self._pipes = None
        for task in self.machine.tasks.values():
            task.writes.clear()
        if hasattr(self, "frame"):
            del self.frame

    def result(self) -> Any:
        """What ``invoke`` returns: the final state, or ``None`` if nothing of the output was ever written."""
        return self.output if self.machine.changed_output else None

    # What nodes ask for --------------------------------------------------------------------------------

    def coordinates(self, task: Task) -> dict[str, Any]:
        """What a node's configuration says about where it runs."""
        found: dict[str, Any] = {"checkpoint_ns": task.namespace, TASK_ID: task.id}
        if self._lends:
            around = self.config["configurable"].get("checkpoint_map") or {}
            found["checkpoint_id"] = None
            found["checkpoint_map"] = {**around, self.namespace: self.machine.checkpoint_id}
        return found

    def answers_for(self, task: Task) -> Answers:
        """The answers to a task's interrupts."""
        pending = [] if self.machine.ledger is None else self.machine.ledger.pending
        return Answers(
            task.namespace,
            given_to(task.id, task.namespace, pending, self.continued.answers),
            common_answer(pending, None if self.parent is None else self.parent.answers.common),
            lambda used: task.writes.append((RESUME, used)),
        )

    @property
    def runtime(self) -> Runtime[Any]:
        """What all nodes of the run may know of it."""
        if self._runtime is None:
            settings = self.request.settings
            own: Runtime[Any] = Runtime(
                context=coerce_context(settings.context_schema, self.request.context),
                store=self.store,
                stream_writer=self._write,
                server_info=server_info_of(self.config["configurable"]),
                control=self.control,
            )
            self._runtime = own if self.around is None else self.around.runtime.merge(own)
        return self._runtime

    def runtime_for(self, scope: TaskScope) -> Runtime[Any]:
        """What one node may know of its run."""
        task, run_id = scope.task, self.config.get("run_id")
        info = ExecutionInfo(
            checkpoint_id=self.machine.checkpoint_id,
            checkpoint_ns=task.namespace,
            task_id=task.id,
            thread_id=self.config["configurable"].get("thread_id"),
            run_id=None if run_id is None else str(run_id),
            node_attempt=scope.attempt,
        )
        runtime = self.runtime.override(execution_info=info)
        if scope.clock is None:
            return runtime
        return runtime.override(heartbeat=scope.clock.touch, stream_writer=scope.writer)

    # Running -------------------------------------------------------------------------------------------

    def _open(self) -> Generator[Instruction, Any, ChainRun | None]:
        """Find out who listens, tell them that the run starts, and set the frame for the nodes."""
        config, modes = self.config, (*self.request.modes, *self.request.printed)
        manager = cast("Any", self._colour.manager).configure(
            inheritable_callbacks=config["callbacks"],
            inheritable_tags=config["tags"],
            inheritable_metadata=config["metadata"],
        )
        captures = not CAPTURED.isdisjoint(modes)
        foreign = [handler for handler in manager.handlers if self._streams_for(handler)]
        root: Any = None
        capture: Capture | None = None
        if captures or manager.handlers:
            if "ls_integration" not in manager.metadata:
                manager.add_metadata({"ls_integration": INTEGRATION})
            capture = install(manager, self.log, self._mailbox) if captures else None
            root = root_run(
                manager,
                capture,
                self._mailbox,
                name=self._name,
                run_id=config.get("run_id"),
                value=self.request.value,
            )
            if type(root) is not OwnRun:
                root = yield Call(root)
        if capture is not None:
            capture.ends_all = self.request.error_events
            self._chunks.attach(capture, cast("ChainRun", root).run_id)
        streaming = "events" in modes or bool(foreign)
        if streaming and self.keeper is None and self._program.streams:
            self._pipes = self._streams()
        self.frame = Frame(
            session=self,
            machine=self.machine,
            colour=self._colour,
            config=config,
            open=None if root is None else lambda task: node_run(task, root, self._colour.manager),
            run_id=uuid4() if root is None else root.run_id,
            taps=foreign if capture is None else (capture,),
            streaming=streaming,
            traced=root is not None and langsmith_tracer(root.handlers) is not None,
            writer=self._write,
            pipes=self._pipes,
        )
        return cast("ChainRun | None", root)

    def _streams(self) -> Pipes:
        request = self.request
        return Pipes(
            self.machine,
            asynchronous=self._colour is ASYNC,
            post=self._mailbox.post,
            before=request.before,
            after=request.after,
        )

    def _abandon_pipes(self) -> None:
        """Nodes that began before their superstep, and will not have one, end."""
        if self._pipes is not None:
            self._pipes.abandon()

    def _streams_for(self, handler: Any) -> bool:
        """Whether nodes are streamed because of a handler that was there before this run.

        In a synchronous run LangGraph never does. Here it is done for a graph that is a node of another graph whose
        synchronous events are asked for, so that they are those of an asynchronous run. A graph that a function calls
        with ``invoke`` is not: it has no chunks in an asynchronous run either.
        """
        if self._colour is ASYNC:
            return is_marked(handler)
        return isinstance(handler, Capture) and handler.threaded and bool(self.request.modes)

    def _writer(self) -> Any:
        log = self.log
        if not log.wants(Emitted):
            return _ignore
        mailboxes = self.mailboxes

        def write(value: Any) -> None:
            log.write(Emitted(value=value))
            for mailbox in mailboxes:
                if mailbox.full:
                    mailbox.hold()

        return write

    def _supersteps(self) -> Generator[Instruction, Any, BaseException | None]:
        """Run superstep after superstep until nothing is left to do; what failed, if something did."""
        machine, request = self.machine, self.request
        try:
            yield from self._begin()
            while True:
                machine.schedule()
                if self.keeper is not None:
                    checkpointed(self.log, machine, self.keeper)
                machine.check_limit()
                if not machine.tasks:
                    return None
                if self.keeper is not None and not self.continued.replaying:
                    machine.reapply()
                if request.before and machine.breaks(request.before):
                    raise GraphInterrupt
                if self.around is not None and self.around.abandoned:
                    raise RunAbandoned
                if self.control.drain_requested:
                    raise GraphDrained(self.control.drain_reason or "shutdown")
                yield from self._superstep()
                changed = machine.advance()
                if self.keeper is None:
                    machine.step += 1
                    self.continued.stepped()
                else:
                    yield from self._checkpoint(self.keeper)
                if changed:
                    machine.show_state()
                if self.sinks:
                    yield from self._let_read()
                if request.after and machine.breaks(request.after):
                    self._show_where_it_stops()
                    raise GraphInterrupt
        except GraphInterrupt as stopped:
            return self._wait_for_answers(stopped)
        except _Failed as failed:
            return failed.error
        except Exception as error:
            # What the engine itself refuses ends the run as a node's error does: what was streamed is handed out.
            return error

    def _begin(self) -> Conduct:
        """Take the input, or go on where the run was stopped."""
        machine, keeper, value = self.machine, self.keeper, self.request.value
        around = self._continued_around()
        if keeper is None:
            begin_unsaved(machine, value)
            # Graphs inside may be saved all the same, by the graph further out.
            self.continued = Continued() if around is None else replace(around)
            return
        yield from self._load(keeper, None if around is None else around.replay)
        self.continued = begin_saved(machine, keeper, value, self.config, around)
        if keeper.durability == "sync":
            yield Call(keeper.wait())

    def _continued_around(self) -> Continued | None:
        """How the run around this one began; a node that is tried again lets the graphs inside it go on."""
        if self.around is None or self.parent is None:
            return None
        goes_on = self.parent.attempt > 1 and self.parent.called_graphs
        return replace(self.around.continued, resuming=True) if goes_on else self.around.continued

    def _load(self, keeper: Keeper, replay: Any) -> Conduct:
        steps = keeper.load(replay)
        try:
            asked = next(steps)
            while True:
                asked = steps.send((yield Call(asked)))
        except StopIteration as end:
            self.machine.ledger, checkpoint = end.value
        if checkpoint is not None:
            self.machine.restore(checkpoint, keeper.metadata["step"] + 1)

    def _superstep(self) -> Conduct:
        """Run the tasks of one superstep that have not run before.

        Raises:
            GraphInterrupt: With all questions, if some of them wait for answers.
            _Failed: If one failed.
        """
        machine = self.machine
        begun = self._pipes.claim() if self._pipes else ()
        machine.announce()
        if self._cache is not None:
            yield from look_up(self._cache, machine, self.keeper, self._colour)
        if (seconds := self.request.settings.step_timeout) is not None:
            self.deadline = time.monotonic() + seconds
        ready = deque(task for task in machine.tasks.values() if not task.writes)
        running = 0
        bubbles: list[GraphBubbleUp] = []
        while ready or running:
            while ready and running < self._limit:
                task = ready.popleft()
                if task.node.body is None and not task.node.branches:
                    yield from self._settle(_handed_on(task), bubbles, ready)
                    continue
                running += 1
                if task in begun:
                    cast("Pipes", self._pipes).go(task)
                else:
                    yield Start(task, running + len(ready) > 1)
            if running:
                done: Finished | Opened = yield WAIT
                if isinstance(done, Opened):
                    yield from self._begin_ahead(done, cast("Pipes", self._pipes), running)
                    continue
                running -= 1
                if self._tells_nobody_first and done.error is None:
                    machine.show(machine.finished(done.task))
                else:
                    yield from self._settle(done, bubbles, ready)
        self.deadline = None
        for bubble in bubbles:
            if not isinstance(bubble, GraphInterrupt):
                raise _Failed(bubble)
        if bubbles:
            raise GraphInterrupt(tuple(i for b in bubbles for i in cast("GraphInterrupt", b).interrupts))

    def _begin_ahead(self, opened: Opened, pipes: Pipes, running: int) -> Conduct:
        """The first chunk of a node is there: the node that reads it begins, if one more may run."""
        if running + len(pipes) < self._limit:
            yield Start(pipes.start(opened.flow), True)
        else:
            opened.flow.leave()

    def _settle(self, done: Finished, bubbles: list[GraphBubbleUp], ready: deque[Task]) -> Conduct:
        """A task is over: keep what it wrote, then tell the consumer."""
        task, error = done.task, done.error
        machine, keeper = self.machine, self.keeper
        entry: TaskFinished
        if error is None:
            entry = machine.finished(task)
        elif isinstance(error, GraphBubbleUp):
            bubbles.append(error)
            if not isinstance(error, GraphInterrupt) or not error.interrupts:
                return
            entry = machine.paused(task, error.interrupts)
        else:
            _note(error, f"During task with name {task.name!r} and id {task.id!r}")
            entry = machine.failed(task, error)
        if keeper is not None:
            yield from self._keep(keeper, entry)
        machine.show(entry)
        if entry.error is not None:
            if not is_handled(task, entry.error):
                raise _Failed(entry.error)
            ready.append(machine.handler_of(task, entry.error))
        elif self._cache is not None and not entry.interrupts:
            yield from remember(self._cache, task, self._colour)
        if self.sinks:
            yield from self._let_read()

    def _keep(self, keeper: Keeper, entry: TaskFinished) -> Conduct:
        """Save what a task wrote; what it raised counts more than what the saver raises."""
        try:
            keeper.write(self.machine, entry.task.id, entry.writes)
            if keeper.durability == "sync":
                yield Call(keeper.wait())
        except Exception as lost:
            if entry.error is None:
                raise
            _not_saved(entry.error, lost)

    def _let_read(self) -> Conduct:
        """Wait for the consumers of the graphs around this one; its own consumer is held up by the driver."""
        for mailbox in self.mailboxes[1:]:
            if mailbox.full:
                yield Call(self._colour.room(mailbox))

    def _checkpoint(self, keeper: Keeper) -> Conduct:
        """A superstep is applied: it is saved."""
        self.continued.stepped()
        cast("Any", self.machine.ledger).pending.clear()
        keeper.advance(self.machine, "loop")
        if keeper.durability == "sync" or keeper.queue.behind:
            yield Call(keeper.wait())

    def _show_where_it_stops(self) -> None:
        if self.keeper is not None:
            self.machine.schedule()
            checkpointed(self.log, self.machine, self.keeper)

    def _wait_for_answers(self, stopped: GraphInterrupt) -> BaseException | None:
        """The run waits. Inside another graph, that one waits too; the outermost ends."""
        if self.around is not None:
            return stopped
        if self.keeper is not None:
            self.keeper.end(self.machine, failed=True)
        self.interrupts = list(stopped.interrupts)
        self.machine.stopped()
        if not stopped.interrupts:
            self.log.write(Asked())
        return None

    def _stop_and_save(self, error: BaseException) -> Conduct:
        """End what runs, and save what it has done, even if the run is cancelled once more meanwhile."""
        try:
            self._abandon_pipes()
            yield STOP
        finally:
            self._keep_what_finished()
            yield from self._save_rest(error)

    def _keep_what_finished(self) -> None:
        """Tasks that came to their end while the run was stopped need not run again when it is continued."""
        machine, keeper = self.machine, self.keeper
        for done in self._mailbox.left():
            if keeper is None or not isinstance(done, Finished) or done.task.id not in machine.tasks:
                continue
            if done.error is None:
                keeper.write(machine, done.task.id, machine.finished(done.task).writes)
            elif isinstance(done.error, Exception) and not isinstance(done.error, GraphBubbleUp):
                keeper.write(machine, done.task.id, machine.failed(done.task, done.error).writes)

    def _save_rest(self, failure: BaseException | None) -> Conduct:
        """The run is over; wait until it is saved. What failed: the run, or else the saving."""
        if self.keeper is None:
            return failure
        try:
            if self.machine.ledger is not None:
                self.keeper.end(self.machine, failed=failure is not None)
            yield Call(self.keeper.wait(), final=True)
        except Exception as lost:
            if failure is None:
                return lost
            _not_saved(failure, lost)
        finally:
            self.keeper.queue.close()
        return failure


def _namespace(request: Request) -> str:
    """Where a graph stands: below the task that calls it, numbered if the task has called others before.

    One that keeps one history for a thread stands at the path of the nodes, without the ids of their tasks.
    """
    given = str(request.config["configurable"].get("checkpoint_ns") or "")
    if request.parent is None:
        # One of LangGraph's nodes may call the graph; its task's namespace is around it then.
        return given if TASK_ID in request.config["configurable"] else ""
    if request.settings.one_history:
        given = NAMESPACE_SEPARATOR.join(p.split(TASK_SEPARATOR)[0] for p in given.split(NAMESPACE_SEPARATOR))
    number = next(request.parent.graphs)
    return f"{given}{NAMESPACE_SEPARATOR}{number}" if number else given


def _handed_on(task: Task) -> Finished:
    """``START`` only hands its input on; without a conditional entry there is nothing to run."""
    try:
        task.writes = task.node.writes(task.input)
    except Exception as error:
        return Finished(task=task, error=error)
    return Finished(task=task)


def _note(error: BaseException, text: str) -> None:
    with suppress(Exception):  # an exception may refuse to be changed
        error.add_note(text)


def _not_saved(error: BaseException, lost: Exception) -> None:
    _note(error, f"The run could not be saved either: {lost!r}")


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

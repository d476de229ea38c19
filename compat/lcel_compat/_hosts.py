"""Our graphs and functions inside LangGraph's nodes.

LangGraph tells what runs in a node about its surroundings by private keys of ``config["configurable"]``; ``_guests.py``
says which. Here they become what a node of ours is for what runs inside it (``_context.TaskScope`` and its session). A
graph of ours in there shows what it does to LangGraph's consumer, is saved by LangGraph's saver, asks through
LangGraph's run and is answered by it; ``get_stream_writer()``, ``interrupt()`` and the like work there, also in a tool
of LangGraph's that runs inside one of our own nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, cast

from langchain_core.runnables import RunnableConfig

from lcel_compat._begin import Continued
from lcel_compat._constants import CHECKPOINTER, INTERRUPT
from lcel_compat._guests import (
    DURABILITY,
    REPLAY_STATE,
    RESUME_MAP,
    RESUMING,
    RUNTIME,
    SCRATCHPAD,
    STREAM,
)
from lcel_compat._keep import Keeper
from lcel_compat._log import Log, Namespace
from lcel_compat._sink import Sink
from lcel_compat.errors import GraphDrained, GraphInterrupt, ParentCommand
from lcel_compat.runtime import Runtime


class Host:
    """One of LangGraph's nodes, in the place of a ``TaskScope``.

    Attributes:
        frame: LangGraph's run.
        graphs: Counts the graphs that the node calls.
        answers: The answers to the node's interrupts.
        attempt: LangGraph tells a graph that its node is tried again as it tells it that the run is resumed.
    """

    attempt = 1

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.frame = HostRun(given)
        self.graphs: Iterator[int] = iter(given[SCRATCHPAD].subgraph_counter, None)
        self.answers = HostAnswers(given[SCRATCHPAD].get_null_resume)

    @property
    def writer(self) -> Callable[[Any], None]:
        """What the node sends values to consumers of ``custom`` with."""
        return self.frame.runtime.stream_writer

    def runtime(self) -> Runtime[Any]:
        """What the node may know of its run."""
        return self.frame.runtime

    def outward(self, error: BaseException) -> BaseException:
        """LangGraph's for what we raise to say something to the graph around; any other error as it is."""
        return outward(error)


class HostRun:
    """A run of LangGraph's, in the place of a ``Frame`` and its ``Session``.

    Attributes:
        runtime: What all nodes of the run may know of it.
        saver: What saves the run.
        sinks: LangGraph's consumer, if it was asked to show what is below it.
        durability: When the run saves, if somebody said so.
        continued: How the run began.
        cache: LangGraph lends no graph its own.
        log: What is written here has no reader: LangGraph's consumers listen to callbacks.
        around: The graphs around are LangGraph's business.
    """

    cache = None
    log = Log()
    around = None

    def __init__(self, given: Mapping[str, Any]) -> None:
        stream, replay, theirs = given.get(STREAM), given.get(REPLAY_STATE), given[RUNTIME]
        self.runtime: Runtime[Any] = Runtime(**{f.name: getattr(theirs, f.name) for f in fields(Runtime)})
        self.saver = given.get(CHECKPOINTER)
        self.sinks = () if stream is None else (sink_of(stream),)
        self.durability = given.get(DURABILITY)
        self.continued = Continued(
            resuming=given.get(RESUMING),
            replay=None if replay is None else cast("Any", HostReplay(replay)),
            answers=given.get(RESUME_MAP),
        )

    @property
    def abandoned(self) -> bool:
        """LangGraph does not say whether its run was stopped."""
        return False

    @property
    def session(self) -> HostRun:
        """The run itself: the two are one here."""
        return self

    @property
    def store(self) -> Any:
        """What nodes keep things in."""
        return self.runtime.store

    @property
    def control(self) -> Any:
        """By which the run can be asked to stop."""
        return self.runtime.control


class HostAnswers:
    """The answers that LangGraph keeps for one of its tasks.

    Args:
        common: Takes the answer that was given to the run as a whole, if nobody has taken it yet.
    """

    def __init__(self, common: Callable[[bool], Any]) -> None:
        self._common = common
        self._seen: Any = None

    def common(self, take: bool) -> Any:
        """Take that answer, or look at it: since LangGraph shows it even after it was taken, a look takes it here."""
        found = self._common(True) if self._seen is None else self._seen
        self._seen = None if take else found
        return found

    def ask(self, value: Any, schema: Any = None) -> Any:
        """The answer to the task's next question: LangGraph's own ``interrupt`` asks."""
        from langgraph.types import interrupt

        return interrupt(value, response_schema=schema)


class HostReplay:
    """A run of LangGraph's that begins at an old checkpoint, in the place of a ``Replay``.

    Attributes:
        theirs: What LangGraph's run remembers of it (``langgraph/_internal/_replay.py``).
    """

    def __init__(self, theirs: Any) -> None:
        self.theirs = theirs

    def find(self, keeper: Keeper) -> Any:
        """The checkpoint that a subgraph begins at."""
        config = keeper.config
        return (yield keeper.colour.ask(self.theirs, "get_checkpoint", keeper.namespace, keeper.saver, config))


class _Stream:
    """LangGraph's consumer, in the place of a mailbox: it takes everything at once."""

    full = False

    def __init__(self, give: Callable[[Any], None]) -> None:
        self.give = give

    def hold(self) -> None:
        """There is nothing to wait for."""


def sink_of(stream: Any) -> Sink:
    """LangGraph's consumer (``langgraph/pregel/protocol.py``, ``StreamProtocol``) as one of ours."""
    return Sink(mailbox=cast("Any", _Stream(stream)), modes=tuple(stream.modes), form=_chunk, below=True)


def _chunk(namespace: Namespace, mode: str, item: Any) -> tuple[Namespace, str, Any]:
    if isinstance(item, dict) and INTERRUPT in item:
        item = {**item, INTERRUPT: tuple(map(_their_interrupt, item[INTERRUPT]))}
    return (namespace, mode, item)


def host_of(config: RunnableConfig | None) -> Host | None:
    """The node of LangGraph's that runs with this configuration, if one does."""
    given: Mapping[str, Any] = (config or {}).get("configurable") or {}
    return Host(given) if SCRATCHPAD in given and RUNTIME in given else None


# What goes out ---------------------------------------------------------------------------------------------


def outward(error: BaseException) -> BaseException:
    """LangGraph's for what we raise to say something to the graph around; any other error as it is."""
    convert = _THEIRS.get(type(error))
    if convert is None:
        return error
    theirs: BaseException = convert(error)
    theirs.__cause__ = error
    return theirs.with_traceback(error.__traceback__)


def _interrupted(error: GraphInterrupt) -> BaseException:
    from langgraph.errors import GraphInterrupt as Theirs

    return Theirs(tuple(_their_interrupt(ours) for ours in error.interrupts))


def _their_interrupt(ours: Any) -> Any:
    from langgraph.types import Interrupt

    return Interrupt(ours.value, ours.id, response_schema=ours.response_schema)


def _commanded(error: ParentCommand) -> BaseException:
    from langgraph.errors import ParentCommand as Theirs
    from langgraph.types import Command, Send

    def target(ours: Any) -> Any:
        return Send(ours.node, ours.arg, timeout=ours.timeout) if hasattr(ours, "arg") else ours

    ours = error.command
    goto = ours.goto
    theirs = [target(t) for t in goto] if isinstance(goto, list | tuple) else target(goto)
    return Theirs(Command(graph=ours.graph, update=ours.update, resume=ours.resume, goto=theirs))


def _drained(error: GraphDrained) -> BaseException:
    from langgraph.errors import GraphDrained as Theirs

    return Theirs(error.reason)


_THEIRS: Final[Mapping[type, Callable[[Any], BaseException]]] = {
    GraphInterrupt: _interrupted,
    ParentCommand: _commanded,
    GraphDrained: _drained,
}

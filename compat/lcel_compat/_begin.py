"""How a saved run begins: with new input, where it was stopped, with a command, or at an old checkpoint.

The decisions are those of ``langgraph/pregel/_loop.py`` (``_first``), since a thread that one engine stopped may be
continued by the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lcel_compat._answers import is_answer_map
from lcel_compat._constants import INTERRUPT, NULL_TASK, RESUME, ROOT, START, TASKS, branch_channel
from lcel_compat._keep import Keeper, Replay, ledger_of
from lcel_compat._ledger import statuses
from lcel_compat._program import Writes
from lcel_compat._schema import field_hints, fields_as_writes
from lcel_compat.errors import AmbiguousResumeError, EmptyInputError, InvalidUpdateError, NoCheckpointerError
from lcel_compat.types import Command, Send

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from lcel_compat._machine import Machine


@dataclass(slots=True, kw_only=True)
class Continued:
    """What a run hands on to the graphs inside it about how it began.

    Attributes:
        resuming: Whether its first superstep goes on with what was stopped; ``None`` after that superstep.
        replaying: Whether tasks that finished run again nevertheless, since the run begins at an old checkpoint.
        replay: Where subgraphs begin then.
        answers: The answers by interrupt id.
    """

    resuming: bool | None = None
    replaying: bool = False
    replay: Replay | None = None
    answers: Mapping[str, Any] | None = None

    def stepped(self) -> None:
        """The first superstep is over."""
        self.resuming, self.replaying = None, False


def begin_unsaved(machine: Machine, value: Any) -> None:
    """Begin a run that is not saved.

    Raises:
        EmptyInputError: If there is no input.
        NoCheckpointerError: If it is an answer: there is nothing that it could continue.
    """
    if isinstance(value, Command):
        if value.resume is not None:
            raise NoCheckpointerError(
                f"The graph {machine.program.name!r} cannot be resumed, since it has no saver, and so no thread that"
                " waits. Compile it with a checkpointer, and pass the thread_id of the run that was interrupted."
            )
        machine.inject(_writes_of(value, machine))
    machine.begin(value)
    machine.step = 0


def begin_saved(
    machine: Machine, keeper: Keeper, value: Any, config: RunnableConfig, around: Continued | None
) -> Continued:
    """Begin a run that is saved, after its checkpoint was loaded into the machine.

    Args:
        machine: The run, in the state of its checkpoint.
        keeper: Keeps it.
        value: What it was given.
        config: Its configuration.
        around: How the run around this one began; ``None`` for the outermost.

    Raises:
        EmptyInputError: If there is no input, and nothing to go on with.
        AmbiguousResumeError: If the answer could be to several questions.
    """
    ledger, source = ledger_of(machine), keeper.metadata.get("source")
    addressed = keeper.addressed or (around is not None and around.replay is not None)
    flag = None if around is None or around.replay is not None else around.resuming
    command = value if isinstance(value, Command) else None
    resuming = bool(ledger.versions) and _resumes(value, flag, config, keeper, nested=around is not None)
    travels = addressed and (_in_map(config, keeper, around) or not (_answers(command) or flag))
    state = Continued(
        resuming=flag,
        replaying=travels or keeper.superseded,
        replay=None if around is None else around.replay,
        answers=None if around is None else around.answers,
    )
    if travels:
        ledger.forget(RESUME)
    forks = resuming and travels and (source not in ("update", "fork") or keeper.superseded)
    bound = keeper.before if forks and source in ("update", "fork") else None
    machine.resume(ledger.updated)
    carried = [] if command is None else _take(command, machine, keeper, state, forks=forks)
    if null_writes := [*ledger.null_writes(), *carried]:
        machine.inject(null_writes)
    if resuming:
        ledger.see_all(machine.channels)
        if forks:
            ledger.forget(INTERRUPT)
            ledger.updated = None  # a fork says nothing of what led to it
            keeper.advance(machine, "fork")
        machine.show_state()
    elif value is not None:
        machine.begin(value)
        keeper.advance(machine, "input")
    elif flag is None:
        machine.begin(None)
    machine.note_updated()
    if around is None:
        state.resuming = resuming
        state.replay = Replay(_replay_from(keeper, bound, ledger.id)) if travels else None
    return state


def _resumes(value: Any, flag: bool | None, config: RunnableConfig, keeper: Keeper, *, nested: bool) -> bool:
    """Whether the run goes on with what its thread has left to do."""
    if flag is not None:
        return flag
    run_id = config["metadata"].get("run_id")
    same_run = not nested and "run_id" in keeper.metadata and keeper.metadata["run_id"] == run_id
    return value is None or isinstance(value, Command) or same_run


def _answers(command: Command[Any] | None) -> bool:
    return command is not None and command.resume is not None


def _in_map(config: RunnableConfig, keeper: Keeper, around: Continued | None) -> bool:
    """Whether a subgraph's own checkpoint is addressed, by a configuration that ``get_state(subgraphs=True)`` gave."""
    return around is not None and keeper.namespace in (config["configurable"].get("checkpoint_map") or {})


def _take(command: Command[Any], machine: Machine, keeper: Keeper, state: Continued, *, forks: bool) -> Writes:
    """Turn a command into writes: kept with the checkpoint, or carried into the one that forks off it."""
    ledger = ledger_of(machine)
    if is_map := is_answer_map(command.resume) and command.resume is not None:
        state.answers = command.resume
    elif command.resume is not None:
        waiting = [i for status in statuses(ledger.pending).values() for i in status.waits_for]
        if len(waiting) > 1:
            asked = ", ".join(f"{i.id!r} ({i.value!r})" for i in waiting)
            raise AmbiguousResumeError(
                f"The run waits for {len(waiting)} answers, and Command(resume=...) does not say which one this is."
                f" Pass resume={{interrupt_id: answer}}; it waits for {asked}."
            )
    writes = _writes_of(command, machine, with_resume=not is_map, empty=is_map)
    if forks:
        return writes
    if writes:
        keeper.write(machine, NULL_TASK, writes)
    return []


def _writes_of(command: Command[Any], machine: Machine, *, with_resume: bool = False, empty: bool = False) -> Writes:
    """What a command given as input writes.

    Raises:
        EmptyInputError: If that is nothing.
        InvalidUpdateError: If it is for a parent graph, or goes to something that is no node.
    """
    if command.graph is not None:
        raise InvalidUpdateError(
            f"The input is a Command for graph={command.graph!r}, but what is run here is the outermost graph. Leave"
            " graph out."
        )
    goto = command.goto if isinstance(command.goto, list | tuple) else [command.goto]
    writes: Writes = [_goto(target, machine) for target in goto]
    if with_resume and command.resume is not None:
        writes.append((RESUME, command.resume))
    writes += _pairs(command.update)
    if not writes and not empty:
        raise EmptyInputError(
            f"The graph {machine.program.name!r} was given an empty Command. Say what to do: update, resume or goto."
        )
    return writes


def _pairs(update: Any) -> Sequence[tuple[str, Any]]:
    """An update as ``(key, value)``, before it is known which keys the state has."""
    if update is None:
        return []
    if isinstance(update, Mapping):
        return list(update.items())
    if isinstance(update, list | tuple) and all(isinstance(p, tuple) and len(p) == 2 for p in update):
        return list(update)
    if getattr(type(update), "__annotations__", None):
        return fields_as_writes(update, tuple(field_hints(type(update))))
    return [(ROOT, update)]


def _goto(target: Any, machine: Machine) -> tuple[str, Any]:
    nodes = [name for name in machine.program.nodes if name != START]
    name = target.node if isinstance(target, Send) else target
    if name not in nodes:
        raise InvalidUpdateError(
            f"The input is a Command that goes to {name!r}, and there is no such node. The nodes are"
            f" {', '.join(map(repr, nodes))}."
        )
    return (TASKS, target) if isinstance(target, Send) else (branch_channel(target), START)


def _replay_from(keeper: Keeper, bound: RunnableConfig | None, current: str) -> str:
    """The checkpoint before which subgraphs look for theirs: the one that this run forked off, or stands at."""
    if bound is None and keeper.metadata.get("source") in ("update", "fork"):
        bound = keeper.before
    return current if bound is None else bound["configurable"].get("checkpoint_id") or current

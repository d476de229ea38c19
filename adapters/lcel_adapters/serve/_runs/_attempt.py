"""One attempt of a run: what the graph is given, what comes out of it as frames, and how it ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from langchain_core.runnables import RunnableConfig

from lcel_adapters.serve._auth import configurable_of
from lcel_adapters.serve._frames import Frame, Projection, engine_modes
from lcel_adapters.serve._json import dumps
from lcel_adapters.serve._project import ServerRuntime
from lcel_adapters.serve._runs._lease import Superseded
from lcel_adapters.serve._runs._request import CommandBody, RunBody, SendBody
from lcel_adapters.serve._target import Item, Looked, Target, items
from lcel_adapters.serve._told import told

Status = Literal["success", "error", "timeout", "interrupted"]


@dataclass(kw_only=True)
class Outcome:
    """How an attempt ended, and what is known of the state it left.

    Attributes:
        status: None while it runs.
        error: ``{"error", "message"}``, as clients are told.
        values: The root's state after the last superstep; None if none was seen.
        next: The nodes that would run then; there are some if the run stopped to ask something.
    """

    status: Status | None = None
    error: dict[str, str] | None = None
    values: Any = None
    next: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What is executed.

    Attributes:
        run_id: The run's; it is the run id of the root in callbacks and events, too.
        thread_id: Where its checkpoints are.
        number: From 1.
        target: The graph.
        body: What the client asked.
        assistant: The assistant's row: ``assistant_id``, ``config``, ``context``, ``metadata``.
        metadata: The run's own.
        user: Who asks, if there is authentication.
        headers: Of the request, those that the graph may read in ``configurable``.
        goes_on: Whether the thread's last checkpoint is this run's own: an attempt before this one came so far.
        told: Whether all that led to that checkpoint has been streamed.
        stops: Whether the run had come to a breakpoint there.
        saved: Whether there are checkpoints.
    """

    run_id: str
    thread_id: str
    number: int = 1
    target: Target
    body: RunBody
    assistant: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    user: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    goes_on: bool = False
    told: bool = False
    stops: bool = False
    saved: bool = True
    outcome: Outcome = field(default_factory=Outcome)

    def beginning(self) -> Frame:
        """The frame that says which run and which attempt this is, before anything of it is executed."""
        return Frame("metadata", dumps({"run_id": self.run_id, "attempt": self.number}))

    async def frames(self) -> AsyncGenerator[Frame | str, None]:
        """What comes behind the beginning, in order; a checkpoint's id (a ``str``) where a superstep of the root ends.

        Cancelling the task that reads ends the run without an error frame. ``outcome`` says how it ended.
        """
        try:
            async with aclosing(self._stopped() if self.stops else self._run()) as found:
                async for frame in found:
                    yield frame
        except Superseded:
            raise
        except Exception as error:
            self.outcome.status = "error"
            self.outcome.error = told(error)
            yield Frame("error", dumps(self.outcome.error))
        else:
            self.outcome.status = "success"

    def late(self, seconds: float | None) -> Frame:
        """The last frame of a run that took too long; ``outcome`` says so."""
        self.outcome.status = "timeout"
        self.outcome.error = {"error": "TimeoutError", "message": f"The run took longer than {seconds} s."}
        return Frame("error", dumps(self.outcome.error))

    def cut_off(self) -> Frame:
        """The last frame of a run that nobody goes on with when its server ends; ``outcome`` says so."""
        self.outcome.status = "error"
        self.outcome.error = {"error": "ServerEnds", "message": "The server ended before the run did."}
        return Frame("error", dumps(self.outcome.error))

    async def _run(self) -> AsyncGenerator[Frame | str, None]:
        project = Projection(self.body.stream_mode)
        config = self.config()
        async with (
            self.target.opened(config, self._runtime(), saved=self.saved) as graph,
            aclosing(items(graph, self._input(), config, self._looked())) as found,
        ):
            repeats = self.told
            async for item in found:
                if not (repeats and _is_state(item)):
                    for frame in project(item):
                        yield frame
                if not item.namespace:
                    for extra in self._note(item):
                        # The first checkpoint is the one it goes on from; what led there has been told.
                        repeats = repeats and not isinstance(extra, str)
                        yield extra

    async def _stopped(self) -> AsyncGenerator[Frame | str, None]:
        """What is left to be streamed of a run that had come to a breakpoint."""
        state = await self.target.graph.aget_state({"configurable": {"thread_id": self.thread_id}})
        self.outcome.values, self.outcome.next = state.values, state.next
        if not self.told and "values" in self.body.stream_mode:
            yield Frame("values", dumps(state.values))
        yield state.config["configurable"]["checkpoint_id"]
        if "updates" in self.body.stream_mode or not self._shows_interrupts:
            yield Frame("updates", dumps({"__interrupt__": []}))

    def _runtime(self) -> ServerRuntime:
        store = self.target.graph.store
        return ServerRuntime(access_context="threads.create_run", user=self.user, store=store, context=self._context())

    def _note(self, item: Item) -> list[Frame | str]:
        """Keep what the outcome needs; a checkpoint's id, and the interrupts that no asked-for mode shows."""
        checkpoint = self._checkpoint(item)
        if checkpoint is not None:
            self.outcome.values, self.outcome.next = checkpoint["values"], checkpoint["next"]
            return [checkpoint["config"]["configurable"]["checkpoint_id"]]
        if item.mode == "updates" and "__interrupt__" in item.payload and not self._shows_interrupts:
            return [Frame("updates", dumps(item.payload))]
        return []

    @property
    def _shows_interrupts(self) -> bool:
        """Whether a mode that was asked for shows what the run stops to ask (AGENT-SERVER.md, Q4)."""
        return not {"updates", "values"}.isdisjoint(self.body.stream_mode)

    def _checkpoint(self, item: Item) -> Mapping[str, Any] | None:
        """A checkpoint of the root, from the last item that speaks of it: ``debug`` does after ``checkpoints``."""
        if "debug" not in self.body.stream_mode:
            return item.payload if item.mode == "checkpoints" else None
        said = item.mode == "debug" and item.payload["type"] == "checkpoint"
        return item.payload["payload"] if said else None

    def _looked(self) -> Looked:
        modes = engine_modes(self.body.stream_mode)
        if self.saved and "checkpoints" not in modes:
            modes.append("checkpoints")
        if not self._shows_interrupts:
            modes.append("updates")
        options: dict[str, Any] = {
            "interrupt_before": self.body.interrupt_before,
            "interrupt_after": self.body.interrupt_after,
            "durability": self.body.durability if self.saved else None,
            "context": self._context(),
        }
        chosen = {name: value for name, value in options.items() if value is not None}
        return Looked(modes=modes, subgraphs=self.body.stream_subgraphs, options=chosen)

    def _input(self) -> Any:
        if self.goes_on:
            return None
        if self.body.command is not None:
            return _command(self.body.command, self.target)
        return self.target.input(self.body.input)

    def config(self) -> RunnableConfig:
        """The config of the run: the assistant's, then the client's, then what the server knows."""
        asked = self.body.config.model_dump(exclude_none=True) if self.body.config else {}
        configured = self.assistant.get("config") or {}
        server = {"run_id": self.run_id, "graph_id": self.target.name, "assistant_id": self.assistant["assistant_id"]}
        config: dict[str, Any] = {**configured, **asked}
        config["run_id"] = UUID(self.run_id)
        said = {
            **(configured.get("configurable") or {}),
            **(asked.get("configurable") or {}),
            **(self._context() or {}),
            **self.headers,
        }
        config["configurable"] = {**configurable_of(said, self.user), **self._place(), **server}
        config["metadata"] = {
            **(configured.get("metadata") or {}),
            **(asked.get("metadata") or {}),
            **self.metadata,
            "created_by": "system",
            "run_attempt": self.number,
            "thread_id": self.thread_id,
            **server,
        }
        return config  # type: ignore[return-value]  # a RunnableConfig, with the keys that clients may add

    def _place(self) -> dict[str, Any]:
        found: dict[str, Any] = {"thread_id": self.thread_id}
        if self.goes_on:
            return found
        if self.body.checkpoint is not None:
            found |= self.body.checkpoint.model_dump(exclude_none=True, exclude={"thread_id"})
        if self.body.checkpoint_id is not None:
            found["checkpoint_id"] = self.body.checkpoint_id
        return found

    def _context(self) -> dict[str, Any] | None:
        """The context; where only ``configurable`` was said, that is it (AGENT-SERVER.md, Q13)."""
        asked = self.body.config.configurable if self.body.config else None
        found = {**(self.assistant.get("context") or {}), **(self.body.context or asked or {})}
        return found or None


def _is_state(item: Item) -> bool:
    """Whether it says where the root stands."""
    if item.mode == "debug":
        return item.namespace == () and item.payload["type"] == "checkpoint"
    return item.namespace == () and item.mode in ("values", "checkpoints")


def _command(body: CommandBody, target: Target) -> Any:
    command, send = _kinds(target)
    given = body.model_dump(exclude_none=True, include={"update", "resume"})
    if body.goto is not None:
        several = body.goto if isinstance(body.goto, list) else [body.goto]
        given["goto"] = [send(to.node, to.input) if isinstance(to, SendBody) else to for to in several]
    return command(**given)


def _kinds(target: Target) -> tuple[Any, Any]:
    """``Command`` and ``Send`` of the engine that runs the graph."""
    if target.ours:
        from lcel_compat.types import Command, Send

        return Command, Send
    from langgraph import types

    return types.Command, types.Send

"""The runs of nodes, as callbacks see them: a chain run under the graph's own, named after the node.

When handlers of others listen, core's callback managers tell them. When only the run's own capture listens, as in a
plain ``astream_events``, nothing needs to be dispatched: the capture is told directly, and core's machinery (a shielded
task for every end) is left out. What the code inside a node finds in its configuration is the same in both cases.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun

from lcel_compat._capture import Capture, Gate
from lcel_compat._constants import TAG_HIDDEN
from lcel_compat._log import Run
from lcel_compat._machine import Task
from lcel_compat._mailbox import AsyncMailbox, Mailbox

Manager = type[CallbackManager | AsyncCallbackManager]


def node_runs(
    root: CallbackManagerForChainRun | AsyncCallbackManagerForChainRun,
    capture: Capture | None,
    manager: Manager,
    mailbox: Mailbox,
) -> Callable[[Task], Any]:
    """How the runs of this graph's nodes are started.

    Args:
        root: The graph's own run.
        capture: The run's capture, if it has one.
        manager: The class of callback managers of this colour.
        mailbox: Whose limit holds producers back.

    Returns:
        A function from a task to its run, to be awaited in an asynchronous run.
    """
    if capture is not None and all(isinstance(handler, Capture | Gate) for handler in root.handlers):
        around = Around(root, capture, manager, mailbox)
        return lambda task: OwnRun(task, around)
    return lambda task: _dispatched(task, root, manager)


def _dispatched(task: Task, root: Any, manager: Manager) -> Any:
    """Start a node's run with core's callback manager, configured as core configures one for each runnable: some hooks
    (``collect_runs``) hand their handler to no child, and add it every time."""
    configured: Any = manager.configure(
        inheritable_callbacks=root.get_child(f"graph:step:{task.step}"),
        inheritable_tags=[*task.tags, TAG_HIDDEN] if task.node.hidden else list(task.tags),
        inheritable_metadata=task.metadata,
    )
    return configured.on_chain_start(None, task.input, name=task.name)


class Around:
    """What the runs of one graph's nodes have in common, when only the graph's own capture hears of them.

    Their ids count up from one random UUID, which saves asking the system for each.
    """

    __slots__ = ("capture", "handlers", "ids", "mailbox", "manager", "metadata", "parents", "tags")

    def __init__(self, root: Any, capture: Capture, manager: Manager, mailbox: Mailbox) -> None:
        self.capture = capture
        self.handlers: list[Any] = root.inheritable_handlers
        self.ids = itertools.count(uuid4().int & ~0xFFFFFFFF)
        self.mailbox = mailbox
        self.manager = manager
        self.metadata: dict[str, Any] = root.inheritable_metadata
        self.parents = capture.ancestry(root.run_id)
        self.tags: list[str] = root.inheritable_tags


class OwnRun:
    """A node's run that only the run's own capture hears of; stands in for core's run manager.

    Attributes:
        run_id: The run's id.
    """

    __slots__ = ("_around", "_inherited", "_metadata", "run_id")

    def __init__(self, task: Task, around: Around) -> None:
        self.run_id: UUID = UUID(int=next(around.ids))
        self._around = around
        self._inherited = [*around.tags, TAG_HIDDEN] if task.node.hidden else around.tags
        self._metadata = {**around.metadata, **task.metadata}
        around.capture.begin(
            Run(
                id=self.run_id,
                key=str(self.run_id),
                type="chain",
                name=task.name,
                tags=[f"graph:step:{task.step}", *self._inherited],
                metadata=self._metadata,
                parents=around.parents,
                inputs=task.input,
                has_inputs=True,
            )
        )

    def get_child(self, tag: str | None = None) -> CallbackManager | AsyncCallbackManager:
        """The callback manager of what runs inside, as core's run managers make it."""
        handlers = self._around.handlers
        return self._around.manager(
            handlers=list(handlers),
            inheritable_handlers=list(handlers),
            parent_run_id=self.run_id,
            tags=list(self._inherited) if tag is None else [*self._inherited, tag],
            inheritable_tags=list(self._inherited),
            metadata=dict(self._metadata),
            inheritable_metadata=dict(self._metadata),
        )

    def show(self, result: Any) -> None:
        """The node's result, as its one chunk."""
        self._around.capture.chunk(self.run_id, result)

    def on_chain_end(self, output: Any) -> Awaitable[None] | None:
        """The node is done; something to await if the consumer is behind."""
        self._around.capture.on_chain_end(output, run_id=self.run_id)
        return self._room()

    def on_chain_error(self, error: BaseException) -> None:
        """The node raised."""
        self._around.capture.on_chain_error(error, run_id=self.run_id)

    def _room(self) -> Awaitable[None] | None:
        mailbox = self._around.mailbox
        return mailbox.room() if isinstance(mailbox, AsyncMailbox) and mailbox.full else None

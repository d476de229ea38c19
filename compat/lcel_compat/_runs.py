"""The runs of a graph and its nodes, as callbacks see them: a chain run for each node under the graph's own.

When handlers of others listen, core's callback managers tell them. When only the run's own capture listens, as in a
plain ``astream_events``, nothing needs to be dispatched: the capture is told directly, and core's machinery (a shielded
task for every end) is left out. What the code inside a node finds in its configuration is the same in both cases.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable
from typing import Any, cast
from uuid import UUID, uuid4

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager

from lcel_compat._capture import Capture, Gate, is_placeholder
from lcel_compat._constants import TAG_HIDDEN
from lcel_compat._log import Run
from lcel_compat._machine import Task
from lcel_compat._mailbox import AsyncMailbox, Mailbox

Manager = type[CallbackManager | AsyncCallbackManager]


def root_run(
    manager: CallbackManager | AsyncCallbackManager,
    capture: Capture | None,
    mailbox: Mailbox,
    *,
    name: str,
    run_id: UUID | None,
    value: Any,
) -> Any:
    """Start the graph's own run.

    Args:
        manager: The run's callback manager, with the capture installed.
        capture: The run's capture, if it has one.
        mailbox: Whose limit holds producers back.
        name: The run's name.
        run_id: Its id, if the caller gave one.
        value: Its input.

    Returns:
        An ``OwnRun``; or core's run manager, to be awaited in an asynchronous run.
    """
    alone = capture is not None and all(isinstance(handler, Capture | Gate) for handler in manager.handlers)
    if capture is None or not alone:
        return cast("Any", manager).on_chain_start(None, value, name=name, run_id=run_id)
    around = Around(capture, type(manager), mailbox, manager.inheritable_handlers)
    return OwnRun(
        around,
        run_id=run_id if isinstance(run_id, UUID) else uuid4(),
        name=name,
        own_tags=[tag for tag in manager.tags if tag not in manager.inheritable_tags],
        tags=manager.inheritable_tags,
        metadata=manager.metadata,
        parents=capture.ancestry(manager.parent_run_id),
        value=value,
    )


def node_run(task: Task, root: Any, manager: Manager) -> Any:
    """Start the run of a node under the graph's own.

    Core's callback manager is configured as core configures one for each runnable: some hooks (``collect_runs``) hand
    their handler to no child, and add it every time.

    Returns:
        An ``OwnRun`` if the root is one; or core's run manager, to be awaited in an asynchronous run.
    """
    if type(root) is OwnRun:
        return root.child(task)
    configured: Any = manager.configure(
        inheritable_callbacks=root.get_child(f"graph:step:{task.step}"),
        inheritable_tags=[*task.tags, TAG_HIDDEN] if task.node.hidden else list(task.tags),
        inheritable_metadata=task.metadata,
    )
    return configured.on_chain_start(None, task.input, name=task.name)


class Around:
    """What the runs of one graph have in common, when only the graph's own capture hears of them.

    Their ids count up from one random UUID, which saves asking the system for each.
    """

    __slots__ = ("capture", "handlers", "ids", "mailbox", "manager")

    def __init__(self, capture: Capture, manager: Manager, mailbox: Mailbox, handlers: list[Any]) -> None:
        self.capture = capture
        self.handlers = handlers
        self.ids = itertools.count(uuid4().int & ~0xFFFFFFFF)
        self.mailbox = mailbox
        self.manager = manager


class OwnRun:
    """A graph's or a node's run that only the graph's own capture hears of; stands in for core's run manager.

    Attributes:
        run_id: The run's id.
        tags: The tags that its children inherit.
        metadata: Its metadata, which they inherit too.
    """

    __slots__ = ("_around", "_parents", "metadata", "run_id", "tags")

    def __init__(
        self,
        around: Around,
        *,
        run_id: UUID,
        name: str,
        own_tags: list[str],
        tags: list[str],
        metadata: dict[str, Any],
        parents: tuple[str, ...],
        value: Any,
    ) -> None:
        self.run_id = run_id
        self.tags = tags
        self.metadata = metadata
        self._around = around
        run = Run(
            id=run_id,
            type="chain",
            name=name,
            tags=own_tags + tags,
            metadata=dict(metadata),  # the consumer may change what events show
            parents=parents,
            inputs=value,
            has_inputs=not is_placeholder(value),
        )
        self._parents = (*parents, run.key)
        around.capture.begin(run)

    @property
    def handlers(self) -> list[Any]:
        """The handlers of this run and its children."""
        return self._around.handlers

    def child(self, task: Task) -> OwnRun:
        """Start the run of a node."""
        around = self._around
        return OwnRun(
            around,
            run_id=UUID(int=next(around.ids)),
            name=task.name,
            own_tags=[f"graph:step:{task.step}"],
            tags=[*self.tags, TAG_HIDDEN] if task.node.hidden else self.tags,
            metadata={**self.metadata, **task.metadata},
            parents=self._parents,
            value=task.input,
        )

    def get_child(self, tag: str | None = None) -> CallbackManager | AsyncCallbackManager:
        """The callback manager of what runs inside, as core's run managers make it."""
        handlers = self._around.handlers
        return self._around.manager(
            handlers=list(handlers),
            inheritable_handlers=list(handlers),
            parent_run_id=self.run_id,
            tags=list(self.tags) if tag is None else [*self.tags, tag],
            inheritable_tags=list(self.tags),
            metadata=dict(self.metadata),
            inheritable_metadata=dict(self.metadata),
        )

    def show(self, result: Any) -> None:
        """The node's result, as its one chunk."""
        self._around.capture.chunk(self.run_id, result)

    def on_chain_end(self, output: Any, *, inputs: Any = None) -> Awaitable[None] | None:
        """The node is done; something to await if the consumer is behind. ``inputs``: if they are known only now."""
        self._around.capture.on_chain_end(output, run_id=self.run_id, inputs=inputs)
        return self._room()

    def on_chain_error(self, error: BaseException) -> None:
        """The node raised."""
        self._around.capture.on_chain_error(error, run_id=self.run_id)

    def _room(self) -> Awaitable[None] | None:
        mailbox = self._around.mailbox
        return mailbox.room() if isinstance(mailbox, AsyncMailbox) and mailbox.full else None

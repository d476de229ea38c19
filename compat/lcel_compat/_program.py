"""A compiled graph as data: nodes, what triggers them, what they read and write.

``graph.py`` makes one ``Program`` from a builder; nothing changes it afterwards, so any number of runs share it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import Runnable

from lcel_compat._body import Body, FunctionBody
from lcel_compat._constants import END, ROOT, START, TASKS, branch_channel
from lcel_compat._foreign import adopted, is_command
from lcel_compat._schema import Schema, declares_any, fields_as_writes
from lcel_compat.channels import Channel
from lcel_compat.errors import InvalidUpdateError, ParentCommand
from lcel_compat.policies import CacheKey, CachePolicy, RetryPolicy, TimeoutPolicy, cache_key, cache_namespace
from lcel_compat.types import Command, Send

Writes = list[tuple[str, Any]]
"""What a task does to the channels, in order: ``(channel, value)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A conditional edge.

    Attributes:
        name: Unique among the branches of its node.
        path: The function or runnable that says where to go.
        ends: What it may answer, and the node each answer stands for; ``None`` if answers are node names.
        schema: The part of the state it reads.
        passes_result: Whether keys of the node's result that are not in the state are handed on to it.
        targets: Every node that it may lead to.
    """

    name: str
    path: Body
    ends: Mapping[Hashable, str] | None
    schema: Schema
    passes_result: bool
    targets: frozenset[str]

    def destinations(self, node: str, answer: Any) -> list[Send | str]:
        """The nodes and packets that the path's answer stands for.

        Raises:
            InvalidUpdateError: If the answer is no node that this branch can lead to.
        """
        answers = answer if isinstance(answer, list | tuple) else [answer]
        return [self._destination(node, single) for single in answers]

    def _destination(self, node: str, answer: Any) -> Send | str:
        answer = adopted(answer)
        if isinstance(answer, Send):
            target: Any = answer.node
        elif self.ends is None:
            target = answer
        else:
            target = self.ends.get(answer) if isinstance(answer, Hashable) else None
        if isinstance(target, str) and target == END and not isinstance(answer, Send):
            return END
        if not isinstance(target, str) or target not in self.targets:
            known = self.ends if self.ends is not None else sorted(self.targets | {END})
            raise InvalidUpdateError(
                f"The conditional edge {self.name!r} of node {node!r} answered {answer!r}, which leads nowhere."
                f" It may answer {', '.join(repr(k) for k in known)}, or a list of these, or Send(node, ...)."
            )
        return answer if isinstance(answer, Send) else str(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node, ready to run.

    Attributes:
        name: Its name.
        body: What it runs; ``None`` for ``START``, which only hands the input on.
        schema: The part of the state it reads.
        triggers: The channels that start it, sorted.
        consumes: Those of them that stay until they have been acted upon, as joins do.
        metadata: The user's own, added to the metadata of its runs.
        keys: The state keys that it may write.
        edges: What it writes when it is done, whatever its result: ``(channel, value)`` for each edge and join.
        branches: Its conditional edges.
        names: All nodes of the graph, for checking ``Command`` and ``Send``.
        root: Whether the state is one value rather than a mapping.
        retry: When and how often it runs again if it fails; the first policy that is about the error counts.
        cache: That it does not run again for the same input.
        timeout: How long one attempt may take.
        handler: The node that runs when all attempts have failed.
        handles: Whether it is such a node.
        subgraph: The graph that it runs, ours or LangGraph's.
        hidden: Whether the modes leave it out; true for ``START``.
        once: Whether it runs once and for as long as it takes.
        feeds: The nodes that may read its result while it is made (``_pipeline.py``).
    """

    name: str
    body: Body | None = None
    schema: Schema
    triggers: tuple[str, ...]
    consumes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    keys: frozenset[str]
    ordered_keys: tuple[str, ...]
    edges: tuple[tuple[str, Any], ...]
    branches: tuple[Branch, ...]
    names: frozenset[str]
    root: bool
    retry: tuple[RetryPolicy, ...] = ()
    cache: CachePolicy | None = None
    timeout: TimeoutPolicy | None = None
    handler: str | None = None
    handles: bool = False
    subgraph: Runnable[Any, Any] | None = None
    feeds: tuple[str, ...] = ()

    hidden: bool = field(init=False)
    once: bool = field(init=False)

    def __post_init__(self) -> None:
        # Asked for every task, so worked out once.
        object.__setattr__(self, "hidden", self.name == START)
        object.__setattr__(self, "once", not self.retry and self.timeout is None)

    @property
    def first_branch(self) -> int:
        """The number that the first branch's ``seq:step`` tag carries.

        A node runs as a sequence of its own: the body (a plain ``RunnableSequence`` counts step by step), the
        writer of the state, one writer an edge, then the branches (``langgraph/pregel/_read.py``).
        """
        body = 0 if self.body is None else self.body.steps
        return body + len(self.edges) + 2

    @property
    def cache_namespace(self) -> tuple[str, ...]:
        """Where a cache keeps the node's results; LangGraph knows functions by name if they are synchronous."""
        body = self.body
        function = body.function if isinstance(body, FunctionBody) and not body.is_async else None
        return cache_namespace(self.name, function)

    def cache_key(self, value: Any) -> CacheKey | None:
        """Where a cache keeps the node's result for this input; ``None`` for a node without a cache policy.

        Raises:
            TypeError: If no key can be made of the input.
        """
        return None if self.cache is None else cache_key(self.cache, self.cache_namespace, value)

    def writes(self, result: Any) -> Writes:
        """What a result does to the state and where its commands lead, then the edges.

        LangGraph's ``Command`` and ``Send`` count as ours.

        Raises:
            InvalidUpdateError: If the result is nothing that could update the state.
            ParentCommand: If it steers the graph around this one. Whoever runs that graph applies the command to the
                node that this graph is there, with ``graph=None``.
        """
        if type(result) is dict:
            return [*self._updates(result), *self.edges]
        updates: Writes = []
        control: Writes = []
        for part in self._parts(result):
            if isinstance(part, Command):
                updates.extend(self._commanded(part))
                control.extend(self._goto(target) for target in self._targets(part) if target != END)
            elif isinstance(part, Send) and not isinstance(result, list | tuple):
                control.append((TASKS, self._known(part)))
            else:
                updates.extend(self._updates(part))
        return [*updates, *control, *self.edges]

    def _parts(self, result: Any) -> Sequence[Any]:
        if isinstance(result, list | tuple) and any(is_command(part) for part in result):
            return [adopted(part) for part in result]
        return (adopted(result),)

    def _updates(self, update: Any) -> Writes:
        if self.root:
            return [] if update is None else [("__root__", update)]
        if type(update) is dict:
            keys = self.keys
            return [(key, value) for key, value in update.items() if key in keys]
        if update is None:
            return []
        if isinstance(update, Mapping):
            return [(key, value) for key, value in update.items() if key in self.keys]
        if not isinstance(update, type) and declares_any(update, self.keys):
            return fields_as_writes(update, self.ordered_keys)
        raise InvalidUpdateError(self._refusal(update))

    def _refusal(self, update: Any) -> str:
        keys = ", ".join(repr(k) for k in self.ordered_keys)
        if self.body is None:
            return (
                f"The graph's input is {update!r} ({type(update).__name__}), but its state is a mapping:"
                f" pass a dict with some of the keys {keys}, or an instance of the state's class."
            )
        return (
            f"Node {self.name!r} returned {update!r} ({type(update).__name__}), which cannot update the state."
            f" A node returns a dict with some of the keys {keys}, an instance of the state's class, a Command,"
            ' or None. A runnable that answers with something else becomes a node with as_node(runnable, output="key").'
        )

    def _commanded(self, command: Command[Any]) -> Writes:
        if command.graph == Command.PARENT:
            raise ParentCommand(command)
        if command.graph is not None:
            raise InvalidUpdateError(
                f"Node {self.name!r} returned a Command for graph={command.graph!r}; it can steer the graph its node is"
                " in (None), or the one around it (Command.PARENT)."
            )
        update = command.update
        if isinstance(update, list | tuple) and all(_is_pair(item) for item in update):
            return [(key, value) for key, value in update if key in self.keys]
        return self._updates(update)

    def _targets(self, command: Command[Any]) -> Sequence[Any]:
        goto = command.goto
        return [adopted(t) for t in goto] if isinstance(goto, list | tuple) else (adopted(goto),)

    def _goto(self, target: Send | str) -> tuple[str, Any]:
        if isinstance(target, Send):
            return (TASKS, self._known(target))
        return (branch_channel(self._known_name(target)), None)

    def _known(self, packet: Send) -> Send:
        self._known_name(packet.node)
        return packet

    def _known_name(self, name: Any) -> str:
        if isinstance(name, str) and name in self.names:
            return name
        raise InvalidUpdateError(
            f"Node {self.name!r} sends the run to {name!r}, and there is no such node. The nodes are"
            f" {', '.join(repr(n) for n in sorted(self.names))}."
        )


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All nodes and channels of a compiled graph.

    Attributes:
        name: The graph's name.
        nodes: Every node by name, ``START`` included.
        channels: One empty channel for each key, edge and join.
        listeners: Which nodes each channel triggers.
        input: The schema of what a run is given.
        output: The schema of what a run returns.
        whole: The schema of the state.
        state: The keys that ``values`` shows: all of them.
        is_root: Whether the state is one value rather than a mapping.
        deferred: The channels that hold back until nothing else is left to run.
    """

    name: str
    nodes: Mapping[str, Node]
    channels: Mapping[str, Channel]
    listeners: Mapping[str, tuple[str, ...]]
    input: Schema
    output: Schema
    whole: Schema
    state: tuple[str, ...]
    is_root: bool
    deferred: tuple[str, ...]

    @property
    def streams(self) -> bool:
        """Whether some nodes may read the result of others while it is made."""
        return any(node.feeds for node in self.nodes.values())

    def reader(self, keys: str | Sequence[str]) -> Callable[[Mapping[str, Channel]], Any]:
        """A function that reads keys off a run's channels: a dict; of one key, or a root state, the value alone."""
        only = ROOT if self.is_root else keys
        if isinstance(only, str):
            return lambda channels: channels[only].value if channels[only].available else None
        return lambda channels: {k: c.value for k in keys if (c := channels[k]).available}

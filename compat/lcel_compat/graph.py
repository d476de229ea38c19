"""``StateGraph``: the builder of graphs, with LangGraph's signatures.

A builder collects nodes and edges; ``compile`` checks them and makes a ``CompiledStateGraph``, which runs.
"""

from __future__ import annotations

import inspect
import logging
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Self

from langchain_core.runnables import Runnable, RunnableLambda

from lcel_compat._body import Body, FunctionBody, body_of, path_of
from lcel_compat._constants import (
    DEFAULT_NAME,
    END,
    NAMESPACE_SEPARATOR,
    ROOT,
    START,
    TASK_SEPARATOR,
    TASKS,
    branch_channel,
    is_reserved,
    join_channel,
)
from lcel_compat._later import refuse
from lcel_compat._program import Branch, Node, Program
from lcel_compat._schema import Schema, read_schema
from lcel_compat.channels import AfterFinish, Barrier, Channel, Ephemeral, LastValue, Packets
from lcel_compat.compiled import CompiledStateGraph
from lcel_compat.errors import InvalidGraphError
from lcel_compat.types import Command, ContextT, InputT, OutputT, StateT

logger = logging.getLogger(__name__)

DEFAULT_BUFFER = 256
"""Items that a run may be ahead of its consumer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _NodeSpec:
    action: Any
    body: Body
    input_schema: Any
    metadata: Mapping[str, Any]
    defer: bool
    ends: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _BranchSpec:
    path: Body
    ends: Mapping[Hashable, str] | None
    input_schema: Any | None


@dataclass(slots=True)
class _Edges:
    """Everything that leads from node to node, in the order in which it was added."""

    plain: dict[tuple[str, str], None] = field(default_factory=dict)
    joins: dict[tuple[tuple[str, ...], str], None] = field(default_factory=dict)
    branches: dict[str, dict[str, _BranchSpec]] = field(default_factory=dict)

    def sources(self) -> dict[str, str]:
        """Where edges start, with a word on which edge."""
        found = {start: f"the edge {start!r} -> {end!r}" for start, end in self.plain}
        found |= {s: f"the join {list(starts)!r} -> {end!r}" for starts, end in self.joins for s in starts}
        return found | {s: f"the conditional edge of {s!r}" for s in self.branches}

    def targets(self) -> dict[str, str]:
        """Where edges are known to end, with a word on which edge."""
        found = {end: f"the edge {start!r} -> {end!r}" for start, end in self.plain}
        found |= {end: f"the join {list(starts)!r} -> {end!r}" for starts, end in self.joins}
        for source, branches in self.branches.items():
            for name, branch in branches.items():
                for end in (branch.ends or {}).values():
                    found[end] = f"the conditional edge {name!r} of {source!r}"
        return found


class StateGraph(Generic[StateT, ContextT, InputT, OutputT]):
    """A graph whose nodes read a shared state and return updates of it.

    Args:
        state_schema: The state: a TypedDict, dataclass, pydantic model or any other type. A key annotated
            ``Annotated[T, reducer]`` folds what is written to it; any other key keeps the last value.
        input_schema: What a run is given, if that is not the whole state.
        output_schema: What a run returns, if that is not the whole state.

    Raises:
        InvalidGraphError: If a schema cannot be read.
    """

    def __init__(
        self,
        state_schema: Any,
        context_schema: Any = None,
        *,
        input_schema: Any = None,
        output_schema: Any = None,
    ) -> None:
        if context_schema is not None:
            raise TypeError("StateGraph does not take a context_schema yet; pass values in config['configurable'].")
        self.state_schema = state_schema
        self.input_schema = state_schema if input_schema is None else input_schema
        self.output_schema = state_schema if output_schema is None else output_schema
        self.nodes: dict[str, _NodeSpec] = {}
        self.channels: dict[str, Channel] = {}
        self.compiled = False
        self._edges = _Edges()
        self._schemas: dict[Any, Schema] = {}
        for schema in (self.state_schema, self.input_schema, self.output_schema):
            self._add_schema(schema)

    @property
    def edges(self) -> set[tuple[str, str]]:
        """The plain edges, as ``(start, end)``."""
        return set(self._edges.plain)

    # Nodes ---------------------------------------------------------------------------------------------

    def add_node(
        self,
        node: str | Any,
        action: Any = None,
        *,
        defer: bool = False,
        metadata: Mapping[str, Any] | None = None,
        input_schema: Any = None,
        destinations: Mapping[str, str] | Sequence[str] | None = None,
        **unsupported: Any,
    ) -> Self:
        """Add a node.

        Args:
            node: The node's name; or the action, whose name is then the node's.
            action: What the node does: a function of the state (which may also take ``config`` and ``writer``), a
                Runnable, or a dict of Runnables. It returns an update of the state.
            defer: Run it only when nothing else is left to run.
            metadata: Added to the metadata of the node's runs.
            input_schema: The part of the state it is given; read off the annotation of its first parameter if not
                said here.
            destinations: Where it may lead with a ``Command``; for checking and drawing.

        Raises:
            InvalidGraphError: If the name is taken, reserved, or holds a reserved character.
            TypeError: If the action cannot be a node.
        """
        refuse("add_node", unsupported)
        self._warn_if_compiled("node")
        name, action = (node, action) if isinstance(node, str) else (_action_name(node), node)
        self._check_name(name, action)
        first, ends = _annotations(action)
        schema = input_schema if input_schema is not None else first
        if schema is not None:
            self._add_schema(schema)
        self.nodes[name] = _NodeSpec(
            action=action,
            body=body_of(action, name=name),
            input_schema=self.state_schema if schema is None else schema,
            metadata=dict(metadata or {}),
            defer=defer,
            ends=tuple(destinations) if destinations is not None else ends,
        )
        return self

    def _check_name(self, name: str, action: Any) -> None:
        if action is None:
            raise InvalidGraphError(f"Node {name!r} has no action: add_node({name!r}, function_or_runnable).")
        if name in self.nodes:
            raise InvalidGraphError(
                f"There is a node {name!r} already. Give the second one a name of its own:"
                ' add_node("another_name", action).'
            )
        if name in (START, END):
            raise InvalidGraphError(f"{name!r} is reserved for where a graph {'begins' if name == START else 'ends'}.")
        if is_reserved(name):
            raise InvalidGraphError(f"The node name {name!r} is reserved: checkpoints use it. Choose another name.")
        for character in (NAMESPACE_SEPARATOR, TASK_SEPARATOR):
            if character in name:
                raise InvalidGraphError(
                    f"The node name {name!r} holds the reserved character {character!r}, which separates the parts of"
                    " checkpoint namespaces. Choose another name."
                )

    # Edges ---------------------------------------------------------------------------------------------

    def add_edge(self, start_key: str | Sequence[str], end_key: str) -> Self:
        """Lead from a node to another; from several nodes, wait for all of them.

        Raises:
            InvalidGraphError: If the edge starts at ``END``, ends at ``START``, or joins nodes that do not exist yet.
        """
        self._warn_if_compiled("edge")
        starts = (start_key,) if isinstance(start_key, str) else tuple(start_key)
        if END in starts:
            raise InvalidGraphError(f"{END!r} is where the graph ends; no edge can start there.")
        if end_key == START:
            raise InvalidGraphError(f"{START!r} is where the graph begins; no edge can lead there.")
        if isinstance(start_key, str):
            self._edges.plain[start_key, end_key] = None
            return self
        if not starts:
            raise InvalidGraphError(f"The join to {end_key!r} has no nodes to wait for.")
        for name in (*starts, end_key):
            if name == START:
                raise InvalidGraphError(
                    f"The join {list(starts)!r} -> {end_key!r} waits for {START!r}, which is not a node; leave it out."
                )
            if name not in self.nodes and name != END:
                raise InvalidGraphError(
                    f"The join {list(starts)!r} -> {end_key!r} needs node {name!r}; add it with add_node first."
                )
        self._edges.joins[starts, end_key] = None
        return self

    def add_conditional_edges(
        self,
        source: str,
        path: Any,
        path_map: Mapping[Hashable, str] | Sequence[str] | None = None,
    ) -> Self:
        """Let a function of the state say where to go after a node.

        Args:
            source: The node.
            path: A function or Runnable that answers with a node's name, ``END``, a ``Send``, or a list of these. It
                sees the state with the node's own update applied.
            path_map: What it may answer, and the node that each answer stands for; a list if answers are node names.
                Read off a ``Literal`` return annotation if not said here.

        Raises:
            InvalidGraphError: If the node has a conditional edge of the same name already.
        """
        self._warn_if_compiled("edge")
        body = path_of(path)
        name = _path_name(path, body)
        branches = self._edges.branches.setdefault(source, {})
        if name in branches:
            raise InvalidGraphError(
                f"Node {source!r} has a conditional edge named {name!r} already. Use functions with different names,"
                " or one function that answers with a list."
            )
        schema, literal = _path_annotations(path)
        if schema is not None:
            self._add_schema(schema)
        branches[name] = _BranchSpec(path=body, ends=_ends(path_map, literal), input_schema=schema)
        return self

    def add_sequence(self, nodes: Sequence[Any]) -> Self:
        """Add nodes that run one after the other; each an action, or ``(name, action)``.

        Raises:
            InvalidGraphError: If there is none, or a name is taken.
        """
        if not nodes:
            raise InvalidGraphError("add_sequence was given no nodes.")
        previous: str | None = None
        for item in nodes:
            pair = isinstance(item, tuple) and len(item) == 2
            name, action = item if pair else (_action_name(item), item)
            self.add_node(name, action)
            if previous is not None:
                self.add_edge(previous, name)
            previous = name
        return self

    def set_entry_point(self, key: str) -> Self:
        """Begin at this node: ``add_edge(START, key)``."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(
        self, path: Any, path_map: Mapping[Hashable, str] | Sequence[str] | None = None
    ) -> Self:
        """Let a function of the input say where to begin: ``add_conditional_edges(START, path, path_map)``."""
        return self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, key: str) -> Self:
        """End after this node: ``add_edge(key, END)``."""
        return self.add_edge(key, END)

    # Compiling -----------------------------------------------------------------------------------------

    def validate(self) -> Self:
        """Check that all edges start and end at nodes, and that there is a way in.

        Raises:
            InvalidGraphError: Naming the edge and the node.
        """
        sources = self._edges.sources()
        leading = {name for name, spec in self.nodes.items() if spec.ends}
        for name, edge in sources.items():
            if name not in self.nodes and name != START:
                raise InvalidGraphError(self._unknown(name, f"{edge} starts there"))
        if START not in sources and START not in leading:
            raise InvalidGraphError(
                "The graph has no entry point. Say where it begins, with add_edge(START, node) or"
                f" set_entry_point(node); the nodes are {self._names()}."
            )
        self._check_mapped_keys()
        targets = self._edges.targets()
        targets |= {end: f"the destinations of {n!r}" for n, spec in self.nodes.items() for end in spec.ends}
        for name, edge in targets.items():
            if name not in self.nodes and name != END:
                raise InvalidGraphError(self._unknown(name, f"{edge} leads there"))
        return self

    def _check_mapped_keys(self) -> None:
        """A node that says which state keys it maps to (``lcel_adapters.as_node``) may only name keys there are."""
        for name, spec in self.nodes.items():
            for key in getattr(spec.action, "state_keys", ()):
                if key not in self.channels and ROOT not in self.channels:
                    raise InvalidGraphError(
                        f"Node {name!r} maps the state key {key!r}, which the state does not have; its keys are"
                        f" {', '.join(repr(k) for k in self.channels)}."
                    )

    def _unknown(self, name: str, why: str) -> str:
        if name in (START, END):
            return f"{name!r} is where the graph {'begins' if name == START else 'ends'}, but {why}. Correct the edge."
        return (
            f"There is no node {name!r}, but {why}. The nodes are {self._names()}; add the missing one with"
            f" add_node({name!r}, ...) or correct the edge."
        )

    def _names(self) -> str:
        return ", ".join(repr(name) for name in self.nodes) or "none yet"

    def compile(
        self,
        checkpointer: Any = None,
        *,
        name: str | None = None,
        buffer: int = DEFAULT_BUFFER,
        **unsupported: Any,
    ) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
        """Check the graph and make it runnable.

        Args:
            checkpointer: Savers are not supported yet; only ``None`` and ``False`` are taken.
            name: The name of its run, ``"LangGraph"`` if not said.
            buffer: How many items a run may be ahead of its consumer before nodes have to wait.

        Raises:
            InvalidGraphError: If an edge leads nowhere or there is no entry point.
            ValueError: If ``buffer`` is less than 1.
        """
        refuse("compile", unsupported if not checkpointer else {"checkpointer": checkpointer, **unsupported})
        if type(buffer) is not int or buffer < 1:
            raise ValueError(f"buffer is {buffer!r}, but it has to be a whole number of at least 1 item.")
        self.validate()
        self.compiled = True
        program = self._program(name or DEFAULT_NAME)
        return CompiledStateGraph(builder=self, program=program, buffer=buffer)

    def _program(self, name: str) -> Program:
        channels = {**self.channels, **self._control_channels()}
        nodes = {node: self._node(node, channels) for node in (START, *self.nodes)}
        listeners: dict[str, list[str]] = {}
        for node in nodes.values():
            for trigger in node.triggers:
                listeners.setdefault(trigger, []).append(node.name)
        return Program(
            name=name,
            nodes=nodes,
            channels=channels,
            listeners={channel: tuple(who) for channel, who in listeners.items()},
            input=self._schemas[self.input_schema],
            output=self._schemas[self.output_schema],
            state=tuple(self.channels),
            is_root=tuple(self.channels) == (ROOT,),
            deferred=tuple(key for key, channel in channels.items() if channel.deferred),
        )

    def _control_channels(self) -> dict[str, Channel]:
        channels: dict[str, Channel] = {TASKS: Packets(TASKS)}
        for name, spec in self.nodes.items():
            key = branch_channel(name)
            channels[key] = AfterFinish(key) if spec.defer else Ephemeral(key)
        for starts, end in self._edges.joins:
            if end != END:
                key = join_channel(starts, end)
                channels[key] = Barrier(key, starts, deferred=self.nodes[end].defer)
        return channels

    def _node(self, name: str, channels: Mapping[str, Channel]) -> Node:
        spec = self.nodes.get(name)
        joins = [(starts, end) for starts, end in self._edges.joins if end != END]
        edges = [(branch_channel(end), None) for start, end in self._edges.plain if start == name and end != END]
        edges_to_joins = [(join_channel(starts, end), name) for starts, end in joins if name in starts]
        waits = [join_channel(starts, end) for starts, end in joins if end == name]
        keys = self._schemas[self.input_schema].keys if spec is None else tuple(self.channels)
        triggers = (START,) if spec is None else tuple(sorted([branch_channel(name), *waits]))
        return Node(
            name=name,
            body=None if spec is None else spec.body,
            schema=self._schemas[self.input_schema if spec is None else spec.input_schema],
            triggers=triggers,
            consumes=tuple(t for t in triggers if t in channels and not channels[t].transient),
            metadata={} if spec is None else spec.metadata,
            keys=frozenset(keys),
            ordered_keys=keys,
            edges=(*edges, *edges_to_joins),
            branches=self._branches(name, spec),
            names=frozenset(self.nodes),
            root=keys == (ROOT,),
        )

    def _branches(self, name: str, spec: _NodeSpec | None) -> tuple[Branch, ...]:
        around = self.state_schema if spec is None else spec.input_schema
        return tuple(
            Branch(
                name=label,
                path=branch.path,
                ends=branch.ends,
                schema=self._schemas[around if branch.input_schema is None else branch.input_schema],
                passes_result=branch.input_schema is None,
                targets=frozenset(self.nodes) if branch.ends is None else frozenset(branch.ends.values()),
            )
            for label, branch in self._edges.branches.get(name, {}).items()
        )

    def _add_schema(self, source: Any) -> None:
        if source is None or isinstance(source, str | Mapping):
            raise InvalidGraphError(
                f"A schema is {source!r}, but it has to be a type: a TypedDict, a dataclass, a pydantic model or any"
                " other type."
            )
        if source in self._schemas:
            return
        schema = self._schemas[source] = read_schema(source)
        for key, channel in schema.channels.items():
            if is_reserved(key) or key == START or key.startswith(("branch:to:", "join:")):
                raise InvalidGraphError(
                    f"The state key {key!r} of {getattr(source, '__name__', source)!r} is reserved: the graph and its"
                    " checkpoints use it. Choose another name."
                )
            known = self.channels.setdefault(key, channel)
            # A plain annotation of a key that is reduced elsewhere only reads it.
            if not known.same_kind(channel) and not isinstance(channel, LastValue):
                raise InvalidGraphError(
                    f"The schemas of this graph disagree about the key {key!r}: one folds it with a reducer and"
                    f" {getattr(source, '__name__', source)!r} does not do it the same way. Use one annotation."
                )

    def _warn_if_compiled(self, what: str) -> None:
        if self.compiled:
            logger.warning(
                "The graph was compiled already; the graphs made of it do not get this %s. Compile it again.", what
            )


def _action_name(action: Any) -> str:
    if isinstance(action, Runnable):
        return action.get_name()
    return str(getattr(action, "__name__", type(action).__name__))


def _path_name(path: Any, body: Body) -> str:
    name = body.name if isinstance(body, FunctionBody) else getattr(path, "name", None)
    return name or "condition"


def _ends(
    path_map: Mapping[Hashable, str] | Sequence[str] | None, literal: tuple[Any, ...]
) -> Mapping[Hashable, str] | None:
    if isinstance(path_map, Mapping):
        return dict(path_map)
    names = tuple(path_map) if path_map is not None else literal
    return {name: name for name in names} or None


def _hints(function: Any) -> dict[str, Any]:
    """The annotations of a function, or nothing where they cannot be resolved."""
    target = function if inspect.isroutine(function) else getattr(function, "__call__", None)  # noqa: B004
    if target is None:
        return {}
    try:
        return typing.get_type_hints(target)
    except (NameError, TypeError, AttributeError):
        return {}


def _annotated_schema(function: Any, hints: Mapping[str, Any]) -> Any | None:
    """The class that a function's first parameter is annotated with, if it has fields of its own."""
    try:
        first = next(iter(inspect.signature(function).parameters), None)
    except (TypeError, ValueError):
        return None
    hint = hints.get(first or "")
    try:
        return hint if isinstance(hint, type) and typing.get_type_hints(hint) else None
    except (NameError, TypeError):
        return None


def _annotations(action: Any) -> tuple[Any | None, tuple[str, ...]]:
    """The input schema that a node's annotations declare, and where its commands may lead."""
    if isinstance(action, Runnable | dict):
        return None, ()
    hints = _hints(action)
    return _annotated_schema(action, hints), _command_targets(hints.get("return"))


def _command_targets(hint: Any) -> tuple[str, ...]:
    for candidate in (hint, *typing.get_args(hint)):
        if typing.get_origin(candidate) is Command:
            (argument,) = typing.get_args(candidate)
            if typing.get_origin(argument) is Literal:
                return typing.get_args(argument)
    return ()


def _path_annotations(path: Any) -> tuple[Any | None, tuple[Any, ...]]:
    """The state that a path's annotations say it reads, and the answers that they allow."""
    function = _function_of(path)
    if function is None:
        return None, ()
    hints = _hints(function)
    returned = hints.get("return")
    literal = typing.get_args(returned) if typing.get_origin(returned) is Literal else ()
    return _annotated_schema(function, hints), literal


def _function_of(path: Any) -> Callable[..., Any] | None:
    if isinstance(path, RunnableLambda):
        return getattr(path, "func", None) or getattr(path, "afunc", None)
    return None if isinstance(path, Runnable) else path

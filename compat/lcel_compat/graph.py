"""``StateGraph``: the builder of graphs, with LangGraph's signatures.

A builder collects nodes and edges; ``compile`` checks them and makes a ``CompiledStateGraph``, which runs. What
LangGraph's builder takes and this one does not is in ``_refused.py``.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Self

from langchain_core.runnables import Runnable

from lcel_compat._annotations import node_annotations, path_annotations
from lcel_compat._assembly import assemble
from lcel_compat._body import path_of
from lcel_compat._checks import (
    check_edges,
    check_join,
    check_mapped_keys,
    check_name,
    check_saver,
    check_timeouts,
    interrupt_names,
)
from lcel_compat._constants import DEFAULT_NAME, END, START, is_reserved
from lcel_compat._edges import BranchSpec, Edges, PathMap, ends_of, path_name
from lcel_compat._nodes import (
    NodeDefaults,
    NodeOptions,
    NodeSpec,
    handler,
    handler_name,
    own_policies,
    regular,
    with_defaults,
)
from lcel_compat._refused import refuse
from lcel_compat._schema import Schema, read_schema
from lcel_compat.channels import Channel, LastValue
from lcel_compat.compiled import CompiledStateGraph
from lcel_compat.errors import InvalidGraphError
from lcel_compat.managed import Managed
from lcel_compat.policies import CachePolicy, RetryPolicy, TimeoutPolicy
from lcel_compat.policies import cache_policy as checked_cache_policy
from lcel_compat.types import All, Checkpointer, ContextT, InputT, OutputT, StateT

if TYPE_CHECKING:
    from langgraph.cache.base import BaseCache
    from langgraph.store.base import BaseStore

logger = logging.getLogger(__name__)

DEFAULT_BUFFER = 256
"""Items that a run may be ahead of its consumer."""


class StateGraph(Generic[StateT, ContextT, InputT, OutputT]):
    """A graph whose nodes read a shared state and return updates of it.

    Args:
        state_schema: The state: a TypedDict, dataclass, pydantic model or any other type. A key annotated
            ``Annotated[T, reducer]`` folds what is written to it; any other key keeps the last value.
        context_schema: What a caller passes as ``context=``, and nodes find in ``runtime.context``.
        input_schema: What a run is given, if that is not the whole state.
        output_schema: What a run returns, if that is not the whole state.

    Attributes:
        nodes: The nodes by name, each with its action and its options as they were given.
        channels: The state's keys.
        managed: The keys that the run computes; see ``lcel_compat.managed``.
        schemas: All schemas of the graph and its nodes.
        compiled: Whether the graph was checked or compiled before.

    Raises:
        InvalidGraphError: If a schema cannot be read.
        TypeError: For an argument that is not taken.
    """

    def __init__(
        self,
        state_schema: Any,
        context_schema: Any = None,
        *,
        input_schema: Any = None,
        output_schema: Any = None,
        **refused: Any,
    ) -> None:
        refuse("StateGraph", refused)
        self.state_schema = state_schema
        self.context_schema = context_schema
        self.input_schema = state_schema if input_schema is None else input_schema
        self.output_schema = state_schema if output_schema is None else output_schema
        self.nodes: dict[str, NodeSpec] = {}
        self.channels: dict[str, Channel] = {}
        self.managed: dict[str, Managed] = {}
        self.schemas: dict[Any, Schema] = {}
        self.compiled = False
        self._edges = Edges()
        self._defaults = NodeDefaults()
        self._add_schema(self.state_schema)
        self._add_schema(self.input_schema, of="input")
        self._add_schema(self.output_schema, of="output")

    @property
    def edges(self) -> set[tuple[str, str]]:
        """The plain edges, as ``(start, end)``."""
        return set(self._edges.plain)

    @property
    def waiting_edges(self) -> set[tuple[tuple[str, ...], str]]:
        """The edges that wait for several nodes, as ``(starts, end)``."""
        return set(self._edges.joins)

    @property
    def streaming_edges(self) -> set[tuple[str, str]]:
        """Those of the plain edges along which a result may be read while it is made."""
        return set(self._edges.streaming)

    @property
    def branches(self) -> Mapping[str, Mapping[str, BranchSpec]]:
        """The conditional edges of each node by name, each with its path and path map as they were given."""
        return self._edges.branches

    # Nodes ---------------------------------------------------------------------------------------------

    def set_node_defaults(
        self,
        *,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
        cache_policy: CachePolicy | None = None,
        error_handler: Any = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
    ) -> Self:
        """Say what holds for every node that does not say it itself; graphs inside nodes do not inherit it.

        Error handlers take the defaults for retries and timeouts, not the others. An argument that is ``None`` leaves
        what was said before.

        Args:
            retry_policy: When and how often a node that fails runs again.
            cache_policy: That a node does not run again for the same input.
            error_handler: What runs when a node fails; see ``add_node``.
            timeout: How long one attempt of a node may take.

        Raises:
            TypeError: If what is given as a policy is none.
            ValueError: If the timeout is no time.
        """
        given = {
            "retry_policy": own_policies(retry_policy),
            "cache_policy": checked_cache_policy(cache_policy),
            "error_handler": error_handler,
            "timeout": TimeoutPolicy.coerce(timeout),
        }
        said = {name: value for name, value in given.items() if value is not None}
        self._defaults = dataclasses.replace(self._defaults, **said)
        return self

    def add_node(
        self,
        node: str | Any,
        action: Any = None,
        *,
        defer: bool = False,
        metadata: Mapping[str, Any] | None = None,
        input_schema: Any = None,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
        cache_policy: CachePolicy | None = None,
        error_handler: Any = None,
        destinations: Mapping[str, str] | Sequence[str] | None = None,
        timeout: float | timedelta | TimeoutPolicy | None = None,
        **refused: Any,
    ) -> Self:
        """Add a node.

        Args:
            node: The node's name; or the action, whose name is then the node's.
            action: What the node does: a function of the state (which may also take ``config``, ``writer``,
                ``runtime`` and ``store``), a Runnable, or a dict of Runnables. It returns an update of the state.
            defer: Run it only when nothing else is left to run.
            metadata: Added to the metadata of the node's runs.
            input_schema: The part of the state it is given; read off the annotation of its first parameter if not
                said here.
            retry_policy: When and how often it runs again if it fails; of several the first that is about the error.
            cache_policy: That it does not run again for the same input, if the graph has a cache.
            error_handler: What runs instead of failing, when all attempts failed: a function of the node's input,
                which may take ``error: NodeError``. It is a node of its own, ``__error_handler__<node>``.
            destinations: Where it may lead with a ``Command``; for checking and drawing. A mapping gives the labels.
            timeout: How long one attempt may take, in seconds, as ``timedelta``, or as a policy. Only for
                asynchronous nodes.

        Raises:
            InvalidGraphError: If the name is taken, reserved, or holds a reserved character.
            TypeError: If the action cannot be a node, what is given as a policy is none, or for an argument that is not
                taken.
            ValueError: If the timeout is no time.
        """
        refuse("add_node", refused)
        self._warn_if_compiled("node")
        name, action = (node, action) if isinstance(node, str) else (_action_name(node), node)
        if action is None:
            raise InvalidGraphError(f"Node {name!r} has no action: add_node({name!r}, function_or_runnable).")
        check_name(name, self.nodes)
        options = NodeOptions(
            defer=defer,
            metadata=metadata,
            input_schema=input_schema,
            retry_policy=retry_policy,
            cache_policy=cache_policy,
            error_handler=error_handler,
            destinations=destinations,
            timeout=timeout,
        )
        self.nodes |= self._specified(name, action, options)
        return self

    def _specified(self, name: str, action: Any, options: NodeOptions) -> dict[str, NodeSpec]:
        """The node, and the node that handles its failures before it."""
        annotated, ends = node_annotations(action)
        own = annotated if options.input_schema is None else options.input_schema
        schema = self.state_schema if own is None else own
        made = {name: regular(name, action, options, schema, ends)}
        if options.error_handler is not None:
            its_handler = handler_name(name)
            check_name(its_handler, self.nodes)
            made = {its_handler: handler(its_handler, options.error_handler, schema), **made}
        self._add_schema(schema)
        return made

    # Edges ---------------------------------------------------------------------------------------------

    def add_edge(self, start_key: str | Sequence[str], end_key: str, *, stream: bool = False) -> Self:
        """Lead from a node to another; from several nodes, wait for all of them.

        Args:
            start_key: The node, or the nodes to wait for.
            end_key: The node that it leads to.
            stream: Whether the second node may begin on the first chunk of the first, as a step of a chain does. Both
                have to be made with ``as_node``, and the second has to read the key that the first writes. What it
                writes is applied in its own superstep. Where that is not so, where a checkpoint is saved or the run
                stops between them, or where nobody reads chunks, it begins when the first is done, as ever.

        Raises:
            InvalidGraphError: If the edge starts at ``END``, ends at ``START``, joins nodes that do not exist yet, or
                is a join that is to stream.
        """
        self._warn_if_compiled("edge")
        starts = (start_key,) if isinstance(start_key, str) else tuple(start_key)
        if END in starts:
            raise InvalidGraphError(f"{END!r} is where the graph ends; no edge can start there.")
        if end_key == START:
            raise InvalidGraphError(f"{START!r} is where the graph begins; no edge can lead there.")
        if isinstance(start_key, str):
            self._edges.plain[start_key, end_key] = None
            (self._edges.streaming.add if stream else self._edges.streaming.discard)((start_key, end_key))
            return self
        if stream:
            raise InvalidGraphError(
                f"The join {list(starts)!r} -> {end_key!r} cannot stream: it waits until all of these nodes are done."
                " Leave stream out."
            )
        check_join(starts, end_key, self.nodes)
        self._edges.joins[starts, end_key] = None
        return self

    def add_conditional_edges(
        self,
        source: str,
        path: Any,
        path_map: PathMap | None = None,
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
        name = path_name(path, body)
        branches = self._edges.branches.setdefault(source, {})
        if name in branches:
            raise InvalidGraphError(
                f"Node {source!r} has a conditional edge named {name!r} already. Use functions with different names,"
                " or one function that answers with a list."
            )
        schema, literal = path_annotations(path)
        if schema is not None:
            self._add_schema(schema)
        branches[name] = BranchSpec(
            path=path, path_map=path_map, body=body, ends=ends_of(path_map, literal), input_schema=schema
        )
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
            name, action = item if pair else (_plain_name(item), item)
            self.add_node(name, action)
            if previous is not None:
                self.add_edge(previous, name)
            previous = name
        return self

    def set_entry_point(self, key: str) -> Self:
        """Begin at this node: ``add_edge(START, key)``."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(self, path: Any, path_map: PathMap | None = None) -> Self:
        """Let a function of the input say where to begin: ``add_conditional_edges(START, path, path_map)``."""
        return self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, key: str) -> Self:
        """End after this node: ``add_edge(key, END)``."""
        return self.add_edge(key, END)

    # Compiling -----------------------------------------------------------------------------------------

    def validate(self, interrupt: Sequence[str] | None = None) -> Self:
        """Check that all edges start and end at nodes, and that there is a way in.

        Args:
            interrupt: Names that have to be nodes.

        Raises:
            InvalidGraphError: Naming the edge and the node.
        """
        check_edges(self.nodes, self._edges)
        check_mapped_keys(self.nodes, (*self.channels, *self.managed))
        interrupt_names("interrupt", interrupt, self.nodes)
        self.compiled = True
        return self

    def compile(
        self,
        checkpointer: Checkpointer = None,
        *,
        cache: BaseCache[Any] | None = None,
        store: BaseStore | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        debug: bool = False,
        name: str | None = None,
        buffer: int = DEFAULT_BUFFER,
        **refused: Any,
    ) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
        """Check the graph and make it runnable.

        Args:
            checkpointer: Where the state of each thread is kept: a saver of ``langgraph-checkpoint``. For a graph
                inside another, ``None`` means the saver around it, ``True`` that it has a history of its own there,
                ``False`` none at all.
            cache: Where the results of nodes with a cache policy are kept.
            store: What nodes find in ``runtime.store``.
            interrupt_before: The nodes to stop before, ``"*"`` for all.
            interrupt_after: The nodes to stop after, ``"*"`` for all.
            debug: Print what the run does.
            name: The name of its run, ``"LangGraph"`` if not said.
            buffer: How many items a run may be ahead of its consumer before nodes have to wait.

        Raises:
            InvalidGraphError: If an edge leads nowhere, there is no entry point, an interrupt names no node, or a
                synchronous node has a timeout.
            TypeError: If the checkpointer is none, or for an argument that is not taken.
            ValueError: If ``buffer`` is less than 1.
        """
        refuse("compile", refused)
        check_saver(checkpointer)
        if type(buffer) is not int or buffer < 1:
            raise ValueError(f"buffer is {buffer!r}, but it has to be a whole number of at least 1 item.")
        before = interrupt_names("interrupt_before", interrupt_before, self.nodes)
        after = interrupt_names("interrupt_after", interrupt_after, self.nodes)
        self.validate()
        nodes = with_defaults(self.nodes, self._defaults, self.state_schema)
        check_timeouts(nodes)
        program = assemble(self, nodes, self._edges, name or DEFAULT_NAME)
        return CompiledStateGraph(
            builder=self,
            program=program,
            buffer=buffer,
            checkpointer=checkpointer,
            store=store,
            cache=cache,
            interrupt_before=before,
            interrupt_after=after,
            debug=debug,
        )

    def _add_schema(self, source: Any, *, of: str | None = None) -> None:
        if source is None or isinstance(source, str | Mapping):
            raise InvalidGraphError(
                f"A schema is {source!r}, but it has to be a type: a TypedDict, a dataclass, a pydantic model or any"
                " other type."
            )
        if source in self.schemas:
            return
        schema = read_schema(source)
        if schema.managed and of is not None:
            raise InvalidGraphError(
                f"The {of} schema {_title(source)} has {', '.join(map(repr, schema.managed))}, which the run computes;"
                " it can be read by nodes, and neither be given to a run nor returned. Leave it out there."
            )
        for key, channel in schema.channels.items():
            _check_key(source, key)
            known = self.channels.get(key, channel)
            # A plain annotation of a key that is reduced elsewhere only reads it.
            if key in self.managed or (not known.same_kind(channel) and not isinstance(channel, LastValue)):
                raise _disagreement(source, key)
        for key, manager in schema.managed.items():
            _check_key(source, key)
            if key in self.channels or self.managed.get(key, manager) is not manager:
                raise _disagreement(source, key)
        self.channels |= {key: channel for key, channel in schema.channels.items() if key not in self.channels}
        self.managed |= schema.managed
        self.schemas[source] = schema

    def _warn_if_compiled(self, what: str) -> None:
        if self.compiled:
            logger.warning(
                "The graph was compiled already; the graphs made of it do not get this %s. Compile it again.", what
            )


def _action_name(action: Any) -> str:
    if isinstance(action, Runnable):
        return action.get_name()
    return _plain_name(action)


def _plain_name(action: Any) -> str:
    """The name that ``add_sequence`` gives, of a runnable too: LangGraph's does not ask it for its own."""
    return str(getattr(action, "__name__", type(action).__name__))


def _title(source: Any) -> str:
    return repr(getattr(source, "__name__", source))


def _check_key(source: Any, key: str) -> None:
    if is_reserved(key) or key == START or key.startswith(("branch:to:", "join:")):
        raise InvalidGraphError(
            f"The state key {key!r} of {_title(source)} is reserved: the graph and its checkpoints use it."
            " Choose another name."
        )


def _disagreement(source: Any, key: str) -> InvalidGraphError:
    return InvalidGraphError(
        f"The schemas of this graph disagree about the key {key!r}: one folds it with a reducer, or lets the run"
        f" compute it, and {_title(source)} does not do it the same way. Use one annotation."
    )

"""What one run of a face hands to the nodes of its graph, beside the graph.

The graph itself runs in silence. Its nodes stand in ``Place``s (``_places.py``), and a place asks the ``Beside`` of the
run that it belongs to how its work is shown: under which configuration, streamed or not, and by whom. There are three
scopes, and each is a function from a node to a configuration:

- ``whole``: the one node *is* the chain; it gets the caller's configuration, so that its root run is the caller's.
- ``steps_of``: the face opened a root run; each node gets that of a step, tagged ``seq:step:N``.
- ``inside``: within a subgraph that is shown as one run; everything hangs under that run.

A run that spans several nodes of a graph (the root, a parallel, an inner sequence of a chain that was taken apart) will
be a fourth: a function that opens the runs on a node's scope path when the first node in them starts, and gives the
node the configuration of a child of the innermost. Nothing else here knows how a configuration comes about.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import patch_config

from lcel_adapters._face._surroundings import Surroundings
from lcel_compat._core import var_child_runnable_config

if TYPE_CHECKING:
    from lcel_adapters._face._orders import AsyncOrders, SyncOrders

Scope: TypeAlias = Callable[[RunnableConfig], RunnableConfig | None]
"""From the configuration that the graph gives a node to the one that the node's work is shown with."""

current: Final[ContextVar[Beside | None]] = ContextVar("lcel_adapters_face", default=None)
"""The face's run that the graph running in this context belongs to."""


@dataclass(slots=True, kw_only=True)
class Beside:
    """One run of a face.

    Attributes:
        surroundings: The caller's context.
        config: The graph's configuration.
        scope: How a node's work is shown.
        opens: Whether a node that is no adapted runnable gets a run of its own.
        streaming: Whether runnables are streamed, because the face was.
        orders: Where the node whose chunks are the face's orders its work instead of doing it; ``None`` if nobody reads
            chunks.
        value: What the caller gave, for a node that is the chain.
        kwargs: What the caller passed beside the configuration, for a node that is the chain.
        results: What the speaker's runnable returned, each time it ran.
    """

    surroundings: Surroundings
    config: RunnableConfig
    scope: Scope
    opens: bool = True
    streaming: bool = False
    orders: SyncOrders | AsyncOrders | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    value: Any = None
    results: list[Any] = field(default_factory=list)

    def streamed(self, orders: SyncOrders | AsyncOrders) -> Beside:
        """The same, for a run whose chunks are read; the speaker orders here."""
        self.streaming, self.orders = True, orders
        return self

    def heard(self, result: Any) -> Any:
        """Keep what the speaker's runnable returned, and return it."""
        self.results.append(result)
        return result

    def enter(self) -> Context:
        """The silent context, to run the graph in; its places find this."""
        self.surroundings.tell(current, self)
        return self.surroundings.silent

    def within(self, config: RunnableConfig) -> Beside:
        """The same for a subgraph that runs in this context, shown under the run that a configuration is in."""
        return Beside(
            surroundings=Surroundings(),
            config=muted(config),
            scope=inside(config),
            opens=False,
            streaming=self.streaming,
        )


MakeBeside: TypeAlias = Callable[[], Beside]


def whole(config: RunnableConfig | None) -> Scope:
    """The node is the chain, and is run as the caller would run the chain."""
    around: Any = var_child_runnable_config.get() or {}
    own: Any = config or {}
    # A configurable that is given replaces the surrounding one (runnables/config.py, ensure_config).
    configurable = own.get("configurable") or around.get("configurable") or {}
    return lambda given: _lent(config, configurable, given)


def steps_of(run: Any, config: RunnableConfig) -> Scope:
    """The node is a step of a sequence that the face opened a run for.

    Args:
        run: The run's manager.
        config: The run's configuration.

    A step's number is that of the superstep, counted from the first of this run: in a line of nodes its place in the
    sequence (runnables/base.py, ``seq:step:{i}``).
    """
    first: list[int] = []

    def scope(given: RunnableConfig) -> RunnableConfig | None:
        step = given["metadata"]["langgraph_step"]
        if not first:
            first.append(step)
        child = run.get_child(f"seq:step:{step - first[0] + 1}")
        return _lent(patch_config(config, callbacks=child), config.get("configurable", {}), given)

    return scope


def inside(config: RunnableConfig) -> Scope:
    """The node belongs to a subgraph that is shown as one run; its work hangs under that run."""
    return lambda given: _lent(config, config.get("configurable", {}), given)


def muted(config: RunnableConfig | None) -> RunnableConfig:
    """The configuration of a silent graph: what shapes a run and what nodes may read, but nobody who listens.

    Like any runnable a graph takes from the surrounding configuration what it is not given (``ensure_config``); the
    silence hides that from it, so it is put in here.
    """
    around = var_child_runnable_config.get() or {}
    given = {key: value for key, value in (config or {}).items() if value is not None}
    merged = {**around, **given}
    return cast("RunnableConfig", {key: value for key, value in merged.items() if key not in _LISTENING})


_LISTENING: Final = frozenset({"callbacks", "run_id", "run_name", "tags"})


class NoInterrupt:
    """Stands where LangGraph keeps the answers to interrupts, for runnables that are shown as a chain's."""

    resume = ()

    def interrupt_counter(self) -> int:
        """Refuse; ``langgraph.types.interrupt`` asks for its number before anything else.

        Raises:
            FaceInterruptError: Always.
        """
        from lcel_adapters._face.errors import FaceInterruptError

        raise FaceInterruptError


_RUNTIME: Final = "__pregel_runtime"
_SCRATCHPAD: Final = "__pregel_scratchpad"


def _lent(config: RunnableConfig | None, configurable: dict[str, Any], given: RunnableConfig) -> RunnableConfig | None:
    """The configuration with what LangGraph's own functions look for in it: store, stream writer, context.

    Names that begin with two underscores are left out of metadata by core (runnables/config.py), so nobody sees them.
    """
    runtime = given.get("configurable", {}).get(_RUNTIME)
    if runtime is None:
        return config
    lent = {**configurable, _RUNTIME: runtime, _SCRATCHPAD: NoInterrupt()}
    return cast("RunnableConfig", {**(config or {}), "configurable": lent})

"""What a caller asked a graph for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig

from lcel_compat._context import TaskScope
from lcel_compat._machine import Breakpoints
from lcel_compat._mailbox import Mailbox
from lcel_compat._program import Program
from lcel_compat._sink import Sink, parts, placed_form
from lcel_compat.modes import EventFilter
from lcel_compat.modes.events import EVERYTHING
from lcel_compat.runtime import RunControl
from lcel_compat.types import Durability

if TYPE_CHECKING:
    from langgraph.cache.base import BaseCache
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a graph was compiled with, beside the graph itself.

    Attributes:
        saver: What saves its runs.
        one_history: Whether it keeps one history for each thread although it runs inside other graphs.
        store: What nodes keep things in, across threads.
        cache: What keeps the writes of nodes with a cache policy.
        context_schema: The class of what callers pass as ``context``.
        step_timeout: How long a superstep may take, in seconds.
    """

    saver: BaseCheckpointSaver[Any] | None = None
    one_history: bool = False
    store: BaseStore | None = None
    cache: BaseCache[Any] | None = None
    context_schema: Any = None
    step_timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller asked for.

    Attributes:
        value: The input.
        config: The resolved configuration.
        settings: What the graph was compiled with.
        parent: The node that calls the graph, if one does.
        modes: The stream modes, empty for ``invoke``.
        printed: The modes whose items are printed.
        labelled: Whether items are ``(mode, item)``.
        below: Whether graphs inside are shown too, and items come with their namespace.
        as_parts: Whether items are the dicts of ``version="v2"``.
        output_keys: The keys that the output shows; one alone is shown without a dict around it.
        chunk_modes: The modes whose items the root run's ``on_chain_stream`` events carry.
        chunks_labelled: Whether those are ``(mode, item)``.
        event_filter: Which events ``events`` shows.
        error_events: Whether every run that failed ends with an event, the innermost first.
        before: The nodes before which the run stops.
        after: The nodes after which it stops.
        durability: When the run saves; ``None`` if the caller did not say.
        context: What nodes find as ``runtime.context``.
        control: By which the run can be asked to stop.
    """

    value: Any
    config: RunnableConfig
    settings: Settings
    parent: TaskScope | None
    output_keys: str | tuple[str, ...]
    modes: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    labelled: bool = False
    below: bool = False
    as_parts: bool = False
    chunk_modes: tuple[str, ...] = ("updates",)
    chunks_labelled: bool = False
    event_filter: EventFilter = EVERYTHING
    error_events: bool = False
    before: Breakpoints = ()
    after: Breakpoints = ()
    durability: Durability | None = None
    context: Any = None
    control: RunControl | None = None

    def sink(self, mailbox: Mailbox, program: Program) -> Sink:
        """Where the items of the run go."""
        form = placed_form(labelled=self.labelled) if self.below else None
        if self.as_parts:
            form = parts(program.output.build, program.whole.build)
        return Sink(
            mailbox=mailbox,
            modes=self.modes,
            printed=self.printed,
            labelled=self.labelled,
            form=form,
            below=self.below,
        )

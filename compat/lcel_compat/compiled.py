"""``CompiledStateGraph``: a graph that runs, and is a LangChain ``Runnable``.

Every way of running it is the same run with other things asked for: ``invoke`` asks for no stream, ``stream`` for
modes, ``astream_events`` for the mode ``events`` with filters.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Self, cast

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_compat import _config
from lcel_compat._allowlist import with_allowlist
from lcel_compat._constants import INTERRUPT, TASK_ID
from lcel_compat._context import TaskScope, running_with
from lcel_compat._draw import Drawable
from lcel_compat._drive import AsyncRun, SyncRun
from lcel_compat._foreign import adopted
from lcel_compat._guests import register, stripped
from lcel_compat._machine import Breakpoints
from lcel_compat._program import Program
from lcel_compat._refused import refuse
from lcel_compat._request import Request, Settings
from lcel_compat._schema import json_schema, portable
from lcel_compat.errors import NoCheckpointerError
from lcel_compat.modes import EventFilter, check_modes
from lcel_compat.runtime import RunControl
from lcel_compat.types import All, Checkpointer, ContextT, Durability, GraphOutput, InputT, OutputT, StateT

if TYPE_CHECKING:
    from langgraph.cache.base import BaseCache
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore

    from lcel_compat.graph import StateGraph
    from lcel_compat.types import StreamMode


class CompiledStateGraph(Drawable, Runnable[Any, Any], Generic[StateT, ContextT, InputT, OutputT]):
    """A compiled graph; made by ``StateGraph.compile``.

    Attributes:
        builder: The builder it was made of.
        config: What ``with_config`` bound to it.
        buffer: How many items a run may be ahead of its consumer.
        checkpointer: What saves its runs.
        store: What nodes keep things in, across threads.
        cache: What keeps the writes of nodes with a cache policy.
        context_schema: The class of what callers pass as ``context``.
        interrupt_before_nodes: The nodes before which every run stops.
        interrupt_after_nodes: The nodes after which it stops.
        step_timeout: How long a superstep may take, in seconds; ``None`` for no limit.
        debug: Whether runs print their updates and values.
    """

    def __init__(
        self,
        *,
        builder: StateGraph[StateT, ContextT, InputT, OutputT],
        program: Program,
        buffer: int,
        checkpointer: Checkpointer = None,
        store: BaseStore | None = None,
        cache: BaseCache[Any] | None = None,
        interrupt_before: Breakpoints = (),
        interrupt_after: Breakpoints = (),
        debug: bool = False,
    ) -> None:
        self.builder = builder
        self.program = program
        self.config: RunnableConfig | None = None
        self.buffer = buffer
        self.checkpointer = checkpointer
        self.store = store
        self.cache = cache
        self.context_schema = builder.context_schema
        self.interrupt_before_nodes = interrupt_before
        self.interrupt_after_nodes = interrupt_after
        self.step_timeout: float | None = None
        register(CompiledStateGraph)
        self.debug = debug

    @property
    def name(self) -> str:
        """Of its runs and in what it says; may be set, as LangGraph's."""
        return self.program.name

    @name.setter
    def name(self, name: str) -> None:
        self.program = dataclasses.replace(self.program, name=name)

    # Configuration and schemas -------------------------------------------------------------------------

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        """The same graph, to be configured apart.

        Args:
            update: Attributes that are to be others in the copy.

        Raises:
            TypeError: If there is no such attribute.
        """
        other = copy.copy(self)
        known = {"name", *vars(self)}
        for name, value in (update or {}).items():
            if name not in known:
                raise TypeError(f"A compiled graph has no attribute {name!r}; it has {', '.join(sorted(known))}.")
            setattr(other, name, value)
        return other

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Self:
        """A copy of the graph with a configuration bound to it; still a graph, as LangGraph's is."""
        other = self.copy()
        other.config = _config.combine(_config.combine(self.config, config), kwargs)  # type: ignore[arg-type]
        return other

    @property
    def InputType(self) -> Any:
        return portable(self.builder.input_schema)

    @property
    def OutputType(self) -> Any:
        return portable(self.builder.output_schema)

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """The JSON schema of what a run is given."""
        return json_schema(self.builder.input_schema, self.get_name("Input"))

    def get_output_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """The JSON schema of what a run returns."""
        return json_schema(self.builder.output_schema, self.get_name("Output"))

    def get_context_jsonschema(self) -> dict[str, Any] | None:
        """The JSON schema of what callers pass as ``context``; ``None`` if the graph declares none."""
        schema = self.context_schema
        return None if schema is None else json_schema(schema, getattr(schema, "__name__", "Context"))

    # Running -------------------------------------------------------------------------------------------

    def invoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        print_mode: StreamMode | Sequence[StreamMode] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        durability: Durability | None = None,
        control: RunControl | None = None,
        version: Literal["v1", "v2"] = "v1",
        **kwargs: Any,
    ) -> Any:
        """Run the graph.

        Args:
            input: A dict with some of the state's keys, or an instance of the state's class; in a thread also ``None``,
                to go on where it stopped, or a ``Command``.
            config: Configuration of the run: tags, metadata, callbacks, ``recursion_limit``, ``max_concurrency``, and
                under ``configurable`` the ``thread_id`` of a graph with a saver.
            context: What nodes find as ``runtime.context``.
            stream_mode: With any other mode than ``"values"``, return the list of that mode's items.
            print_mode: Modes whose items are printed as they come; they change nothing of the result.
            output_keys: The keys to return, the output schema's if not said.
            interrupt_before: The nodes to stop before, instead of those the graph was compiled with.
            interrupt_after: The nodes to stop after, instead of those the graph was compiled with.
            durability: When the run saves: ``"sync"``, ``"async"`` (if not said) or ``"exit"``.
            control: By which another thread or task may ask the run to stop between two supersteps.
            version: With ``"v2"``, return a ``GraphOutput``.

        Returns:
            The final state as a dict, or ``None`` if nothing of the output was ever written. A run that waits for
            answers has the questions under ``__interrupt__``.
        """
        asked = self._asked(
            context=context,
            print_mode=print_mode,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            version=version,
            **kwargs,
        )
        if stream_mode != "values":
            request = self._stream_request(input, config, stream_mode, output_keys, asked)
            return list(self._sync(request).items())
        run = self._sync(self._request(input, config, self._keys(output_keys, self.program.output.keys), **asked))
        for _ in run.items():
            pass
        return self._returned(run, version)

    async def ainvoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        print_mode: StreamMode | Sequence[StreamMode] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        durability: Durability | None = None,
        control: RunControl | None = None,
        version: Literal["v1", "v2"] = "v1",
        **kwargs: Any,
    ) -> Any:
        """Run the graph on the event loop; see ``invoke``."""
        asked = self._asked(
            context=context,
            print_mode=print_mode,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            version=version,
            **kwargs,
        )
        if stream_mode != "values":
            request = self._stream_request(input, config, stream_mode, output_keys, asked)
            return [item async for item in self._async(request).items()]
        run = self._async(self._request(input, config, self._keys(output_keys, self.program.output.keys), **asked))
        async for _ in run.items():
            pass
        return self._returned(run, version)

    def stream(  # type: ignore[override]  # more is asked by name
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        print_mode: StreamMode | Sequence[StreamMode] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        durability: Durability | None = None,
        control: RunControl | None = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: Literal["v1", "v2"] = "v1",
        **kwargs: Any,
    ) -> Generator[Any, None, None]:
        """Run the graph and look at it in one or several modes.

        Args:
            input: As for ``invoke``.
            config: As for ``invoke``.
            context: As for ``invoke``.
            stream_mode: A mode, or a list of modes; ``"updates"`` if not said (``"values"`` inside another graph).
                The modes are described in ``lcel_compat.modes``.
            print_mode: As for ``invoke``.
            output_keys: The keys that ``values`` and ``updates`` show, all if not said.
            interrupt_before: As for ``invoke``.
            interrupt_after: As for ``invoke``.
            durability: As for ``invoke``.
            control: As for ``invoke``.
            subgraphs: Show what graphs inside this one do as well.
            debug: Print updates and values.
            version: With ``"v2"``, yield dicts that say what they are (``lcel_compat.parts``).

        Yields:
            Bare items of one mode, ``(mode, item)`` of several; with ``subgraphs`` ``(namespace, item)`` and
            ``(namespace, mode, item)``; with ``version="v2"`` dicts with ``type``, ``ns`` and ``data``.

        Raises:
            ValueError: If a mode does not exist, or there is none.
        """
        asked = self._asked(
            context=context,
            print_mode=print_mode,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            subgraphs=subgraphs,
            debug=debug,
            version=version,
            **kwargs,
        )
        return self._sync(self._stream_request(input, config, stream_mode, output_keys, asked)).items()

    def astream(  # type: ignore[override]  # more is asked by name
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: ContextT | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        print_mode: StreamMode | Sequence[StreamMode] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        durability: Durability | None = None,
        control: RunControl | None = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: Literal["v1", "v2"] = "v1",
        **kwargs: Any,
    ) -> AsyncGenerator[Any, None]:
        """Run the graph on the event loop and look at it in one or several modes; see ``stream``."""
        asked = self._asked(
            context=context,
            print_mode=print_mode,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            subgraphs=subgraphs,
            debug=debug,
            version=version,
            **kwargs,
        )
        return self._async(self._stream_request(input, config, stream_mode, output_keys, asked)).items()

    def stream_events(  # type: ignore[override]  # v3 is refused
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        version: Literal["v2"] = "v2",
        include_names: Sequence[str] | None = None,
        include_types: Sequence[str] | None = None,
        include_tags: Sequence[str] | None = None,
        exclude_names: Sequence[str] | None = None,
        exclude_types: Sequence[str] | None = None,
        exclude_tags: Sequence[str] | None = None,
        error_events: bool = False,
        **kwargs: Any,
    ) -> Generator[Any, None, None]:
        """The events of a synchronous run, as ``astream_events`` gives them for an asynchronous one.

        langchain-core has no synchronous events of version 2. Arguments are those of ``astream_events``.

        Raises:
            NotImplementedError: For any other version.
        """
        if version != "v2":
            _refuse_version(version, "stream_events")
        chosen = EventFilter(
            include_names=include_names,
            include_types=include_types,
            include_tags=include_tags,
            exclude_names=exclude_names,
            exclude_types=exclude_types,
            exclude_tags=exclude_tags,
        )
        return self._sync(self._events_request(input, config, chosen, error_events=error_events, **kwargs)).items()

    def astream_events(  # type: ignore[override]  # v3 is refused
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        version: Literal["v1", "v2"] = "v2",
        include_names: Sequence[str] | None = None,
        include_types: Sequence[str] | None = None,
        include_tags: Sequence[str] | None = None,
        exclude_names: Sequence[str] | None = None,
        exclude_types: Sequence[str] | None = None,
        exclude_tags: Sequence[str] | None = None,
        error_events: bool = False,
        **kwargs: Any,
    ) -> AsyncGenerator[Any, None]:
        """The events of a run: what each runnable inside was given, streams and returns.

        Args:
            input: As for ``invoke``.
            config: As for ``invoke``.
            version: ``"v2"``, or langchain-core's own ``"v1"``.
            include_names: Only events of runs with one of these names, or of an included type or tag.
            include_types: Only events of these types: ``"chain"``, ``"chat_model"``, …
            include_tags: Only events of runs with one of these tags.
            exclude_names: No events of runs with these names.
            exclude_types: No events of these types.
            exclude_tags: No events of runs with one of these tags.
            error_events: End every run that failed with an event, ``on_<type>_error``, the innermost first; core
                has such events for tools only, and leaves other failed runs without an end.
            **kwargs: ``stream_mode`` and ``output_keys`` of ``astream``; they shape the chunks of the graph's own run.

        Yields:
            Event dicts with ``event``, ``data``, ``name``, ``tags``, ``run_id``, ``metadata`` and ``parent_ids``.

        Raises:
            NotImplementedError: For ``version="v3"``.
        """
        chosen = EventFilter(
            include_names=include_names,
            include_types=include_types,
            include_tags=include_tags,
            exclude_names=exclude_names,
            exclude_types=exclude_types,
            exclude_tags=exclude_tags,
        )
        if version == "v1":
            events = super().astream_events(input, config, version="v1", **dataclasses.asdict(chosen), **kwargs)
            return cast("AsyncGenerator[Any, None]", events)
        if version != "v2":
            _refuse_version(version, "astream_events")
        return self._async(self._events_request(input, config, chosen, error_events=error_events, **kwargs)).items()

    # What is asked for ---------------------------------------------------------------------------------

    def _keys(self, asked: str | Sequence[str] | None, default: tuple[str, ...]) -> str | tuple[str, ...]:
        """The keys to show; one that stands alone is shown without a dict around it.

        Raises:
            ValueError: If the state has no such key.
        """
        if isinstance(asked, str):
            self._keys((asked,), default)
            return asked
        keys = default if asked is None else tuple(asked)
        if unknown := [key for key in keys if key not in self.program.state]:
            known = ", ".join(repr(k) for k in self.program.state)
            raise ValueError(f"output_keys names {unknown!r}, which the state does not have; its keys are {known}.")
        return keys

    def _asked(
        self,
        *,
        print_mode: StreamMode | Sequence[StreamMode] = (),
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        durability: Durability | None = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: Literal["v1", "v2"] = "v1",
        **others: Any,
    ) -> dict[str, Any]:
        """What a caller asks for beside input, configuration, modes and keys, in the form of a ``Request``.

        Raises:
            TypeError: For an argument that there is not.
            ValueError: For a value that cannot be.
        """
        refuse("stream", {name: value for name, value in others.items() if name not in ("context", "control")})
        if version not in ("v1", "v2"):
            raise ValueError(f"version is {version!r}; the forms of a stream are 'v1' and 'v2'.")
        if durability not in (None, "sync", "async", "exit"):
            raise ValueError(f"durability is {durability!r}; it can be 'sync', 'async' or 'exit'.")
        prints: Any = ("updates", "values") if debug or (debug is None and self.debug) else print_mode
        return {
            **others,
            "printed": check_modes(prints) if prints else (),
            "before": interrupt_before or self.interrupt_before_nodes,
            "after": interrupt_after or self.interrupt_after_nodes,
            "durability": durability,
            "below": bool(subgraphs),
            "as_parts": version == "v2",
        }

    def _settings(self, parent: TaskScope | None, config: RunnableConfig) -> Settings:
        """What the graph was compiled with, and the saver that this run has."""
        return Settings(
            saver=self._saver(parent, config),
            one_history=self.checkpointer is True,
            store=self.store,
            cache=self.cache,
            context_schema=self.context_schema,
            step_timeout=self.step_timeout,
        )

    def _saver(self, parent: TaskScope | None, config: RunnableConfig) -> BaseCheckpointSaver[Any] | None:
        """Its own, or the one that the graph around it lends.

        Raises:
            NoCheckpointerError: If the graph was told to use the one around it and there is none.
            ValueError: If there is a saver and no thread.
        """
        if self.checkpointer is False:
            return None
        if parent is not None:
            return parent.frame.session.saver
        if self.checkpointer is True:
            raise NoCheckpointerError(
                f"The graph {self.name!r} was compiled with checkpointer=True, which is for graphs inside others: they"
                " use the saver around them. Give the outermost graph a saver."
            )
        if self.checkpointer is None:
            return None
        if config["configurable"].get("thread_id") is None:
            raise ValueError(
                f"The graph {self.name!r} has a saver, so a run needs a thread: pass"
                ' {"configurable": {"thread_id": "..."}} as config, the same one to continue.'
            )
        return with_allowlist(self.checkpointer, self.builder.schemas)

    def _request(
        self, value: Any, config: RunnableConfig | None, keys: str | tuple[str, ...], **asked: Any
    ) -> Callable[[], Request]:
        """What a caller asks for, checked now, under a configuration that is worked out when the run begins."""
        events = "events" in asked.get("modes", ())

        def begin() -> Request:
            resolved = _config.checked(_config.resolve(self.config, config, events=events))
            parent = running_with(resolved)
            resolved = resolved if parent is None else stripped(resolved)
            settings = self._settings(parent, resolved)
            given = adopted(value)
            return Request(value=given, config=resolved, settings=settings, parent=parent, output_keys=keys, **asked)

        return begin

    def _stream_request(
        self,
        value: Any,
        config: RunnableConfig | None,
        stream_mode: Any,
        output_keys: Any,
        asked: dict[str, Any],
    ) -> Callable[[], Request]:
        if stream_mode is None:
            # Called by a graph as one of its nodes, it answers with its state, not with its nodes' updates.
            nested = TASK_ID in (config or {}).get("configurable", {})
            stream_mode = "values" if nested else "updates"
        keys = self._keys(output_keys, self.program.state)
        modes = check_modes(stream_mode)
        return self._request(value, config, keys, modes=modes, labelled=not isinstance(stream_mode, str), **asked)

    def _events_request(
        self,
        value: Any,
        config: RunnableConfig | None,
        event_filter: EventFilter,
        *,
        error_events: bool,
        stream_mode: Any = "updates",
        output_keys: Any = None,
        **kwargs: Any,
    ) -> Callable[[], Request]:
        refuse("astream_events", {name: kwargs.pop(name) for name in ("transformers",) if name in kwargs})
        asked = self._asked(**kwargs)
        chunk_modes = check_modes(stream_mode)
        if "events" in chunk_modes:
            raise ValueError(
                "The chunks of the graph's own run cannot be events themselves; choose other stream modes."
            )
        return self._request(
            value,
            config,
            self._keys(output_keys, self.program.state),
            modes=("events",),
            chunk_modes=chunk_modes,
            chunks_labelled=not isinstance(stream_mode, str),
            event_filter=event_filter,
            error_events=error_events,
            **asked,
        )

    def _returned(self, run: SyncRun | AsyncRun, version: str) -> Any:
        """What ``invoke`` returns of a run."""
        state, interrupts = run.result(), run.interrupts
        if version == "v2":
            build = self.program.output.build
            whole = state if build is None or not isinstance(state, dict) else build(state)
            return GraphOutput(value=whole, interrupts=tuple(interrupts))
        if not interrupts:
            return state
        return {**state, INTERRUPT: interrupts} if isinstance(state, dict) else {INTERRUPT: interrupts}

    def _sync(self, request: Callable[[], Request]) -> SyncRun:
        return SyncRun(self.program, request, self.buffer)

    def _async(self, request: Callable[[], Request]) -> AsyncRun:
        return AsyncRun(self.program, request, self.buffer)


def _refuse_version(version: Any, where: str) -> NoReturn:
    raise NotImplementedError(
        f"{where} has no version {version!r}. Use version='v2'"
        + (" (or 'v1' with astream_events)." if where != "astream_events" else " or 'v1'.")
        + " Content-block events (v3) exist on chat models and on LangGraph's graphs."
    )

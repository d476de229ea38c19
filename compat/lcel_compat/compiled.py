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
from lcel_compat._drive import AsyncRun, SyncRun
from lcel_compat._later import refuse
from lcel_compat._program import Program
from lcel_compat._schema import json_schema, portable
from lcel_compat._session import Request
from lcel_compat.modes import EventFilter, check_modes
from lcel_compat.modes.events import EVERYTHING
from lcel_compat.types import ContextT, InputT, OutputT, StateT

if TYPE_CHECKING:
    from lcel_compat.graph import StateGraph
    from lcel_compat.types import StreamMode


class CompiledStateGraph(Runnable[Any, Any], Generic[StateT, ContextT, InputT, OutputT]):
    """A compiled graph; made by ``StateGraph.compile``.

    Attributes:
        builder: The builder it was made of.
        config: What ``with_config`` bound to it.
        buffer: How many items a run may be ahead of its consumer.
    """

    def __init__(
        self, *, builder: StateGraph[StateT, ContextT, InputT, OutputT], program: Program, buffer: int
    ) -> None:
        self.builder = builder
        self.name = program.name
        self.config: RunnableConfig | None = None
        self.buffer = buffer
        self._program = program

    # Configuration and schemas -------------------------------------------------------------------------

    def copy(self) -> Self:
        """The same graph, to be configured apart."""
        return copy.copy(self)

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

    # Running -------------------------------------------------------------------------------------------

    def invoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        output_keys: str | Sequence[str] | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        **kwargs: Any,
    ) -> Any:
        """Run the graph.

        Args:
            input: A dict with some of the state's keys, or an instance of the state's class.
            config: Configuration of the run: tags, metadata, callbacks, ``recursion_limit``, ``max_concurrency``, ….
            output_keys: The keys to return, the output schema's if not said.
            stream_mode: With any other mode than ``"values"``, return the list of that mode's items.

        Returns:
            The final state as a dict, or ``None`` if nothing of the output was ever written.
        """
        if stream_mode != "values":
            return list(self.stream(input, config, stream_mode=stream_mode, output_keys=output_keys, **kwargs))
        refuse("invoke", kwargs)
        run = self._sync(self._request(input, config, self._keys(output_keys, self._program.output.keys)))
        for _ in run.items():
            pass
        return run.result()

    async def ainvoke(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        output_keys: str | Sequence[str] | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        **kwargs: Any,
    ) -> Any:
        """Run the graph on the event loop; see ``invoke``."""
        if stream_mode != "values":
            items = self.astream(input, config, stream_mode=stream_mode, output_keys=output_keys, **kwargs)
            return [item async for item in items]
        refuse("ainvoke", kwargs)
        run = self._async(self._request(input, config, self._keys(output_keys, self._program.output.keys)))
        async for _ in run.items():
            pass
        return run.result()

    def stream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        output_keys: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Generator[Any, None, None]:
        """Run the graph and look at it in one or several modes.

        Args:
            input: As for ``invoke``.
            config: As for ``invoke``.
            stream_mode: A mode, or a list of modes; ``"updates"`` if not said (``"values"`` inside another graph).
                The modes are described in ``lcel_compat.modes``.
            output_keys: The keys that ``values`` and ``updates`` show, all if not said.

        Yields:
            Bare items of one mode, ``(mode, item)`` of several.

        Raises:
            ValueError: If a mode does not exist, or there is none.
        """
        refuse("stream", kwargs)
        return self._sync(self._stream_request(input, config, stream_mode, output_keys)).items()

    def astream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        output_keys: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[Any, None]:
        """Run the graph on the event loop and look at it in one or several modes; see ``stream``."""
        refuse("astream", kwargs)
        return self._async(self._stream_request(input, config, stream_mode, output_keys)).items()

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
        return self._sync(self._events_request(input, config, chosen, **kwargs)).items()

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
        return self._async(self._events_request(input, config, chosen, **kwargs)).items()

    # What is asked for ---------------------------------------------------------------------------------

    def _keys(self, asked: str | Sequence[str] | None, default: tuple[str, ...]) -> tuple[str, ...]:
        keys = default if asked is None else (asked,) if isinstance(asked, str) else tuple(asked)
        if unknown := [key for key in keys if key not in self._program.state]:
            known = ", ".join(repr(k) for k in self._program.state)
            raise ValueError(f"output_keys names {unknown!r}, which the state does not have; its keys are {known}.")
        return keys

    def _request(
        self, value: Any, config: RunnableConfig | None, keys: tuple[str, ...], **asked: Any
    ) -> Callable[[], Request]:
        """What a caller asks for, checked now, under a configuration that is worked out when the run begins."""
        events = "events" in asked.get("modes", ())
        asked = {"event_filter": EVERYTHING, **asked}

        def begin() -> Request:
            resolved = _config.checked(_config.resolve(self.config, config, events=events))
            return Request(value=value, config=resolved, output_keys=keys, **asked)

        return begin

    def _stream_request(
        self, value: Any, config: RunnableConfig | None, stream_mode: Any, output_keys: Any
    ) -> Callable[[], Request]:
        if stream_mode is None:
            # Called by a graph as one of its nodes, it answers with its state, not with its nodes' updates.
            nested = (config or {}).get("configurable", {}).get("checkpoint_ns")
            stream_mode = "values" if nested else "updates"
        keys = self._keys(output_keys, self._program.state)
        modes = check_modes(stream_mode)
        return self._request(value, config, keys, modes=modes, labelled=not isinstance(stream_mode, str))

    def _events_request(
        self,
        value: Any,
        config: RunnableConfig | None,
        event_filter: EventFilter,
        *,
        stream_mode: Any = "updates",
        output_keys: Any = None,
        **kwargs: Any,
    ) -> Callable[[], Request]:
        refuse("astream_events", kwargs)

        chunk_modes = check_modes(stream_mode)
        if "events" in chunk_modes:
            raise ValueError(
                "The chunks of the graph's own run cannot be events themselves; choose other stream modes."
            )
        return self._request(
            value,
            config,
            self._keys(output_keys, self._program.state),
            modes=("events",),
            chunk_modes=chunk_modes,
            chunks_labelled=not isinstance(stream_mode, str),
            event_filter=event_filter,
        )

    def _sync(self, request: Callable[[], Request]) -> SyncRun:
        return SyncRun(self._program, request, self.buffer)

    def _async(self, request: Callable[[], Request]) -> AsyncRun:
        return AsyncRun(self._program, request, self.buffer)


def _refuse_version(version: Any, where: str) -> NoReturn:
    raise NotImplementedError(
        f"{where} has no version {version!r}. Use version='v2'"
        + (" (or 'v1' with astream_events)." if where != "astream_events" else " or 'v1'.")
        + " Content-block events (v3) exist on chat models and on LangGraph's graphs."
    )

"""Who reads the log of a run: the consumer's modes, the chunks of the run itself, consumers of the graphs around it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from lcel_compat._capture import Capture
from lcel_compat._constants import NAMESPACE_SEPARATOR
from lcel_compat._log import Reader
from lcel_compat._machine import keys_of
from lcel_compat._program import Program
from lcel_compat._request import Request
from lcel_compat._sink import Emit, Sink
from lcel_compat.modes import CAPTURED, MODES, Scope


class RootChunks:
    """Makes the items of a mode the chunks of the graph's own run.

    ``astream_events`` taps what ``astream`` would yield, so the root's ``on_chain_stream`` events carry items of
    the mode that was asked for (EVENTS.md, rule 2), ``updates`` unless said otherwise.
    """

    def __init__(self) -> None:
        self._capture: Capture | None = None
        self._run_id: UUID | None = None

    def attach(self, capture: Capture, run_id: UUID) -> None:
        """From now on chunks go to this run."""
        self._capture, self._run_id = capture, run_id

    def emit(self, label: str | None) -> Emit:
        """What takes the items of one mode."""

        def take(item: Any) -> None:
            if self._capture is not None and self._run_id is not None:
                self._capture.chunk(self._run_id, item if label is None else (label, item))

        return take


def readers(
    request: Request, program: Program, place: str, *, own: Sink, inherited: tuple[Sink, ...], chunks: RootChunks
) -> list[Reader]:
    """The readers of a run's log, in the order in which their items come.

    Args:
        request: What was asked for.
        program: The graph.
        place: Its namespace.
        own: The consumer of the run.
        inherited: The consumers of the graphs around it that see what it does.
        chunks: Takes what become chunks of the run itself.
    """
    namespace = tuple(place.split(NAMESPACE_SEPARATOR)) if place else ()
    scope = Scope(
        output_keys=keys_of(request.output_keys),
        state_keys=program.state,
        is_root=program.is_root or isinstance(request.output_keys, str),
        namespace=namespace,
        input=request.value,
        event_filter=request.event_filter,
        error_events=request.error_events,
        below=request.below or request.as_parts,
    )
    found = [Reader(MODES[mode](scope), _emit(own, scope, mode)) for mode in MODES if mode in own.modes]
    for mode in own.printed:
        found.append(Reader(MODES[mode](scope), own.print(namespace, mode, placed=_placed(scope, mode))))
    if "events" in own.modes:
        labels = {mode: mode if request.chunks_labelled else None for mode in request.chunk_modes}
        found += [Reader(MODES[mode](scope), chunks.emit(label)) for mode, label in labels.items()]
    # Callbacks reach the outer run by themselves; its own writer serves a graph that asks for ``custom``.
    left_out = CAPTURED | ({"custom"} & set(own.modes))
    for sink in inherited:
        wanted = {*sink.modes} - left_out
        found += [Reader(MODES[mode](scope), sink.emit_from_below(namespace, mode)) for mode in MODES if mode in wanted]
    return found


def _emit(sink: Sink, scope: Scope, mode: str) -> Emit:
    """What takes the items of a mode; events stand at the outermost graph, wherever they come from."""
    return sink.emit(() if mode == "events" else scope.namespace, mode, placed=_placed(scope, mode))


def _placed(scope: Scope, mode: str) -> bool:
    return mode == "messages" and scope.below

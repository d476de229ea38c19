"""How bad is a difference, and who would notice.

Without a contract the table below decides. It follows what 171 public consumers read (EVENTS.md, 2.2 to 2.4; the
shares are of those 171): ``"breaking"`` where consumers of that kind were found that would fail or say something else,
``"changed"`` where it can be seen and nobody was found who depends on it. With a contract only what it reads can be
breaking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from lcel_compat.compare._contract import Contract, Read
from lcel_compat.compare._model import Finding, FindingKind, Severity
from lcel_compat.compare._normal import CUSTOM
from lcel_compat.compare._raw import Difference
from lcel_compat.compare._recorded import Run
from lcel_compat.compare._text import Texts, shown

_READERS: Final[dict[str, str]] = {
    "on_chat_model_start": "usage and segment counters by on_chat_model_start (5 %)",
    "on_chat_model_stream": "front ends that show tokens by on_chat_model_stream (64 %)",
    "on_chat_model_end": "usage and message stores by on_chat_model_end (13 %)",
    "on_chain_start": "progress displays by on_chain_start (19 %)",
    "on_chain_stream": "front ends that show a chain's own chunks by on_chain_stream (10 %)",
    "on_chain_end": "readers of results by on_chain_end (44 %)",
    "on_tool_start": "tool displays by on_tool_start (19 %)",
    "on_tool_end": "tool displays by on_tool_end (23 %)",
    "on_tool_error": "error displays by on_tool_error (5 %)",
    "on_parser_start": "front ends that open an answer by on_parser_start (2 %)",
    "on_parser_stream": "front ends that show an answer by on_parser_stream (6 %; 20 % of LCEL's)",
    "on_parser_end": "readers of parsed results by on_parser_end (4 %)",
    "on_retriever_start": "search displays by on_retriever_start (2 %)",
    "on_retriever_end": "source panels by on_retriever_end (5 %; 18 % of LCEL's)",
    "on_custom_event": "listeners to custom events (6 %)",
    "on_llm_stream": "front ends that show text by on_llm_stream (2 %)",
    "on_prompt_end": "prompt logs by on_prompt_end (2 %)",
}
"""Who reads which event, as far as the survey saw any (EVENTS.md, 2.2)."""
_BY_NAME: Final = "whoever selects by event['name'] (59 %) or include_names (5 %)"
_BY_TAG: Final = "whoever selects by tags, seq:step tags or include_tags (10 %)"
_BY_PARENTS: Final = "whoever follows parent_ids or takes the run without parents as root (8 %)"
_BY_NODE: Final = "whoever selects by metadata['langgraph_node'] (11 %)"
_BY_SIGNAL: Final = "AG-UI and CopilotKit, which obey this metadata key"
_BY_ROOT: Final = (
    "whoever takes the first or the parentless run as the answer (on_chain_stream, on_chain_end of the root)"
)
_WHOLE: Final = "whoever passes whole events on to a client (4 %)"
_UNGUARDED: Final = "whoever reads data.output of every on_chain_end without looking which run it is"
_ERRORS: Final = "whoever catches the exception of the run"
_PHASES: Final = ("start", "stream", "end")

_QUIET_TYPES: Final = frozenset({"prompt", ""})
"""Kinds of run of which the survey found hardly any reader."""
_SIGNALS: Final = (
    "emit-",
    "copilotkit:",
    "predict_state",
    "lc_agent_name",
    "langgraph_node",
    "langgraph_checkpoint_ns",
)
"""Metadata that frameworks obey (EVENTS.md, section 3)."""

_ALWAYS: Final[dict[FindingKind, Severity]] = {
    "chunks_redivided": "changed",
    "chunks_retyped": "breaking",
    "custom_extra": "changed",
    "custom_missing": "breaking",
    "error_changed": "breaking",
    "error_extra": "breaking",
    "error_missing": "breaking",
    "event_extra": "changed",
    "event_missing": "breaking",
    "field_changed": "changed",
    "first_chunk_slower": "info",
    "metadata_extra": "changed",
    "order_changed": "breaking",
    "run_reparented": "changed",
    "run_retyped": "breaking",
    "start_extra": "breaking",
    "stream_extra": "changed",
    "value_unreadable": "info",
}
"""Kinds whose severity does not depend on the run; the others' does."""

Rule: TypeAlias = Callable[[Difference, Run], bool]


def _is_loud(difference: Difference, run: Run) -> bool:
    """Whether the run, or any in a subtree that is gone or new, is of a kind that consumers read."""
    return any(one.kind not in _QUIET_TYPES for one in difference.runs or (run,))


def _is_more_than_a_chain(difference: Difference, run: Run) -> bool:
    """Whether a new run adds tokens, tool calls or documents, or stands where the root is looked for."""
    return run.root or any(one.kind not in (*_QUIET_TYPES, "chain") for one in difference.runs)


def _lost_a_tag(difference: Difference, run: Run) -> bool:
    before, after = difference.before, difference.after
    return not (isinstance(before, list) and isinstance(after, list) and {*map(str, before)} <= {*map(str, after)})


def _is_a_signal(difference: Difference, run: Run) -> bool:
    return any(map(_names_signal, difference.places))


def _names_signal(place: str) -> bool:
    return place.removeprefix("metadata.").startswith(_SIGNALS)


def _is_read_input(difference: Difference, run: Run) -> bool:
    """Tools' inputs are shown (11 %), and the root's is in the first event; others hardly anybody reads (4 %)."""
    return run.kind == "tool" or (run.root and difference.event.endswith("_start"))


_BREAKING_IF: Final[dict[FindingKind, Rule]] = {
    "chunk_changed": _is_loud,
    "chunk_extra": _is_loud,
    "chunk_missing": _is_loud,
    "custom_changed": lambda difference, run: True,
    "data_changed": _is_loud,
    "end_extra": _is_loud,
    "end_missing": _is_loud,
    "input_changed": _is_read_input,
    "metadata_changed": _is_a_signal,
    "metadata_missing": _is_a_signal,
    "output_changed": _is_loud,
    "run_extra": _is_more_than_a_chain,
    "run_missing": _is_loud,
    "run_renamed": _is_loud,
    "run_retagged": _lost_a_tag,
    "start_missing": _is_loud,
    "stream_missing": _is_loud,
}
"""Kinds that are breaking if this holds, and otherwise changed."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Makes findings of differences.

    Attributes:
        texts: What the numbers of the recordings stand for.
        contract: What the consumers read, if that is known.
    """

    texts: Texts
    contract: Contract | None = None

    def findings(self, differences: Iterable[Difference], *, input: int) -> list[Finding]:
        """The findings, in the order of the differences."""
        return [self._finding(one, input) for one in differences]

    def _finding(self, one: Difference, input: int) -> Finding:
        severity, readers = _by_survey(one)
        if self.contract is not None:
            read = self._is_read(one, self.contract)
            severity = _by_contract(severity, one.kind, read=read)
            readers = (self.contract.consumer or "the contract",) if read else ()
        return Finding(
            kind=one.kind,
            severity=severity,
            run=one.path,
            event=one.event,
            where=one.where,
            before=shown(one.before),
            after=shown(one.after),
            message=_message(one),
            readers=readers,
            input=input,
            at=one.at,
        )

    def _is_read(self, one: Difference, contract: Contract) -> bool:
        return any(self._meets(one, read) for read in contract.reads)

    def _meets(self, one: Difference, read: Read) -> bool:
        """Whether what is read takes the event on either side and reads what differs, or takes it on one side only."""
        old, new = (run is not None and self._takes(one, run, read) for run in (one.old, one.new))
        if old != new and one.old is not None and one.new is not None:
            return _selects(one.kind, read)
        return (old or new) and any(read.reads(place) for place in one.places or ("",))

    def _takes(self, one: Difference, run: Run, read: Read) -> bool:
        return any(self._takes_run(one, part, read) for part in one.runs or (run,))

    def _takes_run(self, one: Difference, run: Run, read: Read) -> bool:
        facts = self.texts.value(run.metadata)
        metadata = facts if isinstance(facts, dict) else {}
        events = [one.event] if one.event else [f"on_{run.kind}_{phase}" for phase in _PHASES]
        names = set(one.names) if one.event == CUSTOM and one.names else {run.name}
        return any(
            read.takes(event, name, run.tags, metadata, root=not run.parents) for event in events for name in names
        )


def _selects(kind: FindingKind, read: Read) -> bool:
    """Whether what is read is selected by what a difference of this kind changes."""
    by = {
        "run_renamed": read.name is not None,
        "run_reparented": read.root is not None,
        "run_retagged": bool(read.tags),
        "run_retyped": bool(read.event),
    }
    return by.get(kind, kind.startswith("metadata_") and bool(read.metadata))


def _by_contract(severity: Severity, kind: FindingKind, *, read: bool) -> Severity:
    if severity == "info" or kind == "chunks_redivided":
        return severity
    return "breaking" if read else "changed"


def _by_survey(one: Difference) -> tuple[Severity, tuple[str, ...]]:
    run = one.run
    if one.kind in _ALWAYS:
        severity = _ALWAYS[one.kind]
    else:
        severity = "breaking" if run is not None and _BREAKING_IF[one.kind](one, run) else "changed"
    return severity, tuple(dict.fromkeys(_readers(one, run))) if severity != "info" else ()


def _readers(one: Difference, run: Run | None) -> Iterator[str]:
    if one.kind in _BY_KIND:
        yield _BY_KIND[one.kind]
    if one.kind.startswith("metadata_"):
        yield from (_BY_NODE for place in one.places if place == "metadata.langgraph_node")
        yield from (_BY_SIGNAL for place in one.places if _names_signal(place))
        yield _WHOLE
    if one.runs:
        kinds = dict.fromkeys(part.kind for part in one.runs)
        yield from (_READERS[event] for kind in kinds for event in _events_of(kind) if event in _READERS)
    elif one.event in _READERS:
        yield _READERS[one.event]
    if one.kind == "run_extra" and any(part.kind == "chain" for part in one.runs):
        yield _UNGUARDED
    if run is not None and run.root and one.kind not in ("metadata_extra", "run_retagged"):
        yield _BY_ROOT


def _events_of(kind: str) -> list[str]:
    return [f"on_{kind}_{phase}" for phase in _PHASES]


_BY_KIND: Final[dict[FindingKind, str]] = {
    "error_changed": _ERRORS,
    "error_extra": _ERRORS,
    "error_missing": _ERRORS,
    "field_changed": _WHOLE,
    "run_missing": _BY_NAME,
    "run_renamed": _BY_NAME,
    "run_reparented": _BY_PARENTS,
    "run_retagged": _BY_TAG,
}

_SAYS: Final[dict[FindingKind, str]] = {
    "chunk_changed": "a chunk of {event} is another",
    "chunk_extra": "{event} has a chunk that was not there",
    "chunk_missing": "a chunk of {event} is gone",
    "chunks_redivided": "{event} says the same in other chunks",
    "chunks_retyped": "the chunks of {event} are of another type",
    "custom_changed": "a custom event has other data",
    "custom_extra": "a custom event is new",
    "custom_missing": "a custom event is gone",
    "data_changed": "the data of {event} are others",
    "end_extra": "the run has an end that it had not",
    "end_missing": "the run has no end any more",
    "error_changed": "the error is another",
    "error_extra": "there is an error where there was none",
    "error_missing": "the error is gone",
    "event_extra": "an event {event} is new",
    "event_missing": "an event {event} is gone",
    "field_changed": "the events' field {where} is another",
    "first_chunk_slower": "the first chunk comes later",
    "input_changed": "the input in {event} is another",
    "metadata_changed": "metadata have another value",
    "metadata_extra": "metadata are new",
    "metadata_missing": "metadata are gone",
    "order_changed": "{event} comes at another place in the run's order",
    "output_changed": "the output in {event} is another",
    "run_extra": "the run is new",
    "run_missing": "the run is gone",
    "run_renamed": "the run has another name",
    "run_reparented": "the run lies elsewhere, so its parent_ids are others",
    "run_retagged": "the run has other tags",
    "run_retyped": "the run is of another type, so its events have other names",
    "start_extra": "the run has a start that it had not",
    "start_missing": "the run has no start any more",
    "stream_extra": "the run streams {event}, which it did not",
    "stream_missing": "the run streams no {event} any more",
    "value_unreadable": "values are too deep or too long to be compared to their end",
}


def _message(one: Difference) -> str:
    where = "/".join(one.path) or "the recording"
    return f"{where}: " + _SAYS[one.kind].format(event=one.event or "the run", where=one.where)

"""The steps of a script: each is one call on the thread, and what it gives is what is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.differential.scenarios.stage import Stage

Input = Any
"""A graph's input, or a function from the stage to it, for what a library's own class makes (``Command``)."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """The items of a stream, as they came."""

    items: list[Any]


class Player(Protocol):
    """What a step needs of the play it is in: the stage whose turn it is, and one method for each kind of call."""

    @property
    def stage(self) -> Stage:
        """The stage whose turn it is."""

    def stream(self, x: Any, config: Mapping[str, Any], options: Mapping[str, Any]) -> Streamed:
        """Stream in the play's view."""

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Return what a method of the graph gives, or a list for one that yields; ``Raised`` if it raises."""

    def config(self, at: int | None = None, within: str | None = None) -> dict[str, Any]:
        """Return the thread's config, at its ``at``-th newest checkpoint, or that of the subgraph of a node."""

    def saved(self) -> Any:
        """Return the normal form of all that the saver holds of the thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call: its name in a report, and what it does."""

    name: str
    do: Callable[[Player], Any] = field(repr=False)


def _made(x: Input, stage: Stage) -> Any:
    return x(stage) if callable(x) else x


def stream(
    x: Input = None, /, *, at: int | None = None, extra: Mapping[str, Any] | None = None, **options: Any
) -> Step:
    """Stream in the view of the play; ``None`` continues. ``extra`` is added to the config."""

    def do(play: Player) -> Any:
        return play.stream(_made(x, play.stage), {**play.config(at), **(extra or {})}, options)

    return Step(name="stream", do=do)


def invoke(x: Input = None, /, *, at: int | None = None, **options: Any) -> Step:
    """Invoke, in whatever view."""
    return Step(name="invoke", do=lambda play: play.call("invoke", _made(x, play.stage), play.config(at), **options))


def command(*, at: int | None = None, **fields: Any) -> Step:
    """Stream a ``Command``; ``Send`` is written as a pair ``(node, arg)`` in ``goto``."""
    return stream(lambda stage: _command(stage, fields), at=at)


def _command(stage: Stage, fields: Mapping[str, Any]) -> Any:
    goto = fields.get("goto", ())
    targets = goto if isinstance(goto, list) else [goto] if goto else []
    sends = [stage.lib.Send(*target) if isinstance(target, tuple) else target for target in targets]
    return stage.lib.Command(**{**fields, "goto": sends})


def resume(value: Any, *, at: int | None = None, **options: Any) -> Step:
    """Stream ``Command(resume=value)``."""
    return stream(lambda stage: stage.lib.Command(resume=value), at=at, **options)


def answer(answers: Mapping[str, Any], *, at: int | None = None, **options: Any) -> Step:
    """Stream ``Command(resume={id: ...})``: an interrupt is named by its value, which becomes its id."""

    def do(play: Player) -> Any:
        state = play.call("get_state", play.config())
        ids = {interrupt.value: interrupt.id for interrupt in state.interrupts}
        found = {ids[question]: reply for question, reply in answers.items()}
        return play.stream(play.stage.lib.Command(resume=found), play.config(at), options)

    return Step(name="answer", do=do)


def state(*, at: int | None = None, within: str | None = None, subgraphs: bool = False) -> Step:
    """Read the state: the newest, an older one, or a subgraph's."""
    return Step(name="get_state", do=lambda play: play.call("get_state", play.config(at, within), subgraphs=subgraphs))


def history(*, within: str | None = None, before: int | None = None, **options: Any) -> Step:
    """Read the history, newest first."""

    def do(play: Player) -> Any:
        older = {} if before is None else {"before": play.config(before)}
        return play.call("get_state_history", play.config(None, within), **older, **options)

    return Step(name="get_state_history", do=do)


def update(
    values: Input, as_node: str | None = None, *, at: int | None = None, within: str | None = None, **options: Any
) -> Step:
    """Update the state, or that of the subgraph of a node; an older checkpoint is forked."""

    def do(play: Player) -> Any:
        return play.call("update_state", play.config(at, within), _made(values, play.stage), as_node, **options)

    return Step(name="update_state", do=do)


def bulk(*supersteps: list[tuple[Any, str | None]], at: int | None = None) -> Step:
    """Apply several supersteps of updates, each a list of ``(values, as_node)``."""

    def do(play: Player) -> Any:
        update = play.stage.lib.StateUpdate
        return play.call("bulk_update_state", play.config(at), [[update(*one) for one in step] for step in supersteps])

    return Step(name="bulk_update_state", do=do)


def saved() -> Step:
    """Look at what the saver holds."""
    return Step(name="saved", do=lambda play: play.saved())


def ran() -> Step:
    """Look at how often each node was executed so far."""
    return Step(name="ran", do=lambda play: dict(play.stage.ran))

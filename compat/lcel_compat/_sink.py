"""Where the items of a run go, and in which form.

A run has a sink of its own, if anybody reads it; a graph that runs inside a node of another writes to the sinks of the
graphs around it as well, where they were asked to show what is below them (``subgraphs=True``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lcel_compat._constants import INTERRUPT, START
from lcel_compat._log import Namespace
from lcel_compat._mailbox import Mailbox

Form: TypeAlias = Callable[[Namespace, str, Any], Any]
"""Makes what the consumer gets of a namespace, a mode and an item."""
Emit: TypeAlias = Callable[[Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A consumer.

    Attributes:
        mailbox: Its queue.
        modes: What it reads.
        printed: The modes whose items are printed.
        labelled: Whether it is handed ``(mode, item)``, if no form says something else.
        form: What it is handed for an item.
        below: Whether it sees what graphs inside do.
        lock: Held by whoever gives it an item; the runs inside have logs of their own, and may be in other threads.
    """

    mailbox: Mailbox
    modes: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    labelled: bool = False
    form: Form | None = None
    below: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def emit_from_below(self, namespace: Namespace, mode: str) -> Emit:
        """What takes the items of a graph inside, whose log does not hold this sink's lock."""
        emit = self.emit(namespace, mode)

        def locked(item: Any) -> None:
            with self.lock:
                emit(item)

        return locked

    def emit(self, namespace: Namespace, mode: str, *, placed: bool = False) -> Emit:
        """What takes the items of one mode of one graph; ``placed`` ones come with their namespace."""
        give, form = self.mailbox.give, self.form
        if form is not None:
            if placed:
                return lambda item: give(form(item[0], mode, item[1]))
            return lambda item: give(form(namespace, mode, item))
        return (lambda item: give((mode, item))) if self.labelled else give

    def print(self, namespace: Namespace, mode: str, *, placed: bool = False) -> Emit:
        """What prints the items of one mode of one graph."""

        def show(item: Any) -> None:
            where, what = item if placed else (namespace, item)
            print(f"{_bold(f'[{mode}]')}{_yellow(where) if self.below and where else ''} {what!r}")

        return show


def placed_form(*, labelled: bool) -> Form:
    """The form of items of several graphs, of one mode or several."""
    return (lambda ns, mode, item: (ns, mode, item)) if labelled else (lambda ns, mode, item: (ns, item))


def parts(output: Callable[[Any], Any] | None, state: Callable[[Any], Any] | None) -> Form:
    """The form of ``version="v2"``: a dict that says what it is, with values as instances of the schema's class.

    Args:
        output: Makes an instance of the output's class of a dict.
        state: Makes an instance of the state's class of a dict.
    """

    def part(namespace: Namespace, mode: str, item: Any) -> dict[str, Any]:
        if mode == "values":
            interrupts: tuple[Any, ...] = ()
            if isinstance(item, dict):
                interrupts = item.get(INTERRUPT, ())
                item = {key: value for key, value in item.items() if key != INTERRUPT}
                item = item if output is None else output(item)
            return {"type": mode, "ns": namespace, "data": item, "interrupts": interrupts}
        if state is not None and mode == "checkpoints":
            item = with_values(item, state)
        elif state is not None and mode == "debug" and item["type"] == "checkpoint":
            item = {**item, "payload": with_values(item["payload"], state)}
        return {"type": mode, "ns": namespace, "data": item}

    return part


def with_values(payload: dict[str, Any], build: Callable[[Any], Any]) -> dict[str, Any]:
    """A checkpoint with its values as an instance of the state's class; before the input they are not complete."""
    values = payload["values"]
    return (
        {**payload, "values": build(values)} if isinstance(values, dict) and START not in payload["next"] else payload
    )


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m"


def _yellow(namespace: Namespace) -> str:
    return f" \033[33;1m[graph={namespace}]\033[0m"

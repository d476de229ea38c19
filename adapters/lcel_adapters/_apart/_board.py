"""Where a graph and the chain that it was meet, in one run.

The chain's steps run where the chain would run them, in its reader's tasks and threads; the graph's nodes order that
work and wait for it. A node *places* an order when the graph comes to it; the step of its seat *takes* the order, and
*serves* it with its result, or makes it fail. A step that began ahead serves an order that is not there yet. All of it
is decided here, under one lock, and nothing here waits: what may take a while is a future, and each colour knows how
to wait for its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._apart._seats import Seat
from lcel_adapters._face._orders import Answerable
from lcel_adapters._face.errors import RunEnded
from lcel_compat._sum import Sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Answerable):
    """A node's work, to be done by the step of its seat.

    Attributes:
        name: The node.
        runnable: What it runs.
        updates: Whether the result is an update of the state, and not the value of the key that the step wrote.
    """

    name: str
    runnable: Runnable[Any, Any]
    updates: bool


class Said:
    """What a step has said so far."""

    __slots__ = ("_sum", "any")

    def __init__(self) -> None:
        self.any = False
        self._sum = Sum()

    def add(self, chunk: Any) -> Any:
        """Take a chunk, and return it."""
        self.any = True
        self._sum.add(chunk)
        return chunk

    @property
    def result(self) -> Any:
        """The sum of the chunks."""
        return self._sum.value


class Board:
    """The orders of one run.

    Args:
        seats: The steps that serve them, by node.
        handlers: Nodes that handle the errors of others.
        passed_by: For each node those that run only after it, or instead of it.
        future: Makes a future.

    Attributes:
        error: What ended the graph, if it failed.
        last: The node that the graph came to last.
        edited: Whether a node ran for which there is no step.
        future: Makes a future.
    """

    def __init__(
        self,
        seats: Mapping[str, Seat],
        handlers: Mapping[str, str],
        passed_by: Mapping[str, frozenset[str]],
        future: Callable[[], Any],
    ) -> None:
        self.error: BaseException | None = None
        self.last = ""
        self.edited = False
        self._seats = seats
        self._handlers = handlers
        self._passed_by = passed_by
        self.future = future
        self._lock = threading.RLock()
        self._orders: dict[str, Order] = {}
        self._asked: dict[str, Any] = {}
        self._said: dict[str, Callable[[Order], None]] = {}
        self._done: set[str] = set()
        self._speaking: dict[str, Said] = {}
        self._seen: set[str] = set()
        self._near: RunnableConfig | None = None
        self._level = 0
        self._first: list[Any] = []
        self._waiting: list[Any] = []
        self._ended = False
        self._closed = False

    # The graph's side ----------------------------------------------------------------------------------

    def place(self, order: Order) -> bool:
        """Take an order from a node; ``False`` if there is no step to do the work, which the node then does itself."""
        with self._lock:
            name = self.last = self._handlers.get(order.name, order.name)
            if name not in self._seats or (name in self._done and name not in self._said):
                self.edited = True
                return False
            self._seen.add(name)
            self._pass(name)
            if (said := self._said.get(name)) is not None:
                said(order)
            elif (asked := self._asked.pop(name, None)) is not None:
                self._orders[name] = order
                _settle(asked, order)
            elif self._closed:
                order.fail(RunEnded())
            else:
                self._orders[name] = order
            return True

    def near(self) -> Any:
        """A future: the configuration of an outermost step that has begun, for work that no step does."""
        with self._lock:
            found = self.future()
            if self._near is None:
                self._first.append(found)
            else:
                found.set_result(self._near)
            return found

    def end(self, error: BaseException | None) -> None:
        """The graph is done: there will be no more orders."""
        with self._lock:
            self.error, self._ended = error, True
            for waiting in (*self._asked.values(), *self._waiting):
                _settle(waiting, None)
            self._asked.clear()

    def close(self) -> None:
        """Nobody serves any more: nodes that wait, or will, end their graph."""
        with self._lock:
            self._closed = True
            for order in self._orders.values():
                order.fail(RunEnded())
            for found in self._first:
                if not found.done():
                    found.set_exception(RunEnded())

    # The chain's side ----------------------------------------------------------------------------------

    def begin(self, name: str, config: RunnableConfig | None) -> None:
        """A step begins, under this configuration."""
        with self._lock:
            if self._near is not None and self._seats[name].level > self._level:
                return
            self._near, self._level = config or {}, self._seats[name].level
            for found in self._first:
                _settle(found, self._near)
            self._first.clear()

    def ended(self) -> Any:
        """A future: the graph is done."""
        with self._lock:
            found = self.future()
            if self._ended:
                found.set_result(None)
            else:
                self._waiting.append(found)
            return found

    def speaking(self, name: str) -> Said:
        """A step begins to say something, or begins anew."""
        said = self._speaking[name] = Said()
        return said

    def finish(self) -> None:
        """The chain is done: what a step has said that nobody read to its end is its result."""
        for name, said in list(self._speaking.items()):
            if name not in self._done:
                self.serve(name, said.result)

    def take(self, name: str) -> Any:
        """A future: the order of a node when the graph comes to it, or ``None`` if it never does."""
        with self._lock:
            asked = self.future()
            if (order := self._orders.get(name)) is not None:
                asked.set_result(order)
            elif self._ended or not self._passed_by[name].isdisjoint(self._seen):
                asked.set_result(None)
            else:
                self._asked[name] = asked
            return asked

    def serve(self, name: str, result: Any) -> None:
        """A step is done."""
        self._say(name, lambda order: order.serve(result))

    def fail(self, name: str, error: BaseException) -> None:
        """A step failed, and that is the end of it: no policy of the graph's keeps it alive."""
        self._say(name, lambda order: order.fail(error))

    def again(self, name: str, error: BaseException) -> Any:
        """A step failed before it said anything. A future: the order to try again, or ``None`` if there is none."""
        with self._lock:
            asked = self._asked[name] = self.future()
            self._orders.pop(name).fail(error)
            return asked

    def _say(self, name: str, said: Callable[[Order], None]) -> None:
        with self._lock:
            self._done.add(name)
            order = self._orders.pop(name, None)
            if order is not None:
                said(order)
            else:
                self._said[name] = lambda order: self._tell(name, said, order)

    def _tell(self, name: str, said: Callable[[Order], None], order: Order) -> None:
        del self._said[name]
        said(order)

    def _pass(self, name: str) -> None:
        """The graph came to a node: steps that it passed by need not wait any longer."""
        for waiting in [each for each in self._asked if name in self._passed_by[each]]:
            _settle(self._asked.pop(waiting), None)


def _settle(future: Any, value: Any) -> None:
    if not future.done():
        future.set_result(value)

"""What stands for the nodes of a graph in the chain that it was: steps that serve the nodes' orders.

A ``Step`` is what langchain-core sees where the chain had a runnable. It is called as the runnable would be, with the
same configuration and at the same time, and runs that very runnable, so that the runs it opens are the chain's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._apart._board import Board, Order, Said
from lcel_adapters._apart._parts import DEFAULT, Leaf
from lcel_adapters._apart._seats import Seat
from lcel_adapters._face._serve import aclosed, closed
from lcel_adapters._face._surroundings import Lent, lent
from lcel_adapters._face.errors import RunEnded
from lcel_compat._sum import Sum


class Attempt:
    """One way of doing a step's work.

    Attributes:
        runnable: What is run.
        value: On what; nothing while the input is still coming.
        around: What the code in it is to find.
        updates: Whether the result is an update of the state.
    """

    __slots__ = ("around", "runnable", "updates", "value")

    def __init__(
        self, runnable: Runnable[Any, Any], value: Any = None, around: Lent = (), *, updates: bool = False
    ) -> None:
        self.runnable = runnable
        self.value = value
        self.around = around
        self.updates = updates


class Step(Runnable[Any, Any]):
    """A step of the chain, in one run.

    Args:
        seat: The step and its node.
        board: Where orders are.

    Attributes:
        decided: What it decided, if it stands for a decision and somebody else than the branch's conditions decides.
    """

    def __init__(self, seat: Seat, board: Board) -> None:
        self.seat = seat
        self.board = board
        self.decided: str | None = None
        self.name = seat.leaf.runnable.get_name()

    # What both colours decide alike --------------------------------------------------------------------

    def _ahead(self, value: Any = None) -> Attempt | None:
        """The attempt that need not wait for the graph."""
        seat = self.seat
        return Attempt(seat.node.bound, value) if seat.ahead and seat.node is not None else None

    def _ordered(self, order: Order | None) -> Attempt | None:
        """The attempt that an order asks for; ``None`` if the graph went another way.

        Raises:
            BaseException: What the graph failed with, if that is why.
        """
        if order is not None:
            return Attempt(order.runnable, order.value, order.around, updates=order.updates)
        if self.board.error is not None:
            raise self.board.error
        return None

    def _served(self, result: Any, attempt: Attempt) -> Any:
        """Serve the order; what the next step is given: of an update the key that the step wrote."""
        self.board.serve(self.seat.name, result)
        if attempt.updates and isinstance(result, Mapping):
            return result.get(self.seat.leaf.output, result)
        return result

    def _failed(self, error: BaseException, *, spoke: bool = False) -> Any:
        """A future order if the graph may have something to say to an error, ``None`` if the error is to be raised."""
        plain = isinstance(error, Exception) and not spoke
        if plain and self.seat.again:
            return self.board.again(self.seat.name, error)
        self.board.fail(self.seat.name, error if plain else RunEnded())
        return None

    def _last(self) -> Any:
        """A future: when the step may be left. The last one stays until nodes that are no steps have run as well."""
        if self.seat.stays:
            return self.board.ended()
        left = self.board.future()
        left.set_result(None)
        return left

    def _stopped(self, said: Said) -> None:
        """Nobody reads on: what was said is the result. If the whole run is given up, the board is closed by now."""
        self.board.serve(self.seat.name, said.result)

    # Running -------------------------------------------------------------------------------------------

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Do the step's work."""
        self.board.begin(self.seat.name, config)
        attempt = self._ahead(input) or self._ordered(self.board.take(self.seat.name).result())
        while attempt is not None:
            try:
                with lent(attempt.around):
                    result = attempt.runnable.invoke(attempt.value, config, **kwargs)
                value = self._served(result, attempt)
            except BaseException as error:
                asked = self._failed(error)
                attempt = asked and self._ordered(asked.result())
                if attempt is None:
                    raise
            else:
                self._last().result()
                return value
        return input

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Do the step's work."""
        self.board.begin(self.seat.name, config)
        attempt = self._ahead(input) or self._ordered(await self.board.take(self.seat.name))
        while attempt is not None:
            try:
                with lent(attempt.around):
                    result = await attempt.runnable.ainvoke(attempt.value, config, **kwargs)
                value = self._served(result, attempt)
            except BaseException as error:
                asked = self._failed(error)
                attempt = asked and self._ordered(await asked)
                if attempt is None:
                    raise
            else:
                await self._last()
                return value
        return input

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Do the step's work on an input that is there, in chunks."""
        self.board.begin(self.seat.name, config)
        attempt = self._ahead(input) or self._ordered(self.board.take(self.seat.name).result())
        if attempt is None:
            yield input
            return
        yield from self._chunks(attempt, attempt.runnable.stream(attempt.value, config, **kwargs), config, kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Do the step's work on an input that is there, in chunks."""
        self.board.begin(self.seat.name, config)
        attempt = self._ahead(input) or self._ordered(await self.board.take(self.seat.name))
        if attempt is None:
            yield input
            return
        chunks = attempt.runnable.astream(attempt.value, config, **kwargs)
        async with aclosed(self._achunks(attempt, chunks, config, kwargs)) as said:
            async for chunk in said:
                yield chunk

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Do the step's work while its input comes, in chunks."""
        if (attempt := self._ahead()) is None:
            return self._gathered(input, config, kwargs)
        self.board.begin(self.seat.name, config)
        return self._chunks(attempt, attempt.runnable.transform(input, config, **kwargs), config, kwargs)

    def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Do the step's work while its input comes, in chunks."""
        if (attempt := self._ahead()) is None:
            return self._agathered(input, config, kwargs)
        self.board.begin(self.seat.name, config)
        return self._achunks(attempt, attempt.runnable.atransform(input, config, **kwargs), config, kwargs)

    def _gathered(self, input: Iterator[Any], config: Any, kwargs: dict[str, Any]) -> Iterator[Any]:
        total = Sum()
        for chunk in input:
            total.add(chunk)
        yield from self.stream(total.value, config, **kwargs)

    async def _agathered(self, input: AsyncIterator[Any], config: Any, kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        total = Sum()
        async for chunk in input:
            total.add(chunk)
        async with aclosed(self.astream(total.value, config, **kwargs)) as said:
            async for chunk in said:
                yield chunk

    def _chunks(self, attempt: Attempt, chunks: Any, config: Any, kwargs: dict[str, Any]) -> Iterator[Any]:
        """What an attempt says, and if it fails before that, what the next one does."""
        while True:
            said = self.board.speaking(self.seat.name)
            try:
                with closed(chunks):
                    for chunk in _surrounded(chunks, attempt.around):
                        said.add(chunk)
                        if not attempt.updates:
                            yield chunk
                value = self._served(said.result, attempt)
            except GeneratorExit:
                self._stopped(said)
                raise
            except BaseException as error:
                asked = self._failed(error, spoke=said.any)
                again = asked and self._ordered(asked.result())
                if again is None:
                    raise
                attempt, chunks = again, again.runnable.stream(again.value, config, **kwargs)
            else:
                break
        if attempt.updates:
            yield value
        self._last().result()

    async def _achunks(self, attempt: Attempt, chunks: Any, config: Any, kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        """What an attempt says, and if it fails before that, what the next one does."""
        while True:
            said = self.board.speaking(self.seat.name)
            try:
                async with aclosed(chunks):
                    async for chunk in _asurrounded(chunks, attempt.around):
                        said.add(chunk)
                        if not attempt.updates:
                            yield chunk
                value = self._served(said.result, attempt)
            except GeneratorExit:
                self._stopped(said)
                raise
            except BaseException as error:
                asked = self._failed(error, spoke=said.any)
                again = asked and self._ordered(await asked)
                if again is None:
                    raise
                attempt, chunks = again, again.runnable.astream(again.value, config, **kwargs)
            else:
                break
        if attempt.updates:
            yield value
        await self._last()

    def conditions(self, ways: Sequence[Sequence[str]]) -> list[Condition]:
        """What stands for the conditions of a branch, if this stands for its decision.

        Args:
            ways: The nodes of each way, the default's last.
        """
        asked = self.seat.leaf.runnable.asked  # type: ignore[attr-defined]  # a Decision
        made = [Condition(self, number, runnable, ways) for number, runnable in enumerate(asked, 1)]
        made[-1].last = True
        return made


class Steps:
    """The steps of one run.

    Args:
        seats: The steps and their nodes.
        board: Where orders are.
    """

    def __init__(self, seats: Mapping[str, Seat], board: Board) -> None:
        self._seats = seats
        self._board = board

    @property
    def waits(self) -> bool:
        """Whether some steps wait for the graph."""
        return not all(seat.ahead for seat in self._seats.values())

    def __call__(self, leaf: Leaf) -> Step:
        """What stands for a node."""
        return Step(self._seats[leaf.name], self._board)


class Condition(Runnable[Any, bool]):
    """A condition of a branch, in one run.

    While the graph's node is what it was, each condition is asked as the branch asks it, and the node is told what came
    of it. If something else decides, or has decided where the graph went, that is the answer of all of them.

    Args:
        step: What stands for the decision.
        number: Which condition it is, from 1.
        asked: The condition.
        ways: The nodes of each way.
    """

    def __init__(self, step: Step, number: int, asked: Runnable[Any, bool], ways: Sequence[Sequence[str]]) -> None:
        self.step = step
        self.number = str(number)
        self.asked = asked
        self.ways = ways
        self.last = False
        self.name = asked.get_name()

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> bool:
        """Whether it is this way's turn."""
        step = self.step
        if not step.seat.ahead:
            return self._is(step.decided if step.decided else step.invoke(input, config))
        step.board.begin(step.seat.name, config)
        try:
            return self._tell(self.asked.invoke(input, config))
        except BaseException as error:
            step.board.fail(step.seat.name, error if isinstance(error, Exception) else RunEnded())
            raise

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> bool:
        """Whether it is this way's turn."""
        step = self.step
        if not step.seat.ahead:
            return self._is(step.decided if step.decided else await step.ainvoke(input, config))
        step.board.begin(step.seat.name, config)
        try:
            return self._tell(await self.asked.ainvoke(input, config))
        except BaseException as error:
            step.board.fail(step.seat.name, error if isinstance(error, Exception) else RunEnded())
            raise

    def _tell(self, holds: Any) -> bool:
        if holds or self.last:
            self.step.board.serve(self.step.seat.name, self.number if holds else DEFAULT)
        return bool(holds)

    def _is(self, decided: Any) -> bool:
        numbers = [*(str(n) for n in range(1, len(self.ways))), DEFAULT]
        if decided not in numbers:  # nothing was decided here: the graph simply went there
            went = self.step.board.last
            decided = next((number for number, way in zip(numbers, self.ways, strict=True) if went in way), DEFAULT)
        self.step.decided = decided
        return bool(decided == self.number)


def _surrounded(chunks: Iterator[Any], around: Lent) -> Iterator[Any]:
    """The chunks, each made while what the engine set for the node is set here, and not while the reader has it."""
    return _lent(chunks, around) if around else chunks


def _lent(chunks: Iterator[Any], around: Lent) -> Iterator[Any]:
    while True:
        with lent(around):
            chunk = next(chunks, _END)
        if chunk is _END:
            return
        yield chunk


def _asurrounded(chunks: AsyncIterator[Any], around: Lent) -> AsyncIterator[Any]:
    """The same for an asynchronous stream."""
    return _alent(chunks, around) if around else chunks


async def _alent(chunks: AsyncIterator[Any], around: Lent) -> AsyncIterator[Any]:
    while True:
        with lent(around):
            chunk = await anext(chunks, _END)
        if chunk is _END:
            return
        yield chunk


_END: Final = object()

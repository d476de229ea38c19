"""Running both sides, each on an input of its own, the old side more than once."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, cast

from lcel_compat._from_sync import finished
from lcel_compat.compare._compare import Samples, compare_samples
from lcel_compat.compare._contract import Contract
from lcel_compat.compare._errors import UncopyableInputError
from lcel_compat.compare._model import Comparison
from lcel_compat.compare._normal import Side
from lcel_compat.compare._recorded import Recorded

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable


def compare(
    before: Runnable[Any, Any],
    after: Runnable[Any, Any],
    inputs: Sequence[Any],
    *,
    contract: Contract | None = None,
    repeats: int = 2,
    input_factory: Callable[[Any], Any] | None = None,
    version: Literal["v1", "v2"] = "v2",
) -> Comparison:
    """``acompare`` for code without an event loop; inside a running one it works in a thread of its own."""
    return finished(
        acompare(
            before,
            after,
            inputs,
            contract=contract,
            repeats=repeats,
            input_factory=input_factory,
            version=version,
        )
    )


async def acompare(
    before: Runnable[Any, Any],
    after: Runnable[Any, Any],
    inputs: Sequence[Any],
    *,
    contract: Contract | None = None,
    repeats: int = 2,
    input_factory: Callable[[Any], Any] | None = None,
    version: Literal["v1", "v2"] = "v2",
) -> Comparison:
    """Run both sides on each input, one run after another, and compare what ``astream_events`` gives.

    The old side runs over all inputs, then ``repeats`` times more against itself: what it does not repeat is noise.
    Inside ``with lcel_compat.replay.replay(cassette):`` its first run is recorded, and all others are played from that.

    Args:
        before: The old side: a chain, or anything with ``astream_events``.
        after: The new side.
        inputs: What each is given; every run gets a deep copy.
        contract: As for ``compare_events``.
        repeats: How often the old side runs again; 0 takes every difference for a finding.
        input_factory: Makes a run's input of an item of ``inputs``, instead of the deep copy.
        version: Which events; version 1 is core's older form.

    Returns:
        The comparison, with timings. An exception that a side raises is an outcome, and compared.

    Raises:
        ComparisonError: If there are no inputs.
        UncopyableInputError: If an input cannot be copied and there is no ``input_factory``.
        ValueError: If ``repeats`` is negative.
    """
    from lcel_compat.replay import rewind  # Loads models, tools and retrievers: who compares recordings has none.

    if repeats < 0:
        raise ValueError(f"repeats is {repeats}: the old side can run again 0 times or more")
    make = input_factory or _copied
    sides = [(Side(), given) for given in inputs]

    async def over_all(runnable: Runnable[Any, Any]) -> list[Recorded]:
        return [await _recorded(side, runnable, make(given), version) for side, given in sides]

    old = [await over_all(before)]
    for _ in range(repeats):
        rewind()
        old.append(await over_all(before))
    rewind()
    new = await over_all(after)
    samples = (Samples([one[number] for one in old], [recorded]) for number, recorded in enumerate(new))
    return compare_samples(samples, contract)


async def _recorded(side: Side, runnable: Runnable[Any, Any], given: Any, version: Literal["v1", "v2"]) -> Recorded:
    reader, times, begin = side.reader(), list[float](), perf_counter()
    try:
        async with aclosing(cast("Any", runnable.astream_events(given, version=version))) as events:
            async for event in events:
                times.append((perf_counter() - begin) * 1e3)
                reader.add(event)
    except Exception as error:
        times.append((perf_counter() - begin) * 1e3)
        reader.add(error)
    return reader.finished(times)


def _copied(given: Any) -> Any:
    try:
        return copy.deepcopy(given)
    except Exception as error:
        path, part = _refusing("input", given)
        raise UncopyableInputError(
            f"{path} is a {type(part).__name__}, which cannot be copied ({error}). Each side needs an input of its own:"
            " pass input_factory=, which makes one of an item of inputs."
        ) from error


def _refusing(path: str, value: Any) -> tuple[str, Any]:
    """The innermost part that cannot be copied, and the path to it."""
    for step, part in _parts(value):
        try:
            copy.deepcopy(part)
        except Exception:
            return _refusing(path + step, part)
    return path, value


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif dataclasses.is_dataclass(value) or hasattr(value, "__pydantic_fields__"):
        yield from ((f".{name}", part) for name, part in vars(value).items())

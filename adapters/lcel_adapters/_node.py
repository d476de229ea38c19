"""``as_node``: an existing runnable as a node of a graph, ours or LangGraph's.

A node is given the graph's state and answers with an update of it; a chain is given its own input and answers with its
own output. ``RunnableNode`` stands between the two and is itself a ``Runnable`` from state to update. It opens no run
of its own: callbacks, tags and ``seq:step`` numbers of what it wraps are those it would have as the node itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, nullcontext
from typing import Any, TypeAlias

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import coerce_to_runnable
from langchain_core.runnables.utils import AddableDict

from lcel_compat._sum import Sum

InputMapping: TypeAlias = str | Mapping[str, str] | Callable[[Any], Any] | None
"""How the runnable's input is made of the state."""
OutputMapping: TypeAlias = str | Callable[[Any], Mapping[str, Any]] | None
"""How the update is made of the runnable's output."""


def as_node(runnable: Any, *, input: InputMapping = None, output: OutputMapping = None) -> RunnableNode:
    """Make a node of a runnable.

    Args:
        runnable: A Runnable, or anything LCEL takes for one: a function, a dict of runnables.
        input: What the runnable is given: the value of a state key, a dict ``{runnable_key: state_key}``, the result
            of a function of the state, or (``None``) the whole state.
        output: What becomes of its result: the value of a state key, the update that a function makes of it, or
            (``None``) the update itself.

    Returns:
        A Runnable from state to update. Streamed, it streams what it wraps, so that tokens, parsed parts and chunks
        of chains come up as they are made; it gives one chunk, the update, when that is complete.

    Raises:
        TypeError: If one of the arguments is none of these.
    """
    if not (input is None or isinstance(input, str) or _maps_keys(input) or callable(input)):
        raise TypeError(
            f"as_node: input={input!r} is neither a state key, nor a dict {{runnable_key: state_key}}, nor a function."
        )
    if not (output is None or isinstance(output, str) or callable(output)):
        raise TypeError(f"as_node: output={output!r} is neither a state key nor a function of the result.")
    return RunnableNode(coerce_to_runnable(runnable), input=input, output=output)


class RunnableNode(Runnable[Any, Any]):
    """A runnable with its input and output mapped to the state of a graph; made by ``as_node``.

    Attributes:
        bound: The runnable.
        input: How its input is made of the state.
        output: How the update is made of its output.
    """

    def __init__(self, bound: Runnable[Any, Any], *, input: InputMapping, output: OutputMapping) -> None:
        self.bound = bound
        self.input = input
        self.output = output
        self.name = bound.get_name()

    @property
    def state_keys(self) -> tuple[str, ...]:
        """The state keys that its mappings name, so that a graph can check them before it runs."""
        read: tuple[str, ...] = (self.input,) if isinstance(self.input, str) else ()
        if isinstance(self.input, Mapping):
            read = tuple(self.input.values())
        return (*read, self.output) if isinstance(self.output, str) else read

    def __repr__(self) -> str:
        return f"as_node({self.bound!r}, input={self.input!r}, output={self.output!r})"

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run it on a state; the update."""
        return self.update(self.bound.invoke(self.select(input), config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run it on a state; the update."""
        return self.update(await self.bound.ainvoke(self.select(input), config, **kwargs))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Stream the runnable on a state; the update, when it is complete."""
        total = Sum()
        chunks: Any = self.bound.stream(self.select(input), config, **kwargs)
        with closing(chunks) if hasattr(chunks, "close") else nullcontext():
            for chunk in chunks:
                total.add(chunk)
        yield self.update(total.value)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Stream the runnable on a state; the update, when it is complete."""
        total = Sum()
        chunks: Any = self.bound.astream(self.select(input), config, **kwargs)
        async with aclosing(chunks) if hasattr(chunks, "aclose") else nullcontext():
            async for chunk in chunks:
                total.add(chunk)
        yield self.update(total.value)

    @property
    def reads(self) -> frozenset[str] | None:
        """The state keys that its input is made of; ``None`` if it is the whole state, or a function's."""
        if isinstance(self.input, str):
            return frozenset((self.input,))
        return frozenset(self.input.values()) if isinstance(self.input, Mapping) else None

    @property
    def writes(self) -> str | None:
        """The state key that its result is the value of; ``None`` if it is the update, or a function makes that."""
        return self.output if isinstance(self.output, str) else None

    def chunks(self, pieces: Iterator[Mapping[str, Any]], config: RunnableConfig | None = None) -> Iterator[Any]:
        """The runnable's chunks, made while its state comes in pieces; see ``StreamableNode`` of lcel_compat."""
        chunks: Any = self.bound.transform(_read(pieces, _Parts(self)), config)
        with closing(chunks) if hasattr(chunks, "close") else nullcontext():
            yield from chunks

    async def achunks(
        self, pieces: AsyncIterator[Mapping[str, Any]], config: RunnableConfig | None = None
    ) -> AsyncIterator[Any]:
        """The runnable's chunks, made while its state comes in pieces; see ``StreamableNode`` of lcel_compat."""
        chunks: Any = self.bound.atransform(_aread(pieces, _Parts(self)), config)
        async with aclosing(chunks) if hasattr(chunks, "aclose") else nullcontext():
            async for chunk in chunks:
                yield chunk

    def select(self, state: Any) -> Any:
        """The runnable's input, out of a state.

        Raises:
            KeyError: If the state has no such key; the message names the keys that it has.
        """
        if self.input is None:
            return state
        if isinstance(self.input, str):
            return self._read(state, self.input)
        if isinstance(self.input, Mapping):
            return {key: self._read(state, source) for key, source in self.input.items()}
        return self.input(state)

    def update(self, result: Any) -> Any:
        """The update, out of the runnable's result.

        Raises:
            TypeError: If the result is to be the update itself and is no mapping.
        """
        if isinstance(self.output, str):
            return {self.output: result}
        return result if self.output is None else self.output(result)

    def _read(self, state: Any, key: str) -> Any:
        try:
            return state[key] if isinstance(state, Mapping) else getattr(state, key)
        except (KeyError, AttributeError):
            raise KeyError(
                f"as_node({self.name!r}) reads the state key {key!r}, which holds nothing yet; the state has"
                f" {_keys(state)}. Give the graph that key as input, write it in a node before this one, or pass"
                " as_node another input=."
            ) from None


class _Parts:
    """What the pieces of a state are of a node's input."""

    def __init__(self, node: RunnableNode) -> None:
        self._node = node
        self._seen: dict[str, Any] = {}

    def of(self, piece: Any) -> Sequence[Any]:
        """What one piece is of the input: nothing, or a chunk of it."""
        node, mapping = self._node, self._node.input
        if not isinstance(piece, Mapping) or not isinstance(mapping, str | Mapping):
            self._seen = dict.fromkeys(node.reads or ())
            return (node.select(piece),)
        self._seen.update(piece)
        if isinstance(mapping, str):
            return (piece[mapping],) if mapping in piece else ()
        part = AddableDict({key: piece[source] for key, source in mapping.items() if source in piece})
        return (part,) if part else ()

    def check(self) -> None:
        """All pieces have come.

        Raises:
            KeyError: If one is missing; the message names the keys that there are.
        """
        if not self._seen.keys() >= (self._node.reads or frozenset()):
            self._node.select(self._seen)


def _read(pieces: Iterator[Any], parts: _Parts) -> Iterator[Any]:
    for piece in pieces:
        yield from parts.of(piece)
    parts.check()


async def _aread(pieces: AsyncIterator[Any], parts: _Parts) -> AsyncIterator[Any]:
    async for piece in pieces:
        for part in parts.of(piece):
            yield part
    parts.check()


def _maps_keys(mapping: Any) -> bool:
    return isinstance(mapping, Mapping) and all(isinstance(key, str) for key in mapping.values())


def _keys(state: Any) -> str:
    names = state if isinstance(state, Mapping) else getattr(state, "__annotations__", ())
    return ", ".join(repr(name) for name in names) or "no keys"

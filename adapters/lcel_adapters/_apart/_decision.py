"""The conditions of a branch as a node, and the conditional edge that follows what the node decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._apart._parts import DEFAULT


class Decision(Runnable[Any, str]):
    """Asks one condition after the other, and answers with the number of the first that holds, or ``"default"``.

    Args:
        conditions: Runnables that answer whether it is their turn.
        name: The name of the node.
    """

    def __init__(self, conditions: Sequence[Runnable[Any, bool]], name: str) -> None:
        self.asked = tuple(conditions)
        self.name = name

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """The number of the first condition that holds, from ``"1"``, or ``"default"``."""
        holds = (number for number, asked in enumerate(self.asked, 1) if asked.invoke(input, config))
        return str(next(holds, DEFAULT))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """The number of the first condition that holds, from ``"1"``, or ``"default"``."""
        for number, asked in enumerate(self.asked, 1):
            if await asked.ainvoke(input, config):
                return str(number)
        return DEFAULT


@dataclass(frozen=True, slots=True)
class Follow:
    """The path of a conditional edge: to the nodes that stand for what was decided.

    Attributes:
        key: The state key in which the decision is.
        ways: For each decision the nodes to go to.
    """

    key: str
    ways: Mapping[str, tuple[str, ...]]

    @property
    def ends(self) -> list[str]:
        """All nodes that it may go to."""
        return [name for way in self.ways.values() for name in way]

    def __call__(self, state: Mapping[str, Any]) -> list[str]:
        """The nodes to go to.

        Raises:
            KeyError: If the decision is none of those that are known; the message names them.
        """
        decided = str(state[self.key])
        if decided not in self.ways:
            known = ", ".join(repr(way) for way in self.ways)
            raise KeyError(f"The state key {self.key!r} says {decided!r}, which leads nowhere; it may say {known}.")
        return list(self.ways[decided])

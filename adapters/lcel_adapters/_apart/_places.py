"""What stands in the silent graph where its nodes stood: they order their work from the steps of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.runnables.config import patch_config

from lcel_adapters._apart._board import Board, Order
from lcel_adapters._face._beside import Beside, current
from lcel_adapters._face._graphs import OurGraph, place_of
from lcel_adapters._face._places import both
from lcel_adapters._face._surroundings import lent
from lcel_adapters._node import RunnableNode
from lcel_compat._body import FunctionBody, RunnableBody
from lcel_compat._context import TaskScope, current_task
from lcel_compat._core import var_child_runnable_config


@dataclass(slots=True, kw_only=True)
class Apart(Beside):
    """One run of the face of a graph that was a chain.

    Attributes:
        board: Where nodes leave their orders.
    """

    board: Board


class ApartGraph(OurGraph):
    """The silent graph, with an ``OrderPlace`` for each of its nodes, functions too."""

    def _body(self, name: str, body: Any, place: Any) -> Any:
        if isinstance(body, FunctionBody):
            return RunnableBody(runnables=(OrderPlace(name, FunctionPlace(name, body)),))
        return RunnableBody(runnables=(OrderPlace(name, place_of(name, self.shape.nodes[name])),))


class Shows(Protocol):
    """The work of a node, as what the caller sees run."""

    def shown(self, beside: Beside, given: RunnableConfig) -> RunnableNode:
        """The runnable from state to update that the caller sees run."""
        raise NotImplementedError


class FunctionPlace:
    """The work of a function, shown as a chain run named after its node.

    Args:
        name: The node's name.
        body: The function, which the engine would fill the parameters of.
    """

    def __init__(self, name: str, body: FunctionBody) -> None:
        self.name = name
        self.body = body

    def shown(self, beside: Beside, given: RunnableConfig) -> RunnableNode:
        """A ``RunnableLambda`` that calls the function with what it asks for."""
        function, scope = self.body.function, cast("TaskScope", current_task.get())
        filled = self.body.arguments(given, scope.writer, scope.runtime, scope.task.error)

        def arguments(config: RunnableConfig) -> dict[str, Any]:
            return {**filled, "config": config} if "config" in filled else filled

        def call(state: Any, config: RunnableConfig) -> Any:
            with lent([(var_child_runnable_config, merged := both(given, config))]):
                return function(state, **arguments(merged))

        async def acall(state: Any, config: RunnableConfig) -> Any:
            with lent([(var_child_runnable_config, merged := both(given, config))]):
                return await function(state, **arguments(merged))

        shown: Any = RunnableLambda(acall if self.body.is_async else call, name=self.name)
        return RunnableNode(shown, input=None, output=None)


class OrderPlace(Runnable[Any, Any]):
    """A node of the silent graph: it orders its work, and waits; what no step does it does itself.

    Args:
        name: The node's name.
        work: What the node does.
    """

    def __init__(self, name: str, work: Shows) -> None:
        self.name = name
        self.work = work

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Have the node's work done."""
        beside = cast("Apart", current.get())
        answer: Any = beside.board.future()
        with beside.surroundings.restored():
            node = self.work.shown(beside, config or {})
            if beside.board.place(self._order(node, input, beside, answer)):
                return node.update(answer.result())
            near = _unnumbered(beside.board.near().result())
            return next(node.stream(input, near)) if beside.streaming else node.invoke(input, near)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Have the node's work done."""
        beside = cast("Apart", current.get())
        answer: Any = beside.board.future()
        with beside.surroundings.restored():
            node = self.work.shown(beside, config or {})
            if beside.board.place(self._order(node, input, beside, answer)):
                return node.update(await answer)
            near = _unnumbered(await beside.board.near())
            return await node.ainvoke(input, near)

    def _order(self, node: RunnableNode, state: Any, beside: Apart, answer: Any) -> Order:
        around = beside.surroundings.added()
        return Order(
            name=str(self.name),
            runnable=node.bound,
            updates=node.output is None,
            value=node.select(state),
            around=around,
            answer=answer,
        )


def _unnumbered(config: RunnableConfig) -> RunnableConfig:
    """The configuration of a step for work beside it: in the same run, and no step of it."""
    manager: Any = config.get("callbacks")
    if not hasattr(manager, "inheritable_tags"):
        return config
    beside = manager.copy()
    beside.tags = list(manager.inheritable_tags)
    return patch_config(config, callbacks=beside)

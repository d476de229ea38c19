"""``as_lcel``: which face a graph gets, and which graphs get none."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import Runnable
from langchain_core.runnables.base import RunnableBindingBase

from lcel_adapters._face._graphs import Shape, silent_graph
from lcel_adapters._face._mapping import FaceInput, FaceOutput, mirrors
from lcel_adapters._face._steps import StepsFace
from lcel_adapters._face._whole import WholeFace
from lcel_adapters._face.errors import FaceError, listed


def as_lcel(graph: Any, *, input: FaceInput = None, output: FaceOutput = None) -> Runnable[Any, Any]:
    """Give a graph the face of the chain that it replaced.

    Args:
        graph: A compiled ``StateGraph``, ours or LangGraph's.
        input: How the graph's input is made of the chain's: the chain's input is the value of this state key, a dict
            ``{chain_key: state_key}``, a function, or (``None``) the chain's input is the graph's.
        output: How the chain's output is found in the graph's: the value of this state key, a function of the graph's
            output, or (``None``) the graph's output itself. A graph that ``from_lcel`` made knows both.

    Returns:
        A Runnable with the chain's input, output, schemas, chunks and events.

        If ``from_lcel`` made the graph, and no mappings are given, it is the chain that was taken apart: every run of
        the chain is there, those that span several nodes too, and a node that was replaced is a chain run named after
        it, where the replaced step stood.

        If the graph is one node made with ``as_node``, and the mappings there and here say the same, the node's
        runnable is the chain: every run that anyone sees is its own, with the caller's configuration, and ``output``
        is checked to be what it returned.

        Any other graph is shown as a sequence is: a root run, in it one run for each node, tagged ``seq:step:N`` where
        N counts supersteps. An adapted node is its runnable's own run; any other node is a chain run named after the
        node, with the models and tools called inside as its children. The chunks are those of the adapted node that
        writes the state key ``output``, if it is certain that nothing after it does, or else the output in one chunk.

    Raises:
        TypeError: If ``graph`` is no compiled ``StateGraph``, or a mapping is none of these.
        FaceError: If the graph cannot be shown as a chain: it is told to stop at a node, callbacks are bound to it, or
            it may take a node's result from a cache, without any of the runs that a chain would show.
    """
    if input is None and output is None and hasattr(getattr(graph, "builder", None), "part"):
        from lcel_adapters._apart._face import apart_face

        return apart_face(graph)
    silent = silent_graph(graph)
    if silent is None:
        raise TypeError(
            f"as_lcel: {graph!r} ({type(graph).__name__}) is no compiled StateGraph. Compile the builder first; a"
            " remote graph cannot be shown as a chain, since its nodes run elsewhere."
        )
    check(silent.shape, input, output)
    node = silent.shape.only
    if node is None or not mirrors(node, input, output):
        return StepsFace(silent, input=input, output=output)
    bindings, chain = unbound(node.bound)
    face: Runnable[Any, Any] = WholeFace(silent, chain, input=input, output=output)
    for binding in reversed(bindings):
        face = binding.model_copy(update={"bound": face})
    return face


def unbound(chain: Runnable[Any, Any]) -> tuple[list[RunnableBindingBase[Any, Any]], Runnable[Any, Any]]:
    """What a chain is bound to, outermost first, and the chain itself.

    Bindings (``with_config``, ``bind``, a message history) have ways of their own to be composed and observed: they
    merge their configuration before ``astream_events`` looks at it (runnables/base.py:6319). So they stay outside of
    the face, unless they are more than bindings, as ``with_retry`` is.
    """
    bindings: list[RunnableBindingBase[Any, Any]] = []
    while isinstance(chain, RunnableBindingBase) and type(chain).ainvoke is RunnableBindingBase.ainvoke:
        bindings.append(chain)
        chain = chain.bound
    return bindings, chain


def check(shape: Shape, input: FaceInput, output: FaceOutput) -> None:
    if not (input is None or isinstance(input, str) or callable(input) or _maps_keys(input)):
        raise TypeError(
            f"as_lcel: input={input!r} is neither a state key, nor a dict {{chain_key: state_key}}, nor a function."
        )
    if not (output is None or isinstance(output, str) or callable(output)):
        raise TypeError(f"as_lcel: output={output!r} is neither a state key nor a function of the graph's output.")
    if shape.stops:
        raise FaceError(
            f"as_lcel: the graph stops before or after {listed(shape.stops)}, and a chain runs to its end. Compile it"
            " without interrupt_before and interrupt_after."
        )
    if shape.heard:
        raise FaceError(
            "as_lcel: callbacks are bound to the graph, and they would see a graph beside the chain. Bind them to the"
            " face: as_lcel(...).with_config(callbacks=...)."
        )
    if shape.cached:
        raise FaceError(
            f"as_lcel: the results of {listed(shape.cached)} may come from a cache, without the runs, chunks and"
            " events that a chain would show. Compile the graph without cache policies."
        )
    if isinstance(output, str) and shape.outputs is not None and output not in shape.outputs:
        raise FaceError(
            f"as_lcel: output={output!r} is no key of the graph's output, which has {listed(shape.outputs)}."
        )


def _maps_keys(mapping: Any) -> bool:
    return isinstance(mapping, dict) and all(isinstance(key, str) for key in mapping.values())


def restored(graph: Any, input: FaceInput, output: FaceOutput) -> Runnable[Any, Any]:
    """A pickled face; what it was bound to is pickled around it."""
    return unbound(as_lcel(graph, input=input, output=output))[1]

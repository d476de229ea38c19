"""Between what a chain is given and returns, and the state of the graph behind its face.

The mappings of ``as_lcel`` are those of ``as_node`` read from the other side. Where both say the same of a graph's only
node, the node is the chain; ``mirrors`` is that question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message

from lcel_adapters._face.errors import FaceError
from lcel_adapters._node import RunnableNode

FaceInput: TypeAlias = str | Mapping[str, str] | Callable[[Any], Any] | None
"""How the graph's input is made of the chain's."""
FaceOutput: TypeAlias = str | Callable[[Any], Any] | None
"""How the chain's output is found in the graph's."""


def graph_input(value: Any, mapping: FaceInput) -> Any:
    """The graph's input, out of the chain's.

    Raises:
        KeyError: If the chain's input lacks a key that the mapping names.
    """
    if mapping is None:
        return value
    if isinstance(mapping, str):
        return {mapping: value}
    if isinstance(mapping, Mapping):
        # A key that is not there stays away: whether the chain needs it is for the chain to say.
        return {state_key: value[key] for key, state_key in mapping.items() if key in value}
    return mapping(value)


def chain_output(final: Any, mapping: FaceOutput) -> Any:
    """The chain's output, out of the graph's.

    Raises:
        FaceError: If the graph ended without having written it.
    """
    if mapping is None:
        return final
    if not isinstance(mapping, str):
        return mapping(final)
    try:
        return final[mapping]
    except (KeyError, TypeError):
        raise FaceError(
            f"as_lcel(output={mapping!r}): the graph ended and nothing was written to {mapping!r}. Write it in every"
            " path through the graph, or name another key."
        ) from None


def mirrors(node: RunnableNode, input: FaceInput, output: FaceOutput) -> bool:
    """Whether a node's mappings and a face's undo each other, as far as that can be told.

    Functions are taken to do so. Whether the output does is checked in each run (``same``).
    """
    return _same_input(node.input, input) and _same_output(node.output, output)


def _same_input(node: Any, face: FaceInput) -> bool:
    if callable(face) or callable(node):
        return True
    if isinstance(node, Mapping) and face is None:
        return all(key == source for key, source in node.items())
    return bool(node == face)


def _same_output(node: Any, face: FaceOutput) -> bool:
    return callable(face) or node == face or (isinstance(face, str) and callable(node))


def same(result: Any, output: Any) -> bool:
    """Whether what a runnable returned is what the graph says its output is.

    Messages are compared as what the state makes of them: chunks become messages there.
    """
    if result is output:
        return True
    try:
        return bool(_settled(result) == _settled(output))
    except Exception:  # what cannot be compared, an array for one, was not stored as it was
        return False


def _settled(value: Any) -> Any:
    value = message_chunk_to_message(value) if isinstance(value, BaseMessageChunk) else value
    # A reducer may have given it an id (``add_messages``).
    return value.model_copy(update={"id": None}) if isinstance(value, BaseMessage) else value

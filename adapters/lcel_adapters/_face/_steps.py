"""The face of a graph of several nodes, which is shown as a sequence of them."""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from langchain_core.runnables import RunnableConfig, RunnableSequence

from lcel_adapters._face._base import LegacyFace
from lcel_adapters._face._beside import Beside, muted, steps_of
from lcel_adapters._face._graphs import Shape, Silent
from lcel_adapters._face._mapping import FaceInput, FaceOutput
from lcel_adapters._face._serve import Speech, one
from lcel_adapters._face._surroundings import Surroundings
from lcel_adapters._face.errors import listed
from lcel_adapters._node import RunnableNode
from lcel_compat import END
from lcel_compat._sum import Sum


class StepsFace(LegacyFace):
    """The face of a graph of several nodes, which is shown as a sequence of them."""

    def __init__(self, silent: Silent, *, input: FaceInput, output: FaceOutput) -> None:
        name = _speaker(silent.shape, output)
        speaker = (None, None) if name is None else (name, silent.shape.nodes[name].bound)
        super().__init__(silent, input=input, output=output, speaker=speaker)
        # It stands where a sequence stood, and consumers look for that name.
        self.name = RunnableSequence.__name__

    @property
    def InputType(self) -> Any:
        return self.graph.InputType if self.input is None else _hint(self.graph.builder.input_schema, self.input)

    @property
    def OutputType(self) -> Any:
        return self.graph.OutputType if self.output is None else _hint(self.graph.builder.output_schema, self.output)

    def get_input_schema(self, config: RunnableConfig | None = None) -> Any:
        return self._described(self.input).get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> Any:
        return self._described(self.output).get_output_schema(config)

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        return cast("dict[str, Any]", self._described(self.input).get_input_jsonschema(config))

    def get_output_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        return cast("dict[str, Any]", self._described(self.output).get_output_jsonschema(config))

    def _described(self, mapping: Any) -> Any:
        """Who describes a side of the face: the graph if that side is the graph's own, the types above if it is not."""
        return self.graph if mapping is None else super()

    @staticmethod
    def _beside(run_manager: Any, config: RunnableConfig) -> Beside:
        return Beside(surroundings=Surroundings(), config=muted(config), scope=steps_of(run_manager, config))

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        def steps(value: Any, run_manager: Any, config: RunnableConfig) -> Any:
            beside = self._beside(run_manager, config)
            return self._said(self._run(value, beside), beside.results)

        return self._call_with_config(steps, input, config, **_none(kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        async def steps(value: Any, run_manager: Any, config: RunnableConfig) -> Any:
            beside = self._beside(run_manager, config)
            return self._said(await self._arun(value, beside), beside.results)

        return await self._acall_with_config(steps, input, config, **_none(kwargs))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        return self.transform(iter((input,)), config, **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        return self.atransform(one(input), config, **kwargs)

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Stream a stream; the graph runs when all of it has come."""

        def steps(values: Iterator[Any], run_manager: Any, config: RunnableConfig) -> Iterator[Any]:
            total = Sum()
            for value in values:
                total.add(value)
            return self._stream(total.value, partial(self._beside, run_manager, config), Speech())

        return self._transform_stream_with_config(input, steps, config, **_none(kwargs))

    def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream a stream; see ``transform``."""

        async def steps(values: AsyncIterator[Any], run_manager: Any, config: RunnableConfig) -> AsyncIterator[Any]:
            total = Sum()
            async for value in values:
                total.add(value)
            make = partial(self._beside, run_manager, config)
            async with aclosing(self._astream(total.value, make, Speech())) as chunks:
                async for chunk in chunks:
                    yield chunk

        return self._atransform_stream_with_config(input, steps, config, **_none(kwargs))


def _speaker(shape: Shape, output: FaceOutput) -> str | None:
    """The node whose chunks are those of the face: the only one that writes its output, and known to run once.

    After a function, which might write that key too, it is not certain what the output is; a function in a sequence
    gathers what comes before it, as well (runnables/base.py, ``RunnableLambda.transform``).
    """
    adapted = {name: node for name, node in shape.nodes.items() if isinstance(node, RunnableNode)}
    writers = [name for name, node in adapted.items() if node.output == output and isinstance(output, str)]
    if len(writers) != 1:
        return None
    later = shape.after(writers[0])
    certain = all(name in adapted and isinstance(adapted[name].output, str) for name in later - {END})
    return writers[0] if certain and writers[0] not in later else None


def _hint(schema: Any, key: Any) -> Any:
    """The type of a key of a state."""
    try:
        return typing.get_type_hints(schema).get(key, Any) if isinstance(key, str) else Any
    except (TypeError, NameError):  # a state that is no class, or names what cannot be looked up
        return Any


def _none(kwargs: dict[str, Any]) -> dict[str, Any]:
    if kwargs:
        raise TypeError(
            f"The face of a graph of several nodes takes no {listed(kwargs)}: there is no one runnable to hand it to."
            " Bind it to the runnable in the node."
        )
    return kwargs

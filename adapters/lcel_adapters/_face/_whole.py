"""The face of a graph whose one node is the chain."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._face._base import LegacyFace
from lcel_adapters._face._beside import Beside, muted, whole
from lcel_adapters._face._graphs import Silent
from lcel_adapters._face._mapping import FaceInput, FaceOutput
from lcel_adapters._face._serve import Feed, Speech, aclosed, closed
from lcel_adapters._face._surroundings import Surroundings


class WholeFace(LegacyFace):
    """The face of a graph whose one node is the chain."""

    def __init__(self, silent: Silent, chain: Runnable[Any, Any], *, input: FaceInput, output: FaceOutput) -> None:
        (name,) = silent.shape.nodes
        super().__init__(silent, input=input, output=output, speaker=(name, chain))
        self.chain = chain
        self.name = getattr(chain, "name", None)

    # The chain's own description -----------------------------------------------------------------------

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        return self.chain.get_name(suffix, name=name)

    @property
    def InputType(self) -> Any:
        return self.chain.InputType

    @property
    def OutputType(self) -> Any:
        return self.chain.OutputType

    def get_input_schema(self, config: RunnableConfig | None = None) -> Any:
        return self.chain.get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> Any:
        return self.chain.get_output_schema(config)

    @property
    def config_specs(self) -> Any:
        return self.chain.config_specs

    def get_graph(self, config: RunnableConfig | None = None) -> Any:
        return self.chain.get_graph(config)

    # Running -------------------------------------------------------------------------------------------

    def _beside(self, input: Any, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Beside:
        return Beside(
            surroundings=Surroundings(), config=muted(config), scope=whole(config), value=input, kwargs=kwargs
        )

    def _said(self, final: Any, results: Sequence[Any]) -> Any:
        output = super()._said(final, results)
        return results[-1] if results else output

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        beside = self._beside(input, config, kwargs)
        return self._said(self._run(input, beside), beside.results)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        beside = self._beside(input, config, kwargs)
        return self._said(await self._arun(input, beside), beside.results)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Generator[Any, None, None]:
        return self._stream(input, partial(self._beside, input, config, kwargs), Speech(), **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncGenerator[Any, None]:
        return self._astream(input, partial(self._beside, input, config, kwargs), Speech(), **kwargs)

    def transform(
        self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Generator[Any, None, None]:
        """Stream a stream: the chain reads it as it comes, and the graph runs when all of it has come."""
        feed = Feed(input)
        with closed(self.chain.transform(iter(feed), config, **kwargs)) as chunks:
            speech = Speech(chunks)
            for chunk in chunks:
                yield speech.add(chunk)
                if feed.ended:
                    break
            make = partial(self._beside, feed.value, config, kwargs)
            yield from self._stream(feed.value, make, speech, **kwargs)

    async def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """Stream a stream; see ``transform``."""
        feed = Feed(input)
        async with aclosed(self.chain.atransform(aiter(feed), config, **kwargs)) as chunks:
            speech = Speech(chunks)
            async for chunk in chunks:
                yield speech.add(chunk)
                if feed.ended:
                    break
            make = partial(self._beside, feed.value, config, kwargs)
            async with aclosing(self._astream(feed.value, make, speech, **kwargs)) as rest:
                async for chunk in rest:
                    yield chunk

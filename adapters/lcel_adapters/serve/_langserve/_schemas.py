"""What a runnable takes and gives: the models by which requests are checked and routes described."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typing_extensions
from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, PydanticUserError, RootModel, create_model

from lcel_compat._schema import field_hints, portable

Model = type[BaseModel]

THREAD = ("thread_id", "checkpoint_ns", "checkpoint_id")
"""What names a thread, and a place in it, to a graph that keeps its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """A runnable's schemas.

    Attributes:
        runnable: The runnable.
        config: What of its config a client may send.
        input: What it takes, unless it is configured.
        output: What it gives, unless it is configured.
        answer: What its output is brought into before it is sent.
        decisive: The configurable keys that may decide what it takes and gives.
    """

    runnable: Any
    config: Model
    input: Model
    output: Model
    answer: Model
    decisive: frozenset[str]

    async def input_of(self, config: RunnableConfig) -> Model:
        """What the runnable takes under a config: configurable runnables take now this, now that."""
        if not self._decides(config):
            return self.input
        # Core reads the source of functions for this (`RunnableLambda.get_input_schema`): not on the event loop.
        return await asyncio.to_thread(self.runnable.get_input_schema, config)

    async def output_of(self, config: RunnableConfig) -> Model:
        """What it gives under a config."""
        if not self._decides(config):
            return self.output
        return await asyncio.to_thread(self.runnable.get_output_schema, config)

    def _decides(self, config: RunnableConfig) -> bool:
        return not self.decisive.isdisjoint(config.get("configurable") or ())


def schemas_of(runnable: Any, config_keys: Sequence[str]) -> Schemas:
    """The schemas of a runnable.

    Raises:
        TypeError: If pydantic can make no schema of its types.
    """
    try:
        remade = _remade(runnable)
        input, output = remade or (runnable.get_input_schema(), runnable.get_output_schema())
        for model in (input, output):
            model.model_json_schema()
        return Schemas(
            runnable=runnable,
            config=_config_model(runnable, config_keys),
            input=input,
            output=output,
            answer=output if remade else _answer(runnable, output),
            decisive=frozenset() if remade else frozenset(spec.id for spec in runnable.config_specs),
        )
    except Exception as error:
        raise TypeError(
            f"The input or the output of {runnable.get_name()!r} has no schema: {error}\nSay what they are:"
            " add_routes(..., input_type=..., output_type=...) or runnable.with_types(...)."
        ) from error


def _remade(runnable: Any) -> tuple[Model, Model] | None:
    """Schemas for a LangGraph graph with a ``typing.TypedDict``, which pydantic refuses before Python 3.12."""
    try:
        runnable.get_input_schema().model_json_schema()
        runnable.get_output_schema().model_json_schema()
    except PydanticUserError:
        names = (runnable.get_name("Input"), runnable.get_name("Output"))
        return _root(names[0], portable(runnable.InputType)), _remade_output(names[1], runnable)
    return None


def _remade_output(name: str, runnable: Any) -> Model:
    graph = next((graph for graph in _within(runnable) if hasattr(graph, "output_channels")), None)
    if graph is None or isinstance(graph.output_channels, str):
        return _root(name, portable(runnable.OutputType))
    # LangGraph's own schema of an output (Pregel.get_output_schema): each key may be missing, and is null then.
    fields: Any = {key: (portable(graph.channels[key].ValueType), None) for key in graph.output_channels}
    made: Model = create_model(name, **fields)
    return made


def _root(name: str, type_: Any) -> Model:
    root: Any = RootModel
    return type(name, (root[type_],), {"__module__": __name__})


def _answer(runnable: Any, output: Model) -> Model:
    """What outputs are brought into: the output's schema, but keys of a graph that nothing wrote may be missing."""
    state: Any = runnable.OutputType if hasattr(runnable, "get_state") else None
    return _root(runnable.get_name("Output"), _partial(state)) if typing_extensions.is_typeddict(state) else output


def _partial(source: Any) -> Any:
    hints: Any = {key: typing_extensions.NotRequired[_bare(hint)] for key, hint in field_hints(source).items()}
    return typing_extensions.TypedDict(source.__name__, hints)  # type: ignore[operator]  # of computed fields


def _bare(hint: Any) -> Any:
    wrappers = (typing_extensions.Required, typing_extensions.NotRequired)
    return hint.__args__[0] if typing_extensions.get_origin(hint) in wrappers else hint


def _config_model(runnable: Any, keys: Sequence[str]) -> Model:
    with warnings.catch_warnings():
        # LangGraph would like to be asked for its context's schema, which is another thing.
        warnings.filterwarnings("ignore", ".*config_schema.*", DeprecationWarning)
        model = _config_schema(runnable, keys)
    if "configurable" not in keys or not any(getattr(graph, "checkpointer", None) for graph in _within(runnable)):
        return model
    return _with_thread(model)


def _config_schema(runnable: Any, keys: Sequence[str]) -> Model:
    try:
        model: Model = runnable.config_schema(include=list(keys))
    except PydanticUserError:
        # A LangGraph graph whose context is a ``typing.TypedDict``, as in ``_remade``.
        graph = next((graph for graph in _within(runnable) if getattr(graph, "context_schema", None)), None)
        if graph is None:
            raise
        model = graph.copy({"context_schema": portable(graph.context_schema)}).config_schema(include=list(keys))
    return model


def _with_thread(model: Model) -> Model:
    """A config that can also name a thread, which the config schemas of graphs leave out."""
    own = _fields(model)
    threads: Any = dict.fromkeys(THREAD, (str | None, None))
    inner = own.pop("configurable", (None, None))[0]
    configurable = create_model("Configurable", __base__=inner, **threads)
    return create_model(model.__name__, configurable=(configurable | None, None), **own)


def _fields(model: Model) -> dict[str, Any]:
    return {name: (field.annotation, field) for name, field in model.model_fields.items()}


def _within(runnable: Any) -> Iterator[Any]:
    """A runnable, and what it is a binding or the face of."""
    while runnable is not None:
        yield runnable
        runnable = getattr(runnable, "bound", None) or getattr(runnable, "graph", None)

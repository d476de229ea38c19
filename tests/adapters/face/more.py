"""The kinds of runnables that are tried behind the face: those of the snapshots, and some more."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.messages import AIMessage
from langchain_core.output_parsers.openai_functions import OutputFunctionsParser
from langchain_core.prompts.dict import DictPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from tests.snapshots.kinds import KINDS, Kind


class Doubled(Runnable[int, int]):
    """A runnable that somebody wrote from the base class, with ``invoke`` alone."""

    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        """Twice the input, without a run."""
        return input * 2


class Traced(Doubled):
    """The same, with a run of its own."""

    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        """Twice the input."""
        return self._call_with_config(lambda n: n * 2, input, config)


def _called(text: str) -> AIMessage:
    call = {"name": "multiply", "arguments": '{"a": 2}'}
    return AIMessage("", additional_kwargs={"function_call": call}, id="1")


def _functions_parser() -> Runnable[Any, Any]:
    return RunnableLambda(_called) | OutputFunctionsParser()


def _dict_prompt() -> Runnable[Any, Any]:
    return DictPromptTemplate(template={"a": "{x}"}, template_format="f-string")


MORE: Final = (
    Kind(
        name="dict_prompt",
        make=lambda: DictPromptTemplate(template={"a": "{x}"}, template_format="f-string"),
        value={"x": 1},
    ),
    Kind(name="functions_parser", make=_functions_parser, value="hi"),
    Kind(name="own_class", make=Doubled, value=2),
    Kind(name="own_class_with_a_run", make=Traced, value=2),
)
ALL: Final = (*(kind for kind in KINDS if not kind.itself), *MORE)
"""Every kind; the snapshots' kinds that are nodes without ``as_node`` are no chains."""

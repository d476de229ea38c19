"""The two libraries under one type, so that a graph is a function ``build(lib) -> graph``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The public names of one graph library, imported at first use.

    ``lib.StateGraph`` is the attribute of the first of ``modules`` that has it.
    """

    name: str
    modules: tuple[str, ...]

    def __getattr__(self, attribute: str) -> Any:
        """Return a public name; ``AttributeError`` names the library when it has no such name."""
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        for module in self.modules:
            found = getattr(import_module(module), attribute, None)
            if found is not None:
                return found
        raise AttributeError(f"{self.name} has no {attribute!r}; searched {self.modules}")

    @property
    def installed(self) -> bool:
        """Whether the library can be imported here (the lowest environment has no LangGraph)."""
        return find_spec(self.modules[0].partition(".")[0]) is not None


LANGGRAPH = Library(
    name="langgraph",
    modules=("langgraph.graph", "langgraph.types", "langgraph.config", "langgraph.errors"),
)
OURS = Library(name="lcel_compat", modules=("lcel_compat", "lcel_compat.types"))

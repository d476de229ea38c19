"""A support desk: the sample application, written as plain LCEL, and the same as graphs.

The chain needs langchain-core alone and knows nothing of graphs. Questions about a product go through a
parallel step (search the shipped articles, triage the question as JSON), a formatting step and a
branch with three prompts; the answer streams as `str` chunks.

    from lcel_adapters.desk import build_chain

    build_chain().invoke({"question": "How do I get a refund?"})

`chain` is the application with the default model, `graph` the chain in one node of a graph, and
`step_graph` its parts as nodes; all three can be named on a command line: `lcel_adapters.desk:graph`.
`build_service` is the desk with a memory, a tool and a fallback, in three forms that look alike.
Everything but `QUESTIONS` is imported on first use: importing this package is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from lcel_adapters.desk._articles import load_articles
    from lcel_adapters.desk._chain import Parts, build_chain, build_parts
    from lcel_adapters.desk._graph import build_graph, build_step_graph
    from lcel_adapters.desk._loading import ModelSpecError, load_model
    from lcel_adapters.desk._model import DeskModel
    from lcel_adapters.desk._retriever import HelpCenterRetriever
    from lcel_adapters.desk._service import build_service

    chain: Runnable[dict[str, Any], str]
    graph: Runnable[Any, Any]
    step_graph: Runnable[Any, Any]

__all__ = [
    "QUESTIONS",
    "DeskModel",
    "HelpCenterRetriever",
    "ModelSpecError",
    "Parts",
    "build_chain",
    "build_graph",
    "build_parts",
    "build_service",
    "build_step_graph",
    "chain",
    "graph",
    "load_articles",
    "load_model",
    "step_graph",
]

QUESTIONS = (
    "I was charged twice this month, how do I get my money back?",
    "Can I have a refund for the yearly plan?",
    "What happens to our notebooks when we downgrade the plan?",
    "My notebooks do not sync on the laptop, the icon stays orange.",
    "The API answers with error 429, what does it mean?",
    "The app crashes when it starts, and I have a deadline today!",
    "How can I share a notebook with someone who has no account?",
    "Who gets the notebooks of a member we remove?",
)
"""Sample questions; every branch is reached by at least two of them."""

_HOMES = {
    "DeskModel": "_model",
    "HelpCenterRetriever": "_retriever",
    "ModelSpecError": "_loading",
    "Parts": "_chain",
    "build_chain": "_chain",
    "build_graph": "_graph",
    "build_parts": "_chain",
    "build_service": "_service",
    "build_step_graph": "_graph",
    "load_articles": "_articles",
    "load_model": "_loading",
}


_BUILT = {"chain": "build_chain", "graph": "build_graph", "step_graph": "build_step_graph"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), and build `chain` and the graphs on first use."""
    if name in _BUILT:
        value: Any = __getattr__(_BUILT[name])()
    elif name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

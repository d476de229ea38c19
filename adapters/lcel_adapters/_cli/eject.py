"""`lcel-compat eject`: the Python source of the graph that a chain becomes.

The source builds the graph call by call, as `from_lcel` does, and is meant to be edited from then on. It is laid out as
ruff and black lay out code, with a `decide` comment wherever a person has to choose.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from lcel_adapters._apart import ChainGraph, from_lcel
from lcel_adapters._apart._parts import Leaf, leaves
from lcel_adapters._apart._take import edges
from lcel_adapters._apart._values import Reading
from lcel_adapters._cli._load import CannotRunError, is_factory, load_runnable
from lcel_compat import END, START

_WIDTH: Final = 88


@dataclass(frozen=True, slots=True)
class Group:
    """Something in brackets: a call, a list or a dict; its items may be groups."""

    open: str
    items: Sequence[Code]
    close: str = ")"


Code: TypeAlias = str | tuple[str, "Code"] | Group
"""An expression; a pair is an expression after a prefix, such as a keyword argument."""


def eject(spec: str, *, depth: int | None = None) -> str:
    """The source of the graph that a chain becomes.

    Args:
        spec: The chain, as `MODULE:OBJECT` or `FILE.py:OBJECT`; a function without arguments that makes it, too.
        depth: How far to take it apart; see `from_lcel`.

    Returns:
        A module with `builder`, `graph` and `face`. Imported where `MODULE` can be, its `face` is the chain.

    Raises:
        CannotRunError: If there is no such chain, or it is a graph already.
    """
    chain = load_runnable(spec)
    if hasattr(chain, "builder"):
        raise CannotRunError(f"{spec!r} is a graph already. Name the chain that is to become one.")
    graph = from_lcel(chain, depth=depth)
    return "\n".join([*_head(spec), *_state(graph), *_nodes(graph, depth), *_edges(graph), *_tail()])


def write(source: str, path: Path | None) -> None:
    """Write the source to a new file, or to standard output.

    Raises:
        CannotRunError: If the file is there, since it may have been edited, or cannot be written.
    """
    if path is None:
        print(source, end="")
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(source)
    except FileExistsError as error:
        raise CannotRunError(f"{str(path)!r} is there already. Remove it, or name another --output.") from error
    except OSError as error:
        raise CannotRunError(f"Cannot write {str(path)!r}: {error.strerror or error}.") from error


# The module, part by part ----------------------------------------------------------------------------------


def _head(spec: str) -> Iterator[str]:
    place, _, path = spec.rpartition(":")
    module = Path(place).stem if place.endswith(".py") else place
    name = path.partition(".")[0]
    found = f"{path}()" if is_factory(spec) else path
    yield from (
        f'"""The chain `{module}:{path}` as a graph, as `lcel-compat eject` wrote it.',
        "",
        "`graph` is the graph. `face` is the chain still, for whoever calls it or listens to it.",
        "Comments that begin with `decide` mark what only a person can choose.",
        '"""',
        "",
        "from typing import Any, TypedDict",
        "",
        f"from {module} import {name}",
        "",
        "from lcel_adapters import ChainGraph, as_lcel, as_node",
        "from lcel_compat import END, START",
        "",
    )
    if found != "chain":
        yield from (f"chain = {found}", "")


def _state(graph: ChainGraph) -> Iterator[str]:
    keys = list(graph.channels)
    yield ""
    if all(key.isidentifier() and not keyword.iskeyword(key) for key in keys):
        yield from (
            "class State(TypedDict, total=False):",
            '    """What the nodes read and write."""',
            "",
            "    # decide: the types of what the steps hand on",
            *(f"    {key}: Any" for key in keys),
            "",
        )
    else:
        yield "# decide: the types of what the steps hand on"
        fields = Group("{", [f"{_text(key)}: Any" for key in keys], "}")
        yield from _lines(("State = ", Group("TypedDict(", ['"State"', fields, "total=False"])))
    yield ""


def _nodes(graph: ChainGraph, depth: int | None) -> Iterator[str]:
    how = "" if depth is None else f", depth={depth}"
    yield from (
        "# decide: write each step where its node is added, in place of `steps[...]`; the",
        "# chain is then needed only for the names and tags that its listeners know",
        f"builder = ChainGraph(State, chain{how})",
        "steps = builder.steps",
        "",
    )
    for leaf in leaves(graph.part):
        yield from _node(leaf)
    yield ""


def _node(leaf: Leaf) -> Iterator[str]:
    given: Code = f"builder.inputs[{_text(leaf.name)}]"
    if isinstance(leaf.input, Reading):
        yield f"# decide: `lambda state: {leaf.input.value.source('state')}`, or keep it"
    elif isinstance(leaf.input, dict):
        given = Group("{", [f"{_text(key)}: {_text(source)}" for key, source in leaf.input.items()], "}")
    else:
        given = _text(leaf.input)
    adapted = Group("as_node(", [f"steps[{_text(leaf.name)}]", ("input=", given), f"output={_text(leaf.output)}"])
    yield from _lines(Group("builder.add_node(", [_text(leaf.name), adapted]))


def _edges(graph: ChainGraph) -> Iterator[str]:
    for leaf in leaves(graph.part):
        for start, stream in edges(leaf.after):
            ends: list[Code] = [_start(start), _text(leaf.name), *(["stream=True"] if stream else [])]
            yield from _lines(Group("builder.add_edge(", ends))
    for decision, path in graph.paths.items():
        yield f"# decide: the node {_text(decision)} writes one of {', '.join(map(_text, path.ways))}"
        followed: list[Code] = [_text(decision), f"builder.paths[{_text(decision)}]", _names(path.ends)]
        yield from _lines(Group("builder.add_conditional_edges(", followed))
    for start, _ in edges(graph.ends):
        yield from _lines(Group("builder.add_edge(", [_start(start), "END"]))
    yield ""


def _tail() -> Iterator[str]:
    yield from (
        "# decide: a checkpointer, if the state of a thread is to be kept",
        "graph = builder.compile()",
        "face = as_lcel(graph)",
        "",
    )


# Layout ----------------------------------------------------------------------------------------------------


def _start(start: Any) -> Code:
    if isinstance(start, list):
        return _names(start)
    return {START: "START", END: "END"}.get(start, _text(start))


def _names(names: Sequence[str]) -> Group:
    return Group("[", [_text(name) for name in names], "]")


def _text(text: str) -> str:
    """A string as ruff and black write it."""
    return repr(text) if '"' in text or "\\" in text else '"' + repr(text)[1:-1] + '"'


def _lines(code: Code, indent: str = "", after: str = "") -> Iterator[str]:
    """An expression on one line if it fits, else with each item on a line of its own."""
    flat = f"{indent}{_flat(code)}{after}"
    prefix = ""
    while isinstance(code, tuple):
        prefix, code = prefix + code[0], code[1]
    if len(flat) <= _WIDTH or isinstance(code, str):
        yield flat
        return
    yield f"{indent}{prefix}{code.open}"
    for item in code.items:
        yield from _lines(item, f"{indent}    ", ",")
    yield f"{indent}{code.close}{after}"


def _flat(code: Code) -> str:
    if isinstance(code, str):
        return code
    if isinstance(code, tuple):
        return code[0] + _flat(code[1])
    return code.open + ", ".join(map(_flat, code.items)) + code.close

"""Count the code that stands twice, once for sync and once for async: `twins.py [FOLDER...]`.

A twin is a pair of functions of one scope in one module, `x` and `ax` (or `_x` and `_ax`), of
which the second is async, whose bodies are the same line by line once `async` and `await` are
taken out and the names that begin with an `a` more are read as the sync ones. Docstrings and
bodies of one statement do not count: there is nothing to share in them. A pair counts with the
lines of one body.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
NAME = re.compile(r"^(_*)a(\w+)$")
LAYOUT = {tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A pair of functions that say the same in both colours."""

    path: str
    line: int
    name: str
    lines: int


def twins(path: str, source: str) -> list[Twin]:
    """Return the twins in one module's `source`, in the order of the sync functions."""
    return [
        Twin(path=path, line=sync.lineno, name=sync.name, lines=len(body))
        for scope in _scopes(ast.parse(source))
        for sync, other in _pairs(scope)
        if len(_statements(sync)) > 1 and (body := _same_body(sync, other))
    ]


def _scopes(tree: ast.Module) -> Iterator[Mapping[str, FUNCTION]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | FUNCTION):
            yield {child.name: child for child in node.body if isinstance(child, FUNCTION)}


def _pairs(scope: Mapping[str, FUNCTION]) -> Iterator[tuple[FUNCTION, FUNCTION]]:
    for name, function in scope.items():
        sync = scope.get(sync_name(name))
        if sync is not None and sync is not function and isinstance(function, ast.AsyncFunctionDef):
            yield sync, function


def sync_name(name: str) -> str:
    """Return the sync name of an async one: `ainvoke` is `invoke`, `__aiter__` is `__iter__`."""
    return NAME.sub(r"\1\2", name)


def _statements(function: FUNCTION) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def _same_body(sync: FUNCTION, other: FUNCTION) -> list[str]:
    """Return the lines of the body if both functions have the same, else none."""
    bodies = [ast.unparse(ast.Module(_statements(f), type_ignores=[])) for f in (sync, other)]
    left, right = (_words(body) for body in bodies)
    same = len(left) == len(right) and all(a == b or a == sync_name(b) for a, b in zip(left, right, strict=True))
    return bodies[0].splitlines() if same else []


def _words(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    words = ("\n" if token.type in LAYOUT else token.string for token in tokens)
    # Parentheses go too: `(await x).y` is `x.y`.
    return [word for word in words if word not in {"async", "await", "(", ")", "\n"}]


def all_twins(folders: list[Path]) -> list[Twin]:
    """Return the twins of every module below `folders`, most lines first."""
    found = (
        twin
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        for twin in twins(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    )
    return sorted(found, key=lambda twin: -twin.lines)


def main() -> None:
    """Print a table of the twins and the sum of their lines."""
    folders = [Path(arg).resolve() for arg in sys.argv[1:]] or [ROOT / "compat", ROOT / "adapters"]
    found = all_twins(folders)
    for twin in found:
        print(f"{twin.lines:4}  {twin.path}:{twin.line}  {twin.name}")
    print(f"{sum(twin.lines for twin in found):4}  lines in {len(found)} sync/async twins")


if __name__ == "__main__":
    main()

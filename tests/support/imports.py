"""What a module imports, read from its source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def imported_at_module_level(tree: ast.Module, package: str = "") -> list[str]:
    """Return the dotted names that importing the module imports, in order.

    ``from a import b`` gives ``a`` and ``a.b``, since ``b`` may be a module; relative imports are
    made absolute with ``package``. What stands in a function, or under ``if TYPE_CHECKING``, is
    not imported then and is left out.
    """
    return [name for node in _executed(tree) for name in imported_by(node, package)]


def imported_anywhere(tree: ast.Module, package: str = "") -> list[str]:
    """Return the dotted names that any import statement of the module names."""
    return [name for node in ast.walk(tree) for name in imported_by(node, package)]


def imported_by(node: ast.AST, package: str = "") -> Iterator[str]:
    """Yield the dotted names that one import statement names; none for any other node."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = _absolute(node, package)
        yield module
        yield from (f"{module}.{alias.name}" for alias in node.names)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    base = parents[: len(parents) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _executed(ast.Module(body=child.orelse, type_ignores=[]))
            continue
        yield child
        yield from _executed(child)

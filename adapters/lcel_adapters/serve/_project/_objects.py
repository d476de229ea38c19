"""Objects of a project's code, by ``FILE.py:OBJECT`` or ``MODULE:OBJECT``.

A file is imported once, whatever names it, and under the name that the project's own imports would give it: else a
class would be there twice, and a checkpoint written with the one be read as the other.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from hashlib import sha256
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from lcel_adapters._cli import _load
from lcel_adapters.serve._project._errors import ProjectError
from lcel_adapters.serve._project._surroundings import add_to_path

FORM = "write FILE.py:OBJECT or MODULE:OBJECT"


def load_object(spec: str, base: Path) -> Any:
    """The object that a specification names; files are looked for in ``base``.

    Raises:
        CannotRunError: The module cannot be imported, or has no such object.
    """
    place, colon, name = spec.rpartition(":")
    if not (place and colon and name):
        raise ProjectError(f"{spec!r} names no object: {FORM}.")
    add_to_path(base)
    is_file = place.endswith(".py") or "/" in place
    module = _from_file((base / place).resolve()) if is_file else _by_name(place)
    return _load.find(spec, module, name)


def _by_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise _failed(name, error) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ProjectError(f"there is no file {str(path)!r}.")
    for module in [*sys.modules.values()]:
        if getattr(module, "__dict__", {}).get("__file__") == str(path):
            return module
    name = _name(path)
    # What a file imports from beside it is found, as when it is run.
    add_to_path(path.parent)
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ProjectError(f"{str(path)!r} is no Python file.")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failed(str(path), error) from error
    return module


def _name(path: Path) -> str:
    """The name under which ``import`` would find a file; one of its own, where that finds another."""
    root = _root(path)
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
    add_to_path(root)
    name = ".".join(parts)
    if all(map(str.isidentifier, parts)) and name not in sys.modules and _leads_to(root, parts[0]):
        return name
    return f"{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"


def _root(path: Path) -> Path:
    """The folder that a file's package is imported from; of a file in no package, the nearest that is on the path."""
    folder = path.parent
    if (folder / "__init__.py").is_file():
        while (folder / "__init__.py").is_file():
            folder = folder.parent
        return folder
    known = {Path(entry).resolve() for entry in sys.path if entry}
    return next((parent for parent in path.parents if parent in known), folder)


def _leads_to(root: Path, top: str) -> bool:
    """Whether ``import`` of a module or package finds the one in this folder."""
    importlib.invalidate_caches()
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    places = {*(spec.submodule_search_locations or ()), spec.origin or ""}
    return not {root / top, root / f"{top}.py"}.isdisjoint(Path(place).resolve() for place in places)


def _failed(place: str, error: Exception) -> _load.CannotRunError:
    if isinstance(error, _load.CannotRunError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return ProjectError(_load.not_found(place, error))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(("<", __file__))]
    where = f", at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return ProjectError(f"{place!r} failed while it was imported: {type(error).__name__}: {error}{where}.")

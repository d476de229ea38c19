"""What a project's code needs around it: variables, folders to import from, distributions."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from lcel_adapters.serve._project._errors import ProjectError


def set_variables(path: Path, env: str | Mapping[str, str]) -> tuple[str, ...]:
    """Set the environment's variables; what the project says takes the place of what was there.

    That is what ``langgraph dev`` does (langgraph-api 0.16.7, ``cli.py``; measured). A file that is missing is warned
    of, and no more: its variables are often set otherwise.

    Returns:
        What should be said of it.

    Raises:
        ProjectError: The file cannot be read, or nothing is there to read it.
    """
    if not isinstance(env, Mapping):
        file = path.parent / env
        if not file.is_file():
            return (f"{path}: env: there is no file {env!r}; no variable was set.",)
        env = _variables(path, file)
    os.environ.update(env)
    return ()


def _variables(path: Path, file: Path) -> dict[str, str]:
    try:
        from dotenv import dotenv_values
    except ModuleNotFoundError as error:
        raise ProjectError(
            f'{path}: env: reading a file needs python-dotenv, which is not installed: pip install "lcel-compat[serve]"'
        ) from error
    try:
        return {name: value for name, value in dotenv_values(file).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path}: env: {str(file)!r} cannot be read: {error}.") from error


def add_folders(path: Path, dependencies: Iterable[str]) -> None:
    """Let modules be imported from the project's folder and from the folders among its dependencies, after all others.

    Raises:
        ProjectError: There is no such folder.
    """
    add_to_path(path.parent)
    for dependency in dependencies:
        if not is_folder(path.parent, dependency):
            continue
        folder = (path.parent / dependency).resolve()
        if not folder.is_dir():
            raise ProjectError(f"{path}: dependencies: there is no folder {dependency!r} in {str(path.parent)!r}.")
        add_to_path(folder)
        if (folder / "pyproject.toml").is_file() and (folder / "src").is_dir():
            # Where installing the project for development would let it be imported from.
            add_to_path(folder / "src")


def add_to_path(folder: Path) -> None:
    """Let modules be imported from a folder, after all others."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def check_distributions(path: Path, dependencies: Iterable[str]) -> Iterator[str]:
    """Look whether what a project depends on is installed; what is there in another version is warned of.

    Raises:
        ProjectError: Something is not.
    """
    for dependency in dependencies:
        if is_folder(path.parent, dependency) or dependency.startswith("git+"):
            continue
        if warning := _check_distribution(path, dependency):
            yield warning


def is_folder(base: Path, dependency: str) -> bool:
    """Whether a dependency names a folder; the others name what is installed."""
    return dependency.startswith(".") or Path(dependency).is_absolute() or (base / dependency).is_dir()


def _check_distribution(path: Path, dependency: str) -> str | None:
    try:
        requirement = Requirement(dependency)
    except InvalidRequirement as error:
        raise ProjectError(
            f"{path}: dependencies: {dependency!r} is neither a folder nor a requirement: write '.' or 'name>=1'."
        ) from error
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    try:
        found = version(requirement.name)
    except PackageNotFoundError as error:
        if _is_importable(requirement.name):
            return None
        raise ProjectError(
            f"{path}: dependencies: {requirement.name!r} is not installed in {sys.prefix!r}: pip install {dependency!r}"
        ) from error
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{path}: dependencies: {dependency!r} is asked for, but {found} is installed."


def _is_importable(name: str) -> bool:
    try:
        return find_spec(name.replace("-", "_")) is not None
    except (ImportError, ValueError):
        return False

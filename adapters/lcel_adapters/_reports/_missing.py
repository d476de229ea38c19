"""What to say when an optional package is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs(package: str) -> Iterator[None]:
    """Import ``package`` inside; its absence says the install line.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'this report needs {package}, which is not installed: pip install "lcel-compat[cli]"', name=error.name
        ) from error

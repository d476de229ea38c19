"""Check that the wheel and the source archive in `dist/` hold what an installation needs."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE_ROOTS = ("compat", "adapters")


def shipped() -> set[str]:
    """Return every file of the two packages, as its path below its source root."""
    return {
        path.relative_to(ROOT / root).as_posix()
        for root in SOURCE_ROOTS
        for path in (ROOT / root).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def missing(expected: Iterable[str], archive: Iterable[str]) -> list[str]:
    """Return the `expected` paths that no name in `archive` ends in."""
    names = tuple(archive)
    return sorted(path for path in expected if not any(n.endswith("/" + path) for n in names))


def contents(archive: Path) -> list[str]:
    """Return the names in a wheel or a `.tar.gz`, each behind a slash."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return ["/" + name for name in wheel.namelist()]
    with tarfile.open(archive) as source:
        return ["/" + name for name in source.getnames()]


def main() -> int:
    """Print what each archive lacks; return 1 if anything is missing."""
    archives = sorted((ROOT / "dist").iterdir())
    lacking = {archive.name: missing(shipped(), contents(archive)) for archive in archives}
    for name, paths in lacking.items():
        print(f"{name}: {'complete' if not paths else 'lacks ' + ', '.join(paths)}")
    return 1 if len(archives) != 2 or any(lacking.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

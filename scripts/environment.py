"""Make or refresh an environment of the project: `environment.py FOLDER [--lowest] EXTRA...`.

Nothing is installed while the folder's stamp still tells what pyproject.toml asks for. A lock
beside the folder lets one process at a time install, so that `make demo` and `make test` may run
at once. With `--lowest`, every `>=` bound of the dependencies and of the extras named is pinned.
Needs nothing but Python's own library.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
LOWER_BOUND = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?>=([0-9][0-9.]*)")


def lowest(project: dict[str, object], extras: Sequence[str]) -> list[str]:
    """Return `name==version` for each lower bound of the dependencies and of the `extras`."""
    return sorted(
        f"{bound[1]}=={bound[2]}"
        for requirement in _requirements(project, extras)
        if (bound := LOWER_BOUND.match(requirement))
    )


def _requirements(project: dict[str, object], extras: Sequence[str]) -> Iterator[str]:
    dependencies, optional = project["dependencies"], project["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(optional, dict)
    yield from dependencies
    for extra in extras:
        yield from optional[extra]


def fingerprint(arguments: Sequence[str]) -> str:
    """Return what an environment depends on, as one digest: requirements, place, interpreter."""
    parts = [(ROOT / "pyproject.toml").read_text("utf-8"), str(ROOT), sys.version, *arguments]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@contextlib.contextmanager
def locked(file: IO[str]) -> Iterator[None]:
    """Hold `file` exclusively; where the system has no such locks, hold nothing."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    yield


def install(folder: Path, arguments: Sequence[str]) -> None:
    """Create the environment in `folder` where there is none, and install `arguments` into it."""
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "-qq", *arguments], check=True, cwd=ROOT)


def refresh(folder: Path, arguments: Sequence[str]) -> None:
    """Install `arguments` into `folder` unless its stamp says that they already are."""
    stamp, wanted = folder / ".stamp", fingerprint(arguments)
    with folder.with_name(folder.name + ".lock").open("w") as file, locked(file):
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"installing into {folder.name}", flush=True)
            install(folder, arguments)
        stamp.write_text(wanted)


def main() -> None:
    """Read the command line and refresh the environment that it names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("extras", nargs="*")
    parser.add_argument("--lowest", action="store_true")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    own = [extra for extra in options.extras if extra != "dev"]  # tools are always the newest
    pins = lowest(project, own) if options.lowest else []
    refresh(ROOT / options.folder, ["--editable", f".[{','.join(options.extras)}]", *pins])


if __name__ == "__main__":
    main()

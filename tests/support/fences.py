"""Run the fences of a markdown page the way a reader would: in order, in one place.

What a fence is for is the first word behind its three backticks:

- ``python``: executed in the page's one namespace; ``await`` may stand at the top level.
  ``python file=app.py`` is also written to that file, so that commands can name it.
- ``bash``: run as one script. ``console``: each line behind ``$`` is run.
- ``json`` and ``toml``: parsed. ``text``: what the fence before it must have printed (``console``
  holds that itself, below the command); ``...`` stands for anything.

Commands find the environment's programs and run in a folder of the page's own. ``make TARGET`` and
``pip install`` would install or run this very suite, so they are checked instead: the target must
be in the Makefile, the extras in pyproject.toml. A fence that needs LangGraph says so, as in
``python langgraph`` (its output is ``text langgraph``), and is left out where that is not installed.
Anything else must say why it is not run, in a comment just before the fence: ``<!-- skip: the reason -->``.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
SKIP = re.compile(r"<!--\s*skip:\s*(?P<reason>\S.*?)\s*-->\s*\Z", re.DOTALL)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
INSTALLED = re.compile(r"^lcel-compat(?:\[([a-z,]+)\])?(?:[<>=!~].*)?$")
TIMEOUT = 120.0


class FenceError(AssertionError):
    """A fence does not do what its page says; the message names page and line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fence: the words behind its backticks, its text, where it starts, why it is not run."""

    info: tuple[str, ...]
    code: str
    line: int
    skip: str | None

    @property
    def language(self) -> str:
        """The first word behind the backticks, ``""`` where there is none."""
        return self.info[0] if self.info else ""

    @property
    def file(self) -> str | None:
        """The file that ``file=NAME`` asks for."""
        named = (word.removeprefix("file=") for word in self.info if word.startswith("file="))
        return next(named, None)

    @property
    def runs_here(self) -> bool:
        """Whether the fence is to be run, and what it needs is installed."""
        return self.skip is None and ("langgraph" not in self.info or find_spec("langgraph.graph") is not None)


def fences(text: str) -> list[Fence]:
    """Return the fences of a page in order; ``line`` is that of the first line of code."""
    return [
        Fence(
            info=tuple(match["info"].split()),
            code=match["code"],
            line=text.count("\n", 0, match.start("code")) + 1,
            skip=reason["reason"] if (reason := SKIP.search(text[: match.start()])) else None,
        )
        for match in FENCE.finditer(text)
    ]


@dataclass(kw_only=True)
class Page:
    """A page while it is run: its namespace, its folder, and what the fence before printed."""

    name: str
    folder: Path
    module: ModuleType = field(default_factory=lambda: ModuleType("page"))
    printed: str | None = None

    def run(self, text: str) -> int:
        """Run every fence of ``text``; return how many were run.

        Raises:
            FenceError: at the first fence that fails.
        """
        due = [fence for fence in fences(text) if fence.runs_here]
        with _importable(self.module, self.folder), contextlib.chdir(self.folder):
            for fence in due:
                self._run(fence)
        return len(due)

    def _run(self, fence: Fence) -> None:
        runners = {
            "python": self._python,
            "bash": self._bash,
            "console": self._console,
            "json": lambda f: json.loads(f.code),
            "toml": lambda f: tomllib.loads(f.code),
            "text": self._text,
        }
        if fence.language not in runners:
            raise FenceError(
                f"{self.name}:{fence.line}: nothing runs a fence in {fence.language!r}; "
                f"use one of {', '.join(runners)}, or say why in <!-- skip: ... --> before it"
            )
        try:
            runners[fence.language](fence)
        except Exception as error:
            raise FenceError(f"{self.name}:{fence.line}: {type(error).__name__}: {error}") from error

    def _python(self, fence: Fence) -> None:
        if fence.file:
            Path(fence.file).write_text(fence.code, "utf-8")
        # As many empty lines before the code as the page has: a traceback shows the page's lines.
        source = "\n" * (fence.line - 1) + fence.code
        code = compile(source, self.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            result = eval(code, self.module.__dict__)
            if inspect.iscoroutine(result):
                asyncio.run(result)
        self.printed = out.getvalue()

    def _bash(self, fence: Fence) -> None:
        lines = fence.code.replace("\\\n", "").splitlines()
        script = "\n".join(line for line in lines if not checked_only(line))
        self.printed = shell(script) if script.strip() else ""

    def _console(self, fence: Fence) -> None:
        for command, expected in commands(fence.code):
            if not checked_only(command):
                require_output(expected, shell(command))
        self.printed = None

    def _text(self, fence: Fence) -> None:
        if self.printed is None:
            raise FenceError("a text fence shows what the fence before it printed; there is none")
        require_output(fence.code, self.printed)


@contextlib.contextmanager
def _importable(module: ModuleType, folder: Path) -> Iterator[None]:
    """Let type hints and imports of the page be resolved, and leave no module of it behind."""
    before = set(sys.modules)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "").parent == folder:
                del sys.modules[name]
        sys.modules.pop(module.__name__, None)


def commands(code: str) -> list[tuple[str, str]]:
    """Return the commands of a console fence, each with the output shown below it."""
    parts = re.split(r"^\$ ", code.replace("\\\n", ""), flags=re.MULTILINE)
    if parts[0].strip():
        raise FenceError("a console fence begins with a command behind '$ '")
    return [(head, rest) for head, _, rest in (part.partition("\n") for part in parts[1:])]


def checked_only(command: str) -> bool:
    """Check a ``make`` or ``pip install`` command, and return whether it was one.

    Raises:
        FenceError: the target or the extra does not exist.
    """
    words = shlex.split(command, comments=True)
    if words[:1] == ["make"]:
        _check_targets([w for w in words[1:] if "=" not in w and not w.startswith("-")])
        return True
    if "pip" in words[:3] and "install" in words:
        _check_installed([w for w in words[words.index("install") + 1 :] if "lcel" in w])
        return True
    return False


def _check_targets(targets: list[str]) -> None:
    known = set(TARGET.findall((ROOT / "Makefile").read_text("utf-8")))
    if unknown := [target for target in targets if target not in known]:
        raise FenceError(f"the Makefile has no target {unknown}; it has {sorted(known)}")


def _check_installed(requirements: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for requirement in requirements:
        match = INSTALLED.match(requirement)
        if match is None:
            raise FenceError(f"{requirement!r} is not {project['name']!r}")
        wanted = set(filter(None, (match[1] or "").split(",")))
        if unknown := wanted - set(project["optional-dependencies"]):
            raise FenceError(f"{requirement!r}: there is no extra {sorted(unknown)}")


def shell(script: str) -> str:
    """Run ``script`` in bash, where every command must succeed, and return what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise FenceError(f"exit {done.returncode} of {script!r}\n{done.stdout}{done.stderr}")
    return done.stdout


def environment() -> dict[str, str]:
    """Return this process's environment, with its own programs and both packages found first."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    packages = os.pathsep.join(str(ROOT / root) for root in ("compat", "adapters"))
    return os.environ | {"PATH": programs, "PYTHONPATH": packages, "COLUMNS": "100"}


def require_output(expected: str, printed: str) -> None:
    """Require ``printed`` to be what the page shows; nothing shown means that anything will do."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if expected.strip() and not doctest.OutputChecker().check_output(expected, printed, flags):
        raise FenceError(f"the page shows\n{expected}\nbut this was printed\n{printed}")

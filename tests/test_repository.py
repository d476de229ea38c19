"""Promises about the repository itself: its layers, its imports, its size, what it does not say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from scripts.twins import Twin, all_twins, twins
from tests.support.fences import environment
from tests.support.imports import imported_anywhere, imported_at_module_level

ROOT = Path(__file__).parents[1]
SOURCE_ROOTS = (ROOT / "compat", ROOT / "adapters")
BOUNDARY = "lcel_compat._core"

PUBLIC = {
    "lcel_compat": [
        "END",
        "START",
        "CachePolicy",
        "Command",
        "CompiledStateGraph",
        "Interrupt",
        "MessagesState",
        "Overwrite",
        "RetryPolicy",
        "Runtime",
        "Send",
        "StateGraph",
        "StateSnapshot",
        "StreamMode",
        "StreamWriter",
        "TimeoutPolicy",
        "add_messages",
        "get_config",
        "get_runtime",
        "get_store",
        "get_stream_writer",
        "interrupt",
    ],
    "lcel_compat.compare": [
        "Comparison",
        "ComparisonError",
        "Contract",
        "ContractError",
        "Finding",
        "FindingKind",
        "Noise",
        "Observation",
        "Read",
        "Severity",
        "Spread",
        "Timing",
        "UncopyableInputError",
        "Verdict",
        "acompare",
        "compare",
        "compare_events",
        "compare_recordings",
        "explain",
        "observe",
    ],
    "lcel_compat.events": [
        "REDACTOR",
        "JsonValue",
        "RecordedRun",
        "Recording",
        "RecordingError",
        "RecordingWriter",
        "Redactor",
        "RunReader",
        "RunWriter",
        "arecord",
        "iter_runs",
        "load",
        "record",
        "to_json",
        "to_jsonable",
    ],
    "lcel_compat.replay": [
        "Cassette",
        "MissingCallError",
        "ReplayError",
        "ReplayedError",
        "replay",
        "rewind",
    ],
    "lcel_adapters": [
        "ChainGraph",
        "FaceError",
        "FaceInterruptError",
        "LegacyFace",
        "RunnableNode",
        "as_lcel",
        "as_node",
        "from_lcel",
        "to_langgraph",
    ],
}
"""The names that each package exports; a name is added here on purpose or not at all."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module of one of the two packages, parsed."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package that its relative imports start from."""
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]


def _module(root: Path, path: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path, ast.parse(path.read_text("utf-8")))


MODULES = [_module(root, path) for root in SOURCE_ROOTS for path in sorted(root.rglob("*.py"))]


def cycle_in(modules: list[Module]) -> list[str]:
    """Return the modules of one cycle of imports at module level, none if there is none."""
    names = {module.name for module in modules}
    imports = {
        module.name: {
            name for name in imported_at_module_level(module.tree, module.package) if name in names - {module.name}
        }
        for module in modules
    }
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """The packages' modules can be read in one order, in which each needs only earlier ones."""
    assert cycle_in(MODULES) == []


def test_a_cycle_would_be_found() -> None:
    """Two modules that import each other are named; an import inside a function does not count."""
    a = Module("p.a", Path("p/a.py"), ast.parse("from p import b"))
    b = Module("p.b", Path("p/b.py"), ast.parse("try:\n    from .a import x\nexcept OSError: ..."))
    late = Module("p.b", Path("p/b.py"), ast.parse("def f():\n    from .a import x"))
    assert sorted(set(cycle_in([a, b]))) == ["p.a", "p.b"]
    assert cycle_in([a, late]) == []


def _importers(*packages: str, late: bool = True) -> list[str]:
    """Return `module: imported` for each import of `packages`; `late` counts those in functions."""
    imports = imported_anywhere if late else imported_at_module_level
    return [
        f"{module.name}: {name}"
        for module in MODULES
        for name in imports(module.tree, module.package)
        if any(name == package or name.startswith(package + ".") for package in packages)
    ]


def test_the_engine_does_not_know_the_adapters() -> None:
    """`lcel_compat` never imports `lcel_adapters`, not even inside a function."""
    assert [line for line in _importers("lcel_adapters") if line.startswith("lcel_compat")] == []


def test_langgraph_is_imported_only_where_it_is_used() -> None:
    """At module level only what comes with langgraph-checkpoint may be imported."""
    allowed = re.compile(r": langgraph\.(cache|checkpoint|store)\b")
    lines = [line for line in _importers("langgraph", late=False) if not allowed.search(line)]
    assert [line for line in lines if not line.endswith(": langgraph")] == []


LATE = ["httpx", "langgraph", "langgraph.checkpoint", "pygments", "rich", "starlette", "typer"]


@pytest.mark.parametrize("use", ["lcel_compat; lcel_compat.StateGraph", "lcel_adapters"])
def test_an_import_brings_nothing_that_it_does_not_need(use: str) -> None:
    """A fresh process that imports a package has loaded no saver, no command line, no client."""
    plain = "import langchain_core.runnables"
    new = _modules_after(f"import {use}") - _modules_after(plain)
    assert sorted(new & set(LATE)) == []


def _modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("package", PUBLIC)
def test_exported_names_are_pinned(package: str) -> None:
    """`__all__` is the pinned list, sorted as ruff sorts it, and every name in it is there."""
    module = import_module(package)
    assert list(module.__all__) == PUBLIC[package]
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def private_uses(tree: ast.Module) -> list[str]:
    """Return the private names of langchain-core that a module imports or reads."""
    names = [name for name in imported_anywhere(tree) if name.startswith("langchain_core.")]
    private = [name for name in names if re.search(r"\.(_[^_]|var_child_runnable_config$)", name)]
    attributes = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return private + [name for name in attributes if name == "steps__"]


def test_private_names_of_core_live_in_one_module() -> None:
    """What langchain-core may move without notice is touched in `lcel_compat._core` alone."""
    uses = {m.name: private_uses(m.tree) for m in MODULES if m.name != BOUNDARY}
    assert {name: found for name, found in uses.items() if found} == {}


def test_a_private_name_would_be_found() -> None:
    """Private modules, private names, the context variable and `steps__` all count."""
    source = """
from langchain_core.tracers._streaming import StreamingHandler
from langchain_core.runnables.base import _seq
from langchain_core.runnables.config import var_child_runnable_config, RunnableConfig
parallel.steps__
"""
    assert private_uses(ast.parse(source)) == [
        "langchain_core.tracers._streaming",
        "langchain_core.tracers._streaming.StreamingHandler",
        "langchain_core.runnables.base._seq",
        "langchain_core.runnables.config.var_child_runnable_config",
        "steps__",
    ]


def tracked() -> list[Path]:
    """Return the files that are, or are about to be, in the repository."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout: nothing says which files are the repository's")
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def long_functions(source: str, limit: int) -> Iterator[tuple[str, int]]:
    """Yield name and length of every function over `limit` lines, its docstring left out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node, clean=False)
            docstring = doc.count("\n") + 1 if doc is not None else 0
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring
            if lines > limit:
                yield node.name, lines


def test_no_function_is_over_100_lines() -> None:
    """A function can be read on one screen or two; docstrings do not count."""
    found = [
        (path.relative_to(ROOT).as_posix(), *function)
        for path in tracked()
        if path.suffix == ".py"
        for function in long_functions(path.read_text("utf-8"), 100)
    ]
    assert found == []


def test_a_long_function_would_be_found() -> None:
    """Lines are counted from `def` to the last one, without the docstring."""
    source = 'def f():\n    """One\n    two."""\n    x = 1\n    return x\n'
    assert list(long_functions(source, 2)) == [("f", 3)]
    assert list(long_functions(source, 3)) == []


HOME = re.compile(r"(?<![\w.:/~-])/(?:home|root|Users|opt|work|mnt)/\w")
HOST = re.compile(r"https?://(?:[^/\s@]*@)?([A-Za-z0-9.-]+)")
RESERVED = re.compile(r"^(127\.0\.0\.1|example\.(com|org|net))$|\.example(\.(com|org))?$|^[^.]*$")
PUBLIC_HOSTS = {
    "docs.langchain.com",
    "docs.pytest.org",
    "github.com",
    "keepachangelog.com",
    "python.langchain.com",
    "semver.org",
    "www.w3.org",
}
"""Sites that pages may link to. A registry is none of them: what installs from where is local."""


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _named(text: str) -> list[str]:
    """Return the absolute paths of a machine and the hosts nobody allowed that `text` names."""
    hosts = {host.rstrip(".") for host in HOST.findall(text)} - PUBLIC_HOSTS
    return HOME.findall(text) + sorted(host for host in hosts if not RESERVED.search(host))


def test_no_file_names_a_machine_or_a_registry() -> None:
    """What is committed works elsewhere: no absolute path of a machine, no host but known sites."""
    found = {path.relative_to(ROOT).as_posix(): _named(_text(path)) for path in tracked()}
    assert {name: names for name, names in found.items() if names} == {}


def test_a_machine_or_a_registry_would_be_found() -> None:
    """A home folder and any unknown host are found; local and reserved hosts and routes are not."""
    home, host = "/".join(["", "home", "me"]), "://".join(["https", "u:p@packages.internal.net"])
    assert len(_named(f"{home}/x and {host}/simple")) == 2
    harmless = "http://localhost:80 https://desk.example/home/x api/root/x https://github.com/a"
    assert _named(harmless) == []


def test_no_lock_file_is_committed() -> None:
    """Lock files carry registry addresses; bounds live in pyproject.toml alone."""
    locks = {"uv.lock", "poetry.lock", "Pipfile.lock", "package-lock.json", "pdm.lock"}
    assert [path.name for path in tracked() if path.name in locks] == []


def test_both_packages_are_typed() -> None:
    """Both packages carry the marker by which type checkers read their annotations."""
    names = [path.name for root in SOURCE_ROOTS for path in root.iterdir() if path.name[0] != "."]
    assert sorted(names) == ["lcel_adapters", "lcel_compat"]
    assert all((root / f"lcel_{root.name}" / "py.typed").is_file() for root in SOURCE_ROOTS)


def test_the_lowest_environment_pins_every_dependency() -> None:
    """Every dependency has a lower bound, so that the lowest environment really is the lowest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["cli"]]
    assert [r for r in requirements if not re.match(r"[a-z0-9-]+>=[0-9]", r)] == []


def test_sync_and_async_share_their_code() -> None:
    """Fewer than 50 lines of the packages stand twice, once with `await` and once without."""
    found = all_twins(list(SOURCE_ROOTS))
    assert sum(twin.lines for twin in found) < 50, found


def test_a_twin_would_be_counted() -> None:
    """A pair alike but for its colour counts; one statement does not, nor a pair that differs."""
    source = """
class C:
    def run(self, args):
        "Doc."
        x = self.source.read(args)
        with self.open() as f:
            return f.write(x)
    async def arun(self, args):
        x = (await self.source.aread(args))
        async with self.aopen() as f:
            return await f.write(x)
    def one(self): return 1
    async def aone(self): return 1
    def _other(self):
        x = 1
        return x
    async def _aother(self):
        x = 2
        return x
"""
    assert twins("c.py", source) == [Twin(path="c.py", line=3, name="run", lines=3)]

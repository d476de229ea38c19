"""`langgraph.json`: what it says, what is wrong with it, and what it names."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from lcel_adapters._cli._load import CannotRunError
from lcel_adapters.serve._project import (
    Factory,
    Project,
    ProjectError,
    ServerRuntime,
    load_graph,
    load_named,
    serve_object,
)
from lcel_adapters.serve._project._model import HOSTED, UNSUPPORTED, Config
from lcel_compat.compiled import CompiledStateGraph

AGENT = """
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig, RunnableLambda
from typing_extensions import TypedDict

from lcel_compat import END, START, StateGraph

LOADED = []
LOADED.append(__name__)


class State(TypedDict):
    n: int


def add(state):
    return {"n": state["n"] + 1}


builder = StateGraph(State).add_node("add", add).add_edge(START, "add").add_edge("add", END)
graph = builder.compile()
double = RunnableLambda(lambda n: n * 2, name="double")
number = 3
opened = []


def plain():
    return builder


async def later():
    opened.append("later")
    return graph


def promised():
    return later()


@asynccontextmanager
async def held():
    opened.append("open")
    yield graph
    opened.append("closed")


@contextmanager
def held_plainly(config):
    opened.append(config["configurable"])
    yield builder
    opened.append("closed")


def configured(settings: RunnableConfig, size=5):
    opened.append((settings, size))
    return graph


def only(anything):
    opened.append(anything)
    return graph


async def both(config, runtime: "ServerRuntime[Context]"):
    opened.append((config, runtime))
    return graph


def told(runtime):
    opened.append(runtime.ensure_user())
    return graph


def strange(model, size):
    return graph


def broken():
    raise OSError("no licence")


def useless():
    return 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with `agent.py`; what a project does to the process is undone afterwards."""
    (tmp_path / "agent.py").write_text(AGENT, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path])
    variables, modules = dict(os.environ), set(sys.modules)
    yield tmp_path
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def _write(folder: Path, content: Any) -> Path:
    path = folder / "langgraph.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def _project(folder: Path, **content: Any) -> Project:
    return Project.read(_write(folder, {"graphs": {"agent": "./agent.py:graph"}, **content}))


def _refused(folder: Path, content: Any) -> str:
    path = _write(folder, content)
    with pytest.raises(ProjectError) as refused:
        Project.read(path)
    return str(refused.value).replace(str(path), "FILE")


# The file ------------------------------------------------------------------------------------------


def test_a_project_names_what_is_served(folder: Path) -> None:
    """Graphs are served under their names, with their descriptions, from files and from modules."""
    project = _project(
        folder,
        graphs={
            "ours": "./agent.py:graph",
            "built": {"path": "agent.py:builder", "description": "Counts."},
            "chain": "agent:double",
        },
    )
    project.prepare()
    ours, built, chain = project.graphs()
    assert (ours.name, ours.description, built.name, built.description) == ("ours", None, "built", "Counts.")
    assert isinstance(ours.target, CompiledStateGraph)
    assert isinstance(built.target, CompiledStateGraph)
    assert built.target.name == "built"
    assert isinstance(chain.target, RunnableLambda)
    assert (ours.target.invoke({"n": 1}), chain.target.invoke(2)) == ({"n": 2}, 4)
    assert (project.auth(), project.app(), project.warnings) == (None, None, ())


@pytest.mark.langgraph
def test_a_project_serves_langgraphs_graphs(folder: Path) -> None:
    """A graph of LangGraph's, and a builder of one, are served as they are."""
    (folder / "theirs.py").write_text(AGENT.replace("from lcel_compat", "from langgraph.graph"), encoding="utf-8")
    graphs = _project(folder, graphs={"a": "theirs.py:graph", "b": "theirs.py:builder"}).graphs()
    assert [type(served.target).__module__.partition(".")[0] for served in graphs] == ["langgraph", "langgraph"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "FILE: it is no JSON: Expecting property name enclosed in double quotes, line 1, column 2."),
        ("[]", """FILE: it holds no object. Write {"graphs": {"agent": "./agent.py:graph"}}"""),
        ({}, """FILE: graphs: there is none. Write {"graphs": {"agent": "./agent.py:graph"}}"""),
        ({"graphs": {}}, """FILE: graphs: there is none. Write {"graphs": {"agent": "./agent.py:graph"}}"""),
        ({"graphs": []}, "FILE: graphs: it should be a valid dictionary, not []."),
        (
            {"graphs": {"a": 5}},
            'FILE: graphs.a: it is neither "FILE.py:OBJECT" nor {"path": "FILE.py:OBJECT"}.',
        ),
        ({"graphs": {"a": {"description": "x"}}}, "FILE: graphs.a.path: it is missing."),
        (
            {"graphs": {"a/b": "m:o"}},
            "FILE: graphs.a/b: a name that clients can say is needed, without a slash.",
        ),
        (
            {"graphs": {"a": "./src/agent.ts:graph"}},
            "FILE: graphs.a: './src/agent.ts:graph' is no Python. Only graphs in Python can be served.",
        ),
        ({"graphs": {"a": "m:o"}, "dependencies": "."}, 'FILE: dependencies: it should be a valid list, not ".".'),
        (
            {"graphs": {"a": "m:o"}, "env": {"A": 5}},
            """FILE: env: the variable 'A' is no text: write {"A": "..."}.""",
        ),
        ({"graphs": {"a": "m:o"}, "env": {"A=B": "5"}}, "FILE: env: a variable cannot be called 'A=B'."),
        (
            {"graphs": {"a": "m:o"}, "env": 5},
            "FILE: env: it is neither the name of a file nor an object of variables.",
        ),
        ({"graphs": {"a": "m:o"}, "auth": {}}, "FILE: auth.path: it is missing."),
        (
            {"graphs": {"a": "m:o"}, "http": {"mount_prefix": "api"}},
            "FILE: http.mount_prefix: it begins with no slash: write '/api'.",
        ),
        (
            {"graphs": {"a": "m:o"}, "http": {"cors": {"allow_origin_regex": "("}}},
            "FILE: http.cors.allow_origin_regex: it is no regular expression: missing ), unterminated subpattern at"
            " position 0.",
        ),
        (
            {"graphs": {"a": "m:o"}, "http": {"disable_store": "maybe"}},
            'FILE: http.disable_store: it should be a valid boolean, unable to interpret input, not "maybe".',
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_key_and_remedy(folder: Path, content: Any, message: str) -> None:
    """A mistake is named by the file and the key it stands at."""
    assert _refused(folder, content) == message


def test_a_file_that_is_not_there_is_to_be_written(folder: Path) -> None:
    """Without a file, the message says what to write."""
    with pytest.raises(
        ProjectError, match=r"""no file '.*none\.json'. Write it: {"graphs": {"agent": "./agent\.py:gr"""
    ):
        Project.read(folder / "none.json")
    (folder / "latin.json").write_bytes("{é}".encode("latin-1"))
    with pytest.raises(ProjectError, match=r"latin\.json: it is no UTF-8 text"):
        Project.read(folder / "latin.json")
    with pytest.raises(ProjectError, match="it cannot be read: Is a directory"):
        Project.read(folder)


@pytest.mark.parametrize("key", sorted(UNSUPPORTED))
def test_what_is_not_done_is_refused_by_name(folder: Path, key: str) -> None:
    """A key whose rules nobody would follow is refused; one that says nothing is not."""

    def content(value: Any) -> dict[str, Any]:
        head, _, tail = key.partition(".")
        inner = {"path": "m:o"} if head == "auth" else {}
        return {"graphs": {"a": "m:o"}, head: {**inner, tail: value} if tail else value}

    message = f"FILE: {key}: it is not supported: {UNSUPPORTED[key]}. Remove it to be served without it."
    assert _refused(folder, content({"any": 1})) == message
    assert Project.read(_write(folder, content(None))).warnings == ()


def test_the_guide_lists_what_is_not_done() -> None:
    """Whoever brings a file finds there what of it would be refused."""
    guide = (Path(__file__).parents[2] / "migration_guide" / "serving.md").read_text("utf-8")
    assert [key for key in UNSUPPORTED if f"`{key}`" not in guide] == []


@pytest.mark.parametrize("key", sorted(HOSTED))
def test_what_the_hosted_platform_needs_is_passed_over(folder: Path, key: str) -> None:
    """A key for the building of images is accepted, and one warning says that it does nothing."""
    head, _, tail = key.partition(".")
    content = {head: {"path": "m:o", tail: "x"} if tail else "x"}
    (warning,) = _project(folder, **content).warnings
    assert warning.endswith(f"langgraph.json: {key}: passed over, since only the hosted platform needs it.")


DOCUMENTED = (
    "python_version node_version api_version _INTERNAL_docker_tag base_image image_distro pip_config_file pip_installer"
    " source dockerfile_lines dependencies graphs env store checkpointer auth encryption priority http webhooks ui"
    " ui_config keep_pkg_tools"
)
"""The keys that langgraph-cli 0.4.40 knows (its class `Config`, and `ui_config`)."""


def test_every_documented_key_has_its_place() -> None:
    """Each key of the official file is read, passed over or refused; none is taken for a mistake."""
    known = {*Config.model_fields, *HOSTED, *(key.partition(".")[0] for key in UNSUPPORTED)}
    assert [key for key in DOCUMENTED.split() if key not in known] == []


def test_a_misspelt_key_is_named_with_what_was_meant(folder: Path) -> None:
    """Unknown keys are warned of at every level, with the nearest that there is."""
    project = _project(
        folder,
        **{"$schema": "https://example.com/schema.json", "dependancies": ["."], "zzz": 1},
        graphs={"agent": {"path": "agent.py:graph", "descripton": "x"}},
        http={"cors": {"allow_origin": ["*"]}, "disable_storee": True, "configurable_headers": {"includes": []}},
        auth={"path": "a.py:auth", "cach": {}, "disable_studio_auth": True},
    )
    assert [warning.removeprefix(f"{project.path}: ") for warning in project.warnings] == [
        "dependancies: nobody knows it. Is 'dependencies' meant?",
        "zzz: nobody knows it.",
        "graphs.agent.descripton: nobody knows it. Is 'description' meant?",
        "auth.cach: nobody knows it. Is 'cache' meant?",
        "http.disable_storee: nobody knows it. Is 'disable_store' meant?",
        "http.cors.allow_origin: nobody knows it. Is 'allow_origins' meant?",
    ]


def test_what_http_says_is_read(folder: Path) -> None:
    """CORS is off unless it is configured, and then says what the file says; a prefix has no slash at its end."""
    assert (_project(folder).config.http.cors, _project(folder, http=None).config.http.mount_prefix) == (None, None)
    http = _project(
        folder, http={"mount_prefix": "/api/", "cors": {"allow_origins": ["*"], "max_age": 0}, "disable_runs": True}
    ).config.http
    assert http.cors is not None
    assert http.cors.options() == {"allow_origins": ["*"], "max_age": 0}
    assert (http.mount_prefix, http.disable_runs, http.disable_store) == ("/api", True, False)


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ({}, []),
        ({"includes": ["x-*"]}, ["x-org", "x-org-key"]),
        ({"include": ["X-Org"]}, ["x-org"]),
        ({"includes": ["*"]}, ["x-org", "x-org-key", "user-agent", "a.b"]),
        ({"includes": ["*"], "excludes": ["*key*"]}, ["x-org", "user-agent", "a.b"]),
        ({"includes": ["*"], "exclude": ["x-*", "a?b", "a*b"]}, ["user-agent"]),
    ],
)
def test_headers_that_hold_keys_are_never_configurable(folder: Path, rules: Any, allowed: list[str]) -> None:
    """Headers are chosen by their patterns, exclusions first; those that carry secrets never are."""
    headers = _project(folder, http={"configurable_headers": rules}).config.http.configurable_headers
    assert headers is not None
    names = ["x-org", "X-Org-Key", "User-Agent", "a.b", "Authorization", "x-api-key", "X-Service-Key", "x-tenant-id"]
    assert [name.lower() for name in names if headers.allows(name)] == allowed


# What is around the code -----------------------------------------------------------------------------


def test_variables_come_from_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that `env` names is read, and takes the place of what is set, as under `langgraph dev`."""
    monkeypatch.setenv("LCEL_TEST_A", "before")
    (folder / ".env").write_text(
        '# a\nexport LCEL_TEST_A=after\nLCEL_TEST_B="${LCEL_TEST_A} é"\nLCEL_TEST_C\n', "utf-8"
    )
    assert _project(folder, env=".env").prepare() == ()
    found = [os.environ.get(f"LCEL_TEST_{letter}") for letter in "ABC"]
    assert found == ["after", "after é", None]


def test_variables_stand_in_the_file_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`env` may hold the variables; the code sees them when it is imported, and reading alone sets none."""
    monkeypatch.setenv("LCEL_TEST_A", "before")
    (folder / "late.py").write_text("import os\ngraph = lambda: 5\nseen = os.environ['LCEL_TEST_A']", "utf-8")
    project = _project(folder, env={"LCEL_TEST_A": "after"}, http={"app": "late.py:seen"})
    assert os.environ["LCEL_TEST_A"] == "before"
    project.prepare()
    with pytest.raises(ProjectError, match=r"http\.app: 'late\.py:seen' is of type str; name a Starlette or FastAPI"):
        project.app()
    assert sys.modules["late"].seen == "after"


def test_a_missing_file_of_variables_is_warned_of(folder: Path) -> None:
    """Variables are often set otherwise, so a file that is not there stops nothing."""
    project = _project(folder, env=".env")
    assert project.prepare() == (f"{project.path}: env: there is no file '.env'; no variable was set.",)


def test_folders_among_the_dependencies_can_be_imported_from(folder: Path) -> None:
    """A folder is imported from after all else, and so is its `src`; doing it again changes nothing."""
    (folder / "lib" / "src" / "inner_lib").mkdir(parents=True)
    (folder / "lib" / "pyproject.toml").touch()
    (folder / "lib" / "src" / "inner_lib" / "chain.py").write_text(AGENT, "utf-8")
    project = _project(folder, dependencies=[".", "./lib"], graphs={"agent": "inner_lib.chain:graph"})
    before = [*sys.path]
    project.prepare()
    project.prepare()
    root = project.path.parent
    assert sys.path == [*before, str(root), str(root / "lib"), str(root / "lib" / "src")]
    assert project.graphs()[0].name == "agent"


@pytest.mark.parametrize(
    ("dependency", "message"),
    [
        ("./none", r"dependencies: there is no folder './none' in '.*'\."),
        (
            "no-such-distribution>=1",
            "'no-such-distribution' is not installed in '.*': pip install 'no-such-distribution>=",
        ),
        ("what is this", r"'what is this' is neither a folder nor a requirement: write '\.' or 'name>=1'\."),
    ],
)
def test_a_dependency_that_is_missing_stops_the_start(folder: Path, dependency: str, message: str) -> None:
    """A folder or a distribution that is not there is named, with what to do."""
    with pytest.raises(ProjectError, match=message):
        _project(folder, dependencies=[dependency]).prepare()


def test_what_is_installed_is_enough(folder: Path) -> None:
    """Distributions, modules, addresses and what another system needs pass; another version is warned of."""
    fine = ["langchain_core", "pydantic>=2", "json", "git+https://example.com/a.git@main", "none; sys_platform=='x'"]
    project = _project(folder, dependencies=[*fine, "pydantic<2"])
    (warning,) = project.prepare()
    assert warning.startswith(f"{project.path}: dependencies: 'pydantic<2' is asked for, but 2.")


# Modules ------------------------------------------------------------------------------------------


def test_a_file_is_imported_once_under_its_own_name(folder: Path) -> None:
    """However many graphs a file holds, and whoever else imports it, its classes are there once."""
    (folder / "user.py").write_text("from agent import State, graph", "utf-8")
    project = _project(folder, graphs={"a": "./agent.py:graph", "b": "agent.py:double", "c": "user.py:graph"})
    a, _, c = project.graphs()
    assert sys.modules["agent"].LOADED == ["agent"]
    assert a.target is c.target is sys.modules["agent"].graph


def test_a_file_in_a_package_is_a_module_of_it(folder: Path) -> None:
    """A file may import what stands beside it relatively, or by its package, or plainly."""
    package = folder / "pack" / "inner"
    package.mkdir(parents=True)
    (folder / "pack" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "other.py").write_text(AGENT, "utf-8")
    code = (
        "from .other import graph as a\nfrom pack.inner.other import graph as b\nassert a is b\nimport other\ngraph = a"
    )
    (package / "main.py").write_text(code, "utf-8")
    (served,) = _project(folder, graphs={"agent": "./pack/inner/main.py:graph"}).graphs()
    assert served.target is sys.modules["pack.inner.main"].graph


def test_a_file_called_like_another_module_takes_no_place(folder: Path) -> None:
    """A file named as a module of Python's own is imported, and that module stays what it is."""
    for name in ("json", "this"):
        (folder / f"{name}.py").write_text(AGENT, "utf-8")
    project = _project(folder, graphs={"a": "json.py:graph", "b": "this.py:graph"})
    assert [served.name for served in project.graphs()] == ["a", "b"]
    assert sys.modules["json"] is json
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("agent.py", "'agent.py' names no object: write FILE.py:OBJECT or MODULE:OBJECT."),
        ("./none.py:graph", "there is no file 'FOLDER/none.py'."),
        ("none:graph", "There is no module 'none'. Start lcel-compat in the folder that holds it, or name the file"),
        (
            "agent.py:grph",
            "'agent.py:grph': module 'agent' has no attribute 'grph'. It has 'builder', 'double', 'graph'.",
        ),
        ("agent.py:number", "'agent' is of type int, which cannot be served. Name a graph, a StateGraph, a runnable"),
        ("agent.py:useless", "'agent' is of type int, which cannot be served."),
        ("agent.py:broken", "'agent' could not be made: OSError: no licence"),
        ("agent.py:strange", "'agent' is a function with the parameters 'model', 'size': one that makes a graph takes"),
        (
            "failing.py:graph",
            "'FOLDER/failing.py' failed while it was imported: ValueError: no key, at FOLDER/failing.py:2.",
        ),
        (
            "wrong.py:graph",
            "'FOLDER/wrong.py' failed while it was imported: SyntaxError: invalid syntax (wrong.py, line 1).",
        ),
        ("missing.py:graph", "'FOLDER/missing.py' imports 'no_such_module', which is not installed in"),
    ],
)
def test_what_cannot_be_had_is_named(folder: Path, spec: str, message: str) -> None:
    """The message says which graph of which file it is about, and why there is none."""
    (folder / "failing.py").write_text("\nraise ValueError('no key')", "utf-8")
    (folder / "wrong.py").write_text("a b", "utf-8")
    (folder / "missing.py").write_text("import no_such_module", "utf-8")
    project = _project(folder, graphs={"agent": spec})
    with pytest.raises(ProjectError) as refused:
        project.graphs()
    text = str(refused.value).replace(str(project.path), "FILE").replace(str(project.path.parent), "FOLDER")
    assert text.startswith(f"FILE: graphs.agent: {message}")
    assert {"failing", "wrong", "missing"}.isdisjoint(sys.modules)


@pytest.mark.langgraph
def test_authentication_and_an_application_are_named_too(folder: Path) -> None:
    """`auth.path` and `http.app` name objects of the project's code."""
    code = "from langgraph_sdk import Auth\nfrom fastapi import FastAPI\nauth, app = Auth(), FastAPI()"
    (folder / "own.py").write_text(code, "utf-8")
    project = _project(folder, auth={"path": "./own.py:auth"}, http={"app": "own.py:app"})
    assert (project.auth(), project.app()) == (sys.modules["own"].auth, sys.modules["own"].app)
    project = _project(folder, auth={"path": "./own.py:oath"})
    with pytest.raises(ProjectError, match=r"auth\.path: './own\.py:oath': module 'own' has no attribute 'oath'"):
        project.auth()


# Functions that make graphs ----------------------------------------------------------------------


async def _factory(folder: Path, name: str, file: str = "agent.py") -> Factory:
    # Importing blocks, as it always does: a server imports before it has an event loop.
    served = await asyncio.to_thread(load_graph, "agent", f"{file}:{name}", folder)
    assert isinstance(served.target, Factory)
    return served.target


def _opened() -> list[Any]:
    found: list[Any] = sys.modules["agent"].opened
    return found


def test_a_function_without_parameters_is_called_at_once(folder: Path) -> None:
    """What needs no event loop is made when the project is loaded, so that it fails then, if it fails."""
    assert isinstance(load_graph("agent", "agent.py:plain", folder).target, CompiledStateGraph)


@pytest.mark.parametrize(
    ("name", "opened"), [("later", ["later"]), ("promised", ["later"]), ("held", ["open", "closed"])]
)
async def test_what_needs_an_event_loop_is_made_in_it(folder: Path, name: str, opened: list[str]) -> None:
    """An async function, or a context manager, makes one graph for as long as the server lives."""
    factory, seen = await _factory(folder, name), _opened()
    assert (factory.per_run, seen) == (False, [])
    async with factory.open() as graph:
        assert graph is sys.modules["agent"].graph
        assert seen == opened[:1]
    assert seen == opened


async def test_a_function_that_asks_for_the_configuration_makes_a_graph_per_run(folder: Path) -> None:
    """The configuration goes to the parameter that is meant for it; others keep their defaults."""
    config: Any = {"configurable": {"user": "me"}}
    told = {"user": "me", "__is_for_execution__": False}
    for name, expected in {
        "configured": [({"configurable": told}, 5)],
        "only": [{"configurable": told}],
        "held_plainly": [told, "closed"],
    }.items():
        factory, seen = await _factory(folder, name), _opened()
        assert factory.per_run
        seen.clear()
        async with factory.open(config) as graph:
            assert await graph.ainvoke({"n": 1}) == {"n": 2}
        assert seen == expected


async def test_a_function_may_ask_for_the_runtime(folder: Path) -> None:
    """A parameter called runtime, or annotated as the SDK's, is told who asks, what for and with what."""
    factory, seen = await _factory(folder, "both"), _opened()
    runtime = ServerRuntime(access_context="threads.create_run", user="me", context={"a": 1})
    async with factory.open({"tags": ["t"]}, runtime):
        pass
    assert seen == [({"tags": ["t"], "configurable": {"__is_for_execution__": True}}, runtime)]
    assert runtime.execution_runtime is runtime
    assert ServerRuntime(access_context="threads.read").execution_runtime is None
    factory = await _factory(folder, "told")
    with pytest.raises(PermissionError, match=r"Nobody is authenticated for 'threads\.read'"):
        async with factory.open(None, ServerRuntime(access_context="threads.read")):
            pass
    seen.clear()
    async with factory.open(None, runtime):
        assert seen == ["me"]


@pytest.mark.langgraph
async def test_the_sdks_annotation_marks_the_runtime(folder: Path) -> None:
    """`ServerRuntime`, bare, with a type or annotated further, is recognised whatever the parameter is called."""
    code = AGENT + (
        "\nfrom typing import Annotated\nfrom langgraph_sdk.runtime import ServerRuntime\n"
        "def one(a: ServerRuntime):\n    return graph\n"
        "def two(a: ServerRuntime[int], b):\n    return graph\n"
        "def three(b, a: Annotated[ServerRuntime, 5]):\n    return graph\n"
    )
    (folder / "typed.py").write_text(code, "utf-8")
    factories = [await _factory(folder, name, "typed.py") for name in ("one", "two", "three")]
    assert [(factory.runtime, factory.config) for factory in factories] == [("a", None), ("a", "b"), ("a", "b")]


async def test_what_was_made_ready_may_be_served_under_another_name(folder: Path) -> None:
    """What makes it and what describes it are kept, unless another description is given."""
    factory = await _factory(folder, "both")
    first = serve_object("first", factory, "Counts.")
    second = serve_object("second", first)
    assert isinstance(second.target, Factory)
    assert (second.target.make, second.target.name, second.description) == (factory.make, "first", "Counts.")
    assert (second.name, serve_object("third", second, "Other.").description) == ("second", "Other.")


async def test_a_function_that_makes_something_else_fails_when_it_is_used(folder: Path) -> None:
    """What a function makes for a run is looked at then."""
    (folder / "odd.py").write_text("def make(config):\n    return 5", "utf-8")
    target = await _factory(folder, "make", "odd.py")
    with pytest.raises(ProjectError, match="'agent' is of type int, which cannot be served"):
        async with target.open():
            pass


# Arguments ----------------------------------------------------------------------------------------


def test_arguments_name_graphs_too(folder: Path) -> None:
    """`NAME=MODULE:OBJECT` and `NAME=FILE.py:OBJECT` are served like a project's."""
    served = load_named(["a=agent.py:graph", "b=agent:double"], folder)
    assert [(one.name, one.description) for one in served] == [("a", None), ("b", None)]
    assert served[0].target is sys.modules["agent"].graph


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["agent.py:graph"], "'agent.py:graph' names no graph: write NAME=MODULE:OBJECT or NAME=FILE.py:OBJECT."),
        (["=agent.py:graph"], "'=agent.py:graph' names no graph"),
        (["a="], "'a=' names no graph"),
        (["a/b=m:o"], "'a/b=m:o' names no graph"),
        (["a=m:o", "a=m:p"], "'a' is there twice: 'm:o' and 'm:p'. Give one another name."),
        (["a=agent.py:none"], "'agent.py:none': module 'agent' has no attribute 'none'"),
    ],
)
def test_an_argument_that_names_nothing_is_refused(folder: Path, arguments: list[str], message: str) -> None:
    """The message names the argument, and its form."""
    with pytest.raises(CannotRunError) as refused:
        load_named(arguments, folder)
    assert str(refused.value).startswith(message)

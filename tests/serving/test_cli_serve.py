"""`lcel-compat serve`: what it serves, what it says, what it refuses, and how it ends."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from lcel_adapters._cli._logs import JsonFormatter
from lcel_adapters._cli._serve import Options, make_plan
from lcel_adapters._cli._settings import read_settings
from lcel_adapters._cli.app import app
from lcel_adapters.serve import Settings
from tests.support.fences import environment

DESK = "desk=lcel_adapters.desk:step_graph"
PORT = ("--port", "0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to start in; what the command does to the process is undone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("LCEL_COMPAT_API_KEYS", raising=False)
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def _refused(*arguments: str, code: int = 2) -> str:
    """The message of a command that ends with `code` and prints nothing else."""
    result = CliRunner().invoke(app, ["serve", *arguments], env={"COLUMNS": "100"})
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr


@contextmanager
def _running(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    code = "from lcel_adapters._cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, "serve", *PORT, *arguments],
        cwd=folder,
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    lines = [process.stdout.readline().rstrip("\n") for _ in range(count)]
    assert lines[-1], process.communicate()[1]
    return lines


def _ended(process: subprocess.Popen[str], how: signal.Signals) -> tuple[int, str]:
    process.send_signal(how)
    errors = process.communicate(timeout=30)[1]
    return process.returncode, errors


@pytest.mark.slow
def test_the_images_commands_work(folder: Path) -> None:
    """What the Dockerfile starts serves a project, asks for keys, and is found healthy by what it checks with."""
    lines = (Path(__file__).parents[2] / "Dockerfile").read_text("utf-8").splitlines()
    command, check = (
        json.loads(line[line.index("[") :])
        for start in ("CMD", "HEALTHCHECK")
        for line in lines
        if line.startswith(start)
    )
    (folder / "langgraph.json").write_text('{"graphs": {"desk": "lcel_adapters.desk:step_graph"}}', "utf-8")
    arguments = [word.replace("/data", str(folder)) for word in command[2:]]
    with _running(folder, *arguments, *PORT, LCEL_COMPAT_API_KEYS="secret") as process:
        url = _lines(process, 1)[0].removeprefix("Serving on ").replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/assistants/desk").status_code in (401, 403)
        healthy = [sys.executable, *(word.replace("http://127.0.0.1:2024", url) for word in check[1:])]
        assert subprocess.run(healthy, timeout=30, check=False).returncode == 0
    assert (folder / "served.db").is_file()


# A server that runs ------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_serves_what_it_is_given_until_it_is_told_to_end(folder: Path) -> None:
    """It says where it listens, what it serves, where it keeps things; Ctrl-C ends it, and that is no failure."""
    (folder / "chain.py").write_text(
        "from langchain_core.runnables import RunnableLambda\nasync def chain(config):\n    return RunnableLambda(str)",
        "utf-8",
    )
    with _running(folder, DESK, "chain=chain.py:chain", "--cors-origin", "https://app.example") as process:
        lines = _lines(process, 5)
        url = lines[0].removeprefix("Serving on ")
        assert lines[1:] == [
            "  graphs    desk, chain",
            "  database  sqlite:///lcel-compat.db",
            f"  docs      {url}/docs",
            "  Ctrl-C ends it.",
        ]
        assert httpx.post(f"{url}/chain/invoke", json={"input": 5}).json()["output"] == "5"
        answer = httpx.get(f"{url}/docs", headers={"origin": "https://app.example"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")
        assert "content-location" in answer.headers["access-control-expose-headers"]
        assert (
            "access-control-allow-origin"
            not in httpx.get(f"{url}/docs", headers={"origin": "https://b.example"}).headers
        )
        code, errors = _ended(process, signal.SIGINT)
    assert (code, "Traceback" in errors, "error" in errors.lower().replace("uvicorn.error", "")) == (0, False, False)
    assert (folder / "lcel-compat.db").is_file()


@pytest.mark.slow
def test_its_messages_may_be_json_and_its_keys_in_the_environment(folder: Path) -> None:
    """Each line of the log is an object, the addresses among them; without a key nothing runs; SIGTERM ends it too."""
    keys = {"LCEL_COMPAT_API_KEYS": "one,two"}
    with _running(folder, DESK, "--log-format", "json", "--database", "sqlite:///a.db", **keys) as process:
        assert process.stderr is not None
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["message"] != "serving":
            seen.append(json.loads(process.stderr.readline()))
        ready = seen[-1]
        assert (ready["graphs"], ready["database"], ready["level"]) == (["desk"], "sqlite:///a.db", "info")
        assert ready["docs"] == f"{ready['url']}/docs"
        run = {"assistant_id": "desk", "input": {"question": "Where is my invoice?"}}
        codes = [
            httpx.post(f"{ready['url']}/runs/stream", json=run, headers=headers, timeout=20).status_code
            for headers in ({}, {"x-api-key": "three"}, {"x-api-key": "two"})
        ]
        assert codes == [401, 401, 200]
        code, errors = _ended(process, signal.SIGTERM)
    assert code == 0
    assert "Finished server process" in [json.loads(line)["message"] for line in errors.splitlines()][-1]


SLOW = """
import asyncio
from langchain_core.runnables import RunnableLambda

async def slow(seconds):
    await asyncio.sleep(seconds)
    return seconds

graph = RunnableLambda(slow)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("watched", [True, False], ids=["watched", "unwatched"])
def test_a_second_signal_ends_the_wait_for_runs(folder: Path, how: signal.Signals, watched: bool) -> None:
    """It says what it waits for and for how long; told again it gives the run back, and the next server goes on."""
    (folder / "slow.py").write_text(SLOW, "utf-8")
    with _running(folder, "slow=slow.py:graph") as process, ExitStack() as stack:
        url = _lines(process, 1)[0].removeprefix("Serving on ")
        thread = httpx.post(f"{url}/threads", json={}).json()["thread_id"]
        runs = f"{url}/threads/{thread}/runs{'/stream' if watched else ''}"
        answer = stack.enter_context(httpx.stream("POST", runs, json={"assistant_id": "slow", "input": 60}, timeout=30))
        run = answer.headers["content-location"].rpartition("/")[2]
        lines = answer.iter_lines()
        assert not watched or "event: values" in lines
        begun = time.monotonic()
        process.send_signal(how)
        assert process.stderr is not None
        said = next(line for line in process.stderr if "told to end" in line)
        assert said.endswith("told to end: waiting up to 30 s for 1 run; a second signal ends it at once\n")
        assert process.poll() is None
        code, errors = _ended(process, how)
        assert (code, "Traceback" in errors, time.monotonic() - begun < 10) == (0, False, True)
        assert not [line for line in lines if line.startswith("event: ")]
    with _running(folder, "slow=slow.py:graph") as process:
        url = _lines(process, 1)[0].removeprefix("Serving on ")
        assert httpx.get(f"{url}/threads/{thread}/runs/{run}").json()["status"] == "running"


@pytest.mark.slow
def test_a_database_that_another_server_has_is_an_error(folder: Path) -> None:
    """A server that cannot have its database says so, and ends with 2."""
    with _running(folder, DESK) as process:
        _lines(process, 1)
        with _running(folder, DESK) as second:
            assert second.wait(timeout=30) == 2
            errors = second.communicate()[1]
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: ")
    assert "lcel-compat.db" in errors.splitlines()[-1]


# What is refused ---------------------------------------------------------------------------------


def test_without_anything_to_serve_it_says_what_to_write(folder: Path) -> None:
    """Neither an argument nor a file: the message shows both."""
    message = _refused()
    assert f"there is nothing to serve: no langgraph.json in {str(folder)!r}, and no argument." in message
    assert "lcel-compat serve agent=my_app.py:graph" in message
    assert '{"graphs": {"agent": "./my_app.py:graph"}}' in message


def test_a_file_that_is_named_has_to_be_there(folder: Path) -> None:
    """`--config` names a file that is read, whatever else is given."""
    assert "There is no file" in _refused("--config", "other.json", DESK)
    (folder / "langgraph.json").write_text("{}", "utf-8")
    assert "graphs: there is none" in _refused()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_others_may_not_reach_an_open_server(folder: Path, host: str) -> None:
    """Without authentication it listens on this machine alone, unless somebody insists."""
    assert f"On {host!r} others can reach the server, and it asks nobody who they are." in _refused(
        DESK, "--host", host
    )
    make_plan(Options(graphs=[DESK], host=host, insecure=True))
    make_plan(Options(graphs=[DESK], host=host, api_keys=["key"]))


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    """What cannot be listened on is an error like others, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = _refused(DESK, "--port", str(port))
    assert f"cannot listen on '127.0.0.1', port {port}: another program listens there. Choose another --port" in message
    assert "cannot listen on '192.0.2.1', port 0: " in _refused(DESK, *PORT, "--host", "192.0.2.1", "--insecure")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["agent.py:graph"], "'agent.py:graph' names no graph: write NAME=MODULE:OBJECT or NAME=FILE.py:OBJECT."),
        (["a=none.py:graph"], "there is no file '"),
        ([DESK, DESK], "'desk' is there twice"),
        ([DESK, "--database", "nonsense"], "--database is no URL: write sqlite:///file.db or postgresql://"),
        ([DESK, "--api-key", " "], "An API key is empty."),
        ([DESK.replace("desk=", "docs=")], "'docs' cannot be served: the server's own routes begin so."),
    ],
)
def test_what_cannot_be_served_is_said(folder: Path, arguments: list[str], message: str) -> None:
    """A mistake ends with 2, and the message says which."""
    assert message in _refused(*arguments, *PORT)


@pytest.mark.parametrize("missing", ["uvicorn", "fastapi", "sqlalchemy"])
def test_what_serving_needs_is_named(folder: Path, missing: str) -> None:
    """Without the packages that serve, the message is the line that installs them."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"sys.argv = ['lcel-compat', 'serve', {DESK!r}]\nfrom lcel_adapters._cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False, cwd=folder
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'error: serving needs {missing}, which is not installed: pip install "lcel-compat[serve]"\n'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drain"], "--set 'drain' sets nothing: write --set NAME=VALUE, as in --set drain=5."),
        (["darin=5"], "--set darin: there is no such setting. Is drain meant? There are heartbeat, stall, "),
        (["drain=5", "drain=6"], "--set drain is there twice."),
        (
            ["drain=-1"],
            "--set drain: it should be greater than or equal to 0, not '-1'."
            " It is: How long a server that is told to end lets runs go on. By default 30.0.",
        ),
        (["drain=inf"], "--set drain: it should be a finite number, not 'inf'."),
        (["max_runs=many"], "--set max_runs: it should be a valid integer"),
        (["max_runs=none"], "--set max_runs: it should be a valid integer"),
        (["run_timeout=soon"], "It is: Of executing, after which a run ends as `timeout`"),
    ],
)
def test_a_setting_that_cannot_be_is_named(folder: Path, arguments: list[str], message: str) -> None:
    """With what it is for, and what there is."""
    assert message in _refused(DESK, *PORT, *(word for argument in arguments for word in ("--set", argument)))


def test_settings_are_read_from_text() -> None:
    """Numbers, lists with commas between, and nothing, where that may be."""
    found = read_settings(
        ["drain=0.5", "max-runs=7", "stall=none", "run_timeout=60", "webhook_hosts=a.example, b.example"]
    )
    assert (found.drain, found.max_runs, found.stall, found.run_timeout) == (0.5, 7, None, 60)
    assert found.webhook_hosts == ["a.example", "b.example"]
    assert read_settings(["webhook_hosts=NULL"]) == read_settings([]) == Settings()


def test_help_lists_all_settings() -> None:
    """Whoever looks for a limit finds its name."""
    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"}).stdout
    assert [name for name in Settings.model_fields if name not in shown] == []


@pytest.mark.slow
def test_settings_are_kept_to(folder: Path) -> None:
    """A server that is told to end waits as long as it was told to, also for streams."""
    (folder / "slow.py").write_text(SLOW, "utf-8")
    with _running(folder, "slow=slow.py:graph", "--set", "drain=0.5") as process:
        url = _lines(process, 1)[0].removeprefix("Serving on ")
        body = {"assistant_id": "slow", "input": 60}
        with httpx.stream("POST", f"{url}/runs/stream", json=body, timeout=30):
            begun = time.monotonic()
            code, errors = _ended(process, signal.SIGTERM)
        assert (code, time.monotonic() - begun < 10) == (0, True)
    assert "waiting up to 0.5 s for 1 run;" in errors


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "configured", "later", "held"])
def test_a_function_that_cannot_make_its_graph_is_named(folder: Path, name: str) -> None:
    """Whether it is called at once, or needs the event loop of a server that starts."""
    code = (
        "from contextlib import asynccontextmanager\n"
        "def plain():\n    raise ValueError('no model')\n"
        "def configured(config):\n    raise ValueError('no model')\n"
        "async def later():\n    raise ValueError('no model')\n"
        "@asynccontextmanager\nasync def held(config):\n    raise ValueError('no model')\n    yield\n"
    )
    (folder / "failing.py").write_text(code, "utf-8")
    with _running(folder, f"x=failing.py:{name}") as process:
        assert process.wait(30) == 2
        assert process.stderr is not None
        errors = process.stderr.read()
    assert (errors.splitlines()[-1], "Traceback" in errors) == (
        "error: 'x' could not be made: ValueError: no model",
        False,
    )


@pytest.mark.slow
def test_folders_of_a_mistyped_path_are_not_made(folder: Path) -> None:
    """The last one is made, if it is not there; a path that lacks more is an error that names the folder."""
    with _running(folder, DESK, "--database", f"sqlite:///{folder}/none/such/x.db") as process:
        assert process.wait(30) == 2
        assert process.stderr is not None
        said = process.stderr.read().splitlines()[-1]
    assert f"there is no folder '{folder.resolve()}/none/such'; make it, or name another" in said
    assert not (folder / "none").exists()
    with _running(folder, DESK, "--database", f"sqlite:///{folder}/new/x.db") as process:
        _lines(process, 1)
        assert (folder / "new" / "x.db").is_file()


def test_a_password_is_not_printed(folder: Path) -> None:
    """What is said of the database holds no password."""
    plan = make_plan(Options(graphs=[DESK], database="postgresql://me:secret@127.0.0.1/things"))
    assert plan.database == "postgresql://me:***@127.0.0.1/things"


# Projects ----------------------------------------------------------------------------------------


def _project(folder: Path, **content: Any) -> Path:
    code = "from lcel_adapters.desk import step_graph\nimport os\nseen = os.environ.get('LCEL_TEST_SEEN')\n"
    (folder / "served.py").write_text(code + "def make():\n    return step_graph", "utf-8")
    path = folder / "langgraph.json"
    path.write_text(json.dumps({"graphs": {"agent": "./served.py:make"}, **content}), "utf-8")
    return path


def test_a_project_in_the_folder_is_served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments `langgraph.json` says what is served; its variables are there before its code runs."""
    monkeypatch.setenv("LCEL_TEST_SEEN", "before")
    monkeypatch.setenv("LCEL_COMPAT_API_KEYS", "")
    _project(folder, env={"LCEL_TEST_SEEN": "after", "LCEL_COMPAT_API_KEYS": "one"}, python_version="3.11")
    plan = make_plan(Options(host="0.0.0.0"))
    assert (plan.names, sys.modules["served"].seen) == (["agent"], "after")
    assert [warning.partition(": ")[2] for warning in plan.warnings] == [
        "python_version: passed over, since only the hosted platform needs it."
    ]


def test_arguments_stand_beside_a_project_that_is_named(folder: Path) -> None:
    """`--config` and arguments together serve both; with arguments alone the folder's file is not read."""
    path = _project(folder)
    assert make_plan(Options(graphs=[DESK], config=path)).names == ["agent", "desk"]
    assert make_plan(Options(graphs=[DESK])).names == ["desk"]
    assert "'agent' is in" in _refused("--config", str(path), DESK.replace("desk=", "agent="), *PORT)


def test_a_project_that_says_who_reads_answers_is_asked_alone(folder: Path) -> None:
    """Origins come from the file or from the command line, not from both."""
    _project(folder, http={"cors": {"allow_origins": ["https://app.example"]}})
    assert "says in http.cors who may read answers. Add the origin there." in _refused("--cors-origin", "*", *PORT)


@pytest.mark.langgraph
def test_a_projects_authentication_opens_other_addresses(folder: Path) -> None:
    """With an `Auth` it may listen anywhere; what the handlers leave open is warned of."""
    (folder / "own_auth.py").write_text(
        "from langgraph_sdk import Auth\nauth = Auth()\n@auth.authenticate\nasync def who():\n    return 'me'\n"
        "@auth.on.threads\nasync def threads(ctx, value):\n    return False\n",
        "utf-8",
    )
    _project(folder, auth={"path": "./own_auth.py:auth"})
    (warning,) = make_plan(Options(host="0.0.0.0")).warnings
    assert warning.startswith("No authorization handler answers for assistants.create")
    assert "both read the Authorization header" in _refused("--api-key", "one", *PORT)


OWNERS = """
from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def who(authorization):
    if authorization is None:
        raise Auth.exceptions.HTTPException(status_code=401, detail="Who are you?")
    return authorization.removeprefix("Bearer ")


@auth.on
async def own(ctx, value):
    value.setdefault("metadata", {})["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}


@auth.on.assistants
async def anyone(ctx, value):
    return None
"""


@pytest.mark.slow
@pytest.mark.langgraph
def test_a_projects_handlers_decide_what_each_user_sees(folder: Path) -> None:
    """With the real client: what one user made, another neither finds, nor reads, nor runs on, nor deletes."""
    from langgraph_sdk import get_sync_client
    from langgraph_sdk.errors import AuthenticationError, NotFoundError

    (folder / "owners.py").write_text(OWNERS, "utf-8")
    _project(folder, auth={"path": "./owners.py:auth"})
    with ExitStack() as stack:
        url = _lines(stack.enter_context(_running(folder)), 1)[0].removeprefix("Serving on ")
        alice, bob, nobody = (
            stack.enter_context(get_sync_client(url=url, headers={"Authorization": who} if who else None))
            for who in ("Bearer alice", "Bearer bob", None)
        )
        thread = alice.threads.create()
        own, question = thread["thread_id"], {"question": "Where is my invoice?"}
        assert thread["metadata"] == {"owner": "alice"}
        assert alice.runs.wait(own, "agent", input=question)["question"] == question["question"]  # type: ignore[call-overload]
        for refused in (
            lambda: bob.threads.get(own),
            lambda: bob.threads.get_state(own),
            lambda: bob.runs.create(own, "agent", input=question),
            lambda: bob.runs.list(own),
            lambda: bob.threads.delete(own),
        ):
            with pytest.raises(NotFoundError):
                refused()
        assert bob.threads.search() == []
        assert [found["thread_id"] for found in alice.threads.search()] == [own]
        with pytest.raises(AuthenticationError, match="Who are you"):
            nobody.threads.search()


# Logs --------------------------------------------------------------------------------------------


def test_a_record_is_one_line_of_json() -> None:
    """What was logged, what was given beside it and what was raised are one object, whatever they hold."""
    try:
        raise ValueError("line\nbreak")
    except ValueError:
        raised = sys.exc_info()
    record = logging.LogRecord("app", logging.WARNING, __file__, 1, "a %s\nb", ("é",), raised)
    record.run_id, record.given = "r1", {1, 2}
    line = JsonFormatter().format(record)
    found = json.loads(line)
    assert "\n" not in line
    assert (found["level"], found["logger"], found["message"], found["run_id"]) == ("warning", "app", "a é\nb", "r1")
    assert (found["given"], found["exception"].splitlines()[-1]) == ("{1, 2}", "break")
    assert found["time"].endswith("+00:00")
    assert Path(__file__).name in found["exception"]

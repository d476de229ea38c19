"""`lcel-compat record`: runnables of a module, and servers whose answers were kept byte by byte."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from lcel_adapters._cli import _record, _remote
from lcel_adapters._cli._load import CannotRunError
from lcel_adapters._cli.app import app
from lcel_compat.compare import compare_recordings, explain
from lcel_compat.events import load, record
from tests.support.models import chat_chain

WIRE = Path(__file__).parent / "wire"
QUESTIONS = ['{"question": "Where is my invoice?"}', "", '{"question": "How do I get a refund?"}']
APP = """
from langchain_core.runnables import RunnableLambda


def half(n):
    if n % 2:
        raise ValueError(f"{n} is odd, api_key=sk-abcdefghijklmnopqrstuvwx")
    return n // 2


chain = RunnableLambda(half, name="half")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with an application and inputs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "halving.py").write_text(APP)
    (tmp_path / "questions.jsonl").write_text("\n".join(QUESTIONS))
    (tmp_path / "numbers.jsonl").write_text("2\n4\n")
    return tmp_path


def _record_cli(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["record", *arguments], input=stdin)


def test_a_runnable_is_recorded(folder: Path) -> None:
    """Each line of the inputs is a run; the command says what was written."""
    done = _record_cli("lcel_adapters.desk:chain", "--inputs", "questions.jsonl", "-o", "before.jsonl.zst")
    assert done.exit_code == 0, done.output
    recording = load("before.jsonl.zst")
    assert [one.input for one in recording] == [json.loads(line) for line in QUESTIONS if line]
    events = sum(len(one.events) for one in recording)
    assert done.output.strip().startswith(f"before.jsonl.zst: 2 runs, {events} events, ")


def test_a_failed_run_is_recorded_and_told(folder: Path) -> None:
    """A run that raises is recorded with its error, the others follow, and the exit code says that one failed."""
    done = _record_cli("halving.py:chain", "--inputs", "-", "-o", "out.jsonl", stdin="2\n3\n4\n")
    assert (done.exit_code, "3 runs" in done.output, "1 failed" in done.output) == (1, True, True)
    assert [one.ended for one in load("out.jsonl")] == ["complete", "error", "complete"]
    assert "sk-abc" not in Path("out.jsonl").read_text()
    _record_cli("halving.py:chain", "--inputs", "-", "-o", "out.jsonl", "--append", "--keep-secrets", stdin="5")
    assert "sk-abc" in load("out.jsonl")[3].error_message


def test_configuration_and_version(folder: Path) -> None:
    """The runs get the configuration; version 1 of the events can be had."""
    tags = """{"tags": ["trial"]}"""
    done = _record_cli("halving.py:chain", "--inputs", "numbers.jsonl", "-o", "out.jsonl", "--config", tags)
    assert done.exit_code == 0
    assert load("out.jsonl")[0].events[0]["tags"] == ["trial"]


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no inputs": (["halving.py:chain", "--inputs", "none.jsonl"], "cannot read the file 'none.jsonl': No such file"),
    "empty": (["halving.py:chain", "--inputs", "empty.jsonl"], "empty.jsonl holds no inputs"),
    "no JSON": (["halving.py:chain", "--inputs", "halving.py"], "line 2 of halving.py is no JSON"),
    "no text": (["halving.py:chain", "--inputs", "bytes.jsonl"], "it is no UTF-8 text"),
    "version": (["halving.py:chain", "--inputs", "numbers.jsonl", "--events", "v3"], "There are v1 and v2"),
    "run id": (
        ["halving.py:chain", "--inputs", "numbers.jsonl", "--config", '{"run_id": "%s"}' % ("0" * 32)],
        "there are several inputs",
    ),
    "assistant": (
        ["halving.py:chain", "--inputs", "numbers.jsonl", "--assistant", "a"],
        "'halving.py:chain' is no address",
    ),
    "header": (["http://127.0.0.1:9", "--inputs", "numbers.jsonl", "--header", "x"], "write it as 'NAME: VALUE'"),
    "nobody there": (["http://127.0.0.1:9", "--inputs", "numbers.jsonl"], "cannot be reached"),
    "foreign file": (["halving.py:chain", "--inputs", "numbers.jsonl", "--append"], "does not say what it is"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_and_nothing_is_written(mistake: str, folder: Path) -> None:
    """Exit code 2, one message that says what to do, and the file that was there is as it was."""
    (folder / "empty.jsonl").write_text("\n\n")
    (folder / "bytes.jsonl").write_bytes(b"\xff\xfe")
    (folder / "out.jsonl").write_text("{}\n")
    arguments, said = MISTAKES[mistake]
    done = _record_cli(*arguments, "-o", "out.jsonl")
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert (folder / "out.jsonl").read_text() == "{}\n"


def test_progress_is_shown_where_someone_looks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar says how many runs are done, how many events came and how many runs failed."""
    screen = StringIO()

    def terminal(**kwargs: Any) -> Console:
        return Console(file=screen, force_terminal=True, width=80)

    monkeypatch.setattr(_record, "Console", terminal)
    with _record._progress(3) as shown:
        shown.advance(_record.Tally(runs=2, events=40, failed=1))
    assert "2/3 40 events, 1 failed" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())


# --- servers --------------------------------------------------------------------------------------


class Server:
    """A server that answers with what another one said, and remembers what it was asked."""

    def __init__(self, status: int, body: bytes, kind: str) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.asked.append((self.path, headers, json.loads(self.rfile.read(length))))
                self.send_response(status)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@contextmanager
def _serving(
    name: str = "", *, status: int = 200, body: bytes = b"", kind: str = "text/event-stream"
) -> Iterator[Server]:
    # As on the wire: lines end with CRLF.
    said = (WIRE / name).read_bytes().replace(b"\n", b"\r\n") if name else body
    server = Server(status, said, kind)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def test_a_langserve_route_is_recorded(folder: Path) -> None:
    """What a LangServe sent is recorded event by event; headers are sent and not written."""
    with _serving("langserve_events.txt") as server:
        header = ["--header", "X-Api-Key: hunter2", "--config", '{"configurable": {"a": 1}}']
        done = _record_cli(f"{server.url}/joke", "--inputs", "questions.jsonl", "-o", "out.jsonl", *header)
    assert done.exit_code == 0, done.output
    path, headers, body = server.asked[0]
    assert path == "/joke/stream_events"
    assert headers["x-api-key"] == "hunter2"
    assert body == {"input": json.loads(QUESTIONS[0]), "config": {"configurable": {"a": 1}}, "kwargs": {}}
    first, second = load("out.jsonl")
    assert first.events == second.events
    assert first.ended == "complete"
    assert (first.events[0]["name"], first.events[0]["event"]) == ("/joke", "on_chain_start")
    tokens = [e["data"]["chunk"] for e in first.events if e["event"] == "on_parser_stream"]
    assert "".join(tokens) == first.events[-1]["data"]["output"]
    assert "hunter2" not in Path("out.jsonl").read_text()


def test_a_langserve_run_that_failed(folder: Path) -> None:
    """The events until then are kept, with the status that the server sent instead of an end."""
    with _serving("langserve_error.txt") as server:
        done = _record_cli(f"{server.url}/x/stream_events/", "--inputs", "numbers.jsonl", "-o", "out.jsonl")
    assert done.exit_code == 1
    assert server.asked[0][0] == "/x/stream_events"
    one = load("out.jsonl")[0]
    assert (one.ended, one.error_type, one.error_message) == ("error", "HTTP 500", "Internal Server Error")
    assert one.events[-1]["event"] == "on_parser_stream"


def test_an_agent_server_is_recorded(folder: Path) -> None:
    """Of what an Agent Server streams, the events are kept; a run asks for the mode, without a thread."""
    with _serving("agent_server_events.txt") as server:
        done = _record_cli(server.url, "--assistant", "qa", "--inputs", "questions.jsonl", "-o", "out.jsonl")
    assert done.exit_code == 0, done.output
    path, _, body = server.asked[0]
    assert path == "/runs/stream"
    assert {key: body[key] for key in ("assistant_id", "stream_mode")} == {
        "assistant_id": "qa",
        "stream_mode": ["events"],
    }
    events = load("out.jsonl")[0].events
    assert len(events) == 17
    assert {events[0]["name"], events[-1]["name"]} == {"qa"}


def test_an_agent_servers_run_that_failed(folder: Path) -> None:
    """The class and message that the server tells are the run's error."""
    with _serving("agent_server_error.txt") as server:
        done = _record_cli(server.url, "--assistant", "err", "--inputs", "numbers.jsonl", "-o", "out.jsonl")
    assert done.exit_code == 1
    one = load("out.jsonl")[0]
    assert (one.error_type, one.error_message) == ("ValueError", "boom: bad value")


@pytest.mark.parametrize("assistant", [[], ["--assistant", "a"]])
def test_what_is_no_stream_is_told(assistant: list[str], folder: Path) -> None:
    """A refusal is the exit code 2 with what the server said; so is an answer that is no stream."""
    for status, kind in ((422, "application/json"), (200, "text/html")):
        with _serving(status=status, body=b'{"detail": "no such thing"}', kind=kind) as server:
            done = _record_cli(server.url, "--inputs", "numbers.jsonl", "-o", "out.jsonl", *assistant)
        assert done.exit_code == 2
        said = " ".join(done.stderr.split())
        assert f"answered {status}" in said
        assert "no such thing" in said
        assert ("give --assistant" in said) is not bool(assistant)
        assert not Path("out.jsonl").exists()


def test_a_stream_that_is_no_events(folder: Path) -> None:
    """Text where JSON should be ends the run with an error, and an error that is no JSON is kept as it is."""
    bodies = {b"event: data\r\ndata: {oops\r\n\r\n": "JSONDecodeError", b"event: error\r\ndata: oops\r\n\r\n": "error"}
    for body, kind in bodies.items():
        with _serving(body=body) as server:
            done = _record_cli(server.url, "--inputs", "-", "-o", "out.jsonl", stdin="1")
        assert done.exit_code == 1
        assert load("out.jsonl")[0].error_type.endswith(kind)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without httpx-sse the message is the line that installs it."""
    monkeypatch.setitem(sys.modules, "httpx_sse", None)
    with pytest.raises(CannotRunError, match=r'pip install "lcel-compat\[record\]"'):
        _remote._packages()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields':DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*pydantic_v1")
def test_a_live_langserve_gives_what_the_chain_gives(folder: Path) -> None:
    """Recorded from a LangServe that runs, a chain's events compare as the same as those recorded beside it."""
    from fastapi import FastAPI
    from langserve import add_routes

    from tests.support.servers import Server

    application = FastAPI()
    add_routes(application, chat_chain(), path="/chain")
    with closing(Server(application)) as server:
        server.open()
        done = _record_cli(f"{server.url}/chain", "--inputs", "-", "-o", "live.jsonl", stdin='{"topic": "a"}')
    assert done.exit_code == 0, done.output
    # LangServe names the root after its route.
    beside = record(chat_chain().with_config(run_name="/chain"), [{"topic": "a"}])
    comparison = compare_recordings(beside, load("live.jsonl"))
    # LangServe dumps messages by their base class, without the field `example` that core before 1.0 has.
    found = [finding for finding in comparison.findings if not finding.where.endswith(".example")]
    assert found == [], explain(comparison)

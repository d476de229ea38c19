"""A server process of the benchmarks of serving: `python -m benchmarks._serving_apps NAME DATABASE`.

It runs in our environment or in that of the peers, so what only one of them has is imported where it is used. It prints
the port it listens on, on a line of its own, and ends with its standard input: a parent that dies takes it along.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any, Final, TypedDict

from benchmarks._serving_profile import Profile
from benchmarks._workloads import LANGGRAPH, LCEL_COMPAT, Engine, Graph, TokenModel, called, one_node, token_chain

TOKENS: Final = 3
ANSWER: Final = "token " * TOKENS


class Dripping(TypedDict, total=False):
    """What a stream is to be like: `ticks` pieces of `size` bytes, `pause` seconds before each."""

    ticks: int
    size: int
    pause: float


def qa(engine: Engine) -> Graph:
    """`prompt | model | parser` in the only node of a graph; the model streams three tokens."""
    return one_node(engine, called(token_chain(TokenModel(tokens=TOKENS))))


def drip(engine: Engine) -> Graph:
    """A graph that streams what it is asked to, in the mode `custom`."""
    writer_of = engine.load("get_stream_writer")

    async def run(state: Dripping) -> Dripping:
        write, piece = writer_of(), "x" * state["size"]
        for _ in range(state["ticks"]):
            await asyncio.sleep(state["pause"])
            write(piece)
        return {"ticks": 0}

    builder = engine.builder(Dripping)
    builder.add_node("drip", run)
    builder.add_edge(engine.load("START"), "drip")
    builder.add_edge("drip", engine.load("END"))
    compiled: Graph = builder.compile()
    return compiled


def ours(engine: Engine, database: str) -> Any:
    """Our server with graphs of an engine."""
    from lcel_adapters.serve import create_app

    graphs = {"qa": qa(engine), "drip": drip(engine)}
    return create_app(graphs, database=database, max_runs=2_000, heartbeat=30.0)


def peer(database: str) -> Any:
    """The peer: in memory where no database is named, as it is by default."""
    # It is in the peers' environment alone.
    skeino = import_module("skeino")

    def build(saver: Any) -> Any:
        graph: Any = qa(LANGGRAPH)
        return graph.copy({"checkpointer": saver})

    scheme = database.partition("://")[0]
    settings = skeino.SkeinoSettings(checkpointer_scheme=scheme or "memory", checkpointer_uri=database or None)
    return skeino.create_app(graphs={"qa": build}, settings=settings)


def bare(database: str) -> Any:
    """A FastAPI route that streams as many events as a run has, and does nothing else."""
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    async def events() -> AsyncIterator[bytes]:
        for name in ("metadata", "values", "values"):
            await asyncio.sleep(0)
            yield b'event: %s\r\ndata: {"answer":"%s"}\r\n\r\n' % (name.encode(), ANSWER.encode())

    @app.post("/runs/stream")
    async def stream(body: dict[str, Any]) -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    return app


APPS: Final[dict[str, Callable[[str], Any]]] = {
    "ours-langgraph": lambda database: ours(LANGGRAPH, database),
    "ours": lambda database: ours(LCEL_COMPAT, database),
    "skeino": peer,
    "fastapi": bare,
}


def serve(app: Any) -> None:
    """Listen on a free port of the loopback, with one worker, until standard input ends."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, ws="none"))
    # With its protocol named: asyncio switches Nagle's delay off for sockets that say they are TCP's.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4_096)
        threading.Thread(target=_obey, args=(server, app, Profile()), daemon=True).start()
        _say(listening.getsockname()[1])
        server.run(sockets=[listening])


def _obey(server: Any, app: Any, profile: Profile) -> None:
    """Profile from the order `"profile"` to the order `"report"`; end with the input."""
    for line in sys.stdin:
        if json.loads(line) == "profile":
            for worker in _threads_of(app):
                profile.watch(worker)
            profile.start()
            _say(None)
        else:
            _say({"kinds": profile.stop(), "functions": profile.functions()})
    server.should_exit = server.force_exit = True


def _threads_of(app: Any) -> list[Any]:
    """The threads that our server has for its SQLite file."""
    database = getattr(getattr(app.state, "serving", None), "database", None)
    return [getattr(database, name) for name in ("writer", "reader") if hasattr(database, name)]


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)


def raise_limit() -> None:
    """A thousand streams need as many files."""
    with contextlib.suppress(ImportError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8_192), most))


def main() -> None:
    """Serve what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(APPS))
    parser.add_argument("database", nargs="?", default="")
    options = parser.parse_args()
    raise_limit()
    serve(APPS[options.name](options.database))


if __name__ == "__main__":
    main()

"""Server processes that can be killed, stopped, told to end, and started again.

    python -m tests.support.served

is one such process: it imports what it needs, reads one line of JSON (``database``, ``graphs``, ``library``,
``settings``), serves until it is killed or told to end, and prints its port when it listens. It dies with its parent.
``Served`` is its handle, ``Fleet`` keeps some that have already imported everything, so that a test need not wait.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import httpx

SECONDS = 30.0
"""How long a server may take to begin or to end."""
GRACE = 2
"""Seconds that a server which was told to end waits for clients that take nothing, when the time of runs is over."""
Preparation: TypeAlias = Callable[[], None]


class Served:
    """One server process.

    Args:
        log: What it writes to its error output is added to this file.
        prepare: Is called in the new process before the program begins.
    """

    def __init__(self, log: Path, prepare: Preparation | None = None) -> None:
        self.log = log
        self.port = 0
        with log.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "tests.support.served"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=prepare,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "PYTHONPATH": os.pathsep.join((".", "compat", "adapters"))},
            )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def begin(self, database: str, *, graphs: str, library: str = "OURS", **settings: Any) -> Served:
        """Let it serve; returns when it listens.

        Args:
            database: A URL.
            graphs: A module with ``build(library) -> {name: graph}``.
            library: A name in ``tests.support.engines``.
            settings: Of ``create_app``.

        Raises:
            RuntimeError: It ended instead.
        """
        asked = {"database": database, "graphs": graphs, "library": library, "settings": settings}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{json.dumps(asked)}\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError(f"the server did not start; it said:\n{self.log.read_text()[-4000:]}")
        self.port = int(said)
        return self

    def kill(self) -> None:
        """End it as a crash would, if it has not ended, and wait until it is gone."""
        self.process.kill()
        self._gone()

    def stop(self) -> None:
        """Let it hold its breath, until ``go_on``."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it was stopped."""
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Tell it to end; ``wait`` says when it has."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = SECONDS) -> int:
        """Wait until it has ended; its exit code."""
        code = self.process.wait(seconds)
        self._gone()
        return code

    def rss(self) -> int:
        """Bytes of memory that it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak(self) -> int:
        """Bytes of memory that it held at most."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    def _gone(self) -> None:
        self.process.wait(SECONDS)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


class Fleet:
    """Server processes of one test, one of them always ahead; ``close`` kills what is left.

    Args:
        folder: For their logs.
        database: The URL of all of them.
        graphs: Their module of graphs.
        library: A name in ``tests.support.engines``.
        settings: Of ``create_app``.

    Attributes:
        log: What all of them write to their error outputs.
    """

    def __init__(self, folder: Path, database: str, *, graphs: str, library: str = "OURS", **settings: Any) -> None:
        self.log = folder / "servers.log"
        self.database = database
        self._options: dict[str, Any] = {"graphs": graphs, "library": library, **settings}
        self._all: list[Served] = []
        self._spare: deque[Served] = deque()

    def start(self, **changed: Any) -> Served:
        """A server that listens; another is made ready meanwhile."""
        ready = self._spare.popleft() if self._spare else self._make()
        self._spare.append(self._make())
        return ready.begin(self.database, **{**self._options, **changed})

    def _make(self) -> Served:
        made = Served(self.log)
        self._all.append(made)
        return made

    def close(self) -> None:
        """Kill them all."""
        for served in self._all:
            if served.process.poll() is None:
                served.go_on()
            served.kill()


def until(found: Callable[[], Any], seconds: float = 20.0, what: str = "what was waited for") -> Any:
    """What a function returns as soon as that is true.

    Raises:
        TimeoutError: It never was.
    """
    ends = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)
    return value


def answers(url: str) -> bool:
    """Whether a server says that it is there."""
    try:
        return httpx.get(f"{url}/ok", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _main() -> None:
    # Imported before it is told what to do, so that it begins at once.
    import uvicorn

    from lcel_adapters.serve import Settings, create_app
    from tests.support import engines

    class Server(uvicorn.Server):
        """As ``lcel-compat serve`` has it, its times shorter."""

        def handle_exit(self, sig: int, frame: Any) -> None:
            app.state.drain()
            super().handle_exit(sig, frame)

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(self.servers[0].sockets[0].getsockname()[1], flush=True)

    asked = json.loads(sys.stdin.readline() or "null")
    if asked is None:
        return
    threading.Thread(target=_die_with_parent, daemon=True).start()
    graphs = import_module(asked["graphs"]).build(getattr(engines, asked["library"]))
    grace = int(Settings(**asked["settings"]).drain) + GRACE
    app = create_app(graphs=graphs, database=asked["database"], **asked["settings"])
    Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=grace, ws="none")).run()


def _die_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    _main()

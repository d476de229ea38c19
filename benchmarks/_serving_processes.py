"""Processes of the benchmarks of serving: started, told something, watched, ended; and the environment of the peers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PEERS: Final = ("skeino[sqlite,postgres]==4.0.0", "dbos==3.4.0", "aiosqlite==0.22.1")
"""What is compared with. It needs an environment of its own, since it asks for other versions than our tools do."""
SAME: Final = (
    *("fastapi", "starlette", "uvicorn", "h11", "pydantic", "langchain-core", "psycopg"),
    *("langgraph", "langgraph-checkpoint", "langgraph-checkpoint-sqlite", "langgraph-checkpoint-postgres"),
)
"""What both sides stand on, so that it is no part of the contest."""


class NotAnsweringError(Exception):
    """A process did not say what it was to say."""


def peers_python() -> str:
    """The interpreter of the peers' environment, which is made if it is not there."""
    from scripts.environment import refresh

    folder = ROOT / ".venv-peers"
    refresh(folder, [*PEERS, *_pins()])
    return str(folder / "bin" / "python")


def _pins() -> list[str]:
    found = []
    for name in SAME:
        with suppress(PackageNotFoundError):
            found.append(f"{name}=={version(name)}")
    return found


class Process:
    """A child that speaks in lines on its standard output, and ends with its standard input.

    Args:
        module: Of `benchmarks`.
        arguments: Its command line.
        python: The interpreter.
    """

    def __init__(self, module: str, arguments: Sequence[str], python: str = sys.executable) -> None:
        self._command = [python, "-m", f"benchmarks.{module}", *arguments]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Process:
        path = os.pathsep.join(str(ROOT / part) for part in ("compat", "adapters"))
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=2**26,
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        process = self._running
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), timeout=10)
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    async def said(self, patience: float = 60.0) -> Any:
        """The next thing it says, as JSON.

        Raises:
            NotAnsweringError: It ended, or took too long.
        """
        assert self._running.stdout is not None
        line = await asyncio.wait_for(self._running.stdout.readline(), timeout=patience)
        if not line:
            raise NotAnsweringError(f"{' '.join(self._command)!r} ended before it answered")
        return json.loads(line)

    async def asked(self, value: Any) -> Any:
        """Tell it something, as JSON on a line, and wait for what it says."""
        assert self._running.stdin is not None
        self._running.stdin.write(json.dumps(value).encode() + b"\n")
        return await self.said()


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used; not a number where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """Memory that a process has resident."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise NotAnsweringError(f"the system does not tell the memory of process {pid}")

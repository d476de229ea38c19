"""A PostgreSQL server of a test's own, to be stopped and started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

USER = "postgres"
Manner = Literal["fast", "immediate"]


class Cluster:
    """A server on a port of its own, with one database.

    Args:
        folder: Its files, which go with it.
        programs: Where PostgreSQL's programs are.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self._data = folder / "data"
        self._log = folder / "log"
        self._programs = programs
        self._port = _free_port()
        self._run("initdb", "--auth=trust", f"--username={USER}", "--no-sync", "--no-instructions")

    @property
    def url(self) -> str:
        """Of its database."""
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{USER}"

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self._run("pg_ctl", "start", "--wait", "--log", str(self._log), "-o", options)

    def stop(self, manner: Manner) -> None:
        """Stop it, orderly (``fast``) or as a crash would (``immediate``): connections break in the middle."""
        self._run("pg_ctl", "stop", "--wait", "--mode", manner)

    def _run(self, program: str, *arguments: str) -> None:
        # PostgreSQL refuses to be root's.
        user = USER if os.geteuid() == 0 else None
        command = [str(self._programs / program), "--pgdata", str(self._data), *arguments]
        subprocess.run(command, check=True, user=user, cwd=self._data.parent, stdout=subprocess.DEVNULL)


def programs() -> Path | None:
    """Where PostgreSQL's programs are, the newest; None if it is not installed here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).parent


@contextmanager
def cluster(where: Path) -> Iterator[Cluster]:
    """A running server, which ends with the block; ``where`` is where PostgreSQL's programs are."""
    # Not among pytest's folders, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="lcel-cluster-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        made = Cluster(Path(folder), where)
        made.start()
        try:
            yield made
        finally:
            made.stop("immediate")


def _free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return int(some.getsockname()[1])

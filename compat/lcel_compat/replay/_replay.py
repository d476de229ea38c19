"""``with replay(cassette):``"""

from __future__ import annotations

import asyncio
from contextvars import Token
from pathlib import Path
from types import TracebackType

from lcel_compat.replay._cassette import Cassette
from lcel_compat.replay._errors import ReplayError
from lcel_compat.replay._session import SESSION, Mode, Session
from lcel_compat.replay._wrap import install, uninstall


class replay:
    """A block in which models, tools and retrievers are recorded, or played back.

    ::

        with replay("desk.jsonl"):          # the first time it records, from then on it plays
            chain.invoke({"question": "..."})
        with replay("desk.jsonl"):
            graph.invoke({"question": "..."})

    What is recorded are the answers of chat models, string models, tools and retrievers: chunk by chunk, with the time
    of each, and with the error if there was one. Everything else of the application runs as always, so that two
    versions of it can be told apart by what they do and not by what a model happened to say.

    A call is found by what it asks (``_families.py``); the same question asked again is answered by the next recording
    of it, in order of their starts. (Two that are asked at once, in threads, may change places: where that matters give
    the models or retrievers a ``name`` each.) Each block begins at the beginning of the cassette, so that both sides
    of a comparison get the same answers. A call inside which other runs start (a tool that asks a model, a retriever
    that rewrites its query first) is made again, and what it calls is played back; so is a tool whose result JSON
    cannot keep.

    It holds for what runs in the block's context: its tasks, core's and LangGraph's threads. A bare
    ``threading.Thread`` does not copy the context: start it with ``contextvars.copy_context().run``. Blocks can be
    nested (the inner one counts) and can be open at once in several tasks.

    Args:
        cassette: A ``Cassette``, or the path of its file.
        mode: ``"record"`` (anew), ``"replay"``, or ``"auto"``: replay if anything is on the cassette, else record.
        speed: How fast chunks are played compared with how they came, ``1.0`` as fast; ``None`` at once.

    Raises:
        MissingCallError: From the call that was not recorded.
        ReplayError: If there is nothing to replay, or the cassette is being recorded by another block.
        RecordingError: If the file is no cassette.
    """

    def __init__(self, cassette: Cassette | str | Path, *, mode: Mode = "auto", speed: float | None = None) -> None:
        if mode not in ("auto", "record", "replay"):
            raise ValueError(f"mode is {mode!r}; it is 'auto', 'record' or 'replay'.")
        if speed is not None and not speed > 0:
            raise ValueError(f"speed is {speed!r}; it is a number above 0, or None to play at once.")
        self._cassette = cassette
        self._mode = mode
        self._speed = speed
        self._session: Session | None = None
        self._token: Token[Session | None] | None = None

    def __enter__(self) -> Session:
        return self._enter(self._opened())

    def _opened(self) -> Session:
        if self._session is not None:
            raise ReplayError("This `replay` was entered before. Make a new one for each block.")
        return _session(self._cassette, self._mode, self._speed)

    def _enter(self, session: Session) -> Session:
        self._session = session
        install()
        self._token = SESSION.set(session)
        return self._session

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._session is not None
        assert self._token is not None
        uninstall()
        self._session.close()
        SESSION.reset(self._token)

    async def __aenter__(self) -> Session:
        """As ``with``, but a cassette's file is read beside the event loop."""
        return self._enter(await asyncio.to_thread(self._opened))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, at)


def rewind() -> None:
    """Play from its beginning what the ``replay`` block around has recorded or plays; without one nothing happens."""
    session = SESSION.get()
    if session is not None and not session.closed:
        session.rewind()


def _session(source: Cassette | str | Path, mode: Mode, speed: float | None) -> Session:
    cassette = source if isinstance(source, Cassette) else Cassette(source)
    recording = mode == "record" or (mode == "auto" and not len(cassette))
    if recording:
        cassette.open()
    elif not len(cassette):
        raise ReplayError(f"There is nothing to replay on {cassette!r}. Record it first: mode='record' or 'auto'.")
    return Session(cassette, recording=recording, speed=speed)

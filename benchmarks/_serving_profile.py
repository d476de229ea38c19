"""Where a server spends its processor time, by what it was busy with.

The main thread is sampled: every sample gives the time since the last one to the stack that the thread has now. So the
sum is exact, and the parts are as good as many samples are. Threads that execute what they are given are timed by what
that was. The clocks of threads are Linux's.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

Stack = tuple[tuple[str, str], ...]
"""Files and functions, the innermost first."""
CHECKPOINTS: Final = "checkpoints"
COMMITS: Final = "transactions, and waking those who wait"
FRAMES: Final = "frames kept"
ROWS: Final = "rows of threads and runs"
OTHER: Final = "event loop and the rest"
CHAIN: Final = "the chain, callbacks"
KINDS: Final[Sequence[tuple[str, str]]] = (
    ("benchmarks/_serving_profile.py", "garbage collection"),
    ("serve/_storage/_sqlite_saver.py", CHECKPOINTS),
    ("serve/_storage/_postgres_savers.py", CHECKPOINTS),
    ("langgraph/checkpoint/", CHECKPOINTS),
    ("serve/_json.py", "frames made"),
    ("serve/_frames.py", "frames made"),
    ("serve/_runs/_claims", ROWS),
    ("serve/_storage/_threads", ROWS),
    ("serve/_runs/_log.py", FRAMES),
    ("serve/_runs/_hub.py", FRAMES),
    ("serve/_storage/", COMMITS),
    ("psycopg", COMMITS),
    ("sqlalchemy/", COMMITS),
    ("serve/_runs/", "runs: tasks, followers"),
    ("serve/_target.py", "runs: tasks, followers"),
    ("serve/_sse.py", "HTTP"),
    ("serve/_limits.py", "HTTP"),
    ("serve/", "routes, validation"),
    ("pydantic/", "routes, validation"),
    ("prometheus_client/", "routes, validation"),
    ("fastapi/", "HTTP"),
    ("starlette/", "HTTP"),
    ("uvicorn/", "HTTP"),
    ("h11/", "HTTP"),
    ("asyncio/selector_events.py", "HTTP"),
    ("lcel_compat/", "engine"),
    ("/langgraph/", "engine"),
    ("langchain_core/", CHAIN),
    ("benchmarks/_workloads.py", CHAIN),
)
"""File and kind: the innermost frame whose file is on the list says what a stack was busy with."""


class Profile:
    """The processor time of this process from `start` until `stop`, by kind.

    To be made in the main thread, whose signal handler takes the samples: a thread that did so would be let in mostly
    where others wait for the system, and would find them all doing that.

    Args:
        interval: Seconds of processor time between two samples, if the system's clock is that fine.
    """

    def __init__(self, interval: float = 0.001) -> None:
        self.stacks: defaultdict[Stack, float] = defaultdict(float)
        self.jobs: defaultdict[str, float] = defaultdict(float)
        self._interval = interval
        self._main = threading.get_ident()
        self._last = 0.0
        self._over = False
        self._begun: dict[threading.Thread, float] = {}
        signal.signal(signal.SIGPROF, self._sample)

    def watch(self, worker: Any) -> None:
        """Time what a thread of a SQLite database is given."""
        perform = worker._perform

        def timed(connection: Any, jobs: Sequence[Any]) -> None:
            for job in jobs:
                job.function = self._timed(job.function)
            perform(connection, jobs)

        worker._perform = timed

    def start(self) -> None:
        """Begin; from any thread."""
        # Before the callbacks of others, which would be found in its place.
        gc.callbacks.insert(0, _collection)
        self._begun = {thread: _clock(thread.ident) for thread in threading.enumerate()}
        self._last = _clock(self._main)
        signal.setitimer(signal.ITIMER_PROF, self._interval, self._interval)

    def stop(self) -> dict[str, float]:
        """End; seconds by kind, the most first."""
        self._over = True
        signal.setitimer(signal.ITIMER_PROF, 0)
        gc.callbacks.remove(_collection)
        return _sorted([*self._of_main(), *self._of_threads()])

    def functions(self, most: int = 100) -> dict[str, float]:
        """Seconds of the main thread by function, with all that it called; the most first."""
        found = _sorted([(name, spent) for stack, spent in self.stacks.items() for name in set(map(_named, stack))])
        return dict(list(found.items())[:most])

    def _sample(self, number: int, interrupted: Any) -> None:
        if self._over or interrupted.f_code.co_name == "select":
            # It waits, and what it did before that is not known: the next sample of its work stands for this, too.
            return
        now = _clock(self._main)
        self.stacks[_stack(interrupted)] += now - self._last
        # What this took is nobody's.
        self._last = _clock(self._main)

    def _timed(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def timed(connection: Any) -> Any:
            begun = time.thread_time()
            try:
                return function(connection)
            finally:
                self.jobs[_kind_of_job(function)] += time.thread_time() - begun

        return timed

    def _of_main(self) -> list[tuple[str, float]]:
        return [(kind(stack), spent) for stack, spent in self.stacks.items()]

    def _of_threads(self) -> list[tuple[str, float]]:
        found = list(self.jobs.items())
        for thread in threading.enumerate():
            if thread.ident not in (self._main, threading.get_ident()):
                storing = thread.name.startswith("lcel-")
                found.append((COMMITS if storing else CHAIN, _clock(thread.ident) - self._begun.get(thread, 0.0)))
        return [*found, (COMMITS, -sum(self.jobs.values()))]


def _collection(phase: str, facts: Mapping[str, int]) -> None:
    """Stands on the stack at the end of a garbage collection, when the signals that came meanwhile are handled."""


def _clock(ident: int | None) -> float:
    assert ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(ident))


def _stack(frame: Any) -> Stack:
    found = []
    while frame is not None:
        found.append((frame.f_code.co_filename, frame.f_code.co_qualname))
        frame = frame.f_back
    return tuple(found)


def _named(frame: tuple[str, str]) -> str:
    file, function = frame
    return f"{'/'.join(file.split('/')[-3:])}:{function}"


def _sorted(parts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Seconds by name, the most first."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, spent in parts:
        found[name] += spent
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def kind(stack: Stack) -> str:
    """What a stack is busy with."""
    for file, _ in stack:
        for part, found in KINDS:
            if part in file:
                return found
    return OTHER


def _kind_of_job(function: Callable[[Any], Any]) -> str:
    name = function.__qualname__
    if "Saver" in name:
        return CHECKPOINTS
    return FRAMES if "keep" in name or "store" in name else ROWS

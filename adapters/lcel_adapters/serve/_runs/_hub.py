"""Who is to be woken when something happened to a run, and the logs of the runs that execute here."""

from __future__ import annotations

import asyncio
from weakref import WeakSet

from lcel_adapters.serve._runs._log import RunLog


class ServerEnds(asyncio.CancelledError):
    """This server ends, and the run goes on elsewhere: whoever follows it asks again, and another server answers.

    As a cancellation it breaks an answer off where nobody catches it: a client must not take half of one for the whole.
    """


class News:
    """Somebody who follows a run.

    Attributes:
        run_id: The run's.
        event: Is set at every piece of news; whoever waits clears it before looking.
        log: The run's log, from when it is first seen: what this follower has not read is not lost when the run ends.
    """

    __slots__ = ("__weakref__", "event", "log", "run_id")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.event = asyncio.Event()
        self.log: RunLog | None = None


class Hub:
    """Wakes those who wait for news of a run, in this process.

    Followers are known as long as they exist: a request that is dropped before its response begins leaves nothing.

    Attributes:
        closed: Whether nobody may wait any more.
    """

    def __init__(self) -> None:
        self.closed = False
        self._waiting: dict[str, WeakSet[News]] = {}

    def close(self) -> None:
        """The server ends: those who wait are sent away."""
        self.closed = True
        self.wake_all()

    def listen(self, run_id: str) -> News:
        """Follow a run from now on, as long as what is returned is kept."""
        news = News(run_id)
        self._waiting.setdefault(run_id, WeakSet()).add(news)
        return news

    def leave(self, news: News) -> None:
        """Follow no longer."""
        followers = self._waiting.get(news.run_id)
        if followers is not None:
            followers.discard(news)
            if not followers:
                del self._waiting[news.run_id]

    def sweep(self) -> None:
        """Forget runs whose followers all went without a word."""
        for run_id in [run_id for run_id, followers in self._waiting.items() if not followers]:
            del self._waiting[run_id]

    def publish(self, run_id: str, log: RunLog) -> None:
        """A run starts here."""
        for news in self._waiting.get(run_id, ()):
            news.log = log
            news.event.set()

    def wake(self, run_id: str) -> None:
        """There is news of a run."""
        for news in self._waiting.get(run_id, ()):
            news.event.set()

    def wake_all(self) -> None:
        """There may be news of any run."""
        for run_id in list(self._waiting):
            self.wake(run_id)

    def __contains__(self, run_id: str) -> bool:
        """Whether somebody follows it."""
        return bool(self._waiting.get(run_id))

"""Servers that are killed at random moments while stories are played on them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.serving.faults.databases import database
from tests.serving.faults.stories import STORIES, Outcome, disturbed, faults, play_all
from tests.support.served import Fleet

GRAPHS = "tests.serving.faults.graphs"
LONGEST = 1.1
"""Seconds within which a kill comes: about as long as the stories take."""


class Victims:
    """Servers on one database: one on SQLite, two on PostgreSQL; whichever is killed is replaced.

    Attributes:
        url: Of the database.
        kills: How many were killed.
        runs: How many runs there were.
        disturbed: How many streamed runs were executed more than once because of that.
    """

    def __init__(self, fleet: Fleet, url: str, count: int, chance: random.Random) -> None:
        self.url = url
        self.kills = 0
        self.runs = 0
        self.disturbed = 0
        self._fleet = fleet
        self._chance = chance
        self._live = [fleet.start() for _ in range(count)]

    def urls(self) -> Sequence[str]:
        """Where servers are; a client asks one, and another when that is gone."""
        return random.sample([served.url for served in self._live], len(self._live))

    def kill_one(self) -> None:
        """Kill one, and start another."""
        place = self._chance.randrange(len(self._live))
        self._live[place].kill()
        self.kills += 1
        self._live[place] = self._fleet.start()

    def round(self, expected: dict[str, Outcome], kills: int) -> list[str]:
        """Play all stories while servers are killed; what is wrong afterwards."""
        over = threading.Event()
        killer = threading.Thread(target=self._kill, args=(kills, over))
        killer.start()
        found = play_all(STORIES, self.urls, self.url)
        over.set()
        killer.join()
        self.runs += sum(len(story.bodies) for story in STORIES)
        self.disturbed += disturbed(found.values())
        return [
            f"{story.name}: {fault}"
            for story in STORIES
            for fault in faults(story, expected[story.name], found[story.name])
        ]

    def undisturbed(self) -> dict[str, Outcome]:
        """What comes of the stories when nobody is killed."""
        found = play_all(STORIES, self.urls, self.url)
        assert not [outcome for outcome in found.values() if isinstance(outcome, BaseException)], found
        return {name: outcome for name, outcome in found.items() if isinstance(outcome, Outcome)}

    def _kill(self, kills: int, over: threading.Event) -> None:
        for _ in range(kills):
            # Those after the first come while what the one before left is taken up.
            time.sleep(self._chance.uniform(0.02, LONGEST / kills))
            if not over.is_set():
                self.kill_one()


@contextmanager
def victims(kind: str, folder: Path, library: str, seed: int) -> Iterator[Victims]:
    """Servers to be killed, on an empty database."""
    with database(kind, folder) as url:
        fleet = Fleet(folder, url, graphs=GRAPHS, library=library, poll=0.2, worker_timeout=1.0)
        try:
            yield Victims(fleet, url, 1 if kind == "sqlite" else 2, random.Random(seed))
        finally:
            fleet.close()


def soak(kind: str, folder: Path, library: str, kills: int, seed: int = 0) -> tuple[Victims, int, list[str]]:
    """Kill so many servers, a few in each round; the servers, how many rounds, and what was wrong."""
    wrong: list[str] = []
    rounds = 0
    chance = random.Random(seed)
    with victims(kind, folder, library, seed) as servers:
        expected = servers.undisturbed()
        while servers.kills < kills:
            wrong += servers.round(expected, min(kills - servers.kills, chance.choice((1, 1, 2, 3))))
            rounds += 1
        return servers, rounds, wrong

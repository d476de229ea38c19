"""Stories that are being played while somebody meddles with their servers."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tests.serving.faults.reader import SILENCE
from tests.serving.faults.servers import Listens
from tests.serving.faults.stories import Outcome, Story, all_modes, faults, play_all

_INPUT = {"input": {"tick": 0.04}}
SLOW = [
    *(Story(name=name, graph=name, bodies=[all_modes(**_INPUT)]) for name in ("steps", "wide", "nest")),
    Story(name="ask", graph="ask", bodies=[all_modes(**_INPUT), all_modes(command={"resume": "yes"})]),
]
"""Stories that last about a second."""


class Playing:
    """Slow stories that are being played, at whichever servers are named in ``urls``.

    Args:
        database: The servers'.
        servers: The first of them.
        silence: Seconds after which clients take a server that says nothing for gone.
    """

    def __init__(self, database: str, *servers: Listens, silence: float = SILENCE) -> None:
        self.urls: Sequence[str] = [server.url for server in servers]
        self._database = database
        self._silence = silence
        self._found: dict[str, Outcome | BaseException] = {}
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def outcomes(self) -> dict[str, Outcome]:
        """What came of them, once they are over."""
        self._thread.join()
        wrong = {name: outcome for name, outcome in self._found.items() if not isinstance(outcome, Outcome)}
        assert not wrong, wrong
        return {name: outcome for name, outcome in self._found.items() if isinstance(outcome, Outcome)}

    def again(self) -> dict[str, Outcome]:
        """What is kept of them by now."""
        return {
            story.name: story.again(lambda: self.urls, self._database, self.outcomes()[story.name]) for story in SLOW
        }

    def _play(self) -> None:
        self._found = play_all(SLOW, lambda: list(self.urls), self._database, self._silence)


def wrong_with(found: dict[str, Outcome], expected: dict[str, Outcome]) -> list[str]:
    """How slow stories differ from undisturbed ones."""
    return [
        f"{story.name}: {fault}" for story in SLOW for fault in faults(story, expected[story.name], found[story.name])
    ]

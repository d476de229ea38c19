"""Models, tools and retrievers recorded and played back, so that two runs differ only where the program does."""

from __future__ import annotations

from lcel_compat.replay._cassette import Cassette
from lcel_compat.replay._errors import MissingCallError, ReplayedError, ReplayError
from lcel_compat.replay._replay import replay, rewind

__all__ = ["Cassette", "MissingCallError", "ReplayError", "ReplayedError", "replay", "rewind"]

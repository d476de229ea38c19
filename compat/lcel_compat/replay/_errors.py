"""The exceptions of replay.

::

    Exception
    └── ReplayError              a call cannot be played back
        ├── MissingCallError     (LookupError) nothing on the cassette answers the call
        └── ReplayedError        a recorded error whose class is not loaded here

A file that is no cassette raises ``lcel_compat.events.RecordingError``, as a bad recording does.
"""

from __future__ import annotations


class ReplayError(Exception):
    """Base of what replay raises itself; the errors that it plays back are those that were recorded."""


class MissingCallError(ReplayError, LookupError):
    """The application makes a call that was not recorded, or makes it more often than it was recorded.

    The message shows the call, and what differs from the recorded call that is nearest to it.
    """


class ReplayedError(ReplayError):
    """An error that a recorded call ended with, of a class that this process has not loaded.

    Attributes:
        type: The dotted name of the class that was raised.
        message: What it said.
    """

    def __init__(self, type: str, message: str) -> None:
        super().__init__(f"{type}: {message}")
        self.type = type
        self.message = message

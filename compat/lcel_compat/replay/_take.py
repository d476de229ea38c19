"""One recorded call: what was asked, what came and when, and how it ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias, get_args

from lcel_compat.events._json_text import JsonValue, dumps
from lcel_compat.events._lines import RecordingError
from lcel_compat.events._stored import to_stored
from lcel_compat.replay._errors import ReplayedError

Ending: TypeAlias = Literal["complete", "error", "abandoned", "open"]
"""How a call ended; ``abandoned``: its caller stopped reading, ``open``: it is run again and not played."""
StepKind: TypeAlias = Literal["chunk", "token"]

ENDINGS: Final = get_args(Ending)
_ATTRIBUTES: Final = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Step:
    """Something that came during a call.

    Attributes:
        at: Milliseconds since the call's start.
        kind: A ``chunk`` was handed out, or a ``token`` was told to the callbacks.
        value: Its JSON; of a token ``[text, chunk]``.
    """

    at: float
    kind: StepKind
    value: JsonValue


@dataclass(slots=True, kw_only=True)
class Take:
    """One recorded call.

    Attributes:
        family: ``chat_model``, ``llm``, ``tool`` or ``retriever``.
        asked: What was asked of whom.
        key: What finds it: a digest of family and ``asked``.
        index: Which of the calls with this key it is, from 0, in order of their starts.
        streamed: Whether it was asked for as a stream.
        steps: What came, in order.
        ending: How it ended, ``None`` while it has not.
        result: The JSON of what a call that was not streamed returned.
        error: Class, message, arguments and plain attributes of what it raised.
        at: Milliseconds from its start to its end.
        why: Of an ``open`` call: why it cannot be played.
    """

    family: str
    asked: dict[str, Any]
    key: str
    index: int
    streamed: bool = False
    steps: list[Step] = field(default_factory=list)
    ending: Ending | None = None
    result: JsonValue = None
    error: dict[str, Any] | None = None
    at: float = 0.0
    why: str = ""

    def to_line(self) -> dict[str, JsonValue]:
        """The take as one line of a cassette."""
        line: dict[str, JsonValue] = {"family": self.family, "key": self.key, "index": self.index}
        line |= {"asked": self.asked, "streamed": self.streamed, "ending": self.ending, "ms": round(self.at, 3)}
        if self.steps:
            line["steps"] = [[round(step.at, 3), step.kind, step.value] for step in self.steps]
        rest: dict[str, JsonValue] = {"result": self.result, "error": self.error, "why": self.why or None}
        return line | {key: value for key, value in rest.items() if value is not None}


def from_line(line: Mapping[str, Any], where: str) -> Take:
    """The take that a line holds.

    Raises:
        RecordingError: If it holds none.
    """
    try:
        take = Take(
            family=_is(str, line["family"]),
            asked=_is(dict, line["asked"]),
            key=_is(str, line["key"]),
            index=_is(int, line["index"]),
            streamed=_is(bool, line["streamed"]),
            steps=[_step(part) for part in line.get("steps", ())],
            ending=line["ending"],
            result=line.get("result"),
            error=None if line.get("error") is None else _is(dict, line["error"]),
            at=float(line["ms"]),
            why=_is(str, line.get("why", "")),
        )
        if take.ending not in ENDINGS or (take.ending == "error") != (take.error is not None):
            raise ValueError(f"an ending {take.ending!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{where} holds no recorded call: {type(error).__name__}: {error}.") from error
    return take


def _step(part: Any) -> Step:
    at, kind, value = part
    if kind not in get_args(StepKind) or (kind == "token" and len(value) != 2):
        raise ValueError(f"a step {kind!r}")
    return Step(float(at), kind, value)


def _is(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r:.40} is no {kind.__name__}")
    return value


def key_of(family: str, asked: dict[str, Any]) -> str:
    """The digest of canonical JSON: keys in order, nothing between."""
    return sha256(dumps([family, _sorted(asked)]).encode()).hexdigest()[:32]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(part) for part in value] if isinstance(value, list) else value


# --- errors ---------------------------------------------------------------------------------------


def pack_error(error: BaseException) -> dict[str, JsonValue]:
    """What is kept of an error: enough to raise it again without running any code of its class."""
    cls = type(error)
    plain = {name: value for name, value in vars(error).items() if isinstance(value, _ATTRIBUTES)}
    return {
        "type": f"{cls.__module__}.{cls.__qualname__}",
        "message": str(error),
        "args": to_stored([arg for arg in error.args if isinstance(arg, _ATTRIBUTES)]),
        "attributes": to_stored(plain),
    }


def unpack_error(stored: Mapping[str, Any]) -> BaseException:
    """The error again, of the same class where that is loaded, else a ``ReplayedError`` that names it.

    No module is imported for what a file says, and no ``__init__`` runs: the class is looked up among those that are
    loaded, must be one of exceptions, and gets its arguments and plain attributes back as they were.
    """
    name, message = str(stored.get("type")), str(stored.get("message"))
    cls = _exception_class(name)
    if cls is None:
        return ReplayedError(name, message)
    try:
        error = cls.__new__(cls)
        error.args = tuple(stored.get("args") or ())
        vars(error).update(stored.get("attributes") or {})
        said = str(error)
    except Exception:  # The class needs more than that to exist, or to say what it is.
        return ReplayedError(name, message)
    if said != message:
        error.add_note(f"recorded message: {message}")
    return error


def _exception_class(name: str) -> type[Exception] | None:
    for module, rest in _splits(name):
        found: Any = sys.modules.get(module)
        for part in rest:
            found = vars(found).get(part) if hasattr(found, "__dict__") else None
        if isinstance(found, type) and issubclass(found, Exception):
            return found
    return None


def _splits(name: str) -> Iterator[tuple[str, list[str]]]:
    parts = name.split(".")
    for index in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:index]), parts[index:]

"""What replay records to and plays from."""

from __future__ import annotations

import difflib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from lcel_compat.events._lines import Damage, LineWriter, read_lines
from lcel_compat.events._redact import REDACTOR, Redactor
from lcel_compat.replay._errors import MissingCallError, ReplayError
from lcel_compat.replay._take import Take, from_line, key_of

_COMPARED: Final = 4_000
_CANDIDATES: Final = 200
_DIFF_LINES: Final = 40


class Cassette:
    """Recorded calls of models, tools and retrievers, in memory or in a file.

    The file is of the kind that ``lcel_compat.events.load`` describes, with one line for each call, written when the
    call has ended; a name that ends in ``.zst`` has it compressed. Any number of ``replay`` blocks may play from one
    cassette at once, each with a place of its own.

    Args:
        path: The file; without one the cassette lives as long as this object.
        redact: What is hidden before anything is kept, ``None`` for nothing. A call is known by what is left, so that
            a key that changes from day to day does not matter; but what was hidden is played back hidden.

    Raises:
        RecordingError: If the file is there and is no cassette.
    """

    def __init__(self, path: str | Path | None = None, *, redact: Redactor | None = REDACTOR) -> None:
        self.path = None if path is None else Path(path)
        self.damage: tuple[str, ...] = ()
        """What of the file could not be read, one sentence each."""
        self._redact = redact
        self._lock = threading.Lock()
        self._takes: dict[str, list[Take]] = defaultdict(list)
        self._started: Counter[str] = Counter()
        self._recording = False
        self._writer: LineWriter | None = None
        if self.path is not None and self.path.exists() and self.path.stat().st_size:
            self._load(self.path)

    def __len__(self) -> int:
        """How many calls are on it."""
        return sum(map(len, self._takes.values()))

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else repr(str(self.path))
        return f"<Cassette {where}, {len(self)} calls>"

    def _load(self, path: Path) -> None:
        damage = Damage()
        lines = read_lines(path, "cassette", damage)
        for line in lines:
            if "format" not in line.value:
                self._add(from_line(line.value, f"{path}, line {line.number},"))
        self.damage = tuple(damage.found)

    def _add(self, take: Take) -> None:
        takes = self._takes[take.key]
        takes.append(take)
        takes.sort(key=lambda take: take.index)

    # --- recording

    def open(self) -> None:
        """Begin to record: what was on the cassette is gone."""
        with self._lock:
            if self._recording:
                raise ReplayError(f"{self!r} is being recorded already. Give each `replay` that records its own.")
            if self.path is not None:
                self._writer = LineWriter(self.path, "cassette")
            self._takes.clear()
            self._started.clear()
            self._recording = True

    def close(self) -> None:
        """End recording; what is still under way is not kept."""
        with self._lock:
            self._recording = False
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def start(self, family: str, asked: dict[str, Any]) -> Take:
        """A new take of a call that starts now."""
        asked = self.hidden(asked)
        key = key_of(family, asked)
        with self._lock:
            index = self._started[key]
            self._started[key] += 1
        return Take(family=family, asked=asked, key=key, index=index)

    def keep(self, take: Take) -> None:
        """Put a take that has ended on the cassette."""
        line = self.hidden(take.to_line())
        with self._lock:
            if not self._recording:  # A call that outlived its block.
                return
            if self._writer is not None:
                self._writer.write(line)
            self._add(from_line(line, "the cassette"))

    def hidden(self, value: Any) -> Any:
        """JSON without secrets."""
        return value if self._redact is None else self._redact.hide(value)

    # --- playing

    def find(self, family: str, asked: dict[str, Any], cursors: Counter[str]) -> Take:
        """The take that answers a call, the next of those with its key; ``cursors`` count how many were played.

        Raises:
            MissingCallError: If there is none, or none left.
        """
        asked = self.hidden(asked)
        key = key_of(family, asked)
        with self._lock:
            takes = self._takes.get(key, [])
            index = cursors[key]
            cursors[key] += 1
            if index < len(takes):
                return takes[index]
            recorded = [take for same in self._takes.values() for take in same]
        raise MissingCallError(_missing(self, family, asked, len(takes), recorded))


def _missing(cassette: Cassette, family: str, asked: dict[str, Any], times: int, recorded: Iterable[Take]) -> str:
    what = f"this call of a {family.replace('_', ' ')}, {_title(asked)}"
    remedy = "Record again (mode='record') if the application now asks something else on purpose."
    if times:
        return f"{cassette!r} holds {what} {times} times, and it is made once more:\n{_text(asked)}\n{remedy}"
    near = _nearest(asked, [take for take in recorded if take.family == family])
    if near is None:
        return f"{cassette!r} holds no call of a {family.replace('_', ' ')}:\n{_text(asked)}\n{remedy}"
    return f"{cassette!r} does not hold {what}. From the nearest recorded call to this one:\n{near}\n{remedy}"


def _title(asked: dict[str, Any]) -> str:
    return str(asked.get("name") or asked.get("class"))


def _text(asked: dict[str, Any]) -> str:
    return json.dumps(asked, indent=2, sort_keys=True, ensure_ascii=False)


def _nearest(asked: dict[str, Any], takes: list[Take]) -> str | None:
    """The difference to the recorded call that is most like this one, as a diff."""
    if not takes:
        return None
    mine = _text(asked)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(mine[:_COMPARED])

    def likeness(text: str) -> float:
        matcher.set_seq1(text[:_COMPARED])
        return matcher.quick_ratio()

    texts = dict.fromkeys(_text(take.asked) for take in takes[-_CANDIDATES:])
    near = max(texts, key=likeness)
    lines = list(difflib.unified_diff(near.splitlines(), mine.splitlines(), "recorded", "asked", lineterm="", n=2))
    cut = [f"... and {len(lines) - _DIFF_LINES} lines more"] if len(lines) > _DIFF_LINES else []
    return "\n".join([*lines[:_DIFF_LINES], *cut])

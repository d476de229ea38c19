"""Interrupts: how a node asks, and how it finds its answers when it runs again.

A node that asks is run again from its beginning once there is an answer; its questions are told apart by their order.
The rules are LangGraph's (``langgraph/types.py``, ``interrupt``; ``langgraph/pregel/_algo.py``, ``_scratchpad``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from xxhash import xxh3_128_hexdigest

from lcel_compat._constants import NAMESPACE_SEPARATOR, NULL_TASK, RESUME
from lcel_compat._ledger import PendingWrite
from lcel_compat.errors import GraphInterrupt
from lcel_compat.types import Interrupt


class Answers:
    """The answers of one task, in the order of its questions.

    Args:
        namespace: The task's.
        given: The answers it has got.
        common: Takes (or looks at) the answer that was given to the run as a whole, if nobody has taken it yet.
        keep: Remembers, with the task, that these answers were used.
    """

    def __init__(
        self,
        namespace: str,
        given: Sequence[Any],
        common: Callable[[bool], Any],
        keep: Callable[[list[Any]], None],
    ) -> None:
        self.given = list(given)
        self.common = common
        self._namespace = namespace
        self._keep = keep
        self._asked = 0

    def ask(self, value: Any, schema: Any = None) -> Any:
        """The answer to the task's next question.

        Raises:
            GraphInterrupt: If there is none yet.
            pydantic.ValidationError: If it does not fit the schema; it is not used up then.
        """
        index = self.next()
        adapter = None if schema is None or isinstance(schema, dict) else TypeAdapter(schema)
        if index < len(self.given):
            return self._accepted(adapter, self.given[index], self.given[: index + 1])
        answer = self.common(False)
        if answer is None:
            described = schema if adapter is None else adapter.json_schema()
            asked = Interrupt(value, interrupt_id(self._namespace, len(self.given)), response_schema=described)
            raise GraphInterrupt((asked,))
        accepted = self._accepted(adapter, answer, [*self.given, answer])
        self.common(True)
        self.given.append(answer)
        return accepted

    def next(self) -> int:
        """The number of the next question, from 0; it counts as asked."""
        self._asked += 1
        return self._asked - 1

    def again(self) -> None:
        """The task is tried again, and asks from its first question on; the answers it has got it keeps."""
        self._asked = 0

    def _accepted(self, adapter: TypeAdapter[Any] | None, answer: Any, used: list[Any]) -> Any:
        accepted = answer if adapter is None else adapter.validate_python(answer)
        self._keep(used)
        return accepted


def interrupt_id(namespace: str, answered: int) -> str:
    """The id of a task's next question, when it has this many answers."""
    text = f"{namespace}{NAMESPACE_SEPARATOR}{answered}" if answered else namespace
    return xxh3_128_hexdigest(text.encode())


def is_answer_map(resume: Any) -> bool:
    """Whether a command's ``resume`` is a mapping of interrupt ids to answers, and not an answer itself."""
    return isinstance(resume, Mapping) and all(_is_id(key) for key in resume)


def _is_id(key: Any) -> bool:
    return isinstance(key, str) and len(key) == 32 and all(c in "0123456789abcdef" for c in key)


def given_to(
    task_id: str, namespace: str, pending: Sequence[PendingWrite], answers: Mapping[str, Any] | None
) -> list[Any]:
    """The answers that a task has got: those it used before, and the one that is addressed to its next question."""
    if not pending:
        return []
    kept: Any = next((value for owner, name, value in pending if owner == task_id and name == RESUME), [])
    given = list(kept) if isinstance(kept, list) else [kept]
    for key in (interrupt_id(namespace, len(given)), interrupt_id(namespace, 0)):
        if answers and key in answers:
            return [*given, answers[key]]
    return given


def common_answer(pending: list[PendingWrite], around: Callable[[bool], Any] | None) -> Callable[[bool], Any]:
    """The answer that names no question: the first that asks takes it, here or in a graph inside.

    Args:
        pending: The run's pending writes; the answer is removed from them when it is taken.
        around: The same of the graph around this one.
    """
    found = next((w for w in pending if w[0] == NULL_TASK and w[1] == RESUME), None)

    def answer(take: bool) -> Any:
        if found is None:
            return None if around is None else around(take)
        if not take:
            return found[2] if found in pending else None
        try:
            pending.remove(found)
        except ValueError:
            return None
        return found[2]

    return answer

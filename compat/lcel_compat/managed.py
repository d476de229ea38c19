"""Values that a node reads like state keys and that the run computes: how many supersteps are left.

    class State(TypedDict):
        answer: str
        remaining_steps: RemainingSteps

Nothing can be written to them, and no checkpoint keeps them. Rules and names are LangGraph's
(``langgraph/managed/is_last_step.py``), whose annotations mean the same here.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

__all__ = ["IsLastStep", "RemainingSteps"]


# Classes, since LangGraph would take a function for a reducer, and a class it refuses aloud.
class IsLastStepManager:
    """Whether the run may take this superstep and no other."""

    @staticmethod
    def get(step: int, stop: int) -> bool:
        """Compute it from the superstep that is about to run and the one that is too many."""
        return step == stop - 1


class RemainingStepsManager:
    """How many supersteps the run may take, this one included."""

    @staticmethod
    def get(step: int, stop: int) -> int:
        """Compute it from the superstep that is about to run and the one that is too many."""
        return stop - step


Managed: TypeAlias = type[IsLastStepManager] | type[RemainingStepsManager]

IsLastStep = Annotated[bool, IsLastStepManager]
"""Annotation of a state key that is true in the last superstep that ``recursion_limit`` allows."""
RemainingSteps = Annotated[int, RemainingStepsManager]
"""Annotation of a state key that counts the supersteps that ``recursion_limit`` still allows."""

_MANAGERS: Final[dict[str, Managed]] = {cls.__name__: cls for cls in (IsLastStepManager, RemainingStepsManager)}


def managed_of(note: Any) -> Managed | None:
    """What computes a key with this annotation, if it is a managed one: ours, or LangGraph's of the same name."""
    if not isinstance(note, type) or not note.__module__.startswith(("lcel_compat.managed", "langgraph.managed")):
        return None
    return _MANAGERS.get(note.__name__)

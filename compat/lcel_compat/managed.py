"""Values that a node reads like state keys and that the run computes: how many supersteps are left.

    class State(TypedDict):
        answer: str
        remaining_steps: RemainingSteps

Nothing can be written to them, and no checkpoint keeps them. Rules and names are LangGraph's
(``langgraph/managed/is_last_step.py``), whose annotations mean the same here.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple, TypeAlias

__all__ = ["IsLastStep", "RemainingSteps"]


class Moment(NamedTuple):
    """When in a run a value is computed; the fields that these computations read of LangGraph's scratchpad.

    Attributes:
        step: The superstep that is about to run.
        stop: The first superstep that is too many.
    """

    step: int
    stop: int


# Classes, as LangGraph's are: its `ManagedValue.register` makes them its own, and unregistered it refuses them aloud,
# where it would take a function for a reducer.
class IsLastStepManager:
    """Whether the run may take this superstep and no other."""

    @staticmethod
    def get(moment: Moment) -> bool:
        """Compute it."""
        return moment.step == moment.stop - 1


class RemainingStepsManager:
    """How many supersteps the run may take, this one included."""

    @staticmethod
    def get(moment: Moment) -> int:
        """Compute it."""
        return moment.stop - moment.step


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

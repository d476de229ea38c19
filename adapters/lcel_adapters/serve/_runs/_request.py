"""What a client may ask of a run (AGENT-SERVER.md, (ii) Run body fields)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Mode: TypeAlias = Literal[
    "values", "messages", "messages-tuple", "tasks", "checkpoints", "updates", "events", "debug", "custom"
]
Strategy: TypeAlias = Literal["reject", "rollback", "interrupt", "enqueue"]
CancelAction: TypeAlias = Literal["interrupt", "rollback"]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _never_empty(value: list[Mode]) -> list[Mode]:
    return value or ["values"]


Modes: TypeAlias = Annotated[list[Mode], BeforeValidator(_listed)]


class SendBody(BaseModel):
    """A node to be run with an input of its own."""

    node: str
    input: Any = None


class CommandBody(BaseModel):
    """How a thread goes on: the answer to an interrupt, a change of the state, where to go."""

    update: dict[str, Any] | list[tuple[str, Any]] | None = None
    resume: Any = None
    goto: str | SendBody | list[str | SendBody] | None = None


class RunConfigBody(BaseModel):
    """The parts of a runnable's config that a client may set."""

    model_config = ConfigDict(extra="allow")

    tags: list[str] | None = None
    recursion_limit: int | None = None
    configurable: dict[str, Any] | None = None


class CheckpointBody(BaseModel):
    """A checkpoint to go on from."""

    thread_id: str | None = None
    checkpoint_ns: str | None = None
    checkpoint_id: str | None = None
    checkpoint_map: dict[str, Any] | None = None


class RunBody(BaseModel):
    """What a run is to do, and how it is streamed. Fields that are not known are ignored."""

    assistant_id: str = Field(description="A graph's name, or an assistant's id.")
    input: Any = Field(default=None, description="The graph's input; null goes on with the thread as it is.")
    command: CommandBody | None = None
    config: RunConfigBody | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    checkpoint: CheckpointBody | None = None
    checkpoint_id: str | None = None
    stream_mode: Modes = Field(default=["values"], description="One mode or several.")
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    interrupt_before: Literal["*"] | list[str] | None = None
    interrupt_after: Literal["*"] | list[str] | None = None
    multitask_strategy: Strategy = "enqueue"
    on_disconnect: Literal["cancel", "continue"] = "continue"
    on_completion: Literal["delete", "keep"] = Field(default="delete", description="Of the thread of a stateless run.")
    if_not_exists: Literal["create", "reject"] = "reject"
    after_seconds: float | None = Field(default=None, ge=0, le=10**9)
    webhook: str | None = Field(default=None, max_length=65536)
    feedback_keys: list[str] | None = None
    durability: Literal["sync", "async", "exit"] | None = None

    @model_validator(mode="after")
    def _whole(self) -> RunBody:
        self.stream_mode = _never_empty(self.stream_mode)
        return self

    def to_json(self) -> dict[str, Any]:
        """As it is kept; ``RunBody.model_validate`` reads it."""
        return self.model_dump(mode="json", exclude_unset=True, warnings=False) | {"stream_mode": self.stream_mode}

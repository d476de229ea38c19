"""What clients send to the routes of threads, assistants and the store, and what these answer.

AGENT-SERVER.md, (ii) Endpoints, and the real server's own OpenAPI document.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from lcel_adapters.serve._runs._request import CheckpointBody, CommandBody

Json: TypeAlias = dict[str, Any]
Text: TypeAlias = Annotated[str, AfterValidator(lambda text: text.replace("\0", "\ufffd"))]
"""Text without NUL, which PostgreSQL does not store."""
Order: TypeAlias = Literal["asc", "desc"]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
Offset: TypeAlias = Annotated[int, Field(ge=0, le=10**9)]
IfExists: TypeAlias = Literal["raise", "do_nothing"]
Status: TypeAlias = Literal["idle", "busy", "interrupted", "error"]
ThreadField: TypeAlias = Literal[
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "config",
    "status",
    "values",
    "interrupts",
]
AssistantField: TypeAlias = Literal[
    "assistant_id",
    "graph_id",
    "name",
    "description",
    "config",
    "context",
    "created_at",
    "updated_at",
    "metadata",
    "version",
]


class ErrorBody(BaseModel):
    """What every error is answered with."""

    detail: str


class Ttl(BaseModel):
    """How long a thread is to live; taken and not heeded, as by the real server without a plan that has it."""

    strategy: Literal["delete", "keep_latest"] = "delete"
    ttl: float | None = Field(default=None, description="Minutes.")


class SuperstepUpdate(BaseModel):
    """A change of the state as if a node had made it."""

    as_node: str
    values: Json | list[Any] | None = None
    command: CommandBody | None = None


class Superstep(BaseModel):
    """Changes that are made at once."""

    updates: list[SuperstepUpdate] = Field(min_length=1)


class ThreadCreate(BaseModel):
    """A new thread."""

    thread_id: UUID | None = Field(default=None, description="Chosen by the server if left out.")
    metadata: Json | None = None
    if_exists: IfExists = "raise"
    ttl: Ttl | None = None
    supersteps: list[Superstep] | None = Field(default=None, description="A state to begin with.")


class ThreadPatch(BaseModel):
    """What is added to a thread."""

    metadata: Json | None = None
    ttl: Ttl | None = None


class ThreadCount(BaseModel):
    """Which threads are counted."""

    metadata: Json | None = None
    values: Json | None = None
    status: Status | None = None


class ThreadSearch(ThreadCount):
    """Which threads are looked for."""

    ids: list[UUID] | None = Field(default=None, max_length=10_000)
    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] | None = None
    sort_order: Order | None = None
    select: list[ThreadField] | None = Field(default=None, description="The fields of the answer.")
    extract: dict[str, str] | None = Field(
        default=None, max_length=10, description="Names, and paths into a thread as `values.messages[-1].content`."
    )


class ThreadPrune(BaseModel):
    """Which threads are deleted, or lose their older checkpoints."""

    thread_ids: list[UUID] = Field(max_length=10_000)
    strategy: Literal["delete", "keep_latest"] = "delete"


class Pruned(BaseModel):
    """How many threads were."""

    pruned_count: int


class Thread(BaseModel):
    """A thread."""

    thread_id: UUID
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime
    metadata: Json
    status: Status
    config: Json
    values: Any = None
    error: Json | None = None
    interrupts: dict[str, list[Json]] | None = None
    extracted: Json | None = None


class StateUpdate(BaseModel):
    """A change of a thread's state."""

    values: Json | list[Any] | None = None
    as_node: str | None = Field(default=None, description="The node that the change is taken to come from.")
    checkpoint: CheckpointBody | None = Field(default=None, description="Where the thread goes on from.")
    checkpoint_id: str | None = None


class Updated(BaseModel):
    """Where a change of the state is."""

    checkpoint: Json
    configurable: Json
    checkpoint_id: str


class StateAt(BaseModel):
    """Which state of a thread is asked for."""

    checkpoint: CheckpointBody
    subgraphs: bool = False


class HistorySearch(BaseModel):
    """Which states of a thread are asked for."""

    limit: Limit = 1
    before: Json | str | None = Field(default=None, description="A checkpoint, or its id; or a configuration.")
    metadata: Json | None = None
    checkpoint: CheckpointBody | None = None


class StateTask(BaseModel):
    """What runs next on a thread."""

    id: str
    name: str
    path: list[Any]
    error: str | None
    interrupts: list[Json]
    checkpoint: Json | None
    state: ThreadState | None
    result: Any


class ThreadState(BaseModel):
    """The state of a thread at one checkpoint."""

    values: Any
    next: list[str]
    tasks: list[StateTask]
    metadata: Json | None
    created_at: str | None
    checkpoint: Json | None
    parent_checkpoint: Json | None
    interrupts: list[Json]
    checkpoint_id: str | None
    parent_checkpoint_id: str | None


class AssistantCreate(BaseModel):
    """A new assistant: a graph with a configuration."""

    graph_id: Text
    assistant_id: UUID | None = None
    config: Json | None = None
    context: Json | None = None
    metadata: Json | None = None
    if_exists: IfExists = "raise"
    name: Text | None = None
    description: Text | None = None


class AssistantPatch(BaseModel):
    """What changes of an assistant."""

    graph_id: Text | None = None
    config: Json | None = None
    context: Json | None = None
    metadata: Json | None = None
    name: Text | None = None
    description: Text | None = None


class AssistantCount(BaseModel):
    """Which assistants are counted."""

    metadata: Json | None = None
    graph_id: Text | None = None
    name: Text | None = Field(default=None, description="A part of the name, in any case.")


class AssistantSearch(AssistantCount):
    """Which assistants are looked for."""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["assistant_id", "created_at", "updated_at", "name", "graph_id"] | None = None
    sort_order: Order | None = None
    select: list[AssistantField] | None = Field(default=None, description="The fields of the answer.")


class VersionSearch(BaseModel):
    """Which versions of an assistant are asked for."""

    metadata: Json | None = None
    limit: Limit = 10
    offset: Offset = 0


class VersionChoice(BaseModel):
    """The version that an assistant goes back to."""

    version: int = Field(ge=0, le=2**31 - 1)


class AssistantVersion(BaseModel):
    """One version of an assistant."""

    assistant_id: UUID
    graph_id: str
    config: Json
    context: Json
    metadata: Json
    name: str
    description: str | None
    version: int
    created_at: datetime


class Assistant(AssistantVersion):
    """An assistant."""

    updated_at: datetime


class Schemas(BaseModel):
    """The JSON schemas of a graph; null where it declares none."""

    input_schema: Json | None
    output_schema: Json | None
    state_schema: Json | None
    config_schema: Json | None
    context_schema: Json | None


class GraphSchemas(Schemas):
    """The JSON schemas of an assistant's graph."""

    graph_id: str


class Drawing(BaseModel):
    """A graph to be drawn."""

    nodes: list[Json]
    edges: list[Json]


class StoreKey(BaseModel):
    """Where an item of the store is."""

    key: Text
    namespace: list[Text] = []


class StorePut(BaseModel):
    """An item to be stored."""

    namespace: list[Text]
    key: Text
    value: Json
    index: Literal[False] | list[str] | None = None
    ttl: float | None = Field(default=None, ge=0.01, le=52_560_000, description="Minutes that it lives.")


class StoreSearch(BaseModel):
    """Which items of the store are looked for."""

    namespace_prefix: list[Text] | None = None
    filter: Json | None = None
    limit: Limit = 10
    offset: Offset = 0
    query: str | None = None
    refresh_ttl: bool | None = None


class NamespaceSearch(BaseModel):
    """Which namespaces of the store are looked for."""

    prefix: list[Text] | None = None
    suffix: list[Text] | None = None
    max_depth: int | None = Field(default=None, ge=1, le=1000)
    limit: Limit = 100
    offset: Offset = 0


class Item(BaseModel):
    """An item of the store."""

    namespace: list[str]
    key: str
    value: Json
    created_at: datetime
    updated_at: datetime


class FoundItem(Item):
    """An item that was found."""

    score: float | None


class FoundItems(BaseModel):
    """The items that were found."""

    items: list[FoundItem]


class Namespaces(BaseModel):
    """The namespaces that were found."""

    namespaces: list[list[str]]

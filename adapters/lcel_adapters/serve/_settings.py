"""What an operator may set."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Limits and intervals of a server; every one has a default that suits a small machine.

    Durations are in seconds, sizes in bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    heartbeat: float = Field(default=5.0, gt=0, description="Between two comments that keep a stream open.")
    stall: float | None = Field(default=300.0, gt=0, description="After which a client that takes nothing is dropped.")
    max_body: int = Field(default=16_000_000, gt=0, description="Of a request.")
    max_depth: int = Field(default=200, gt=0, description="Levels of JSON in a request.")
    max_streams: int = Field(
        default=2_000,
        gt=0,
        description="Answers that stream, join or wait at once; further ones are answered 503, and run nothing."
        " LangServe's `/invoke` and `/batch` are none.",
    )
    max_runs: int = Field(
        default=200,
        gt=0,
        description="Executing at once, kept or not, for whichever clients; further ones wait. LangServe's batch is"
        " one. What waits for its reader for more than a second is not counted meanwhile.",
    )
    run_timeout: float | None = Field(
        default=None,
        gt=0,
        description="Of executing, after which a run ends as `timeout`, and LangServe's clients are answered 504.",
    )
    drain: float = Field(default=30.0, ge=0, description="How long a server that is told to end lets runs go on.")
    poll: float = Field(default=1.0, gt=0, description="Between two looks for runs that nobody executes.")
    worker_timeout: float = Field(default=10.0, gt=0, description="After which a silent server's runs are taken over.")
    max_attempts: int = Field(default=25, gt=0, description="Of a run; one whose servers die so often ends as `error`.")
    keep_frames: float = Field(default=300.0, ge=0, description="How long frames outlive a run that is not resumable.")
    webhook_hosts: Sequence[str] | None = Field(
        default=None, description="That webhooks may name; None for all outside."
    )

"""Which config a run gets: what the client may say of it, what the server adds, what nobody can change."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import orjson
from fastapi import HTTPException
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_config_list, merge_configs
from pydantic import BaseModel
from starlette.requests import Request

from lcel_adapters.serve._langserve._input import refused
from lcel_adapters.serve._langserve._lzstring import decompress
from lcel_adapters.serve._langserve._types import ConfigModifier

DIALECT = "0.3.3"
"""The release of LangServe whose ways these are; runs carry it in their metadata."""

INVALID_HASH = "Invalid config hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configs:
    """How a route makes configs.

    Attributes:
        keys: The keys that a client may set.
        model: What they may hold.
        modifier: What the application does to each request's config.
        run_name: The name of the root run.
    """

    keys: Sequence[str]
    model: type[BaseModel]
    modifier: ConfigModifier | None
    run_name: str

    async def of_request(self, request: Request, sent: Mapping[str, Any] | None, endpoint: str) -> RunnableConfig:
        """The config for one run.

        Args:
            request: The request, whose path may hold a config.
            sent: The config in its body, which goes before the path's.
            endpoint: Its name, for the run's metadata.

        Raises:
            HTTPException: If the path holds no config (400), or a client may not configure what it does (422).
            RequestValidationError: If a config does not fit.
        """
        return self._completed(await self._allowed(request, sent), request, endpoint)

    async def of_batch(
        self, request: Request, sent: Mapping[str, Any] | list[dict[str, Any]] | None, length: int
    ) -> list[RunnableConfig]:
        """The configs for several runs; see ``of_request``.

        Args:
            request: The request.
            sent: The config for all runs, or one for each.
            length: How many runs there are.
        """
        if isinstance(sent, list):
            if len(sent) != length:
                raise HTTPException(422, f"Number of configs ({len(sent)}) must match number of inputs ({length})")
            found = [await self._allowed(request, config) for config in sent]
        else:
            found = get_config_list(cast("RunnableConfig", await self._allowed(request, sent)), length)
        return [self._completed(config, request, "batch") for config in found]

    def of_path(self, request: Request) -> RunnableConfig:
        """The config in a path, for schemas; the application has no say in it."""
        return cast("RunnableConfig", self._projected(self._checked(in_path(request))))

    async def _allowed(self, request: Request, sent: Mapping[str, Any] | None) -> Any:
        config = merge_configs(self._checked(in_path(request)), self._checked(sent or {}))
        projected = self._projected(config)
        if self.modifier is None:
            return projected
        modified = self.modifier(projected, request)
        return await modified if inspect.isawaitable(modified) else modified

    def _checked(self, config: Mapping[str, Any]) -> Any:
        with refused(config):
            # Core gives the default of an alternative as text where it declares an enum, of which pydantic would warn.
            return self.model.model_validate(config).model_dump(by_alias=True, warnings=False)

    def _projected(self, config: Mapping[str, Any]) -> dict[str, Any]:
        if config.get("configurable") and "configurable" not in self.keys:
            raise HTTPException(
                422, "This route takes no `configurable`; add it to the `config_keys` of `add_routes` to take it."
            )
        return {key: config[key] for key in self.keys if key in config}

    def _completed(self, config: Any, request: Request, endpoint: str) -> RunnableConfig:
        metadata = {
            "__useragent": request.headers.get("user-agent"),
            "__langserve_version": DIALECT,
            "__langserve_endpoint": endpoint,
        }
        fixed = RunnableConfig(metadata=metadata, **({"run_name": self.run_name} if self.run_name else {}))
        merged = merge_configs(config, fixed)
        if merged.get("run_id") is None:
            merged["run_id"] = uuid4()
        return merged


def in_path(request: Request) -> dict[str, Any]:
    """The config that a path holds under ``/c/``; empty where it holds none.

    Raises:
        HTTPException: If it is none (400).
    """
    text = request.path_params.get("config_hash", "")
    if not text:
        return {}
    try:
        config = orjson.loads(decompress(text))
    except ValueError as error:
        raise HTTPException(400, INVALID_HASH) from error
    if not isinstance(config, dict):
        raise HTTPException(400, INVALID_HASH)
    return config

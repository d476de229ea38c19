"""One runnable that is served: everything that its endpoints share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from langchain_core.runnables import RunnableConfig
from starlette.requests import Request

from lcel_adapters.serve._langserve._config import Configs
from lcel_adapters.serve._langserve._feedback import LangSmith
from lcel_adapters.serve._langserve._input import check, decode, read_json
from lcel_adapters.serve._langserve._models import InvokeBody
from lcel_adapters.serve._langserve._schemas import Schemas
from lcel_adapters.serve._langserve._types import Serializer, Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for.

    Attributes:
        input: What the runnable is given.
        config: The run's config, with a run id.
        body: The request's body.
    """

    input: Any
    config: RunnableConfig
    body: Any

    @property
    def run_id(self) -> str:
        """The root run's id."""
        return str(self.config["run_id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A runnable under a path.

    Attributes:
        runnable: The runnable.
        wishes: What ``add_routes`` was asked for.
        schemas: What it takes and gives.
        configs: How configs are made.
        langsmith: Where feedback goes.
        serializer: How values become JSON.
    """

    runnable: Any
    wishes: Wishes
    schemas: Schemas
    configs: Configs
    langsmith: LangSmith
    serializer: Serializer

    async def asked(self, request: Request, endpoint: str) -> Asked:
        """What a request for one run asks for.

        Raises:
            RequestValidationError: If it is invalid.
            HTTPException: If its config cannot be taken.
        """
        body = await read_json(request)
        shape = check(InvokeBody, body)
        config = await self.configs.of_request(request, shape.config, endpoint)
        schema = await self.schemas.input_of(config)
        return Asked(input=decode(schema, shape.input), config=config, body=body)

    def answer(self, output: Any) -> orjson.Fragment:
        """An output as JSON, brought into the shape that the runnable declares.

        Raises:
            pydantic.ValidationError: If the output does not fit.
            TypeError: If it has no JSON form.
        """
        fitted = self.schemas.answer.model_validate(self.serializer.dumpd(output))
        return orjson.Fragment(fitted.model_dump_json(by_alias=True))

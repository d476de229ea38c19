"""``/invoke``, ``/batch`` and the schemas: what is answered in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from starlette.requests import Request
from starlette.responses import Response

from lcel_adapters.serve._langserve._callbacks import CallbackEvents
from lcel_adapters.serve._langserve._input import check, decode, read_json
from lcel_adapters.serve._langserve._json import default
from lcel_adapters.serve._langserve._limited import execute
from lcel_adapters.serve._langserve._models import BatchBody
from lcel_adapters.serve._langserve._served import Served


async def invoke(served: Served, request: Request) -> Response:
    """Run once."""
    asked = await served.asked(request, "invoke")
    told = _listen(served, [asked.config])
    async with served.langsmith.promised([asked.run_id]) as tokens:
        output = await execute(request, lambda: served.runnable.ainvoke(asked.input, asked.config))
        (metadata,) = _metadata([asked.run_id], await tokens)
    content = {"output": served.answer(output), "metadata": metadata}
    if told:
        content["callback_events"] = told[0].json()
    return _json(content)


async def batch(served: Served, request: Request) -> Response:
    """Run for several inputs at once."""
    body = await read_json(request)
    shape = check(BatchBody, body)
    if not isinstance(shape.inputs, list):
        said = {"type": "list_type", "loc": ("inputs",), "msg": "Input should be a valid list", "input": shape.inputs}
        raise RequestValidationError([said], body=body)
    configs = await served.configs.of_batch(request, shape.config, len(shape.inputs))
    inputs = [
        decode(await served.schemas.input_of(config), value, "inputs", index)
        for index, (config, value) in enumerate(zip(configs, shape.inputs, strict=True))
    ]
    told = _listen(served, configs)
    run_ids = [str(config["run_id"]) for config in configs]
    async with served.langsmith.promised(run_ids) as tokens:
        outputs = await execute(request, lambda: served.runnable.abatch(inputs, configs))
        metadata = {"responses": _metadata(run_ids, await tokens), "run_ids": run_ids}
    content = {"output": [served.answer(output) for output in outputs], "metadata": metadata}
    if told:
        content["callback_events"] = [one.json() for one in told]
    return _json(content)


async def input_schema(served: Served, request: Request) -> Response:
    """The JSON schema of the input."""
    return _json((await served.schemas.input_of(served.configs.of_path(request))).model_json_schema())


async def output_schema(served: Served, request: Request) -> Response:
    """The JSON schema of the output."""
    return _json((await served.schemas.output_of(served.configs.of_path(request))).model_json_schema())


async def config_schema(served: Served, request: Request) -> Response:
    """The JSON schema of the config that a client may send."""
    served.configs.of_path(request)
    return _json(served.schemas.config.model_json_schema())


def _listen(served: Served, configs: Sequence[RunnableConfig]) -> list[CallbackEvents]:
    """Let somebody write down what each run tells its callbacks, if the route sends that."""
    if not served.wishes.include_callback_events:
        return []
    handlers = [CallbackEvents() for _ in configs]
    for config, handler in zip(configs, handlers, strict=True):
        config["callbacks"] = _with(config.get("callbacks"), handler)
    return handlers


def _with(callbacks: Any, handler: CallbackEvents) -> Any:
    if not isinstance(callbacks, BaseCallbackManager):
        return [*(callbacks or ()), handler]
    copy = callbacks.copy()  # the application's own, which other requests use as well
    copy.add_handler(handler, inherit=True)
    return copy


def _metadata(run_ids: Sequence[str], tokens: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"run_id": run_id, "feedback_tokens": made} for run_id, made in zip(run_ids, tokens, strict=True)]


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content, default), media_type="application/json")

"""How a request becomes what a runnable is given: strict JSON, the runnable's own schema, its mistakes as 422."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from fastapi.exceptions import RequestValidationError
from langchain_core.load.serializable import Serializable
from langchain_core.messages import BaseMessage, convert_to_messages
from pydantic import BaseModel, RootModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from lcel_adapters.serve._langserve._types import is_custom
from lcel_adapters.serve._limits import is_deep

M = TypeVar("M", bound=BaseModel)

DEPTH = 200
"""How deep a request may be nested; orjson writes 254 levels, and an input stands in an event in a frame."""

_MESSAGES = (
    'a message is a dict with a type, {"type": "human", "content": "..."}; {"role": "user", "content": "..."} or'
    ' ["human", "..."] is taken as well'
)
_ROLES = frozenset(["human", "user", "ai", "assistant", "system", "developer"])
_REMAPPED = "private_"


async def read_json(request: Request) -> Any:
    """The body of a request.

    Raises:
        RequestValidationError: If it is not JSON as RFC 8259 has it, or nested too deep to be written again.
        HTTPException: If it is too large, or does not come.
    """
    try:
        body = await request.body()
    except ClientDisconnect:
        raise HTTPException(400, "The client left before its request was whole.") from None
    if await is_deep(body, DEPTH):
        raise RequestValidationError([f"The body is nested deeper than {DEPTH} levels"])
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestValidationError(["Invalid JSON body"]) from error


@contextmanager
def refused(body: object, *where: str | int) -> Iterator[None]:
    """Turn pydantic's errors into the answer 422, which says where in the request they are."""
    try:
        yield
    except ValidationError as error:
        errors: list[Any] = [{**item, "loc": (*where, *item["loc"])} for item in error.errors()]
        raise RequestValidationError(errors, body=body) from error


def check(model: type[M], body: object) -> M:
    """The body as an instance of its model.

    Raises:
        RequestValidationError: If it is none.
    """
    with refused(body):
        return model.model_validate(body)


def decode(schema: type[BaseModel], value: object, *where: str | int) -> Any:
    """What the runnable is given for an input of a request.

    Args:
        schema: The runnable's.
        value: The input, as JSON values.
        *where: Where in the request it stands.

    Raises:
        RequestValidationError: If it does not fit.
    """
    with refused(value, *where):
        return unpack(_validated(schema, value, where))


def _validated(schema: type[BaseModel], value: object, where: tuple[str | int, ...]) -> BaseModel:
    try:
        return schema.model_validate(value)
    except TypeError:
        # Core tells messages apart by a function that wants dicts with a type (`messages.utils._get_type`), and raises
        # through pydantic for anything else.
        pass
    try:
        return schema.model_validate(with_messages(value))
    except TypeError as error:
        said = {"type": "type_error", "loc": where, "msg": f"Input does not fit: {_MESSAGES}", "input": value}
        raise RequestValidationError([said], body=value) from error


def with_messages(value: Any) -> Any:
    """The same with messages in place of ``["human", "hi"]`` and ``{"role": "user", "content": "hi"}`` in lists."""
    if isinstance(value, dict):
        return {key: with_messages(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if any(_is_short(item) for item in value):
        return [_message(item) if _is_short(item) else item for item in value]
    return [with_messages(item) for item in value]


def _is_short(item: Any) -> bool:
    if isinstance(item, dict):
        return "type" not in item and item.get("role") in _ROLES and "content" in item
    return isinstance(item, list) and len(item) == 2 and item[0] in _ROLES and isinstance(item[1], str)


def _message(item: Any) -> BaseMessage:
    return convert_to_messages([tuple(item) if isinstance(item, list) else item])[0]


def unpack(value: Any) -> Any:
    """What a validated input stands for: models that only served to check it become dicts again.

    Messages, documents and the like, and what the application declared as a ``CustomUserType``, stay what they are.
    """
    if isinstance(value, RootModel):
        value = value.root
    if not isinstance(value, BaseModel) or isinstance(value, Serializable) or is_custom(value):
        return value
    return {_key(type(value), name): unpack(getattr(value, name)) for name in type(value).model_fields}


def _key(model: type[BaseModel], name: str) -> str:
    """The name under which the runnable knows a field.

    Core renames what would hide an attribute of pydantic's, a prompt's variable ``schema`` for example
    (``utils.pydantic._remap_field_definitions``).
    """
    alias = model.model_fields[name].alias
    return alias if alias is not None and name == _REMAPPED + alias else name

"""`--set NAME=VALUE`: one of the settings of a server, as text."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from lcel_adapters._cli._load import CannotRunError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from lcel_adapters.serve import Settings

_NOTHING: Final = ("none", "null")
_FORM: Final = "write --set NAME=VALUE, as in --set drain=5"


def read_settings(arguments: Iterable[str]) -> Settings:
    """The settings that arguments make; those that none names have their defaults.

    Raises:
        CannotRunError: One is not there, is there twice, or cannot be that.
    """
    from pydantic import ValidationError

    from lcel_adapters.serve import Settings

    values: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        name = name.strip().replace("-", "_")
        if not (name and equals):
            raise CannotRunError(f"--set {argument!r} sets nothing: {_FORM}.")
        if name not in Settings.model_fields:
            raise CannotRunError(_unknown(name, list(Settings.model_fields)))
        if name in values:
            raise CannotRunError(f"--set {name} is there twice. Leave one of them out.")
        values[name] = _value(name, text.strip())
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise CannotRunError(_said(error.errors()[0])) from error


def _value(name: str, text: str) -> Any:
    from lcel_adapters.serve import Settings

    if text.lower() in _NOTHING and type(None) in getattr(Settings.model_fields[name].annotation, "__args__", ()):
        return None
    if name == "webhook_hosts":
        return [host for part in text.split(",") if (host := part.strip())]
    return text


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    meant = f" Is {near[0]} meant?" if near else ""
    return f"--set {name}: there is no such setting.{meant} There are {', '.join(known)}."


def _said(detail: ErrorDetails) -> str:
    from lcel_adapters.serve import Settings

    name = str(detail["loc"][0])
    field = Settings.model_fields[name]
    return (
        f"--set {name}: {detail['msg'].replace('Input', 'it', 1)}, not {str(detail['input'])!r}."
        f" It is: {field.description} By default {field.default}."
    )

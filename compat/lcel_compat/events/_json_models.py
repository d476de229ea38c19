"""Pydantic models, of version 2 and 1, without importing pydantic."""

from __future__ import annotations

from typing import Any

from lcel_compat.events._json_values import Rule, reader


def model_rule(cls: Any) -> Rule:
    """The rule for a pydantic (v2) class: field by field, unless it has a dump of its own."""
    if getattr(cls, "__pydantic_root_model__", False):
        return _root
    names = tuple(name for name, field in cls.model_fields.items() if not field.exclude)
    computed_names = tuple(cls.__pydantic_decorators__.computed_fields)
    computed = reader(computed_names)

    def read(value: Any) -> dict[str, object]:
        held = object.__getattribute__(value, "__dict__")
        out = {name: held[name] for name in names if name in held}
        out |= object.__getattribute__(value, "__pydantic_extra__") or {}
        return {**out, **computed(value)} if computed_names else out

    return _dumper(read) if _dumps_itself(cls) else read


def _root(value: Any) -> object:
    return value.root


def _dumper(otherwise: Rule) -> Rule:
    def dump(value: Any) -> object:
        try:
            return value.model_dump(serialize_as_any=True, warnings=False)
        except Exception:
            return otherwise(value)

    return dump


def _dumps_itself(cls: Any) -> bool:
    declared = cls.__pydantic_decorators__
    if declared.field_serializers or declared.model_serializers:
        return True
    if not cls.model_dump.__module__.startswith("pydantic."):
        return True
    return any(_field_dumps_itself(field) for field in cls.model_fields.values())


def _field_dumps_itself(field: Any) -> bool:
    if getattr(field, "exclude_if", None) is not None:
        return True
    marks = {type(mark).__name__ for mark in field.metadata}
    return bool(marks & {"PlainSerializer", "WrapSerializer"})


def model_v1_rule(cls: Any) -> Rule:
    """The rule for a class of pydantic's version 1: its declared fields."""
    return reader(name for name, field in cls.__fields__.items() if not field.field_info.exclude)

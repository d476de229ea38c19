"""State schemas: which channels a class declares, how its instances are built, its JSON schema.

A state is a TypedDict, a dataclass, a pydantic model, or any other type (then the whole state is the one key
``__root__``). A key annotated ``Annotated[T, reducer]`` is folded with the reducer, one annotated with a managed
value (``lcel_compat.managed``) is computed by the run, every other key keeps the last value. The rules are
LangGraph's (``langgraph/graph/state.py``), with two repairs: JSON schemas also work for ``typing.TypedDict`` before
Python 3.12, and a pydantic model contributes its fields only.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

import typing_extensions
from pydantic import BaseModel

from lcel_compat._constants import ROOT
from lcel_compat._refused import because
from lcel_compat.channels import MISSING, Channel, LastValue, Reduced
from lcel_compat.errors import InvalidGraphError
from lcel_compat.managed import Managed, Moment, managed_of


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What one schema class means to the engine.

    Attributes:
        source: The class.
        channels: One empty channel for each key, in the order of declaration.
        managed: What computes each key that nobody can write.
        build: Makes an instance of the class from a mapping; ``None`` where a mapping is the state.
    """

    source: Any
    channels: Mapping[str, Channel]
    build: Callable[[Mapping[str, Any]], Any] | None
    managed: Mapping[str, Managed] = dataclasses.field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, in the order of declaration."""
        return tuple(self.channels)

    def computed(self, step: int, stop: int) -> dict[str, Any]:
        """The values of the managed keys.

        Args:
            step: The superstep that is about to run.
            stop: The first superstep that is too many.
        """
        moment = Moment(step, stop)
        return {name: manager.get(moment) for name, manager in self.managed.items()}

    @property
    def is_root(self) -> bool:
        """Whether the state is one value rather than a mapping."""
        return self.keys == (ROOT,)


def read_schema(source: Any) -> Schema:
    """Work out the channels of a schema class.

    Raises:
        InvalidGraphError: If an annotation cannot be resolved, or a key is annotated with something this
            engine has no channel for.
    """
    if not hasattr(source, "__annotations__"):
        return Schema(source=source, channels={ROOT: channel_for(ROOT, source)}, build=None)
    try:
        hints = field_hints(source)
    except NameError as error:
        raise InvalidGraphError(
            f"The state schema {source.__name__!r} cannot be read: {error}. Annotations must be names that"
            " its module knows at run time (define the types before the class, outside of any function)."
        ) from error
    managed = {name: manager for name, hint in hints.items() if (manager := _manager_of(hint)) is not None}
    others = {name: hint for name, hint in hints.items() if name not in managed and name != "__slots__"}
    channels = {name: channel_for(name, hint) for name, hint in others.items()}
    return Schema(source=source, channels=channels, build=_builder(source), managed=managed)


def field_hints(source: Any) -> dict[str, Any]:
    """The annotations of a class's fields, with ``Annotated`` kept."""
    hints = typing_extensions.get_type_hints(source, include_extras=True)
    if isinstance(source, type) and issubclass(source, BaseModel):
        return {name: hints[name] for name in source.model_fields}
    return hints


def channel_for(name: str, hint: Any) -> Channel:
    """The channel of one annotated key.

    Raises:
        InvalidGraphError: If the annotation is a channel or managed value of LangGraph's, or no reducer.
    """
    hint = _unwrap(hint)
    for note in getattr(hint, "__metadata__", ()):
        _refuse_foreign(name, note if isinstance(note, type) else type(note))
    reducer = getattr(hint, "__metadata__", (None,))[-1]
    if not callable(reducer):
        return LastValue(name)
    _check_reducer(name, reducer)
    return Reduced(name, reducer, hint)


def _refuse_foreign(name: str, cls: type) -> None:
    """Channels and managed values of LangGraph's, and classes made of them, would be taken for reducers."""
    modules = [base.__module__ for base in cls.__mro__]
    for home, number in (("langgraph.channels", "R3"), ("langgraph.managed", "R4")):
        if any(module.startswith(home) for module in modules):
            raise InvalidGraphError(
                f"State key {name!r} is annotated with LangGraph's {cls.__name__}, which is not taken:"
                f" {because(number)}"
            )


def _manager_of(hint: Any) -> Managed | None:
    """What computes a key, if its annotation says that the run does."""
    return managed_of(getattr(_unwrap(hint), "__metadata__", (None,))[-1])


def _check_reducer(name: str, reducer: Callable[..., Any]) -> None:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        signature = inspect.signature(reducer)
    except (TypeError, ValueError):  # some built-ins have no signature; calling will tell
        return
    if sum(p.kind in positional for p in signature.parameters.values()) != 2:
        raise InvalidGraphError(
            f"State key {name!r} has a reducer with the signature {signature}; a reducer takes the value so"
            " far and the new one: (left, right) -> value."
        )


def _unwrap(hint: Any) -> Any:
    wrappers = (typing_extensions.Required, typing_extensions.NotRequired)
    return hint.__args__[0] if getattr(hint, "__origin__", None) in wrappers else hint


def _builder(source: Any) -> Callable[[Mapping[str, Any]], Any] | None:
    if isinstance(source, type) and (issubclass(source, BaseModel) or dataclasses.is_dataclass(source)):
        return lambda values: source(**values)
    return None


def declares_any(value: Any, keys: Collection[str]) -> bool:
    """Whether a node may return this object as an update: its class is annotated with one of the state's keys."""
    cls: Any = type(value)
    return not _annotated_names(cls).isdisjoint(keys)


def fields_as_writes(value: Any, keys: typing.Iterable[str]) -> list[tuple[str, Any]]:
    """The update that an instance of a state class stands for, as ``(key, value)`` pairs.

    Of a pydantic model, a field that is ``None`` counts only when it was set or ``None`` is not its default,
    so that a partly filled model does not erase the rest of the state (``langgraph/_internal/_fields.py``).
    """
    model = isinstance(value, BaseModel)
    kept = value.model_fields_set if model else frozenset()
    defaults = {k: f.default for k, f in type(value).model_fields.items()} if model else {}

    def counts(key: str, item: Any) -> bool:
        return item is not None or defaults.get(key, MISSING) is not None or key in kept

    found = ((key, getattr(value, key, MISSING)) for key in keys)
    return [(key, item) for key, item in found if item is not MISSING and counts(key, item)]


@lru_cache(maxsize=512)
def _annotated_names(cls: Any) -> frozenset[str]:
    return frozenset(name for base in cls.__mro__ for name in inspect.get_annotations(base))


def json_schema(source: Any, name: str) -> dict[str, Any]:
    """The JSON schema of a state class, under the title ``name`` where the class brings none."""
    from pydantic import RootModel, TypeAdapter, create_model

    if isinstance(source, type) and issubclass(source, BaseModel):
        return source.model_json_schema()
    if is_typed_dict(source):
        return TypeAdapter(portable(source)).json_schema()
    if dataclasses.is_dataclass(source):
        hints = field_hints(source)
        fields = {f.name: (portable(hints[f.name]), _default(f)) for f in dataclasses.fields(source)}
        model: type[BaseModel] = create_model(name, **typing.cast("dict[str, Any]", fields))
        return model.model_json_schema()
    root: Any = RootModel
    return type(name, (root[portable(source)],), {}).model_json_schema()  # type: ignore[attr-defined, no-any-return]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return ... if field.default is dataclasses.MISSING else field.default


def is_typed_dict(source: Any) -> bool:
    """Whether this is a TypedDict class, of ``typing`` or of ``typing_extensions``."""
    return typing_extensions.is_typeddict(source)


def portable(hint: Any) -> Any:
    """The same type with every ``typing.TypedDict`` in it as pydantic can read it.

    Before Python 3.12 pydantic refuses ``typing.TypedDict`` because the class does not say which keys a
    subclass made optional. The hints do say it, so the class is made again with ``typing_extensions``.
    """
    return _portable(hint, {})


def _portable(hint: Any, made: dict[Any, Any]) -> Any:
    if isinstance(hint, typing.TypeVar | str) or hint is Ellipsis:
        return hint
    if is_typed_dict(hint):
        return _remade(hint, made)
    arguments = typing.get_args(hint)
    if not arguments or typing.get_origin(hint) is typing.Literal:
        return hint
    if typing.get_origin(hint) is typing.Annotated:
        inner = _portable(arguments[0], made)
        return hint if inner is arguments[0] else typing.Annotated[inner, *hint.__metadata__]
    changed = tuple(_portable(a, made) if not isinstance(a, list) else a for a in arguments)
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return hint
    return _with_arguments(hint, changed)


def _with_arguments(hint: Any, arguments: tuple[Any, ...]) -> Any:
    origin = typing.get_origin(hint)
    if hasattr(hint, "copy_with"):
        return hint.copy_with(arguments)
    if isinstance(hint, types.UnionType):
        return typing.Union[arguments]  # noqa: UP007 - a union of computed members
    return origin[arguments] if origin is not None else hint


def _is_required(key: str, hint: Any, required: Collection[str]) -> bool:
    """Whether a key must be there; a string annotation hides that from the class itself, but not from its hints."""
    said = getattr(hint, "__origin__", None)
    return said is typing_extensions.Required or (key in required and said is not typing_extensions.NotRequired)


def _remade(source: Any, made: dict[Any, Any]) -> Any:
    if source in made:
        return made[source]
    fields: dict[str, Any] = {}
    clone = typing_extensions.TypedDict(source.__name__, fields)  # type: ignore[misc]
    made[source] = clone
    hints = typing_extensions.get_type_hints(source, include_extras=True)
    required = source.__required_keys__
    for key, hint in hints.items():
        wrapper = typing_extensions.Required if _is_required(key, hint, required) else typing_extensions.NotRequired
        clone.__annotations__[key] = wrapper[_portable(_unwrap(hint), made)]
    clone.__required_keys__ = frozenset(required)
    clone.__optional_keys__ = frozenset(source.__optional_keys__)
    clone.__doc__, clone.__module__ = source.__doc__, source.__module__
    clone.__qualname__ = source.__qualname__
    return clone

"""Contracts: what a consumer reads of an event stream.

A contract in YAML::

    version: 1
    consumer: chat front end
    reads:
      - event: on_parser_stream
        name: answer_text
        fields: [data.chunk]
      - event: on_chain_end
        root: true
        fields: [data.output.answer]

Each entry of ``reads`` names the events that it takes (``event``, ``name``, ``tags``, ``metadata``, ``root``: what is
left out takes all) and the ``fields`` that it reads of them, in dotted form; ``data`` takes all below ``data``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final, cast

from lcel_compat.compare._errors import ContractError
from lcel_compat.events import JsonValue, to_jsonable

VERSION: Final = 1
_ENTRY: Final = ("event", "name", "tags", "metadata", "root", "fields")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One thing a consumer reads: which events it takes, and what of them.

    Attributes:
        event: The event's name, as ``"on_chain_end"``; empty for any.
        name: The run's name (of a custom event its own); ``None`` for any.
        tags: Tags that all have to be there.
        metadata: Metadata that have to have these values.
        root: Whether the run has no parents; ``None`` for either.
        fields: Places in the event in dotted form, as ``"data.output.content"``.
    """

    event: str = ""
    name: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    root: bool | None = None
    fields: tuple[str, ...] = ()

    def takes(
        self, event: str, name: str, tags: Iterable[str], metadata: Mapping[str, JsonValue], *, root: bool
    ) -> bool:
        """Whether an event of this name, of a run of this name, tags and metadata, is one that is read."""
        return (
            self.event in ("", event)
            and self.name in (None, name)
            and set(self.tags).issubset(tags)
            and all(key in metadata and metadata[key] == value for key, value in self.metadata.items())
            and self.root in (None, root)
        )

    def reads(self, where: str) -> bool:
        """Whether a change at ``where`` reaches one of the fields: it is in it, or holds it. ``""`` is the event."""
        return not where or any(_touch(field, where) for field in self.fields)

    def to_dict(self) -> dict[str, JsonValue]:
        """What is not left out, by name."""
        entry: dict[str, Any] = {"event": self.event, "name": self.name, "tags": list(self.tags)}
        entry |= {"metadata": dict(self.metadata), "root": self.root, "fields": list(self.fields)}
        return {key: value for key, value in entry.items() if value not in ("", None, [], {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one consumer, or all of an application's, read of the events.

    Attributes:
        reads: What is read.
        consumer: Whose contract it is, for the reports.
    """

    reads: tuple[Read, ...]
    consumer: str = ""

    @classmethod
    def from_dict(cls, data: object) -> Contract:
        """The contract that ``to_dict`` gives, or that a YAML file holds.

        Raises:
            ContractError: If it has no ``reads``, an entry has an unknown key, or a value is of the wrong type.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("reads"), list):
            raise ContractError("a contract is a mapping with a list under 'reads'; see lcel_compat.compare.Contract")
        if (version := data.get("version", VERSION)) != VERSION:
            raise ContractError(f"the contract has version {version!r}, and {VERSION} is what is read here")
        reads = tuple(_read(number, entry) for number, entry in enumerate(data["reads"]))
        return cls(reads=reads, consumer=str(data.get("consumer", "")))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Contract:
        """The contract in a YAML file.

        Raises:
            ContractError: If the file cannot be read, or what it holds is no contract.
        """
        yaml = _yaml()

        try:
            return cls.from_dict(yaml.safe_load(Path(path).read_text("utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ContractError(f"cannot read the contract {str(path)!r}: {error}") from error
        except ContractError as error:
            raise ContractError(f"{str(path)!r}: {error}") from error

    def save(self, path: str | PathLike[str]) -> None:
        """Write the contract as YAML, in the form that ``load`` reads."""
        Path(path).write_text(self.to_yaml(), "utf-8")

    def to_yaml(self) -> str:
        """The contract as YAML text; keys in the order of the documentation."""
        yaml = _yaml()

        return cast("str", yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))

    def to_dict(self) -> dict[str, JsonValue]:
        """The contract as JSON."""
        reads: list[JsonValue] = [read.to_dict() for read in self.reads]
        named: dict[str, JsonValue] = {"consumer": self.consumer} if self.consumer else {}
        return {"version": VERSION, **named, "reads": reads}

    def __or__(self, other: Contract) -> Contract:
        """Both contracts in one: what either consumer reads."""
        if not isinstance(other, Contract):
            return NotImplemented
        consumers = dict.fromkeys(filter(None, (self.consumer, other.consumer)))
        return Contract(reads=_distinct((*self.reads, *other.reads)), consumer=", ".join(consumers))


def _yaml() -> Any:
    """PyYAML, which langchain-core brings."""
    import yaml  # type: ignore[import-untyped]

    return yaml


def _distinct(reads: Iterable[Read]) -> tuple[Read, ...]:
    kept: list[Read] = []
    for read in reads:
        if read not in kept:
            kept.append(read)
    return tuple(kept)


def _touch(field: str, where: str) -> bool:
    return field == where or field.startswith(where + ".") or where.startswith(field + ".")


def _read(number: int, entry: object) -> Read:
    place = f"entry {number} of 'reads'"
    if not isinstance(entry, Mapping):
        raise ContractError(f"{place} is no mapping: it takes {', '.join(_ENTRY)}")
    if unknown := [key for key in entry if key not in _ENTRY]:
        raise ContractError(f"{place} has {', '.join(map(repr, unknown))}, and takes {', '.join(_ENTRY)}")
    metadata = to_jsonable(entry.get("metadata") or {})
    if not isinstance(metadata, dict):
        raise ContractError(f"{place}: 'metadata' is no mapping")
    name, root = entry.get("name"), entry.get("root")
    if not isinstance(name, str | None) or not isinstance(root, bool | None):
        raise ContractError(f"{place}: 'name' is a text, and 'root' is true or false")
    tags, places = (_texts(place, key, entry.get(key)) for key in ("tags", "fields"))
    event = entry.get("event") or ""
    return Read(event=str(event), name=name, tags=tags, metadata=metadata, root=root, fields=places)


def _texts(place: str, key: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ContractError(f"{place}: {key!r} is no list of texts")
    return tuple(value)

"""The events of every kind of runnable, as a node of a graph."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import langchain_core
import langchain_core.runnables
import pytest
from langchain_core.runnables import Runnable
from syrupy.assertion import SnapshotAssertion

from tests.snapshots.kinds import KINDS, Kind
from tests.snapshots.script import script
from tests.support.colours import ASYNC, SYNC, Colour

REPEATED: Final = 20
ALL = pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])


def _script(kind: Kind, colour: Colour | None = None) -> str:
    colour = colour or (SYNC if kind.only == "sync" else ASYNC)
    events = colour.observe_events(kind.graph(), {"x": kind.value}, dict(kind.config))
    return script(events, at_once=kind.at_once)


@ALL
def test_events(kind: Kind, snapshot: SnapshotAssertion) -> None:
    """A runnable of this kind, as a node, emits the events of its snapshot."""
    assert _script(kind) == snapshot


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS if kind.only is None])
def test_synchronous_events(kind: Kind) -> None:
    """The synchronous events are the asynchronous ones, in the same order."""
    assert _script(kind, SYNC) == _script(kind)

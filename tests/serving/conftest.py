"""What holds for all tests of serving."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def spared() -> Iterator[None]:
    """The collector passes over what there was before these tests: each server that begins has it look at the rest."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()

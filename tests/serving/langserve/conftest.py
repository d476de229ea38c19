"""The two servers: LangServe's and ours, with the same routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import langserve
import pytest

from lcel_adapters.serve._langserve import add_routes
from tests.serving.langserve.routes import serving


@dataclass(frozen=True, slots=True)
class Servers:
    """Two addresses."""

    theirs: str
    ours: str


@pytest.fixture(scope="package")
def servers() -> Iterator[Servers]:
    """LangServe's server and ours."""
    with serving(langserve.add_routes, theirs=True) as theirs, serving(add_routes, theirs=False) as ours:
        yield Servers(theirs, ours)

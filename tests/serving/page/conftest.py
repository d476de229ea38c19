"""A server with its page, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from fastapi import FastAPI

from lcel_adapters.serve import Guard, create_app
from tests.serving.page.graphs import everything
from tests.serving.page.pages import ServerPage
from tests.support.browser import running_driver
from tests.support.servers import Server


@pytest.fixture(scope="session")
def driver() -> Iterator[int]:
    """The port of a driver that runs."""
    with running_driver() as port:
        yield port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that everyone may use."""
    file = tmp_path_factory.mktemp("page") / "server.db"
    with closing(Server(create_app(everything(), database=f"sqlite:///{file}"))) as running:
        running.open()
        yield running


@pytest.fixture(scope="module")
def browser(driver: int, server: Server) -> Iterator[ServerPage]:
    """A browser, as wide as a laptop."""
    with closing(ServerPage(driver, server.url)) as opened:
        yield opened


@pytest.fixture
def page(browser: ServerPage, server: Server) -> ServerPage:
    """The page, just opened; what the console said before is gone."""
    browser.load(server.url)
    browser.errors()
    return browser


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server below a path of another application, which wants a key."""
    file = tmp_path_factory.mktemp("guarded") / "server.db"
    agents = create_app(everything(), database=f"sqlite:///{file}", guard=Guard.of(api_keys=["sesame"]))
    app = FastAPI(lifespan=agents.router.lifespan_context)
    app.mount("/in/side", agents)
    with closing(Server(app)) as running:
        running.open()
        yield running

"""A project: ``langgraph.json``, and what it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lcel_adapters._cli._load import CannotRunError
from lcel_adapters.serve._project._errors import ProjectError
from lcel_adapters.serve._project._graphs import Served, load_graph
from lcel_adapters.serve._project._model import Config, GraphSection
from lcel_adapters.serve._project._objects import load_object
from lcel_adapters.serve._project._read import read
from lcel_adapters.serve._project._surroundings import add_folders, check_distributions, set_variables

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """``langgraph.json``, read.

    Attributes:
        path: Of the file; what it names is looked for in its folder.
        config: What it says.
        warnings: What of it is passed over, as sentences.
    """

    path: Path
    config: Config
    warnings: tuple[str, ...] = ()

    @staticmethod
    def read(path: Path | str) -> Project:
        """Read the file; nothing that it names is touched.

        Raises:
            ProjectError: It cannot be read, is not what it should be, or asks for what there is not.
        """
        path = Path(path).resolve()
        config, warnings = read(path)
        return Project(path=path, config=config, warnings=warnings)

    def prepare(self) -> tuple[str, ...]:
        """Set the project's variables, and let its modules be imported; before anything else of it is used.

        It changes the process: the environment, and ``sys.path``. Doing it again changes nothing.

        Returns:
            What should be said of it.

        Raises:
            ProjectError: A folder or a distribution is missing, or the variables cannot be read.
        """
        add_folders(self.path, self.config.dependencies)
        return (
            *set_variables(self.path, self.config.env),
            *check_distributions(self.path, self.config.dependencies),
        )

    def graphs(self) -> tuple[Served, ...]:
        """What is served.

        Raises:
            ProjectError: One of the graphs cannot be had.
        """
        return tuple(self._graph(name, entry) for name, entry in self.config.graphs.items())

    def auth(self) -> Any:
        """The ``langgraph_sdk.Auth``; None if there is none.

        Raises:
            ProjectError: It cannot be had.
        """
        section = self.config.auth
        return None if section is None else self._object("auth.path", section.path)

    def app(self) -> Any:
        """The Starlette application to be served beside; None if there is none.

        Raises:
            ProjectError: It cannot be had, or is another kind of application: whatever that does before a request
                would not be done before the server's own.
        """
        from starlette.applications import Starlette

        spec = self.config.http.app
        if spec is None:
            return None
        app = self._object("http.app", spec)
        if not isinstance(app, Starlette):
            raise ProjectError(
                f"{self.path}: http.app: {spec!r} is of type {type(app).__name__}; name a Starlette or FastAPI"
                " application."
            )
        return app

    def _graph(self, name: str, entry: GraphSection) -> Served:
        base = self.path.parent
        return self._loaded(f"graphs.{name}", lambda: load_graph(name, entry.path, base, entry.description))

    def _object(self, key: str, spec: str) -> Any:
        return self._loaded(key, lambda: load_object(spec, self.path.parent))

    def _loaded(self, key: str, load: Callable[[], T]) -> T:
        try:
            return load()
        except CannotRunError as error:
            raise ProjectError(f"{self.path}: {key}: {error}") from error

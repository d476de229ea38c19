"""``langgraph.json``, the ecosystem's file, and what it names: graphs, authentication, an application beside."""

from __future__ import annotations

from lcel_adapters.serve._project._errors import ProjectError
from lcel_adapters.serve._project._graphs import Factory, Served, ServerRuntime, load_graph, load_named, serve_object
from lcel_adapters.serve._project._model import Config, CorsSection, HeadersSection, HttpSection
from lcel_adapters.serve._project._project import Project

__all__ = [
    "Config",
    "CorsSection",
    "Factory",
    "HeadersSection",
    "HttpSection",
    "Project",
    "ProjectError",
    "Served",
    "ServerRuntime",
    "load_graph",
    "load_named",
    "serve_object",
]

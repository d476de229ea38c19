"""What is wrong with a project."""

from __future__ import annotations

from lcel_adapters._cli._load import CannotRunError


class ProjectError(CannotRunError):
    """A project cannot be served; the message names the file, the key, and what to do."""

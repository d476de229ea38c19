"""``as_lcel``: a graph with the face of the chain that it replaced."""

from __future__ import annotations

from lcel_adapters._face._base import LegacyFace
from lcel_adapters._face._lcel import as_lcel
from lcel_adapters._face.errors import FaceError, FaceInterruptError

__all__ = ["FaceError", "FaceInterruptError", "LegacyFace", "as_lcel"]

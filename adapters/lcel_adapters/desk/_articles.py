"""The support articles, shipped as Markdown files beside this module."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from langchain_core.documents import Document


@cache
def load_articles() -> tuple[Document, ...]:
    """Every shipped article, ordered by section and file name.

    A file `articles/<section>/<id>.md` is a `# Title` line and the text. It becomes a `Document`
    with `id`, the text as `page_content`, and `metadata` of `title`, `section` and `source`.
    """
    root = files("lcel_adapters.desk").joinpath("articles")
    return tuple(
        _article(section.name, file)
        for section in _by_name(root)
        for file in _by_name(section)
        if file.name.endswith(".md")
    )


def _by_name(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name)


def _article(section: str, file: Traversable) -> Document:
    heading, _, body = file.read_text(encoding="utf-8").partition("\n")
    identifier = file.name.removesuffix(".md")
    metadata = {
        "title": heading.removeprefix("# ").strip(),
        "section": section,
        "source": f"help-center/{section}/{identifier}",
    }
    return Document(id=identifier, page_content=body.strip(), metadata=metadata)

"""A retriever that ranks documents by the words they share with the query (Okapi BM25)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from lcel_adapters.desk._words import stems

_SATURATION = 1.5  # BM25's k1: how fast repeating a word stops to count
_LENGTH_PENALTY = 0.75  # BM25's b: how much a long document is held back
_TITLE_WEIGHT = 2  # a word in the title counts as often as this


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm25Index:
    """Word counts of a fixed set of documents, ready to be scored."""

    documents: tuple[Document, ...]
    counts: tuple[Counter[str], ...]
    rarity: Mapping[str, float]
    mean_length: float

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Bm25Index:
        """Count the words of `documents`: their text and, weighted, `metadata["title"]`."""
        kept = tuple(documents)
        counts = tuple(_count(document) for document in kept)
        lengths = [count.total() for count in counts]
        return cls(
            documents=kept,
            counts=counts,
            rarity=_rarity(counts),
            mean_length=sum(lengths) / max(len(lengths), 1),
        )

    def best(self, query: str, k: int) -> list[Document]:
        """At most `k` copies of documents that share a word with `query`, best first.

        Equal scores keep the order of the documents, so that the result is deterministic.
        """
        words = sorted(set(stems(query)))
        scores = [self._score(count, words) for count in self.counts]
        ranked = sorted(range(len(scores)), key=lambda at: -scores[at])
        # Copies, because events hand out the live objects and a listener may change them.
        return [self.documents[at].model_copy(deep=True) for at in ranked[:k] if scores[at] > 0]

    def _score(self, count: Counter[str], words: list[str]) -> float:
        relative_length = count.total() / self.mean_length
        drag = _SATURATION * (1 - _LENGTH_PENALTY + _LENGTH_PENALTY * relative_length)
        return sum(
            self.rarity[word] * count[word] * (_SATURATION + 1) / (count[word] + drag)
            for word in words
            if word in count
        )


class HelpCenterRetriever(BaseRetriever):
    """Returns the `k` best documents of its index for a query, best first.

    Deterministic and stateless; a query that shares no word with any document gives `[]`.
    """

    index: Bm25Index = Field(repr=False)
    k: int = Field(default=3, ge=1)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return self.index.best(query, self.k)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self.index.best(query, self.k)


def _count(document: Document) -> Counter[str]:
    title = stems(str(document.metadata.get("title", "")))
    return Counter(stems(document.page_content) + title * _TITLE_WEIGHT)


def _rarity(counts: tuple[Counter[str], ...]) -> dict[str, float]:
    """BM25's inverse document frequency, in the form that never goes below zero."""
    holding = Counter(word for count in counts for word in count)
    return {word: log(1 + (len(counts) - held + 0.5) / (held + 0.5)) for word, held in holding.items()}

"""How the desk reads words: the retriever and the deterministic model share it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_SUFFIX = re.compile(r"(?<=...)(?:ing|ed|es|s|e)$")
_DOUBLED = re.compile(r"([b-df-hj-np-tv-z])\1$")

_UNINFORMATIVE = """
a about after again all also am an and any anything are as at be because been before being but
by can could did do does doing don't for from get gets give go goes got had has have having he
help her here hi him his how i i'm if in into is it it's its just know like many may me might
more most much must my need no not now of off on once one only or other our out over own please
she should so some someone something such tell than thank thanks that the their them then there
these they this those through to too under until up us very want was way we were what when
where which while who whom whose why will with without work works would you your
"""
_STOP_WORDS = frozenset(_UNINFORMATIVE.split())


def content_words(text: str) -> list[str]:
    """The words of `text` in order, lower-cased, without those that carry no subject."""
    return [word for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]


def stems(text: str) -> list[str]:
    """The content words of `text` cut to a common stem: "charged", "charges" → "charg"."""
    return [_stem(word) for word in content_words(text)]


def stem_set(texts: Iterable[str]) -> frozenset[str]:
    """The distinct stems of several texts."""
    return frozenset(stem for text in texts for stem in stems(text))


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return _DOUBLED.sub(r"\1", _SUFFIX.sub("", word.removesuffix("'s")))

"""What the deterministic model says: a pure function from messages to text.

It reads the messages as a provider's model would and follows the few instructions the desk's
prompts give in words: the keys of a JSON object, the articles, the length and form of an answer,
the closing line, and what to say when no article answers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from lcel_adapters.desk._words import content_words, stem_set, stems

_ARTICLE = re.compile(r'<article id="([^"]*)" title="([^"]*)">\n(.*?)\n</article>', re.DOTALL)
_JSON_KEY = re.compile(r"^- (\w+): (.+)$", re.MULTILINE)
_OPTION = re.compile(r"(\w+) \(([^)]*)\)")
_AT_MOST = re.compile(r"at most (\d+)")
_CLOSING = re.compile(r"^Close with: (.+)$", re.MULTILINE)
_NO_ANSWER = re.compile(r"reply only with: (.+)$", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Article:
    id: str
    title: str
    sentences: tuple[str, ...]

    @property
    def words(self) -> frozenset[str]:
        return stem_set((self.title, *self.sentences))


def compose(messages: Sequence[BaseMessage]) -> str:
    """The reply to `messages`; the same messages always give the same reply.

    The last human message is the question, the system messages are the instructions. Asked for
    JSON, the reply is one JSON object; given articles, it is an answer that cites them.
    """
    system = "\n".join(_text(message) for message in messages if isinstance(message, SystemMessage))
    question = next((_text(m) for m in reversed(messages) if isinstance(m, HumanMessage)), "")
    instructions = _ARTICLE.sub("", system)
    if re.search(r"\bJSON\b", instructions):
        return _json_reply(instructions, question)
    return _answer(instructions, _articles(system), question)


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(_block_text(block) for block in message.content)


def _block_text(block: str | dict[str, object]) -> str:
    return block if isinstance(block, str) else str(block.get("text", ""))


def _json_reply(instructions: str, question: str) -> str:
    keys = _JSON_KEY.findall(instructions)
    return json.dumps({key: _json_value(wish, question) for key, wish in keys}, ensure_ascii=False)


def _json_value(wish: str, question: str) -> str | list[str]:
    if wish.startswith("one of "):
        return _choose(_OPTION.findall(wish), question)
    limit = _limit(wish, default=8)
    if wish.startswith("a list "):
        return list(dict.fromkeys(content_words(question)))[:limit]
    return _shortened(question.split(), limit)


def _shortened(words: list[str], limit: int) -> str:
    return " ".join(words[:limit]) + ("…" if len(words) > limit else "")


def _choose(options: list[tuple[str, str]], question: str) -> str:
    """The option whose hints share most words with the question; without any, the last."""
    if not options:
        return ""
    asked = stem_set([question])
    shared = [len(asked & stem_set([hints])) for _, hints in options]
    return options[shared.index(max(shared)) if any(shared) else -1][0]


def _limit(text: str, *, default: int) -> int:
    found = _AT_MOST.search(text)
    return int(found[1]) if found else default


def _articles(system: str) -> list[_Article]:
    return [
        _Article(id=id_, title=title, sentences=tuple(_SENTENCE_END.split(body.strip())))
        for id_, title, body in _ARTICLE.findall(system)
    ]


def _answer(instructions: str, articles: list[_Article], question: str) -> str:
    asked = stem_set([question])
    main = next((article for article in articles if _is_about(article, asked)), None)
    if main is None:
        return _no_answer(instructions, question)
    numbered = "numbered" in instructions
    lines = _chosen(main, asked, articles, _limit(instructions, default=3))
    body = _numbered(lines) if numbered else " ".join(lines)
    more = _second_source(main, articles, asked)
    paragraphs = [f"{body} [{main.id}]", more, _closing(instructions)]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _is_about(article: _Article, asked: frozenset[str]) -> bool:
    """Two words in common make an article an answer, or half of what was asked."""
    shared = len(asked & article.words)
    return shared >= 2 or (shared == 1 and len(asked) <= 2)


def _no_answer(instructions: str, question: str) -> str:
    found = _NO_ANSWER.search(instructions)
    if found:
        return found[1]
    subject = ", ".join(content_words(question)) or "an empty question"
    return f"I have no article about this: {subject}."


def _chosen(article: _Article, asked: frozenset[str], articles: list[_Article], limit: int) -> list[str]:
    """The `limit` sentences that answer best, in the order in which the article has them."""
    common = Counter(word for other in articles for word in other.words)
    worth = [_worth(sentence, asked, common) for sentence in article.sentences]
    best = sorted(range(len(worth)), key=lambda at: -worth[at])[:limit]
    return [article.sentences[at] for at in sorted(best)]


def _worth(sentence: str, asked: frozenset[str], common: Counter[str]) -> float:
    return sum(1 / common[word] for word in asked & frozenset(stems(sentence)))


def _second_source(main: _Article, articles: list[_Article], asked: frozenset[str]) -> str:
    """A sentence of another article, if it speaks of two things asked that `main` leaves out."""
    open_words = asked - main.words
    for article in articles:
        sentence = max(article.sentences, key=lambda s: len(open_words & frozenset(stems(s))))
        if len(open_words & frozenset(stems(sentence))) >= 2:
            return f"{sentence} [{article.id}]"
    return ""


def _closing(instructions: str) -> str:
    found = _CLOSING.search(instructions)
    return found[1] if found else ""


def _numbered(lines: Iterable[str]) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))

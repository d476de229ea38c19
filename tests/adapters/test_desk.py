from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable

from lcel_adapters.desk import (
    QUESTIONS,
    DeskModel,
    ModelSpecError,
    build_chain,
    build_parts,
    consumers,
    load_articles,
    load_model,
)

CHAIN = build_chain(DeskModel())
PARTS = build_parts(DeskModel())
UNSEEN = {
    "How do I pay when my card has expired?": "payment-failed",
    "Does it have a dark mode?": "mobile-and-offline",
    "Which region is my data stored in?": "privacy-and-data",
    "I lost the phone with my two-factor codes": "sign-in-problems",
    "Our VAT number is missing on the invoice": "invoices-and-tax",
    "two versions of one note, how do I merge them?": "conflicted-copies",
}

Call = Callable[[Runnable[Any, Any], Any], Any]


async def _acollect(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]


async def _ainvoke(runnable: Runnable[Any, Any], value: Any) -> Any:
    return await runnable.ainvoke(value)


def _run_sync(runnable: Runnable[Any, Any], value: Any) -> tuple[Any, list[Any]]:
    return runnable.invoke(value), list(runnable.stream(value))


def _run_async(runnable: Runnable[Any, Any], value: Any) -> tuple[Any, list[Any]]:
    result = asyncio.run(_ainvoke(runnable, value))
    return result, asyncio.run(_acollect(runnable.astream(value)))


@pytest.fixture(params=[_run_sync, _run_async], ids=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Call:
    """Gives the result and the chunks of a runnable, in one colour and in the other."""
    call: Call = request.param
    return call


def _events(runnable: Runnable[Any, Any], value: Any) -> list[Any]:
    return asyncio.run(_acollect(runnable.astream_events(value, version="v2")))


def _names(events: list[Any], kind: str) -> set[str]:
    return {event["name"] for event in events if event["event"] == kind}


def _chunks(events: list[Any], kind: str, name: str) -> list[Any]:
    return [event["data"]["chunk"] for event in events if event["event"] == kind and event["name"] == name]


def _cited_first(answer: str) -> str:
    return answer.partition("[")[2].partition("]")[0]


@pytest.mark.parametrize("question", QUESTIONS)
def test_answer_streams(run: Call, question: str) -> None:
    """The answer comes in at least ten pieces of text that add up to what `invoke` returns."""
    result, chunks = run(CHAIN, {"question": question})

    assert all(isinstance(chunk, str) for chunk in chunks)
    assert len([chunk for chunk in chunks if chunk]) >= 10
    assert result == "".join(chunks)


def test_colours_agree() -> None:
    """Sync, async and batch give the same answers, in the order of the questions."""
    inputs = [{"question": question} for question in QUESTIONS]
    expected = [CHAIN.invoke(value) for value in inputs]

    assert expected == CHAIN.batch(inputs)
    assert expected == asyncio.run(_abatch(inputs))
    assert len(set(expected)) == len(QUESTIONS)


async def _abatch(inputs: list[dict[str, Any]]) -> list[str]:
    return await build_chain(DeskModel()).abatch(inputs)


def test_every_branch_is_taken() -> None:
    """The sample questions reach each of the three answers, each at least twice."""
    taken = [
        name
        for question in QUESTIONS
        for name in _names(_events(CHAIN, {"question": question}), "on_chain_start")
        if name in {"billing_answer", "technical_answer", "general_answer"}
    ]

    assert len(taken) == len(QUESTIONS)
    assert {"billing_answer", "technical_answer", "general_answer"} == set(taken)
    assert min(taken.count(name) for name in taken) >= 2


def test_branches_write_differently() -> None:
    """A technical answer is numbered steps; the other two are not."""
    state = {"question": "notebook sync", "documents": PARTS.retriever.invoke("notebook sync")}
    state = PARTS.add_context.invoke(state)
    answers = [part.invoke(state) for part in (PARTS.technical, PARTS.billing, PARTS.general)]

    assert [answer.startswith("1. ") for answer in answers] == [True, False, False]
    assert len(set(answers)) == 3


@pytest.mark.parametrize(("question", "article"), UNSEEN.items())
def test_unseen_question_is_answered(run: Call, question: str, article: str) -> None:
    """A question that is in no sample is answered from the best article, which is cited."""
    best = PARTS.search.invoke({"question": question})[0]
    answer, _ = run(CHAIN, {"question": question})

    assert article == best.id
    assert article == _cited_first(answer)
    assert any(line in answer for line in best.page_content.split(". "))


def test_every_article_can_be_found(run: Call) -> None:
    """Asked for an article by its title, the desk finds it first and cites it first."""
    articles = load_articles()
    expected = [article.id for article in articles]
    titles = [article.metadata["title"] for article in articles]

    assert len(set(expected)) == len(articles) >= 12
    assert expected == [run(PARTS.retriever, title)[0][0].id for title in titles]
    assert expected == [_cited_first(CHAIN.invoke({"question": title})) for title in titles]


@pytest.mark.parametrize("question", ["", "Does it rain in the mountains?", "?!"])
def test_nothing_found(run: Call, question: str) -> None:
    """Where no article helps the desk says so and cites nothing."""
    answer, _ = run(CHAIN, {"question": question})

    assert "could not find this" in answer
    assert "[" not in answer


def test_retriever_hands_out_copies() -> None:
    """A listener that changes a found document changes nothing for the next question."""
    first = PARTS.retriever.invoke("refund")
    first[0].metadata.clear()

    assert PARTS.retriever.invoke("refund")[0].metadata["title"] == "Refunds"


def test_retriever_limit() -> None:
    """`k` limits how many documents are found, and the order stays."""
    three = [document.id for document in PARTS.retriever.invoke("notebook")]
    two = PARTS.retriever.model_copy(update={"k": 2}).invoke("notebook")

    assert len(three) == 3
    assert three[:2] == [document.id for document in two]


@pytest.mark.parametrize("question", QUESTIONS)
def test_triage_is_json(run: Call, question: str) -> None:
    """Triage gives every key with a value of its kind, for every sample question."""
    triage, chunks = run(PARTS.triage, {"question": question})

    assert [triage] == chunks
    assert {"category", "urgency", "summary", "keywords"} == set(triage)
    assert triage["category"] in {"billing", "technical", "general"}
    assert triage["urgency"] in {"high", "normal"}
    assert triage["keywords"]
    assert triage["summary"].removesuffix("…") in question


def test_triage_parser_streams_partial_json() -> None:
    """The triage parser shows the object as it grows: each partial dict has the last one's keys."""
    events = _events(CHAIN, {"question": QUESTIONS[0]})
    partial = [chunk for chunk in _chunks(events, "on_parser_stream", "triage_json") if chunk]

    assert len(partial) >= 4
    assert all(set(before) <= set(after) for before, after in pairwise(partial))
    assert partial[-1]["category"] == "billing"


def test_urgency_depends_on_the_words() -> None:
    """A deadline makes a question urgent; the same question without one is not."""
    urgent, calm = PARTS.triage.batch([{"question": "It crashes before my deadline"}, {"question": "It crashes"}])

    assert (urgent["urgency"], calm["urgency"]) == ("high", "normal")


@pytest.mark.parametrize("name", ["triage_model", "answer_model"])
def test_no_token_twice(name: str) -> None:
    """Each token is one event: as many as the model counted, and together its text."""
    events = _events(CHAIN, {"question": QUESTIONS[3]})
    tokens = [c.content for c in _chunks(events, "on_chat_model_stream", name) if c.content]
    (output,) = [
        event["data"]["output"] for event in events if event["event"] == "on_chat_model_end" and event["name"] == name
    ]

    assert output.content == "".join(tokens)
    assert output.usage_metadata["output_tokens"] == len(tokens)
    assert output.response_metadata == {"finish_reason": "stop", "model_name": "desk"} | {
        key: value for key, value in output.response_metadata.items() if key == "model_provider"
    }


class _Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.seen.append(token)


def test_callbacks_hear_each_token_once() -> None:
    """A plain callback handler hears, in sync streaming, what the caller receives."""
    handler = _Tokens()
    chunks = list(DeskModel().stream("sync", {"callbacks": [handler]}))

    assert handler.seen == [chunk.content for chunk in chunks]
    assert len(chunks) > 3


def test_model_reads_its_messages(run: Call) -> None:
    """Instructions and the last question decide, wherever the articles come from."""
    system = SystemMessage(
        'Write at most 1 sentence.\n<article id="x7" title="Kettle">\nKettles boil. '
        "A blue kettle whistles at noon.\n</article>\nClose with: Goodbye."
    )
    blocks: list[str | dict[Any, Any]] = [{"type": "text", "text": "When does a kettle whistle?"}]
    messages = [system, HumanMessage("Boil?"), AIMessage("Yes"), HumanMessage(content=blocks)]
    message, chunks = run(DeskModel(), messages)

    assert message.content == "A blue kettle whistles at noon. [x7]\n\nGoodbye."
    assert message.content == "".join(chunk.content for chunk in chunks)


def test_model_without_instructions(run: Call) -> None:
    """A bare message is answered too, and the answer speaks of it."""
    assert run(DeskModel(), "teapots, please")[0].content == "I have no article about this: teapots."


def test_model_stops(run: Call) -> None:
    """The text ends before the first stop sequence."""
    whole = DeskModel().invoke("teapots").content
    message, _ = run(DeskModel().bind(stop=["zz", " article"]), "teapots")

    assert str(whole).startswith(message.content)
    assert message.content == "I have no"


def test_usage_is_on_the_last_chunk_that_the_model_makes() -> None:
    """Exactly one chunk carries usage, no token comes after it, and the sum keeps it."""
    chunks = list(DeskModel().stream("one two three"))
    carrying = [at for at, chunk in enumerate(chunks) if _usage(chunk)]

    assert len(carrying) == 1
    assert not any(chunk.content for chunk in chunks[carrying[0] :])
    usage = DeskModel().invoke("one two three").usage_metadata
    assert usage == _usage(chunks[carrying[0]])
    assert usage is not None
    assert usage["input_tokens"] == 3
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def _usage(chunk: Any) -> Any:
    assert isinstance(chunk, AIMessageChunk)
    return chunk.usage_metadata


def test_async_stream_lets_others_run() -> None:
    """Between two tokens the event loop runs other tasks, also without a delay."""

    async def race() -> list[str]:
        order: list[str] = []

        async def tick() -> None:
            for _ in range(5):
                order.append("tick")
                await asyncio.sleep(0)

        async def read() -> None:
            async for _ in DeskModel().astream("teapots"):
                order.append("token")

        await asyncio.gather(read(), tick())
        return order

    order = asyncio.run(race())
    first_token, last_token = order.index("token"), len(order) - order[::-1].index("token")

    assert "tick" in order[:last_token]
    assert first_token < len(order) - 1 - order[::-1].index("tick")


def test_negative_delay() -> None:
    """A delay below zero is refused when the model is made."""
    with pytest.raises(ValueError, match="delay"):
        DeskModel(delay=-1)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80) | st.sampled_from(['</article>" {x}', 'say "{}"\n- a: b', "\\"]))
def test_any_question_goes_through(question: str) -> None:
    """Whatever is typed: one answer, the same each time, streamed as it is invoked."""
    answer = CHAIN.invoke({"question": question})

    assert answer
    assert answer == CHAIN.invoke({"question": question})
    assert answer == "".join(CHAIN.stream({"question": question}))


def _scripted(*replies: str) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage(reply) for reply in replies]))


@pytest.mark.parametrize(
    ("reply", "branch"),
    [
        ('```json\n{"category": " Billing", "keywords": null}\n```', "billing_answer"),
        ('{"category": "technical"}', "technical_answer"),
        ('{"category": "praise"}', "general_answer"),
        ("[1, 2]", "general_answer"),
    ],
)
def test_any_model_can_take_the_place(reply: str, branch: str) -> None:
    """Another chat model, less careful about JSON, drives the same chain."""
    events = _events(build_chain(_scripted(reply, "All is well.")), {"question": "refund"})

    assert branch in _names(events, "on_chain_end")
    assert events[-1]["data"]["output"] == "All is well."


def test_parts_make_the_chain(run: Call) -> None:
    """Run one after another, by hand, the parts give the chain's answer."""
    question = {"question": QUESTIONS[1]}
    state = question | {
        "documents": run(PARTS.search, question)[0],
        "triage": run(PARTS.triage, question)[0],
    }

    assert state == run(PARTS.gather, question)[0]
    assert CHAIN.invoke(question) == run(PARTS.answer, state)[0]
    assert CHAIN.invoke(question) == run(PARTS.route, PARTS.add_context.invoke(state))[0]


def test_names_and_tags() -> None:
    """The names and tags that listeners filter on are where they look for them."""
    events = _events(CHAIN, {"question": QUESTIONS[0]})
    tags = {event["name"]: set(event["tags"]) for event in events}

    assert {"triage_model", "answer_model"} == _names(events, "on_chat_model_start")
    assert {"triage_json", "answer_text"} == _names(events, "on_parser_stream")
    assert {"triage_prompt", "billing_prompt"} == _names(events, "on_prompt_end")
    assert {"help_center"} == _names(events, "on_retriever_end")
    assert {"support_desk", "gather", "search", "triage", "route", "billing_answer"} < set(tags)
    assert "triage" in tags["triage_model"]
    assert "answer" in tags["answer_model"]
    assert all("support-desk" in found for found in tags.values())


def test_input_schema() -> None:
    """The chain's input schema asks for the question alone."""
    schema = CHAIN.get_input_jsonschema()

    assert list(schema["properties"]) == ["question"]


@pytest.fixture(scope="module")
def recorded() -> list[Any]:
    """One run's events."""
    return _events(CHAIN, {"question": QUESTIONS[0]})


def _heard(consumer: consumers.Consumer, events: list[Any]) -> list[str]:
    written: list[str] = []
    asyncio.run(_drive(consumer, events, written.append))
    return written


async def _drive(consumer: consumers.Consumer, events: list[Any], write: Callable[[str], object]) -> None:
    async def replayed() -> AsyncIterator[Any]:
        for event in events:
            yield event

    await consumer(replayed(), write)


def test_chat_front_end(recorded: list[Any]) -> None:
    """The chat window shows the answer token by token, and nothing of the triage."""
    tokens = _heard(consumers.chat_front_end, recorded)

    assert CHAIN.invoke({"question": QUESTIONS[0]}) == "".join(tokens)
    assert len(tokens) >= 10


def test_sources_panel(recorded: list[Any]) -> None:
    """The panel lists what the retriever found, best first."""
    found = PARTS.search.invoke({"question": QUESTIONS[0]})
    expected = [f"{d.metadata['title']} <{d.metadata['source']}>\n" for d in found]

    assert expected == _heard(consumers.sources_panel, recorded)


def test_audit_line(recorded: list[Any]) -> None:
    """The audit has one line for the run: its name, the question and the answer's length."""
    (line,) = _heard(consumers.audit_line, recorded)
    answer = CHAIN.invoke({"question": QUESTIONS[0]})

    assert json.loads(line) == {
        "run": "support_desk",
        "question": QUESTIONS[0],
        "characters": len(answer),
    }


def test_consumers_are_listed() -> None:
    """The table names every listener of the module."""
    listed = {listener.__name__ for listener in consumers.CONSUMERS.values()}

    assert listed == {name for name in consumers.__all__ if name.islower()}


@pytest.fixture
def model_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of a user's with a model, a bound model and a factory that fails."""
    (tmp_path / "users_models.py").write_text(
        "from lcel_adapters.desk import DeskModel\n"
        "class shelf:\n"
        "    model = DeskModel(delay=0.0001)\n"
        "bound = shelf.model.bind(stop=['x'])\n"
        "def broken():\n"
        "    raise KeyError('SECRET_KEY')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "users_models"
    sys.modules.pop("users_models", None)


def test_load_model_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name anywhere the desk has its own model."""
    monkeypatch.delenv("LCEL_COMPAT_MODEL", raising=False)

    assert load_model() == DeskModel()


def test_load_model(model_module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is found by name: an object, one inside an object, a class, a bound model."""
    monkeypatch.setenv("LCEL_COMPAT_MODEL", f"{model_module}:shelf.model")

    assert load_model() == DeskModel(delay=0.0001)
    assert load_model("lcel_adapters.desk:DeskModel") == DeskModel()
    assert load_model(f"{model_module}:bound").invoke("teapots, a box").content == (
        "I have no article about this: teapots, bo"
    )
    assert build_chain().invoke({"question": "refund"}) == CHAIN.invoke({"question": "refund"})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("openai", "'openai' is not of the form MODULE:OBJECT"),
        (":model", "':model' is not of the form MODULE:OBJECT"),
        ("users_models:", "'users_models:' is not of the form MODULE:OBJECT"),
        ("no_such_module:model", "cannot import 'no_such_module'.*is its package installed"),
        ("users_models:missing", "'users_models' has no 'missing'"),
        ("users_models:shelf.missing", "'users_models' has no 'shelf.missing'"),
        ("users_models:__name__", "is 'users_models', not a LangChain chat model"),
        ("users_models:shelf", "not a LangChain chat model"),
        ("users_models:broken", "could not be made without arguments .KeyError: 'SECRET_KEY'"),
        ("users_models:isinstance", "has no 'isinstance'"),
    ],
)
def test_load_model_errors(model_module: str, monkeypatch: pytest.MonkeyPatch, spec: str, message: str) -> None:
    """A name that leads to no model says which name it was and where it ended."""
    with pytest.raises(ModelSpecError, match=message):
        load_model(spec)
    monkeypatch.setenv("LCEL_COMPAT_MODEL", spec)
    with pytest.raises(ModelSpecError, match=message):
        build_chain()


def _python(code: str) -> str:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    env.pop("LCEL_COMPAT_MODEL", None)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def test_import_is_cheap() -> None:
    """Importing the package loads nothing of LangChain; `chain` is there when it is asked for."""
    code = (
        "import sys, lcel_adapters; before = set(sys.modules)\n"
        "import lcel_adapters.desk as desk; loaded = set(sys.modules) - before\n"
        "print(any(name.startswith('langchain') for name in loaded))\n"
        "print(desk.chain is desk.chain, desk.chain.config['run_name'], 'chain' in dir(desk))\n"
    )

    assert _python(code).split() == ["False", "True", "support_desk", "True"]


def test_answers_do_not_depend_on_the_process() -> None:
    """A fresh process, with other hash seeds, gives the same answer byte for byte."""
    code = (
        "import sys; from lcel_adapters.desk import QUESTIONS, DeskModel, build_chain\n"
        "chain = build_chain(DeskModel())\n"
        "print(ascii([chain.invoke({'question': q}) for q in QUESTIONS]))\n"
    )
    expected = [CHAIN.invoke({"question": question}) for question in QUESTIONS]

    assert ascii(expected) == _python(code).strip()


def test_unknown_name() -> None:
    """The package has the names it lists and no others."""
    import lcel_adapters.desk as desk

    assert sorted(desk.__all__) == dir(desk)
    assert all(hasattr(desk, name) for name in desk.__all__ if name != "chain")
    with pytest.raises(AttributeError, match="has no attribute 'chains'"):
        _ = desk.chains

"""LangServe's client, as a program: asks a server in every way, and prints what it heard as JSON.

python client.py http://127.0.0.1:8000
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import HumanMessage, SystemMessage

TOPIC = {"topic": "parrots"}
MESSAGES = [SystemMessage("Be brief."), HumanMessage("hi")]


class Handler(BaseCallbackHandler):
    """Writes down which callbacks it is called for, and with what."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
        self.heard.append(["chain start", told.get("name"), repr(inputs)])

    def on_chain_end(self, outputs: Any, **told: Any) -> None:
        self.heard.append(["chain end", repr(outputs)])

    def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
        self.heard.append(["model start", repr(messages)])

    def on_llm_end(self, response: Any, **told: Any) -> None:
        self.heard.append(["model end", response.generations[0][0].text, repr(response.generations[0][0].message)])

    def on_tool_start(self, serialized: Any, input_str: str, **told: Any) -> None:
        self.heard.append(["tool start", input_str])

    def on_tool_end(self, output: Any, **told: Any) -> None:
        self.heard.append(["tool end", repr(output)])


class AsyncHandler(AsyncCallbackHandler):
    """The same for the client's asynchronous half."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
        self.heard.append(["model start", repr(messages)])

    async def on_llm_end(self, response: Any, **told: Any) -> None:
        self.heard.append(["model end", response.generations[0][0].text])


async def _done(value: Any) -> Any:
    return value


async def _list(items: AsyncIterator[Any]) -> list[str]:
    return [repr(item) async for item in items]


async def _events(remote: Any, value: Any = TOPIC, **chosen: Any) -> list[list[str]]:
    return [
        [event["event"], event["name"], repr(event["tags"]), repr(event["data"])]
        async for event in remote.astream_events(value, version="v2", **chosen)
    ]


async def _log(remote: Any, **chosen: Any) -> list[str]:
    return [repr(patch.ops) async for patch in remote.astream_log(TOPIC, **chosen)]


async def _failing(work: Awaitable[Any]) -> str:
    try:
        await work
    except Exception as error:
        return f"{type(error).__name__}: {getattr(getattr(error, 'response', None), 'status_code', error)}"
    raise AssertionError("it did not fail")


async def _told(remote: Any) -> Any:
    handler = Handler()
    return [remote.invoke(TOPIC, {"callbacks": [handler]}), handler.heard]


async def _told_of_a_batch(remote: Any) -> Any:
    handler = AsyncHandler()
    return [await remote.abatch([TOPIC, TOPIC], {"callbacks": [handler]}), sorted(handler.heard)]


CONFIGURED = {"configurable": {"text": "a b"}}
WAYS: dict[str, tuple[str, Callable[[Any], Awaitable[Any]]]] = {
    "invoke": ("/joke", lambda remote: _done(remote.invoke(TOPIC))),
    "ainvoke": ("/joke", lambda remote: remote.ainvoke(TOPIC)),
    "invoke messages": ("/chat", lambda remote: _done(repr(remote.invoke(MESSAGES)))),
    "invoke configured": ("/cfg", lambda remote: _done(remote.invoke(TOPIC, CONFIGURED))),
    "batch": ("/joke", lambda remote: _done(remote.batch([TOPIC, TOPIC]))),
    "abatch": ("/joke", lambda remote: remote.abatch([TOPIC])),
    "abatch configured": ("/cfg", lambda remote: remote.abatch([TOPIC, TOPIC], [CONFIGURED, {}])),
    "stream": ("/joke", lambda remote: _done(list(remote.stream(TOPIC)))),
    "astream": ("/joke", lambda remote: _list(remote.astream(TOPIC))),
    "astream of dicts": ("/rag", lambda remote: _list(remote.astream("parrots"))),
    "astream of messages": ("/chat", lambda remote: _list(remote.astream(MESSAGES))),
    "astream_log": ("/joke", _log),
    "astream_log of a name": ("/joke", lambda remote: _log(remote, include_names=["FakeStream"])),
    "astream_events": ("/joke", _events),
    "astream_events v1": ("/joke_v1", _events),
    "astream_events of a type": ("/joke", lambda remote: _events(remote, include_types=["chat_model"])),
    "astream_events of a name": ("/joke", lambda remote: _events(remote, include_names=["StrOutputParser"])),
    "astream_events of a tag": ("/joke", lambda remote: _events(remote, include_tags=["seq:step:2"])),
    "astream_events but for types": ("/joke", lambda remote: _events(remote, exclude_types=["parser"])),
    "astream_events of messages": ("/chat", lambda remote: _events(remote, MESSAGES)),
    "invoke that fails": ("/err", lambda remote: _failing(remote.ainvoke(TOPIC))),
    "astream that fails": ("/errmid", lambda remote: _failing(_list(remote.astream(TOPIC)))),
    "astream_events that fail": ("/errmid", lambda remote: _failing(_events(remote))),
    "astream_log that fails": ("/errmid", lambda remote: _failing(_log(remote))),
    "invoke of what is invalid": ("/joke", lambda remote: _failing(remote.ainvoke({}))),
}
"""The ways to ask, and of which route."""

TOLD = {"callbacks": _told, "callbacks of a batch": _told_of_a_batch}
"""The ways in which a client hears of callbacks."""


async def _all(server: str) -> dict[str, Any]:
    from langserve import RemoteRunnable

    return {name: await way(RemoteRunnable(f"{server}{path}")) for name, (path, way) in WAYS.items()}


async def _callbacks(server: str) -> dict[str, Any]:
    from langserve import RemoteRunnable

    return {name: await way(RemoteRunnable(f"{server}/cbe")) for name, way in TOLD.items()}


if __name__ == "__main__":
    work = _callbacks if sys.argv[2:] else _all
    print(json.dumps(asyncio.run(work(sys.argv[1]))))

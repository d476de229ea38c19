"""LangServe's client, as a program: asks routes in every way, and prints what it heard as JSON.

python langserve_client.py http://127.0.0.1:8000 /chain /ours
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

ASKED = {"question": "parrots"}


async def _list(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


async def _done(value: Any) -> Any:
    return value


def _event(event: Any) -> list[str]:
    return [event["event"], "" if not event["parent_ids"] else event["name"], repr(event["tags"]), repr(event["data"])]


async def _events(remote: Any, **chosen: Any) -> list[list[str]]:
    return [_event(event) async for event in remote.astream_events(ASKED, version="v2", **chosen)]


async def _log(remote: Any) -> list[str]:
    return [repr(patch.ops) for patch in await _list(remote.astream_log(ASKED))]


WAYS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "invoke": lambda remote: _done(remote.invoke(ASKED)),
    "batch": lambda remote: _done(remote.batch([ASKED, ASKED])),
    "stream": lambda remote: _done(list(remote.stream(ASKED))),
    "ainvoke": lambda remote: remote.ainvoke(ASKED),
    "abatch": lambda remote: remote.abatch([ASKED]),
    "astream": lambda remote: _list(remote.astream(ASKED)),
    "astream_events": _events,
    "astream_events of parsers": lambda remote: _events(remote, include_types=["parser"]),
    "astream_log": _log,
}
"""The ways to ask."""


async def _ask(server: str, path: str) -> dict[str, Any]:
    from langserve import RemoteRunnable

    remote: Any = RemoteRunnable(f"{server}{path}/")
    heard = {name: await ask(remote) for name, ask in WAYS.items()}
    text = json.dumps(heard).replace(path, "/route")
    return dict(json.loads(text))


async def _all(server: str, paths: list[str]) -> dict[str, Any]:
    return {path: await _ask(server, path) for path in paths}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_all(sys.argv[1], sys.argv[2:]))))

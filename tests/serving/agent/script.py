"""Scenarios of requests one after another, written as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from tests.serving.agent.stage import Scenario, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request.

    Attributes:
        name: Of the exchange; empty for one that is no part of the facts.
        method: Of the request; ``path`` and ``body`` name what is bound in braces, as in ``/threads/{thread}``.
        keep: What of the JSON answer is bound to a name: a path such as ``0.run_id``, or ``@run`` for the run of the
            header.
        asked: Headers that belong to the facts.
    """

    name: str
    method: str
    path: str
    body: Any = None
    keep: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)


def post(name: str, path: str, body: Any = None, **keep: str) -> Step:
    """A POST."""
    return Step(name=name, method="POST", path=path, body={} if body is None else body, keep=keep)


def get(name: str, path: str, **keep: str) -> Step:
    """A GET."""
    return Step(name=name, method="GET", path=path, keep=keep)


def delete(name: str, path: str, body: Any = None) -> Step:
    """A DELETE."""
    return Step(name=name, method="DELETE", path=path, body=body)


def scripted(name: str, group: str, *steps: Step) -> Scenario:
    """A scenario of steps, on a thread of its own named ``{thread}``; whatever ran is over before the next step.

    Args:
        name: Of the scenario; put before the name of each step.
        group: Its file of facts.
        steps: In order.
    """

    async def play(stage: Stage) -> None:
        bound = {"thread": await stage.thread()}
        for step in steps:
            await _play(stage, step, bound, name)

    names = tuple(f"{name}_{step.name}" for step in steps if step.name)
    return Scenario(name=name, group=group, names=names, play=play, captured=False)


async def _play(stage: Stage, step: Step, bound: dict[str, str], scenario: str) -> None:
    path, body = _filled(step.path, bound), _filled(step.body, bound)
    if step.name:
        answer = await stage.call(f"{scenario}_{step.name}", step.method, path, body, asked=step.asked)
        content, run = answer.content, answer.headers.get("content-location", "").rpartition("/")[2]
    else:
        response = await stage.aside(step.method, path, body)
        content, run = response.content, response.headers.get("content-location", "").rpartition("/")[2]
    for name, where in step.keep.items():
        bound[name] = run if where == "@run" else _found(content, where)
    if step.method != "GET" and "/runs" in path:
        await stage.settled(f"/threads/{bound['thread']}")


def _filled(value: Any, bound: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return reduce(lambda text, item: text.replace(f"{{{item[0]}}}", item[1]), bound.items(), value)
    if isinstance(value, dict):
        return {_filled(key, bound): _filled(item, bound) for key, item in value.items()}
    return [_filled(item, bound) for item in value] if isinstance(value, list) else value


def _found(content: bytes, where: str) -> str:
    steps = where.split(".")
    return str(reduce(lambda value, key: value[int(key) if key.isdigit() else key], steps, json.loads(content)))

"""The facts: what a real Agent Server answered, in normal form, and how transcripts become that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.serving.agent.stage import Scenario
from tests.support.wire import Exchange, Form, normal_form

FACTS = Path(__file__).parents[1] / "wire"


def transcript(folder: Path, name: str) -> Exchange:
    """One captured exchange.

    Args:
        folder: Holds ``NAME.req`` (method and path, options of the client, body, its exit code) and ``NAME.txt`` (the
            answer as it came).
        name: Of the transcript.
    """
    request = (folder / f"{name}.req").read_text("utf-8")
    head, options, rest = request.split("\n", 2)
    method, path = head.split()
    sent, _, code = rest.rpartition("curl_exit=")
    raw = (folder / f"{name}.txt").read_bytes()
    top, _, content = raw.partition(b"\r\n\r\n")
    status, *headers = top.decode().split("\r\n")
    return Exchange(
        name=name,
        method=method,
        path=path,
        sent=sent.strip(),
        asked=dict(re.findall(r"-H ([\w-]+): (\S+)", options)),
        status=int(status.split(" ")[1]),
        headers={key.lower(): value for key, _, value in (line.partition(": ") for line in headers)},
        content=content,
        cut=code.strip() != "0",
    )


def captured(scenario: Scenario, folder: Path) -> Form:
    """The normal form of a scenario's transcripts."""
    return normal_form([transcript(folder, name) for name in scenario.names], beats=scenario.heartbeats)


def facts(scenario: Scenario) -> Form:
    """What the real server answered to a scenario."""
    group = json.loads((FACTS / f"{scenario.group}.json").read_text("utf-8"))
    form: Form = group[scenario.name]
    return form


def write(group: str, forms: dict[str, Form]) -> None:
    """Write one file of facts: an event per line, so that a difference shows."""
    scenarios = (f"{json.dumps(name)}: {_listed(map(_exchange, form))}" for name, form in sorted(forms.items()))
    (FACTS / f"{group}.json").write_text("{\n" + ",\n".join(scenarios) + "\n}\n", "utf-8")


def _exchange(form: dict[str, Any]) -> str:
    rest = _compact({key: value for key, value in form.items() if key != "events"})
    return rest if "events" not in form else f'{rest[:-1]},"events":{_listed(map(_compact, form["events"]))}}}'


def _listed(items: Iterable[str]) -> str:
    return "[\n" + ",\n".join(items) + "\n]"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

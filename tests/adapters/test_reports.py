"""Reports of a comparison: what each says, and that nothing in the events gets out of its place."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from lcel_adapters._reports import WRITERS, text_of_report
from lcel_adapters._reports._drawn import drawn
from lcel_adapters._reports._terminal import show
from lcel_compat.compare import Comparison, compare_events

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u2028 \x00\x1b[31m ]]> %0A::error::x & \ud800"


def recording(output: Any, *, name: str = "chain", tags: tuple[str, ...] = ()) -> list[Any]:
    """A chain and a parser below it that streams; both may hold anything."""
    root = {"name": name, "run_id": "r", "tags": list(tags), "metadata": {}, "parent_ids": []}
    inner = {**root, "name": "parser", "run_id": "p", "parent_ids": ["r"]}
    return [
        {"event": "on_chain_start", "data": {"input": output}, **root},
        {"event": "on_parser_start", "data": {}, **inner},
        *({"event": "on_parser_stream", "data": {"chunk": f"{output} {n}"}, **inner} for n in range(30)),
        {"event": "on_parser_end", "data": {"output": output}, **inner},
        {"event": "on_chain_end", "data": {"output": output}, **root},
    ]


def breaking(text: str = "hi") -> Comparison:
    """A comparison with findings of every severity but info, whose contents are ``text``."""
    return compare_events(recording(text), recording(text + "!", name=f"{text} again", tags=(text,)))


SAME = compare_events(recording("hi"), recording("hi"))


def test_the_json_report_is_the_comparison() -> None:
    """The file holds what `to_dict` gives."""
    assert json.loads(text_of_report("json", breaking())) == breaking().to_dict()


def test_the_junit_report_lists_each_finding() -> None:
    """A breaking finding is a failure, any other a test that passes; an input without findings is one that passes."""
    comparison = breaking()
    suite = ElementTree.fromstring(text_of_report("junit", comparison)).find("testsuite")
    assert suite is not None
    assert suite.get("tests") == str(len(comparison.findings))
    failures = [one for one in comparison.findings if one.severity == "breaking"]
    assert suite.get("failures") == str(len(failures)) == str(len(suite.findall(".//failure")))
    clean = ElementTree.fromstring(text_of_report("junit", SAME)).find("testsuite")
    assert clean is not None
    assert [case.get("name") for case in clean] == ["same events"]


def test_the_github_report_is_one_command_per_line() -> None:
    """Breaking is an error, changed a warning; what stands in the events starts no command of its own."""
    lines = text_of_report("github", breaking(EVIL)).splitlines()
    assert {line.split(" ")[0] for line in lines} <= {"::error", "::warning", "::notice"}
    assert lines[-1] == "::notice title=lcel-compat::verdict: breaking"
    assert lines[0].startswith("::error title=run_renamed at chain::")
    assert text_of_report("github", SAME) == "::notice title=lcel-compat::verdict: same\n"


def test_the_terminal_report_says_the_verdict_first() -> None:
    """Verdict, findings with what was and what is, and who would notice."""
    text = _shown(breaking())
    assert text.startswith("breaking: consumers would notice")
    assert 'data.output: "hi" → "hi!"' in text
    assert "noticed by whoever selects by event['name']" in text
    assert _shown(SAME).startswith("same: no consumer would notice")


@pytest.mark.parametrize("kind", WRITERS)
def test_whatever_is_in_the_events_stays_in_the_report(kind: str) -> None:
    """Markup, control characters, lone surrogates and commands in contents come out as text that can be written."""
    text = text_of_report(kind, breaking(EVIL))
    assert text.encode()
    if kind == "junit":
        ElementTree.fromstring(text)


def test_a_terminal_is_not_moved_by_contents() -> None:
    """Escape sequences in contents are shown as what they are not: replaced."""
    assert "\x1b[31m" not in _shown(breaking(EVIL))


def test_the_page_has_no_markup_but_its_own() -> None:
    """The same elements whatever the events hold, no address to load from, and a policy that forbids any."""
    plain, evil = (_Elements(text_of_report("html", breaking(text))) for text in ("hi", EVIL))
    assert plain.names == evil.names
    assert evil.names.count("script") == 2
    assert evil.addresses == []
    page = text_of_report("html", breaking(EVIL))
    assert "default-src 'none'" in page
    assert not re.search(r"https?:", page)


def test_the_page_is_one_script() -> None:
    """The modules that a server sends one by one are joined: nothing is imported, and nothing is left out."""
    page = text_of_report("html", SAME)
    assert not re.search(r"^\s*(import|export) ", page, re.MULTILINE)
    assert "class RunTree" in page
    assert "class ComparisonView" in page


def test_the_first_chunk_has_its_place() -> None:
    """What is drawn of a run says where its first chunk came, split by key or not; None where there was none."""
    events = recording("hi")
    keyed = [{**events[0], "event": "on_chain_stream", "data": {"chunk": {"a": 1}}}, events[-1]]
    data: Any = drawn(compare_events(events, [*events[:-1], *keyed]))
    found = {run["path"][-1]: [side["first"] for side in run["sides"]] for run in data["cases"][0]["runs"]}
    assert found == {"chain": [None, 33.0], "parser": [2.0, 2.0]}


def test_the_page_folds_what_is_long() -> None:
    """A recording of many events gives a page of bounded size, which says what it leaves out."""
    root = recording("hi")[0]
    events = [{**root, "event": "on_chain_stream", "data": {"chunk": f"{n} "}} for n in range(5_000)]
    other = [{**event, "data": {"chunk": "x"}} for event in events]
    page = text_of_report("html", compare_events([root, *events], [root, *other]))
    assert len(page) < 1_000_000


def test_a_missing_template_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without jinja2 the HTML report says how to get it."""
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape('pip install "lcel-compat[cli]"')):
        text_of_report("html", SAME)


def _shown(comparison: Comparison) -> str:
    file = io.StringIO()
    show(comparison, Console(file=file, width=120, highlight=False, emoji=False, markup=False))
    return file.getvalue()


class _Elements(HTMLParser):
    """The elements of a page in order, and the addresses it would load from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

"""Configs in paths, lists of messages, and how both are read: properties, against LangServe's own code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langserve.lzstring import LZString

from lcel_adapters.serve._langserve._input import with_messages
from lcel_adapters.serve._langserve._lzstring import LIMIT, decompress
from tests.serving.langserve.asking import ask
from tests.serving.langserve.conftest import Servers
from tests.serving.langserve.routes import TOPIC, WARNINGS

pytestmark = WARNINGS
LIBRARY: Any = LZString
# Beyond U+FFFF LangServe's port of lz-string differs from the original, which counts UTF-16 units.
UNITS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))


@given(UNITS | st.text("ab", max_size=500))
def test_what_was_compressed_is_decompressed(text: str) -> None:
    """Whatever lz-string compresses comes back."""
    assert decompress(LIBRARY.compressToEncodedURIComponent(text)) == text


@given(st.text("ABCDabcd0189+-$ ", max_size=60) | st.text(max_size=20))
def test_anything_else_is_an_error_or_a_text(text: str) -> None:
    """No text in a path does more than raise ``ValueError``, and nothing grows without a bound."""
    try:
        found = decompress(text, 1000)
    except ValueError:
        return
    assert len(found) <= 1000


def test_a_character_of_two_units() -> None:
    """What JavaScript compresses as two UTF-16 units is one character again."""
    compressed = LIBRARY.compressToEncodedURIComponent("😀".encode("utf-16-le").decode("utf-16-le", "surrogatepass"))
    pair = LIBRARY.compressToEncodedURIComponent("\ud83d\ude00")
    assert decompress(pair) == "😀"
    assert compressed != pair


def test_the_bound() -> None:
    """A text may be long, but not of any length."""
    assert len(decompress(LIBRARY.compressToEncodedURIComponent("a" * LIMIT))) == LIMIT
    with pytest.raises(ValueError, match="more than 1000000 characters"):
        decompress(LIBRARY.compressToEncodedURIComponent("a" * (LIMIT + 1)))


def _path(config: Any) -> str:
    compressed: str = LIBRARY.compressToEncodedURIComponent(json.dumps(config))
    return compressed


CONFIGS: list[Any] = [
    {"configurable": {"text": "from the path"}},
    {"configurable": {"text": "from the path"}, "tags": ["x"]},
    {"configurable": {"text": 5}},
    {"configurable": {"prompt": "poem"}},
    {"configurable": 5},
    {},
    [],
    "x",
]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [{}, {"configurable": {"text": "from the body"}}, {"configurable": {}}], ids=str)
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_configs_in_the_path(servers: Servers, config: Any, sent: Any) -> None:
    """A config in the path counts, and one in the body goes before it, as LangServe has it."""
    path = f"/cfg/c/{_path(config)}/invoke"
    theirs, ours = (ask(server, path, {"input": TOPIC, "config": sent}) for server in (servers.theirs, servers.ours))
    assert ours.normal == theirs.normal


@pytest.mark.slow
@pytest.mark.parametrize("what", ["input_schema", "output_schema", "config_schema"])
@pytest.mark.parametrize("config", CONFIGS[:5], ids=str)
def test_schemas_of_configs(servers: Servers, config: Any, what: str) -> None:
    """Schemas are those of the runnable as it is configured."""
    theirs, ours = (ask(server, f"/cfg/c/{_path(config)}/{what}") for server in (servers.theirs, servers.ours))
    assert ours.normal == theirs.normal


@pytest.mark.slow
def test_l20_what_clients_may_not_configure(servers: Servers) -> None:
    """L20: a route without ``configurable`` among its keys refuses it with 422; in our own words."""
    body = {"input": TOPIC, "config": {"configurable": {"text": "x"}}}
    theirs, ours = (ask(server, "/closed/invoke", body) for server in (servers.theirs, servers.ours))
    assert theirs.status == ours.status == 422
    assert "config_keys" in ours.json["detail"]


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_only_messages_become_messages(value: Any) -> None:
    """Of anything that holds no message in short, nothing is changed."""
    if not any(
        f'"{role}"' in json.dumps(value) for role in ("human", "user", "ai", "assistant", "system", "developer")
    ):
        assert with_messages(value) == value

"""What is hidden before anything is written, and what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from lcel_compat.events import REDACTOR, Redactor, load, record
from lcel_compat.events._redact import HIDDEN

KEYS = ["api_key", "apiKey", "openAIApiKey", "X-Api-Key", "Authorization", "password", "client_secret", "refreshToken"]
KEYS += [
    "passwords",
    "secrets",
    "db.password",
    "AWS_SECRET_ACCESS_KEY",
    "token",
    "Set-Cookie",
    "ACCESS_TOKEN",
    "private-key",
]
WORDS = ["max_tokens", "input_tokens", "token_usage", "tokens", "tokenizer", "key", "keys", "author", "secretary"]
WORDS += ["total_tokens", "passwords_changed", "monkey", "api_key_id_count", "stop_token_ids"]
SECRETS = {
    "OpenAI": "sk-proj-" + "aB3_" * 12,
    "Anthropic": "sk-ant-api03-" + "x" * 40,
    "LangSmith": "lsv2_pt_" + "0a" * 16 + "_" + "b" * 10,
    "GitHub": "ghp_" + "a1" * 18,
    "GitHub, fine-grained": "github_pat_" + "A1_" * 12,
    "GitLab": "glpat-" + "a" * 20,
    "Hugging Face": "hf_" + "a" * 34,
    "Groq": "gsk_" + "a1" * 26,
    "Tavily": "tvly-dev-" + "a1" * 16,
    "Stripe": "sk_live_" + "a1" * 12,
    "npm": "npm_" + "a1" * 18,
    "SendGrid": "SG." + "a1" * 11 + "." + "b2" * 21,
    "Slack": "xoxb-1234567890-abcdef",
    "AWS": "AKIA" + "ABCD1234" * 2,
    "Google, OAuth": "ya29." + "a1" * 20,
    "Google": "AIza" + "a" * 35,
    "JSON web token": "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "bearer": "Bearer abcdefghijklmnop",
    "basic": "basic dXNlcjpwYXNzd29yZA==",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "half a private key": "-----BEGIN PRIVATE KEY-----\nMIIE",
}
PLAIN = ["sk-learn is a library", "a task-oriented thing", "the bearer of bad news", "basic arithmetic", "AKIA", "eyJ"]
PLAIN += ["the password: ask me", "max_tokens=5", "no token: none left", '{"tokens": "5"}', "my secret is safe"]
PLAIN += ["ask-me-anything", "https://example.com/a:b", "a user@example.com", "hf_hub", "disk-encryption-at-rest-x"]


@pytest.mark.parametrize("key", KEYS)
def test_what_stands_under_a_secrets_key_is_hidden(key: str) -> None:
    """Whatever its form, and however deep, the value under such a key is hidden; an empty one shows that."""
    values: list[Any] = ["x", 1, ["x"], {"a": "x"}]
    for value in values:
        assert REDACTOR.hide({"a": [{key: value}]}) == {"a": [{key: HIDDEN}]}
    assert REDACTOR.hide({key: None, "b": {key: ""}}) == {key: None, "b": {key: ""}}


@pytest.mark.parametrize("word", WORDS)
def test_words_that_only_sound_like_it_are_kept(word: str) -> None:
    """Counts of tokens and the like are what consumers read: they stay."""
    assert REDACTOR.hide({word: 3}) == {word: 3}


@pytest.mark.parametrize("kind", SECRETS)
def test_what_looks_like_a_secret_is_hidden(kind: str) -> None:
    """In the middle of a text, in a list, or as a key."""
    text = json.dumps(REDACTOR.hide([f"it is {SECRETS[kind]} .", {SECRETS[kind]: 1}]))
    assert json.dumps(SECRETS[kind])[1:-1] not in text
    assert text.startswith(f'["it is {HIDDEN}')


def test_a_password_in_an_address_is_hidden() -> None:
    """Of a URL the user and password go, the rest stays."""
    assert REDACTOR.hide("see postgres://me:s3cret@db.example/x") == f"see postgres://{HIDDEN}@db.example/x"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ('{"user": "me", "password": "a b", "n": 1}', f'{{"user": "me", "password": "{HIDDEN}", "n": 1}}'),
        (json.dumps('{"api_key": "x"}'), json.dumps(f'{{"api_key": "{HIDDEN}"}}')),
        ("{'client_secret': 'x'}", f"{{'client_secret': '{HIDDEN}'}}"),
        ("https://example.com/?apiKey=x&page=2", f"https://example.com/?apiKey={HIDDEN}&page=2"),
        ("export OPENAI_API_KEY=x y", f"export OPENAI_API_KEY={HIDDEN} y"),
    ],
)
def test_a_key_and_its_value_inside_a_text_are_seen(text: str, hidden: str) -> None:
    """A tool call's arguments while they stream, a URL, the repr in an error: the value goes, the rest stays."""
    assert REDACTOR.hide(text) == hidden
    assert Redactor((), ()).hide(text) == text


def test_headers_kept_as_pairs_are_headers() -> None:
    """As HTTP libraries keep them; other pairs stay."""
    pairs: list[Any] = [["Authorization", "x"], ["Accept", "*/*"], ["human", "hello"], ["token", 3]]
    assert REDACTOR.hide(pairs) == [["Authorization", HIDDEN], ["Accept", "*/*"], ["human", "hello"], ["token", 3]]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_is_kept(text: str) -> None:
    """Words that begin like a key are words."""
    assert REDACTOR.hide(text) == text


def test_rules_can_be_added_and_left_out() -> None:
    """A redactor of one's own hides more, or nothing."""
    more = REDACTOR.also(keys=["ssn"], patterns=[r"\b\d{16}\b"])
    assert more.hide({"userSSN": "1", "card": "no. 4111111111111111", "token": "x"}) == {
        "userSSN": HIDDEN,
        "card": f"no. {HIDDEN}",
        "token": HIDDEN,
    }
    assert Redactor((), ()).hide({"token": SECRETS["AWS"]}) == {"token": SECRETS["AWS"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([*SECRETS.values()]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(KEYS + WORDS), inner),
)


@given(value=JSON)
def test_hiding_is_total_and_idempotent(value: Any) -> None:
    """Any JSON can be hidden in, hiding twice is hiding once, and no secret is left."""
    once = REDACTOR.hide(value)
    assert REDACTOR.hide(once) == once
    text = json.dumps(once)
    assert not any(json.dumps(secret)[1:-1] in text for secret in SECRETS.values())


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.zst"])
def test_no_secret_reaches_a_file(name: str, tmp_path: Path) -> None:
    """Inputs, events and error messages are written without their secrets; with ``redact=None`` as they are."""
    key = SECRETS["OpenAI"]

    def fail(x: Any) -> Any:
        raise ValueError(f"cannot use {x['api_key']} nor {key}")

    path = tmp_path / name
    record(RunnableLambda(fail), [{"api_key": "hunter2", "said": [HumanMessage(f"it is {key}")]}], path)
    [one] = load(path)
    assert "hunter2" not in repr((one, one.events)).replace(one.error_message, "")
    assert key not in repr((one, one.events))
    assert one.input["said"] == [HumanMessage(f"it is {HIDDEN}")]
    [shown] = record(RunnableLambda(str), [{"api_key": "hunter2"}], path, redact=None)
    assert shown.input == {"api_key": "hunter2"}

"""The normal form forgets what may differ, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.serving.agent.differing import differing
from tests.support.wire import Exchange, normal_form

THREAD = "01a1fbcd-da96-759d-8f24-e7ae445199d7"
RUN = "01a1fbcd-daed-751d-bbb0-70c99784f9bf"
OTHER = "01a1fbcd-f8d9-7751-bf63-d504026b36ff"
STREAM = (
    f'event: metadata\r\ndata: {{"run_id":"{RUN}","attempt":1}}\r\n\r\n'
    ": heartbeat\r\n\r\n"
    f'event: values\r\ndata: {{"at":"2026-11-21T01:52:14.000001+00:00","by":"{RUN}","user_id":""}}\r\nid: 7-0\r\n\r\n'
)
EXCHANGE = Exchange(
    name="some",
    method="POST",
    path=f"/threads/{THREAD}/runs/stream",
    sent='{"assistant_id":"qa"}',
    status=200,
    headers={"content-type": "text/event-stream", "date": "today", "content-location": f"/threads/{THREAD}/runs/{RUN}"},
    content=STREAM.encode(),
)


def changed(old: str, new: str) -> Exchange:
    """The exchange with another content."""
    assert old in STREAM
    return replace(EXCHANGE, content=STREAM.replace(old, new).encode())


@pytest.mark.parametrize(
    "other",
    [
        replace(EXCHANGE, headers={**EXCHANGE.headers, "date": "tomorrow"}),
        changed("2026-11-21T01:52:14.000001+00:00", "2027-01-01T00:00:00+00:00"),
        changed(',"user_id":""', ""),
        changed(": heartbeat\r\n\r\n", ""),
        changed("id: 7-0", "id: 8-0"),
    ],
    ids=["date", "time", "internals", "heartbeat", "id"],
)
def test_what_may_differ_is_forgotten(other: Exchange) -> None:
    """Times, the server's own facts, heartbeats and the numbers of frames make no difference."""
    assert differing(normal_form([EXCHANGE]), normal_form([other])) == []


def test_identifiers_keep_who_is_who() -> None:
    """Other identifiers are the same answer, as long as equal ones stay equal."""

    def renamed(exchange: Exchange) -> Exchange:
        headers = {key: value.replace(RUN, OTHER) for key, value in exchange.headers.items()}
        return replace(exchange, headers=headers, content=exchange.content.replace(RUN.encode(), OTHER.encode()))

    assert normal_form([renamed(EXCHANGE)]) == normal_form([EXCHANGE])
    assert normal_form([changed(f'"by":"{RUN}"', f'"by":"{OTHER}"')]) != normal_form([EXCHANGE])


@pytest.mark.parametrize(
    "other",
    [
        changed("event: values", "event: updates"),
        changed('"attempt":1', '"attempt":2'),
        changed("\r\nid: 7-0", ""),
        changed('"attempt":1', '"attempt":true'),
        replace(EXCHANGE, status=201),
        replace(EXCHANGE, headers={**EXCHANGE.headers, "content-location": f"/runs/{RUN}"}),
        replace(EXCHANGE, path=f"/threads/{THREAD}/runs/wait"),
        replace(EXCHANGE, sent="{}"),
        replace(EXCHANGE, content=EXCHANGE.content * 2),
        replace(EXCHANGE, content=b""),
    ],
    ids=["name", "data", "no id", "type", "status", "header", "path", "sent", "twice", "empty"],
)
def test_what_matters_is_found(other: Exchange) -> None:
    """Any other change of request, status, headers or frames is a difference."""
    assert differing(normal_form([EXCHANGE]), normal_form([other]))


@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace("\r\n\r\n", "\n\n", 1), lambda text: text.replace("event: values\r\n", "", 1)],
    ids=["lines end otherwise", "no name"],
)
def test_frames_of_another_kind_are_refused(change: Callable[[str], str]) -> None:
    """A frame that is not exactly the Agent Server's is an error and not a difference to be overlooked."""
    with pytest.raises(ValueError, match="no frame of the Agent Server"):
        normal_form([replace(EXCHANGE, content=change(STREAM).encode())])


def test_heartbeats_are_told_where_they_matter() -> None:
    """A scenario about heartbeats says whether there were any."""
    silent = changed(": heartbeat\r\n\r\n", "")
    told = [normal_form([exchange], beats=True)[0]["heartbeats"] for exchange in (EXCHANGE, silent)]
    assert told == [True, False]

"""Events over HTTP: taken once each, refused one by one, and never lost when acknowledged."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from sbhooks.config import load_config
from sbhooks.events import Codec, Event
from sbhooks.ids import new_id
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks_server import batches
from sbhooks_server.batches import BatchError

from .conftest import PATIENCE_S, Serving

Serve = Callable[..., Any]
JSON = {"content-type": "application/json"}
LINES = {"content-type": "application/x-ndjson"}
PATH = "/api/v1/events"


def encoded(events: list[Event]) -> list[bytes]:
    return [Codec().encode(event) for event in events]


def array(parts: list[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("is_lines", [True, False])
def test_every_kind_is_stored_once_however_it_is_sent(
    server: Serving, encoding: str, is_lines: bool
) -> None:
    events = Timeline(new_id()).one_of_each()
    body = b"\n".join(encoded(events)) + b"\n" if is_lines else array(encoded(events))
    pack: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress, "zstd": zstandard.compress, "identity": bytes,
    }  # fmt: skip
    headers = (LINES if is_lines else JSON) | {"content-encoding": encoding}
    with server.client() as client:
        for accepted, duplicates in ((6, 0), (0, 6)):
            answer = client.post(PATH, content=pack[encoding](body), headers=headers)
            assert answer.status_code == 200
            assert answer.json() == {
                "accepted": accepted, "duplicates": duplicates, "rejected": [],
            }  # fmt: skip
    query = EventQuery(sessions=(events[0].session,))
    assert list(server.runtime.store.events(query)) == events


def test_reordered_and_overlapping_batches_end_in_the_same_store(serving: Serve) -> None:
    events = [Timeline().invocation(f"skill-{n}") for n in range(20)]
    parts = encoded(events)
    server = serving()
    with server.client() as client:
        for part in (parts[10:], parts[5:15], parts[::-1], parts[:1]):
            client.post(PATH, content=array(part), headers=JSON).raise_for_status()
    assert {event.id for event in server.runtime.store.events(EventQuery())} == {
        event.id for event in events
    }
    (total,) = server.runtime.store.rollup(EventQuery())
    assert total.n == 20


def test_what_is_no_event_is_refused_by_its_place_and_harms_nobody(serving: Serve) -> None:
    good = encoded([Timeline().invocation()])[0]
    fields = json.loads(good)
    bad = [
        b"{}", b"3", b"null", b'{"kind":"unknown","source":"a","session":"b"}',
        json.dumps(fields | {"id": ""}).encode(),
        json.dumps(fields | {"id": "x" * 200}).encode(),
        json.dumps(fields | {"duration_s": -1}).encode(),
        json.dumps(fields | {"at": "yesterday"}).encode(),
        json.dumps(fields | {"attributes": {str(n): n for n in range(33)}}).encode(),
        json.dumps(fields | {"attributes": {"a": "x" * 5000}}).encode(),
        json.dumps(fields | {"attributes": {"a": {"nested": 1}}}).encode(),
        json.dumps(fields | {"workflow": "x" * 70_000}).encode(),
    ]  # fmt: skip
    server = serving()
    with server.client() as client:
        told = client.post(PATH, content=array([*bad, good]), headers=JSON).json()
        lines = client.post(PATH, content=b"\n".join([*bad, b"\xff", b"[", good]), headers=LINES)
    assert told["accepted"] == 1
    assert [one["index"] for one in told["rejected"]] == list(range(len(bad)))
    assert all(one["error"] for one in told["rejected"])
    assert lines.json()["duplicates"] == 1
    assert [one["index"] for one in lines.json()["rejected"]] == list(range(len(bad) + 2))
    (total,) = server.runtime.store.rollup(EventQuery())
    assert total.n == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", JSON), (b"{", JSON), (b"{}", JSON), (b"null", JSON), (b"\xff", JSON),
        (b"[" * 100_000, JSON), (b"not gzip", JSON | {"content-encoding": "gzip"}),
        (gzip.compress(b"[]")[:-3], JSON | {"content-encoding": "gzip"}),
        (gzip.compress(b"[]") + b"x", JSON | {"content-encoding": "gzip"}),
        (b"not zstd", JSON | {"content-encoding": "zstd"}),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_the_senders_fault(
    server: Serving, body: bytes, headers: dict[str, str]
) -> None:
    with server.client() as client:
        answer = client.post(PATH, content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_before_it_is_unpacked(server: Serving, encoding: str) -> None:
    worker: Any = zlib.compressobj(wbits=31) if encoding == "gzip" else zstandard.ZstdCompressor()
    if encoding == "gzip":
        bomb = b"".join(worker.compress(b" " * (1 << 20)) for _ in range(300)) + worker.flush()
    else:
        bomb = worker.compress(b" " * (300 << 20))
    assert len(bomb) < 1 << 20
    with server.client() as client:
        answer = client.post(PATH, content=bomb, headers=JSON | {"content-encoding": encoding})
    assert answer.status_code == 413


def test_too_many_events_are_refused_whole() -> None:
    with pytest.raises(BatchError) as caught:
        batches.parse(b"{}\n" * (batches.MOST_EVENTS + 1), Codec(), lines=True)
    assert caught.value.status == 413


def test_hostile_texts_are_stored_as_they_are(serving: Serve) -> None:
    hostile = ["'; DROP TABLE skill_invocation; --", "<script>alert(1)</script>",
               "\x1b[31m", "{{7*7}}", "../../etc/passwd", "\u202e", "😀" * 100]  # fmt: skip
    events = [Timeline().invocation(text, attributes={"note": text}) for text in hostile]
    server = serving()
    with server.client() as client:
        client.post(PATH, content=array(encoded(list(events))), headers=JSON).raise_for_status()
    assert {e.skill for e in server.runtime.store.events(EventQuery())} == set(hostile)


def test_a_store_that_cannot_be_written_is_no_fault_of_the_sender(serving: Serve) -> None:
    server = serving()
    server.runtime.store.close()
    with server.client() as client:
        answer = client.post(PATH, content=array(encoded([Timeline().start()])), headers=JSON)
        assert client.get("/readyz").status_code == 503
        assert client.get("/health").json()["status"] == "degraded"
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_plugins_are_told_about_what_comes_over_http(serving: Serve, home: Path) -> None:
    from sbhooks.hookspecs import hookimpl

    told: list[str] = []

    class Listener:
        @hookimpl
        def sbhooks_invocation(self, event: Any) -> None:
            told.append(event.skill)

    server = serving()
    server.runtime.hooks.register(Listener(), "listener")
    with server.client() as client:
        body = array(encoded([Timeline().invocation("lint")]))
        client.post(PATH, content=body, headers=JSON).raise_for_status()
    assert told == ["lint"]


def test_no_acknowledged_event_is_lost_when_the_server_is_told_to_end_under_load(
    process: Callable[..., Any], home: Path
) -> None:
    server = process()
    acknowledged: list[str] = []
    sent = threading.Event()

    def send() -> None:
        with server.client() as client:
            for _ in itertools.count():
                ids = [new_id() for _ in range(200)]
                line = Timeline()
                body = array(encoded([line.invocation(id=one) for one in ids]))
                try:
                    answer = client.post(PATH, content=body, headers=JSON)
                except httpx.TransportError:
                    return
                if answer.status_code != 200:
                    return
                acknowledged.extend(ids)
                sent.set()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert sent.wait(PATIENCE_S)
    status, said = server.end()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert (status, said) == (0, "")
    with Runtime.start(load_config()) as runtime:
        stored = {event.id for event in runtime.store.events(EventQuery())}
    assert set(acknowledged) <= stored
    assert not (home / "sbhooks.db-wal").exists()  # everything is in the database itself

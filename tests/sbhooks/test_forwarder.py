"""Forwarding: to a real HTTP server that answers what a test wants, over real sockets."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sbhooks import problems
from sbhooks.cli import main
from sbhooks.collector import Collector
from sbhooks.emitter import Emitter
from sbhooks.errors import ConfigError, ForwardError
from sbhooks.events import Codec
from sbhooks.forwarder import LONGEST_WAIT_S, PATH, REFUSED, Forwarder
from sbhooks.testing.factories import Timeline

Answer = tuple[int, dict[str, str], bytes]


class Peer:
    """A server; ``answers`` decides, by request.

    Attributes:
        received: Headers and lines of each request.
        stored: The lines by id, as a server would keep them.
    """

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], list[bytes]]] = []
        self.stored: dict[str, bytes] = {}
        self.answers: Callable[[int, list[bytes]], Answer | None] = lambda number, lines: None
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                lines = gzip.decompress(body).splitlines()
                peer.received.append((dict(self.headers), lines))
                status, headers, text = peer.answer(self.path, lines)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def answer(self, path: str, lines: list[bytes]) -> Answer:
        told = self.answers(len(self.received), lines)
        if told is not None:
            return told
        assert path == PATH
        known = len(self.stored)
        self.stored |= {json.loads(line)["id"]: line for line in lines}
        accepted = len(self.stored) - known
        document = {"accepted": accepted, "duplicates": len(lines) - accepted, "rejected": []}
        return 200, {}, json.dumps(document).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


@pytest.fixture
def forwarder(peer: Peer, home: Path) -> Forwarder:
    return Forwarder(peer.url, "sbh_x", home, Codec())


def record(number: int) -> list[str]:
    emitter = Emitter.start("cli")
    line = Timeline(emitter.session, "cli")
    events = [line.invocation(f"skill-{n}") for n in range(number)]
    for event in events:
        emitter.emit(event)
    emitter.close()
    return [event.id for event in events]


def spool(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "spool").glob("*.seg"))


def test_the_spool_goes_to_the_server_and_is_then_deleted(
    peer: Peer, forwarder: Forwarder, home: Path
) -> None:
    ids = record(3)
    done = Collector(home, forwarder, Codec()).collect()
    assert (done.events, done.segments) == (3, 1)
    assert list(peer.stored) == ids
    ((headers, _),) = peer.received
    assert headers["Authorization"] == "Bearer sbh_x"
    assert headers["Content-Encoding"] == "gzip"
    assert spool(home) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((503, {}, b""), "busy"), ((429, {"Retry-After": "7"}, b""), "busy"),
        ((401, {}, b""), "SBHOOKS_TOKEN"), ((403, {}, b""), "scope 'ingest'"),
        ((404, {}, b""), "is it the address"), ((500, {}, b""), "500"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "302"),
        ((200, {}, b"<html>"), "none of an sbhooks server"),
        ((200, {}, b'{"accepted":1,"duplicates":0,"rejected":[{"index":99}]}'), "none of an"),
        ((200, {"Content-Length": "50"}, b"{}"), "cannot send"),
    ],
)  # fmt: skip
def test_without_an_acknowledgement_everything_stays(
    peer: Peer, forwarder: Forwarder, home: Path, answer: Answer, said: str
) -> None:
    record(2)
    peer.answers = lambda number, lines: answer if number == 1 else None
    with pytest.raises(ForwardError, match=said):
        Collector(home, forwarder, Codec()).collect()
    assert len(spool(home)) == 1
    assert 0 < forwarder.wait_s() <= LONGEST_WAIT_S
    assert Collector(home, forwarder, Codec()).collect().events == 2
    assert forwarder.wait_s() == 0
    assert spool(home) == []


def test_an_answer_that_got_lost_does_no_harm(peer: Peer, forwarder: Forwarder, home: Path) -> None:
    record(2)

    def forget(number: int, lines: list[bytes]) -> Answer | None:
        if number > 1:
            return None
        peer.stored |= {json.loads(line)["id"]: line for line in lines}
        return 502, {}, b""  # the proxy in front lost the answer

    peer.answers = forget
    collector = Collector(home, forwarder, Codec())
    with pytest.raises(ForwardError):
        collector.collect()
    assert (collector.collect().events, len(peer.stored)) == (0, 2)
    assert spool(home) == []


def test_a_dead_server_is_asked_less_and_less(home: Path) -> None:
    gone = Forwarder("http://127.0.0.1:9", None, home, Codec())
    waits = []
    for _ in range(12):
        with pytest.raises(ForwardError, match="waits in the spool"):
            gone.append([Timeline().invocation()])
        waits.append(gone.wait_s())
    assert all(low <= wait <= high for wait, low, high in zip(
        waits, [0.3, 0.8, 1.8], [1, 2, 4], strict=False))  # fmt: skip
    assert max(waits) <= LONGEST_WAIT_S
    assert min(waits[9:]) >= LONGEST_WAIT_S / 2 - 1
    again = Forwarder("http://127.0.0.1:9", None, home, Codec())
    assert again.wait_s() > LONGEST_WAIT_S / 2 - 2  # another process knows it too


def test_the_server_may_ask_for_a_longer_pause(peer: Peer, forwarder: Forwarder) -> None:
    peer.answers = lambda number, lines: (429, {"Retry-After": "60"}, b"")
    with pytest.raises(ForwardError, match="next attempt in 60 s"):
        forwarder.append([Timeline().invocation()])
    assert 58 < forwarder.wait_s() <= 60


def test_a_note_of_the_future_or_in_pieces_stops_nobody(forwarder: Forwarder, home: Path) -> None:
    home.mkdir(parents=True)
    for text in ("{half", '{"failures": 3, "not_before": 1e300}', ""):
        (home / "forward.json").write_text(text)
        assert forwarder.wait_s() <= LONGEST_WAIT_S


def test_what_is_too_large_at_once_is_sent_in_parts(peer: Peer, forwarder: Forwarder) -> None:
    peer.answers = lambda number, lines: (413, {}, b"") if len(lines) > 3 else None
    assert forwarder.append([Timeline().invocation(str(n)) for n in range(10)]) == 10
    assert len(peer.stored) == 10


def test_what_the_server_refuses_for_good_is_kept_aside(
    peer: Peer, forwarder: Forwarder, home: Path
) -> None:
    record(3)

    def refuse(number: int, lines: list[bytes]) -> Answer:
        told = {"accepted": 2, "duplicates": 0,
                "rejected": [{"index": 1, "error": "unknown kind"}]}  # fmt: skip
        return 200, {}, json.dumps(told).encode()

    peer.answers = refuse
    assert Collector(home, forwarder, Codec()).collect().events == 2
    (kept,) = (home / "spool" / "aside" / REFUSED).read_bytes().splitlines()
    assert json.loads(kept)["skill"] == "skill-1"
    assert spool(home) == []
    assert ["unknown kind" in problem.what for problem in problems.read(str(home))] == [True]


@pytest.mark.parametrize(("beyond", "requests"), [(0, 1), (1, 2)])
def test_a_request_is_as_large_as_a_server_reads_and_no_larger(
    beyond: int, requests: int, peer: Peer, forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [Timeline().invocation(str(n)) for n in range(3)]
    size = sum(len(msgspec.json.encode(event)) + 1 for event in events)
    monkeypatch.setattr("sbhooks.forwarder.MAX_BATCH_BYTES", size - 1 - beyond)
    assert forwarder.append(events) == 3
    assert len(peer.received) == requests


def test_many_large_events_are_sent_in_several_requests(peer: Peer, forwarder: Forwarder) -> None:
    line = Timeline()
    assert forwarder.append([line.invocation("x" * 60_000) for _ in range(300)]) == 300
    sizes = [sum(map(len, lines)) for _, lines in peer.received]
    assert len(sizes) == 3
    assert max(sizes) <= 8 << 20


@pytest.mark.parametrize(
    ("url", "token"),
    [("stats.example.org", None), ("file:///etc/passwd", None), ("ftp://a", None), ("", None),
     ("https://", None), ("http://[", None), ("https://a:b@c", None), ("https://a/?x=1", None),
     ("http://stats.example.org", "sbh_x"), ("https://a:99999999", None)],
)  # fmt: skip
def test_what_is_no_server_or_would_show_the_token_is_refused(
    home: Path, url: str, token: str | None
) -> None:
    with pytest.raises(ConfigError, match="'forward_to'"):
        Forwarder(url, token, home, Codec())


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [("https://a.b", "https://a.b/api/v1/events"), ("http://a:1/", "http://a:1/api/v1/events"),
     ("https://a/sb/", "https://a/sb/api/v1/events"),
     ("https://a/api/v1/events", "https://a/api/v1/events")],
)  # fmt: skip
def test_the_address_of_a_server_is_enough(home: Path, url: str, endpoint: str) -> None:
    assert Forwarder(url, None, home, Codec()).url == endpoint


def test_commands_send_warn_and_go_on(
    peer: Peer, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SBHOOKS_FORWARD_TO", peer.url)
    record(1)
    peer.answers = lambda number, lines: (503, {}, b"") if number <= 1 else None
    assert main(["runs"]) == 0
    told = capsys.readouterr()
    assert told.err.startswith("sbhooks: cannot send to ")
    assert f"goes to {peer.url}: ask there" in told.out.replace("\n", " ")
    asked = len(peer.received)
    assert main(["runs", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"runs": []}
    assert "next attempt in" in told.err
    assert len(peer.received) == asked  # it is too early to try again
    assert main(["status", "--json"]) == 0
    assert "at present" in json.loads(capsys.readouterr().out)["trouble"]
    assert main(["collect", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == 1
    assert len(peer.stored) == 1


def test_a_job_whose_events_cannot_be_sent_ends_with_2(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SBHOOKS_FORWARD_TO", "http://127.0.0.1:9")
    record(1)
    started = time.monotonic()
    assert main(["collect"]) == 2
    assert time.monotonic() - started < 60
    assert "waits in the spool" in capsys.readouterr().err
    assert len(spool(home)) == 1


def test_forwarding_needs_no_store(
    peer: Peer, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("SBHOOKS_FORWARD_TO", peer.url)
    record(1)
    assert main(["collect"]) == 0
    assert not (home / "sbhooks.db").exists()

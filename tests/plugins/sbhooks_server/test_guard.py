"""What a hostile page, program or network can send, and what it gets: over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sbhooks.store import EventQuery
from sbhooks_server import admission, bodies
from sbhooks_server.audit import AuditLog
from sbhooks_server.hosts import Allowed, host_name
from sbhooks_server.policy import Policy
from sbhooks_server.tokens import TokenFile

from .conftest import PATIENCE_S, Serving

Serve = Callable[..., Any]
EVENT = b'[{"kind":"invocation","source":"cli","session":"s","skill":"lint","outcome":"success"}]'


def request(
    *lines: str, host: str = "127.0.0.1:{port}", body: bytes = b"", length: bool = True
) -> Callable[[int], bytes]:
    """The bytes of a request to a port."""
    first, *rest = lines
    if not any(line.startswith("Connection:") for line in lines):
        rest.append("Connection: close")
    if body and length:
        rest.append(f"Content-Length: {len(body)}")
    return lambda port: (
        "\r\n".join([first, f"Host: {host.format(port=port)}", *rest, "", ""]).encode() + body
    )


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8765", "[::2]",
             "192.168.0.9", "", "local host", "localhost:99999999", "LOCALHOST@evil.example"],
)  # fmt: skip
def test_a_name_that_is_not_ours_is_refused(server: Serving, host: str) -> None:
    status, _, body = server.raw(request("GET /health HTTP/1.1", host=host)(server.port))
    assert status in {400, 421}
    assert b"checks" not in body


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost", "[::1]:1"])
def test_our_names_are_answered_with_any_port(server: Serving, host: str) -> None:
    assert server.raw(request("GET /livez HTTP/1.1", host=host)(server.port))[0] == 200


def test_two_hosts_are_refused(server: Serving) -> None:
    for second in ("Host: localhost", "HOST: evil.example"):
        assert server.raw(request("GET /livez HTTP/1.1", second)(server.port))[0] == 400


@pytest.mark.parametrize(
    "lines",
    [
        ["Origin: https://evil.example"],
        ["Origin: null"],
        ["Origin: http://127.0.0.1"],
        ["Origin: http://127.0.0.1:1"],
        ["Origin: http://localhost:{port}"],
        ["Origin: file://"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
        ["Sec-Fetch-Site: same-site", "Sec-Fetch-Dest: script"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: navigate"],
    ],
)
def test_a_page_of_another_site_can_neither_read_nor_write(
    server: Serving, lines: list[str]
) -> None:
    lines = [line.format(port=server.port) for line in lines]
    assert server.raw(request("GET /health HTTP/1.1", *lines)(server.port))[0] == 403
    send = ["POST /api/v1/events HTTP/1.1", *lines, "Content-Type: application/json"]
    assert server.raw(request(*send, body=EVENT)(server.port))[0] == 403
    assert server.runtime.store.rollup(EventQuery()) == []


def test_our_own_page_and_named_ones_may_ask(serving: Serve) -> None:
    allowed = Allowed(origins=frozenset({"https://wall.example"}))
    server = serving(Policy(allowed=allowed))
    for origin in (f"http://127.0.0.1:{server.port}", "https://wall.example"):
        line = f"Origin: {origin}"
        assert server.raw(request("GET /health HTTP/1.1", line)(server.port))[0] == 200


def test_following_a_link_from_elsewhere_is_harmless(server: Serving) -> None:
    lines = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"]
    assert server.raw(request("GET /livez HTTP/1.1", *lines)(server.port))[0] == 200


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "X", "POST"]
)
def test_methods_that_nothing_answers_are_refused(server: Serving, method: str) -> None:
    status, headers, _ = server.raw(request(f"{method} /livez HTTP/1.1")(server.port))
    assert (status, headers["allow"]) == (405, "get, head")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_what_forms_of_pages_can_send_is_not_read(server: Serving, kind: str) -> None:
    send = ["POST /api/v1/events HTTP/1.1", f"Content-Type: {kind}"]
    assert server.raw(request(*send, body=EVENT)(server.port))[0] == 415
    assert server.runtime.store.rollup(EventQuery()) == []


def test_an_unknown_compression_is_refused(server: Serving) -> None:
    with server.client() as client:
        headers = {"content-type": "application/json", "content-encoding": "br"}
        answer = client.post("/api/v1/events", content=EVENT, headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, zstd")


def test_a_large_body_is_refused_by_its_announcement_and_by_its_size(serving: Serve) -> None:
    server = serving(Policy(max_body_bytes=1000))
    send = ["POST /api/v1/events HTTP/1.1", "Content-Type: application/json"]
    announced = request(*send, "Content-Length: 1001")(server.port)
    assert server.raw(announced)[0] == 413
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    chunked = request(*send, "Transfer-Encoding: chunked")(server.port) + chunk * 2 + b"0\r\n\r\n"
    assert server.raw(chunked)[0] == 413


def test_a_body_that_never_comes_is_given_up(serving: Serve) -> None:
    server = serving(Policy(body_timeout_s=0.2))
    send = ["POST /api/v1/events HTTP/1.1", "Content-Type: application/json", "Content-Length: 9"]
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as sock:
        sock.sendall(request(*send)(server.port) + b"[")
        assert sock.recv(1000).startswith(b"HTTP/1.1 408 ")


LARGER_THAN_BUFFERS = 20 << 20
TO_EVENTS = ("POST /api/v1/events HTTP/1.1", "Content-Type: application/json")
UNREAD = {
    "foreign name": (421, request(*TO_EVENTS, "Content-Length: {n}", host="evil.example")),
    "foreign page": (403, request(*TO_EVENTS, "Content-Length: {n}", "Origin: null")),
    "method": (405, request("PUT /livez HTTP/1.1", "Content-Length: {n}")),
    "no body belongs here": (400, request("GET /livez HTTP/1.1", "Content-Length: {n}")),
    "token": (401, request(*TO_EVENTS, "Content-Length: {n}", "Authorization: Bearer x")),
    "too often": (429, request(*TO_EVENTS, "Content-Length: {n}")),
    "too large": (413, request(*TO_EVENTS, "Content-Length: {n}")),
    "kind": (415, request(TO_EVENTS[0], "Content-Type: text/plain", "Content-Length: {n}")),
    "compression": (415, request(*TO_EVENTS, "Content-Encoding: br", "Content-Length: {n}")),
    "too slow": (408, request(*TO_EVENTS, "Content-Length: 13")),
}


OWN = {
    "too often": Policy(requests_at_once=1, requests_per_second=0.001),
    "too slow": Policy(body_timeout_s=0.01),
}


@pytest.mark.parametrize("why", UNREAD)
def test_who_is_still_sending_reads_the_whole_refusal(
    serving: Serve, server: Serving, why: str
) -> None:
    """A connection that is closed with unread data is reset, and the answer may be lost."""
    asked_of = serving(OWN[why]) if why in OWN else server
    status, asked = UNREAD[why]
    sending = b" " * (13 if why == "too slow" else LARGER_THAN_BUFFERS)
    head = asked(asked_of.port).replace(b"{n}", str(len(sending)).encode())
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", asked_of.port), timeout=PATIENCE_S) as sock:
            sock.sendall(head)
            first = sock.recv(1)  # it has been answered: what comes now, nobody asked for
            sock.sendall(sending)
            told = first + b"".join(iter(lambda: sock.recv(65536), b""))
    headers, _, body = told.partition(b"\r\n\r\n")
    assert headers.startswith(f"HTTP/1.1 {status} ".encode())
    assert msgspec.json.decode(body)["status"] == status


def test_a_refusal_of_a_request_without_a_body_keeps_the_connection(server: Serving) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as sock:
        for _ in range(2):
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: evil\r\n\r\n")
            told = b""
            while not told.endswith(b"}"):
                told += sock.recv(65536)
            assert told.startswith(b"HTTP/1.1 421 ")


def test_what_nobody_wants_is_read_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless() -> dict[str, Any]:
        nonlocal read
        read += 1 << 20
        return {"type": "http.request", "body": bytes(1 << 20), "more_body": True}

    async def silent() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    read = 0
    monkeypatch.setattr(bodies, "SILENCE_S", 0.01)
    scope = {"method": "POST", "headers": [(b"transfer-encoding", b"chunked")]}
    asyncio.run(bodies.Body(scope, endless).throw_away())
    assert read == bodies.THROWN_AWAY_BYTES
    asyncio.run(bodies.Body(scope, silent).throw_away())


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/v1/events/../../x", "//x",
             "/static/..%2f..%2fpyproject.toml", "/%00", "/" + "a" * 5000, "/api/v1/%ff"],
)  # fmt: skip
def test_no_path_leads_out(server: Serving, path: str) -> None:
    status, _, body = server.raw(request(f"GET {path} HTTP/1.1")(server.port))
    assert status in {400, 404, 405}
    assert b"root:" not in body
    assert b"[project]" not in body


def test_every_answer_forbids_browsers_to_run_and_share_it(server: Serving) -> None:
    refused = request("GET /health HTTP/1.1", "Origin: https://evil.example")
    for bytes_of in (request("GET /health HTTP/1.1"), request("GET /nope HTTP/1.1"), refused):
        _, headers, _ = server.raw(bytes_of(server.port))
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "set-cookie" not in headers


def test_refusals_are_problem_documents(server: Serving) -> None:
    with server.client() as client:
        for answer in (client.get("/nope"), client.get("/health", headers={"host": "evil"})):
            assert answer.headers["content-type"] == "application/problem+json"
            told = answer.json()
            assert told.keys() == {"type", "title", "status", "detail"}
            assert told["status"] == answer.status_code


# --- tokens -------------------------------------------------------------------


def test_where_a_token_is_needed_nothing_but_liveness_is_told_without(
    serving: Serve, home: Path
) -> None:
    secret = TokenFile(home).create("reader", ["read"], None)
    with serving(Policy(needs_token=True)).client() as client:
        assert client.get("/livez").status_code == 200
        for path in ("/health", "/schema", "/nope", "/api/v1/events"):
            assert client.get(path).status_code == 401
        good = {"authorization": f"Bearer {secret}"}
        assert client.get("/health", headers=good).status_code == 200
        assert client.get("/health?token=" + secret).status_code == 401


def test_a_token_is_good_for_its_scopes_only(serving: Serve, home: Path) -> None:
    tokens = TokenFile(home)
    reader = {"authorization": "Bearer " + tokens.create("reader", ["read"], None)}
    sender = {"authorization": "Bearer " + tokens.create("sender", ["ingest"], None)}
    admin = {"authorization": "Bearer " + tokens.create("admin", ["admin"], None)}
    json = {"content-type": "application/json"}
    with serving(Policy(needs_token=True)).client() as client:
        for who, may_read, may_send in ((reader, 200, 403), (sender, 403, 200), (admin, 200, 200)):
            assert client.get("/health", headers=who).status_code == may_read
            sent = client.post("/api/v1/events", content=EVENT, headers=who | json)
            assert sent.status_code == may_send


def test_a_wrong_token_is_refused_even_where_none_is_needed(serving: Serve, home: Path) -> None:
    secret = TokenFile(home).create("reader", ["read"], None)
    with serving().client() as client:
        mistyped = secret[:-1] + ("1" if secret.endswith("0") else "0")
        for wrong in ("Bearer x", f"Bearer {mistyped}", f"Basic {secret}", "", "Bearer"):
            answer = client.get("/health", headers={"authorization": wrong})
            assert answer.status_code == 401
    assert {act.act for act in AuditLog(home).read()} == {"token refused"}
    assert secret not in AuditLog(home).path.read_text()


def test_a_revoked_token_is_refused_at_once(
    serving: Serve, home: Path, sbhooks: Callable[..., Any]
) -> None:
    secret = sbhooks("token", "create", "ci")["token"]
    with serving(Policy(needs_token=True)).client() as client:
        headers = {"authorization": f"Bearer {secret}"}
        assert client.get("/health", headers=headers).status_code == 200
        renewed = sbhooks("token", "rotate", "ci")["token"]
        assert client.get("/health", headers=headers).status_code == 401
        headers = {"authorization": f"Bearer {renewed}"}
        assert client.get("/health", headers=headers).status_code == 200
        sbhooks("token", "revoke", "ci")
        assert client.get("/health", headers=headers).status_code == 401


def test_guessing_is_slowed_down(
    serving: Serve, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_FAILURES_PER_SECOND", 0.01)
    TokenFile(home).create("reader", ["read"], None)
    with serving(Policy(needs_token=True)).client() as client:
        answers = [client.get("/health", headers={"authorization": "Bearer x"}) for _ in range(12)]
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_behind_a_proxy_nobody_counts_as_being_on_this_machine(server: Serving) -> None:
    with server.client() as client:
        for header in ("x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host"):
            assert client.get("/health", headers={header: "127.0.0.1"}).status_code == 401


def test_who_asks_too_often_is_told_when_to_come_again(serving: Serve) -> None:
    policy = Policy(requests_per_second=0.01, requests_at_once=3)
    with serving(policy).client() as client:
        answers = [client.get("/livez") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 60


def test_an_unreadable_token_file_lets_nobody_in(serving: Serve, home: Path) -> None:
    secret = TokenFile(home).create("reader", ["read"], None)
    TokenFile(home).path.write_text("{half")
    with serving(Policy(needs_token=True)).client() as client:
        answer = client.get("/health", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 503


# --- websocket: refused before it is accepted -----------------------------------


def upgrade(port: int, *lines: str, host: str = "127.0.0.1") -> bytes:
    keys = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]  # fmt: skip
    return request("GET /ws HTTP/1.1", *keys, *lines, host=host)(port)


@pytest.mark.parametrize("line", ["Origin: https://evil.example", "Origin: null"])
def test_a_websocket_of_another_site_is_never_accepted(server: Serving, line: str) -> None:
    assert server.raw(upgrade(server.port, line))[0] == 403


def test_a_websocket_to_another_name_is_never_accepted(server: Serving) -> None:
    assert server.raw(upgrade(server.port, host="evil.example"))[0] == 403


# --- pure parts -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "name"),
    [("a.b:80", "a.b"), ("A", "a"), ("[::1]:80", "::1"), ("::1", None), ("a b", None),
     ("a:", None), ("a:b", None), ("", None), ("a,b", None), ("a" * 300, None)],
)  # fmt: skip
def test_names_are_read_from_headers(header: str, name: str | None) -> None:
    assert host_name(header) == name


def test_reading_headers_takes_no_longer_for_hostile_ones() -> None:
    allowed = Allowed()
    started = time.process_time()
    for hostile in ("a." * 100_000, "[" + ":" * 100_000, "http://" + "a" * 100_000):
        assert not allowed.host(hostile)
        assert not allowed.origin(hostile, "localhost")
    assert time.process_time() - started < 30  # quadratic would take hours


def test_a_policy_is_strict_by_default() -> None:
    assert msgspec.structs.asdict(Policy())["needs_token"] is False
    assert Policy().allowed.hosts == {"localhost", "127.0.0.1", "::1"}
    assert Policy().allowed.origins == frozenset()

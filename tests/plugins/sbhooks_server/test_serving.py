"""The server as a process: starting, one per home, ending, TLS, and being killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sbhooks.cli import main
from sbhooks.emitter import Emitter
from sbhooks.testing.factories import Timeline
from sbhooks_server.address import Address, policy
from sbhooks_server.audit import AuditLog
from sbhooks_server.serving import Server

from .conftest import PATIENCE_S

Start = Callable[..., Any]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_told_to_stop_and_ends_with_0(
    process: Start, home: Path, number: int
) -> None:
    server = process()
    assert server.get("/health").json()["status"] == "healthy"
    assert server.end(number) == (0, "")
    assert [act.act for act in AuditLog(home).read()] == ["server started", "server stopped"]


BUSY = """
import asyncio, os, signal
from sbhooks.config import load_config
from sbhooks.runtime import Runtime
from sbhooks_server.address import Address
from sbhooks_server.serving import serve

def told_while_busy(_):
    loop = asyncio.get_running_loop()
    for _ in range(100_000):  # as if threads had finished that much since the loop last looked
        loop.call_soon_threadsafe(int)
    os.kill(os.getpid(), signal.SIGTERM)

with Runtime.start(load_config()) as runtime:
    serve(runtime, Address(port=0), told_while_busy)
"""


def test_who_is_told_to_end_when_much_is_going_on_ends() -> None:
    """What wakes up the event loop is a pipe, and it was full: the signal went astray."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", BUSY], check=False, capture_output=True, text=True,
        timeout=PATIENCE_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


class Counting(Server):
    """Counts how often it is told to end."""

    told = 0

    def end(self) -> None:
        super().end()
        self.told += 1


def test_who_presses_ctrl_c_twice_does_not_cut_the_end_short() -> None:
    async def told_twice() -> Counting:
        server = Counting(uvicorn.Config(lambda: None), lambda: None)
        with server.capture_signals():
            for times in (1, 2):
                os.kill(os.getpid(), signal.SIGINT)
                async with asyncio.timeout(PATIENCE_S):
                    while server.told < times:
                        await asyncio.sleep(0)
        return server

    server = asyncio.run(told_twice())
    assert (server.should_exit, server.force_exit) == (True, False)


def test_there_is_one_server_per_home(process: Start) -> None:
    first = process()
    second = process()
    status, said = second.end()
    assert status == 2
    assert first.url in said
    assert "sbhooks server stop" in said


def test_a_taken_port_is_said_in_one_line(process: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, said = process("--port", str(taken.getsockname()[1])).end()
    assert status == 2
    assert said.startswith("sbhooks: cannot listen on 127.0.0.1")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--host", "0.0.0.0"], ["--allow-host", "stats.example"], ["--require-token"]]
)
def test_others_are_not_served_without_a_token(process: Start, arguments: list[str]) -> None:
    status, said = process(*arguments).end()
    assert status == 2
    assert "sbhooks token create" in said


def test_with_a_token_it_listens_to_others_and_asks_them_for_it(
    process: Start, sbhooks: Callable[..., Any]
) -> None:
    secret = sbhooks("token", "create", "reader")["token"]
    server = process("--host", "0.0.0.0")
    port = server.url.rpartition(":")[2]
    server.url = f"http://127.0.0.1:{port}"
    assert server.get("/health").status_code == 401
    good = {"authorization": f"Bearer {secret}"}
    assert server.get("/health", headers=good).status_code == 200
    status, said = server.end()
    assert status == 0
    assert "tokens travel readable" in said


def test_names_and_addresses_that_a_wildcard_stands_for_are_answered() -> None:
    allowed = policy(Address(host="0.0.0.0")).allowed
    assert allowed.host("192.0.2.7:8765")
    assert allowed.host(socket.gethostname())
    assert not allowed.host("evil.example")
    assert not policy(Address()).allowed.host("192.0.2.7")
    assert policy(Address(names=("Stats.Example",))).allowed.host("stats.example")
    assert policy(Address(names=("stats.example",))).needs_token


def test_it_speaks_tls(process: Start, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("needs the program openssl")
    server = process("--tls-cert", str(cert), "--tls-key", str(key))
    assert server.url.startswith("https://127.0.0.1:")
    trust = ssl.create_default_context(cafile=str(cert))
    assert server.get("/livez", verify=trust).status_code == 200
    assert server.end() == (0, "")


def test_metrics_can_have_a_port_of_their_own_with_nothing_else_on_it(
    process: Start, sbhooks: Callable[..., Any]
) -> None:
    server = process("--metrics-port", "0")
    where = sbhooks("server", "status")["metrics_url"].removesuffix("/metrics")
    assert "sbhooks_build_info" in server.get("/metrics").text
    server.url = where
    assert "sbhooks_build_info" in server.get("/metrics").text
    assert server.get("/livez").status_code == 200
    for path in ("/", "/api/v1/skills", "/schema", "/ws"):
        assert server.get(path).status_code == 404
    with server.client() as client:
        assert client.post("/api/v1/events", json=[]).status_code == 404
    with pytest.raises(InvalidStatus), connect(f"ws{where.removeprefix('http')}/ws", proxy=None):
        pass
    assert server.end() == (0, "")


def test_half_of_tls_is_refused(process: Start, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("")
    status, said = process("--tls-cert", str(tmp_path / "cert.pem")).end()
    assert (status, "both" in said) == (2, True)


def test_a_killed_server_is_taken_over_and_serves_the_same_numbers(
    process: Start, home: Path, sbhooks: Callable[..., Any]
) -> None:
    first = process()
    events = b"\n".join(
        json.dumps({"kind": "invocation", "source": "cli", "session": "s", "skill": "lint",
                    "id": f"e{number}", "outcome": "success"}).encode()
        for number in range(100)
    )  # fmt: skip
    assert first.post(events) == {"accepted": 100, "duplicates": 0, "rejected": []}
    first.end(signal.SIGKILL)
    assert sbhooks("server", "status")["running"] is False
    second = process()
    again = second.post(events)
    assert (again["accepted"], again["duplicates"]) == (0, 100)
    second.end()
    assert sbhooks("top")["skills"][0]["invocation_count"] == 100


def test_what_is_recorded_meanwhile_is_collected(process: Start, home: Path) -> None:
    server = process()
    emitter = Emitter.start("cli")
    emitter.emit(Timeline(emitter.session, "cli").invocation("lint"))
    emitter.close()
    assert server.end() == (0, "")  # it collects once more before it ends
    assert list((home / "spool").glob("*.seg")) == []


def test_a_server_in_the_background_is_started_asked_and_stopped(
    sbhooks: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sbhooks("server", "status")["running"] is False
    started = sbhooks("server", "start", "--port", "0")
    try:
        assert started["is_new"] is True
        assert httpx.get(f"{started['url']}/livez", timeout=PATIENCE_S).status_code == 200
        again = sbhooks("server", "start", "--port", "0")
        assert (again["is_new"], again["pid"]) == (False, started["pid"])
        assert main(["server", "status"]) == 0
        assert started["url"] in capsys.readouterr().out
    finally:
        stopped = sbhooks("server", "stop")
    assert stopped["pid"] == started["pid"]
    assert sbhooks("server", "stop")["running"] is False


def test_a_server_that_cannot_start_in_the_background_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["server", "start", "--port", port]) == 2
    assert f"port {port}" in capsys.readouterr().err


def test_the_command_line_does_not_pay_for_the_server() -> None:
    code = "import sys; from sbhooks.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "sbhooks_server.commands" in loaded
    assert not loaded & {"litestar", "uvicorn", "asyncio", "sbhooks_server.serving"}

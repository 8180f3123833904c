"""The application runs under any ASGI server: guard, REST, metrics, pages, live messages, end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidHandshake
from websockets.sync.client import connect
from websockets.typing import Origin

from sbhooks.emitter import Emitter
from sbhooks.events import Codec
from sbhooks.testing.factories import Timeline

from .conftest import PATIENCE_S, kept_port

APPLICATION = """
from sbhooks.config import load_config
from sbhooks.runtime import Runtime
from sbhooks_server.app import create_app

app = create_app(Runtime.start(load_config()))
"""
SERVERS = {
    "uvicorn": ("uvicorn", "application:app", "--host", "127.0.0.1", "--port", "{port}"),
    "hypercorn": ("hypercorn", "application:app", "--bind", "127.0.0.1:{port}"),
    "granian": ("granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}",
                "application:app"),
}  # fmt: skip


@contextmanager
def served(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    """Run a server."""
    (folder / "application.py").write_text(APPLICATION)
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(port=port) for part in command)], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _answers(port):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in said, said


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("name", SERVERS)
def test_it_runs_under(name: str, tmp_path: Path, home: Path) -> None:
    if find_spec(name) is None:
        pytest.skip(f"needs {name}")
    with kept_port() as port, served(SERVERS[name], tmp_path, port):
        line = Timeline()
        events = [json.loads(Codec().encode(line.invocation("lint"))) for _ in range(3)]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert client.post("/api/v1/events", json=events).json()["accepted"] == 3
            assert client.get("/api/v1/skills").json()["skills"][0]["total_invocations"] == 3
            assert "skill_invocations_total" in client.get("/metrics").text
            assert "<h2" in client.get("/").text
            assert client.get("/health", headers={"host": "evil.example"}).status_code == 421
            foreign = {"origin": "https://evil.example"}
            assert client.get("/health", headers=foreign).status_code == 403
            assert client.get("/schema/openapi.json").json()["info"]["title"] == "sbhooks"
        url = f"ws://127.0.0.1:{port}/ws"
        with pytest.raises(InvalidHandshake):
            connect(url, proxy=None, origin=Origin("https://evil.example"))
        with connect(url, proxy=None) as listener:
            listener.send(json.dumps({"type": "subscribe", "events": True}))
            assert json.loads(listener.recv(PATIENCE_S))["type"] == "subscription_confirmed"
            emitter = Emitter.start("cli")
            emitter.emit(Timeline(emitter.session, "cli").invocation("from the spool"))
            emitter.close()
            while (told := json.loads(listener.recv(PATIENCE_S)))["type"] != "event":
                pass
            assert told["data"][0]["skill"] == "from the spool"

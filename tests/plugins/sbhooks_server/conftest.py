"""Real servers: uvicorn on a real socket, in a thread or as a process of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("litestar")
pytest.importorskip("httpx")

import httpx
import uvicorn

from sbhooks.config import load_config
from sbhooks.runtime import Runtime
from sbhooks_server.policy import Policy
from sbhooks_server.serving import config
from sbhooks_server.site import Site

PATIENCE_S = 120  #: For what must come; a loaded machine takes its time.


@contextmanager
def kept_port() -> Iterator[int]:
    """A port that one server after the other can listen on, and that nobody else is given.

    A socket that is bound but does not listen keeps it; the system then gives it to nobody, but
    to servers that ask for it by its number.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


class Listening:
    """A server at work in a thread.

    Attributes:
        port: Where, on 127.0.0.1.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        # Only of such sockets does asyncio send small pieces at once, instead of 40 ms later.
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.listen(2048)
        self.port: int = self._sock.getsockname()[1]
        self._ready = threading.Event()
        self._server = uvicorn.Server(config)
        started = self._server.startup

        async def startup(sockets: list[socket.socket] | None = None) -> None:
            await started(sockets)
            self._loop = asyncio.get_running_loop()
            self._ready.set()

        self._server.startup = startup  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.run, args=([self._sock],), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many there are at present."""
        return len(self._server.server_state.connections)

    def tasks(self) -> set[asyncio.Task[Any]]:
        """What its event loop is doing."""
        return asyncio.all_tasks(self._loop)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have something done in its event loop."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def client(self, **settings: Any) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, trust_env=False, **{"timeout": PATIENCE_S, **settings}
        )

    def raw(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request as it is; returns status, headers, body."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as sock:
            sock.sendall(request)
            answer = http.client.HTTPResponse(sock, method=request.split(b" ", 1)[0].decode())
            answer.begin()
            headers = {name.lower(): value.lower() for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()


class Serving(Listening):
    """The product at work in a thread.

    Attributes:
        runtime: What it serves.
        site: Its parts.
    """

    def __init__(self, runtime: Runtime, policy: Policy) -> None:
        self.runtime = runtime
        made = config(runtime, policy)
        self.site: Site = cast("Any", made.app).application.state.site
        super().__init__(made)


@contextmanager
def served(home: Path, policy: Policy) -> Iterator[Serving]:
    """A server over a home of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SBHOOKS_HOME", str(home))
        runtime = Runtime.start(load_config())
    made = Serving(runtime, policy)
    yield made
    made.stop()
    runtime.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for all those tests of a module that leave it as it is."""
    policy = Policy(requests_per_second=1e6, requests_at_once=1e6)
    with served(tmp_path_factory.mktemp("server"), policy) as made:
        yield made


@pytest.fixture
def serving(home: Path) -> Iterator[Callable[..., Serving]]:
    """Starts servers over the test's home."""
    begun: list[Serving] = []

    def start(policy: Policy | None = None) -> Serving:
        made = Serving(Runtime.start(load_config()), policy or Policy())
        begun.append(made)
        return made

    yield start
    for each in begun:
        each.stop()
        each.runtime.close()


class Process:
    """``sbhooks serve`` as users start it."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sbhooks", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        self.url = words[1] if words else ""

    def client(self, **settings: Any) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, trust_env=False, **{"timeout": PATIENCE_S, **settings}
        )

    def get(self, path: str, **settings: Any) -> httpx.Response:
        with self.client(**settings) as client:
            return client.get(path)

    def post(self, body: bytes) -> Any:
        """Send lines of events; returns what became of them."""
        headers = {"content-type": "application/x-ndjson"}
        with self.client() as client:
            return client.post("/api/v1/events", content=body, headers=headers).json()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; returns exit status and standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    """Starts ``sbhooks serve`` in processes."""
    begun: list[Process] = []

    def start(*arguments: str, **settings: Any) -> Process:
        begun.append(Process(*arguments, **settings))
        return begun[-1]

    yield start
    for each in begun:
        each.end(signal.SIGKILL)


@pytest.fixture
def sbhooks(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command in this process; returns its JSON document."""
    from sbhooks.cli import main

    def run(*arguments: str) -> Any:
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run

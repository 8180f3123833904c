"""The end of the demo: its data on a page, and a run that moves on it.

On a terminal it goes on until Ctrl-C. Without one it asks the page, the WebSocket and the
metrics once, as a browser, a listener and Prometheus would, and ends.

Invariants: the server and the live run are processes of ours that end with us, and nothing but
the demo's data is served, to this machine only.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.request import ProxyHandler, build_opener

from sbhooks.errors import SbhooksError
from sbhooks.lazy import missing
from sbhooks.wording import count
from sbhooks_demo.record import Say, environment, latest, pytest_command

PORT = 8765
LIVE_RUNS = 200  #: Then the page stands still: nobody watches for so long.
_REQUIRES = dict.fromkeys(("jinja2", "litestar", "uvicorn", "websockets"), "sbhooks[server]")
_PAUSE_S = 3.0
_PATIENCE_S = 180.0
_LOG = "server.log"


def serve(home: Path, say: Say, *, watched: bool) -> None:
    """Serve the demo's data.

    Args:
        home: Where it has recorded.
        say: Prints what is going on.
        watched: Whether somebody looks: then it goes on until Ctrl-C. Otherwise it is only
            checked that it would.

    Raises:
        SbhooksError: The server does not start, or does not answer as it must.
    """
    if absent := missing(_REQUIRES):
        say(f"A page shows all of this, live: {absent[0]}, then run 'sbhooks serve'")
        return
    with tempfile.TemporaryDirectory(prefix="sbhooks-demo-") as scratch, _ended_politely():
        project = latest(Path(scratch))
        with _serving(home, PORT if watched else 0, say) as url:
            if watched:
                say(f"All of it on a page, and a run that moves on it: {url} – Ctrl-C stops")
                _go_on(project, home)
                say("")
            else:
                _check(url, project, home, say)


@contextmanager
def _ended_politely() -> Iterator[None]:
    """Take a wish to end as Ctrl-C, so that no process of ours is left behind."""

    def end(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _serving(home: Path, port: int, say: Say) -> Iterator[str]:
    """A server at work; yields where it is. Where the port is taken, it takes another."""
    process, url = _start(home, port)
    if not url and port and "cannot listen" in _last_words(home):
        say(f"Port {port} of this machine is taken; another one does it too.")
        process, url = _start(home, 0)
    try:
        if not url:
            raise SbhooksError(f"the demo's server did not start: {_last_words(home)}")
        yield url
    finally:
        process.terminate()
        process.communicate()


def _start(home: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    """Start a server; says where it is, or "" if it has ended again."""
    with (home / _LOG).open("a") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "sbhooks", "serve", "--port", str(port)],
            env=environment(home), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        words = process.stdout.readline().split() if process.stdout is not None else []
        if not words:
            process.wait()
    except BaseException:
        process.kill()
        raise
    return process, words[1] if words else ""


def _last_words(home: Path) -> str:
    return (home / _LOG).read_text(errors="replace").strip().rpartition("\n")[2]


def _go_on(project: Path, home: Path) -> None:
    """Run the tests again and again, slowly, until Ctrl-C."""
    try:
        for _ in range(LIVE_RUNS):
            with _running(project, home, "-p", "sbhooks_demo.pace") as run:
                run.wait()
            time.sleep(_PAUSE_S)
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return


@contextmanager
def _running(project: Path, home: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run of the sample's tests, which ends at the latest when nobody waits any more."""
    process = subprocess.Popen(  # noqa: S603 - our own command
        pytest_command(*options), cwd=project, env=environment(home),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _check(url: str, project: Path, home: Path, say: Say) -> None:
    """Ask for everything once.

    Raises:
        SbhooksError: Something does not answer as it must.
    """
    say("Serving it: what a browser, a listener and Prometheus get")
    page = _got(url, "/", "</html>")
    say(f"  page: {len(page) / 1000:.0f} kB of HTML")
    events = _heard(url, lambda: _running(project, home))
    say(f"  WebSocket: {count(events, 'event')} of a run, while it ran")
    metrics = _got(url, "/metrics", "sbhooks_events_total{")
    series = sum(not line.startswith("#") for line in metrics.splitlines())
    say(f"  metrics: {series:,} series")


def _got(url: str, path: str, expected: str) -> str:
    """An answer that must have something in it."""
    ask = build_opener(ProxyHandler({})).open  # this machine is asked directly
    try:
        with ask(url + path, timeout=_PATIENCE_S) as answer:
            text = str(answer.read().decode())
    except OSError as error:
        raise SbhooksError(f"the demo's server does not answer {path}: {error}") from error
    if expected not in text:
        raise SbhooksError(f"the demo's server answers {path} without {expected!r}")
    return text


def _heard(url: str, run: Callable[[], Any]) -> int:
    """Listen while something runs; says how many events were told, from its start to its end."""
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    told: list[str] = []
    deadline = time.monotonic() + _PATIENCE_S
    try:
        with connect(f"ws{url.removeprefix('http')}/ws", proxy=None) as socket:
            socket.send(json.dumps({"type": "subscribe", "events": True}))
            while json.loads(socket.recv(_PATIENCE_S))["type"] != "subscription_confirmed":
                pass
            with run() as process:
                while "session-end" not in told:
                    message = json.loads(socket.recv(max(0.0, deadline - time.monotonic())))
                    if message["type"] == "event":
                        told += [event["kind"] for event in message["data"]]
                process.wait()
    except (OSError, WebSocketException) as error:
        raise SbhooksError(f"the demo's server does not tell of a run: {error!r}") from error
    return len(told)

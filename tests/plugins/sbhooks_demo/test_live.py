"""The demo's server: checked where nobody watches, served until Ctrl-C where somebody does."""

from __future__ import annotations

import importlib.util
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

pytest.importorskip("litestar")

from sbhooks_demo import live
from sbhooks_demo.command import _empty

PATIENCE_S = 240
ON_A_TERMINAL = """
from pathlib import Path
import sys
from sbhooks_demo import live
live.serve(Path(sys.argv[1]), print, watched=sys.stdout.isatty())
print("ended")
"""


def test_without_a_terminal_it_is_checked_that_everything_answers(home: Path) -> None:
    said: list[str] = []
    live.serve(_empty(home / "demo"), said.append, watched=False)
    what = [line.split(":")[0].strip() for line in said]
    assert what == ["Serving it", "page", "WebSocket", "metrics"]
    (events,) = re.findall(r"(\d+) events", said[2])
    assert int(events) > 14  # the tests, the start, the end


def test_without_the_server_it_says_how_to_get_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name == "litestar" else found(name, *more)

    monkeypatch.setattr("sbhooks.lazy.find_spec", without)
    said: list[str] = []
    live.serve(home, said.append, watched=True)
    assert len(said) == 1
    assert "sbhooks[server]" in said[0]
    assert not home.exists()


def got(url: str) -> str:
    with build_opener(ProxyHandler({})).open(url, timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


@contextmanager
def on_a_terminal(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """Serve with a terminal for output; yields the process and what can be read of it."""
    above, below = pty.openpty()
    with os.fdopen(above, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", ON_A_TERMINAL, str(home)],
            stdin=subprocess.DEVNULL, stdout=below, stderr=below, start_new_session=True,
        )  # fmt: skip
        os.close(below)
        try:
            yield process, screen
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def shown(screen: Any, until: bytes) -> str:
    """What has been printed, up to and with something."""
    text = b""
    while until not in text:
        text += screen.read(4096)
    return text.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_it_serves_until_ctrl_c_with_a_run_that_moves(
    home: Path, number: signal.Signals
) -> None:
    folder = _empty(home / "demo")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", live.PORT))
            taken.listen()
        except OSError:
            pass  # by somebody else: all the same to us
        with on_a_terminal(folder) as (process, screen):
            text = shown(screen, b"Ctrl-C stops")
            assert f"Port {live.PORT} of this machine is taken" in text
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", text)
            deadline = time.monotonic() + PATIENCE_S
            while not re.search(r"[1-9]\d* good, ", page := got(url)):  # of a run that goes on
                assert time.monotonic() < deadline, page
            if number == signal.SIGINT:
                os.killpg(process.pid, number)  # as a terminal does
            else:
                process.send_signal(number)
            shown(screen, b"ended")
            assert process.wait(PATIENCE_S) == 0
            with pytest.raises(OSError):
                got(url)


@pytest.mark.slow
def test_the_whole_demo_ends_with_0_where_nobody_watches(home: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "sbhooks", "demo", "--home", str(tmp_path / "demo")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "  metrics: " in done.stdout.splitlines()[-1]

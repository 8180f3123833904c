"""From a recorder's spool to the store of a real server, through its restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sbhooks.config import load_config
from sbhooks.emitter import Emitter
from sbhooks.errors import ForwardError
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline

from .conftest import kept_port

Start = Callable[..., Any]


def record(number: int) -> set[str]:
    emitter = Emitter.start("cli")
    events = [Timeline(emitter.session, "cli").invocation("lint") for _ in range(number)]
    for event in events:
        emitter.emit(event)
    emitter.close()
    return {event.id for event in events}


@pytest.fixture
def port() -> Iterator[str]:
    with kept_port() as port:
        yield str(port)


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of another machine: the server's."""
    return {"SBHOOKS_HOME": str(tmp_path / "elsewhere"), "SBHOOKS_FORWARD_TO": ""}


def stored(home: str) -> set[str]:
    with Runtime.start(load_config(command_line={"home": home, "forward_to": None})) as runtime:
        return {event.id for event in runtime.store.events(EventQuery())}


def test_events_arrive_once_although_the_server_is_killed_in_between(
    process: Start,
    elsewhere: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    sbhooks: Start,
    port: str,
) -> None:
    secret = subprocess.run(
        [sys.executable, "-P", "-m", "sbhooks", "token", "create", "ci", "--scope", "ingest"],
        check=True, capture_output=True, text=True, env=_with(elsewhere),
    ).stdout.strip()  # fmt: skip
    server = process("--require-token", "--port", port, environment=elsewhere)
    monkeypatch.setenv("SBHOOKS_FORWARD_TO", server.url)
    monkeypatch.setenv("SBHOOKS_TOKEN", secret)
    ids = record(100)
    assert sbhooks("collect")["events"] == 100
    server.end(signal.SIGKILL)
    ids |= record(50)
    with Runtime.start(load_config()) as runtime, pytest.raises(ForwardError):
        runtime.collect()
    again = process("--require-token", "--port", port, environment=elsewhere)
    assert sbhooks("collect")["events"] == 50
    assert again.end()[0] == 0
    assert stored(elsewhere["SBHOOKS_HOME"]) == ids


def test_a_wrong_token_is_told_and_nothing_is_lost(
    process: Start, elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(
        [sys.executable, "-P", "-m", "sbhooks", "token", "create", "ci"],
        check=True, capture_output=True, env=_with(elsewhere),
    )  # fmt: skip
    server = process("--require-token", environment=elsewhere)
    monkeypatch.setenv("SBHOOKS_FORWARD_TO", server.url)
    record(1)
    for token in ("", "sbh_wrong"):
        monkeypatch.setenv("SBHOOKS_TOKEN", token)
        with Runtime.start(load_config()) as runtime:
            with pytest.raises(ForwardError, match="SBHOOKS_TOKEN"):
                runtime.collect(at_once=True)
            assert list((runtime.config.home / "spool").glob("*.seg"))


def _with(environment: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **environment}

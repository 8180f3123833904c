"""The clients that our pages show: run as they stand there, against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sbhooks.testing.factories import Timeline

from .conftest import PATIENCE_S, Serving

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "listen.md"
FIRST_WITH_WEBSOCKET = 20  #: Of Node, behind an option; from 22 on without.


def example(first: str, server: Serving) -> str:
    """The example that begins with a line, talking to a server of ours."""
    pattern = rf"^```text\n(?P<text>{re.escape(first)}.*?)^```$"
    found = re.search(pattern, PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    assert "127.0.0.1:8765" in found["text"]
    return found["text"].replace("127.0.0.1:8765", f"127.0.0.1:{server.port}")


def heard(command: list[str], server: Serving, until: str) -> str:
    """What a client prints, up to and with something."""
    said = ""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    patience = threading.Timer(PATIENCE_S, process.kill)
    patience.start()
    try:
        for line in process.stdout:
            if not said:
                server.runtime.store.append([Timeline().invocation("of-the-example")])
            said += line
            if until in said:
                break
    finally:
        patience.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
    return said


def test_the_client_in_python_hears_of_events(server: Serving) -> None:
    text = example("import json", server)
    said = heard([sys.executable, "-u", "-c", text], server, "of-the-example")
    assert said.startswith("{'type': 'subscription_confirmed'")
    assert "of-the-example" in said


def test_the_client_in_javascript_hears_of_figures(server: Serving, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    major = int(version.stdout.lstrip("v").partition(".")[0])
    if major < FIRST_WITH_WEBSOCKET:
        pytest.skip(f"needs node {FIRST_WITH_WEBSOCKET}")
    program = tmp_path / "client.mjs"
    program.write_text(example("const socket", server))
    option = ["--experimental-websocket"] if major < 22 else []
    said = heard([node, *option, os.fspath(program)], server, "of-the-example")
    assert said.startswith("subscription_confirmed")
    assert "of-the-example" in said


def test_a_client_may_show_its_token_as_the_page_says(server: Serving) -> None:
    assert '"sbhooks.token." + token' in PAGE.read_text()

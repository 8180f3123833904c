"""Distributions as strangers publish them, one of them a bundle: pip installs them; they work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

pytest.importorskip("pip")
pytest.importorskip("hatchling")

SOURCES = Path(__file__).parents[1] / "third_party"
NAMES = ("sbhooks-acme-notify", "sbhooks-acme-jsonstore")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed both, from wheels that it has built."""
    folder = tmp_path_factory.mktemp("installed")
    options = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check"]
    sources = [str(SOURCES / name) for name in NAMES]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), *sources]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run a module of Python where both are installed."""
    kept = {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"}

    def run(
        *arguments: str, cwd: Path = tmp_path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            env={**kept, "PYTHONPATH": str(installed), **environment},
            cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def room() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A chat room on this machine: its address, and what it has heard."""
    heard: list[dict[str, str]] = []

    class Room(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Room) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", heard
        server.shutdown()
        thread.join()


@pytest.fixture
def recorded(run: Run, tmp_path: Path) -> Path:
    """A project whose failed test run has just been recorded."""
    (tmp_path / "test_shop.py").write_text(
        "def test_price(): pass\ndef test_total(): assert 1 == 2\n"
    )
    ran = run("pytest", "-q", "-p", "no:cacheprovider")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return tmp_path


def test_both_are_listed_with_what_they_implement(run: Run) -> None:
    ran = run("sbhooks", "plugins", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    plugins = {plugin["name"]: plugin for plugin in json.loads(ran.stdout)["plugins"]}
    notify, store = plugins["acme-notify"], plugins["acme-jsonstore"]
    assert (notify["status"], notify["distribution"]) == ("loaded", "sbhooks-acme-notify 1.0.0")
    assert notify["hooks"] == ["sbhooks_events_stored"]
    assert (store["status"], store["distribution"]) == ("loaded", "sbhooks-acme-jsonstore 1.0.0")
    assert store["hooks"] == ["sbhooks_open_store"]


def test_each_plugin_of_a_bundle_is_one_by_itself(run: Run, recorded: Path) -> None:
    ran = run("sbhooks", "plugins", "--json")
    plugins = {plugin["name"]: plugin for plugin in json.loads(ran.stdout)["plugins"]}
    digest = plugins["acme-digest"]
    assert (digest["status"], digest["distribution"]) == ("loaded", "sbhooks-acme-notify 1.0.0")
    assert digest["hooks"] == ["sbhooks_commands"]
    assert "acme" not in plugins
    ran = run("sbhooks", "acme-digest", "--json", SBHOOKS_DISABLE="acme-notify")
    assert (ran.returncode, ran.stderr) == (0, "")
    (message,) = json.loads(ran.stdout)["messages"]
    assert message.endswith("failed (1 of 2 tests): test_shop.py::test_total")
    for off in ("acme-digest", "acme"):
        ran = run("sbhooks", "acme-digest", SBHOOKS_DISABLE=off)
        assert ran.returncode == 2, off


def test_the_hook_runs_when_a_failed_run_is_collected(
    run: Run, recorded: Path, room: tuple[str, list[dict[str, str]]]
) -> None:
    url, heard = room
    for _ in range(2):
        ran = run("sbhooks", "runs", "--json", ACME_NOTIFY_URL=url)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert len(json.loads(ran.stdout)["runs"]) == 1
    (said,) = heard
    assert "failed (1 of 2 tests): test_shop.py::test_total" in said["text"]


def test_a_room_that_cannot_be_reached_is_a_problem_and_no_hindrance(
    run: Run, recorded: Path
) -> None:
    url = "http://127.0.0.1:9/"
    ran = run("sbhooks", "runs", "--json", ACME_NOTIFY_URL=url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(json.loads(ran.stdout)["runs"]) == 1
    told = json.loads(run("sbhooks", "doctor", "--json").stdout)["problems"]
    assert [problem["where"] for problem in told] == ["plugin acme-notify"]
    assert "cannot tell the chat room" in told[0]["what"]


def test_the_store_stores_and_answers(run: Run, recorded: Path, home: Path) -> None:
    url = "jsonl:///kept/events.jsonl"
    for _ in range(2):
        ran = run("sbhooks", "runs", "--json", SBHOOKS_STORE=url)
        assert (ran.returncode, ran.stderr) == (0, "")
        (found,) = json.loads(ran.stdout)["runs"]
        assert (found["outcome"], found["exit_status"]) == ("failure", 1)
    tests = json.loads(run("sbhooks", "tests", "list", "--json", SBHOOKS_STORE=url).stdout)
    assert sorted(test["test"] for test in tests["tests"]) == [
        "test_shop.py::test_price",
        "test_shop.py::test_total",
    ]
    (batch,) = (home / "kept" / "events.jsonl").read_text().splitlines()
    assert {"session-start", "session-end"} < {event["kind"] for event in json.loads(batch)}
    assert not (home / "sbhooks.db").exists()


def test_switched_off_they_do_nothing(
    run: Run, recorded: Path, room: tuple[str, list[dict[str, str]]]
) -> None:
    off = {"SBHOOKS_DISABLE": "acme-notify,acme-jsonstore"}
    ran = run("sbhooks", "runs", "--json", ACME_NOTIFY_URL=room[0], **off)
    assert len(json.loads(ran.stdout)["runs"]) == 1
    assert room[1] == []
    ran = run("sbhooks", "runs", SBHOOKS_STORE="jsonl:///x", **off)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "no plugin knows 'jsonl'" in ran.stderr


@pytest.mark.parametrize("name", NAMES)
def test_their_own_tests_pass_where_they_are_installed(run: Run, name: str, tmp_path: Path) -> None:
    ran = run(
        "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "--no-sbhooks",
        f"--basetemp={tmp_path / 'base'}", cwd=SOURCES / name,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert "passed" in ran.stdout

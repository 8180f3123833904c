"""The checklist for a deployment: what a script gets, and that nothing is changed."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks_storage.database import connect
from sbhooks_storage.deployment import TABLES, VIEWS, check_database
from sbhooks_storage.migrate import migrate

Examine = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str], free_port: int) -> Examine:
    """Run the checklist; returns the exit status and area → finding."""

    def once(*ports: int) -> tuple[int, dict[str, dict[str, str]]]:
        capsys.readouterr()
        chosen = [f"--port={port}" for port in ports or (free_port,)]
        code = main(["doctor", "--deployment", "--json", *chosen])
        found = json.loads(capsys.readouterr().out)
        assert found["ok"] == (code == 0)
        return code, {check["area"]: check for check in found["checks"]}

    return once


def test_a_complete_deployment_passes(home: Path, examine: Examine) -> None:
    for command in (["init"], ["taxonomy", "init"], ["db", "backup"]):
        assert main(command) == 0
    code, found = examine()
    assert code == 0, found
    assert found["tables"]["what"] == "14 of 14 tables of V4"
    assert found["views"]["what"] == "6 of 6 views of V4"
    assert found["triggers"]["what"] == "3 of 3 triggers of V4"
    for area, what in (("categories", "6"), ("modalities", "4"), ("dependencies", "4")):
        assert found[area]["what"].startswith(f"{what} of at least {what}")


def test_what_is_missing_is_named_with_what_to_do(home: Path, examine: Examine) -> None:
    code, found = examine()
    assert (code, found["schema"]["advice"]) == (1, "run: sbhooks init")
    assert not (home / "sbhooks.db").exists()
    main(["init"])
    code, found = examine()
    assert code == 1
    assert found["categories"]["advice"] == "run: sbhooks taxonomy init"
    assert found["backup"]["advice"] == "run: sbhooks db backup"
    with closing(sqlite3.connect(home / "sbhooks.db")) as connection:
        connection.execute(f"DROP VIEW {VIEWS[0]}")
        connection.commit()
    assert VIEWS[0] in examine()[1]["views"]["what"]


def test_an_old_schema_is_told_and_left_as_it_is(home: Path, examine: Examine) -> None:
    main(["init"])
    path = home / "sbhooks.db"
    with closing(connect(path)) as connection:
        migrate(connection, path, 4)
    before = path.read_bytes()
    code, found = examine()
    assert (code, found["schema"]["advice"]) == (1, "run: sbhooks db migrate")
    assert path.read_bytes() == before


def test_an_old_backup_is_a_doubt(home: Path) -> None:
    main(["init"])
    main(["db", "backup"])
    late = datetime(2199, 1, 1, tzinfo=UTC)
    (backup,) = [c for c in check_database(home / "sbhooks.db", late) if c.area == "backup"]
    assert backup.state == "doubt"


def test_the_names_are_fourteen_and_six() -> None:
    assert (len(set(TABLES)), len(set(VIEWS))) == (14, 6)


@pytest.fixture
def server() -> Iterator[Callable[[bytes], int]]:
    """Starts a server that answers with a body; returns its port."""
    running = []

    def start(body: bytes) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        http = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        running.append((http, thread))
        return int(http.server_port)

    yield start
    for http, thread in running:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.mark.parametrize(
    ("body", "state", "what"),
    [
        (b'{"status": "healthy"}', "ok", "says it is healthy"),
        (b'{"status": "degraded"}', "wrong", "says it is degraded"),
        (b'{"other": 1}', "wrong", "no server of sbhooks"),
        (b"[1]", "wrong", "no server of sbhooks"),
        (b"<html>", "wrong", "no server of sbhooks"),
    ],
)
def test_whoever_has_the_port_is_asked_for_its_health(
    server: Callable[[bytes], int], examine: Examine, body: bytes, state: str, what: str
) -> None:
    port = server(body)
    found = examine(port)[1][f"port {port}"]
    assert found["state"] == state
    assert what in found["what"]


def test_a_port_that_something_else_has_is_wrong(examine: Examine) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        def hang_up() -> None:
            for _ in range(2):
                other.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert "does not speak HTTP" in examine(port)[1][f"port {port}"]["what"]
        thread.join()


def test_people_see_the_checklist(
    home: Path, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["init"])
    assert main(["doctor", "--deployment", "--port", str(free_port)]) == 1
    out = capsys.readouterr().out
    assert "14 of 14 tables of V4" in out
    assert "sbhooks taxonomy init" in out

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sbhooks import EventQuery, Outcome, Vcs
from sbhooks.errors import ConfigError
from sbhooks.testing.factories import Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks.testing.plugin_contract import BundleContract, PluginContract
from sbhooks_acme_notify.chat import Chat, ChatError, load_chat, send
from sbhooks_acme_notify.digest import digest
from sbhooks_acme_notify.message import is_failure, message
from sbhooks_acme_notify.plugin import sbhooks_events_stored


class TestNotify(PluginContract):
    name = "acme-notify"
    module = "sbhooks_acme_notify.plugin"


class TestDigest(PluginContract):
    name = "acme-digest"
    module = "sbhooks_acme_notify.digest"


class TestBundle(BundleContract):
    table = "sbhooks_acme_notify:PLUGINS"


@pytest.fixture(autouse=True)
def nobody(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of nobody, read from nowhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("ACME_NOTIFY_URL", raising=False)


@pytest.fixture
def room() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A chat room on this machine: its address, and what it has heard."""
    heard: list[dict[str, str]] = []

    class Room(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            heard.append(json.loads(self.rfile.read(size)))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Room) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/room", heard
        server.shutdown()
        thread.join()


def failed_run(tests: int = 5) -> tuple[MemoryEventStore, list[Any]]:
    time, store = Timeline(), MemoryEventStore()
    events = [
        time.start(project="shop", vcs=Vcs(branch="main")),
        *(time.failed(f"test_{number}") for number in range(tests)),
        time.passed("test_good"),
        time.end(Outcome.FAILURE, reason="finished"),
    ]
    store.append(events)
    return store, events


def test_a_message_says_what_failed_where() -> None:
    store, events = failed_run(tests=1)
    assert message(events[-1], store) == "pytest of shop failed on main (1 of 2 tests): test_0"


def test_many_tests_are_counted_and_three_are_named() -> None:
    store, events = failed_run()
    assert message(events[-1], store).endswith("(5 of 6 tests): test_0, test_1, test_2 and 2 more")


def test_a_digest_has_the_messages_of_runs_that_failed() -> None:
    store, _ = failed_run(tests=1)
    store.append([Timeline("green").end(Outcome.SUCCESS)])
    found = digest(store, EventQuery(kinds=("session-end",)))
    assert found.messages == ["pytest of shop failed on main (1 of 2 tests): test_0"]


def test_a_run_without_a_beginning_says_what_it_can() -> None:
    end = Timeline().end(Outcome.ERROR, reason="killed")
    assert message(end, MemoryEventStore()) == "pytest failed: killed"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_failures_are_told(outcome: Outcome) -> None:
    told = is_failure(Timeline().end(outcome))
    assert told == (outcome in {Outcome.FAILURE, Outcome.ERROR, Outcome.TIMEOUT})


def test_the_room_hears_of_a_failed_run(
    room: tuple[str, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, heard = room
    store, events = failed_run(tests=1)
    sbhooks_events_stored(events, store)
    assert heard == []  # nobody has said where the room is
    monkeypatch.setenv("ACME_NOTIFY_URL", url)
    sbhooks_events_stored(events[:-1], store)
    assert heard == []
    sbhooks_events_stored(events, store)
    (said,) = heard
    assert said == {
        "text": "pytest of shop failed on main (1 of 2 tests): test_0",
        "id": events[-1].id,
    }


def test_a_room_that_does_not_listen_is_an_error_with_a_reason(
    room: tuple[str, list[dict[str, str]]],
) -> None:
    with pytest.raises(ChatError, match="500"):
        send(Chat(url=room[0].replace("/room", "/broken")), text="x", id="1")
    with pytest.raises(ChatError, match="cannot tell the chat room"):
        send(Chat(url="http://127.0.0.1:9/"), text="x", id="1")


def test_a_project_cannot_say_where_messages_go(tmp_path: Any) -> None:
    (tmp_path / "sbhooks.toml").write_text('[acme-notify]\nurl = "http://evil.example"')
    with pytest.raises(ConfigError, match="cannot be set by a project"):
        load_chat()


def test_only_web_addresses_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_NOTIFY_URL", "file:///etc/passwd")
    with pytest.raises(ConfigError, match="'file' is no web address"):
        load_chat()

"""The live WebSocket, spoken by real clients over real sockets."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from sbhooks.config import load_config
from sbhooks.events import Failure, Outcome
from sbhooks.hookspecs import hookimpl
from sbhooks.insights import Insight
from sbhooks.runtime import Runtime
from sbhooks.testing.factories import Timeline
from sbhooks_server import entrance
from sbhooks_server import hub as hubs
from sbhooks_server.clients import MOST_WAITING, MOST_WAITING_BYTES, Client
from sbhooks_server.frames import BadAsk, read
from sbhooks_server.hub import Hub
from sbhooks_server.policy import Policy
from sbhooks_server.routes import live
from sbhooks_server.tailing import BYTES_PER_FRAME
from sbhooks_server.tokens import TokenFile

from .conftest import PATIENCE_S, Serving

Serve = Callable[..., Any]


@contextmanager
def listening(server: Any, **settings: Any) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}/ws"
    with connect(
        url,
        proxy=None,
        compression=None,
        open_timeout=PATIENCE_S,
        close_timeout=0.5,
        ping_interval=None,
        **settings,
    ) as client:
        yield client


def say(client: ClientConnection, kind: str, **fields: Any) -> None:
    client.send(json.dumps({"type": kind, **fields}))


def hear(client: ClientConnection, kind: str, within_s: float = PATIENCE_S) -> Any:
    """The next message of a kind; others are passed over."""
    deadline = time.monotonic() + within_s
    while True:
        message = json.loads(client.recv(timeout=max(0.0, deadline - time.monotonic())))
        if message["type"] == kind:
            return message


def store(server: Any, *skills: str, **fields: Any) -> list[str]:
    line = Timeline()
    events = [line.invocation(skill, **fields) for skill in skills]
    server.runtime.store.append(events)
    return [event.id for event in events]


# --- what clients say ---------------------------------------------------------


def test_a_ping_is_answered(server: Serving) -> None:
    with listening(server) as client:
        say(client, "ping")
        assert json.loads(client.recv(timeout=PATIENCE_S)) == {"type": "pong"}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_json"), ("{", "bad_json"), ("[" * 10_000, "bad_json"), ("[]", "not_an_object"),
        ("3", "not_an_object"), ("null", "not_an_object"), ("{}", "unknown_type"),
        ('{"type": "x"}', "unknown_type"), ('{"type": 3}', "unknown_type"),
        ('{"type": null}', "unknown_type"), ('{"type": "get_metrics"}', "bad_request"),
        ('{"type": "subscribe", "skill_name": 3}', "bad_request"),
        ('{"type": "subscribe", "after": -1, "events": true}', "bad_request"),
        ('{"type": "subscribe", "after": 1}', "bad_request"),
        ('{"type": "get_metrics", "skill_name": "nobody"}', "unknown_skill"),
        (b'{"type": "ping"}', "not_text"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_said_and_the_talk_goes_on(
    server: Serving, message: str | bytes, code: str
) -> None:
    with listening(server) as client:
        client.send(message)
        told = json.loads(client.recv(timeout=PATIENCE_S))
        assert (told["type"], told["code"]) == ("error", code)
        assert told["message"]
        say(client, "ping")
        hear(client, "pong")


def test_who_says_too_much_is_told_so(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_ASKS_PER_SECOND", 0.01)
    with listening(server) as client:
        for _ in range(150):
            say(client, "ping")
        assert hear(client, "error")["code"] == "too_many"


def test_a_message_that_is_too_large_ends_the_talk(serving: Serve) -> None:
    with listening(serving(Policy(max_message_bytes=1000))) as client:
        client.send("x" * 2000)
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=PATIENCE_S)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


# --- what they are told ---------------------------------------------------------


def test_a_subscription_is_confirmed_and_served_at_once_and_each_second(serving: Serve) -> None:
    server = serving()
    store(server, *["lint"] * 3, "test", duration_s=2.0)
    store(server, "lint", outcome=Outcome.FAILURE)
    with listening(server) as client:
        say(client, "subscribe")
        assert json.loads(client.recv(timeout=PATIENCE_S))["type"] == "subscription_confirmed"
        first = json.loads(client.recv(timeout=PATIENCE_S))
        top = first["data"]["top_skills"]
        assert (first["type"], [s["skill_name"] for s in top]) == (
            "metrics_update", ["lint", "test"],
        )  # fmt: skip
        assert (top[0]["total_invocations"], top[0]["completion_rate"]) == (4, 0.75)
        assert top[0]["avg_duration_seconds"] == 2.0
        assert first["data"]["anomalies"] == []
        later = [hear(client, "metrics_update") for _ in range(2)]
        assert later[0]["timestamp"] < later[1]["timestamp"]


def test_what_is_stored_is_told_at_once(serving: Serve) -> None:
    server = serving()
    with listening(server) as client:
        say(client, "subscribe")
        hear(client, "metrics_update")
        with server.client() as http:
            event = {"kind": "invocation", "source": "cli", "session": "s", "skill": "lint",
                     "outcome": "success"}  # fmt: skip
            http.post("/api/v1/events", json=[event]).raise_for_status()
        while True:
            told = hear(client, "metrics_update")["data"]["top_skills"]
            if told:
                break
        assert told[0]["skill_name"] == "lint"


def test_a_skill_outside_the_top_ten_is_served_by_name(serving: Serve) -> None:
    server = serving()
    store(server, *[f"skill-{n}" for n in range(12) for _ in range(2)], "rare")
    with listening(server) as client:
        say(client, "subscribe", skill_name="rare")
        told = hear(client, "metrics_update")
        assert told["skill_name"] == "rare"
        assert [s["skill_name"] for s in told["data"]["top_skills"]] == ["rare"]
        say(client, "get_metrics", skill_name="skill-3")
        assert hear(client, "metrics")["data"]["total_invocations"] == 2
        say(client, "subscribe")
        hear(client, "subscription_confirmed")
        everything = next(m for _ in range(9) if "skill_name" not in (m := hear(
            client, "metrics_update")))  # fmt: skip
        assert len(everything["data"]["top_skills"]) == 10


def test_after_unsubscribing_nothing_more_is_told(server: Serving) -> None:
    with listening(server) as client, listening(server) as other:
        for each in (client, other):
            say(each, "subscribe", events=True)
            hear(each, "metrics_update")
        say(client, "unsubscribe")
        hear(client, "unsubscribed")
        store(server, "lint")
        hear(other, "event")
        hear(other, "metrics_update")
        say(client, "ping")
        assert json.loads(client.recv(timeout=PATIENCE_S)) == {"type": "pong"}


def test_events_are_told_to_those_who_ask_and_a_position_to_resume_at(serving: Serve) -> None:
    server = serving()
    store(server, "before")
    with listening(server) as client, listening(server) as other:
        say(client, "subscribe", events=True)
        say(other, "subscribe")
        hear(client, "metrics_update")
        hear(other, "metrics_update")
        (stored,) = store(server, "lint")
        told = hear(client, "event")
        assert [event["id"] for event in told["data"]] == [stored]
        while not hear(other, "metrics_update")["data"]["top_skills"][1:]:
            pass  # it hears of the change, but is sent no event
    ids = store(server, "a", "b")
    with listening(server) as again:
        say(again, "subscribe", events=True, after=told["position"])
        assert [event["id"] for event in hear(again, "event")["data"]] == ids


def test_between_what_was_and_what_comes_there_is_no_seam(serving: Serve) -> None:
    server = serving()
    expected = store(server, *["old"] * 500)
    stop = threading.Event()

    def keep_storing() -> None:
        while not stop.is_set():
            expected.extend(store(server, "new"))

    writer = threading.Thread(target=keep_storing)
    writer.start()
    heard: list[str] = []
    try:
        with listening(server) as client:
            say(client, "subscribe", events=True, after=0)
            while len(heard) < 700:
                heard += [event["id"] for event in hear(client, "event")["data"]]
            stop.set()
            writer.join()
            while len(heard) < len(expected):
                heard += [event["id"] for event in hear(client, "event")["data"]]
    finally:
        stop.set()
        writer.join()
    assert heard == expected


class Odd(Insight, frozen=True, kw_only=True, tag="anomaly"):
    """An anomaly as a plugin might define it."""


def test_large_events_come_in_messages_that_clients_take(serving: Serve) -> None:
    server = serving()
    failure = Failure(fingerprint="f", message="ü" * 25_000)
    line = Timeline()

    def store_some() -> list[str]:
        events = [line.failed(failure=failure) for _ in range(30)]
        server.runtime.store.append(events)
        return [event.id for event in events]

    wanted, got, sizes = store_some(), [], []
    with listening(server, max_size=BYTES_PER_FRAME + 1_000) as client:
        say(client, "subscribe", events=True, after=0)
        while len(got) < 60:
            message = hear(client, "event")
            got += [event["id"] for event in message["data"]]
            sizes.append(len(message["data"]))
            if len(got) == 30:
                wanted += store_some()
    assert got == wanted  # those from before, and those that came
    assert max(sizes) == 5


@pytest.mark.parametrize(
    ("letters", "width"), [("abc", 1), ("äöü", 1), ("日月火", 2), ("😀😁😂", 4)]
)
def test_a_queue_is_bounded_by_bytes_too(letters: str, width: int) -> None:
    async def talk() -> list[str]:
        client = Client()
        for letter in letters:
            client.put(letter * (MOST_WAITING_BYTES // 2 // width))
            assert len(client._waiting) == 1
        client.put("x" * (2 * MOST_WAITING_BYTES))
        return [(await client.next())[:30] for _ in range(2)]

    first, last = asyncio.run(talk())
    assert json.loads(first) == {"type": "missed", "count": 3}
    assert last == "x" * 30


def test_new_anomalies_are_told_once(serving: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Odd] = []

    class Finder:
        @hookimpl
        def sbhooks_insights(self) -> list[Odd]:
            return list(found)

    monkeypatch.setattr(hubs, "_ANOMALIES_EVERY_S", 0.1)
    server = serving()
    server.runtime.hooks.register(Finder(), "finder")
    with listening(server) as client, listening(server) as other:
        say(client, "subscribe", skill_name="lint")
        say(other, "subscribe", skill_name="test")
        for each in (client, other):
            for _ in range(2):
                hear(each, "metrics_update")
        found.append(Odd(subject="lint", summary="<img src=x>", score=1.0, n=9, method="m"))
        assert hear(client, "anomaly")["data"]["summary"] == "<img src=x>"
        assert hear(client, "metrics_update")["data"]["anomalies"][0]["subject"] == "lint"
        for each in (client, other):
            kinds = [json.loads(each.recv(timeout=PATIENCE_S))["type"] for _ in range(2)]
            assert kinds == ["metrics_update"] * 2


# --- who may listen ----------------------------------------------------------------


@pytest.fixture
def tokens(home: Path) -> dict[str, str]:
    file = TokenFile(home)
    return {"read": file.create("r", ["read"], None), "ingest": file.create("i", ["ingest"], None)}


def test_a_token_is_shown_in_the_first_message(serving: Serve, tokens: dict[str, str]) -> None:
    server = serving(Policy(needs_token=True))
    with listening(server) as client:
        say(client, "authenticate", token=tokens["read"])
        assert json.loads(client.recv(timeout=PATIENCE_S)) == {"type": "authenticated", "name": "r"}
        say(client, "subscribe")
        hear(client, "metrics_update")


@pytest.mark.parametrize(
    "message",
    ['{"type": "subscribe"}', '{"type": "ping"}', "x", '{"type": "authenticate", "token": "x"}'],
)
def test_without_a_token_the_talk_ends(
    serving: Serve, tokens: dict[str, str], message: str
) -> None:
    with listening(serving(Policy(needs_token=True))) as client:
        client.send(message)
        assert json.loads(client.recv(timeout=PATIENCE_S))["type"] == "error"
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=PATIENCE_S)


def test_a_token_for_something_else_is_refused(serving: Serve, tokens: dict[str, str]) -> None:
    with listening(serving(Policy(needs_token=True))) as client:
        say(client, "authenticate", token=tokens["ingest"])
        assert hear(client, "error")["code"] == "token_refused"


def test_a_page_may_show_its_token_as_a_subprotocol(serving: Serve, tokens: dict[str, str]) -> None:
    server = serving(Policy(needs_token=True))
    offered = ["sbhooks.v1", f"sbhooks.token.{tokens['read']}"]
    with listening(server, subprotocols=offered) as client:
        assert client.subprotocol == "sbhooks.v1"
        say(client, "ping")
        hear(client, "pong")
    with (
        pytest.raises(InvalidStatus) as caught,
        listening(server, subprotocols=["sbhooks.v1", "sbhooks.token.sbh_wrong"]),
    ):
        pass
    assert caught.value.response.status_code == 403


def test_a_token_in_the_header_is_as_good_and_one_in_the_url_is_none(
    serving: Serve, tokens: dict[str, str]
) -> None:
    server = serving(Policy(needs_token=True))
    headers = {"authorization": f"Bearer {tokens['read']}"}
    with listening(server, additional_headers=headers) as client:
        say(client, "ping")
        hear(client, "pong")
    wrong = {"authorization": "Bearer x"}
    with pytest.raises(InvalidStatus), listening(server, additional_headers=wrong):
        pass
    url = f"ws://127.0.0.1:{server.port}/ws?token={tokens['read']}"
    with connect(url, proxy=None, open_timeout=PATIENCE_S, ping_interval=None) as client:
        say(client, "ping")
        assert hear(client, "error")["code"] == "token_needed"


def dismissed(client: ClientConnection) -> tuple[str, int]:
    """What a listener is told at the end of the talk, and the code with which it is closed."""
    code = hear(client, "error")["code"]
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            client.recv(timeout=PATIENCE_S)
    assert caught.value.rcvd is not None
    return code, caught.value.rcvd.code


@pytest.mark.parametrize("what", ["revoke", "rotate"])
def test_who_listens_with_a_token_that_is_revoked_is_let_go(
    serving: Serve, home: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(entrance, "LOOK_AGAIN_S", 0.05)
    server, file = serving(Policy(needs_token=True)), TokenFile(home)
    secret, other = file.create("old", ["read"], None), file.create("new", ["read"], None)
    headers = {"authorization": f"Bearer {secret}"}
    with (
        listening(server) as leaves,
        listening(server, additional_headers=headers) as leaves_too,
        listening(server, additional_headers=headers) as stays,
    ):
        say(leaves, "authenticate", token=secret)
        hear(leaves, "authenticated")
        say(stays, "authenticate", token=other)
        hear(stays, "authenticated")
        getattr(file, what)("old")
        assert dismissed(leaves) == dismissed(leaves_too) == ("token_expired", 1008)
        say(stays, "subscribe")
        hear(stays, "metrics_update")
        assert len(server.site.hub.clients) == 1


def test_who_listens_is_let_go_when_the_time_of_the_token_is_over(
    serving: Serve, home: Path
) -> None:
    server, file = serving(Policy(needs_token=True)), TokenFile(home)
    for number, lifetime_s in enumerate((1, 10, 100)):  # a loaded machine takes its time
        secret = file.create(f"t{number}", ["read"], timedelta(seconds=lifetime_s))
        with listening(server) as client:
            say(client, "authenticate", token=secret)
            told = json.loads(client.recv(timeout=PATIENCE_S))
            if told["type"] == "authenticated":
                assert dismissed(client) == ("token_expired", 1008)
                return
    pytest.fail("nobody was let in")


def test_more_listeners_than_allowed_are_turned_away(serving: Serve) -> None:
    server = serving(Policy(max_websockets=1))
    with listening(server) as client:
        say(client, "ping")
        hear(client, "pong")
        with pytest.raises(InvalidStatus) as caught, listening(server):
            pass
    assert caught.value.response.status_code == 503


def test_a_request_without_an_upgrade_is_told_so(server: Serving) -> None:
    with server.client() as client:
        answer = client.get("/ws")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")


# --- slow, rude and gone -----------------------------------------------------------


def test_a_full_queue_drops_the_oldest_and_says_how_many() -> None:
    async def talk() -> list[str]:
        client = Client()
        for number in range(MOST_WAITING + 5):
            client.put(str(number))
        return [await client.next() for _ in range(MOST_WAITING + 1)]

    first, *rest = asyncio.run(talk())
    assert json.loads(first) == {"type": "missed", "count": 5}
    assert rest == [str(number) for number in range(5, MOST_WAITING + 5)]


def test_what_can_be_sent_at_once_does_not_wait_and_nothing_overtakes() -> None:
    """A connection that takes some messages, is stuck for a while, and takes messages again."""
    sent: list[str] = []
    is_stuck = False

    def send_now(text: str) -> bool:
        if not is_stuck:
            sent.append(text)
        return not is_stuck

    async def talk() -> None:
        nonlocal is_stuck
        client = Client(send_now)
        client.put("0")  # nobody takes messages yet
        assert not sent
        sender = asyncio.create_task(_take(client, sent))
        while len(sent) < 1:
            await asyncio.sleep(0)
        client.put("1")
        assert sent == ["0", "1"]  # without a turn of the loop
        is_stuck = True
        client.put("2")
        is_stuck = False
        client.put("3")  # behind the one that waits
        assert sent == ["0", "1"]
        while len(sent) < 4:
            await asyncio.sleep(0)
        client.put("4")
        sender.cancel()

    asyncio.run(talk())
    assert sent == ["0", "1", "2", "3", "4"]


async def _take(client: Client, sent: list[str]) -> None:
    while True:
        sent.append(await client.next())


def test_messages_of_all_sizes_arrive_in_order_when_the_reader_is_slow(serving: Serve) -> None:
    """Some are sent at once, some wait: the connection takes no more than fits into it."""
    server = serving()
    hub = server.site.hub
    sizes = [0, 1, 125, 126, 1_000, 65_535, 65_536, 200_000, 300_000] * 3
    with listening(server, max_size=1 << 20) as client:
        say(client, "subscribe", skill_name="unknown")
        hear(client, "metrics_update")
        (listener,) = hub.clients
        put = [f"{number:03}" + "ä" * size for number, size in enumerate(sizes)]
        for text in put:
            server.call(listener.put, text)
        heard = iter(lambda: str(client.recv(timeout=PATIENCE_S)), put[-1])
        got = [text for text in heard if not text.startswith("{")]
    assert got == put[:-1]


def test_a_client_that_does_not_read_holds_up_nobody(serving: Serve) -> None:
    server = serving()
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    upgrade = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\n{key}\r\n\r\n"
    )
    ask = b'{"type":"subscribe","events":true}'
    mask = bytes([0x81, 0x80 | len(ask), 0, 0, 0, 0]) + ask
    with socket.socket() as stalled, listening(server) as client:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", server.port))
        stalled.sendall(upgrade.encode() + mask)  # and never reads a byte
        say(client, "subscribe", events=True)
        hear(client, "metrics_update")
        heard, stored = 0, 0
        for _ in range(14):
            line = Timeline()
            big = [line.invocation("x" * 50_000) for _ in range(10)]
            server.runtime.store.append(list(big))
            stored += 10
            while heard < stored:
                heard += len(hear(client, "event")["data"])


def test_rude_clients_leave_nothing_behind(serving: Serve) -> None:
    server = serving()
    chance = random.Random(1)
    for number in range(60):
        with listening(server) as client:
            say(client, "subscribe", events=number % 2 == 0)
            if chance.random() < 0.5:
                client.send(chance.randbytes(50))
            if chance.random() < 0.5:
                client.socket.close()  # without a word
    with listening(server) as client:
        say(client, "ping")
        hear(client, "pong")
        store(server, "lint")
        say(client, "subscribe", skill_name="lint")
        hear(client, "metrics_update")


def test_no_message_is_more_than_a_bad_one() -> None:
    chance = random.Random(2)
    known = [
        '{"type":"subscribe","after":1,"events":true}',
        '{"type":"get_metrics","skill_name":""}',
    ]
    for number in range(20_000):
        text = list(known[number % 2])
        for _ in range(chance.randint(1, 4)):
            text[chance.randrange(len(text))] = chr(chance.randrange(1, 0x2FF))
        try:
            read("".join(text))
        except BadAsk as bad:
            assert bad.code in {"bad_json", "not_an_object", "unknown_type", "bad_request"}


def test_it_ends_although_something_is_stored_at_that_very_moment(home: Path) -> None:
    async def begin_and_end(runtime: Runtime) -> None:
        for _ in range(50):
            hub = Hub(runtime)
            await hub.start()
            await asyncio.sleep(0.02)
            hub.nudge()
            async with asyncio.timeout(PATIENCE_S):
                await hub.stop()

    with Runtime.start(load_config()) as runtime:
        asyncio.run(begin_and_end(runtime))

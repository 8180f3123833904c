"""The live WebSocket: who listens, what they say, and what they are told.

Plain ASGI, because each of thousands of clients is sent something each second.

A client that needs a token shows it as its first message, or offers a subprotocol
``sbhooks.token.`` and the token beside ``sbhooks.v1``: a page cannot set headers, and URLs end
up in logs.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from litestar import asgi

from sbhooks_server import frames
from sbhooks_server.asgi import SEND_NOW, Connection, Receive, Send
from sbhooks_server.clients import Client
from sbhooks_server.entrance import Entrance
from sbhooks_server.frames import (
    Authenticate,
    BadAsk,
    GetMetrics,
    Ping,
    Subscribe,
    Unsubscribe,
)
from sbhooks_server.hub import Hub
from sbhooks_server.limiter import Limiter
from sbhooks_server.refusals import Refusal
from sbhooks_server.site import Site
from sbhooks_server.tailing import EVENTS_PER_FRAME, next_piece

PROTOCOL = "sbhooks.v1"
_TOKEN = "sbhooks.token."  # noqa: S105 - the prefix of a subprotocol
_AUTHENTICATE_WITHIN_S = 10.0
_GOODBYE_S = 5.0
_MOST_SKILLS = 100
_ASKS_PER_SECOND, _ASKS_AT_ONCE = 20.0, 100.0
_POLICY_VIOLATION = 1008


@asgi("/ws", copy_scope=False)
async def live(scope: Connection, receive: Receive, send: Send) -> None:
    """Serve one client from its first to its last message."""
    if scope["type"] != "websocket":
        await _no_upgrade(send)
        return
    site: Site = scope["litestar_app"].state.site
    if len(site.hub.clients) >= site.policy.max_websockets:
        await receive()
        await _refuse(send, 503, b"too many listeners")
        return
    talk = Talk(site.hub, scope, receive, send)
    await talk.run()


class Talk:
    """The conversation with one client.

    Args:
        hub: Tells what has been stored.
        scope: Of the connection.
        receive: The next message of the client.
        send: Sends one.
    """

    def __init__(self, hub: Hub, scope: Connection, receive: Receive, send: Send) -> None:
        self._hub = hub
        self._scope = scope
        self._receive = receive
        self._send = send
        offered = (scope.get("extensions") or {}).get(SEND_NOW)
        self._client = Client(offered["send"]) if offered else Client()
        self._limiter = Limiter(_ASKS_PER_SECOND, _ASKS_AT_ONCE)
        self._entrance = Entrance(scope)
        self._catching_up: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Talk until the client goes away, or must go."""
        await self._receive()  # "websocket.connect"
        offered: list[str] = list(self._scope.get("subprotocols", ()))
        try:
            for name in offered:
                if name.startswith(_TOKEN):
                    self._entrance.show(name.removeprefix(_TOKEN))
        except (BadAsk, Refusal):
            await self._send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        subprotocol = PROTOCOL if PROTOCOL in offered else None
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})
        self._hub.clients.add(self._client)
        sender = asyncio.create_task(self._send_waiting())
        try:
            if await self._is_let_in():
                await self._listen_while_welcome(sender)
        finally:
            self._hub.clients.discard(self._client)
            catching_up, self._catching_up = self._catching_up, None
            await _ended(sender, catching_up)

    async def _is_let_in(self) -> bool:
        """Wait for a token, where one is needed and has not been shown."""
        if self._entrance.is_open:
            return True
        try:
            async with asyncio.timeout(_AUTHENTICATE_WITHIN_S):
                message = await self._receive()
            ask = frames.read(message.get("text"))
            if not isinstance(ask, Authenticate):
                raise BadAsk("token_needed", "say 'authenticate' with a token first")
            self._entrance.show(ask.token)
        except (BadAsk, TimeoutError) as error:
            code = error.code if isinstance(error, BadAsk) else "token_needed"
            await self._dismiss(code, str(error) or "no token in time")
            return False
        self._client.put(frames.frame("authenticated", name=self._entrance.name))
        return True

    async def _listen_while_welcome(self, sender: asyncio.Task[None]) -> None:
        """Listen until the client goes away, or what it showed is good no more."""
        try:
            async with asyncio.timeout(None) as stay:
                with self._entrance.watched(stay):
                    await self._listen(sender)
        except TimeoutError:
            if not stay.expired():
                raise
            await self._dismiss("token_expired", "the token is revoked, or its time is over")

    async def _dismiss(self, code: str, message: str) -> None:
        """Say why the talk is over, to whoever still reads, and end it."""
        text = frames.frame("error", code=code, message=message)
        with suppress(Exception):
            async with asyncio.timeout(_GOODBYE_S):
                await self._send({"type": "websocket.send", "text": text})
                await self._send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    async def _listen(self, sender: asyncio.Task[None]) -> None:
        while not sender.done():
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                if self._limiter.wait_s(""):
                    raise BadAsk("too_many", "too many messages: wait a little")
                await self._serve(frames.read(message.get("text")))
            except BadAsk as bad:
                self._client.put(frames.frame("error", code=bad.code, message=bad.message))

    async def _serve(self, ask: Any) -> None:
        match ask:
            case Ping():
                self._client.put(frames.frame("pong"))
            case Subscribe():
                await self._subscribe(ask)
            case Unsubscribe():
                self._unsubscribe(ask.skill_name)
            case GetMetrics():
                known = await self._hub.current_skills()
                self._client.put(frames.metrics(ask.skill_name, known))
            case Authenticate():
                self._entrance.show(ask.token)
                self._client.put(frames.frame("authenticated", name=self._entrance.name))

    async def _subscribe(self, ask: Subscribe) -> None:
        client = self._client
        if ask.skill_name is not None and len(client.skills | {ask.skill_name}) > _MOST_SKILLS:
            raise BadAsk("too_many_skills", f"at most {_MOST_SKILLS} skills by name")
        if ask.after is not None and (ask.after < 0 or not ask.events):
            raise BadAsk("bad_request", "'after' is a position from before, and needs 'events'")
        begin = await asyncio.to_thread(self._hub.store.high_water)
        confirmed = frames.frame(
            "subscription_confirmed", skill_name=ask.skill_name, events=ask.events,
            position=begin,
        )  # fmt: skip
        client.put(confirmed)
        client.put(await self._hub.update_of(ask.skill_name))
        if ask.skill_name is None:
            client.everything = True
        else:
            client.skills.add(ask.skill_name)
        if ask.events and (ask.after is not None or not self._gets_events()):
            self._begin_at(begin if ask.after is None else ask.after)

    def _unsubscribe(self, skill_name: str | None) -> None:
        client = self._client
        if skill_name is None:
            client.everything = client.live = False
            client.skills.clear()
            if self._catching_up is not None:
                self._catching_up.cancel()
        else:
            client.skills.discard(skill_name)
        client.put(frames.frame("unsubscribed", skill_name=skill_name))

    def _gets_events(self) -> bool:
        is_catching_up = self._catching_up is not None and not self._catching_up.done()
        return self._client.live or is_catching_up

    def _begin_at(self, after: int) -> None:
        if self._catching_up is not None:
            self._catching_up.cancel()
        self._client.live = False
        self._catching_up = asyncio.create_task(self._catch_up(after))

    async def _catch_up(self, after: int) -> None:
        """Send what has been stored since a position, then whatever comes, without a seam."""
        store, limit = self._hub.store, EVENTS_PER_FRAME
        while True:
            piece = await asyncio.to_thread(next_piece, store, after, limit)
            after, limit = max(piece.position, after), piece.limit
            if piece.text is not None:
                await self._send({"type": "websocket.send", "text": piece.text})
                continue
            await self._hub.advance()
            if self._hub.position <= after:  # nothing was awaited since: no event is between
                self._client.live = True
                return

    async def _send_waiting(self) -> None:
        client, send = self._client, self._send
        with suppress(OSError, RuntimeError):  # the client is gone; receiving says so too
            while True:
                await send({"type": "websocket.send", "text": await client.next()})


async def _ended(*tasks: asyncio.Task[None] | None) -> None:
    """End tasks, and see them end."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)


async def _no_upgrade(send: Send) -> None:
    headers = [(b"content-type", b"text/plain"), (b"upgrade", b"websocket")]
    await send({"type": "http.response.start", "status": 426, "headers": headers})
    await send({"type": "http.response.body", "body": b"connect with a WebSocket"})


async def _refuse(send: Send, status: int, why: bytes) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": why})


ROUTES = (live,)

"""The shapes of ASGI, for those parts that speak it without a framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Connection = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Connection, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: Extension of a WebSocket's scope, which our own server offers: ``"send"`` in it is a function
#: that sends a text at once, or says that this must wait or cannot be done.
SEND_NOW = "sbhooks.send_now"

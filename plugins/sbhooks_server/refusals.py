"""What is answered to those who are not let in.

An answer may come before the body of the request was read. If the connection were closed
then, the network would reset it, and a reset may overtake the answer on its way to the client.
So the whole answer is sent first, then what is left of the body is read and thrown away,
within bounds, and only then the answer ends and the connection with it.

References:
    RFC 9112, section 9.6 (tear-down); RFC 9457 (problem details).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from sbhooks_server.asgi import Headers, Message, Send
from sbhooks_server.bodies import Body

SAFE_HEADERS: Headers = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Refusal(Exception):
    """A request that goes no further.

    Args:
        status: Of HTTP.
        detail: Why, in words, and what to do.
        headers: To be sent with it.
    """

    def __init__(self, status: int, detail: str, headers: Headers | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers: Headers = headers or []


def too_large(most: int) -> Refusal:
    """A body of more bytes than are read."""
    return Refusal(413, f"the body is larger than {most} bytes: send it in parts")


def too_often(wait_s: float) -> Refusal:
    """Somebody who must wait some seconds."""
    seconds = str(max(1, round(wait_s + 0.5))).encode()
    return Refusal(429, "too many requests: wait a little", [(b"retry-after", seconds)])


def problem(status: int, detail: str) -> dict[str, Any]:
    """A problem document."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


async def answer(refusal: Refusal, body: Body, send: Send) -> None:
    """Send a refusal, so that whoever is still sending a body gets to read it."""
    text = msgspec.json.encode(problem(refusal.status, refusal.detail))
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(text)).encode()),
        *refusal.headers,
    ]
    if not body.is_read:  # more of it may come than we are ready to throw away
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": True})
    await body.throw_away()
    await send({"type": "http.response.body", "body": b""})


def with_safe_headers(send: Send) -> Send:
    """Forbid browsers to run, frame, sniff or share what is sent."""

    async def safe(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            message["headers"] = [*given, *((n, v) for n, v in SAFE_HEADERS if n not in names)]
        await send(message)

    return safe

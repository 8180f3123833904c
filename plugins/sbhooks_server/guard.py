"""One guard before everything: nothing behind it ever sees a request that it refused.

It stands before routing, so it holds for REST, pages, WebSocket and whatever plugins add. In
this order it asks:

1. Is ``Host`` one of our names? (421: DNS rebinding)
2. Does the request come from a page of another site? (403)
3. Is the method one that anything here answers? (405)
4. Does the caller have a token that is good for it, where one is needed? (401, 403, 429)
5. Is the body of a kind and size that is read, and does it arrive in time? (415, 413, 408;
   400 for a body where none belongs)

A WebSocket is refused with 403 before it is accepted. Answers carry headers that forbid
browsers to run, frame, sniff or share anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sbhooks_server import bodies, refusals
from sbhooks_server.admission import INGEST, Admission, needed_scope
from sbhooks_server.asgi import Application, Connection, Receive, Send
from sbhooks_server.bodies import Body
from sbhooks_server.policy import Policy
from sbhooks_server.refusals import Refusal

_METRICS_PATHS = frozenset({"/metrics", "/livez"})


class Guard:
    """An ASGI application that lets through to another one what may pass.

    Args:
        application: What is guarded.
        policy: What may pass.
        admission: Knows who may ask.
        takes_bodies: Whether a path takes ``POST``; by default the one for events does.
    """

    def __init__(
        self,
        application: Application,
        policy: Policy,
        admission: Admission,
        takes_bodies: Callable[[str], bool] = INGEST.__eq__,
    ) -> None:
        self.application = application
        self._policy = policy
        self._admission = admission
        self._takes_bodies = takes_bodies

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.application(scope, receive, send)

    async def _http(self, scope: Connection, receive: Receive, send: Send) -> None:
        safe = refusals.with_safe_headers(send)
        body = Body(scope, receive)
        try:
            headers = _headers(scope)
            self._check_site(scope, headers)
            self._check_method(scope["method"], scope["path"])
            self._admission.admit(scope, headers, needed_scope(scope["method"], scope["path"]))
            sent = await self._sent(scope["method"], headers, body)
        except Refusal as refusal:
            await refusals.answer(refusal, body, safe)
            return
        if scope["method"] == "HEAD":  # like GET; the server leaves the body out
            scope = {**scope, "method": "GET"}
        await self.application(scope, bodies.replayed(sent, receive), safe)

    async def _websocket(self, scope: Connection, receive: Receive, send: Send) -> None:
        try:
            headers = _headers(scope)
            self._check_site(scope, headers)
            scope["sbhooks_admission"] = self._admission
            if b"authorization" in headers or not self._admission.is_token_needed(headers):
                self._admission.admit(scope, headers, "read")
        except Refusal:
            await receive()  # "websocket.connect"; closing before accepting is answered with 403
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.application(scope, receive, send)

    def _check_site(self, scope: Connection, headers: dict[bytes, str]) -> None:
        """Refuse foreign names, pages of other sites, and what has no place on a port."""
        allowed, host = self._policy.allowed, headers.get(b"host", "")
        if not allowed.host(host):
            raise Refusal(421, f"{host[:100]!r} is not a name of this server (--allow-host)")
        port = (scope.get("server") or ("", None))[1]
        if port in self._policy.metrics_ports and scope["path"] not in _METRICS_PATHS:
            raise Refusal(404, "only /metrics is answered on this port")
        origin = headers.get(b"origin")
        if origin is not None and not allowed.origin(origin, host):
            raise Refusal(403, f"pages of {origin[:100]!r} may not use this server")
        site = headers.get(b"sec-fetch-site", "none")
        # Following a link is harmless: the other site does not see what comes.
        follows = headers.get(b"sec-fetch-dest") == "document" and scope.get("method") == "GET"
        if origin is None and site not in {"none", "same-origin"} and not follows:
            raise Refusal(403, "pages of other sites may not use this server")

    def _check_method(self, method: str, path: str) -> None:
        """Refuse what nothing here answers."""
        allow = ("GET", "HEAD", "POST") if self._takes_bodies(path) else ("GET", "HEAD")
        if method not in allow:
            headers = [(b"allow", ", ".join(allow).encode())]
            raise Refusal(405, f"{method} is not done here", headers)

    async def _sent(self, method: str, headers: dict[bytes, str], body: Body) -> bytes:
        """Read the whole body, within bounds.

        Raises:
            Refusal: It is of the wrong kind, too large or too slow, or should not be there.
        """
        if method != "POST":
            if not body.is_read:
                raise Refusal(400, f"{method} is sent without a body")
            return b""
        if not bodies.is_kind_read(headers.get(b"content-type", "")):
            raise Refusal(415, "send application/json or application/x-ndjson")
        if not bodies.is_encoding_read(headers.get(b"content-encoding", "")):
            accept = [(b"accept-encoding", b"gzip, zstd")]
            raise Refusal(415, "send the body as it is, or as gzip or zstd", accept)
        most = self._policy.max_body_bytes
        length = headers.get(b"content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > most:
            raise refusals.too_large(most)
        try:
            async with asyncio.timeout(self._policy.body_timeout_s):
                return await body.read(most)
        except TimeoutError:
            raise Refusal(408, "the body did not arrive in time") from None
        except bodies.TooLarge:
            raise refusals.too_large(most) from None
        except bodies.Gone:
            raise Refusal(400, "the client went away") from None


def _headers(scope: Connection) -> dict[bytes, str]:
    """Headers by name in small letters.

    Raises:
        Refusal: One that must be unique is there twice, which proxies and servers read
            differently.
    """
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in found and name in {b"host", b"origin", b"authorization", b"content-type"}:
            raise Refusal(400, f"the header {name.decode('ascii', 'replace')!r} is there twice")
        found[name] = value.decode("latin-1")
    return found

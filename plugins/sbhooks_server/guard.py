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

import msgspec

from sbhooks.errors import ConfigError
from sbhooks.events import utc_now
from sbhooks_server import bodies, refusals
from sbhooks_server.asgi import Application, Connection, Receive, Send
from sbhooks_server.audit import AuditLog
from sbhooks_server.bodies import Body
from sbhooks_server.hosts import Allowed
from sbhooks_server.limiter import Limiter
from sbhooks_server.refusals import Refusal
from sbhooks_server.tokens import Scope, Token, TokenFile

INGEST = "/api/v1/events"
_OPEN_PATHS = frozenset({"/livez", "/readyz"})
_METRICS_PATHS = frozenset({"/metrics", "/livez"})
_PROXY_HEADERS = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
_FAILURES_PER_SECOND, _FAILURES_AT_ONCE = 0.2, 10


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a server lets in.

    Attributes:
        allowed: Its names, and pages of others.
        needs_token: Whether everybody must show a token. Without, whoever can reach it may send
            events and read; that is for a server that only its own machine can reach.
        metrics_ports: Ports on which nothing but the metrics are answered.
        max_body_bytes: Larger bodies are refused.
        body_timeout_s: Time in which a body must have arrived.
        requests_per_second: Of one token or address, for ever.
        requests_at_once: Of one token or address, in a burst.
        max_websockets: Connections that are open at once.
        max_message_bytes: Larger messages of a WebSocket client are refused.
        idle_s: A WebSocket client that says nothing and answers no ping for so long is let go.
    """

    allowed: Allowed = Allowed()
    needs_token: bool = False
    metrics_ports: frozenset[int] = frozenset()
    max_body_bytes: int = 16 << 20
    body_timeout_s: float = 30.0
    requests_per_second: float = 100.0
    requests_at_once: float = 500.0
    max_websockets: int = 10_000
    max_message_bytes: int = 64 << 10
    idle_s: float = 60.0


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks; in ``scope["sbhooks_visitor"]`` of every request that comes through.

    Attributes:
        name: Of the token, or the address.
        scopes: What may be done.
    """

    name: str
    scopes: tuple[Scope, ...]

    def may(self, scope: Scope) -> bool:
        """Whether something may be done."""
        return scope in self.scopes or "admin" in self.scopes


class Guard:
    """An ASGI application that lets through to another one what may pass.

    Args:
        application: What is guarded.
        policy: What may pass.
        tokens: Who is known.
        audit: Where tokens that were refused are written down.
        takes_bodies: Whether a path takes ``POST``; by default the one for events does.
    """

    def __init__(
        self,
        application: Application,
        policy: Policy,
        tokens: TokenFile,
        audit: AuditLog,
        takes_bodies: Callable[[str], bool] = INGEST.__eq__,
    ) -> None:
        self.application = application
        self._policy = policy
        self._tokens = tokens
        self._audit = audit
        self._takes_bodies = takes_bodies
        self._requests = Limiter(policy.requests_per_second, policy.requests_at_once)
        self._failures = Limiter(_FAILURES_PER_SECOND, _FAILURES_AT_ONCE)

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
            self._admit(scope, headers, needed_scope(scope["method"], scope["path"]))
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
            scope["sbhooks_guard"] = self
            if b"authorization" in headers or not self._is_token_needed(headers):
                self._admit(scope, headers, "read")
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

    def _admit(self, scope: Connection, headers: dict[bytes, str], need: Scope | None) -> None:
        """Find out who asks, and whether and how often they may.

        Raises:
            Refusal: They may not.
        """
        address = scope["client"][0] if scope.get("client") else "unknown"
        if need is None:
            visitor = Visitor(name=address, scopes=())
        elif b"authorization" in headers:
            visitor = self.visitor(headers[b"authorization"], address)
        elif self._is_token_needed(headers):
            raise Refusal(401, "this needs a token", [(b"www-authenticate", b"Bearer")])
        else:
            visitor = Visitor(name=address, scopes=("ingest", "read"))
        if need is not None and not visitor.may(need):
            raise Refusal(403, f"this needs a token with the scope {need!r}")
        wait_s = self._requests.wait_s(visitor.name)
        if wait_s:
            raise refusals.too_often(wait_s)
        scope["sbhooks_visitor"] = visitor

    def visitor(self, authorization: str, address: str) -> Visitor:
        """Who shows a token.

        Args:
            authorization: As in the header: ``"Bearer sbh_…"``.
            address: Where from.

        Raises:
            Refusal: It is no token of ours, or its time is over.
        """
        scheme, _, secret = authorization.partition(" ")
        try:
            known = self._tokens.find(secret.strip(), utc_now())
        except ConfigError as error:
            raise Refusal(503, "tokens cannot be checked. Run: sbhooks token list") from error
        token: Token | None = known if scheme.lower() == "bearer" else None
        if token is not None:
            return Visitor(name=token.name, scopes=token.scopes)
        wait_s = self._failures.wait_s(address)
        if wait_s:
            raise refusals.too_often(wait_s)
        self._audit.write("token refused", by=address)
        raise Refusal(
            401, "the token is unknown, or its time is over",
            [(b"www-authenticate", b'Bearer error="invalid_token"')],
        )  # fmt: skip

    def _is_token_needed(self, headers: dict[bytes, str]) -> bool:
        """Behind a proxy everybody comes from this machine, so nobody counts as doing so."""
        return self._policy.needs_token or any(name in headers for name in _PROXY_HEADERS)

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


def needed_scope(method: str, path: str) -> Scope | None:
    """What a request must be good for; ``None`` for what everybody may ask."""
    if path in _OPEN_PATHS:
        return None
    if method in {"GET", "HEAD"}:
        return "read"
    return "ingest" if path == INGEST else "admin"


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

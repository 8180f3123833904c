"""What a server lets in."""

from __future__ import annotations

import msgspec

from sbhooks_server.hosts import Allowed
from sbhooks_server.jwts import Issuer


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a server lets in.

    Attributes:
        allowed: Its names, and pages of others.
        needs_token: Whether everybody must show a token. Without, whoever can reach it may send
            events and read; that is for a server that only its own machine can reach.
        issuer: Whose tokens are good, beside our own.
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
    issuer: Issuer | None = None
    metrics_ports: frozenset[int] = frozenset()
    max_body_bytes: int = 16 << 20
    body_timeout_s: float = 30.0
    requests_per_second: float = 100.0
    requests_at_once: float = 500.0
    max_websockets: int = 10_000
    max_message_bytes: int = 64 << 10
    idle_s: float = 60.0

"""Who asks, and whether and how often they may."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sbhooks.errors import ConfigError
from sbhooks.events import utc_now
from sbhooks_server import refusals
from sbhooks_server.asgi import Connection
from sbhooks_server.audit import AuditLog
from sbhooks_server.limiter import Limiter
from sbhooks_server.policy import Policy
from sbhooks_server.refusals import Refusal
from sbhooks_server.tokens import Scope, Token, TokenFile

INGEST = "/api/v1/events"
_OPEN_PATHS = frozenset({"/livez", "/readyz"})
_PROXY_HEADERS = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
_FAILURES_PER_SECOND, _FAILURES_AT_ONCE = 0.2, 10


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks; in ``scope["sbhooks_visitor"]`` of every request that comes through.

    Attributes:
        name: Of the token, or the address.
        scopes: What may be done.
        until: When the time of what was shown is over, in seconds since 1970.
        token: Fingerprint of the token of ours that was shown.
    """

    name: str
    scopes: tuple[Scope, ...]
    until: float = float("inf")
    token: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether something may be done."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def can_end(self) -> bool:
        """Whether a time may come when nothing may be done any more."""
        return self.token is not None or self.until < float("inf")


class Admission:
    """Knows tokens, and how often everybody has asked.

    Args:
        policy: What may pass.
        tokens: Those that are good.
        audit: Where refused ones are noted down.
    """

    def __init__(self, policy: Policy, tokens: TokenFile, audit: AuditLog) -> None:
        self._policy = policy
        self._tokens = tokens
        self._audit = audit
        self._requests = Limiter(policy.requests_per_second, policy.requests_at_once)
        self._failures = Limiter(_FAILURES_PER_SECOND, _FAILURES_AT_ONCE)

    def admit(self, scope: Connection, headers: Mapping[bytes, str], need: Scope | None) -> None:
        """Find out who asks, and whether and how often they may.

        Raises:
            Refusal: They may not.
        """
        address = scope["client"][0] if scope.get("client") else "unknown"
        if need is None:
            visitor = Visitor(name=address, scopes=())
        elif b"authorization" in headers:
            visitor = self.visitor(headers[b"authorization"], address)
        elif self.is_token_needed(headers):
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
            authorization: As in the header: ``"Bearer sbh_…"``, or with a JWT.
            address: Where from.

        Raises:
            Refusal: It is no token of ours, or its time is over.
        """
        scheme, _, secret = authorization.partition(" ")
        known = self._known(secret.strip()) if scheme.lower() == "bearer" else None
        if known is not None:
            return known
        wait_s = self._failures.wait_s(address)
        if wait_s:
            raise refusals.too_often(wait_s)
        self._audit.write("token refused", by=address)
        raise Refusal(
            401, "the token is unknown, or its time is over",
            [(b"www-authenticate", b'Bearer error="invalid_token"')],
        )  # fmt: skip

    def _known(self, secret: str) -> Visitor | None:
        """Whose token it is, if it is one."""
        if self._policy.issuer is not None and secret.count(".") == 2:
            claims = self._policy.issuer.claims(secret)
            if claims is None:
                return None
            return Visitor(name=claims.name, scopes=claims.scopes, until=claims.until)
        try:
            token = self._tokens.find(secret, utc_now())
        except ConfigError as error:
            raise Refusal(503, "tokens cannot be checked. Run: sbhooks token list") from error
        return None if token is None else _holder(token)

    def good_for_s(self, visitor: Visitor) -> float:
        """How long somebody who was let in may stay, as far as is known; 0 for no longer."""
        now = utc_now()
        if visitor.token is not None:
            try:
                if all(token.sha256 != visitor.token for token in self._tokens.usable(now)):
                    return 0.0  # revoked, or another has taken its place
            except ConfigError:
                return 0.0  # as whoever comes now
        return max(0.0, visitor.until - now.timestamp())

    def is_token_needed(self, headers: Mapping[bytes, str]) -> bool:
        """Behind a proxy everybody comes from this machine, so nobody counts as doing so."""
        return self._policy.needs_token or any(name in headers for name in _PROXY_HEADERS)


def _holder(token: Token) -> Visitor:
    until = float("inf") if token.expires_at is None else token.expires_at.timestamp()
    return Visitor(name=token.name, scopes=token.scopes, until=until, token=token.sha256)


def needed_scope(method: str, path: str) -> Scope | None:
    """What a request must be good for; ``None`` for what everybody may ask."""
    if path in _OPEN_PATHS:
        return None
    if method in {"GET", "HEAD"}:
        return "read"
    return "ingest" if path == INGEST else "admin"

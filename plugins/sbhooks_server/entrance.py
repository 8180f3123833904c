"""Who a listener is, and whether they may stay.

A connection can outlive what let it in: a token expires, is revoked, or another takes its place.
Whoever wants to stay shows a new one in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sbhooks_server.admission import Admission, Visitor
from sbhooks_server.asgi import Connection
from sbhooks_server.frames import BadAsk
from sbhooks_server.refusals import Refusal

LOOK_AGAIN_S = 5.0  #: So long after a token was revoked its listeners are let go at the latest.


class Entrance:
    """What one listener has shown.

    Args:
        scope: Of the connection, as the guard has passed it on.
    """

    def __init__(self, scope: Connection) -> None:
        self._admission: Admission | None = scope.get("sbhooks_admission")
        self._visitor: Visitor | None = scope.get("sbhooks_visitor")
        client = scope.get("client")
        self._address: str = client[0] if client else "unknown"
        self._stay: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether the listener has been let in."""
        return self._visitor is not None

    @property
    def name(self) -> str:
        """Whose token was shown; otherwise the address, or nothing."""
        return "" if self._visitor is None else self._visitor.name

    def show(self, token: str) -> None:
        """Let in who has a token that is good for it.

        Raises:
            BadAsk: It is not; whoever was let in before stays.
        """
        if self._admission is None:
            raise BadAsk("token_refused", "tokens cannot be checked here")
        try:
            visitor = self._admission.visitor(f"Bearer {token}", self._address)
        except Refusal as refusal:
            raise BadAsk("token_refused", refusal.detail) from refusal
        if not visitor.may("read"):
            raise BadAsk("token_refused", "the token is not good for 'read'")
        self._visitor = visitor
        self._look()

    @contextmanager
    def watched(self, stay: asyncio.Timeout) -> Iterator[None]:
        """Have a time-out expire as soon as what was shown last is good no more."""
        self._stay = stay
        self._look()
        try:
            yield
        finally:
            self._stay = None
            self._look()

    def _look(self) -> None:
        """See whether what was shown is still good, and when to look again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._stay is None or self._admission is None or self._visitor is None:
            return
        wait_s = self._admission.good_for_s(self._visitor)
        loop = asyncio.get_running_loop()
        self._stay.reschedule(None if wait_s else loop.time())
        if wait_s and self._visitor.can_end:
            self._timer = loop.call_later(min(wait_s, LOOK_AGAIN_S), self._look)

"""What the parts of one running application share."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from time import time
from typing import TYPE_CHECKING, Any, cast

from litestar.connection import ASGIConnection

from sbhooks.runtime import Runtime
from sbhooks_server.admission import Visitor
from sbhooks_server.audit import AuditLog
from sbhooks_server.findings import KeptFindings
from sbhooks_server.hub import Hub
from sbhooks_server.keeper import Keeper
from sbhooks_server.kept_answers import KeptAnswers
from sbhooks_server.policy import Policy
from sbhooks_server.tokens import TokenFile

if TYPE_CHECKING:
    from sbhooks_server.detected import Detected
    from sbhooks_server.exposition import Exposition


class Site:
    """Settings, store and the parts of the server that have a state.

    Args:
        runtime: Settings, plugins and store; closed by whoever made it.
        policy: What may pass.

    Attributes:
        rejected: Reason → events or requests that were not taken in.
        findings: Asks plugins what they found.
        started_at: When it was made, in seconds since 1970.
    """

    def __init__(self, runtime: Runtime, policy: Policy) -> None:
        self.runtime = runtime
        self.policy = policy
        self.tokens = TokenFile(runtime.config.home)
        self.audit = AuditLog(runtime.config.home)
        self.rejected: Counter[str] = Counter()
        self.findings = KeptFindings(runtime)
        self.started_at = time()

    @cached_property
    def keeper(self) -> Keeper:
        """The one way into the store."""
        return Keeper(self.runtime, self.hub.nudge)

    @cached_property
    def kept(self) -> KeptAnswers:
        """Skills, series, runs and tests."""
        return KeptAnswers(self.runtime.store)

    @cached_property
    def hub(self) -> Hub:
        """Tells listeners what has been stored."""
        return Hub(self.runtime)

    @cached_property
    def detected(self) -> Detected:
        """Counts anomalies."""
        from sbhooks_server.detected import Detected

        return Detected(self.runtime)

    @cached_property
    def exposition(self) -> Exposition:
        """Everything that is monitored."""
        from sbhooks_server.exposition import Exposition

        return Exposition(self)


def site_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Site:
    """The site that a request belongs to."""
    return cast("Site", connection.app.state.site)


def visitor_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Visitor | None:
    """Who asks; ``None`` for a WebSocket that has not shown a token yet."""
    return cast("Visitor | None", connection.scope.get("sbhooks_visitor"))

"""Counts the anomalies that plugins have found, for ``/metrics``.

Plugins are asked about all that is stored, so the count survives a restart. Asking can take
seconds and what they find changes once a day, so an answer holds for a minute at least. A count
never goes back while the server runs, not even when somebody rejects a finding: Prometheus would
take that for a restart, and count everything again.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from threading import Lock
from time import monotonic

from prometheus_client.metrics_core import CounterMetricFamily

from sbhooks.events import utc_now
from sbhooks.insights import Anomaly, InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery

MOST_SKILLS = 100  #: Skills with series of their own; others are added up.
_OTHER = "other"
_MOST = 10_000
_FRESH_S = 60.0
_COST = 20  #: An answer holds that many times as long as it took.


class Detected:
    """Asks plugins now and then.

    Args:
        runtime: Settings, plugins and store.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = Lock()
        self._asked: tuple[int, str] | None = None
        self._due = 0.0
        self._counts: dict[tuple[str, str], int] = {}

    def counted(self) -> CounterMetricFamily:
        """How many there are of each type and skill.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._lock:
            self._look(utc_now())
            counts = dict(self._counts)
        family = CounterMetricFamily(
            "anomalies_detected", "Unusual days of skills that were found.",
            labels=["anomaly_type", "skill_name"],
        )  # fmt: skip
        for labels, number in sorted(counts.items()):
            family.add_metric(labels, number)
        return family

    def _look(self, now: datetime) -> None:
        """Ask, unless the last answer still holds."""
        question = (self._runtime.store.high_water(), f"{now:%Y-%m-%dT%H}")
        begun = monotonic()
        if question == self._asked or (self._asked is not None and begun < self._due):
            return
        for labels, number in self._found(now).items():
            self._counts[labels] = max(number, self._counts.get(labels, 0))
        self._asked = question
        self._due = monotonic() + max(_FRESH_S, _COST * (monotonic() - begun))

    def _found(self, now: datetime) -> Counter[tuple[str, str]]:
        first = self._runtime.store.rollup(EventQuery(kinds=("invocation",)))
        if not first:
            return Counter()
        query = InsightQuery(
            kinds=("anomaly",), now=now, since=first[0].first_at.astimezone(UTC), limit=_MOST
        )
        anomalies = [one for one in self._runtime.insights(query) if isinstance(one, Anomaly)]
        often = Counter(one.subject for one in anomalies)
        kept = set(sorted(often, key=lambda name: (-often[name], name))[:MOST_SKILLS])
        return Counter((a.type, a.subject if a.subject in kept else _OTHER) for a in anomalies)

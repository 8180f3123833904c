"""Counts the anomalies that plugins have found, for ``/metrics``.

Plugins are asked about all that is stored, so the count survives a restart. That can take
seconds, while whoever asks for metrics waits for a second at most: it is done by a thread of its
own, which begins at most every ten minutes, and only when something was stored. Findings are
about whole days, so nothing is told late.

A count never goes back while the server runs, not even when somebody rejects a finding:
Prometheus would take that for a restart, and count everything again.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime
from threading import Lock, Thread
from time import monotonic

from prometheus_client.metrics_core import CounterMetricFamily

from sbhooks.errors import SbhooksError
from sbhooks.events import utc_now
from sbhooks.insights import Anomaly, InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery

MOST_SKILLS = 100  #: Skills with series of their own; others are added up.
_OTHER = "other"
_MOST = 10_000
_FRESH_S = 600.0
_COST = 20  #: An answer holds that many times as long as it took.
_PATIENCE_S = 1.0
_STOP_S = 5.0
_log = logging.getLogger("sbhooks.server")


class Detected:
    """Asks plugins now and then.

    Args:
        runtime: Settings, plugins and store.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = Lock()
        self._thread: Thread | None = None
        self._asked: tuple[int, str] | None = None
        self._due = float("-inf")
        self._counts: dict[tuple[str, str], int] = {}

    def counted(self) -> CounterMetricFamily:
        """How many there are of each type and skill, as far as is known.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._lock:
            thread = self._thread = self._begun(utc_now())
        if thread is not None:
            thread.join(_PATIENCE_S)
        family = CounterMetricFamily(
            "anomalies_detected", "Unusual days of skills that were found.",
            labels=["anomaly_type", "skill_name"],
        )  # fmt: skip
        for labels, number in sorted(dict(self._counts).items()):
            family.add_metric(labels, number)
        return family

    def stop(self) -> None:
        """Wait until nobody is asked any more, but not for ever."""
        with self._lock:
            self._due = float("inf")
            thread = self._thread
        if thread is not None:
            thread.join(_STOP_S)

    def _begun(self, now: datetime) -> Thread | None:
        """The thread that asks, if it is time to ask."""
        if self._thread is not None and self._thread.is_alive():
            return self._thread
        question = (self._runtime.store.high_water(), f"{now:%Y-%m-%dT%H}")
        if question == self._asked or monotonic() < self._due:
            return None
        self._asked = question
        thread = Thread(target=self._ask, args=(now,), name="sbhooks-detected", daemon=True)
        thread.start()
        return thread

    def _ask(self, now: datetime) -> None:
        begun = monotonic()
        try:
            found = self._found(now)
        except SbhooksError as error:
            _log.warning("cannot look for anomalies: %s", error)
            return
        counts = {key: max(number, self._counts.get(key, 0)) for key, number in found.items()}
        self._counts = {**self._counts, **counts}
        self._due = max(self._due, monotonic() + max(_FRESH_S, _COST * (monotonic() - begun)))

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

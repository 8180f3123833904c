"""What ``/metrics`` says, worked out when it is asked: so nothing is lost by a restart.

Counts come from the store's sums, not from counters in this process; asked again, only what has
been stored since is added. The number of series is bounded: skills beyond the most used ones are
added up as ``other``, and how many those are is a metric itself.

References:
    Prometheus, *Metric and label naming* and *Writing exporters*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from threading import Lock
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from sbhooks import __version__, segments, status
from sbhooks.events import utc_now
from sbhooks.metrics import Metric as PluginMetric
from sbhooks.store import EventQuery
from sbhooks_server.counted import Counted
from sbhooks_server.site import Site
from sbhooks_server.skill_series import OTHER, SkillSeries, most_used
from sbhooks_server.vitals import vitals

MOST_SOURCES = 50
_RUN_AT_MOST = timedelta(days=1)


class Exposition(Collector):
    """Collects everything that is monitored, at the moment it is asked.

    Args:
        site: What is monitored.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._counted = Counted()
        self._skills = SkillSeries(self._counted)
        self._kept: list[Metric] = []
        self._lock = Lock()

    def collect(self) -> Iterator[Metric]:
        """Every metric.

        Raises:
            StoreError: The store cannot be read.
        """
        ours = [*self._stored(), *self._now()]
        yield from ours
        taken = [metric.name for metric in ours]
        for metric in self._site.runtime.hooks.metrics(self._site.runtime.store, taken):
            yield _of_plugin(metric)

    def _stored(self) -> list[Metric]:
        """What follows from the store; the same as long as nothing is stored."""
        with self._lock:
            before = self._counted.position
            changed = self._counted.follow(self._site.runtime.store)
            if changed is None or self._counted.position != before:
                self._kept = [*self._skills.metrics(changed), *_event_metrics(self._counted)]
            return self._kept

    def _now(self) -> Iterator[Metric]:
        """What is the case in this process, and on its machine."""
        site = self._site
        yield _gauge("active_sessions", "Runs that have begun and not ended.", _active(site))
        listeners = len(site.hub.clients)
        yield _gauge("websocket_connections_active", "Listeners at the moment.", listeners)
        waiting = _waiting(str(site.runtime.config.home))
        yield _gauge("sbhooks_spool_events", "Recorded events that wait for storing.", waiting)
        size = status.store_size(site.runtime.config)
        if size is not None:
            yield _gauge("sbhooks_db_size_bytes", "Size of the local database.", size)
        yield from vitals(site)
        yield site.detected.counted()
        yield from self._plugins()
        info = GaugeMetricFamily(
            "sbhooks_build_info", "Version at work; always 1.", labels=["version"]
        )
        info.add_metric([__version__], 1)
        yield info

    def _plugins(self) -> Iterator[Metric]:
        errors = CounterMetricFamily(
            "sbhooks_plugin_errors", "Hook calls that failed.", labels=["plugin", "hook"]
        )
        times = SummaryMetricFamily(
            "sbhooks_hook_duration_seconds", "Time in hook calls.", labels=["plugin", "hook"]
        )
        for plugin in self._site.runtime.hooks.plugins.values():
            for hook, use in list(plugin.by_hook.items()):
                errors.add_metric([plugin.name, hook], use.errors)
                times.add_metric([plugin.name, hook], count_value=use.calls, sum_value=use.seconds)
        yield errors
        yield times


def _event_metrics(counted: Counted) -> Iterator[Metric]:
    events = CounterMetricFamily(
        "sbhooks_events", "Stored events.", labels=["source", "kind", "outcome"]
    )
    numbers: Counter[str] = Counter()
    for (source, _, _), number in counted.events.items():
        numbers[source] += number
    kept = most_used(numbers, MOST_SOURCES)
    totals: Counter[tuple[str, str, str]] = Counter()
    for (source, kind, outcome), number in counted.events.items():
        totals[source if source in kept else OTHER, kind, outcome] += number
    for labels, number in sorted(totals.items()):
        events.add_metric(labels, number)
    yield events
    if counted.newest is not None:
        newest = counted.newest.timestamp()
        yield _gauge("sbhooks_last_event_timestamp_seconds", "When the newest event was.", newest)


def _active(site: Site) -> int:
    """Sessions of the last day that have a start and no end."""
    query = EventQuery(kinds=("session-start", "session-end"), since=utc_now() - _RUN_AT_MOST)
    begun: set[str | None] = set()
    ended: set[str | None] = set()
    for rollup in site.runtime.store.rollup(query, by=["session", "kind"]):
        (begun if rollup.key[1] == "session-start" else ended).add(rollup.key[0])
    return len(begun - ended)


def _waiting(home: str) -> int:
    """Lines of the spool that nobody writes to any more."""
    number = 0
    for segment in segments.segments(home):
        if segment.state != "open":
            try:
                number += sum(1 for _ in segments.lines(segment.file))
            except OSError:
                continue  # collected in the meantime
    return number


def _gauge(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=value)


def _of_plugin(metric: PluginMetric) -> Metric:
    names = sorted(metric.samples[0].labels) if metric.samples else []
    kind: Any = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family: Metric = kind(metric.name, metric.help, labels=names)
    for sample in metric.samples:
        _add(family, [sample.labels[name] for name in names], sample.value)
    return family


def _add(family: Any, labels: Iterable[str], value: float) -> None:
    family.add_metric(list(labels), value)

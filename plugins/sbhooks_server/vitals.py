"""Figures about the server itself: its checks, its disk, and what was lost before it got here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from sbhooks import problems, status
from sbhooks_server.routes.health import checks
from sbhooks_server.site import Site

#: Why something is not taken. A counter that begins with its first event hides that event from
#: Prometheus, so these are there from the start.
REASONS = ("invalid", "unreadable", "unstorable")


def vitals(site: Site) -> Iterator[Metric]:
    """How the server and its place fare, at this moment.

    Raises:
        SpoolError: The spool cannot be read.
    """
    config = site.runtime.config
    health = GaugeMetricFamily(
        "sbhooks_health", "Whether a part of the server is well: 1 or 0.", labels=["check"]
    )
    for check in checks(site):
        health.add_metric([check.name], check.status == "healthy")
    yield health
    rejected = CounterMetricFamily(
        "sbhooks_ingest_rejected", "Events or requests that were not taken.", labels=["reason"]
    )
    for reason in sorted({*REASONS, *site.rejected}):
        rejected.add_metric([reason], site.rejected[reason])
    yield rejected
    yield GaugeMetricFamily(
        "process_start_time_seconds", "When the server was started.", value=site.started_at
    )
    place = next(path for path in (config.home, *config.home.parents) if path.exists())
    yield GaugeMetricFamily(
        "sbhooks_disk_free_bytes", "Room left on the disk of the home.",
        value=shutil.disk_usage(place).free,
    )  # fmt: skip
    yield GaugeMetricFamily(
        "sbhooks_spool_aside_events", "Recorded lines that could not be taken in.",
        value=sum(status.set_aside(config.home).values()),
    )  # fmt: skip
    lost = sum(problem.lost for problem in problems.read(str(config.home)))
    yield GaugeMetricFamily(
        "sbhooks_lost_events", "Events that could not be recorded, as far as is known.", value=lost
    )

"""Panels of dashboards and their queries, as data.

Every query has an answer on a server that is at work. ``$instance`` and ``$skill`` are chosen at
the top of the page; ``$__rate_interval`` and ``$__range`` are filled in by Grafana.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["timeseries", "stat", "gauge", "table", "heatmap", "piechart", "row"]
Format = Literal["time_series", "table", "heatmap"]


class Query(msgspec.Struct, frozen=True):
    """One question to Prometheus.

    Attributes:
        expr: PromQL.
        legend: Name of its series; ``{{label}}`` stands for a label.
        format: How the panel needs the answer.
        instant: Whether only the end of the time range is asked for.
    """

    expr: str
    legend: str = ""
    format: Format = "time_series"
    instant: bool = False


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One panel.

    Attributes:
        title: Its heading.
        kind: How it is drawn.
        about: What it shows, in a sentence or two.
        queries: What is drawn.
        unit: Of the figures, as Grafana names it.
        width: Of 24.
        height: In rows of 30 pixels.
        steps: Value from which on → colour.
        words: Figure → what it is called.
        greatest: Upper end of the scale.
        stacked: Whether series are drawn on top of each other.
        names: Whether the names of the series are shown instead of their figures.
    """

    title: str
    kind: Kind
    about: str = ""
    queries: tuple[Query, ...] = ()
    unit: str = "short"
    width: int = 12
    height: int = 8
    steps: tuple[tuple[float, str], ...] = ()
    words: tuple[tuple[str, str, str], ...] = ()
    greatest: float | None = None
    stacked: bool = False
    names: bool = False


def row(title: str) -> Panel:
    """A heading over the panels behind it."""
    return Panel(title=title, kind="row", width=24, height=1)


AT = 'instance=~"$instance"'  #: The chosen servers.
#: Colours of a figure that should be 0.
NONE_IS_FINE = ((0.0, "green"), (1.0, "orange"))
WELL = (("1", "well", "green"), ("0", "not well", "red"))  #: Words for 1 and 0.

"""Figures for monitoring systems, as plugins hand them over.

Whoever serves them decides about the format; a plugin only says what is the case now, by
:func:`~sbhooks.hookspecs.sbhooks_metrics`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,199}")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One figure.

    Attributes:
        value: The figure.
        labels: What it is about; few values each, never people, paths or texts.
    """

    value: float
    labels: Mapping[str, str] = {}


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one name.

    Attributes:
        name: With its base unit, such as ``"acme_queue_seconds"``; a counter's without ``_total``.
        kind: ``"counter"`` for what only grows, otherwise ``"gauge"``.
        help: One sentence.
        samples: The figures; all with the same labels.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: tuple[Sample, ...] = ()


def why_not_a_metric(metric: object, taken: frozenset[str]) -> str:
    """Say why something cannot be served as a metric; "" if it can.

    Args:
        metric: What a plugin handed over.
        taken: Names that there are already.
    """
    if not isinstance(metric, Metric):
        return f"{type(metric)} is no Metric"
    if not _NAME.fullmatch(metric.name) or metric.name.endswith(("_total", "_bucket", "_count")):
        return f"{metric.name!r} is no name of a metric"
    if metric.name in taken:
        return f"the name {metric.name!r} is taken"
    labels = {tuple(sorted(sample.labels)) for sample in metric.samples}
    if len(labels) > 1 or not all(_NAME.fullmatch(name) for some in labels for name in some):
        return f"{metric.name}: its samples must have the same labels, in small letters"
    return ""

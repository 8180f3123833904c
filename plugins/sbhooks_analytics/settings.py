"""The settings of analytics: the table ``[tool.sbhooks.analytics]``."""

from __future__ import annotations

from typing import Annotated

import msgspec


class AnalyticsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set.

    Attributes:
        false_alarms_per_month: How many anomalies may be reported in a month although nothing
            has changed, over all skills together. More means that more is found, too.
    """

    false_alarms_per_month: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.05

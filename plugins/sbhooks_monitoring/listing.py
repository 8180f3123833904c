"""Alerts for those who ask on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks_monitoring.catalog import Severity, groups
from sbhooks_monitoring.runbooks import by_itself, page

if TYPE_CHECKING:
    from sbhooks.output import Output

_STYLES: dict[Severity, str] = {"critical": "red", "warning": "yellow", "info": "dim"}


class ListedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert.

    Attributes:
        name: Of the alert, and of its runbook.
        component: Its group.
        severity: ``critical``, ``warning`` or ``info``.
        lasts: How long it must be so, as Prometheus writes it.
        summary: What it says; ``{{ … }}`` is filled in when it fires.
        expression: The condition in PromQL.
    """

    name: str
    component: str
    severity: Severity
    lasts: str
    summary: str
    expression: str


class AlertList(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks monitoring alerts --json`` prints."""

    alerts: list[ListedAlert]  #: By group, as in the file of rules.


def listing() -> AlertList:
    """Every alert."""
    return AlertList(
        alerts=[
            ListedAlert(
                name=alert.name, component=group.about.component, severity=alert.severity,
                lasts=alert.for_, summary=alert.summary, expression=alert.expression,
            )
            for group in groups()
            for alert in group.alerts
        ]
    )  # fmt: skip


def draw_listing(out: Output, found: AlertList) -> None:
    """Draw a table, and say how to get the rules."""
    from sbhooks.output import Cell, Column

    columns = [Column("alert"), Column("severity"), Column("for", optional=True),
               Column("what it says", least=20, optional=True)]  # fmt: skip
    out.table(
        columns,
        [
            (one.name, Cell(one.severity, _STYLES[one.severity]), one.lasts, plain(one.summary))
            for one in found.alerts
        ],
    )
    out.line("What to do about one: sbhooks monitoring runbook ALERT")


def plain(template: str) -> str:
    """A summary as people read it: ``{{ $labels.skill_name }}`` becomes ``SKILL_NAME``."""
    import re

    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: match[1].upper(), template)


def runbook(name: str) -> str:
    """The page of an alert.

    Args:
        name: Of the alert; ``Sbhooks`` in front may be left out, and capitals do not matter.

    Raises:
        SbhooksError: There is none of that name.
    """
    wanted = name.lower().removeprefix("sbhooks")
    for group in groups():
        for alert in group.alerts:
            if alert.name.lower().removeprefix("sbhooks") == wanted:
                return by_itself(page(alert, group))
    raise SbhooksError(f"there is no alert {name!r}. Run: sbhooks monitoring alerts")

"""What is watched: alerts with their runbooks and test cases, and the figures they share.

The alerts are data, one file in ``alerts/`` per group. An expression is written in two parts:
``measure`` is what is looked at and has a value on every server that is at work; ``when`` says,
with the word ``MEASURE`` in the place of that, when it is too much. So every measure can be proved
to exist on a real server, which an alert that does not fire cannot.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

Severity = Literal["critical", "warning", "info"]
GROUPS = ("skills", "system", "performance", "quality", "integration", "experiments")
JOB = "sbhooks"  #: Of the server, in the configuration of Prometheus.
_JOB = "@JOB@"


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Made-up series, and what an alert says about them.

    Attributes:
        at: When it is looked at, in tens of minutes; the series have one value a minute.
        series: Series → values in promtool's notation.
        labels: Those of the alert, but for severity and component.
        value: ``$value`` as the description shows it.
    """

    at: str
    series: dict[str, str]
    labels: dict[str, str] = {}
    value: str = ""


class Alert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One alert and its runbook.

    Attributes:
        name: Stable; also of the runbook's page.
        severity: ``critical`` wakes somebody, ``warning`` is for the working day, ``info`` is
            for those who look.
        measure: What is looked at.
        when: Condition; ``MEASURE`` stands for the measure.
        summary: One line, with labels.
        description: One or two sentences, with the value.
        means: What it means, for the runbook.
        look: Where to look, step by step.
        act: What to do.
        firing: Series on which it fires.
        silent: Series that are nearly so bad, on which it does not.
        for_: How long the condition must hold.
        tune: When to change it.
    """

    name: str
    severity: Severity
    measure: str
    when: str
    summary: str
    description: str
    means: str
    look: list[str]
    act: list[str]
    firing: Case
    silent: Case
    for_: str = msgspec.field(default="0m", name="for")
    tune: str = ""

    @property
    def expression(self) -> str:
        """The whole condition in PromQL."""
        return self.when.strip().replace("MEASURE", self.measure.strip())


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the alerts of a group have in common; ``component`` is their label."""

    component: str
    title: str
    about: str


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of alerts."""

    about: About = msgspec.field(name="group")
    alerts: list[Alert] = msgspec.field(name="alert")


class Recording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure that is worked out once for many.

    Attributes:
        name: ``level:metric:operation``.
        expr: PromQL.
        why: What it is.
    """

    name: str
    expr: str
    why: str


class _Recordings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    record: list[Recording]


@cache
def groups(job: str = JOB) -> tuple[Group, ...]:
    """All alerts.

    Args:
        job: Of the server, in the configuration of Prometheus.
    """
    return tuple(msgspec.convert(tomllib.loads(_text(name, job)), Group) for name in GROUPS)


@cache
def recordings() -> tuple[Recording, ...]:
    """All recorded figures; each uses only those before it."""
    return tuple(msgspec.convert(tomllib.loads(_text("recording", JOB)), _Recordings).record)


def _text(name: str, job: str) -> str:
    text = files("sbhooks_monitoring").joinpath("alerts", f"{name}.toml").read_text("utf-8")
    return text.replace(_JOB, job)

"""Rules for Prometheus, and the cases that prove them with ``promtool test rules``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sbhooks_monitoring import yaml
from sbhooks_monitoring.catalog import Alert, Case, Group, groups, recordings

RULES = "sbhooks.rules.yml"
_RECORDING = "sbhooks-recording"
_SAMPLES = "1m"
_EVALUATED = "10m"  #: Seldom, because promtool evaluates every rule for every case.
_VALUE = re.compile(r"\{\{ \$value[^}]*\}\}")
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_ABOUT_RULES = """\
Recorded figures and alerts for servers of sbhooks, written by: sbhooks monitoring export
Changes are lost when it is written again: put rules of your own into a file of their own."""
_ABOUT_CASES = """\
For each alert, series on which it fires and series on which it does not, written by:
sbhooks monitoring export
Run: promtool test rules {name}"""


def rules(job: str, runbooks: str) -> str:
    """The file of rules.

    Args:
        job: Of the server, in the configuration of Prometheus.
        runbooks: URL of the folder with the runbooks.
    """
    recorded = [{"record": one.name, "expr": one.expr.strip()} for one in recordings()]
    found: list[dict[str, Any]] = [{"name": _RECORDING, "rules": recorded}]
    for group in groups(job):
        alerts = [_rule(alert, group, runbooks) for alert in group.alerts]
        found.append({"name": _name(group), "rules": alerts})
    return yaml.dump({"groups": found}, comment=_ABOUT_RULES)


def cases(job: str, runbooks: str, name: str) -> str:
    """The file of test cases that stands beside the rules.

    Args:
        job: As of the rules.
        runbooks: Likewise.
        name: Of the file itself.
    """
    tests = [
        test
        for group in groups(job)
        for alert in group.alerts
        for test in (_test(alert, group, alert.firing, runbooks), _test(alert, group, alert.silent))
    ]
    document = {
        "rule_files": [RULES],
        "evaluation_interval": _EVALUATED,
        "group_eval_order": [_RECORDING, *map(_name, groups(job))],
        "tests": tests,
    }
    return yaml.dump(document, comment=_ABOUT_CASES.format(name=name))


def runbook_url(alert: Alert, runbooks: str) -> str:
    """Where the page of an alert is."""
    return f"{runbooks.rstrip('/')}/{alert.name}.md"


def _name(group: Group) -> str:
    return f"sbhooks-{group.about.component}"


def _rule(alert: Alert, group: Group, runbooks: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.expression}
    if alert.for_ != "0m":
        rule["for"] = alert.for_
    return rule | {
        "labels": {"severity": alert.severity, "component": group.about.component},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": runbook_url(alert, runbooks),
        },
    }


def _test(alert: Alert, group: Group, case: Case, runbooks: str | None = None) -> dict[str, Any]:
    """One case; without a place of runbooks, one on which nothing fires."""
    expected = [] if runbooks is None else [_expected(alert, group, case, runbooks)]
    return {
        "name": f"{alert.name} {'is silent' if runbooks is None else 'fires'}",
        "interval": _SAMPLES,
        "input_series": list(_series(case)),
        "alert_rule_test": [
            {"eval_time": case.at, "alertname": alert.name, "exp_alerts": expected}
        ],
    }  # fmt: skip


def _series(case: Case) -> Iterator[dict[str, str]]:
    for series, values in case.series.items():
        yield {"series": series, "values": values}


def _expected(alert: Alert, group: Group, case: Case, runbooks: str) -> dict[str, Any]:
    def filled(text: str) -> str:
        return _LABEL.sub(lambda match: case.labels[match[1]], _VALUE.sub(case.value, text))

    return {
        "exp_labels": {
            **case.labels, "severity": alert.severity, "component": group.about.component,
        },
        "exp_annotations": {
            "summary": filled(alert.summary),
            "description": filled(alert.description),
            "runbook_url": runbook_url(alert, runbooks),
        },
    }  # fmt: skip

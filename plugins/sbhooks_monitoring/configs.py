"""Configurations to begin with: Prometheus, Alertmanager, and what Grafana loads by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sbhooks_monitoring import yaml
from sbhooks_monitoring.catalog import JOB
from sbhooks_monitoring.rules import RULES

_PROMETHEUS = """\
A Prometheus that reads sbhooks, or what to add to one that there is: the lines of rule_files and
scrape_configs, and the files of rules beside this one.
Run: promtool check config prometheus.yml"""
_CREDENTIALS = """
The file holds a token with the scope "read", and nothing else. Make one on the server:
sbhooks token create prometheus --scope read"""
_ALERTMANAGER = """\
Where alerts go. Put your own receivers in the place of the webhooks, then run:
amtool check-config alertmanager.yml"""
_DATASOURCE = (
    "Tells Grafana where Prometheus is. Belongs into /etc/grafana/provisioning/datasources"
)
_PROVIDER = """\
Tells Grafana where the dashboards are. Belongs into /etc/grafana/provisioning/dashboards; put the
dashboards where Grafana may read them, and their folder here."""
_WEBHOOK = "http://127.0.0.1:9095/"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is.

    Attributes:
        targets: Servers, as ``host:port``.
        job: Name of the scrape job.
        tls: Whether the servers speak TLS.
        ca_file: Who vouches for their certificates; ``None`` for those that the system trusts.
        token_file: Where Prometheus finds the token; ``None`` when none is needed.
        prometheus: URL of Prometheus, as Grafana reaches it.
        alertmanager: Alertmanager, as ``host:port``.
        runbooks: URL of the folder with the runbooks.
    """

    targets: tuple[str, ...] = ("127.0.0.1:8765",)
    job: str = JOB
    tls: bool = False
    ca_file: str | None = None
    token_file: str | None = None
    prometheus: str = "http://127.0.0.1:9090"
    alertmanager: str = "127.0.0.1:9093"
    runbooks: str = ""


def prometheus(place: Place) -> str:
    """``prometheus.yml``."""
    scrape: dict[str, Any] = {"job_name": place.job}
    if place.tls or place.ca_file is not None:
        scrape["scheme"] = "https"
    if place.ca_file is not None:
        scrape["tls_config"] = {"ca_file": place.ca_file}
    if place.token_file is not None:
        scrape["authorization"] = {"credentials_file": place.token_file}
    scrape["static_configs"] = _static(place.targets)
    document = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [RULES],
        "alerting": {"alertmanagers": [{"static_configs": _static([place.alertmanager])}]},
        "scrape_configs": [scrape],
    }
    return yaml.dump(document, comment=_PROMETHEUS + (_CREDENTIALS if place.token_file else ""))


def alertmanager() -> str:
    """``alertmanager.yml``: by severity, and without what follows from something else."""
    document = {
        "route": {
            "receiver": "nobody",
            "group_by": ["alertname", "instance"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                _route("critical", "at-once", "1h"),
                _route("warning", "working-day", "12h"),
            ],
        },
        "inhibit_rules": [
            _instead("SbhooksServerDown", 'component=~".+"', "instance"),
            _instead("SbhooksSkillCompletionVeryLow", 'alertname=~"SbhooksSkillCompletion.+"',
                     "instance", "skill_name"),
            _instead("SbhooksSkillVerySlow", 'alertname="SbhooksSkillSlow"',
                     "instance", "skill_name"),
            _instead("SbhooksDiskFull", 'alertname="SbhooksDiskFilling"', "instance"),
            _instead("SbhooksSkillAnomaliesMany", 'alertname="SbhooksSkillAnomaly"', "instance"),
        ],
        "receivers": [
            {"name": "nobody"},
            {"name": "at-once", "webhook_configs": [{"url": f"{_WEBHOOK}at-once"}]},
            {"name": "working-day", "webhook_configs": [{"url": f"{_WEBHOOK}working-day"}]},
        ],
    }  # fmt: skip
    return yaml.dump(document, comment=_ALERTMANAGER)


def datasource(place: Place) -> str:
    """Grafana's data source."""
    source = {
        "name": "Prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": place.prometheus,
        "isDefault": True,
        "jsonData": {"timeInterval": "15s"},
    }
    return yaml.dump({"apiVersion": 1, "datasources": [source]}, comment=_DATASOURCE)


def provider(folder: str) -> str:
    """Grafana's provider of dashboards.

    Args:
        folder: Where the dashboards are.
    """
    found = {
        "name": "sbhooks",
        "folder": "sbhooks",
        "type": "file",
        "allowUiUpdates": False,
        "options": {"path": folder},
    }
    return yaml.dump({"apiVersion": 1, "providers": [found]}, comment=_PROVIDER)


def _static(targets: Sequence[str]) -> list[dict[str, Any]]:
    return [{"targets": list(targets)}]


def _route(severity: str, receiver: str, repeat: str) -> dict[str, Any]:
    return {"matchers": [f'severity="{severity}"'], "receiver": receiver, "repeat_interval": repeat}


def _instead(alert: str, others: str, *same: str) -> dict[str, Any]:
    """While an alert fires, others about the same are kept back."""
    return {
        "source_matchers": [f'alertname="{alert}"'],
        "target_matchers": [others, f'alertname!="{alert}"'],
        "equal": list(same),
    }

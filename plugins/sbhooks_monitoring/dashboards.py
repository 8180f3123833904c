"""Dashboards as Grafana reads them: JSON of the classic schema, as Grafana 12 and 13 export it.

References:
    Grafana, *JSON model* and *Panels and visualizations*.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sbhooks_monitoring.backstage import SERVER
from sbhooks_monitoring.overview import OVERVIEW
from sbhooks_monitoring.panels import Panel, Query

SCHEMA = 42  #: Version of the schema; newer Grafanas convert it by themselves.
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_REDUCE = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_LAST = {"calcs": ["lastNotNull"], "displayMode": "table", "placement": "right", "showLegend": True}
_COLUMNS = 24


def dashboards(job: str) -> dict[str, str]:
    """Name of the file → JSON.

    Args:
        job: Of the server, in the configuration of Prometheus.
    """
    made = {
        "sbhooks-overview.json": dashboard("sbhooks-overview", "sbhooks: overview", OVERVIEW),
        "sbhooks-server.json": dashboard("sbhooks-server", "sbhooks: server", SERVER),
    }
    texts = {name: json.dumps(one, indent=2, ensure_ascii=False) for name, one in made.items()}
    return {name: text.replace("@JOB@", job) + "\n" for name, text in texts.items()}


def dashboard(uid: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """One dashboard.

    Args:
        uid: Stable; part of its address.
        title: Its name.
        panels: From top left to bottom right.
    """
    return {
        "uid": uid,
        "title": title,
        "description": "Written by: sbhooks monitoring export",
        "tags": ["sbhooks"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "timepicker": {"refresh_intervals": ["5s", "15s", "1m", "5m", "30m"]},
        "links": [_link()],
        "annotations": {"list": [_restarts(), _alerts()]},
        "templating": {"list": _variables()},
        "panels": list(_placed(panels)),
    }


def _placed(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    """Panels in lines of 24 columns; all of a line are as high as its highest."""
    x = y = line = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > _COLUMNS:
            x, y, line = 0, y + line, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        x, line = x + panel.width, max(line, panel.height)
        yield {"id": number, "gridPos": place, **_drawn(panel)}


def _drawn(panel: Panel) -> dict[str, Any]:
    if panel.kind == "row":
        return {"type": "row", "title": panel.title, "collapsed": False, "panels": []}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "targets": [_target(n, query) for n, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        **({"transformations": _joined(panel)} if panel.kind == "table" else {}),
    }


def _target(number: int, query: Query) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + number),
        "datasource": _SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "format": query.format,
        "instant": query.instant,
        "range": not query.instant,
        "editorMode": "code",
    }


def _field(panel: Panel) -> dict[str, Any]:
    steps = [{"value": None if n == 0 else at, "color": colour}
             for n, (at, colour) in enumerate(panel.steps or ((0.0, "green"),))]  # fmt: skip
    field: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "noValue": "–",
        "color": {"mode": "palette-classic" if panel.kind in _DRAWN_IN_COLOURS else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [_word(panel)] if panel.words else [],
    }
    if panel.greatest is not None:
        field["max"] = panel.greatest
    if panel.kind == "timeseries":
        field["custom"] = {
            "drawStyle": "line",
            "fillOpacity": 20 if panel.stacked else 5,
            "lineWidth": 1,
            "showPoints": "auto",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return field


_DRAWN_IN_COLOURS = {"timeseries", "piechart"}


def _word(panel: Panel) -> dict[str, Any]:
    words = {value: {"text": text, "color": colour} for value, text, colour in panel.words}
    return {"type": "value", "options": words}


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"legend": _LAST, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "stat":
        return {
            "reduceOptions": _REDUCE, "orientation": "auto", "graphMode": "none",
            "textMode": "name" if panel.names else "auto",
            "colorMode": "background_solid" if panel.steps or panel.words else "value",
        }  # fmt: skip
    if panel.kind == "gauge":
        return {"reduceOptions": _REDUCE, "showThresholdMarkers": True}
    if panel.kind == "piechart":
        return {"reduceOptions": _REDUCE, "pieType": "donut", "displayLabels": ["percent"],
                "legend": {**_LEGEND, "values": ["percent"]}}  # fmt: skip
    if panel.kind == "heatmap":
        return {
            "calculate": False, "cellGap": 1, "legend": {"show": True},
            "color": {"mode": "scheme", "scheme": "Blues", "steps": 32, "reverse": True,
                      "exponent": 0.5, "fill": "dark-blue"},
            "yAxis": {"unit": panel.unit}, "tooltip": {"mode": "single"},
        }  # fmt: skip
    return {"showHeader": True, "cellHeight": "sm",
            "sortBy": [{"displayName": panel.queries[0].legend, "desc": True}]}  # fmt: skip


def _joined(panel: Panel) -> list[dict[str, Any]]:
    """One row per skill, with the answers to all queries side by side."""
    names = {f"Value #{chr(ord('A') + n)}": query.legend for n, query in enumerate(panel.queries)}
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {
            "excludeByName": {"Time": True},
            "renameByName": {"skill_name": "skill", **names},
        }},
    ]  # fmt: skip


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    if panel.kind != "table":
        return []
    chosen = "/d/sbhooks-overview?var-skill=${__value.raw:percentencode}&${datasource:queryparam}"
    return [
        _column("invocations", {"decimals": 0}),
        _column("succeeded", {"unit": "percentunit", "decimals": 1}),
        _column("p95", {"unit": "s"}),
        _column("skill", {"links": [{"title": "Only this skill", "url": chosen}]}),
    ]


def _column(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
         "refresh": 1, "hide": 0},
        _labels("instance", "Server", "label_values(sbhooks_build_info, instance)"),
        _labels("skill", "Skill",
                'label_values(skill_invocations_total{instance=~"$instance"}, skill_name)'),
    ]  # fmt: skip


def _labels(name: str, label: str, query: str) -> dict[str, Any]:
    """A choice of the values of a label, all by default."""
    return {
        "name": name, "label": label, "type": "query", "datasource": _SOURCE,
        "definition": query, "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0,
    }  # fmt: skip


def _link() -> dict[str, Any]:
    return {"type": "dashboards", "title": "sbhooks", "tags": ["sbhooks"], "asDropdown": False,
            "keepTime": True, "includeVars": True, "targetBlank": False,
            "icon": "dashboard", "tooltip": "Dashboards of sbhooks"}  # fmt: skip


def _restarts() -> dict[str, Any]:
    return _annotation(
        "Restarts", "blue", "{{instance}} was started",
        'changes(process_start_time_seconds{job="@JOB@",instance=~"$instance"}[1m]) > 0',
    )  # fmt: skip


def _alerts() -> dict[str, Any]:
    return _annotation(
        "Alerts", "red", "{{alertname}}",
        'ALERTS{alertstate="firing",alertname=~"Sbhooks.+",severity=~"critical|warning"}',
    )  # fmt: skip


def _annotation(name: str, colour: str, title: str, expr: str) -> dict[str, Any]:
    return {"name": name, "datasource": _SOURCE, "enable": True, "iconColor": colour,
            "expr": expr, "titleFormat": title, "step": "60s"}  # fmt: skip

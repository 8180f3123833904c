"""Everything that is asked has an answer: a real Prometheus scrapes a real server with data.

One server and one Prometheus for the whole module, with the very files that are exported, but for
the time between scrapes. The server wants a token.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("litestar")
pytest.importorskip("scipy")

import httpx

from sbhooks.config import load_config
from sbhooks.events import Event, Outcome, utc_now
from sbhooks.runtime import Runtime
from sbhooks.testing.factories import Timeline
from sbhooks.testing.histories import history_of
from sbhooks_experiments.desk import Desk
from sbhooks_experiments.plan import Plan
from sbhooks_monitoring.backstage import SERVER
from sbhooks_monitoring.catalog import groups, recordings
from sbhooks_monitoring.configs import Place
from sbhooks_monitoring.export import export
from sbhooks_monitoring.overview import OVERVIEW
from sbhooks_monitoring.panels import Panel

from .conftest import Tool, program

ALERTS = [alert for group in groups() for alert in group.alerts]
PANELS = [panel for panel in (*OVERVIEW, *SERVER) if panel.queries]
_SBHOOKS = (sys.executable, "-P", "-m", "sbhooks")
_EVERY = "2s"
_PATIENCE_S = 240
_DOCS = Path(__file__).parents[3] / "docs"


class Watched(NamedTuple):
    """A server and the Prometheus that scrapes it."""

    server: str
    prometheus: str
    token: str

    def metrics(self) -> str:
        """What the server says."""
        headers = {"authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{self.server}/metrics", headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 200
        return answer.text

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Answer a query as of now; no series, no rows."""
        answer = httpx.get(
            f"{self.prometheus}/api/v1/query", params={"query": expression}, timeout=30,
            trust_env=False,
        ).json()  # fmt: skip
        assert answer["status"] == "success", (expression, answer)
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.prometheus}{path}", timeout=30, trust_env=False).json()["data"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A server with a past, scraped before and after something happened."""
    program("prometheus")
    room = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SBHOOKS_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(room))
        patch.setenv("SBHOOKS_HOME", str(room / "home"))
        with (
            Runtime.start(load_config()) as runtime,
            _serving(room) as server,
            _scraping(room, server) as prometheus,
        ):
            found = Watched(server, prometheus, (room / "token").read_text(encoding="utf-8"))
            _until(lambda: found.ask('up{job="sbhooks"} == 1'))
            _until(lambda: found.ask("anomalies_detected_total"))
            scraped = "sum(count_over_time(sbhooks_build_info[10m]))"
            before = found.ask(scraped)[0][1]
            runtime.store.append(_what_happens())
            _until(lambda: found.ask(scraped)[0][1] >= before + 2)
            _until(lambda: found.ask("max(increase(skill_invocations_total[10m])) > 0"))
            _until(lambda: _evaluated(found))
            yield found


@contextmanager
def _serving(room: Path) -> Iterator[str]:
    """``sbhooks serve``, on what has happened so far."""
    with Runtime.start(load_config()) as runtime:
        _fill(runtime)
    made = subprocess.run(
        [*_SBHOOKS, "token", "create", "prometheus"], check=True, capture_output=True, text=True
    )
    (room / "token").write_text(made.stdout.strip(), encoding="utf-8")
    with (room / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*_SBHOOKS, "serve", "--port", "0", "--require-token"],
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words, (room / "server.log").read_text()
        yield words[1]
    finally:
        _end(process)


@contextmanager
def _scraping(room: Path, server: str) -> Iterator[str]:
    """Prometheus with the exported files, but for the time between scrapes."""
    place = Place(targets=(server.removeprefix("http://"),), token_file=str(room / "token"))
    export(room / "monitoring", place)
    config = room / "monitoring" / "prometheus" / "prometheus.yml"
    text = config.read_text(encoding="utf-8")
    assert text.count("15s") == 2
    config.write_text(text.replace("15s", _EVERY), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (room / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [program("prometheus"), "--config.file", str(config), "--storage.tsdb.path",
             str(room / "tsdb"), "--web.listen-address", address],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield f"http://{address}"
    finally:
        _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _until(ask: Callable[[], object]) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if ask():
                return
        except (httpx.TransportError, ValueError, KeyError, IndexError, AssertionError):
            pass  # it is just starting
        time.sleep(0.2)
    raise AssertionError("it took too long")


def _fill(runtime: Runtime) -> None:
    """A past with a day that was unusual, an experiment, and a run that goes on."""
    today = utc_now().replace(hour=8, minute=0, second=0, microsecond=0)
    days = [(today - timedelta(days=n), 19, 1) for n in range(40, 1, -1)]
    runtime.store.append(history_of([*days, (today - timedelta(days=1), 4, 16)]))
    desk = Desk(runtime)
    desk.create(Plan(name="fast", control="a", treatment="b"))
    for number in range(24):
        desk.assign("fast", f"user-{number}")
        desk.record("fast", f"user-{number}", duration_s=1.0)
    runtime.collect()
    runtime.store.append(_what_happens())


def _what_happens() -> list[Event]:
    """A little of everything, now."""
    now = utc_now()
    line = Timeline(f"run-{now.timestamp()}", "pytest", start=now, step=timedelta(microseconds=1))
    other = Timeline(f"crackerjack-{now.timestamp()}", "crackerjack", start=now)
    return [
        line.start(project="acme"),
        *(line.invocation("lint", duration_s=s, phase="setup") for s in (0.05, 4.0, 45.0, 90.0)),
        *(line.invocation("lint", Outcome.ERROR, phase="execution") for _ in range(20)),
        *(line.passed(f"tests/test_a.py::test_{n}") for n in range(60)),
        line.failed(),
        *(line.stage("build") for _ in range(6)),
        line.stage("deploy", Outcome.FAILURE),
        other.start(project="acme"),
        other.invocation("mypy", Outcome.FAILURE, duration_s=2.0),
    ]


def _evaluated(watched: Watched) -> bool:
    rules = [rule for group in watched.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    return bool(rules) and all(rule["health"] != "unknown" for rule in rules)


def test_every_rule_is_loaded_and_can_be_evaluated(watched: Watched) -> None:
    rules = [rule for group in watched.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    for kind, names in (("alerting", ALERTS), ("recording", recordings())):
        assert sorted(rule["name"] for rule in rules if rule["type"] == kind) == sorted(
            one.name for one in names
        )
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


def test_what_every_alert_looks_at_is_there(watched: Watched) -> None:
    assert [alert.name for alert in ALERTS if not _known(watched, _unfolded(alert.measure))] == []


def test_every_metric_in_a_condition_is_there(watched: Watched) -> None:
    """A misspelt name in a guard would keep an alert silent for ever."""
    there = set(watched.get("/api/v1/label/__name__/values"))
    there |= {one.name for one in recordings()}
    texts = [alert.expression for alert in ALERTS] + [one.expr for one in recordings()]
    names = r"(?<![\w:\"$])(?:sbhooks|skill|active|anomalies|process|websocket|instance\w*:)[\w:]*"
    named = {name for text in texts for name in re.findall(names, _without_labels(text))}
    assert len(named) > 30
    assert named - there == set()


def test_every_recorded_figure_has_a_value(watched: Watched) -> None:
    wrong = [one.name for one in recordings() if not _known(watched, _unfolded(one.expr))]
    assert wrong == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_shows_something(watched: Watched, panel: Panel) -> None:
    for query in panel.queries:
        expression = query.expr.replace("@JOB@", "sbhooks").replace("$__rate_interval", "1m")
        expression = expression.replace("$__range", "1h")
        assert "$" in expression or "instance=~" not in expression
        for name in ("$instance", "$skill"):
            expression = expression.replace(name, ".*")
        rows = watched.ask(_unfolded(expression))
        assert any(value == value for _, value in rows), (query.expr, rows)
        for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
            assert all(label in labels for labels, _ in rows), (query.expr, label)


def test_anomalies_of_the_past_are_counted(watched: Watched) -> None:
    found = {labels["skill_name"]: n for labels, n in watched.ask("anomalies_detected_total")}
    assert found["ruff-check"] >= 1
    assert watched.ask("sbhooks_experiment_units")


def test_what_alerts_say_can_be_read(watched: Watched) -> None:
    for one in watched.get("/api/v1/alerts")["alerts"]:
        assert "<error" not in "".join(one["annotations"].values())


def test_promtool_has_nothing_to_say_about_the_metrics(watched: Watched, tool: Tool) -> None:
    text = watched.metrics()
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_metric_is_documented(watched: Watched) -> None:
    text = watched.metrics()
    page = (_DOCS / "how-to" / "monitor.md").read_text(encoding="utf-8")
    names = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(names) > 25
    assert [name for name in names if f"| `{name}` |" not in page] == []


def _without_labels(expression: str) -> str:
    return re.sub(r"\{[^}]*\}|(by|on) \([^)]*\)", "", expression)


def _known(watched: Watched, expression: str) -> bool:
    return any(value == value for _, value in watched.ask(expression))


def _unfolded(expression: str) -> str:
    """A query with recorded figures as what they stand for, and about now instead of yesterday.

    Recorded figures come late, and the server has not been watched since yesterday.
    """
    for one in reversed(recordings()):
        name = rf"{re.escape(one.name)}(\{{[^}}]*\}})?"
        expression = re.sub(name, lambda _, one=one: f"({one.expr.strip()})", expression)
    return re.sub(r" offset \w+", "", expression)

"""``/metrics``, read by Prometheus' own tools and by a Prometheus that scrapes it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from sbhooks import problems
from sbhooks.emitter import Emitter
from sbhooks.events import Detail, Failure, Outcome, utc_now
from sbhooks.hookspecs import hookimpl
from sbhooks.metrics import Metric, Sample
from sbhooks.testing.factories import Timeline
from sbhooks_server import exposition, skill_series

from .conftest import PATIENCE_S, kept_port

Serve = Callable[..., Any]
Labels = tuple[tuple[str, str], ...]


def fill(server: Any) -> None:
    line = Timeline("run", "cli", start=utc_now())
    server.runtime.store.append([
        line.start(project="acme"),
        *(line.invocation("lint", duration_s=s, phase="setup") for s in (0.05, 0.3, 4.0, 400.0)),
        line.invocation("lint", Outcome.FAILURE, phase="execution"),
        line.invocation('ä"\\\n{}', Outcome.ERROR),
        line.passed(),
    ])  # fmt: skip


def scraped(server: Any) -> dict[str, dict[Labels, float]]:
    """Sample name → labels → value, as Prometheus' own parser reads them."""
    with server.client() as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_it_says_what_is_stored(serving: Serve) -> None:
    server = serving()
    fill(server)
    told = scraped(server)
    lint = ("skill_name", "lint")
    total = told["skill_invocations_total"]
    assert total[("completed", "true"), lint, ("workflow_phase", "setup")] == 4
    assert total[("completed", "false"), lint, ("workflow_phase", "execution")] == 1
    assert told["skill_completion_rate"][(lint,)] == 0.8
    buckets = {labels[0][1]: v for labels, v in told["skill_duration_seconds_bucket"].items()}
    assert buckets == {
        "0.1": 1, "0.5": 2, "1.0": 2, "2.0": 2, "5.0": 3, "10.0": 3, "30.0": 3, "60.0": 3,
        "300.0": 3, "+Inf": 4,
    }  # fmt: skip
    assert told["skill_duration_seconds_sum"][(lint,)] == pytest.approx(404.35)
    events = told["sbhooks_events_total"]
    assert events[("kind", "test-result"), ("outcome", "success"), ("source", "cli")] == 1
    assert told["active_sessions"][()] == 1
    assert told["sbhooks_last_event_timestamp_seconds"][()] == pytest.approx(time.time(), abs=600)
    assert ("skill_name", 'ä"\\\n{}') in {labels[1] for labels in total}


def test_it_follows_what_changes_and_survives_a_restart(serving: Serve) -> None:
    server = serving()
    fill(server)
    before = scraped(server)["skill_invocations_total"]
    server.runtime.store.append([Timeline("run", "cli").invocation("new")])
    after = scraped(server)["skill_invocations_total"]
    assert set(after) - set(before) == {
        (("completed", c), ("skill_name", "new"), ("workflow_phase", "unknown"))
        for c in ("true", "false")
    }
    assert scraped(serving())["skill_invocations_total"] == after


@pytest.mark.parametrize("is_news", [True, False])
def test_events_are_counted_by_the_outcomes_that_they_have(serving: Serve, is_news: bool) -> None:
    """Of what was killed it is an error; that it was cut off, answers about tests say."""
    server = serving()
    if is_news:
        server.runtime.store.append([Timeline("before").start()])
        scraped(server)
    line = Timeline("killed")
    killed = msgspec.structs.replace(
        line.passed("t::one"), outcome=Outcome.ERROR, detail=Detail.ERROR, setup_s=None,
        call_s=None, teardown_s=None, failure=Failure(fingerprint="killed", type="Killed"),
    )  # fmt: skip
    stopped = msgspec.structs.replace(line.failed("t::two"), outcome=Outcome.CANCELLATION)
    end = line.end(Outcome.ERROR, reason="killed")
    server.runtime.store.append([line.start(), killed, stopped, end])
    told = scraped(server)["sbhooks_events_total"]
    numbers = {tuple(dict(labels)[n] for n in ("kind", "outcome")): v for labels, v in told.items()}
    del numbers["session-start", ""]
    assert numbers == {
        ("test-result", "error"): 1, ("test-result", "cancellation"): 1,
        ("session-end", "error"): 1,
    }  # fmt: skip
    with server.client() as client:
        tests = client.get("/api/v1/tests").raise_for_status().json()["tests"]
    assert [test["outcomes"] for test in tests] == [{"interrupted": 1}] * 2


def test_the_number_of_series_is_bounded_and_nothing_is_left_out(
    serving: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skill_series, "MOST_SKILLS", 3)
    monkeypatch.setattr(skill_series, "MOST_PHASES", 2)
    monkeypatch.setattr(exposition, "MOST_SOURCES", 1)
    server = serving()
    for number in range(8):
        line = Timeline(f"s-{number}", f"source-{number}")
        server.runtime.store.append(
            [line.invocation(f"skill-{number}", phase=f"p{number}", duration_s=1.0)]
            + [line.invocation("often", phase="p")] * 1
        )
    told = scraped(server)
    names = {dict(labels)["skill_name"] for labels in told["skill_invocations_total"]}
    assert names == {"often", "skill-0", "skill-1", "other"}
    assert len({dict(labels)["workflow_phase"] for labels in told["skill_invocations_total"]}) == 3
    assert sum(told["skill_invocations_total"].values()) == 16
    assert told["sbhooks_metrics_folded_skills"][()] == 6
    assert {dict(labels)["source"] for labels in told["sbhooks_events_total"]} == {
        "source-0", "other",
    }  # fmt: skip
    assert sum(told["sbhooks_events_total"].values()) == 16


def test_it_counts_what_is_refused_who_listens_and_what_waits(serving: Serve, home: Path) -> None:
    server = serving()
    with server.client() as client:
        client.post("/api/v1/events", json=[{}, {}])
        client.post("/api/v1/events", json={})
    told = scraped(server)
    rejected = {labels[0][1]: n for labels, n in told["sbhooks_ingest_rejected_total"].items()}
    assert rejected["invalid"] == 2
    assert rejected["unreadable"] == 1
    assert told["websocket_connections_active"][()] == 0
    emitter = Emitter.start("cli")
    for _ in range(3):
        emitter.emit(Timeline(emitter.session, "cli").invocation())
    emitter.close()
    assert exposition._waiting(str(home)) in {0, 3}  # unless it was collected just now


def test_it_says_how_the_server_itself_fares(serving: Serve, home: Path) -> None:
    server = serving()
    told = scraped(server)
    healthy = {labels[0][1]: n for labels, n in told["sbhooks_health"].items()}
    assert healthy == {"store": 1, "collecting": 1, "plugins": 1}
    assert told["sbhooks_ingest_rejected_total"] == {
        (("reason", reason),): 0 for reason in ("invalid", "unreadable", "unstorable")
    }
    assert told["sbhooks_disk_free_bytes"][()] > 0
    assert 0 < told["process_start_time_seconds"][()] <= time.time()
    assert told["sbhooks_migration_version"][()] >= 6
    assert told["sbhooks_db_busy_total"][()] == 0
    assert (told["sbhooks_lost_events"][()], told["sbhooks_spool_aside_events"][()]) == (0, 0)
    problems.record(str(home), "spool", "the disk was full", lost=3)
    (home / "spool" / "aside").mkdir(parents=True)
    (home / "spool" / "aside" / "unknown.jsonl").write_text("{}\n{}\n")
    server.runtime.hooks.plugins["storage"].status = "out"
    told = scraped(server)
    assert (told["sbhooks_lost_events"][()], told["sbhooks_spool_aside_events"][()]) == (3, 2)
    assert told["sbhooks_health"][(("check", "plugins"),)] == 0


def test_failing_plugins_are_named(serving: Serve) -> None:
    class Broken:
        @hookimpl
        def sbhooks_invocation(self, event: Any) -> None:
            raise RuntimeError("no")

    server = serving()
    server.runtime.hooks.register(Broken(), "broken")
    with server.client() as client:
        event = {"kind": "invocation", "source": "c", "session": "s", "skill": "x",
                 "outcome": "success"}  # fmt: skip
        client.post("/api/v1/events", json=[event]).raise_for_status()
    errors = scraped(server)["sbhooks_plugin_errors_total"]
    assert errors[("hook", "sbhooks_invocation"), ("plugin", "broken")] == 1


def test_plugins_add_metrics_and_cannot_break_the_others(serving: Serve) -> None:
    class Queue:
        @hookimpl
        def sbhooks_metrics(self, store: Any) -> list[Any]:
            def sample(n: float, **labels: str) -> Sample:
                return Sample(value=n, labels=labels)

            return [
                Metric(name="acme_queue_seconds", kind="gauge", help="Age of the queue.",
                       samples=(sample(1.5, queue="a\n"), sample(2.5, queue="b"))),
                Metric(name="active_sessions", kind="gauge", help="Taken."),
                Metric(name="acme queue", kind="gauge", help="No name."),
            ]  # fmt: skip

    server = serving()
    server.runtime.hooks.register(Queue(), "acme")
    told = scraped(server)
    assert set(told["acme_queue_seconds"].values()) == {1.5, 2.5}
    assert told["active_sessions"] == {(): 0}
    assert server.runtime.hooks.plugins["acme"].errors == 2


def test_plugins_add_routes_behind_the_same_guard(
    home: Path, serving: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    from litestar import get, post

    from sbhooks.plugins import Hooks
    from sbhooks_server.app import create_app

    @get("/cost", sync_to_thread=False)
    def cost() -> dict[str, int]:
        return {"cents": 7}

    @post("/reset", sync_to_thread=False)
    def reset() -> None: ...

    class Acme:
        @hookimpl
        def sbhooks_routes(self) -> list[Any]:
            return [cost, reset, "no route"]

    loaded = Hooks.load

    def load(**settings: Any) -> Hooks:
        hooks = loaded(**settings)
        hooks.register(Acme(), "acme")
        return hooks

    monkeypatch.setattr(Hooks, "load", load)
    server = serving()
    assert create_app is not None
    with server.client() as client:
        assert client.get("/plugins/acme/cost").json() == {"cents": 7}
        foreign = {"origin": "https://evil.example"}
        assert client.get("/plugins/acme/cost", headers=foreign).status_code == 403
        assert client.post("/plugins/acme/reset", json={}).status_code == 403  # needs "admin"
        assert client.post("/plugins/acme/cost", json={}).status_code == 405
        assert client.get("/health").status_code == 200


def test_openmetrics_is_spoken_to_those_who_ask_for_it(serving: Serve) -> None:
    server = serving()
    fill(server)
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    with server.client() as client:
        client.get("/metrics")
        line = Timeline('run "2"', start=utc_now())
        server.runtime.store.append([line.invocation("lint", duration_s=0.25)])
        answer = client.get("/metrics", headers=accept)
        plain = client.get("/metrics").text
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in openmetrics(answer.text)}
    assert "skill_invocations" in families
    samples = families["skill_duration_seconds"].samples
    examples = {s.labels["le"]: s.exemplar for s in samples if s.exemplar is not None}
    assert [(le, one.labels, one.value) for le, one in examples.items()] == [
        ("0.5", {"session": 'run "2"'}, 0.25)
    ]
    assert " # {" not in plain  # the older format has no exemplars


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: install Debian's package prometheus")
    return found


def test_prometheus_own_linter_has_nothing_to_say(serving: Serve) -> None:
    promtool = _program("promtool")
    server = serving()
    fill(server)
    with server.client() as client:
        text = client.get("/metrics").text
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_real_prometheus_scrapes_it(serving: Serve, tmp_path: Path) -> None:
    prometheus = _program("prometheus")
    server = serving()
    fill(server)
    (tmp_path / "prometheus.yml").write_text(json.dumps({  # JSON is YAML
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s"},
        "scrape_configs": [{"job_name": "sbhooks", "static_configs": [
            {"targets": [f"127.0.0.1:{server.port}"]}]}],
    }))  # fmt: skip
    with kept_port() as port:
        process = subprocess.Popen(
            [prometheus, "--config.file", str(tmp_path / "prometheus.yml"), "--storage.tsdb.path",
             str(tmp_path / "data"), "--web.listen-address", f"127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            expression = 'sum by (skill_name) (skill_invocations_total{skill_name="lint"})'
            found = _query(f"http://127.0.0.1:{port}", expression)
            assert found == [({"skill_name": "lint"}, 5.0)]
            assert _query(f"http://127.0.0.1:{port}", "up")[0][1] == 1
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


def _query(url: str, expression: str) -> list[tuple[dict[str, str], float]]:
    """Ask until there is an answer; Prometheus scrapes every other second."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10)
            result = answer.json()["data"]["result"]
            if result:
                return [(one["metric"], float(one["value"][1])) for one in result]
        except (httpx.TransportError, ValueError, KeyError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"no answer to {expression}")

"""Questions over HTTP: what is asked of a real server over a real store."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sbhooks.events import Codec, Event, Outcome, Vcs, utc_now
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks_server.answers import wilson
from sbhooks_server.parameters import read_time
from sbhooks_server.policy import Policy

from .conftest import Serving, served

Serve = Callable[..., Any]
ROOT = Path(__file__).parents[3]


def some() -> list[Event]:
    """Two runs: three skills over three hours, a test that fails now and then."""
    first = Timeline("run-1", "pytest", step=timedelta(minutes=10))
    second = Timeline("run-2", "pytest", start=NOON + timedelta(days=1))
    return [
        first.start(project="acme", vcs=Vcs(commit="c" * 40, branch="main")),
        *(first.invocation("lint", duration_s=n / 10) for n in range(1, 11)),
        *(first.invocation("a/b ü", Outcome.FAILURE) for _ in range(2)),
        first.passed("t.py::a"), first.failed("t.py::a"), first.passed("t.py::b", params="1"),
        first.end(duration_s=9.0, counts={"passed": 2, "failed": 1}),
        second.start(project="other"),
        second.invocation("deploy"),
    ]  # fmt: skip


@pytest.fixture
def ask(full: Serving) -> Callable[..., Any]:
    """Ask a server with some events in it."""
    return asking(full)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with some events in it."""
    with served(tmp_path_factory.mktemp("full"), Policy()) as made:
        made.runtime.store.append(some())
        yield made


def asking(server: Serving) -> Callable[..., Any]:
    def get(path: str, **parameters: Any) -> Any:
        with server.client() as client:
            answer = client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return get


def test_skills_are_told_with_rates_intervals_and_durations(ask: Any) -> None:
    told = ask("skills")
    assert told["total"] == 3
    assert [s["skill_name"] for s in told["skills"]] == ["lint", "a/b ü", "deploy"]
    lint, failing, _ = told["skills"]
    assert (lint["total_invocations"], lint["completion_rate"]) == (10, 1.0)
    assert lint["avg_duration_seconds"] == pytest.approx(0.55)
    assert lint["p50_seconds"] == pytest.approx(0.5, rel=0.01)
    assert lint["p95_seconds"] == pytest.approx(1.0, rel=0.01)
    assert (failing["completed"], failing["avg_duration_seconds"]) == (0, None)
    assert (lint["completion_rate_low"], failing["completion_rate_low"]) == (
        pytest.approx(0.7225, abs=1e-4), 0.0,
    )  # fmt: skip


def test_answers_can_be_limited_to_a_time_a_project_and_a_number(ask: Any) -> None:
    assert ask("skills", project="other")["total"] == 1
    assert ask("skills", project="nobody") == {"skills": [], "total": 0}
    assert [s["skill_name"] for s in ask("skills", since="2026-11-21T00:00:00Z")["skills"]] == [
        "deploy"
    ]
    assert ask("skills", until="2026-11-20T14:00:00+02:00")["skills"] == []
    limited = ask("skills", limit=1)
    assert (len(limited["skills"]), limited["total"]) == (1, 3)


def test_a_series_has_no_gaps(ask: Any) -> None:
    told = ask("series", step="hour")
    numbers = [point["total_invocations"] for point in told["points"]]
    assert numbers == [5, 6, 1, *[0] * 21, 1]
    assert told["points"][0]["at"] == "2026-11-20T12:00:00Z"
    one = ask("series", skill="lint", step="day")
    assert [(p["at"], p["total_invocations"], p["completed"]) for p in one["points"]] == [
        ("2026-11-20T00:00:00Z", 10, 10)
    ]
    assert ask("series", skill="nobody")["points"] == []


def test_tests_that_fail_come_first(ask: Any) -> None:
    told = ask("tests")
    assert [(t["test"], t["params"], t["attempts"], t["outcomes"]) for t in told["tests"]] == [
        ("t.py::a", None, 2, {"failed": 1, "passed": 1}), ("t.py::b", "1", 1, {"passed": 1}),
    ]  # fmt: skip
    assert ask("tests", test="t.py::b")["total"] == 1


def test_runs_are_told_newest_first_and_running_ones_have_no_end(ask: Any) -> None:
    newest, oldest = ask("runs")["runs"]
    assert (newest["session"], newest["ended_at"], newest["outcome"]) == ("run-2", None, None)
    assert (oldest["outcome"], oldest["counts"]) == ("success", {"passed": 2, "failed": 1})
    assert (oldest["branch"], oldest["duration_s"]) == ("main", 9.0)


def test_plugins_are_asked_for_insights(ask: Any) -> None:
    told = ask("insights", kind="flaky-test")["insights"]
    assert [(one["kind"], one["subject"]) for one in told] == [("flaky-test", "t.py::a")]
    assert ask("insights", kind="nothing")["insights"] == []
    assert {one["kind"] for one in ask("insights")["insights"]} >= {"flaky-test"}


def test_kinds_of_findings_have_places_of_their_own(ask: Any, serving: Serve) -> None:
    server = serving()
    lines = [
        Timeline(f"r-{day}", start=utc_now() - timedelta(days=40 - day), step=timedelta(minutes=1))
        for day in range(40)
    ]
    server.runtime.store.append([
        line.invocation("lint", duration_s=9.0 if day == 39 else 0.5 + n / 100)
        for day, line in enumerate(lines) for n in range(30)
    ])  # fmt: skip
    asked = asking(server)
    for path, kind in (
        ("anomalies", "anomaly"),
        ("trends", "trend"),
        ("experiments", "experiment"),
    ):
        told = asked(path)
        assert told["insights"] == asked("insights", kind=kind)["insights"]
        assert datetime.fromisoformat(told["as_of"]) <= utc_now()
    assert {one["subject"] for one in asked("anomalies")["insights"]} == {"lint"}
    assert asked("anomalies", skill="other")["insights"] == []


def test_baselines_and_dependencies_are_those_that_are_kept(serving: Serve) -> None:
    server = serving()
    ask = asking(server)
    assert ask("baselines") == {"baselines": []}
    server.runtime.store.append([
        event for n in range(12) for line in [Timeline(f"s-{n}")]
        for event in (line.start(user=f"u-{n % 3}"), line.invocation("a"), line.invocation("b"))
    ])  # fmt: skip
    store = server.runtime.store
    store.keep_results({
        "skill_community_baselines": [
            {"skill_name": name, "total_users": 3, "total_invocations": n,
             "global_completion_rate": 1.0, "last_updated": "2026-11-20"}
            for name, n in (("a", 5), ("b", 12))
        ],
        "skill_dependencies": [
            {"skill_a": "a", "skill_b": "b", "co_occurrence_count": 12, "lift_score": 1.5,
             "last_updated": "2026-11-20"},
            {"skill_a": "b", "skill_b": "a", "co_occurrence_count": 12, "lift_score": 2.5,
             "last_updated": "2026-11-20"},
        ],
    })  # fmt: skip
    assert [
        (one["skill_name"], one["total_invocations"]) for one in ask("baselines")["baselines"]
    ] == [("b", 12), ("a", 5)]
    told = ask("dependencies", skill="a", limit=1)["dependencies"]
    assert [(one["skill_a"], one["lift_score"]) for one in told] == [("b", 2.5)]
    assert ask("dependencies", skill="nobody")["dependencies"] == []


def test_events_are_read_on_from_a_position_without_gaps(serving: Serve) -> None:
    server = serving()
    server.runtime.store.append(some())
    ask = asking(server)
    read: list[dict[str, Any]] = []
    page = {"position": 0, "at_end": False}
    while not page["at_end"]:
        page = ask("events", after=page["position"], limit=4)
        read += page["events"]
    ids = [event["id"] for event in read]
    assert sorted(ids) == sorted(event.id for event in server.runtime.store.events(EventQuery()))
    assert len(ids) == len(set(ids)) == 19
    late = Timeline("late", start=NOON - timedelta(days=9)).invocation("late")
    server.runtime.store.append([late])
    more = ask("events", after=page["position"])
    assert [event["id"] for event in more["events"]] == [late.id]
    assert more["events"][0]["kind"] == "invocation"
    assert Codec().decode(json.dumps(more["events"][0])) == late


def test_an_empty_store_has_answers_too(server: Serving) -> None:
    with server.client() as client:
        for path in ("skills", "series", "tests", "runs", "insights", "events"):
            answer = client.get(f"/api/v1/{path}")
            assert answer.status_code == 200
            assert [] in answer.json().values()


@pytest.mark.parametrize(
    "question",
    ["skills?limit=0", "skills?limit=x", "skills?since=yesterday", "skills?since=2026-02-31",
     "series?step=week", "events?after=-1", "events?limit=5001", "insights?kind=A%20B",
     "skills?project=", "tests?since=2026-13-01T00:00:00Z", "events?after=1e400"],
)  # fmt: skip
def test_a_question_that_cannot_be_read_is_a_problem_of_the_asker(
    server: Serving, question: str
) -> None:
    with server.client() as client:
        answer = client.get(f"/api/v1/{question}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 400


def test_head_is_like_get_without_a_body(server: Serving) -> None:
    with server.client() as client:
        answer = client.head("/api/v1/skills")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20T12:00:00Z", NOON), ("2026-11-20t14:00:00.000+02:00", NOON),
        ("2026-11-20T12:00:00.1234567Z", NOON + timedelta(microseconds=123456)),
        ("2026-11-20T11:59:60Z", NOON - timedelta(seconds=1)),
        ("0000-01-01T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
        ("9999-12-31T23:59:59-23:59", datetime(9999, 12, 30, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_times_are_read_as_the_standard_has_them(text: str, at: datetime) -> None:
    assert read_time(text) == at


def test_the_interval_is_wilsons() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_no_question_that_the_schema_allows_or_forbids_breaks_it(
    process: Callable[..., Any], tmp_path: Path
) -> None:
    fuzzer = os.environ.get("SCHEMATHESIS", str(ROOT / ".venv-fuzz" / "bin" / "schemathesis"))
    if not Path(fuzzer).exists():
        pytest.skip("needs schemathesis: run 'make test', or set SCHEMATHESIS to the program")
    server = process()
    line = Timeline()
    body = b"\n".join(Codec().encode(event) for event in [*line.one_of_each(), *some()])
    assert server.post(body)["rejected"] == []
    done = subprocess.run(
        [fuzzer, "run", f"{server.url}/schema", "--generation-deterministic", "--no-color",
         "--max-examples", "15", "--request-timeout", "120"],
        capture_output=True, text=True, check=False, timeout=1200, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    (operations,) = re.findall(r"Tested: (\d+)", done.stdout)
    assert int(operations) >= 11, done.stdout[-5000:]
    assert server.end()[0] == 0

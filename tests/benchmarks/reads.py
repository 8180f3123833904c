"""P16: every question over HTTP at a million invocations, against the same answer in Python.

The server is a process of its own, asked over a real socket by one client. Before each request
something is stored, so that nothing which it keeps from before is the answer, but for insights: of
those it tells the last ones while it looks for the next. The first request is told apart.

Left out are baselines and experiments, whose answers take a fraction of a millisecond: there the
request itself, about a millisecond, is all that could be measured.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import questions
from bars import Bar, say

from sbhooks.config import load_config
from sbhooks.events import utc_now
from sbhooks.ids import new_id
from sbhooks.insights import InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks_storage.database import connect

COUNT, TIMES, WARM_UP = 1_000_000, 40, 2
_LONGEST_S = 20.0  #: Then a question has been asked in Python often enough.
_RUNS, _TESTS = 100, 200
_WEEK_AGO = questions.NOW - timedelta(days=7, minutes=23)
_RATIO, _MOST_MS = 2.0, 50.0
#: What storing an event looks at beside the sums.
_NEWEST = """
WITH newest AS (SELECT skill, max(last_us) AS us FROM rollup_skill_day GROUP BY skill)
UPDATE skill_metrics SET last_us = us,
    last_invoked = strftime('%Y-%m-%dT%H:%M:%S+00:00', us / 1000000, 'unixepoch')
FROM newest WHERE skill = skill_name
"""


class Read(NamedTuple):
    """A question, as it is asked over HTTP and in Python."""

    name: str
    path: str
    ask: Callable[[Runtime], object]


def measure(count: int = COUNT) -> list[Bar]:
    """Measure all bars of this group."""
    with tempfile.TemporaryDirectory(prefix="sbhooks-bench-") as folder:
        home = Path(folder)
        questions.fill(home / "sbhooks.db", count)
        with closing(connect(home / "sbhooks.db")) as connection:
            connection.execute(_NEWEST)
        config = load_config(command_line={"home": str(home)})
        with Runtime.start(config) as runtime, Runtime.start(config) as writer:
            say("bench: runs of tests")
            for number in range(_RUNS):
                writer.store.append(_run(number))
            writer.store.keep_results(_results())  # type: ignore[attr-defined]
            with _served(home) as client:
                return [bar for read in _reads() for bar in _bars(read, runtime, writer, client)]


def _reads() -> list[Read]:
    """Every read of the application that reads much, the dear ones in several shapes."""
    from sbhooks_server import answers

    every, named = EventQuery(), EventQuery(skills=("skill-007",))
    ragged, project = EventQuery(since=_WEEK_AGO), EventQuery(projects=("project-3",))
    since = f"since={_WEEK_AGO:%Y-%m-%dT%H:%M:%SZ}"
    skills, series = answers.skills, answers.series
    return [
        Read("skills", "skills", lambda r: skills(r.store, every, limit=100)),
        Read("skills of 7 d", f"skills?{since}", lambda r: skills(r.store, ragged, limit=100)),
        Read("skills of a project", "skills?project=project-3",
             lambda r: skills(r.store, project, limit=100)),
        Read("days", "series?step=day", lambda r: series(r.store, every, step="day")),
        Read("days of a skill", "series?step=day&skill=skill-007",
             lambda r: series(r.store, named, step="day")),
        Read("hours, the newest 1,000", "series?step=hour",
             lambda r: series(r.store, every, step="hour")),
        Read("hours of a skill", "series?step=hour&skill=skill-007",
             lambda r: series(r.store, named, step="hour")),
        Read("tests", "tests", lambda r: answers.tests(r.store, every, limit=100)),
        Read("runs", "runs", lambda r: answers.runs(r.store, every, limit=50)),
        Read("events", "events?after=500000", lambda r: answers.events(
            r.store, after=500_000, limit=500)),
        Read("insights", "insights", lambda r: r.insights(InsightQuery(now=utc_now(), limit=20))),
        *(
            Read(f"insights: {path}", path, partial(_of_kind, kind))
            for path, kind in (("anomalies", "anomaly"), ("trends", "trend"))
        ),
        Read("dependencies", "dependencies", partial(_kept, "skill_dependencies")),
    ]  # fmt: skip


def _of_kind(kind: str, runtime: Runtime) -> object:
    return runtime.insights(InsightQuery(kinds=(kind,), now=utc_now(), limit=20))


def _kept(table: str, runtime: Runtime) -> object:
    return runtime.store.kept_results(table)  # type: ignore[attr-defined]


def _results() -> dict[str, Any]:
    """What analyses write down of a hundred skills."""
    names, at = [f"skill-{number:03}" for number in range(100)], questions.NOW.isoformat()
    return {
        "skill_dependencies": [
            {"skill_a": a, "skill_b": b, "co_occurrence_count": 100, "lift_score": 1.1,
             "last_updated": at} for a, b in combinations(names, 2)
        ],
    }  # fmt: skip


def _run(number: int) -> list[Any]:
    line = Timeline(f"tests-{number}", "pytest", start=questions.NOW - timedelta(hours=number))
    tests = [
        (line.failed if (test + number) % 97 == 0 else line.passed)(f"tests/t.py::test_{test}")
        for test in range(_TESTS)
    ]
    return [line.start(project="project-1"), *tests, line.end(counts={"passed": _TESTS})]


def _bars(read: Read, runtime: Runtime, writer: Runtime, client: HTTPConnection) -> list[Bar]:
    say(f"bench: {read.name}")
    here: list[float] = []
    there: list[float] = []
    for number in range(TIMES + WARM_UP):
        writer.store.append([_news(number)])  # on a connection of its own, like the server's
        there.append(_seconds(lambda: _get(client, read.path)))
        if sum(here) < _LONGEST_S:
            here.append(_seconds(lambda: read.ask(runtime)))
            if here[-1] > 1.0:
                client.close()  # the server would, after some seconds; it is opened again
    first, here, there = there[0], here[min(WARM_UP, len(here) - 1) :], there[WARM_UP:]
    p95_ms = 1e3 * statistics.quantiles(there, n=20)[18]
    ratio = statistics.median(there) / statistics.median(here)
    note = (
        f"{1e3 * statistics.median(there):.1f} ms, in Python {1e3 * statistics.median(here):.1f} ms"
        f"; asked for the first time {1e3 * first:.0f} ms"
    )
    work = f"{read.name} over HTTP at {COUNT:,} invocations"
    return [
        Bar(id="P16", work=f"{work}, against the same in Python", bar=_RATIO, reached=ratio,
            note=note),
        Bar(id="P16 p95", work=work, bar=_MOST_MS, reached=p95_ms, unit="ms"),
    ]  # fmt: skip


def _news(number: int) -> Any:
    line = Timeline(f"news-{number % 5}", "cli", start=questions.NOW + timedelta(seconds=number))
    return line.invocation(f"skill-{number % 100:03}", id=new_id(), duration_s=1.5)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _get(client: HTTPConnection, path: str) -> None:
    client.request("GET", f"/api/v1/{path}")
    answer = client.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")


@contextmanager
def _served(home: Path) -> Iterator[HTTPConnection]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sbhooks", "serve", "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "SBHOOKS_HOME": str(home)},
    )  # fmt: skip
    try:
        url = process.stdout.readline().split()[1] if process.stdout else ""
        with closing(HTTPConnection(url.removeprefix("http://"), timeout=120)) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


if __name__ == "__main__":
    for bar in measure():
        print(f"{bar.id:8} {bar.verdict:8} {bar.reached:8.3f} {bar.work} | {bar.note}")

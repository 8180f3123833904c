"""``sbhooks trend`` from stored events to the printed answer."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.events import utc_now
from sbhooks.insights import InsightQuery, Trend
from sbhooks.runtime import Runtime
from sbhooks.testing.histories import history_of


@pytest.fixture
def declining(home: Path) -> None:
    """40 days of a skill that becomes worse, and of one that does not."""
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    days = [(today - timedelta(days=back), back // 2, 20 - back // 2) for back in range(40, 0, -1)]
    steady = [(at, 19, 1) for at, *_ in days]
    with Runtime.start(load_config()) as runtime:
        runtime.store.append([*history_of(days), *history_of(steady, skill="mypy")])


def test_one_skill_is_shown_with_a_plot(
    declining: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trend", "ruff"]) == 0
    told = capsys.readouterr()
    assert "declining" in told.out and "95 % interval" in told.out and "█" in told.out
    assert all(line.isprintable() and len(line) <= 80 for line in told.out.split("\n"))
    assert told.err == ""


def test_all_skills_are_shown_on_a_line_each(
    declining: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for extra in ([], ["--metric", "duration"], ["--metric", "invocations", "--period", "week"]):
        assert main(["trend", *extra]) == 0
        told = capsys.readouterr()
        assert "mypy" in told.out and "ruff-check" in told.out
        assert all(len(line) <= 80 for line in told.out.split("\n"))


def test_programs_get_the_figures(declining: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trend", "ruff-check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (one,) = document["trends"]
    assert (document["unit"], one["trend"], one["series"]["n"][-1]) == ("fraction", "declining", 20)
    assert one["level"] == 0.05  # of the last five days, 0, 1, 1, 2 and 2 of 20 succeeded
    assert one["slope_low"] < one["slope_per_day"] < one["slope_high"] < 0


def test_nothing_recorded_is_an_answer(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trend"]) == 0
    assert "Nothing is recorded yet" in capsys.readouterr().out
    assert main(["trend", "ruff"]) == 2
    assert "no skill 'ruff'" in capsys.readouterr().err


def test_before_a_day_is_over_it_says_what_is_missing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Runtime.start(load_config()) as runtime:
        runtime.store.append(list(history_of([(utc_now() + timedelta(hours=1), 3, 0)])))
    assert main(["trend"]) == 0
    assert "No day in which something was invoked is over yet" in capsys.readouterr().out


def test_a_trend_is_a_finding(declining: None) -> None:
    with Runtime.start(load_config()) as runtime:
        found = runtime.insights(InsightQuery(now=utc_now(), kinds=("trend",)))
    (one,) = found
    assert isinstance(one, Trend)
    assert (one.subject, one.direction, one.metric) == (
        "ruff-check",
        "declining",
        "completion_rate",
    )

"""The commands, as programs and as people see them."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sbhooks.emitter import Emitter
from sbhooks.events import Invocation, Outcome, SessionStart
from sbhooks_experiments.desk import Desk

Ask = Callable[..., Any]
EVIL = "<script>alert(1)</script>\x1b[31m"


@pytest.fixture
def filled(ask: Ask, desk: Desk) -> str:
    """An experiment whose treatment is ten times as fast."""
    ask("create", "fast", "--control", EVIL, "--treatment", "quick", "--metric",
        "avg_duration_seconds", "--guardrail", "completion_rate:0.3", "--secondary",
        "user_rating", "--max-units", "60")  # fmt: skip
    for number in range(44):
        unit = f"user-ab-{number:016x}"
        variant = desk.assign("fast", unit).variant
        slow = 10.0 if variant == "control" else 1.0
        desk.record("fast", unit, duration_s=slow * (1 + number % 7 / 20), rating=4)
    return "fast"


def test_a_result_has_the_promised_fields(filled: str, ask: Ask) -> None:
    found = ask("analyze", filled)
    assert found.keys() >= {"experiment", "decision", "health", "metrics", "units"}
    metric = found["metrics"][0]
    assert metric.keys() >= {
        "metric", "test", "control", "treatment", "effect", "low", "high", "p_value",
    }  # fmt: skip
    assert (found["decision"], metric["metric"]) == ("treatment", "avg_duration_seconds")
    assert metric["control"] == pytest.approx(11.5, abs=1)
    assert {check["name"] for check in found["health"]} >= {
        "sample ratio", "crossovers", "before exposure", "enough units", "missing outcomes",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("control", "treatment", "said"),
    [("python -V", "python -VV", "sbhooks experiment run next"),
     ("-n 0", "-n 2", "pytest --sbhooks-experiment next"),
     ("short prompt", "long 'prompt", "sbhooks experiment assign next USER")],
)  # fmt: skip
def test_the_next_step_fits_what_is_compared(
    ask: Ask, control: str, treatment: str, said: str
) -> None:
    options = (f"--control={control}", f"--treatment={treatment}")
    assert f"Next: {said}\n" in ask("create", "next", *options, raw=True)


def test_an_edit_that_cannot_be_is_not_called_a_creation(ask: Ask) -> None:
    ask("create", "fast", "--control", "a", "--treatment", "b")
    said = ask("edit", "fast", "--ratio", "1", status=2, raw=True)
    assert (
        said == "sbhooks: cannot change the experiment 'fast': the ratio 1 is not between 0 and 1\n"
    )


def test_a_result_is_drawn_with_a_picture_and_harmless(filled: str, ask: Ask) -> None:
    said = ask("analyze", filled, raw=True)
    assert said.startswith("fast: treatment\n")
    assert "━" in said and "•" in said
    assert "✓ sample ratio" in said
    assert "\x1b" not in said
    assert all(len(line) <= 80 for line in said.splitlines())


class Reader(HTMLParser):
    """Collects tags and what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_stands_by_itself_and_runs_nothing(filled: str, ask: Ask, tmp_path: Path) -> None:
    ask("analyze", filled, "--html", str(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.tags.count("svg") == 2  # nothing to draw of ratings that are all the same
    assert "script" not in reader.tags and reader.links == []
    assert "\x1b" not in text
    assert "avg_duration_seconds" in text


def test_a_page_that_cannot_be_written_is_one_line(filled: str, ask: Ask, tmp_path: Path) -> None:
    said = ask("analyze", filled, "--html", str(tmp_path / "no" / "page.html"), status=2)
    assert said.count("\n") == 1 and "cannot write" in said


def test_a_winner_ends_the_experiment_by_itself(filled: str, ask: Ask) -> None:
    found = ask("analyze", filled, "--auto-stop")
    assert (found["status"], found["decision"]) == ("completed", "treatment")
    assert found["stopped_because"].startswith("the treatment is better in avg_duration_seconds")
    assert ask("analyze", filled, "--auto-stop")["status"] == "completed"
    assert "it was stopped on" in ask("assign", filled, "late", status=2)


def test_the_reason_of_a_stop_is_shown_as_it_was_given(filled: str, ask: Ask) -> None:
    ask("stop", filled, "--reason", "eBPF is gone")
    said = " ".join(ask("analyze", filled, raw=True).split())
    assert "The experiment is stopped: eBPF is gone." in said


def test_an_undecided_experiment_goes_on(ask: Ask) -> None:
    ask("create", "fast", "--control", "a", "--treatment", "b")
    assert ask("analyze", "fast", "--auto-stop")["status"] == "running"


def test_status_and_list_tell_how_far_it_is(filled: str, ask: Ask) -> None:
    assert ask("status", filled)["units"]["exposed"] == 44
    said = ask("status", filled, raw=True)
    assert "44 of 60 (user), 16 to come" in said
    ask("create", "other", "--control", "a", "--treatment", "b")
    rows = ask("list")["experiments"]
    assert [(row["name"], row["exposed"]) for row in rows] == [("other", 0), ("fast", 44)]
    assert [(row["decision"], row["summary"]) for row in rows] == [
        ("needs-more-units", "needs up to 1,000 more units"), ("treatment", "treatment"),
    ]  # fmt: skip
    assert "2 experiments." in ask("list", raw=True)


def test_an_empty_list_says_what_to_do(ask: Ask) -> None:
    assert ask("list") == {"experiments": []}
    assert "sbhooks experiment create" in ask("list", raw=True)


def test_assign_says_what_to_do(ask: Ask) -> None:
    ask("create", "fast", "--control", "a", "--treatment", "b")
    looked = ask("assign", "fast", "alice", "--look")
    given = ask("assign", "fast", "alice")
    assert (looked["assigned_at"], given["variant"]) == (None, looked["variant"])
    assert given["strategy"] == {"control": "a", "treatment": "b"}[given["variant"]]
    assert "(sticky, since 20" in ask("assign", "fast", "alice", raw=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create", "fast", "--control", "a", "--treatment", "b"), "there is one of that name"),
        (("create", "x", "--control", "a", "--treatment", "b", "--ratio", "1"), "the ratio 1 is"),
        (("create", "x", "--control", "a", "--treatment", "b", "--guardrail", "x:1"),
         "cannot read the guardrail 'x:1'"),
        (("create", "x", "--control", "a", "--treatment", "b", "--namespace", "ci:1-0"),
         "the span 1 to 0 does not lie in 0 to 1"),
        (("create", "x", "--control", "a", "--treatment", "b", "--namespace", ":1"),
         "cannot read the namespace ':1'"),
        (("analyze", "nope"), "there is no experiment 'nope'"),
        (("status", "nope"), "there is no experiment 'nope'"),
        (("simulate", "nope"), "there is no experiment 'nope'"),
        (("stop", "nope"), "there is no experiment 'nope'"),
        (("edit", "fast"), "nothing to change"),
        (("record", "fast", "bob"), "has not been assigned"),
        (("record", "fast", "alice", "--rating", "6"), "the rating 6 is not between 1 and 5"),
        (("analyze", "fast", "--since", "7d"), "leave out --project and --since"),
        (("status", "fast", "--project", "x"), "leave out --project and --since"),
        (("list", "--since", "7d"), "leave out --project and --since"),
        (("assign", "fast", " "), "the name of a unit has 1 to 200 characters"),
        (("assign", "runs"), "cannot tell the session: this command is none. Name the unit"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_clear_line(
    ask: Ask, desk: Desk, words: tuple[str, ...], message: str
) -> None:
    ask("create", "fast", "--control", "a", "--treatment", "b")
    ask("create", "runs", "--control", "a", "--treatment", "b", "--unit", "session")
    ask("assign", "fast", "alice")
    before = desk.store().high_water()
    said = ask(*words, status=2)
    assert message in said
    assert said.startswith("sbhooks: ") and said.count("\n") == 1
    assert desk.store().high_water() == before


def history(users: int, runs: int) -> None:
    """Users with runs of a tool, some users better than others."""
    for user in range(users):
        emitter = Emitter.start("pytest")
        emitter.emit(SessionStart(source="pytest", session=emitter.session, tool="pytest",
                                  user=f"user-ab-{user:016x}"))  # fmt: skip
        for run in range(runs):
            good = (run * 7 + user) % 10 < 3 + 6 * (user % 2)
            emitter.emit(Invocation(
                source="pytest", session=emitter.session, skill="pytest-run",
                outcome=Outcome.SUCCESS if good else Outcome.FAILURE,
                duration_s=1 + user % 5 + run / 100,
            ))  # fmt: skip
        emitter.close()


def test_a_replay_shows_what_single_events_would_do(ask: Ask) -> None:
    history(40, 25)
    found = ask("simulate", "--trials", "200", "--looks", "10")
    assert (found["units"], found["events"]) == (40, 1000)
    assert found["always_valid"] <= 0.05
    assert found["fixed"] <= 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5
    assert found["per_event"] > 0.3
    assert found["repeated"] >= found["fixed"]
    assert found == ask("simulate", "--trials", "200", "--looks", "10")
    said = ask("simulate", "--trials", "50", "--looks", "5", raw=True)
    assert "t test over single events" in said
    assert ask("simulate", "--metric", "avg_duration_seconds", "--trials", "20")["units"] == 40


def test_a_replay_of_nothing_says_so(ask: Ask) -> None:
    found = ask("simulate")
    assert found["reason"].startswith("not enough data: 0 units")
    assert "Not enough data" in ask("simulate", raw=True)


def test_history_plans_the_number_of_units(ask: Ask) -> None:
    history(40, 25)
    words = ("--control", "a", "--treatment", "b", "--skill", "pytest-run")
    small = ask("create", "small", *words, "--mde", "0.5")["plan"]["max_units"]
    large = ask("create", "large", *words, "--mde", "0.1")["plan"]["max_units"]
    fixed = ask("create", "once", *words, "--mde", "0.1", "--mode", "fixed")["plan"]["max_units"]
    assert 20 <= small < large
    assert fixed < large
    assert ask("create", "given", *words, "--mde", "0.1", "--max-units", "77")["plan"][
        "max_units"
    ] == 77  # fmt: skip


def test_the_past_of_users_is_used(ask: Ask, desk: Desk) -> None:
    history(60, 5)
    ask("create", "fast", "--control", "a", "--treatment", "b", "--skill", "pytest-run",
        "--metric", "avg_duration_seconds")  # fmt: skip
    for user in range(60):
        unit = f"user-ab-{user:016x}"
        desk.assign("fast", unit)
        desk.record("fast", unit, duration_s=1 + user % 5 + user % 3 / 10)
    found = ask("analyze", "fast")
    assert found["metrics"][0]["variance_reduction"] > 0.9
    assert "past used" in found["metrics"][0]["test"]
    assert {c["name"]: c["level"] for c in found["health"]}["before exposure"] == "ok"


WITHOUT = """
import sys
sys.modules["numpy"] = sys.modules["scipy"] = None
from sbhooks.cli import main
sys.exit(main(["experiment", *sys.argv[1:]]))
"""


def test_without_the_libraries_everything_works_but_the_result(python: Any) -> None:
    for words in (
        ("create", "fast", "--control", "true", "--treatment", "true ", "--mde", "0.1"),
        ("run", "fast"),
        ("assign", "fast", "alice"),
        ("record", "fast", "alice", "--duration", "1"),
        ("edit", "fast", "--ratio", "0.3"),
    ):
        done = python(WITHOUT, *words)
        assert (done.returncode, done.stderr) == (0, ""), words
    for words in (("analyze", "fast"), ("status", "fast"), ("list",), ("simulate",)):
        done = python(WITHOUT, *words)
        assert done.returncode == 2, words
        assert "Run: pip install 'sbhooks[experiments]'" in done.stderr
        assert done.stderr.count("\n") == 1
    assert python(WITHOUT, "stop", "fast").returncode == 0

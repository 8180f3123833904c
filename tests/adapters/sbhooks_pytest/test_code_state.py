"""Whether the tested code changed while it was tested, and what a kill leaves of the counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]

CHANGES = {
    "edits": "path.write_text(path.read_text() + '# repaired')",
    "adds": "path.with_name('more.py').write_text('')",
    "deletes": "path.unlink()",
}
EDITED = """
    import pathlib
    path = pathlib.Path(__file__).with_name("code.py")
    def test_it():
        {change}
"""


def test_two_runs_of_the_same_code_have_the_same_state(project: Make) -> None:
    made = project({"test_it.py": EDITED.format(change="pass"), "code.py": "value = 1\n"})

    first, second = (made.run().end.attributes["code.state"] for _ in range(2))
    made.write({"code.py": "value = 12\n"})
    third = made.run().end.attributes["code.state"]

    assert first == second != third


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whoever_changes_code_during_a_run_leaves_its_state_unknown(
    project: Make, change: str
) -> None:
    made = project({"test_it.py": EDITED.format(change=change), "code.py": "value = 1\n"})

    run = made.run()

    assert run.status == 0, run.output
    assert "code.state" not in run.end.attributes


KILLED = """
    import os, signal, time
    def test_first(): pass
    def test_second():
        second = int(time.time())
        while int(time.time()) == second:
            time.sleep(0.01)
    def test_third(): os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_keeps_the_counts_of_its_last_full_second(project: Make) -> None:
    end = project({"test_it.py": KILLED}).run().end

    assert end.reason == "killed"
    assert end.counts == {"passed": 2, "collected": 3}


def test_a_run_that_is_killed_in_its_first_test_knows_what_was_to_run(project: Make) -> None:
    killed = "import os, signal\ndef test_it(): os.kill(os.getpid(), signal.SIGKILL)"

    end = project({"test_it.py": f"{killed}\ndef test_more(): pass"}).run().end

    assert (end.reason, end.counts) == ("killed", {"collected": 2})


REPEATED = """
    import pytest
    n = []
    @pytest.fixture
    def breaks_after():
        yield
        assert 0
    def test_twice_in_one_attempt(breaks_after): assert 0
    def test_parts(subtests):
        with subtests.test("one"): assert 0
        with subtests.test("two"): assert 0
    def test_part_at_last(subtests):
        n.append(1)
        with subtests.test("one"): assert len(n) > 1
"""


def test_subtests_count_as_the_last_attempt_went_and_reruns_are_attempts(project: Make) -> None:
    made = project({"test_it.py": REPEATED})

    counts = made.run("--reruns=1", plugins=("sbhooks", "rerunfailures")).end.counts

    assert (counts["reruns"], counts["subtests_failed"]) == (3, 2)

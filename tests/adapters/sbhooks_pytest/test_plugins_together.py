"""Beside the plugins that people use, recording is right and they do what they do alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

ASYNC = {
    "test_async.py": """
        import asyncio
        import pytest

        @pytest.fixture
        async def ready():
            await asyncio.sleep(0)
            yield 1
            await asyncio.sleep(0)

        MARK
        async def test_passes(ready):
            await asyncio.sleep(0)
        MARK
        async def test_fails(ready):
            await asyncio.sleep(0)
            raise ValueError("in the loop")
        MARK
        async def test_skips(): pytest.skip("not now")
        def test_plain(): pass
    """,
    "conftest.py": """
        import pytest
        @pytest.fixture
        def anyio_backend(): return "asyncio"
    """,
}


@pytest.mark.parametrize(
    ("plugin", "mark", "options"),
    [
        ("asyncio", "@pytest.mark.asyncio", ["-o", "asyncio_mode=auto"]),
        ("anyio", "@pytest.mark.anyio", []),
    ],
)
def test_tests_that_run_in_a_loop_are_recorded_as_others(
    project: Callable[..., Any], plugin: str, mark: str, options: list[str]
) -> None:
    files = {name: text.replace("MARK", mark) for name, text in ASYNC.items()}

    run = project(files).run(*options, plugins=("sbhooks", plugin))

    assert {r.test.removeprefix("test_async.py::test_"): r.detail for r in run.results} == {
        "passes": "passed", "fails": "failed", "skips": "skipped", "plain": "passed",
    }  # fmt: skip
    assert run.result("test_fails").failure.message == "in the loop"
    assert run.summary == {"passed": 2, "failed": 1, "skipped": 1}
    assert all(result.setup_s is not None for result in run.results)


SLOW = {
    "test_slow.py": """
        import threading
        import pytest

        @pytest.fixture
        def hangs(): threading.Event().wait(60)

        def test_before(): pass
        def test_hangs(): threading.Event().wait(60)
        def test_hangs_in_setup(hangs): pass
        def test_after(): pass
    """
}


def test_what_timeout_interrupts_is_a_timeout(project: Callable[..., Any]) -> None:
    run = project(SLOW).run("--timeout=0.2", plugins=("sbhooks", "timeout"))

    assert [(r.detail, r.outcome) for r in run.results] == [
        ("passed", "success"), ("failed", "timeout"), ("error", "timeout"), ("passed", "success"),
    ]  # fmt: skip
    call, setup = run.results[1:3]
    assert call.call_s >= 0.19  # its clock and ours may differ by a tick
    assert setup.setup_s >= 0.19
    assert "Timeout" in call.failure.message
    assert run.end.counts == {"passed": 2, "failed": 1, "error": 1, "collected": 4}


def test_what_timeout_kills_with_the_whole_run_is_named(project: Callable[..., Any]) -> None:
    run = project(SLOW).run(
        "--timeout=0.2", "--timeout-method=thread", plugins=("sbhooks", "timeout")
    )

    assert run.status == 1
    assert [r.test for r in run.results] == [
        "test_slow.py::test_before",
        "test_slow.py::test_hangs",
    ]
    assert (run.results[1].outcome, run.results[1].failure.type) == ("error", "Killed")
    assert (run.end.outcome, run.end.reason, run.end.exit_status) == ("error", "killed", None)


FORKED = {
    "test_forked.py": """
        import os, signal
        import pytest

        state = []

        def test_before(): state.append(1)
        def test_apart(): assert not state
        def test_fails(): raise ValueError("in the child")
        def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
        def test_leaves(): os._exit(0)
        def test_skips(): pytest.skip("in the child")
        @pytest.mark.xfail(reason="known")
        def test_xfails(): assert 0
        @pytest.fixture
        def breaks_after():
            yield
            raise OSError("after")
        def test_teardown(breaks_after): pass
    """,
    "conftest.py": """
        import pytest_forked

        serialize = pytest_forked.serialize_report

        def serialize_report(report):
            # pytest-forked 1.7.5 cannot hand over the objects that identify reports since
            # pytest 9.2: without this, it says of each test that it crashed.
            told = serialize(report)
            identity = told.pop("_id", None)
            return told if identity is None else told | {"nodeid": str(identity)}

        pytest_forked.serialize_report = serialize_report
    """,
}


def test_each_test_of_a_forked_run_is_recorded_once(project: Callable[..., Any]) -> None:
    run = project(FORKED).run("--forked", plugins=("sbhooks", "pytest_forked"))

    found = {r.test.removeprefix("test_forked.py::test_"): str(r.detail) for r in run.results}
    assert found == {
        "before": "passed", "apart": "passed", "fails": "failed", "dies": "error",
        "leaves": "error", "skips": "skipped", "xfails": "xfailed", "teardown": "error",
    }  # fmt: skip
    assert len([r for r in run.results if r.subtest is None]) == len(found)
    assert run.result("test_dies").failure.type == "Crashed"
    assert run.result("test_fails").failure.message == "in the child"
    assert run.end.exit_status == run.status == 1


SHUFFLED = {
    f"test_{name}.py": "\n".join(f"def test_{number}(): pass" for number in range(5))
    for name in ("one", "two")
}


@pytest.mark.parametrize("plugins", [("sbhooks", "random_order"), ("random_order", "sbhooks")])
def test_the_seed_of_a_random_order_is_recorded(
    project: Callable[..., Any], plugins: tuple[str, ...]
) -> None:
    made = project(SHUFFLED)

    run = made.run("--random-order", plugins=plugins)
    seed = run.start.attributes["seed"]
    again = made.run(f"--random-order-seed={seed}", plugins=plugins)

    assert f"--random-order-seed={seed}" in run.output
    assert again.start.attributes["seed"] == seed
    assert [r.test for r in run.results] == [r.test for r in again.results]


def test_an_order_that_is_not_random_has_no_seed(project: Callable[..., Any]) -> None:
    run = project(SHUFFLED).run(plugins=("sbhooks", "random_order"))

    assert {"seed", "order"}.isdisjoint(run.start.attributes)


DRAWING = """
    # As pytest-randomly does.
    def pytest_addoption(parser):
        parser.addoption("--randomly-seed", dest="randomly_seed", default="default")
    def pytest_configure(config):
        if config.option.randomly_seed == "default":
            config.option.randomly_seed = 20261121
"""


@pytest.mark.parametrize("plugins", [("sbhooks", "drawing"), ("drawing", "sbhooks")])
def test_a_seed_that_is_drawn_when_pytest_is_configured_is_recorded(
    project: Callable[..., Any], plugins: tuple[str, ...]
) -> None:
    made = project({"drawing.py": DRAWING, "test_it.py": "def test_it(): pass"})

    run = made.run(plugins=plugins, environ={"PYTHONPATH": str(made.folder)})

    assert run.start.attributes["seed"] == "20261121"


MIXED = {
    "test_mixed.py": """
        import logging, warnings
        import pytest
        def test_pass(): logging.warning("a log")
        def test_fail(): assert 0, "no"
        def test_skip(): pytest.skip("why")
        @pytest.mark.xfail
        def test_xfail(): assert 0
        def test_warn(): warnings.warn("careful", stacklevel=1)
    """
}
DETAILS = ["passed", "failed", "skipped", "xfailed", "passed"]


@pytest.mark.parametrize(
    "missing",
    [
        ["terminal"],
        ["cacheprovider"],
        ["logging"],
        ["terminal", "cacheprovider", "logging", "warnings", "faulthandler", "junitxml", "subtests",
         "unittest", "doctest", "pastebin", "stepwise", "setuponly", "setupplan", "threadexception",
         "unraisableexception", "reports", "debugging"],
    ],
    ids=lambda missing: missing[0] if len(missing) == 1 else "many",
)  # fmt: skip
def test_plugins_of_pytest_that_are_switched_off_are_not_missed(
    project: Callable[..., Any], missing: list[str]
) -> None:
    run = project(MIXED).run(*[word for name in missing for word in ("-p", f"no:{name}")])

    assert [r.detail for r in run.results] == DETAILS
    assert run.status == run.end.exit_status == 1
    assert run.errors == ""
    assert len(run.phases) == 4


def test_beside_all_that_is_installed_the_same_is_recorded(project: Callable[..., Any]) -> None:
    run = project(MIXED).run("-p", "no:asyncio", plugins=(), environ={
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "",
    })  # fmt: skip

    assert [r.detail for r in run.results] == DETAILS
    assert run.start.attributes["plugins"].count("sbhooks-") == 1
    assert "xdist-" in run.start.attributes["plugins"]


SHOWING = {
    "test_shown.py": """
        import pytest
        @pytest.mark.parametrize("number", range(3))
        def test_it(number): assert number != 1, "one"
        def test_sub(subtests):
            with subtests.test(number=2): pass
    """
}


@pytest.mark.parametrize("options", [[], ["-q"], ["-v"], ["-vv", "-rA"], ["--setup-show"]])
def test_the_output_is_what_it_is_without_us(
    project: Callable[..., Any], options: list[str]
) -> None:
    made = project(SHOWING)
    outputs = [
        made.run(*options, "-p", "no:cacheprovider", plugins=plugins)
        for plugins in [("sbhooks",), ()]
    ]
    with_us, without_us = (re.sub(r"in \d+\.\d+s", "in TIME", run.output) for run in outputs)

    named = re.sub(r"plugins: sbhooks-\S+\n", "", with_us)
    assert named.splitlines() == without_us.splitlines()
    assert outputs[0].errors == outputs[1].errors == ""
    assert outputs[0].status == outputs[1].status
    assert outputs[1].events == []


MEDDLING = {
    "test_it.py": "def test_pass(): pass\ndef test_fail(): assert 0\ndef test_last(): pass",
    "conftest.py": """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if report.when == "call" and report.failed:
                report.outcome, report.wasxfail = "skipped", "a plugin knows better"
            return report
    """,
}


def test_what_other_plugins_make_of_an_outcome_is_recorded(project: Callable[..., Any]) -> None:
    run = project(MEDDLING).run()

    assert [r.detail for r in run.results] == ["passed", "xfailed", "passed"]
    assert run.results[1].attributes["reason"] == "a plugin knows better"
    assert run.status == run.end.exit_status == 0


DEBUGGED = {
    "test_it.py": "def test_a(): pass\ndef test_b(): assert 0, 'look'\ndef test_c(): pass",
}


def test_a_debugger_is_not_in_the_way(project: Callable[..., Any]) -> None:
    run = project(DEBUGGED).run("--pdb")  # its standard input is at its end: it quits

    assert [r.detail for r in run.results] == ["passed", "failed"]
    assert run.results[1].failure.message == "look"
    assert run.summary == {"passed": 1, "failed": 1}
    assert (run.end.counts["passed"], run.end.counts["failed"]) == (1, 1)
    assert run.end.exit_status == run.status
    assert run.end.reason == "interrupted at 2 of 3: Exit: Quitting debugger"

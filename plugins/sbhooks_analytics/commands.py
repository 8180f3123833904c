"""The commands that ask: top, runs, show, tests.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import Reading, category_option, limit_option, reading
from sbhooks_analytics import (
    anomaly_commands,
    change_commands,
    couse_commands,
    drift_commands,
    health_commands,
    insight_commands,
    trend_commands,
    upkeep_commands,
)


@click.command()
@reading
@category_option
@click.option("--people", is_flag=True, help="Count sessions and users, too: reads the log.")
@limit_option(20, "skills")
def top(reading: Reading, category: str | None, people: bool, limit: int) -> None:
    """Show what is used most, and how well it ends.

    A skill is whatever a developer or an agent invokes: a tool, a check, a test run. "ok" is
    the share of invocations that ended with success, "between" its 95 % interval (Wilson). One
    that was skipped did not.
    """
    from sbhooks_analytics import draw_runs
    from sbhooks_analytics.activity import top as activity

    query = reading.query(skills=reading.skills_of(category))
    found = activity(reading.store, query, now=reading.now, limit=limit)
    if people:
        from sbhooks_analytics.activity import with_people

        found = with_people(reading.store, query, found)
    reading.show(
        found, lambda out: draw_runs.draw_top(out, found, reading.now), empty=not found.skills
    )


@click.command()
@reading
@limit_option(20, "runs")
def runs(reading: Reading, limit: int) -> None:
    """List the newest runs: how they ended, how long they took."""
    from sbhooks_analytics import draw_runs
    from sbhooks_analytics.runs import Runs
    from sbhooks_analytics.runs import runs as newest

    found = newest(reading.store, reading.query(), now=reading.now, limit=limit)
    reading.show(
        Runs(runs=found), lambda out: draw_runs.draw_runs(out, found, reading.now), empty=not found
    )


@click.command()
@click.argument("run")
@reading
@limit_option(5, "slow tests")
def show(reading: Reading, run: str, limit: int) -> None:
    """Show one run in full: phases, failures, slowest tests.

    RUN is "last", or the name of a run as 'sbhooks runs' shows it: the whole session, or its
    unique beginning or end. Of a run that was stopped or killed it says which test was running.
    """
    from sbhooks_analytics import draw_runs
    from sbhooks_analytics.details import details
    from sbhooks_analytics.runs import find_run

    session = find_run(reading.store, run, reading.query())
    found = details(reading.store, session, now=reading.now, limit=limit)
    reading.show(found, lambda out: draw_runs.draw_details(out, found, reading.now))


@click.group(cls=CommandGroup)
def tests() -> None:
    """Tests: their states, what is slow, flaky, broken or dear, and the history of one."""


@tests.command("list")
@reading
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most that many tests.")
def tests_list(reading: Reading, limit: int | None) -> None:
    """List every test with its counts, one row per test and parameters.

    Attempts are all that is recorded: reruns as well, what was skipped, and what was cut off by
    Ctrl-C or a kill, which is no failure. Times are of attempts that were not skipped.
    """
    from sbhooks_analytics import draw_tests
    from sbhooks_analytics.attempts import TestList, summaries

    known = summaries(reading.store, reading.query())
    found = known[:limit]
    reading.show(
        TestList(tests=found),
        lambda out: draw_tests.draw_tests(out, found, len(known)),
        empty=not found,
    )


@tests.command("slow")
@reading
@click.option("--new", "newly", is_flag=True, help="Only tests that have become slower.")
@limit_option(10, "tests")
def tests_slow(reading: Reading, newly: bool, limit: int) -> None:
    """Show where the time goes: the tests with the largest share of it.

    The time of a test is that of its setup, call and teardown, over all attempts that were
    timed: neither skipped nor cut off. Half of the attempts took no longer than p50, 95 % no
    longer than p95. Tests that have become slower, and not faster again, are marked; 'sbhooks
    changes' tells more of them.
    """
    from sbhooks_analytics import draw_tests
    from sbhooks_analytics.attempts import slow
    from sbhooks_analytics.numbers import have_numbers, need_numbers

    if newly:
        need_numbers()
        from sbhooks_analytics.newly_slow import newly_slow

        found = newly_slow(reading.store, reading.query(), now=reading.now, limit=limit)
    else:
        found = slow(reading.store, reading.query(), limit=limit)
        if have_numbers():
            from sbhooks_analytics.newly_slow import with_changes

            found = with_changes(reading.store, reading.query(), found, now=reading.now)
    if newly and not found.tests:
        reading.show(found, lambda out: out.line("No test has become slower."))
        return
    reading.show(found, lambda out: draw_tests.draw_slow(out, found), empty=not found.tests)


@tests.command("flaky")
@reading
@limit_option(20, "tests")
def tests_flaky(reading: Reading, limit: int) -> None:
    """Show the tests that passed and failed on the same code.

    A test is flaky when attempts within one run differ (reruns), or when runs differ whose
    commit and files are known to be the same. Runs whose code is not known are never compared.

    The failure rate is the share of failures on code on which the test also passed, with
    Wilson's 95 % interval; below 5 attempts it says "not enough data". Failures on code on
    which a test never passed may be real, and are not counted.
    """
    from sbhooks_analytics import draw_tests
    from sbhooks_analytics.flaky import flaky

    found = flaky(reading.store, reading.query(), now=reading.now, limit=limit)
    reading.show(found, lambda out: draw_tests.draw_flaky(out, found, reading.now))


@tests.command("history")
@click.argument("test")
@reading
@limit_option(20, "attempts")
def tests_history(reading: Reading, test: str, limit: int) -> None:
    """Show the newest attempts at one test.

    TEST is the id of a test, with or without parameters, or a part of it that no other test
    has. Without parameters, attempts with all of them are shown.
    """
    from sbhooks_analytics import draw_tests
    from sbhooks_analytics.history import find_test, history

    key = find_test(reading.store, test, reading.query())
    found = history(reading.store, reading.query(), key, now=reading.now, limit=limit)
    reading.show(found, lambda out: draw_tests.draw_history(out, found, reading.now))


for _command in health_commands.COMMANDS:
    tests.add_command(_command)

COMMANDS = (
    top,
    runs,
    show,
    tests,
    *trend_commands.COMMANDS,
    *anomaly_commands.COMMANDS,
    *change_commands.COMMANDS,
    *drift_commands.COMMANDS,
    *insight_commands.COMMANDS,
    *couse_commands.COMMANDS,
    *upkeep_commands.COMMANDS,
)

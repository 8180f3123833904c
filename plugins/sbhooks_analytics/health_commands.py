"""Commands of the group ``tests`` about health; heavy imports stand inside."""

from __future__ import annotations

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import Reading, limit_option, reading


@click.command("health")
@reading
@click.option(
    "--state", type=click.Choice(("broken", "flaky", "slow", "new", "unknown", "healthy")),
    help="Only tests in this state.",
)  # fmt: skip
@limit_option(50, "tests")
def tests_health(reading: Reading, state: str | None, limit: int) -> None:
    """Show the state of each test: broken, flaky, slow, new, unknown or healthy.

    Broken: failed in each of its last two runs or more, on code on which it never passed. Flaky:
    passed and failed on the same code, and has not passed often enough since. Unknown: fewer than
    five attempts passed or failed.
    """
    from sbhooks_analytics.draw_health import draw_health
    from sbhooks_analytics.health import TestStates, counted, health

    every = health(reading.store, reading.query(), now=reading.now)
    some = [one for one in every if state in {None, one.state}][:limit]
    found = TestStates(tests=some, counts=counted(every))
    reading.show(found, lambda out: draw_health(out, found), empty=not every)


@click.command("broken")
@reading
@limit_option(20, "tests")
def tests_broken(reading: Reading, limit: int) -> None:
    """Show the tests that failed in each of their last two runs or more.

    Failures on code on which a test also passed do not count, and of a flaky test it takes more
    runs: so many that it would fail in all of them by chance in less than one of twenty cases.
    """
    from sbhooks_analytics.broken import BrokenTests, broken
    from sbhooks_analytics.draw_health import draw_broken

    every = broken(reading.store, reading.query(), now=reading.now)
    found = BrokenTests(tests=every[:limit])
    reading.show(found, lambda out: draw_broken(out, found, reading.now))


@click.command("failures")
@reading
@limit_option(20, "incidents")
def tests_failures(reading: Reading, limit: int) -> None:
    """Group failures by their cause: one that fails 300 tests is one incident.

    Failures belong together when exception and place in the project are the same and their
    messages are alike, or when ten tests of one run failed with the same message.
    """
    from sbhooks_analytics.draw_health import draw_failures
    from sbhooks_analytics.failures import incidents

    found = incidents(reading.store, reading.query(), limit=limit)
    reading.show(found, lambda out: draw_failures(out, found, reading.now))


@click.command("cost")
@reading
@limit_option(20, "tests")
def tests_cost(reading: Reading, limit: int) -> None:
    """Show what tests cost: time, reruns, and time lost by failures that reruns made good.

    Reruns are attempts beyond the first in one run, as 'sbhooks show' counts them. Time counts as
    lost where a test failed in a run and passed in it in the end.
    """
    from sbhooks_analytics.cost import cost
    from sbhooks_analytics.draw_health import draw_cost

    found = cost(reading.store, reading.query(), limit=limit)
    reading.show(found, lambda out: draw_cost(out, found), empty=not found.tests)


@click.command("why")
@click.argument("test")
@reading
def tests_why(reading: Reading, test: str) -> None:
    """Look for what a test's failures depend on: order, worker, hour or seed.

    TEST is the id of a test or a part of it. Prints a command that may reproduce it.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.dependence import why
    from sbhooks_analytics.draw_health import draw_why
    from sbhooks_analytics.history import find_test

    key = find_test(reading.store, test, reading.query())
    found = why(reading.store, reading.query(), key)
    reading.show(found, lambda out: draw_why(out, found))


@click.command("select")
@reading
@click.option(
    "--budget",
    type=click.FloatRange(0, 1),
    default=0.25,
    show_default=True,
    metavar="SHARE",
    help="Of the time of all tests.",
)
def tests_select(reading: Reading, budget: float) -> None:
    """Choose the tests to run first when there is not time for all.

    Prints ids, one on a line, the most promising first, and how many of your earlier failing runs
    such a selection would have noticed. What failed last time is always selected.
    """
    from sbhooks_analytics.draw_health import draw_selection
    from sbhooks_analytics.selection import select

    found = select(reading.store, reading.query(), budget=budget)
    names = [one.name for one in found.tests]
    reading.show(found, lambda out: draw_selection(out, found, names))


@click.group("quarantine", cls=CommandGroup)
def tests_quarantine() -> None:
    """Flaky tests whose failures are known, each with an owner and an end."""


@tests_quarantine.command("list")
@reading
def quarantine_list(reading: Reading) -> None:
    """List the tests in quarantine, and what they are by now."""
    from sbhooks_analytics.draw_health import draw_quarantine
    from sbhooks_analytics.quarantine import quarantined

    found = quarantined(reading.store, reading.query(), now=reading.now)
    reading.show(found, lambda out: draw_quarantine(out, found, reading.now))


@tests_quarantine.command("add")
@click.argument("test")
@reading
@click.option("--owner", required=True, metavar="NAME", help="Who looks after it.")
@click.option(
    "--days",
    type=click.IntRange(1, 90),
    default=14,
    show_default=True,
    metavar="N",
    help="When it ends by itself.",
)
@click.option("--note", metavar="TEXT", help="Why, in a few words.")
def quarantine_add(reading: Reading, test: str, owner: str, days: int, note: str | None) -> None:
    """Put a flaky test into quarantine.

    TEST is the id of a test or a part of it. Tests that are not flaky are refused: a broken test
    in quarantine hides a bug.
    """
    from sbhooks_analytics.decisions import take_down
    from sbhooks_analytics.history import find_test
    from sbhooks_analytics.quarantine import admit

    key = find_test(reading.store, test, reading.query())
    event = admit(
        reading.store, reading.query(), key, owner=owner[:100], days=days,
        note=note[:500] if note else None, now=reading.now,
    )  # fmt: skip
    take_down(reading, event)
    _told(reading, event.test, event.params, "is in quarantine now", active=True)


@tests_quarantine.command("remove")
@click.argument("test")
@reading
@click.option("--note", metavar="TEXT", help="Why, in a few words.")
def quarantine_remove(reading: Reading, test: str, note: str | None) -> None:
    """Take a test out of quarantine. TEST is its id or a part of it."""
    from sbhooks.errors import SbhooksError
    from sbhooks_analytics.attempts import name_of
    from sbhooks_analytics.decisions import Quarantine, take_down
    from sbhooks_analytics.quarantine import quarantined

    listed = quarantined(reading.store, reading.query(), now=reading.now).tests
    found = [one for one in listed if test in name_of(one.test, one.params)]
    if len(found) != 1:
        what = "no test" if not found else f"{len(found)} tests"
        raise SbhooksError(
            f"{what} in quarantine matches {test!r}. List them with: sbhooks tests quarantine list"
        )
    one = found[0]
    take_down(reading, Quarantine(
        source="analytics", session="quarantine", test=one.test, params=one.params,
        project=one.project, active=False, note=note[:500] if note else None,
    ))  # fmt: skip
    _told(reading, one.test, one.params, "is not in quarantine any more", active=False)


def _told(reading: Reading, test: str, params: str | None, what: str, *, active: bool) -> None:
    from sbhooks_analytics.attempts import name_of
    from sbhooks_analytics.quarantine import Admitted, Removed

    kind = Admitted if active else Removed
    done = kind(test=test, params=params, active=active)
    reading.show(done, lambda out: out.line(f"{name_of(test, params)} {what}."))


COMMANDS = (
    tests_health, tests_broken, tests_failures, tests_cost, tests_why, tests_select,
    tests_quarantine,
)  # fmt: skip

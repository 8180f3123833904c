"""The command ``changes``; everything but click is imported inside."""

from __future__ import annotations

import click

from sbhooks.cli_options import Reading, limit_option, reading


@click.command()
@click.argument("name", required=False)
@reading
@limit_option(10, "changes")
def changes(reading: Reading, name: str | None, limit: int) -> None:
    """Show where tests and skills reached a new level, and what lies in between.

    Looks at the durations of the tests that take the most time, run by run, and at completion
    rates and durations of skills, day by day, over the last 180 days or since --since. A change
    is attributed to the commits, versions and options that differ between the last run before
    it and the first run after it. NAME is a part of the name of a test or skill.
    """
    import msgspec

    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.changes import changes as look
    from sbhooks_analytics.changes import title_of
    from sbhooks_analytics.draw_changes import draw_changes

    found = look(reading.store, reading.query(), now=reading.now)
    if name is not None:
        some = [one for one in found.changes if name in title_of(one)]
        found = msgspec.structs.replace(found, changes=some)
    reading.show(found, lambda out: draw_changes(out, found, limit))


COMMANDS = (changes,)

"""The commands ``changes list|confirm|reject|fixed|reopen|comment``; heavy imports stand inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import Reading, limit_option, reading

if TYPE_CHECKING:
    from sbhooks_analytics.changes import Changes
    from sbhooks_analytics.decisions import Triage


class ListsByDefault(CommandGroup):
    """A group whose command ``list`` need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` in front of anything that names no command."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["list", *args])


@click.group(cls=ListsByDefault)
def changes() -> None:
    """Where tests and skills reached a new level, and what lies in between.

    Without a command: list. 'sbhooks changes NAME' lists those of one test or skill.
    """


@changes.command("list")
@click.argument("name", required=False)
@reading
@click.option("--all", "everything", is_flag=True, help="Also what was rejected or fixed.")
@limit_option(10, "changes")
def changes_list(reading: Reading, name: str | None, everything: bool, limit: int) -> None:
    """Show where tests and skills reached a new level, and what lies in between.

    Looks at the durations of the tests that take the most time, run by run, and at completion
    rates and durations of skills, day by day, over the last 180 days or since --since. A change
    is attributed to the commits, versions and options that differ between the last run before
    it and the first run after it. NAME is a part of the name of a test or skill.
    """
    import msgspec

    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.changes import title_of
    from sbhooks_analytics.draw_changes import draw_changes

    found = _found(reading)
    if name is not None:
        some = [one for one in found.changes if name in title_of(one)]
        found = msgspec.structs.replace(found, changes=some)
    shown = [one for one in found.changes if everything or one.triage in {"new", "confirmed"}]
    reading.show(found, lambda out: draw_changes(out, found, shown, limit))


_note_option = click.option("--note", metavar="TEXT", help="Why, in a few words.")


def _judging(verdict: str | None, what: str) -> Callable[..., None]:
    def judge(reading: Reading, change: str, note: str | None) -> None:
        _judge(reading, change, cast("Triage | None", verdict), note)

    judge.__doc__ = (
        f"{what}\n\nCHANGE is an id as 'sbhooks changes' shows it, or its beginning. What is said "
        "is recorded as an event; the newest judgement counts, and comments stay."
    )
    return judge


for _name, _verdict, _what in (
    ("confirm", "confirmed", "Say that a change is real: acknowledge it."),
    ("reject", "rejected", "Say that a change is none, or does not matter: dismiss it."),
    ("fixed", "fixed", "Say that what a change is about has been put right."),
    ("reopen", "new", "Take back what was said about a change."),
):
    _command = _note_option(reading(_judging(_verdict, _what)))
    changes.command(_name)(click.argument("change")(_command))


@changes.command("comment")
@click.argument("change")
@click.argument("text")
@reading
def changes_comment(reading: Reading, change: str, text: str) -> None:
    """Say something about a change, and leave its state as it is.

    CHANGE is an id as 'sbhooks changes' shows it, or its beginning.
    """
    _judge(reading, change, None, text)


def _judge(reading: Reading, name: str, verdict: Triage | None, note: str | None) -> None:
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.change_triage import document_of, judgement
    from sbhooks_analytics.decisions import pick, take_down
    from sbhooks_analytics.draw_changes import draw_judged

    one = pick(_found(reading).changes, name, what="change", command="sbhooks changes")
    event = judgement(one, verdict or one.triage, note)
    take_down(reading, event)
    done = document_of(event, is_comment=verdict is None)
    reading.show(done, lambda out: draw_judged(out, done))


def _found(reading: Reading) -> Changes:
    from sbhooks_analytics.changes import changes as look

    return look(reading.store, reading.query(), now=reading.now)


COMMANDS = (changes,)

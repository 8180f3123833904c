"""Groups of commands whose list says what each command does, in full."""

from __future__ import annotations

import click

_LONGEST = 200  # letters of a first sentence


class CommandGroup(click.Group):
    """A group that cuts off no description where it lists its commands.

    click ends each with dots where the line ends; here it goes on in the next line. For plugins:
    ``@click.group(cls=CommandGroup)``. Groups within are of the same class.
    """

    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the whole first sentence of each."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(_LONGEST))
            for name, command in found
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

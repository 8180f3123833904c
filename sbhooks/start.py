"""Where the command ``sbhooks`` begins.

``sbhooks NAME run … COMMAND`` runs another command in its place and must cost it as little as
possible, so it goes straight to the runner that the entry-point group ``sbhooks.runners`` has
under that name. All else is for :mod:`sbhooks.cli`, which also answers what a runner leaves to
it: help, and arguments that cannot be understood.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RUNNERS = "sbhooks.runners"  #: Entry-point group; each takes what follows ``run``.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) > 2 and given[1] == "run":
        runner = _runner(given[0])
        status = runner(given[2:]) if runner is not None else None
        if status is not None:
            return status
    from sbhooks.cli import main as command_line

    return command_line(given)


def _runner(name: str) -> Callable[[Sequence[str]], int | None] | None:
    from sbhooks import entries

    for entry in entries.installed(RUNNERS).entries:
        if entry.name == name:
            try:
                runner: Callable[[Sequence[str]], int | None] = entry.load()
            except Exception:  # noqa: BLE001 - the whole command line says what is wrong
                return None
            return runner
    return None

"""Where the command ``sbhooks`` begins.

``sbhooks NAME run … COMMAND`` runs another command in its place and must cost it as little as
possible. So it goes straight to the module ``sbhooks_run`` beside the module of the plugin NAME,
and neither loads plugins nor builds a command line. All else is for :mod:`sbhooks.cli`, which
also answers what such a module leaves to it: help, and arguments that cannot be understood.

An entry-point group of its own would say the same, but pytest parses every line that any
distribution declares, twice in each run; a convention costs nobody anything. For the same reason
one line may stand for a table of plugins (:mod:`sbhooks.entries`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sbhooks.entries import Entry

GROUP = "sbhooks"  #: Entry-point group of plugins.
RUNNER = "sbhooks_run"  #: Module beside a plugin's; its ``main`` takes what follows ``run``.


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
    """What runs a command in place of the plugin's own; ``None`` where it has no such module."""
    from importlib import import_module

    for entry in _named(name):
        package = entry.value.partition(":")[0].rpartition(".")[0].strip()
        if package:
            try:
                runner: Callable[[Sequence[str]], int | None] = import_module(
                    f"{package}.{RUNNER}"
                ).main
            except Exception:  # noqa: BLE001 - the whole command line says what is wrong
                return None
            return runner
    return None


def _named(name: str) -> Iterator[Entry]:
    """The entries of plugins with a name: ours first, those in bundles last."""
    from sbhooks import entries

    found = entries.installed(GROUP).entries
    for entry in sorted(found, key=lambda each: (each.distribution != GROUP, each.is_bundle)):
        try:
            plugins = entry.plugins() if entry.is_bundle else [entry]
        except (Exception, SystemExit):  # noqa: BLE001 - as above
            plugins = []
        yield from (plugin for plugin in plugins if plugin.name == name)

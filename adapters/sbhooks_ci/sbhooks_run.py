"""``sbhooks ci run … -- COMMAND``: runs a command in its place and records the stage.

The command comes first. Its streams, its terminal, its signals and its exit status are what
they would be without us (128 + n when a signal ended it); whatever goes wrong with recording is
kept for ``sbhooks doctor`` and not said. Nothing is written before the command runs, and what
is recorded of it is its program's name, never its arguments.

A trace (``TRACEPARENT``) is continued: the command gets the same trace with a span of its own.
``SBHOOKS_SESSION`` tells recorders inside it, such as the one of pytest, which stage they are in.

Standard library only, and as little of it as possible: the command pays for it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sbhooks import child
from sbhooks_ci.stage import Labels, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sbhooks.emitter import Emitter

SOURCE = "ci"
_OPTIONS = {
    "--stage": "stage",
    "--skill": "skill",
    "--environment": "environment",
    "--triggered-by": "triggered_by",
}


def main(arguments: Sequence[str]) -> int | None:
    """Run the command that the arguments name.

    Args:
        arguments: What follows ``sbhooks ci run``.

    Returns:
        The command's exit status; ``None`` when the arguments are for the whole command line
        to answer: help, and what cannot be understood.
    """
    parsed = parse(arguments)
    return None if parsed is None else execute(*parsed)


def parse(arguments: Sequence[str]) -> tuple[list[str], Labels] | None:
    """Command and labels; ``None`` when they are not plain."""
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name not in _OPTIONS or not (equals or rest) or (not equals and rest[0] == "--"):
            return None
        given[_OPTIONS[name]] = value if equals else rest.pop(0)
    return (rest, Labels(**given)) if rest else None


def execute(command: Sequence[str], labels: Labels) -> int:
    """Run a command, and record it if recording is on."""
    environ = dict(os.environ)
    recording = _Recording(command, labels, environ)
    ended = child.run(command, {**environ, **recording.environ}, recording.begin)
    if ended.error:
        print(child.complaint(command, ended), file=sys.stderr)
        recording.begin()
    recording.end(ended)
    return ended.status


class _Recording:
    """The stage as it is recorded; silent, whatever happens."""

    def __init__(self, command: Sequence[str], labels: Labels, environ: Mapping[str, str]) -> None:
        self._command, self._labels, self._before = command, labels, environ
        self._emitter: Emitter | None = None
        self._stage: Stage | None = None
        self._span = ""
        self._began_us = 0
        self.environ: dict[str, str] = {}
        try:
            from sbhooks.emitter import Emitter

            emitter = Emitter.start(SOURCE, environ)
            if emitter.enabled:
                self._emitter = emitter
                self._began_us = emitter.clock.now_us()
                self.environ = {"SBHOOKS_SESSION": emitter.session, **self._trace()}
        except Exception:  # noqa: BLE001, S110 - the command comes first
            pass

    def begin(self) -> None:
        """The command runs."""
        if self._emitter is None:
            return
        try:
            from sbhooks.settings import working_folder

            self._stage = Stage(
                self._emitter,
                working_folder(),
                self._before,
                self._command,
                self._labels,
                began_us=self._began_us,
                span=self._span,
            )
            self._stage.begin()
        except Exception as error:  # noqa: BLE001 - the command comes first
            self._emitter.report(f"a stage could not be recorded: {error}")

    def end(self, ended: child.Ended) -> None:
        """The command has ended."""
        if self._emitter is None:
            return
        try:
            if self._stage is not None:
                self._stage.end(ended)
        except Exception as error:  # noqa: BLE001 - the command comes first
            self._emitter.report(f"the end of a stage could not be recorded: {error}")
        self._emitter.close()

    def _trace(self) -> dict[str, str]:
        """The trace that the job is in, with a span of the command's own."""
        from sbhooks.context import traceparent

        given = traceparent(self._before.get("TRACEPARENT", ""))
        if given is None:
            return {}
        version, trace, _, *flags = given.split("-")
        self._span = os.urandom(8).hex()
        return {"TRACEPARENT": "-".join([version, trace, self._span, *flags])}

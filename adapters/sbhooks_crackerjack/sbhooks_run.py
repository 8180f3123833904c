"""``sbhooks crackerjack run -- COMMAND``: runs Crackerjack in its place and records the run.

Nothing of sbhooks is needed in Crackerjack's environment. Streams, terminal, signals and exit
status stay the command's own. The observer in Crackerjack's process appends what it sees to a
file in the home folder; when the command has ended, that becomes events. Where this process was
killed, the file stays, and the next run takes it in.

Standard library only, and as little of it as possible: the command pays for it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from os.path import dirname, join
from typing import Any

from sbhooks import child
from sbhooks.emitter import Emitter
from sbhooks.folders import make_private
from sbhooks_crackerjack.record import SOURCE, Recorder

INJECTED = join(dirname(os.path.abspath(__file__)), "_inject")
LOG = "SBHOOKS_CRACKERJACK_LOG"
_MOST_BYTES = 64 << 20


def main(arguments: Sequence[str]) -> int | None:
    """Run the command that the arguments name.

    Args:
        arguments: What follows ``sbhooks crackerjack run``.

    Returns:
        The exit status; ``None`` when the arguments are for the whole command line to answer.
    """
    rest = list(arguments)
    if rest[:1] == ["--"]:
        rest = rest[1:]
    elif rest and rest[0].startswith("-"):
        return None
    return execute(rest) if rest else None


def execute(command: Sequence[str]) -> int:
    """Run a command, and record what Crackerjack does in it."""
    environ = dict(os.environ)
    recording = _Recording(environ)
    ended = child.run(command, {**environ, **recording.environ}, recording.begin)
    if ended.error:
        print(child.complaint(command, ended), file=sys.stderr)
    else:
        recording.end(ended)
    return ended.status


def observations(path: str) -> list[dict[str, Any]]:
    """What stands in a file of observations; torn and strange lines are left out."""
    found = []
    with open(path, "rb") as file:
        for line in file.read(_MOST_BYTES).splitlines():
            try:
                seen = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(seen, dict):
                found.append(seen)
    return found


def _take_in_left(folder: str, emitter: Emitter) -> None:
    """Record what runs observed whose wrapper was killed; their end is recorded already."""
    for name in os.listdir(folder):
        session, _, rest = name.partition(".")
        number, _, ending = rest.partition(".")
        if ending != "jsonl" or not number.isdecimal() or _is_alive(int(number)):
            continue
        path = join(folder, name)
        mine = f"{path}.{os.getpid()}"
        os.rename(path, mine)  # no other process may take it, too
        left = Emitter(emitter.settings, source=SOURCE, session=session)
        recorder = Recorder(left, folder, {}, began_us=left.clock.now_us())
        for seen in observations(mine):
            recorder.take(seen)
        left.close()
        os.unlink(mine)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


class _Recording:
    """The run as it is recorded; silent, whatever happens."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._before = environ
        self._recorder: Recorder | None = None
        self._emitter: Emitter | None = None
        self._log = ""
        self.environ: dict[str, str] = {}
        try:
            emitter = Emitter.start(SOURCE, environ)
            if emitter.enabled:
                self._prepare(emitter)
        except Exception:  # noqa: BLE001 - the command comes first
            self._emitter = None

    def begin(self) -> None:
        """The command runs."""
        if self._emitter is None:
            return
        try:
            from sbhooks.settings import working_folder

            self._recorder = Recorder(
                self._emitter, working_folder(), self._before, began_us=self._began_us
            )
            self._recorder.begin()
            _take_in_left(dirname(self._log), self._emitter)
        except Exception as error:  # noqa: BLE001 - the command comes first
            self._emitter.report(f"a run could not be recorded: {error}")

    def end(self, ended: child.Ended) -> None:
        """The command has ended: what was observed becomes events."""
        if self._emitter is None or self._recorder is None:
            return
        try:
            for seen in observations(self._log):
                self._recorder.take(seen)
            self._recorder.end(
                None if ended.signal is not None else ended.status,
                stopped=ended.passed_on is not None and ended.status != 0,
            )
            os.unlink(self._log)
        except Exception as error:  # noqa: BLE001 - the command comes first
            self._emitter.report(f"the end of a run could not be recorded: {error}")
        self._emitter.close()

    def _prepare(self, emitter: Emitter) -> None:
        folder = join(emitter.settings.home, "crackerjack")
        make_private(folder)
        self._log = join(folder, f"{emitter.session}.{os.getpid()}.jsonl")
        os.close(os.open(self._log, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._began_us = emitter.clock.now_us()
        self._emitter = emitter
        path = [INJECTED, *filter(None, [self._before.get("PYTHONPATH", "")])]
        self.environ = {
            "PYTHONPATH": os.pathsep.join(path),
            LOG: self._log,
            "SBHOOKS_SESSION": emitter.session,
        }

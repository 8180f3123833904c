"""``sbhooks experiment run``: the variant's command in place of the command itself.

Whoever calls it sees the command: its standard streams are the caller's own, its exit status is
returned, a signal that stops it is passed on. No shell reads it. Exposure and outcome are on disk
before and after; if this process is killed, its outcome is an error.

Nothing is stored when there is no such command. One that is there and cannot be executed has the
outcome of an error, with the exit status that shells use for that.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sbhooks import identity, vcs
from sbhooks.cli_options import warn
from sbhooks.emitter import Emitter
from sbhooks.errors import ExperimentError
from sbhooks.events import Outcome, SessionEnd, SessionStart, Vcs
from sbhooks.settings import HostSettings, here, working_folder
from sbhooks.variants import CONTROL, TREATMENT, Assigner, Assignment
from sbhooks_experiments.desk import Desk
from sbhooks_experiments.kinds import SOURCE, ExperimentOutcome, exposure
from sbhooks_experiments.names import plain_name, unit_name
from sbhooks_experiments.plan import Plan

_NOT_EXECUTABLE = 126
_SIGNALLED = 128  #: Exit statuses above: the number of a signal, as shells count.


class Task(NamedTuple):
    """What is to be run.

    Attributes:
        plan: Of the experiment.
        unit: Whose outcome it will be.
        given: Its variant.
        is_new: Whether the unit meets its variant for the first time.
        words: The command.
    """

    plan: Plan
    unit: str
    given: Assignment
    is_new: bool
    words: list[str]


def run(desk: Desk, name: str, extra: Sequence[str] = ()) -> int:
    """Run the command of this unit's variant.

    Args:
        desk: Knows the experiment.
        name: Of the experiment.
        extra: Further arguments for the command.

    Returns:
        The exit status of the command; 128 and the number of the signal that ended it.

    Raises:
        ExperimentError: There is no such experiment, it was stopped, there is no unit, or a
            variant is no command.
    """
    settings = here()
    emitter = Emitter(settings, source=SOURCE)
    try:
        task = _task(desk, name, emitter.session, extra)
        return _observed(task, emitter, settings)
    finally:
        emitter.close()


def _task(desk: Desk, name: str, session: str, extra: Sequence[str]) -> Task:
    state, share, first = desk.read(name, "run a command of")
    plan = state.plan
    commands = {CONTROL: _command(plan.control), TREATMENT: _command(plan.treatment)}
    unit = unit_name(plan.unit, None, desk.home, session=session)
    if unit in first:
        variant = TREATMENT if first[unit][0] else CONTROL
        given = Assignment(variant, "sticky", plan.ratio)
    else:
        given = Assigner(plan.split(share)).assign(unit, plain_name(plan.unit, None))
    words = [*commands[given.variant or CONTROL], *extra]
    return Task(plan, unit, given, unit not in first, words)


def _command(text: str) -> list[str]:
    """The words of a command that can be started.

    Raises:
        ExperimentError: It cannot.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ExperimentError(f"cannot run {text!r}: {error}. Correct its quotes") from error
    if not words or shutil.which(words[0]) is None:
        what = repr(words[0]) if words else "an empty text"
        raise ExperimentError(
            f"cannot run {text!r}: {what} is no program that is found here. "
            "Install it, or use 'assign' and 'record' for strategies that are no commands"
        )
    return words


def _observed(task: Task, emitter: Emitter, settings: HostSettings) -> int:
    """Run the command between its exposure and its outcome."""
    plan, variant = task.plan, task.given.variant
    began_us = emitter.clock.now_us()
    if variant is not None:
        emitter.emit(_session_start(emitter, settings))
        if task.is_new:
            met = exposure(plan, task.unit, variant, task.given.reason, task.given.share)
            emitter.emit(msgspec.structs.replace(met, session=emitter.session))
        for slot, fate in enumerate(_ends(task, emitter, None, began_us)):
            emitter.will(slot, msgspec.json.encode(fate))
    status = _wait(task.words, {**os.environ, "SBHOOKS_SESSION": emitter.session})
    if variant is not None:
        for event in _ends(task, emitter, status, began_us):
            emitter.emit(event)
    return status


def _wait(words: list[str], environment: dict[str, str]) -> int:
    """Run a command to its end; returns its exit status as a shell would."""
    with _signals() as started:
        try:
            process = subprocess.Popen(words, env=environment)  # noqa: S603 - as was planned
        except OSError as error:
            warn(f"cannot run {words[0]}: {error.strerror}")
            return _NOT_EXECUTABLE
        started(process)
        status = process.wait()
    return _SIGNALLED - status if status < 0 else status


@contextmanager
def _signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Leave it to a command what signals mean, from before it is started until it has ended.

    SIGTERM and SIGHUP are handed over. SIGINT is not: a terminal sends it to the command as well.

    Yields:
        What to call with the process as soon as there is one; earlier signals reach it then.
    """
    running: list[subprocess.Popen[bytes]] = []
    waiting: list[int] = []

    def hand_over(number: int, _: object) -> None:
        if running:
            running[0].send_signal(number)
        else:
            waiting.append(number)

    def started(process: subprocess.Popen[bytes]) -> None:
        running.append(process)
        for number in waiting:
            process.send_signal(number)

    # Handlers of Python's do not outlive exec: the command begins with the usual ones.
    before: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None)
    }
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            number = signal.Signals[name]
            before[number] = signal.signal(number, hand_over)
    try:
        yield started
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ends(
    task: Task, emitter: Emitter, status: int | None, began_us: int
) -> tuple[ExperimentOutcome, SessionEnd]:
    """The outcome and the session's end; without a status, of a process that was killed.

    A killed process has no duration: nobody knows when its work would have ended.
    """
    seconds = None if status is None else (emitter.clock.now_us() - began_us) / 1e6
    outcome = _outcome(status)
    plan = task.plan
    found = ExperimentOutcome(
        source=SOURCE, session=emitter.session, experiment=plan.name, unit=task.unit,
        skill=plan.skill or plan.name, outcome=outcome, duration_s=seconds,
        attributes={} if status is None else {"exit_status": status},
    )  # fmt: skip
    end = SessionEnd(
        source=SOURCE, session=emitter.session, outcome=outcome, exit_status=status,
        duration_s=seconds, reason="killed" if status is None else "finished",
    )  # fmt: skip
    return found, end


def _outcome(status: int | None) -> Outcome:
    if status is None:
        return Outcome.ERROR
    if status in {_SIGNALLED + signal.SIGINT, _SIGNALLED + signal.SIGTERM}:
        return Outcome.CANCELLATION
    if status > _SIGNALLED or status == _NOT_EXECUTABLE:
        return Outcome.ERROR
    return Outcome.FAILURE if status else Outcome.SUCCESS


def _session_start(emitter: Emitter, settings: HostSettings) -> SessionStart:
    """Where, by whom and on what the command runs."""
    found = vcs.checkout(working_folder())
    user, host = identity.who(settings.home)
    name = found and (found.remote or Path(found.root).name)
    return SessionStart(
        source=SOURCE, session=emitter.session, tool="sbhooks experiment run",
        project=settings.project or name or None, user=user, host=host,
        vcs=Vcs(commit=found.commit, branch=found.branch) if found else None,
        parent=os.environ.get("SBHOOKS_SESSION", "")[:100] or None,
    )  # fmt: skip

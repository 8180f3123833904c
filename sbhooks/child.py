"""Runs a command in this process's place: same streams, same terminal, same signals.

The child inherits everything: descriptors, process group, terminal, ignored signals. This
process only waits. What of signals the terminal sends (Ctrl-C, a changed window), the
child gets by itself; what somebody sends to this process alone is passed on. When the child is
stopped (Ctrl-Z), this process stops too, so that the shell takes over, and goes on with it.

A signal sent with ``kill`` to the whole process group reaches the child twice: nobody can tell
it from one that was meant for this process.

POSIX only. Standard library only: host processes import this module.
"""

from __future__ import annotations

import os
import signal
import sys
from errno import ENOENT, ENOEXEC
from os.path import dirname, isfile, join
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NOT_FOUND = 127  #: Exit status of shells when there is no such command.
NOT_EXECUTABLE = 126  #: Exit status of shells when it cannot be run.
_PASSED_ON = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP,
)  # fmt: skip
#: Python ignores these for itself; a program that it starts must not inherit that.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        status: As a shell tells it: 128 + n for signal n.
        signal: The signal that killed it; ``None`` when it exited.
        passed_on: The last signal that this process passed on to it.
        error: Why it could not be started; "" when it was.
    """

    status: int
    signal: int | None = None
    passed_on: int | None = None
    error: str = ""


def complaint(command: Sequence[str], ended: Ended) -> str:
    """What to say of a command that could not be started: its program as a shell would write it."""
    from shlex import quote

    return f"sbhooks: {quote(command[0])}: {ended.error}"


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    started: Callable[[], None] = lambda: None,
) -> Ended:
    """Run a command to its end.

    Args:
        command: Program and arguments; never a shell's line.
        environ: Its environment.
        started: Called once it runs; what it raises is the caller's fault.
    """
    waited = {*_PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    handler = signal.signal(signal.SIGCHLD, _awake)  # an ignored one would take the status away
    try:
        try:
            pid = _spawn(command, _without_coercion(environ), before)
        except (OSError, ValueError) as error:
            return _not_started(error)
        started()
        return _follow(pid, waited)
    finally:
        signal.signal(signal.SIGCHLD, handler if handler is not None else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _without_coercion(environ: Mapping[str, str]) -> Mapping[str, str]:
    """An environment without the ``LC_CTYPE`` that Python sets for itself where there is no locale.

    The command would see another locale than without us.

    References:
        PEP 538, "Coercing the legacy C locale to a UTF-8 based locale".
    """
    if environ.get("LC_CTYPE") not in {"C.UTF-8", "C.utf8", "UTF-8"}:
        return environ
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read().split(b"\0")
    except OSError:  # not Linux: nobody can tell who set it
        return environ
    if not any(given) or any(line.startswith(b"LC_CTYPE=") for line in given):
        return environ
    return {name: value for name, value in environ.items() if name != "LC_CTYPE"}


def _awake(*_: object) -> None:
    return


def _spawn(command: Sequence[str], environ: Mapping[str, str], mask: set[int]) -> int:
    name = command[0]
    if not name:  # posix_spawnp would not say what is missing
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT))
    try:
        return os.posix_spawnp(name, [*command], environ, setsigmask=mask, setsigdef=_RESTORED)
    except OSError as error:
        if error.errno != ENOEXEC:
            raise
    # A script without #!, which every shell runs itself.
    shell = ["/bin/sh", _path(name, environ), *command[1:]]
    return os.posix_spawn(shell[0], shell, environ, setsigmask=mask, setsigdef=_RESTORED)


def _path(name: str, environ: Mapping[str, str]) -> str:
    if dirname(name):
        return name
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = join(folder or os.curdir, name)
        if isfile(path) and os.access(path, os.X_OK):
            return path
    return name


def _follow(pid: int, waited: set[signal.Signals]) -> Ended:
    """Wait for a child, and pass signals on to it."""
    passed_on: int | None = None
    while True:
        number, was_sent = _next(waited)
        if number == signal.SIGCHLD:
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if not found:
                continue
            if os.WIFSTOPPED(status):
                os.kill(os.getpid(), signal.SIGSTOP)
                os.kill(pid, signal.SIGCONT)
                continue
            if os.WIFSIGNALED(status):
                killer = os.WTERMSIG(status)
                return Ended(128 + killer, killer, passed_on)
            return Ended(os.WEXITSTATUS(status), None, passed_on)
        if was_sent:
            passed_on = number
            os.kill(pid, number)
        elif number in {signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}:
            passed_on = number


def _next(waited: set[signal.Signals]) -> tuple[int, bool]:
    """The next signal, and whether a process sent it; otherwise the terminal did."""
    if hasattr(signal, "sigwaitinfo"):
        told = signal.sigwaitinfo(waited)
        return told.si_signo, told.si_code <= 0
    number = signal.sigwait(waited)  # macOS: whoever has a terminal uses it
    by_terminal = number in {signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH}
    return number, not (by_terminal and sys.stdin is not None and os.isatty(0))


def _not_started(error: OSError | ValueError) -> Ended:
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    reason = getattr(error, "strerror", None) or str(error)
    return Ended(NOT_FOUND if missing else NOT_EXECUTABLE, error=reason)

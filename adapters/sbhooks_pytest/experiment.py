"""``--sbhooks-experiment NAME``: this run takes part in an experiment.

The run's unit gets its variant, the variant's options are added to the command line, and how the
run ended is recorded as the unit's outcome. Options that are written on the command line win over
the variant's, and those win over ``addopts``.

What is known of experiments stands in the small file that :mod:`sbhooks.variants` reads; whoever
collects keeps it. A name that it does not hold is an error of usage: nothing runs, and nothing is
recorded. Where recording is switched off, the run is as it would be without the option.
"""

from __future__ import annotations

import os
import shlex
from os.path import basename
from typing import TYPE_CHECKING, Any

import pytest

from sbhooks import identity, variants, vcs
from sbhooks.emitter import Emitter
from sbhooks.ids import iso
from sbhooks.variants import TREATMENT, Assigner, Assignment, Running
from sbhooks_pytest.results import as_json, encode

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

NAME = "sbhooks-experiment"
_PROGRAMS = frozenset({"pytest", "py.test"})

#: pytest's exit statuses → outcome; all others are errors.
_OUTCOMES = {0: "success", 1: "failure", 2: "cancellation", 5: "skip"}


class Early:
    """Adds the options of a variant while that still helps.

    Args:
        name: Of the experiment.
        is_wanted: Whether a run is to be recorded.
    """

    def __init__(
        self, name: str, is_wanted: Callable[[pytest.Config, argparse.Namespace], bool]
    ) -> None:
        self._name = name
        self._is_wanted = is_wanted

    def pytest_load_initial_conftests(self, early_config: pytest.Config, args: list[str]) -> None:
        """Options are known, and not final yet."""
        if self._is_wanted(early_config, early_config.known_args_namespace):
            apply(early_config, args, self._name)


def join(
    manager: pytest.PytestPluginManager,
    name: str,
    is_wanted: Callable[[pytest.Config, argparse.Namespace], bool],
) -> str:
    """Take part in a run that names an experiment; pytest parses its options several times.

    Returns:
        The name, which is the option's value.
    """
    if not manager.has_plugin(f"{NAME}-early"):
        manager.register(Early(name, is_wanted), f"{NAME}-early")
    return name


def apply(config: pytest.Config, args: list[str], name: str) -> None:
    """Add the options of this run's variant to its arguments, and see how the run ends.

    Args:
        config: Early: its options are not final yet.
        args: All arguments, changed in place.
        name: Of the experiment.

    Raises:
        pytest.UsageError: There is no such experiment running, or it is none of pytest.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # the process that started this worker has handed over its options
    emitter = Emitter.start("pytest")
    if not emitter.enabled:
        return
    running = variants.load(emitter.settings.home).get(name)
    if running is None:
        raise pytest.UsageError(
            f"--sbhooks-experiment: no experiment {name!r} is running. Run: sbhooks experiment list"
        )
    unit, plain = _unit(running, emitter, str(config.rootpath))
    given = Assigner(running.split, running.pins).assign(unit, plain)
    words = options(running.treatment if given.variant == TREATMENT else running.control)
    place = _place(args, [str(arg) for arg in config.invocation_params.args])
    args[place:place] = words
    observer = Observer(config, emitter, running, unit=unit, given=given, words=words)
    config.pluginmanager.register(observer, NAME)


def options(command: str) -> list[str]:
    """What a variant adds to pytest's command line.

    Raises:
        pytest.UsageError: It is neither a command that calls pytest nor options for it.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise pytest.UsageError(f"--sbhooks-experiment: {command!r}: {error}") from error
    program = next((n for n, word in enumerate(words) if basename(word) in _PROGRAMS), None)
    if program is None and words and not words[0].startswith("-"):
        raise pytest.UsageError(
            f"--sbhooks-experiment: {command!r} is no call of pytest, and no options for it"
        )
    added = words if program is None else words[program + 1 :]
    if any(word.startswith("-p") and not word.startswith("--") for word in added):
        raise pytest.UsageError(
            f"--sbhooks-experiment: {command!r}: plugins are loaded before a variant is chosen. "
            "Write -p on the command line"
        )
    return added


def _place(args: Sequence[str], given: Sequence[str]) -> int:
    """Where the command line begins: behind ``addopts``."""
    start = len(args) - len(given)
    return start if start >= 0 and list(args[start:]) == list(given) else 0


def _unit(running: Running, emitter: Emitter, root: str) -> tuple[str, str | None]:
    """The unit of this run, and the name that the old hash knows it by.

    Raises:
        pytest.UsageError: There is no such unit here.
    """
    if running.unit == "session":
        return emitter.session, None
    if running.unit == "user":
        return identity.who(emitter.settings.home)[0], identity.user_name()
    found = vcs.checkout(root)
    if running.unit == "commit" and found is not None and found.commit:
        return found.commit, None
    if running.unit == "repository" and found is not None:
        return emitter.settings.project or found.remote or basename(found.root), None
    raise pytest.UsageError(
        f"--sbhooks-experiment: cannot tell the {running.unit}: {root} is in no git repository "
        "with a commit"
    )


class Observer:
    """Records that the unit met its variant, and how the run ended."""

    def __init__(
        self,
        config: pytest.Config,
        emitter: Emitter,
        running: Running,
        *,
        unit: str,
        given: Assignment,
        words: list[str],
    ) -> None:
        self._config = config
        self._emitter = emitter
        self._running = running
        self._unit = unit
        self._given = given
        self._words = words
        self._outcome_id = emitter.new_id()
        self._began_us = emitter.clock.now_us()
        self._session: pytest.Session | None = None

    def __dir__(self) -> list[str]:  # pytest looks for hooks in every attribute
        return [name for name in vars(type(self)) if name.startswith("pytest_")]

    def pytest_report_header(self) -> str:
        """Say which variant this run has: its output may differ."""
        what = self._given.variant or f"no part ({self._given.reason})"
        return f"experiment {self._running.split.experiment}: {what} {shlex.join(self._words)}"

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """The run begins with its variant; if it is killed, its outcome is an error."""
        self._session = session
        if self._given.variant is None:
            return
        share, plan = self._given.share, self._running.plan[:12]
        self._emit("exposure", self._emitter.new_id(), {
            "variant": self._given.variant, "reason": self._given.reason,
            "attributes": {"share": float(share), "plan": plan},
        })  # fmt: skip
        fate = self._event("outcome", self._outcome_id, {
            "skill": self._skill(), "outcome": "error",
        })  # fmt: skip
        self._emitter.will(0, encode(as_json(fate)))

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """The run is over, and its exit status final."""
        session = self._session
        if session is not None and self._given.variant is not None:
            status = int(session.exitstatus)
            seconds = (self._emitter.clock.now_us() - self._began_us) / 1e6
            self._emit("outcome", self._outcome_id, {
                "skill": self._skill(), "outcome": _OUTCOMES.get(status, "error"),
                "duration_s": seconds, "attributes": {"exit_status": status},
            })  # fmt: skip
        self._emitter.close()

    def _skill(self) -> str:
        return self._running.skill or self._running.split.experiment

    def _emit(self, kind: str, identity_: str, fields: dict[str, Any]) -> None:
        self._emitter.emit_line(encode(as_json(self._event(kind, identity_, fields))))

    def _event(self, kind: str, identity_: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {
            "kind": kind, "source": "pytest", "session": self._recorded_in(), "id": identity_,
            "at": iso(self._emitter.clock.now_us()),
            "experiment": self._running.split.experiment, "unit": self._unit, **fields,
        }  # fmt: skip

    def _recorded_in(self) -> str:
        """The session of the recorder, which says by whom and on what the run was."""
        recorder = self._config.pluginmanager.get_plugin("sbhooks-recorder")
        return getattr(recorder, "session", None) or self._emitter.session

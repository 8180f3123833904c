"""Listens to one pytest run. Every hook is guarded: no trouble of ours reaches pytest.

Functions are bound when this module is imported, and everything that a test could change
(environment, working directory, process id) is read when pytest is configured.
"""

from __future__ import annotations

import sys
from os import environ
from typing import TYPE_CHECKING

import pytest

from sbhooks.emitter import Emitter
from sbhooks_pytest.listeners import Listener, Local, Remote
from sbhooks_pytest.privacy import Privacy
from sbhooks_pytest.results import Results
from sbhooks_pytest.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME = "sbhooks-recorder"
_FAILED = "the recorder failed and stopped"


def start(config: pytest.Config) -> None:
    """Register a recorder for this run, unless the settings switch it off."""
    emitter = Emitter.start("pytest", environ)
    if emitter.enabled:
        recorder = Recorder(config, emitter)
        config.pluginmanager.register(recorder, NAME)
        config.pluginmanager.register(recorder.listener, f"{NAME}-tests")
        recorder.tell()


class Recorder(Listener):
    """The hooks of one run; the package's docstring says what becomes of each."""

    def __init__(self, config: pytest.Config, emitter: Emitter) -> None:
        super().__init__()
        dist = getattr(config.option, "dist", "no")
        settings = emitter.settings
        self._config = config
        self._emitter = emitter
        given = dict(environ)
        self._privacy = privacy = Privacy(settings, str(config.rootpath), given)
        self._session = session = Session(config, emitter, privacy, given, distributed=dist != "no")
        self._results = results = Results(
            emitter,
            session.invocation,
            privacy,
            secret=session.secret() if settings.redact else None,
            groups=dist == "loadgroup",
            live=dist == "no" and not getattr(config.option, "forked", False),
        )
        results.renew = session.foresee
        self.listener = (
            Local(results, self._give_up)
            if dist == "no"
            else Remote(results, self._give_up, each=dist == "each")
        )
        self._pytest_session: pytest.Session | None = None

    @property
    def session(self) -> str:
        """Identity of the recorded session."""
        return self._emitter.session

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """The run begins."""
        try:
            self._pytest_session = session
            self._session.start(self._results)
        except Exception as error:  # noqa: BLE001 - the host comes first
            self._give_up(error)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All tests are known."""
        try:
            self._session.collected = len(session.items)
            self._session.enter("execution")
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        """A worker of xdist knows all tests."""
        try:
            self._session.collected = len(ids)
            self._session.enter("execution")
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file was collected; of interest only if not."""
        if report.outcome == "passed":
            return
        try:
            self._results.add_collection(report)
            if report.outcome == "failed":
                self._session.collection_errors += 1
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Some tests will not run, on purpose."""
        self._session.deselected += len(items)

    def pytest_warning_recorded(self) -> None:
        """There was a warning."""
        self._session.warnings += 1

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, ``pytest.exit``, or one of pytest's own ways to stop early."""
        try:
            self._session.interrupted = self._words(excinfo)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Something is wrong in pytest or a plugin."""
        try:
            self._session.internal = self._words(excinfo)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """All tests have run; the terminal reports next."""
        try:
            told = session.shouldfail or session.shouldstop
            self._session.stopped = self._privacy.line(str(told)) if told else ""
            self.listener.finish(self._session.interrupted.partition(":")[0])
            self._session.enter("verification")
            if self._emitter.trouble:
                self.tell()
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """The run is over, and its exit status final."""
        try:
            session = self._pytest_session
            if session is not None and not self._session.ended:
                self.listener.finish()
                self._session.finish(int(session.exitstatus))
            self._emitter.close()
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def tell(self) -> None:
        """Have the terminal say what there is to say: to people, or of trouble."""
        option = self._config.option
        seen = option.verbose >= 0 and self._is_terminal()
        more = bool(option.sbhooks_summary or self._config.getini("sbhooks_summary"))
        manager, name = self._config.pluginmanager, f"{NAME}-terminal"
        if (seen or more or self._emitter.trouble) and not manager.has_plugin(name):
            from sbhooks_pytest.terminal import Terminal

            shown = Terminal(
                self._session, self._results, self._emitter, header=seen, summary=seen + 2 * more
            )
            manager.register(shown, name)

    def _is_terminal(self) -> bool:
        try:
            return sys.stdout.isatty()
        except Exception:  # noqa: BLE001 - none, closed, or a test's own
            return False

    def _words(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
        text = f"{excinfo.typename}: {excinfo.value}".removesuffix(": ")
        return self._privacy.line(text) if self._privacy.messages else excinfo.typename

    def _give_up(self, error: Exception) -> None:
        """Stop recording after an error of ours; pytest goes on as if we were not here."""
        manager, what = self._config.pluginmanager, type(error).__name__
        steps: tuple[Callable[[], object], ...] = (
            lambda: manager.unregister(self.listener),
            lambda: manager.unregister(self),
            self._session.give_up,
            self._emitter.close,  # with it goes the will: the running test was not killed
            lambda: self._emitter.report(self._privacy.line(f"{_FAILED}: {what}: {error}")),
            self.tell,
        )
        for step in steps:
            try:
                step()
            except Exception:  # noqa: BLE001, S112 - one of them may be what fails
                continue

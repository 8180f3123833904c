"""Starts the observer in a Crackerjack that has sbhooks beside it; a ``.pth`` file calls it.

That file is read at the start of every interpreter of the environment, so it asks one cheap
question first, and only in Crackerjack's own process imports this module. Under ``sbhooks
crackerjack run`` the wrapper records, and this does nothing.
"""

from __future__ import annotations

import atexit
import os
import sys
from threading import Lock
from typing import Any

from sbhooks_crackerjack import observer

#: The one line of the ``.pth`` file.
LINE = (
    "import sys; any('crackerjack' in word for word in sys.orig_argv[:8])"
    " and __import__('sbhooks_crackerjack.autoload')"
    " and sys.modules['sbhooks_crackerjack.autoload'].start()\n"
)


def start() -> None:
    """Observe this process, if it is Crackerjack's and nobody else does. Never raises."""
    try:
        if observer.LOG not in os.environ and observer.is_crackerjack(sys.orig_argv):
            observer.install(_Direct().take)
    except Exception:  # noqa: BLE001, S110 - the host comes first
        pass


class _Direct:
    """Records observations as they come; makes nothing before the first."""

    def __init__(self) -> None:
        from sbhooks.emitter import Emitter

        self._lock = Lock()
        self._emitter = Emitter.start("crackerjack")
        self._began_us = self._emitter.clock.now_us()
        self._environ = dict(os.environ)
        self._folder = os.getcwd()
        self._recorder: Any = None
        self._status: int | None = 0
        if self._emitter.enabled:
            # Recorders in children of this run know to which it belongs.
            os.environ.setdefault("SBHOOKS_SESSION", self._emitter.session)
            self._follow_exit()

    def take(self, seen: dict[str, Any]) -> None:
        """Record one observation; may come from any thread."""
        if not self._emitter.enabled:
            return
        with self._lock:
            if self._recorder is None:
                from sbhooks_crackerjack.record import Recorder

                self._recorder = Recorder(
                    self._emitter, self._folder, self._environ, began_us=self._began_us
                )
                self._recorder.begin(_version())
            self._recorder.take(seen)

    def _follow_exit(self) -> None:
        """Learn the exit status: from ``SystemExit`` on its way, else from an uncaught error."""
        original, hook = sys.exit, sys.excepthook

        def leave(status: Any = None, /) -> None:
            self._status = status if isinstance(status, int) else int(status is not None)
            original(status)

        def crash(kind: type[BaseException], error: BaseException, trace: Any) -> None:
            self._status = 130 if issubclass(kind, KeyboardInterrupt) else 1
            hook(kind, error, trace)

        sys.exit = leave  # type: ignore[assignment]
        sys.excepthook = crash
        atexit.register(self._end)

    def _end(self) -> None:
        try:
            if self._recorder is not None:
                self._recorder.end(self._status)
            self._emitter.close()
        except Exception:  # noqa: BLE001, S110 - the host comes first
            pass


def _version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("crackerjack")
    except PackageNotFoundError:
        return None

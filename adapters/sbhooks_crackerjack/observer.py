"""Sees what Crackerjack does, from inside its process. Standard library only, one file.

Crackerjack's internals move with each release, so nothing is pinned: what is not there is not
wrapped, and whatever fails in here is swallowed. Wrapped are

* ``crackerjack.executors.hook_executor.HookExecutor.execute_single_hook``, once per tool,
  called from several threads;
* every ``run_…_phase`` and ``run_…_only`` of
  ``crackerjack.core.phase_coordinator.PhaseCoordinator``, plain or async;
* ``ProcessMonitor.stop_monitoring``, which tells when a tool really ended: reported durations
  are padded by up to five seconds.

An observation is a dictionary; ``kind`` is ``tool`` or ``phase``.
"""

from __future__ import annotations

import functools
import importlib.abc
import inspect
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

VERSION = 1
LOG = "SBHOOKS_CRACKERJACK_LOG"  #: Environment variable: the file that observations go to.
_PHASE = re.compile(r"run_(.+)_(?:phase|only)")
_STAGES = {"fast": "fast_hooks", "comprehensive": "comprehensive_hooks"}
_NAMES = {"testing": "tests", "fast_hooks": "fast_hooks"}
_TASKS = {
    "fast_hooks": "hooks_fast",
    "tests": "testing",
    "comprehensive_hooks": "hooks_comprehensive",
}
_MARK = "__sbhooks__"
_LONGEST = 2000

Sink = Callable[[dict[str, Any]], None]
Patch = Callable[[Any], None]

_local = threading.local()


def install(sink: Sink) -> None:
    """Wrap Crackerjack as it is imported.

    Args:
        sink: Takes each observation; may be called from any thread.
    """
    watch = _Watch(sink)
    targets = {
        "crackerjack.executors.hook_executor": watch.executor,
        "crackerjack.core.phase_coordinator": watch.coordinator,
        "crackerjack.executors.process_monitor": watch.monitor,
    }
    for name, patch in targets.items():
        module = sys.modules.get(name)
        if module is not None:
            _quietly(patch, module)
    sys.meta_path.insert(0, _Finder(targets))


def to_file(path: str) -> Sink:
    """A sink that appends lines to a file; each is one write, so that threads do not mix."""
    lock = threading.Lock()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def sink(observation: dict[str, Any]) -> None:
        line = json.dumps(observation).encode() + b"\n"
        with lock:
            os.write(fd, line)

    return sink


def is_crackerjack(arguments: Sequence[str]) -> bool:
    """Whether a command line runs Crackerjack; its children, such as pytest, do not."""
    for number, word in enumerate(arguments[:8]):
        if word == "-m":
            return arguments[number + 1 : number + 2] in (["crackerjack"], ["crackerjack.__main__"])
        if os.path.basename(word) in ("crackerjack", "crackerjack.exe"):
            return True
        if number and word.endswith(os.path.join("crackerjack", "__main__.py")):
            return True
    return False


class _Call(NamedTuple):
    """A call of a wrapped method that has ended."""

    owner: Any
    arguments: Sequence[Any]
    result: Any
    error: BaseException | None
    began: float


class _Watch:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._attempts: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def executor(self, module: Any) -> None:
        self._wrap(module.HookExecutor, "execute_single_hook", self._tool)

    def coordinator(self, module: Any) -> None:
        for name in dir(module.PhaseCoordinator):
            found = _PHASE.fullmatch(name)
            if found and found[1] != "hooks":
                phase = _NAMES.get(found[1], found[1])
                self._wrap(module.PhaseCoordinator, name, functools.partial(self._phase, phase))

    def monitor(self, module: Any) -> None:
        original = module.ProcessMonitor.stop_monitoring
        if hasattr(original, _MARK):
            return

        @functools.wraps(original)
        def stop_monitoring(*arguments: Any, **named: Any) -> Any:
            _local.tool_ended = time.monotonic()
            return original(*arguments, **named)

        setattr(stop_monitoring, _MARK, True)
        module.ProcessMonitor.stop_monitoring = stop_monitoring

    def _wrap(self, owner: Any, name: str, tell: Callable[..., None]) -> None:
        original = getattr(owner, name, None)
        if original is None or hasattr(original, _MARK):
            return
        make = _around_async if inspect.iscoroutinefunction(original) else _around
        wrapped = make(original, tell)
        setattr(wrapped, _MARK, True)
        setattr(owner, name, wrapped)

    def _tool(self, call: _Call) -> None:
        result, error = call.result, call.error
        now = time.monotonic()
        ended = getattr(_local, "tool_ended", None) or now
        hook = call.arguments[0] if call.arguments else None
        name = getattr(result, "name", None) or getattr(hook, "name", None) or "unknown"
        stage = getattr(result, "stage", None) or getattr(hook, "stage", None) or "unknown"
        stage = str(getattr(stage, "value", stage))
        status = "error" if error is not None else str(getattr(result, "status", "unknown"))
        with self._lock:
            key = stage, str(name)
            attempt = self._attempts[key] = self._attempts.get(key, 0) + 1
        issues = getattr(result, "issues_found", None) or []
        said = getattr(result, "error_message", None) or (issues[0] if issues else None)
        self._emit(
            "tool",
            phase=_STAGES.get(stage, stage),
            tool=str(name),
            status=status,
            duration=_number(getattr(result, "duration", None)),
            tool_seconds=max(0.0, min(ended, now) - call.began),
            attempt=attempt,
            exit_code=getattr(result, "exit_code", None),
            issues=getattr(result, "issues_count", None) or len(issues),
            error=_text(error if error is not None else said),
        )

    def _phase(self, phase: str, call: _Call) -> None:
        error = call.error
        said: object = error
        if error is None and call.result is False:
            tasks = call.owner.session.session_tracker.tasks
            said = getattr(tasks.get(_TASKS.get(phase, phase)), "error_message", None)
        self._emit(
            "phase",
            phase=phase,
            success=error is None and call.result is not False,
            duration=time.monotonic() - call.began,
            error=_text(said),
        )

    def _emit(self, kind: str, **fields: Any) -> None:
        self._sink({"v": VERSION, "kind": kind, "ts": time.time(), **fields})


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the wrapped modules where they are, and patches them when they have run."""

    def __init__(self, targets: Mapping[str, Patch]) -> None:
        self._targets = targets

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        patch = self._targets.get(name)
        if patch is None:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, patch)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: Any, patch: Patch) -> None:
        self._loader, self._patch = loader, patch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        _quietly(self._patch, module)


def _around(original: Callable[..., Any], tell: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        began = _begin()
        try:
            result = original(self, *arguments, **named)
        except BaseException as error:
            _quietly(tell, _Call(self, arguments, None, error, began))
            raise
        _quietly(tell, _Call(self, arguments, result, None, began))
        return result

    return wrapped


def _around_async(original: Callable[..., Any], tell: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        began = _begin()
        try:
            result = await original(self, *arguments, **named)
        except BaseException as error:
            _quietly(tell, _Call(self, arguments, None, error, began))
            raise
        _quietly(tell, _Call(self, arguments, result, None, began))
        return result

    return wrapped


def _begin() -> float:
    _local.tool_ended = None
    return time.monotonic()


def _quietly(function: Callable[..., None], *arguments: Any) -> None:
    try:
        function(*arguments)
    except Exception:  # noqa: BLE001, S110 - the host comes first
        pass


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"[:_LONGEST]
    return str(value)[:_LONGEST]

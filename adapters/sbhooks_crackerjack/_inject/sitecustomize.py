"""Put on the PYTHONPATH of a command by ``sbhooks crackerjack run``; starts the observer there.

Any Python that the command starts runs this file: it must be quick, silent and harmless. In one
that is not Crackerjack it does nothing. A ``sitecustomize`` that it hides is imported after it.
"""

from __future__ import annotations

import importlib
import os
import sys


def _observe(here: str) -> None:
    import importlib.util

    path = os.path.join(os.path.dirname(here), "observer.py")
    spec = importlib.util.spec_from_file_location("_sbhooks_crackerjack_observer", path)
    if spec is None or spec.loader is None:
        return
    observer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(observer)
    log = os.environ.get(observer.LOG)
    if log and observer.is_crackerjack(sys.orig_argv):
        observer.install(observer.to_file(log))


def _step_aside(here: str) -> None:
    """Take this folder off the path, and import what it has hidden."""
    sys.path[:] = [path for path in sys.path if path != here]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if ours is not None:  # the import of this module ends by looking it up
            sys.modules.setdefault("sitecustomize", ours)


_here = os.path.dirname(os.path.abspath(__file__))
try:
    if any("crackerjack" in word for word in sys.orig_argv[:8]):
        _observe(_here)
except Exception:
    pass
_step_aside(_here)

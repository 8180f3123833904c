"""Crackerjack runs: what Crackerjack does → which event.

==========================================  ================================================
Crackerjack                                 event
==========================================  ================================================
the first thing it does in a run            ``session-start``
``HookExecutor.execute_single_hook``        ``invocation`` of the tool, one per attempt
``PhaseCoordinator.run_*_phase``            ``phase-change``; ``pipeline-stage`` of the phase
the run has ended                           ``phase-change`` to "", ``invocation`` of
                                            ``crackerjack``, ``session-end``
pytest in the tests phase                   a session of its own, by the recorder of pytest,
                                            with this one as ``parent``
==========================================  ================================================

Crackerjack has no working plug-ins, so ``observer`` wraps those methods inside its process when
they are imported. It is the only module that knows Crackerjack, needs nothing but the standard
library, and runs in interpreters in which sbhooks is not installed. Two ways lead in, never both:

* ``sbhooks crackerjack run -- COMMAND`` puts ``_inject`` on the ``PYTHONPATH`` of the command; what
  is observed goes through a file to the wrapper, which records it (``sbhooks_run``);
* ``sbhooks crackerjack enable`` writes a ``.pth`` file beside an installed sbhooks; then every run
  there records itself (``autoload``).

A run that executed nothing is recorded as skipped, never as passed.
"""

from __future__ import annotations

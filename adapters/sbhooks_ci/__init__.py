"""Stages of CI pipelines: what a job says → which event.

==========================================  ================================================
the job                                     event
==========================================  ================================================
``sbhooks ci run -- COMMAND`` starts        ``session-start`` with the CI run and the change
... and is killed with everything in it     the will: stage, invocation, end, all ``killed``
COMMAND has ended                           ``pipeline-stage``, ``invocation``, ``session-end``
``sbhooks ci import junit FILE``            ``session-start``, a ``test-result`` per attempt,
                                            ``session-end``
==========================================  ================================================

Which run, attempt, commit and branch it is about, :mod:`sbhooks.ci` reads from the
environment. Outside of any CI system the same commands work: the pipeline is then the
project, and the run is the session.

``sbhooks_run`` is what runs in a job and imports the standard library only; everything else is
for the command line of sbhooks.
"""

from __future__ import annotations

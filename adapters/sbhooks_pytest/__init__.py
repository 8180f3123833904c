"""The recorder behind the pytest plugin ``sbhooks``: what pytest says → which event.

==========================================  ================================================
pytest                                      event
==========================================  ================================================
``pytest_sessionstart``                     ``session-start``; ``phase-change`` "" → setup
collection is finished                      ``phase-change`` setup → execution
``pytest_runtest_logstart``                 the will: what is stored if the process dies now
the reports of one attempt, folded          ``test-result``; ``outcomes`` has the rules
a report of a subtest that did not pass     ``test-result`` with ``subtest``
a failed or skipped collection report       ``test-result`` of the file
``pytest_sessionfinish``                    ``phase-change`` execution → verification
``pytest_unconfigure``                      ``phase-change`` verification → "";
                                            ``invocation`` of ``pytest-run``; ``session-end``
==========================================  ================================================

Phases: collection is ``setup``, tests are ``execution``, the report is ``verification``.

The plugin itself, ``pytest_sbhooks``, is a distribution of its own with a single module:
pytest rewrites, and where byte code cannot be cached recompiles at each start, every file of
a distribution that declares a plugin. Under xdist only the controller records.
"""

from __future__ import annotations

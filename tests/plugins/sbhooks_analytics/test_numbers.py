"""Without the numeric libraries: one line says what to install, and everything else works."""

from __future__ import annotations

from typing import Any

import pytest

WITHOUT = """
    import sys

    class Hiding:
        def __init__(self, finder):
            self._finder = finder

        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in {"numpy", "scipy", "sklearn"}:
                return None
            return self._finder.find_spec(name, path, target)

    sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
    from sbhooks.cli import main

    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "command",
    ["trend", "anomalies list", "changes", "baselines", "deps", "clusters", "search x",
     "analytics refresh", "analytics calibrate", "tests why x", "drift", "changes confirm x",
     "changes comment x y", "tests slow --new"],
)  # fmt: skip
def test_one_line_says_what_to_install(python: Any, command: str) -> None:
    done = python(WITHOUT, *command.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "pip install 'sbhooks[analytics]'" in done.stderr


@pytest.mark.parametrize(
    "command",
    ["top", "runs", "tests list", "tests health", "tests broken", "tests failures", "tests cost",
     "tests select", "tests quarantine list", "tests flaky", "tests slow", "insights",
     "top --people"],
)  # fmt: skip
def test_everything_else_works(python: Any, command: str) -> None:
    done = python(WITHOUT, *command.split())
    assert (done.returncode, done.stderr) == (0, "")

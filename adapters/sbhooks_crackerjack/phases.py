"""What Crackerjack's words mean: its phases in ours, its results as outcomes. Data, mostly.

Crackerjack renames phases and tools often. A phase that is not in the table keeps its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Crackerjack's phase → the phase of work; ``ai_fix`` is a name of old releases.
PHASES = {
    "configuration": "setup",
    "plan_index_sync": "setup",
    "cleaning": "cleanup",
    "documentation_cleanup": "cleanup",
    "git_cleanup": "cleanup",
    "fast_hooks": "verification",
    "comprehensive_hooks": "verification",
    "tests": "verification",
    "snob_tests": "verification",
    "coverage_ratchet": "verification",
    "ai_fix": "execution",
    "doc_updates": "execution",
    "publishing": "deployment",
    "commit": "deployment",
}
#: The order in which phases come, for reports.
ORDER = (
    "configuration", "cleaning", "documentation_cleanup", "plan_index_sync", "fast_hooks",
    "ai_fix", "snob_tests", "tests", "comprehensive_hooks", "coverage_ratchet", "git_cleanup",
    "doc_updates", "publishing", "commit",
)  # fmt: skip
#: Phases that consist of tools: without any they did nothing, whatever they say.
OF_TOOLS = frozenset({"fast_hooks", "comprehensive_hooks"})
#: Phases that end well in no time when there is nothing for them to do.
_OFTEN_IDLE = frozenset({"configuration", "snob_tests", "coverage_ratchet", "publishing", "commit"})
_IDLE_S = 0.1

_STATUSES = {
    "passed": ("success", None),
    "skipped": ("skip", None),
    "timeout": ("timeout", "timeout"),
    "error": ("error", "tool-failed"),
}
#: Words in the message of a "failed" tool → what it was.
_SAID = (
    ("timed out after", "timeout", "timeout"),
    ("[errno 2]", "error", "tool-missing"),
    ("no such file or directory", "error", "tool-missing"),
    ("command not found", "error", "tool-missing"),
    ("keyboardinterrupt", "cancellation", "interrupted"),
)

Fate = tuple[str, str | None]


def fate_of_tool(seen: Mapping[str, Any]) -> Fate:
    """Outcome and kind of error of a tool; Crackerjack calls most of them "failed"."""
    status = str(seen.get("status") or "")
    error = str(seen.get("error") or "").lower()
    if status not in {"passed", "skipped"}:
        for words, outcome, kind in _SAID:
            if words in error:
                return outcome, kind
    if status in _STATUSES:
        return _STATUSES[status]
    code = seen.get("exit_code")
    return "failure", f"exit-status-{code}" if isinstance(code, int) and code else "issues-found"


def fate_of_phase(seen: Mapping[str, Any], *, tools: int) -> Fate:
    """Outcome and kind of error of a phase.

    Args:
        seen: The observation.
        tools: Number of tools that ran in it.
    """
    error = str(seen.get("error") or "")
    if seen.get("success"):
        if seen.get("phase") in OF_TOOLS and not tools:
            return "skip", None  # resumed from a checkpoint: nothing ran
        return "success", None
    if error.startswith("KeyboardInterrupt"):
        return "cancellation", "interrupted"
    kind = error.partition(":")[0]
    if kind.isidentifier() and kind[:1].isupper() and ":" in error:
        return "error", kind
    return "failure", "tools-failed" if tools else "failed"


def is_idle(seen: Mapping[str, Any]) -> bool:
    """Whether a phase that says it succeeded had nothing to do, so that it is no news."""
    length = seen.get("duration")
    is_short = isinstance(length, int | float) and length < _IDLE_S
    return bool(seen.get("success")) and seen.get("phase") in _OFTEN_IDLE and is_short


def place(phase: str) -> tuple[int, str]:
    """Sorts phases by when they come."""
    return (ORDER.index(phase) if phase in ORDER else len(ORDER), phase)

"""Why a run ended, and how, from pytest's exit status and what was heard on the way."""

from __future__ import annotations

#: pytest's exit statuses → (outcome, kind of error, reason).
STATUSES = {
    0: ("success", None, "finished"),
    1: ("failure", "tests-failed", "finished"),
    2: ("cancellation", "interrupted", "interrupted"),
    3: ("error", "internal-error", "internal error"),
    4: ("error", "usage-error", "usage error"),
    5: ("skip", None, "no tests"),
}
_FATAL = {3, 4}


#: Outcome, kind of error if any, and the reason in words.
Ending = tuple[str, str | None, str]


def ending(
    status: int,
    *,
    stopped: str = "",
    interrupted: str = "",
    internal: str = "",
    done: int = 0,
    collected: int = 0,
    collection_errors: int = 0,
) -> Ending:
    """Outcome, kind of error and reason for the end of a run.

    Args:
        status: pytest's exit status.
        stopped: Why pytest stopped on purpose (``-x``, ``--maxfail``, ...), if it did.
        interrupted: What interrupted it, if anything did.
        internal: The internal error, if there was one.
        done: Tests that ended.
        collected: Tests that were to run.
        collection_errors: Files that could not be imported.
    """
    outcome, error_type, reason = STATUSES.get(
        status, ("failure" if status else "success", None, f"exit status {status}")
    )
    if status in _FATAL:
        return (outcome, error_type, f"{reason}: {internal}" if internal else reason)
    if status in {1, 2} and not done and collection_errors:
        errors = "error" if collection_errors == 1 else "errors"
        return ("failure", "collection-error", f"{collection_errors} collection {errors}")
    if stopped and status:
        return ("failure", "tests-failed", f"stopped at {done} of {collected}: {stopped}")
    if interrupted:
        return (outcome, error_type, f"interrupted at {done} of {collected}: {interrupted}")
    return (outcome, error_type, reason)

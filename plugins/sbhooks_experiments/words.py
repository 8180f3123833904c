"""What the commands of experiments share: words for options, and the desk.

Imported with the command line: no part of an experiment is known here before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbhooks.cli_options import CommandLine
    from sbhooks_experiments.desk import Desk

METRICS = ("completion_rate", "avg_duration_seconds", "user_rating")
UNITS = ("user", "session", "commit", "repository")
OUTCOMES = ("success", "failure", "error", "timeout", "cancellation", "skip")


def desk_of(line: CommandLine) -> Desk:
    """All experiments of the store that the command line means."""
    from sbhooks_experiments.desk import Desk

    return Desk(line.runtime)

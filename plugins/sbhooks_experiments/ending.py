"""What follows from a result: the end of an experiment, a page, tables for SQL."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sbhooks.errors import ExperimentError
from sbhooks_experiments.ask import analysis
from sbhooks_experiments.desk import Desk
from sbhooks_experiments.results import Analysis

if TYPE_CHECKING:
    from sbhooks.cli_options import Reading
    from sbhooks.output import Output

#: Decisions after which there is nothing more to wait for.
FINAL = frozenset({"treatment", "control", "inconclusive"})


def check_whole(reading: Reading) -> None:
    """Refuse to judge an experiment by a part of its units.

    Raises:
        ExperimentError: A part was asked for.
    """
    if reading.projects or reading.since is not None:
        raise ExperimentError(
            "cannot judge an experiment by a part of what was recorded: leave out --project "
            "and --since"
        )


def end(reading: Reading, found: Analysis) -> Analysis:
    """End an experiment whose result is final, and write down why.

    Returns:
        The result after that; the same one where the experiment goes on.
    """
    if found.status != "running" or found.decision not in FINAL:
        return found
    if reading.foreign:
        raise ExperimentError("cannot end an experiment in a store that is only read. "
                              "Leave out --store")  # fmt: skip
    desk = Desk(reading.runtime)
    desk.stop(found.experiment, decision=found.decision, reason=found.reason)
    return analysis(reading.runtime.store, found.experiment, now=reading.now)


def keep_tables(reading: Reading) -> None:
    """Fill the tables for readers with SQL, where the store can be written."""
    if reading.foreign or reading.runtime.refusal is not None:
        return
    from sbhooks_experiments.tables import keep

    keep(reading.store)


def write_page(path: str, found: Analysis, now: datetime) -> None:
    """Write the result as HTML.

    Raises:
        ExperimentError: The file cannot be written.
    """
    from sbhooks_experiments.page import page

    try:
        Path(path).write_text(page(found, now), encoding="utf-8")
    except OSError as error:
        raise ExperimentError(f"cannot write {path}: {error.strerror}") from error


def nothing(out: Output) -> None:
    """What to do when there is no experiment."""
    out.line("There is no experiment yet. Make one with: sbhooks experiment create")

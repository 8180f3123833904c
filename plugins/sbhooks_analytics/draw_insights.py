"""What all plugins found, as sentences for people."""

from __future__ import annotations

import msgspec

from sbhooks.insights import Insight
from sbhooks.output import BAD, DOUBT, FAINT, Cell, Output
from sbhooks.wording import count


class Insights(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks insights --json`` prints."""

    insights: list[Insight]  #: The most important first; each with the fields of its kind.
    more: int  #: How many were left out.


def draw_insights(out: Output, found: Insights) -> None:
    """Each insight in a sentence, under a word for its importance."""
    if not found.insights:
        out.line("Nothing was found that is worth telling.")
        return
    projects = {one.project for one in found.insights if one.project is not None}
    several = len(projects) > 1
    out.fields([(_importance(one), _sentence(one, several)) for one in found.insights])
    if len(projects) == 1:
        out.note(f"Project: {projects.pop()}.")
    if found.more:
        out.note(f"{count(found.more, 'more insight')} not shown: --limit.")


def _sentence(one: Insight, several: bool) -> str:
    """The summary, with the project where it is not clear which one is meant."""
    return f"{one.project}: {one.summary}" if several and one.project else one.summary


def _importance(one: Insight) -> Cell:
    style = BAD if one.score >= 0.75 else DOUBT if one.score >= 0.4 else FAINT
    return Cell(str(one.__struct_config__.tag), style)

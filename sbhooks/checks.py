"""A finding about an installation: what was looked at, how it is, what to do."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "doubt", "wrong"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One finding.

    Attributes:
        area: What was looked at: ``"python"``, ``"home"``, ``"spool"``, ``"plugin acme"``, ...
        state: ``"ok"``, ``"doubt"`` (works, but look at it) or ``"wrong"`` (does not work).
        what: The finding.
        advice: What to do; empty when nothing is.
    """

    area: str
    state: State
    what: str
    advice: str = ""

"""What a forked child must let go of.

A module of its own because of what the interpreter does at its end: a callback that is
registered for forks keeps alive whatever its module can reach. With ``typing`` among that,
the last garbage collection costs a host more than all its other dealings with sbhooks.

Standard library only: host processes import this module.
"""

from __future__ import annotations

import os
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Owner(Protocol):
        """Has something, such as a lock, that belongs to its process alone."""

        def abandon(self) -> None:
            """Let go of everything without a trace."""


_OWNERS: weakref.WeakSet[Owner] = weakref.WeakSet()


def abandon_in_child(owner: Owner) -> None:
    """Have ``owner.abandon()`` called in every child that is forked while the owner lives."""
    _OWNERS.add(owner)


def _abandon_all() -> None:
    for owner in list(_OWNERS):
        owner.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)

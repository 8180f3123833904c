"""The numeric libraries: only some questions need them, and most installations lack them."""

from __future__ import annotations

from sbhooks.errors import MissingExtraError
from sbhooks.lazy import missing

EXTRA = "sbhooks[analytics]"  #: What to install.
_NEEDED = dict.fromkeys(("numpy", "scipy", "sklearn"), EXTRA)


def have_numbers() -> bool:
    """Whether the numeric libraries are installed; imports nothing."""
    return not missing(_NEEDED)


def need_numbers() -> None:
    """Refuse to go on without them.

    Raises:
        MissingExtraError: One is missing; says what to install.
    """
    absent: list[MissingExtraError] = missing(_NEEDED)
    if absent:
        raise absent[0]

"""Optional libraries: imported when needed, checked without importing."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sbhooks.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


def require(module: str, *, install: str) -> ModuleType:
    """Import an optional library.

    Args:
        module: Import name, for example ``"sqlite_utils"``.
        install: What to hand to ``pip install`` when it is missing.

    Raises:
        MissingExtraError: The library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is there, but something it needs itself is not
        raise MissingExtraError(module, install=install) from error


def missing(requires: Mapping[str, str]) -> list[MissingExtraError]:
    """List what is not installed of a plugin's ``REQUIRES`` table; imports nothing.

    Args:
        requires: Import name → what to hand to ``pip install``.
    """
    return [
        MissingExtraError(module, install=install)
        for module, install in requires.items()
        if find_spec(module.partition(".")[0]) is None
    ]

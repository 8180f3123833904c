"""The real databases of the old system, and what is true of them."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[1] / "data" / "old_databases"
TRUTH: dict[str, dict[str, Any]] = json.loads((DATA / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture
def old_database(tmp_path: Path) -> Callable[[str], Path]:
    """Unpack a database of the old system (``"v3"`` or ``"v4"``) into the test's folder."""

    def unpack(name: str) -> Path:
        path = tmp_path / f"{name}.db"
        path.write_bytes(lzma.decompress((DATA / f"{name}.db.xz").read_bytes()))
        return path

    return unpack


@pytest.fixture
def truth() -> dict[str, dict[str, Any]]:
    """Figures counted in Python from the rows of the log."""
    return TRUTH

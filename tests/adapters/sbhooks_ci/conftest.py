"""What tests of the CI adapter share: the installed command, and what it recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sbhooks.collector import Collected
from sbhooks.events import Event
from sbhooks.store import EventQuery
from sbhooks.testing.memory import MemoryEventStore

SBHOOKS = str(Path(sys.executable).parent / "sbhooks")

Recorded = Callable[..., list[Any]]


@pytest.fixture
def recorded(collect: Callable[..., Collected], store: MemoryEventStore) -> Recorded:
    """Collect, and give the events of a kind, oldest first."""

    def events(*kinds: str) -> list[Event]:
        collect()
        return list(store.events(EventQuery(kinds=kinds)))

    return events


@pytest.fixture
def sbhooks(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the installed command in an empty folder; output is bytes."""

    def run(
        *arguments: str, environ: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        settings: dict[str, Any] = {"capture_output": True, "cwd": tmp_path, "timeout": 120}
        return subprocess.run(
            [SBHOOKS, *arguments], env={**os.environ, **(environ or {})}, check=False,
            **{**settings, **options},
        )  # fmt: skip

    return run

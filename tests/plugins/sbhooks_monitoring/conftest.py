"""Prometheus' own tools, and what ``sbhooks monitoring export`` writes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sbhooks_monitoring.configs import Place
from sbhooks_monitoring.export import export

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
}
Tool = Callable[..., subprocess.CompletedProcess[str]]


def program(name: str) -> str:
    """Where a program is; without it the test is left out."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: install Debian's package {PACKAGES[name]}")
    return found


@pytest.fixture(scope="session")
def tool() -> Tool:
    """Runs a program of Prometheus; what it says is text."""

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [program(name), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything."""
    folder = tmp_path_factory.mktemp("exported")
    export(folder, Place())
    return folder

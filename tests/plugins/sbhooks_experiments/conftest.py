"""A desk with a real store in the test's home, and experiments in a few words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.runtime import Runtime
from sbhooks_experiments.desk import Desk

Ask = Callable[..., Any]


@pytest.fixture
def runtime(home: object) -> Iterator[Runtime]:
    """Settings, plugins and the SQLite store of this test's home."""
    with Runtime.start(load_config()) as made:
        yield made


@pytest.fixture
def desk(runtime: Runtime) -> Desk:
    """All experiments of that store: none yet."""
    return Desk(runtime)


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run a command of experiments; its JSON, or its text with ``raw=True``."""

    def run(*words: str, status: int = 0, raw: bool = False) -> Any:
        capfd.readouterr()
        assert main(["experiment", *words, *([] if raw else ["--json"])]) == status
        said = capfd.readouterr()
        if status:
            return said.err
        return said.out if raw else json.loads(said.out)

    return run

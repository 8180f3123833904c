"""Without its extras sbhooks says what is missing, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement


def needed(name: str) -> list[str]:
    """A distribution and all that it requires here, without extras."""
    found = [name]
    for each in found:
        for line in requires(each) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                found += [requirement.name] if requirement.name not in found else []
    return found


RECORD = """
from sbhooks import Emitter, Invocation, Outcome
emitter = Emitter.start("cli")
emitter.emit(Invocation(source="cli", session="s", skill="lint", outcome=Outcome.SUCCESS))
emitter.close()
"""


def test_collecting_without_a_store_ends_with_one_line_and_keeps_the_spool(
    environment: Callable[..., Any], tmp_path: Path
) -> None:
    bare, home = environment(*needed("sbhooks")), tmp_path / "home"
    assert bare.run("-c", RECORD, home=home).returncode == 0
    done = bare.run("-m", "sbhooks", "collect", home=home)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("sbhooks: ")
    assert "pip install 'sbhooks[sqlite]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(list((home / "spool").glob("*.seg"))) == 1


def test_the_doctor_names_the_missing_extra(
    environment: Callable[..., Any], tmp_path: Path
) -> None:
    bare = environment(*needed("sbhooks"))
    done = bare.run("-m", "sbhooks", "plugins", "--json", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    status = {plugin["name"]: plugin["status"] for plugin in json.loads(done.stdout)["plugins"]}
    assert status["storage"] == "missing-extra"
    assert status["analytics"] == "loaded"


def test_the_extra_is_enough(environment: Callable[..., Any], tmp_path: Path) -> None:
    parts = needed("sqlite-utils")
    full, home = environment(*needed("sbhooks"), *parts), tmp_path / "home"
    assert full.run("-c", RECORD, home=home).returncode == 0
    done = full.run("-m", "sbhooks", "top", "--json", home=home)
    assert done.returncode == 0, done.stderr
    (skill,) = json.loads(done.stdout)["skills"]
    assert (skill["skill_name"], skill["invocation_count"]) == ("lint", 1)

"""What users get: the wheels hold every room, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Distribution → names of the files in its wheel, both built here."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in (ROOT, ROOT / "adapters" / "sbhooks_pytest"):
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        subprocess.run(
            [*command, "--no-build-isolation", "--wheel-dir", str(folder), str(source)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    return {path.name.split("-")[0]: zipfile.ZipFile(path).namelist() for path in folder.iterdir()}


def rooms() -> set[str]:
    """Every import package in the tree."""
    found = {"sbhooks"}
    for room in ("plugins", "adapters", "migrations"):
        for folder in (ROOT / room).iterdir():
            if (folder / "__init__.py").exists():
                found.add(f"{room}/{folder.name}")
    return found


def test_every_room_in_the_tree_is_in_the_list_of_packages() -> None:
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == rooms()


@pytest.mark.parametrize(
    "section",
    [("mypy", "packages"), ("importlinter", "root_packages"), ("coverage", "run", "source_pkgs")],
)
def test_every_room_is_checked_by_every_tool(section: tuple[str, ...]) -> None:
    table = PROJECT["tool"]
    for key in section:
        table = table[key]
    assert set(table) == {room.split("/")[-1] for room in rooms()}


def test_the_wheel_holds_the_rooms_without_their_folders(wheels: dict[str, list[str]]) -> None:
    tops = {name.split("/")[0] for name in wheels["sbhooks"] if ".dist-info" not in name}
    assert tops == {room.split("/")[-1] for room in rooms()}


def test_the_wheel_holds_data_files(wheels: dict[str, list[str]]) -> None:
    names = wheels["sbhooks"]
    assert "sbhooks/py.typed" in names
    assert any(name.endswith(".up.sql") for name in names)
    assert "sbhooks_demo/sample/first/tests/test_cart.py" in names


def test_the_wheel_holds_no_caches_and_nothing_of_the_other(wheels: dict[str, list[str]]) -> None:
    for name in wheels["sbhooks"]:
        assert "__pycache__" not in name
        assert not name.endswith(("pyproject.toml", "pytest_sbhooks.py"))


def test_the_pytest_distribution_is_one_module(wheels: dict[str, list[str]]) -> None:
    code = [name for name in wheels["pytest_sbhooks"] if ".dist-info" not in name]
    assert code == ["pytest_sbhooks.py"]


def test_both_distributions_have_the_same_version() -> None:
    own = tomllib.loads((ROOT / "adapters/sbhooks_pytest/pyproject.toml").read_text("utf-8"))
    version = PROJECT["project"]["version"]
    assert own["project"]["version"] == version
    assert any(
        need.replace(" ", "") == f"sbhooks[sqlite]=={version}"
        for need in own["project"]["dependencies"]
    )
    import sbhooks

    assert sbhooks.__version__ == version


@pytest.mark.parametrize("extra", ["analytics", "archive", "demo", "experiments", "server", "all"])
def test_what_needs_a_store_brings_one(extra: str) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    brought, seen = {extra}, set()
    while brought - seen:
        name = (brought - seen).pop()
        seen.add(name)
        for need in extras[name]:
            if need.startswith("sbhooks["):
                brought |= set(need.removeprefix("sbhooks[").rstrip("]").split(","))
    assert "sqlite" in brought

"""What importing costs: host processes and the command line stay light."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sbhooks_builtin import PLUGINS

#: Modules that adapters import inside host tools.
HOST_MODULES = (
    "sbhooks", "sbhooks.context", "sbhooks.emitter", "sbhooks.errors", "sbhooks.identity",
    "sbhooks.ids", "sbhooks.problems", "sbhooks.redact", "sbhooks.settings", "sbhooks.spool",
    "sbhooks.vcs", "sbhooks_ci.sbhooks_run", "sbhooks_crackerjack.autoload",
    "sbhooks_crackerjack.sbhooks_run",
)  # fmt: skip
HEAVY = {"numpy", "pandas", "scipy", "sklearn", "sqlite_utils", "sqlite3", "litestar", "asyncio"}
THIRD_PARTY = {"msgspec", "pluggy", "click", "rich"}
BUILTIN = sorted(PLUGINS.values())


def imported_by(module: str) -> set[str]:
    """Top-level modules that are loaded after importing one in a fresh interpreter."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", HOST_MODULES)
def test_what_hosts_import_is_standard_library_only(module: str) -> None:
    assert not imported_by(module) & (HEAVY | THIRD_PARTY)


@pytest.mark.parametrize("module", BUILTIN)
def test_the_entry_module_of_a_plugin_is_light(module: str) -> None:
    assert not imported_by(module) & (HEAVY | {"rich"})


def test_there_are_built_in_plugins_to_look_at() -> None:
    assert len(BUILTIN) >= 3


def test_the_folders_of_the_repository_are_no_packages() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import plugins.sbhooks_storage"],
        check=False, capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    if done.returncode == 0:
        pytest.skip("an editable install has the root of the repository on its path")
    assert "ModuleNotFoundError" in done.stderr

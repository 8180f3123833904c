"""Plugins that fail in every way known: the host's output and exit status are what they were."""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from sbhooks import problems
from sbhooks.events import Event
from sbhooks.events import TestResult as Result

SUITE = """
    import sys, warnings
    import pytest

    def test_passes():
        print("printed by the host")

    def test_fails():
        print("error of the host", file=sys.stderr)
        assert 1 == 2

    def test_warns():
        warnings.warn("of the host")

    @pytest.mark.xfail
    def test_is_expected_to_fail():
        assert False

    @pytest.mark.parametrize("n", range(5))
    def test_many(n):
        assert n != 3
"""

IMPLEMENTATION = """
    import sys, os, time, warnings
    from sbhooks import hookimpl

    @hookimpl
    def sbhooks_test_result({arguments}):
        {body}
"""


class Broken(NamedTuple):
    """A plugin, and what is told of it."""

    source: str
    said: str
    entry: str = "[sbhooks]\nacme = acme_plugin\n"


def failing(body: str, said: str, arguments: str = "event") -> Broken:
    source = textwrap.dedent(IMPLEMENTATION).format(arguments=arguments, body=body)
    return Broken(source, said)


BROKEN = {
    "raises": failing("raise ValueError('oh')", "ValueError: oh"),
    "exits": failing("sys.exit(3)", "SystemExit: 3"),
    "calls exit": failing("exit('bye')", "SystemExit: bye"),
    "raises what cannot be printed": failing(
        "raise type('Odd', (Exception,), {'__str__': lambda s: 1 / 0})()", "Odd"
    ),
    "recurses": failing("sbhooks_test_result(event)", "RecursionError"),
    "fails late in a generator": failing("yield from (1 / 0 for _ in [1])", "ZeroDivisionError"),
    "hangs": failing("time.sleep(1.1)", "left out until the process ends"),
    "spams": failing("print('spam'); sys.stderr.write('spam'); sys.stdout.flush()", ""),
    "spams bytes": failing("sys.stdout.buffer.write(b'spam'); sys.stdout.buffer.flush()", ""),
    "spams while it is imported": Broken("print('spam')\nimport sys\nsys.stderr.write('spam')", ""),
    "warns": failing("warnings.warn('of the plugin', DeprecationWarning)", ""),
    "replaces the streams": failing("sys.stdout = sys.stderr = None", ""),
    "answers nonsense": failing("return 5", "TypeError"),
    "wrong signature": failing("pass", "extra", arguments="event, extra"),
    "wrapper": Broken(
        "from sbhooks import hookimpl\n"
        "@hookimpl(wrapper=True)\n"
        "def sbhooks_test_result(event):\n"
        "    yield\n"
        "    raise ValueError\n",
        "is a wrapper",
    ),
    "unknown hook": Broken(
        "from sbhooks import hookimpl\n@hookimpl\ndef sbhooks_unheard_of(): ...\n",
        "sbhooks_unheard_of",
    ),
    "cannot be imported": Broken("import absent_library", "absent_library"),
    "exits while it is imported": Broken("raise SystemExit(3)", "SystemExit: 3"),
    "is no Python": Broken("def (", "SyntaxError"),
    "missing extra": Broken("REQUIRES = {'absent_library': 'acme[x]'}", ""),
    "odd requirements": Broken("REQUIRES = [1]", "AttributeError"),
    "bad entry point": Broken("", "nowhere", "[sbhooks]\nacme = nowhere.at:all\n"),
    "name of a built-in": Broken(
        "", "the name 'storage' is taken by sbhooks", "[sbhooks]\nstorage = acme_plugin\n"
    ),
}


class Ran(NamedTuple):
    """What can be seen of a host from outside."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_it.py").write_text(textwrap.dedent(SUITE))
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def run(suite: Path, *arguments: str, **environment: str) -> Ran:
    kept = {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    ran = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=suite,
        env={**kept, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(ran.returncode, re.sub(r"in \d+\.\d+s", "in 0s", ran.stdout), ran.stderr)


def run_pytest(suite: Path, **environment: str) -> Ran:
    return run(suite, "pytest", "-rA", "-p", "no:cacheprovider", **environment)


@pytest.fixture(scope="module")
def bare(suite: Path) -> Ran:
    """What the host shows when nothing is recorded."""
    return run_pytest(suite, SBHOOKS_DISABLE="all")


def install(folder: Path, broken: Broken, name: str = "acme") -> str:
    """Install a plugin into a folder; what to put on the path."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(broken.entry.replace("acme", name))
    (folder / f"{name}_plugin.py").write_text(broken.source)
    return str(folder)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_the_host_is_not_disturbed_and_the_plugin_is_told_of(
    suite: Path,
    bare: Ran,
    tmp_path: Path,
    home: Path,
    broken: Broken,
    collected: Callable[[], list[Event]],
) -> None:
    path = install(tmp_path / "site", broken)
    assert run_pytest(suite, PYTHONPATH=path, SBHOOKS_INLINE="acme,storage") == bare
    assert bare.status == 1
    assert len([event for event in collected() if isinstance(event, Result)]) == 9
    told = [problem.what for problem in problems.read(str(home))]
    assert any(broken.said in what for what in told) if broken.said else told == []


def test_the_command_line_works_beside_all_of_them_and_names_each(
    suite: Path, tmp_path: Path
) -> None:
    path = ""
    named = {f"acme{number}": broken for number, broken in enumerate(BROKEN.values())}
    for name, broken in named.items():
        path = install(tmp_path / "site", broken, name)
    (tmp_path / "site" / "damaged-1.0.dist-info").mkdir()
    (tmp_path / "site" / "damaged-1.0.dist-info" / "entry_points.txt").write_text("[sbhooks]\nx\n")

    listed = run(suite, "sbhooks", "plugins", "--json", PYTHONPATH=path)
    assert listed.status == 0
    found = {plugin["distribution"]: plugin for plugin in json.loads(listed.out)["plugins"]}
    assert set(found) == {f"{name} 1.0" for name in named} | {"sbhooks 0.1.0"}
    doctor = json.loads(run(suite, "sbhooks", "doctor", "--json", PYTHONPATH=path).out)
    said = json.dumps([*doctor["checks"], *doctor["problems"]], ensure_ascii=False)
    harmless = ("(event)", "spam", "acme[x]")
    for name, broken in named.items():
        plugin = found[f"{name} 1.0"]
        if plugin["status"] == "loaded":
            assert any(mark in broken.source for mark in harmless)
        else:
            assert broken.said in plugin["detail"]
            assert json.dumps(plugin["detail"], ensure_ascii=False).strip('"') in said
    loaded = [plugin["status"] for plugin in found.values()].count("loaded")
    assert loaded == 14  # ours, and those that fail only when they are called
    assert "damaged-1.0.dist-info" in said
    collected = run(suite, "sbhooks", "runs", "--json", PYTHONPATH=path)
    assert (collected.status, json.loads(collected.out)) == (0, {"runs": []})


def test_a_plugin_that_is_not_inline_is_not_even_imported_by_the_host(
    suite: Path, bare: Ran, tmp_path: Path
) -> None:
    witness = f"open({str(tmp_path / 'imported')!r}, 'w').close()"
    path = install(tmp_path / "site", Broken(witness, ""))
    assert run_pytest(suite, PYTHONPATH=path) == bare
    assert not (tmp_path / "imported").exists()


@pytest.mark.slow
def test_a_plugin_that_hangs_for_five_seconds_does_so_once(
    suite: Path, bare: Ran, tmp_path: Path
) -> None:
    witness = f"open({str(tmp_path / 'calls')!r}, 'a').write('x')"
    path = install(tmp_path / "site", failing(f"time.sleep(5); {witness}", ""))
    assert run_pytest(suite, PYTHONPATH=path, SBHOOKS_INLINE="acme") == bare
    assert (tmp_path / "calls").read_text() == "x"

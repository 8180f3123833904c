"""What a person sees: a header and a summary line on a terminal, and nothing anywhere else."""

import os
import pty
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]

TESTS = """
import pytest
def test_passes(): pass
@pytest.mark.skip(reason="later")
def test_skipped(): pass
@pytest.mark.parametrize("n", range(1_201))
def test_many(n): pass
"""
HEADER = re.compile(r"^sbhooks: ")
SUMMARY = re.compile(r"^sbhooks: 1,203 tests recorded")


def on_terminal(made: Any, *args: str, **environ: str) -> tuple[int, list[str]]:
    """Run pytest on a terminal; its exit status, and the lines without colours."""
    mine, its = pty.openpty()
    process = subprocess.Popen(
        made.command("-p", "no:cacheprovider", *args), cwd=made.folder,
        env={**made.environ, "TERM": "xterm", "COLUMNS": "100", **environ},
        stdin=its, stdout=its, stderr=its, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    parts = []
    try:
        while part := os.read(mine, 1 << 16):
            parts.append(part)
    except OSError:  # how Linux says that nobody has the other end open any more
        pass
    finally:
        os.close(mine)
        status = process.wait(60)
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", b"".join(parts).decode())
    return status, text.replace("\r\n", "\n").split("\n")


def ours(lines: list[str]) -> list[str]:
    """The lines that we wrote; pytest's own name the plugin as well."""
    return [line for line in lines if "sbhooks" in line and not line.startswith("plugins: ")]


@pytest.fixture
def made(project: Make) -> Any:
    return project({"test_it.py": TESTS})


def test_a_terminal_shows_one_header_and_one_summary_line(made: Any) -> None:
    status, lines = on_terminal(made)
    assert status == 0
    header, summary = ours(lines)
    assert HEADER.match(header)
    assert SUMMARY.match(summary)
    collected = next(i for i, line in enumerate(lines) if "collected 1203 items" in line)
    assert lines.index(header) < collected < lines.index(summary)
    assert re.search(r"=+ 1202 passed, 1 skipped in .* =+", lines[-2])
    run = made.ended()
    assert len(run.results) == 1_203


@pytest.mark.parametrize(
    "args", [["-q"], ["-qq"], ["--no-sbhooks"], ["--co"], ["-p", "no:sbhooks"]]
)
def test_whoever_wants_quiet_has_it_on_a_terminal_too(made: Any, args: list[str]) -> None:
    status, lines = on_terminal(made, *args)
    assert status == 0
    assert ours(lines) == []


def test_without_pytests_terminal_there_is_no_line_and_no_trouble(made: Any) -> None:
    status, lines = on_terminal(made, "-p", "no:terminal")
    assert (status, lines) == (0, [""])
    assert made.ended().end.reason == "finished"


@pytest.mark.parametrize("args", [[], ["-v"], ["-rA"], ["-q"], ["--color=yes"]])
def test_nothing_is_added_to_an_output_that_a_program_reads(made: Any, args: list[str]) -> None:
    run = made.run(*args)
    assert run.status == 0
    assert ours(run.output.splitlines()) == []
    assert run.errors == ""


@pytest.mark.parametrize(
    ("args", "ini"),
    [(["--sbhooks-summary"], "[pytest]\n"), ([], "[pytest]\nsbhooks_summary = true\n")],
    ids=["option", "ini"],
)
def test_a_summary_that_is_asked_for_says_more(made: Any, args: list[str], ini: str) -> None:
    made.write({"pytest.ini": ini})
    status, lines = on_terminal(made, *args)
    assert status == 0
    begin = next(i for i, line in enumerate(lines) if SUMMARY.match(line.strip("= ")))
    end = next(i for i, line in enumerate(lines) if "1202 passed" in line)
    assert end - begin >= 2 or begin - end >= 2


def test_a_failing_run_still_shows_its_summary(made: Any) -> None:
    made.write({"test_it.py": "def test_it(): assert 0\n"})
    status, lines = on_terminal(made)
    assert status == 1
    assert any(line.startswith("sbhooks: 1 test recorded") for line in ours(lines))


def test_a_flaky_test_is_counted_in_the_summary(made: Any) -> None:
    pytest.importorskip("pytest_rerunfailures")
    made.write({
        "test_it.py": """
            tries = []
            def test_flaky():
                tries.append(1)
                assert len(tries) == 2
        """
    })  # fmt: skip
    made.command = _with(made.command, ("sbhooks", "rerunfailures"))
    status, lines = on_terminal(made, "--reruns=1")
    assert status == 0
    assert any("1 test recorded · 1 flaky" in line for line in ours(lines))


def _with(command: Callable[..., list[str]], plugins: tuple[str, ...]) -> Callable[..., list[str]]:
    return lambda *args: command(*args, plugins=plugins)


def test_trouble_is_one_line_in_place_of_the_summary(made: Any) -> None:
    made.home.write_text("a file, where a folder is needed")
    status, lines = on_terminal(made)
    assert status == 0
    (warning,) = [line for line in ours(lines) if "cannot" in line]
    assert str(made.home) in warning or "sbhooks doctor" in warning
    assert not any(SUMMARY.match(line) for line in lines)
    status, lines = on_terminal(made, "-q")
    assert (status, ours(lines)) == (0, [warning])


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_knows_few_letters_is_no_trouble(made: Any, encoding: str) -> None:
    status, lines = on_terminal(made, PYTHONIOENCODING=encoding, PYTHONUTF8="0", LC_ALL="C")
    assert status == 0
    assert not any("Error" in line for line in lines)

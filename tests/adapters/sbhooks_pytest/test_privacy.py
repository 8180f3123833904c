"""Nothing recorded says who somebody is, where their files are, or what they keep secret."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sbhooks import identity
from sbhooks.settings import here
from sbhooks_pytest.privacy import Privacy

USER = "josephine"
SECRETS = {
    "argument": "hunter2-argument",
    "variable": "hunter2-variable",
    "message": "hunter2-message",
    "parameter": "hunter2-parameter",
    "reason": "hunter2-reason",
    "subtest": "hunter2-subtest",
    "setting": "hunter2-setting",
    "remote": "hunter2-remote",
}
TESTS = f"""
    import os, pathlib, warnings
    import pytest

    HERE = pathlib.Path(__file__).parent
    FAR = pathlib.Path("/srv/{USER}/data/notes.txt")
    HOME = pathlib.Path.home()

    def test_pass(): pass
    def test_inside(): (HERE / "missing.txt").read_text()
    def test_outside(): FAR.read_text()
    def test_home(): (HOME / "missing.txt").read_text()
    def test_quoted(): raise ValueError(f"cannot read '{{FAR}}', \\"{{HOME}}/x\\" or file://{{HERE}}/x")
    def test_temporary(tmp_path): (tmp_path / "missing.txt").read_text()
    def test_variable(): assert os.environ["SERVICE_PASSWORD"] == ""
    def test_all_variables(): assert dict(os.environ) == {{}}
    def test_message(): raise ValueError("password={SECRETS["message"]}")
    @pytest.mark.parametrize("url", ["https://joe:{SECRETS["parameter"]}@example.org/", str(FAR)])
    def test_parameter(url): assert not url
    def test_reason(): pytest.skip(f"needs {{FAR}} and token={SECRETS["reason"]}")
    @pytest.mark.xfail(reason=f"see {{FAR}}")
    def test_xfail(): assert 0
    def test_subtest(subtests):
        with subtests.test(f"password={SECRETS["subtest"]}", path=str(FAR)): assert 0, FAR
    @pytest.fixture
    def breaks_after():
        yield
        raise OSError(f"cannot delete {{FAR}}")
    def test_teardown(breaks_after): pass
    def test_mail(): raise ValueError("ask {USER}@example.org")
    def test_warns(): warnings.warn(f"{{FAR}} is old", stacklevel=1)
    def test_multiline(): raise ValueError(f"none\\npassword={SECRETS["message"]}\\n{{FAR}}")
    def test_as_a_type():
        raise type(str(FAR), (Exception,), {{}})("odd")
"""
FILES = {
    "test_it.py": TESTS,
    "test_broken.py": f"raise RuntimeError('/srv/{USER}/x and password={SECRETS['message']}')",
    "test_import.py": "from conftest import nothing_like_this",
    "conftest.py": """
        def pytest_addoption(parser):
            parser.addoption("--api-token")
            parser.addoption("--data")
    """,
    "pytest.ini": f"[pytest]\naddopts = --data=/srv/{USER}/data\n",
}


@pytest.fixture(scope="module")
def recorded(make_project: Callable[..., Any]) -> tuple[Any, Any]:
    """The project and the run: everything in it would like to be told."""
    made = make_project(FILES)
    home = made.folder.parent / USER
    home.mkdir()
    (made.folder / ".git").mkdir()
    (made.folder / ".git" / "HEAD").write_text("ref: refs/heads/trunk\n")
    (made.folder / ".git" / "config").write_text(
        f'[remote "origin"]\nurl = https://joe:{SECRETS["remote"]}@example.org/team/wheel.git\n'
    )
    environ = {
        "HOME": str(home), "USER": USER, "LOGNAME": USER, "SERVICE_PASSWORD": SECRETS["variable"],
        "PYTEST_ADDOPTS": f"--data=/srv/{USER}/data",
    }  # fmt: skip
    run = made.run(
        f"--api-token={SECRETS['argument']}",
        f"--data=/srv/{USER}/data",
        f"--basetemp={made.temporary / 'base'}",
        f"--confcutdir={made.folder}",
        str(made.folder),
        "--continue-on-collection-errors",
        "--junitxml=junit.xml",
        environ=environ,
    )
    assert run.output.count("hunter2") > 5, "the test tests nothing"
    return made, run


def everything(recorded: tuple[Any, Any]) -> bytes:
    """All bytes that are left in our home, and all that were collected from it."""
    made, run = recorded
    files = [path.read_bytes() for path in made.home.rglob("*") if path.is_file()]
    return b"\n".join([*run.lines, *files])


def test_all_of_it_is_recorded(recorded: tuple[Any, Any]) -> None:
    run = recorded[1]

    assert len([r for r in run.results if r.subtest is None]) == TESTS.count("def test_") + 1 + 2
    assert run.collected.invalid == 0


@pytest.mark.parametrize("where", SECRETS)
def test_a_secret_is_not_recorded_as(recorded: tuple[Any, Any], where: str) -> None:
    assert SECRETS[where].encode() not in everything(recorded)


def test_no_user_is_named(recorded: tuple[Any, Any]) -> None:
    found = everything(recorded)
    account = pwd.getpwuid(os.getuid()).pw_name.encode()

    assert USER.encode() not in found
    assert re.findall(rb".{0,40}\b" + re.escape(account) + rb"\b.{0,40}", found) == []


def test_no_machine_is_named(recorded: tuple[Any, Any]) -> None:
    name = identity.host_name().encode()

    assert re.findall(rb".{0,40}\b" + re.escape(name) + rb"\b.{0,40}", everything(recorded)) == []


def test_no_folder_of_the_machine_is_named(recorded: tuple[Any, Any]) -> None:
    made, _ = recorded
    found = everything(recorded)
    folders = [str(made.folder), str(made.folder.parent), str(made.temporary), str(Path.home())]

    assert [folder for folder in folders if folder.encode() in found] == []


def test_the_output_of_tests_is_not_recorded(project: Callable[..., Any]) -> None:
    printing = """
        import sys, logging
        def test_it():
            print("the output"); print("the errors", file=sys.stderr)
            logging.warning("the log")
            value = "a local variable"
            assert 0
    """

    run = project({"test_it.py": printing}).run("--showlocals")

    assert run.output.count("the output") >= 1
    told = b"\n".join(run.lines)
    for text in (b"the output", b"the errors", b"the log", b"a local variable", b"print("):
        assert text not in told


def test_messages_can_be_switched_off_whole(project: Callable[..., Any]) -> None:
    made = project(
        {
            "test_it.py": """
                import pytest
                def test_fails(): raise ValueError("the message")
                def test_skips(): pytest.skip("the reason")
                @pytest.mark.xfail(reason="the reason")
                def test_xfails(): raise ValueError("the message")
                def test_exits(): pytest.exit("the message")
            """,
            "sbhooks.toml": "[privacy]\nfailure_messages = false\n",
        }
    )

    run = made.run()

    told = b"\n".join(run.lines)
    assert b"the message" not in told
    assert b"the reason" not in told
    assert run.result("test_fails").failure.type == "ValueError"
    assert run.result("test_fails").failure.message is None


def test_the_same_failures_are_alike_without_their_messages(project: Callable[..., Any]) -> None:
    made = project({"test_it.py": "def test_fails(): raise ValueError('the message')"})
    told = made.run().result("test_fails").failure.fingerprint

    made.write({"sbhooks.toml": "[privacy]\nfailure_messages = false\n"})
    untold = made.run().result("test_fails").failure.fingerprint

    assert told == untold


@pytest.mark.parametrize(
    ("variable", "is_secret"),
    [("DB_PASS", True), ("PGPASSWORD", True), ("CI_JOB_TOKEN", True), ("aws_secret_key", True),
     ("TOX_TESTENV_PASSENV", False), ("COMPASS_URL", False), ("PATH", False)],
)  # fmt: skip
def test_which_variables_hold_secrets(variable: str, is_secret: bool) -> None:
    privacy = Privacy(here({}), "/", {variable: "opensesame"})
    assert ("opensesame" not in privacy.line("it says opensesame")) is is_secret

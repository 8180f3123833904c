"""The doctor names what is wrong, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sbhooks import problems
from sbhooks.cli import main
from sbhooks.cli_options import CommandLine
from sbhooks.doctor import Check, examine, noted
from sbhooks.emitter import Emitter
from sbhooks.events import Invocation, Outcome
from sbhooks.hookspecs import hookimpl
from sbhooks.plugins import Hooks


def findings(*, area: str = "", state: str = "") -> list[Check]:
    """What is found right now, of one area or in one state."""
    line = CommandLine()
    try:
        found = examine(line).checks
    finally:
        line.close()
    return [c for c in found if (not area or c.area == area) and (not state or c.state == state)]


def emit(skill: str = "lint") -> None:
    emitter = Emitter.start("cli")
    emitter.emit(Invocation(source="cli", session="s", skill=skill, outcome=Outcome.SUCCESS))
    emitter.close()


def test_a_new_installation_has_nothing_wrong() -> None:
    assert findings(state="wrong") == []
    (python,) = findings(area="python")
    assert python.what.startswith("Python 3.")


def test_looking_changes_nothing(home: Path) -> None:
    findings()
    assert not home.exists()


def test_a_used_installation_has_nothing_wrong(home: Path) -> None:
    emit()
    assert main(["collect"]) == 0
    assert findings(state="wrong") == []
    (store,) = findings(area="store")
    assert store.what.endswith("holds 1 event")


def test_settings_that_cannot_be_used_are_named_by_file_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sbhooks.toml").write_text("stoer = 'x'\n")
    monkeypatch.chdir(tmp_path)
    (settings,) = findings(area="settings")
    assert settings.state == "wrong"
    assert str(tmp_path / "sbhooks.toml") in settings.what
    assert "'stoer'" in settings.what
    assert [check.area for check in findings(state="wrong")] == ["settings"]
    looked_past = [check.area for check in findings(state="doubt") if "not looked" in check.what]
    assert looked_past == ["recording", "store"]


def test_a_home_that_cannot_be_one_is_wrong(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")
    assert [check.area for check in findings(state="wrong")][:1] == ["home"]


def test_a_file_above_the_home_is_wrong_once_and_has_an_advice(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")
    monkeypatch.setenv("SBHOOKS_HOME", str(home / "below" / "it"))
    (check,) = findings(state="wrong")
    assert check.what == f"{home / 'below' / 'it'} cannot be made: {home} is no folder"
    assert check.advice == "set SBHOOKS_HOME to a folder that you can write"
    assert "does not exist yet" not in str(findings())
    assert (main(["doctor"]), main(["doctor", "--strict"])) == (0, 1)
    assert "1 thing wrong" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs the file system of processes")
def test_a_home_where_nobody_can_make_one_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBHOOKS_HOME", "/proc/sbhooks-home")
    (check,) = findings(state="wrong")
    assert check.area == "home"
    assert check.what.startswith("/proc/sbhooks-home cannot be made: ")


def test_a_database_that_cannot_be_made_is_wrong(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SBHOOKS_STORE", f"sqlite:///{tmp_path}/file/x.db")
    (check,) = findings(state="wrong")
    assert (check.area, check.advice) == ("store", "make its folder, or set SBHOOKS_STORE")
    assert f"{tmp_path}/file is no folder" in check.what


def test_a_home_that_cannot_be_written_is_wrong(nobodys_home: Path) -> None:
    nobodys_home.mkdir(mode=0o500)
    assert [check.area for check in findings(state="wrong")] == ["home"]


def test_a_damaged_key_is_wrong(home: Path) -> None:
    home.mkdir()
    (home / "identity.json").write_text("no key")
    (check,) = findings(area="home", state="wrong")
    assert "delete" in check.advice


def test_a_key_that_others_can_read_is_wrong(home: Path) -> None:
    assert main(["init"]) == 0
    (home / "identity.json").chmod(0o644)
    (check,) = findings(area="home", state="wrong")
    assert "chmod 600" in check.advice


def test_switched_off_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBHOOKS_DISABLE", "all")
    (check,) = findings(area="recording")
    assert (check.state, check.what) == (
        "doubt",
        "switched off: environment says disable = all",
    )


def test_what_was_set_aside_is_counted(home: Path) -> None:
    spool = home / "spool"
    spool.mkdir(parents=True)
    unknown = b'{"kind":"acme-x","source":"a","session":"s"}\n'
    (spool / "a.1.seg").write_bytes(unknown * 2 + b'{"kind":"invoc')
    assert main(["collect"]) == 0
    told = [check.what for check in findings(area="spool", state="doubt")]
    assert told == [
        "1 line of segment a.1 set aside: torn or damaged",
        "2 events of the unknown kind 'acme-x' set aside",
    ]


def test_a_damaged_database_is_wrong(home: Path) -> None:
    home.mkdir()
    (home / "sbhooks.db").write_bytes(b"no database at all" * 100)
    (check,) = findings(area="store")
    assert check.state == "wrong"


def test_a_store_that_finds_fault_with_itself_is_wrong(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sbhooks.testing.memory import MemoryEventStore

    class Torn(MemoryEventStore):
        def faults(self) -> list[str]:
            return ["page 7 is torn"]

    class Storage:
        @hookimpl
        def sbhooks_open_store(self) -> MemoryEventStore:
            return Torn()

    hooks = Hooks(home=str(home))
    hooks.register(Storage(), "torn")
    monkeypatch.setattr(CommandLine, "hooks", hooks)
    monkeypatch.setenv("SBHOOKS_STORE", "torn://x")
    (check,) = findings(area="store")
    assert (check.state, check.what) == ("wrong", "torn://x: page 7 is torn")


def test_plugins_are_listed_with_what_is_wrong(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy:
        REQUIRES = {"no_such_library": "sbhooks-acme[fast]"}  # noqa: RUF012

    class Wrong:
        @hookimpl
        def sbhooks_no_such_hook(self) -> None: ...

    hooks = Hooks(home=str(home))
    for name, plugin in {"greedy": Greedy(), "wrong": Wrong()}.items():
        hooks.register(plugin, name, "acme 1.0")
    hooks.register(Greedy(), "server", "sbhooks 1.0")
    hooks.register(Wrong(), "wrong", "other 2.0")
    monkeypatch.setattr(CommandLine, "hooks", hooks)
    found = {(c.area, c.state): c for c in findings() if c.area.startswith("plugin ")}
    assert "pip install 'sbhooks-acme[fast]'" in found["plugin greedy", "doubt"].what
    assert "no_such_hook" in found["plugin wrong", "wrong"].what
    assert found["plugin server", "ok"].what.startswith("not asked for: ")  # a smaller install


def test_noted_problems_are_counted_and_can_be_forgotten(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        problems.record(str(home), "spool", "the disk is full", lost=3)
    (problem,) = noted(str(home))
    assert (problem.times, problem.lost_events) == (2, 6)
    assert main(["doctor", "--clear"]) == 0
    told = capsys.readouterr().out
    assert "1 problem noted, 6 events could not be recorded" in told
    assert "spool: the disk is full" in told
    assert noted(str(home)) == []


def test_strict_turns_what_is_wrong_into_status_1(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--strict"]) == 0
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")
    assert main(["doctor"]) == 0
    assert main(["doctor", "--strict", "--json"]) == 1
    out = capsys.readouterr().out
    assert json.loads(out[out.index("\n{") :])["ok"] is False


def test_marks_tell_the_states_apart(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert {line[0] for line in told.splitlines()[:8]} >= {"✓", "!", "✗"}


def test_doubts_are_not_hidden_behind_nothing_is_wrong(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems.record(str(home), "spool", "the disk is full", lost=3)
    main(["doctor"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Nothing is wrong; ")
    assert last.endswith(" to look at.")


def test_a_file_in_place_of_the_home_is_named_as_the_reason(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    home.write_text("")
    assert main(["runs"]) == 2
    assert "is a file. Set SBHOOKS_HOME" in capsys.readouterr().err

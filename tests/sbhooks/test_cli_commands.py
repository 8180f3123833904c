"""The kernel's commands: init, collect, status, plugins, config show."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks.emitter import Emitter
from sbhooks.events import Invocation, Outcome, SessionStart


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command with ``--json``; returns the document."""

    def run(*arguments: str) -> Any:
        capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def emit(*, close: bool = True) -> Emitter:
    """Record a run with one invocation."""
    emitter = Emitter.start("cli")
    common = {"source": "cli", "session": emitter.session}
    emitter.emit(SessionStart(**common, tool="cli", project="acme"))
    emitter.emit(Invocation(**common, skill="lint", outcome=Outcome.SUCCESS))
    if close:
        emitter.close()
    return emitter


def test_init_makes_home_key_and_store_and_says_what_next(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    told = capsys.readouterr().out
    assert str(home) in told.replace("\n           ", "")
    assert "sbhooks runs" in told
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "identity.json").stat().st_mode) == 0o600
    assert (home / "sbhooks.db").is_file()


def test_init_again_changes_nothing(home: Path, ask: Any) -> None:
    first = ask("init")
    key = (home / "identity.json").read_bytes()
    assert ask("init") == first
    assert (home / "identity.json").read_bytes() == key


def test_init_where_nothing_can_be_made_is_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")
    assert main(["init"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"sbhooks: cannot make the home {home}")
    assert told.err.count("\n") == 1


def test_collect_says_what_it_did(home: Path, ask: Any) -> None:
    emit()
    still_open = emit(close=False)
    assert ask("collect") == {
        "events": 4, "segments": 1, "killed": 0, "unknown": 0, "invalid": 0, "open": 1,
        "unreadable": 0,
    }  # fmt: skip
    still_open.close()
    assert ask("collect")["events"] == 0


def test_collect_tells_people_what_could_not_be_taken_in(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "spool").mkdir(parents=True)
    (home / "spool" / "a.1.seg").write_bytes(b'{"kind":"unheard-of"}\n')
    assert main(["collect"]) == 0
    assert "nobody understands it: 1 line. Run: sbhooks doctor" in capsys.readouterr().out


def test_status_of_a_new_installation(home: Path, ask: Any) -> None:
    found = ask("status")
    assert found["home"] == str(home)
    assert found["events"] == {}
    assert found["last_run"] is None
    assert found["spool"] == {"waiting": 0, "open": 0, "set_aside_lines": 0, "size_bytes": 0}


def test_status_collects_and_names_the_last_run(ask: Any) -> None:
    emitter = emit()
    found = ask("status")
    assert found["collected"] == 2
    assert found["events"] == {"session-start": 1, "invocation": 1}
    assert found["last_run"]["session"] == emitter.session
    assert found["store_size_bytes"] > 0


def test_status_with_a_store_that_cannot_be_used_still_answers(
    home: Path, ask: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    emit()
    (home / "sbhooks.db").write_bytes(b"no database at all" * 100)
    found = ask("status")
    assert found["events"] is None
    assert "sbhooks.db" in found["trouble"]
    assert found["spool"]["waiting"] == 1
    assert main(["status"]) == 0
    assert "cannot be used" in capsys.readouterr().out


def test_status_where_no_home_can_be_says_so_and_ends_well(
    home: Path, ask: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")
    for place in (home, home / "below"):
        monkeypatch.setenv("SBHOOKS_HOME", str(place))
        found = ask("status")
        assert found["recording"] is False
        assert found["reason"].startswith(f"{home} is no folder. Set SBHOOKS_HOME")
        assert found["events"] is None
        assert found["spool"]["waiting"] == 0
    assert main(["status"]) == 0
    assert "recording  off: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variables", "recording", "reason"),
    [
        ({"SBHOOKS_DISABLE": "all"}, False, "disable = all"),
        ({"SBHOOKS_DISABLE": "pytest"}, True, "no recorder"),
    ],
)
def test_status_says_why_it_records_or_not(
    variables: dict[str, str],
    recording: bool,
    reason: str,
    ask: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = ask("status")
    assert found["recording"] is recording
    assert reason in found["reason"]


def test_plugins_are_listed_with_their_hooks(ask: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = {plugin["name"]: plugin for plugin in ask("plugins")["plugins"]}
    hooks = ["commands", "deployment_checks", "metrics", "open_store"]
    assert found["storage"]["hooks"] == [f"sbhooks_{hook}" for hook in hooks]
    assert found["analytics"]["status"] == "loaded"
    assert main(["plugins"]) == 0
    assert f"storage: {', '.join(hooks)}" in capsys.readouterr().out


def test_a_disabled_plugin_is_listed_as_such(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBHOOKS_DISABLE", "analytics")
    found = {plugin["name"]: plugin for plugin in ask("plugins")["plugins"]}
    assert found["analytics"]["status"] == "disabled"


def test_settings_are_shown_with_where_they_come_from(
    tmp_path: Path, ask: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "sbhooks.toml"
    project.write_text('project = "acme"\n[privacy]\nqueries = false\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SBHOOKS_TOKEN", "very-secret")
    monkeypatch.setenv("SBHOOKS_STORE", "postgresql://ann:hush@db/x")
    found = {row["key"]: (row["value"], row["origin"]) for row in ask("config", "show")["settings"]}
    assert found["project"] == ("acme", str(project))
    assert found["token"] == ("•••", "environment")
    assert found["store"] == ("postgresql://ann:•••@db/x", "environment")
    assert found["trace"] == (False, "default")
    assert found["privacy"][0]["queries"] is False
    assert main(["config", "show"]) == 0
    told = capsys.readouterr().out
    assert "secret" not in told and "hush" not in told
    assert "queries = no" in told


def test_settings_of_plugins_are_shown_each_with_its_origin(
    tmp_path: Path, ask: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "user" / "sbhooks" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[storage]\nretention = {"test-result" = "90d"}\n[analytics]\na = [1, "x"]\n')
    project = tmp_path / "sbhooks.toml"
    project.write_text("[analytics]\na = 1\nb = 0.5\n[privacy]\nqueries = false\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    rows = {row["key"]: row for row in ask("config", "show")["settings"]}
    assert rows["storage"]["value"] == {"retention": {"test-result": "90d"}}
    assert (rows["storage"]["origin"], rows["storage"]["origins"]) == (
        str(own), {"retention": str(own)},
    )  # fmt: skip
    assert rows["analytics"]["value"] == {"a": [1, "x"], "b": 0.5}
    assert rows["analytics"]["origins"] == {"a": str(own), "b": str(project)}
    assert rows["privacy"]["origins"] == {"queries": str(project)}
    assert rows["trace"]["origins"] == {}
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["config", "show"]) == 0
    told = capsys.readouterr().out
    assert "retention = {test-result = 90d}" in told
    assert "a = 1, x, b = 0.5" in told
    assert f"from {own}: a; {project}: b" in told


def test_what_may_be_secret_in_a_plugins_settings_is_masked(
    tmp_path: Path, ask: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sbhooks.toml").write_text(
        "[analytics]\n"
        'room = "https://ann:hush1@chat.example/hush2?k=hush3"\n'
        'other = ["https://chat.example?hush4"]\n'
        'api_token = "hush5"\n'
        'deep = {password = "hush6", note = "bearer hushHUSH7hush"}\n'
        'secrets = ["hush8"]\n'
        'tokens = {ci = "hush9"}\n'
        'auth = {deep = {value = "hush10"}}\n'
        'bare = "https://hush11@chat.example/"\n'
    )
    monkeypatch.chdir(tmp_path)
    (row,) = (row for row in ask("config", "show")["settings"] if row["key"] == "analytics")
    assert row["value"]["room"] == "https://•••@chat.example/•••"
    assert row["value"]["bare"] == "https://•••@chat.example/"
    assert row["value"]["other"] == ["https://chat.example?•••"]
    assert [row["value"][key] for key in ("api_token", "secrets")] == ["•••", "•••"]
    assert "hush" not in str(row)
    assert main(["config", "show"]) == 0
    assert "hush" not in capsys.readouterr().out


def test_another_store_is_read_as_it_is(home: Path, tmp_path: Path, ask: Any) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    emit()
    assert ask("collect", "--store", other)["events"] == 2
    emit()
    assert ask("top", "--store", other)["skills"][0]["invocation_count"] == 1
    assert ask("top")["skills"][0]["invocation_count"] == 1
    assert ask("top", "--store", f"sqlite:///{home / 'sbhooks.db'}")["skills"] != []


def test_an_empty_store_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["top"], ["runs"], ["tests", "list"], ["tests", "slow"]):
        assert main(command) == 0
        assert capsys.readouterr().out.startswith("Nothing is recorded yet. Run your tests")
        assert main([*command, "--since", "1h"]) == 0
        assert "Leave out --project and --since" in capsys.readouterr().out


@pytest.fixture
def newer(home: Path) -> Path:
    """A database with two events, as a newer version of sbhooks would leave it."""
    emit()
    assert main(["collect"]) == 0
    path = home / "sbhooks.db"
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version + 1}")
    connection.close()
    return path


@pytest.mark.parametrize("waiting", [False, True])
def test_a_database_of_a_newer_version_is_read_and_not_written(
    waiting: bool, newer: Path, ask: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if waiting:
        emit()
    capsys.readouterr()
    assert main(["top", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["skills"][0]["invocation_count"] == 1
    assert told.err.startswith("sbhooks: answers from what is stored, without")
    assert "Upgrade sbhooks" in told.err
    assert told.err.count("\n") == 1
    for command in ("collect", "init"):
        assert main([command]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith(f"sbhooks: cannot write to {newer}")
        assert told.err.count("\n") == 1
    assert ask("status")["spool"]["waiting"] == waiting


def test_status_and_doctor_say_that_a_database_is_of_a_newer_version(
    newer: Path, ask: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ask("status")
    assert found["events"] == {"session-start": 1, "invocation": 1}
    assert found["last_run"] is not None
    assert "Upgrade sbhooks" in found["trouble"]
    assert main(["status"]) == 0
    assert "only to be read: cannot write to" in " ".join(capsys.readouterr().out.split())
    wrong = [check for check in ask("doctor")["checks"] if check["state"] == "wrong"]
    assert [check["area"] for check in wrong] == ["store"]
    assert "Upgrade sbhooks" in wrong[0]["what"]


def test_what_plugins_cost_is_shown(ask: Any) -> None:
    emit()
    found = {plugin["name"]: plugin for plugin in ask("plugins")["plugins"]}
    for name in ("storage", "analytics", "demo"):
        assert found[name]["calls"] >= 1
        assert found[name]["seconds"] > 0


def test_no_setting_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"sqlite:///{tmp_path}/{'a-long-folder/' * 8}sbhooks.db"
    monkeypatch.setenv("SBHOOKS_STORE", store)
    assert main(["config", "show"]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80
    assert store in "".join(told.split())
    assert "from environment" in told
    assert "What names no source has its default." in told

"""``sbhooks monitoring``: what is written where, and what is left alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks_monitoring.catalog import groups
from sbhooks_monitoring.export import CONFIGURATIONS

ALERTS = sum(len(group.alerts) for group in groups())
Tool = Callable[..., subprocess.CompletedProcess[str]]
Ask = Callable[..., Any]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command; its JSON, or what it says when it should fail."""

    def run(*words: object, status: int = 0, raw: bool = False) -> Any:
        capsys.readouterr()
        arguments = ["monitoring", *map(str, words)]
        assert main(arguments if raw or status else [*arguments, "--json"]) == status
        said = capsys.readouterr()
        if status:
            return " ".join(said.err.split())
        return said.out if raw else json.loads(said.out)

    return run


def test_everything_is_written_below_the_folder(ask: Ask, tmp_path: Path) -> None:
    found = ask("export", tmp_path / "new" / "monitoring")
    folder = Path(found["folder"])
    assert folder == tmp_path / "new" / "monitoring"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {one["path"] for one in found["files"]} == there
    assert {one["state"] for one in found["files"]} == {"new"}
    assert (found["alerts"], found["dashboards"]) == (ALERTS, 2)
    assert there >= {
        "README.md", "prometheus/prometheus.yml", "prometheus/sbhooks.rules.yml",
        "prometheus/sbhooks.rules.test.yml", "alertmanager/alertmanager.yml",
        "grafana/dashboards/sbhooks-overview.json", "grafana/dashboards/sbhooks-server.json",
        "grafana/provisioning/datasources/sbhooks.yml",
        "grafana/provisioning/dashboards/sbhooks.yml", "runbooks/README.md",
        "runbooks/SbhooksServerDown.md",
    }  # fmt: skip


def states(document: Any) -> dict[str, str]:
    return {one["path"]: one["state"] for one in document["files"]}


def test_once_more_changes_nothing(ask: Ask, tmp_path: Path) -> None:
    ask("export", tmp_path)
    assert set(states(ask("export", tmp_path)).values()) == {"same"}
    assert "everything is there already" in " ".join(ask("export", tmp_path, raw=True).split())


def test_rules_are_renewed_and_configurations_kept(ask: Ask, tmp_path: Path) -> None:
    ask("export", tmp_path)
    mine = tmp_path / "alertmanager" / "alertmanager.yml"
    mine.write_text("mine", encoding="utf-8")
    rules = tmp_path / "prometheus" / "sbhooks.rules.yml"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.replace("0.7", "0.6"), encoding="utf-8")
    said = " ".join(ask("export", tmp_path, raw=True).split())
    assert "1 file written" in said
    assert "Left as they are: alertmanager/alertmanager.yml. To have them replaced" in said
    assert (rules.read_text(encoding="utf-8"), mine.read_text(encoding="utf-8")) == (text, "mine")
    found = states(ask("export", tmp_path, "--force"))
    assert found.pop("alertmanager/alertmanager.yml") == "replaced"
    assert set(found.values()) == {"same"}


def test_what_is_not_ours_is_not_replaced(ask: Ask, tmp_path: Path) -> None:
    ask("export", tmp_path / "ours")
    theirs = tmp_path / "theirs" / "runbooks" / "README.md"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine", encoding="utf-8")
    said = ask("export", tmp_path / "theirs", status=2)
    assert "runbooks/README.md would be replaced" in said
    assert "--force" in said
    assert [path for path in (tmp_path / "theirs").rglob("*") if path.is_file()] == [theirs]
    assert states(ask("export", tmp_path / "theirs", "--force"))["runbooks/README.md"] == "replaced"


def test_all_but_configurations_can_be_told_from_those_of_others(exported: Path) -> None:
    files = {
        str(path.relative_to(exported)): path for path in exported.rglob("*") if path.is_file()
    }
    unmarked = {
        name
        for name, path in files.items()
        if b"sbhooks monitoring export" not in path.read_bytes()
    }
    assert files.keys() >= CONFIGURATIONS
    assert unmarked <= CONFIGURATIONS


def test_people_are_told_what_to_do_next(ask: Ask, tmp_path: Path) -> None:
    said = " ".join(ask("export", tmp_path, raw=True).split())
    assert f"{ALERTS} alerts with runbooks and tests, 2 dashboards" in said
    assert "README.md" in said


def test_a_folder_that_cannot_be_written_is_named(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot write to" in ask("export", tmp_path / "file" / "x", status=2)
    assert "is a file" in ask("export", tmp_path / "file", status=2)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--target", "http://127.0.0.1:8765", "leave out http:// and paths"),
        ("--target", "127.0.0.1", "is no HOST:PORT"),
        ("--target", "a:99999", "is no HOST:PORT"),
        ("--target", "a b:1", "leave out"),
        ("--alertmanager", "x", "is no HOST:PORT"),
        ("--job", 'a"b', "has characters"),
        ("--job", "", "has characters"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    ask: Ask, tmp_path: Path, option: str, value: str, said: str
) -> None:
    assert said in ask("export", tmp_path / "x", option, value, status=2)
    assert not (tmp_path / "x").exists()


def test_promtool_takes_every_way_of_configuring_it(ask: Ask, tmp_path: Path, tool: Tool) -> None:
    token = tmp_path / "a token"
    token.write_text("sbh_x", encoding="utf-8")
    (tmp_path / "ca.pem").write_text("", encoding="utf-8")
    ask("export", tmp_path / "plain")
    ask(
        "export", tmp_path / "all", "--target", "a.example:8765", "--target", "[::1]:9", "--job",
        "dev tools: all", "--tls", "--token-file", token, "--alertmanager", "alerts.example:9093",
        "--prometheus", "https://metrics.example/", "--runbooks", "https://wiki.example/it's#a b",
    )  # fmt: skip
    ask("export", tmp_path / "own", "--ca-file", tmp_path / "ca.pem")
    for name in ("plain", "all", "own"):
        done = tool("promtool", "check", "config", tmp_path / name / "prometheus/prometheus.yml")
        assert done.returncode == 0, done.stderr
    text = (tmp_path / "all" / "prometheus/prometheus.yml").read_text(encoding="utf-8")
    for part in ("a.example:8765", "[::1]:9", "scheme: https", f'credentials_file: "{token}"'):
        assert part in text
    assert "scheme: https" in (tmp_path / "own/prometheus/prometheus.yml").read_text("utf-8")
    done = tool("promtool", "check", "rules", tmp_path / "all" / "prometheus/sbhooks.rules.yml")
    assert done.returncode == 0, done.stderr


def test_amtool_takes_the_example(exported: Path, tool: Tool) -> None:
    config = exported / "alertmanager" / "alertmanager.yml"
    done = tool("amtool", "check-config", config)
    assert done.returncode == 0, done.stderr
    for severity, receiver in {
        "critical": "at-once", "warning": "working-day", "info": "nobody",
    }.items():  # fmt: skip
        done = tool("amtool", "config", "routes", "test", f"--config.file={config}",
                    f"severity={severity}", "alertname=SbhooksX")  # fmt: skip
        assert done.stdout.split() == [receiver]


def test_alerts_are_listed_and_each_can_be_looked_up(ask: Ask) -> None:
    found = ask("alerts")["alerts"]
    assert len(found) == ALERTS
    assert found[0].keys() == {
        "name", "component", "severity", "lasts", "summary", "expression",
    }  # fmt: skip
    said = ask("alerts", raw=True)
    assert "SbhooksServerDown" in said
    assert "{{" not in said
    assert ask("runbook", "serverdown", raw=True).startswith("# SbhooksServerDown\n")
    assert "there is no alert 'x'" in ask("runbook", "x", status=2)

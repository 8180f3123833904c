"""Rules, judged by Prometheus' own tools."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from sbhooks_monitoring import yaml
from sbhooks_monitoring.catalog import groups, recordings
from sbhooks_monitoring.configs import Place
from sbhooks_monitoring.export import export

Tool = Callable[..., subprocess.CompletedProcess[str]]
RULES = "prometheus/sbhooks.rules.yml"
CASES = "prometheus/sbhooks.rules.test.yml"
ALERTS = [alert for group in groups() for alert in group.alerts]


def test_promtool_finds_nothing_to_say_about_the_rules(exported: Path, tool: Tool) -> None:
    done = tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", exported / RULES)
    assert done.returncode == 0, done.stderr
    assert f"{len(ALERTS) + len(recordings())} rules found" in done.stdout


def test_every_alert_fires_where_it_should_and_is_silent_where_it_should(
    exported: Path, tool: Tool
) -> None:
    text = (exported / CASES).read_text(encoding="utf-8")
    assert all(f"name: {name}" in text or f'name: "{name}"' in text for alert in ALERTS
               for name in (f"{alert.name} fires", f"{alert.name} is silent"))  # fmt: skip
    done = tool("promtool", "test", "rules", exported / CASES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cases_notice_a_limit_that_was_changed(
    exported: Path, tmp_path: Path, tool: Tool
) -> None:
    folder = shutil.copytree(exported / "prometheus", tmp_path / "prometheus")
    rules = folder / "sbhooks.rules.yml"
    text = rules.read_text(encoding="utf-8")
    assert "ratio1h < 0.7" in text
    rules.write_text(text.replace("ratio1h < 0.7", "ratio1h < 0.5"), encoding="utf-8")
    _only(folder / "sbhooks.rules.test.yml", "SbhooksSkillCompletionLow fires")
    done = tool("promtool", "test", "rules", folder / "sbhooks.rules.test.yml")
    assert done.returncode != 0
    assert "SbhooksSkillCompletionLow fires" in done.stdout + done.stderr


def test_alerts_lead_to_their_runbooks(exported: Path, tmp_path: Path) -> None:
    text = (exported / RULES).read_text(encoding="utf-8")
    for alert in ALERTS:
        assert f"runbook_url: {(exported / 'runbooks').as_uri()}/{alert.name}.md" in text
        assert (exported / "runbooks" / f"{alert.name}.md").is_file()
    export(tmp_path, Place(runbooks="https://wiki.example.org/sbhooks/"))
    text = (tmp_path / RULES).read_text(encoding="utf-8")
    assert "runbook_url: https://wiki.example.org/sbhooks/SbhooksDiskFull.md" in text


def test_texts_that_could_be_something_else_are_quoted() -> None:
    document = {
        "plain": "a/b-c.d:e", "word": "yes", "empty": "", "number": "0x10", "colon": "a: b",
        "quoted": 'up{job="x"} == 0', "both": "a\"b'c", "lines": "a\n  b\n\nc",
        "list": [1, {"x": [True, []]}], "control": "\x07é", "span": "5m", "end": "a:",
        "nothing": {},
    }  # fmt: skip
    assert yaml.dump(document, comment="One\nTwo") == (
        "# One\n# Two\n"
        "plain: a/b-c.d:e\n"
        'word: "yes"\n'
        'empty: ""\n'
        'number: "0x10"\n'
        'colon: "a: b"\n'
        "quoted: 'up{job=\"x\"} == 0'\n"
        'both: "a\\"b\'c"\n'
        "lines: |-\n  a\n    b\n\n  c\n"
        "list:\n  - 1\n  - x:\n      - true\n      - []\n"
        'control: "\\u0007é"\n'
        "span: 5m\n"
        'end: "a:"\n'
        "nothing: {}\n"
    )


def _only(file: Path, name: str) -> None:
    """Leave one case in a file of cases."""
    head, *cases = file.read_text(encoding="utf-8").split("  - name: ")
    kept = [case for case in cases if case.startswith((name, f'"{name}'))]
    file.write_text(head + "".join(f"  - name: {case}" for case in kept), encoding="utf-8")

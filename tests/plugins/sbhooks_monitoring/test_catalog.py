"""Alerts and runbooks: complete, and naming nothing that does not exist."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import click
import pytest

from sbhooks.cli import root
from sbhooks.cli_options import CommandLine
from sbhooks_monitoring.catalog import GROUPS, Alert, groups, recordings
from sbhooks_monitoring.runbooks import by_itself, page, pages

DOCS = Path(__file__).parents[3] / "docs"
ALERTS = [alert for group in groups() for alert in group.alerts]
_each = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
_COMMAND = re.compile(r"(?:`|Run: )(?:[A-Z_]+=\S+ )?sbhooks ([a-z][\w -]*)")


def test_there_are_enough_of_every_group() -> None:
    assert tuple(group.about.component for group in groups()) == GROUPS
    assert len(ALERTS) >= 25
    assert all(len(group.alerts) >= 3 for group in groups())
    assert set(Counter(alert.severity for alert in ALERTS)) == {"critical", "warning", "info"}


def test_names_are_unique_and_say_whose_they_are() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"Sbhooks[A-Z]\w+", name) for name in names)
    recorded = [one.name for one in recordings()]
    assert len(set(recorded)) == len(recorded)
    assert all(re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", name) for name in recorded)


@_each
def test_an_alert_says_everything(alert: Alert) -> None:
    assert "MEASURE" in alert.when
    assert "MEASURE" not in alert.expression
    texts = (alert.summary, alert.description, alert.means, *alert.look, *alert.act)
    assert all(text.strip() and len(text) < 600 for text in texts)
    assert len(alert.summary) <= 80
    assert alert.look
    assert alert.act


@_each
def test_what_it_says_can_be_filled_in(alert: Alert) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))
    assert named <= set(alert.firing.labels)
    assert ("$value" in alert.description) <= bool(alert.firing.value)


def test_a_more_urgent_alert_needs_no_longer_than_a_less_urgent_one() -> None:
    by_name = {alert.name: alert for alert in ALERTS}
    for urgent, other in (
        ("SkillCompletionVeryLow", "SkillCompletionLow"),
        ("SkillVerySlow", "SkillSlow"),
        ("DiskFull", "DiskFilling"),
    ):
        pair = by_name[f"Sbhooks{urgent}"], by_name[f"Sbhooks{other}"]
        assert [alert.severity for alert in pair] == ["critical", "warning"]
        assert _seconds(pair[0].for_) <= _seconds(pair[1].for_)


def test_every_command_of_a_runbook_exists() -> None:
    """Words behind ``sbhooks`` are commands as far as the command line goes, and options its."""
    cli = root()
    top = click.Context(cli, info_name="sbhooks", obj=CommandLine())
    wrong = []
    for alert in ALERTS:
        for text in (alert.description, alert.means, *alert.look, *alert.act, alert.tune):
            for words in _COMMAND.findall(text):
                if not _is_known(cli, top, words.split()):
                    wrong.append(f"{alert.name}: sbhooks {words}")
    assert wrong == []


def _is_known(cli: click.Group, top: click.Context, words: list[str]) -> bool:
    command: click.Command | None = cli
    while words and isinstance(command, click.Group):
        command = command.get_command(top, words.pop(0))
    if command is None:
        return False
    options = {name for parameter in command.params for name in parameter.opts}
    return all(word in options for word in words if word.startswith("--"))


def test_runbooks_link_to_pages_that_exist() -> None:
    broken = []
    made = pages(groups())
    for name, text in made.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            path = target.partition("#")[0]
            if path not in made and not (DOCS / "runbooks" / path).resolve().exists():
                broken.append(f"{name}: {target}")
    assert broken == []


@_each
def test_every_alert_has_a_page_that_stands_by_itself(alert: Alert) -> None:
    group = next(group for group in groups() if alert in group.alerts)
    text = by_itself(page(alert, group))
    assert text.startswith(f"# {alert.name}\n")
    assert alert.expression in text
    assert "](../" not in text
    assert "{{" not in text.replace(alert.expression, "")


def test_the_job_can_have_another_name() -> None:
    there = {
        alert.name: alert.expression for group in groups("dev tools") for alert in group.alerts
    }
    assert there["SbhooksServerDown"] == 'up{job="dev tools"} == 0'
    assert "@JOB@" not in "".join(there.values())


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"m": 60, "h": 3600, "d": 86_400}[text[-1]]

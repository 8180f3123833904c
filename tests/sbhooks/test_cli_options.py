"""Options that commands share: times, stores, and what a reading command is handed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.cli_options import CommandLine, Reading, Since
from sbhooks.errors import ConfigError, StoreError


def since(text: str) -> datetime:
    """What the option makes of a text."""
    return Since().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        (" 7d ", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_span_is_counted_back_from_now(text: str, back: timedelta) -> None:
    before = datetime.now(UTC)
    found = since(text)
    assert before - back <= found <= datetime.now(UTC) - back


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20T14:00Z", datetime(2026, 11, 20, 14, tzinfo=UTC)),
        ("2026-11-20T14:00:30+02:00", datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20).astimezone(UTC)),
        ("20261120", datetime(2026, 11, 20).astimezone(UTC)),
    ],
)
def test_a_date_without_a_zone_is_the_readers_own(text: str, at: datetime) -> None:
    assert since(text) == at


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,9}[mhdwx]", fullmatch=True))
def test_anything_else_is_refused_in_words(text: str) -> None:
    try:
        found = since(text)
    except click.BadParameter as error:
        assert "7d" in error.message
    else:
        assert found.tzinfo is UTC


def test_settings_and_plugins_are_made_when_asked_for() -> None:
    line = CommandLine()
    assert "config" not in vars(line) and "hooks" not in vars(line)
    assert line.runtime.config is line.config
    assert line.runtime.hooks is line.hooks
    line.close()


def test_a_store_that_is_the_configured_one_is_no_other(home: Path) -> None:
    line = CommandLine()
    assert not line.use_store(None)
    assert not line.use_store(line.config.store)
    assert line.use_store("sqlite:///other.db")
    assert line.config.store_file == home / "other.db"
    assert line.config.origins["store"] == "command line"


def test_an_option_is_checked_like_any_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBHOOKS_STORE", "sqlite:///x.db")
    line = CommandLine()
    line.overrides["nonsense"] = 1
    with pytest.raises(ConfigError, match="command line: unknown key 'nonsense'"):
        _ = line.config


def test_a_query_is_within_what_was_asked_for(home: Path) -> None:
    line = CommandLine()
    at = datetime(2026, 11, 20, tzinfo=UTC)
    asked = Reading(line.runtime, projects=("acme",), since=at)
    query = asked.query("invocation", limit=3)
    assert (query.kinds, query.projects, query.since, query.limit) == (
        ("invocation",), ("acme",), at, 3,
    )  # fmt: skip
    line.close()


def test_reading_does_not_make_a_store(tmp_path: Path) -> None:
    line = CommandLine()
    line.use_store(f"sqlite:///{tmp_path / 'typo.db'}")
    with pytest.raises(StoreError, match="does not exist"):
        _ = Reading(line.runtime, foreign=True).store
    assert list(tmp_path.iterdir()) == []
    line.close()

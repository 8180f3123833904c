"""Writes pages: the templates, and how they write figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sbhooks import wording
from sbhooks_server.dashboard import charts
from sbhooks_server.dashboard.filters import WINDOWS

HERE = Path(__file__).parent


def page(template: str, values: Mapping[str, Any]) -> bytes:
    """Write a page.

    Args:
        template: Its file.
        values: What it shows.
    """
    return _environment().get_template(template).render(values).encode()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    made.filters |= {
        "duration": wording.duration,
        "percent": wording.percent,
        "size": wording.size,
        "moment": _moment,
        "level": _level,
    }
    made.globals |= {"WINDOWS": WINDOWS, "frame": charts}
    return made


def _harmless(value: Any) -> Any:
    """Show control characters and direction marks instead of obeying them."""
    is_foreign = isinstance(value, str) and not isinstance(value, Markup)
    return wording.clean(value) if is_foreign and not value.isspace() else value


def _moment(at: datetime | None) -> Markup | str:
    """A time in UTC; the script writes it on the reader's clock."""
    if at is None:
        return wording.NOTHING
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M}"
    )


def _level(value: float, metric: str) -> str:
    """A level of a metric: a share, a duration, or a number."""
    if metric == "completion_rate":
        return wording.percent(value)
    return wording.duration(value) if metric == "duration" else f"{value:,.3g}"

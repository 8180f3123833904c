"""The result of an experiment as one HTML file: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from datetime import datetime
from html import escape

from sbhooks.wording import clean, percent
from sbhooks_experiments.figures import between, change, p_value, value
from sbhooks_experiments.results import Analysis, MetricResult

_WIDTH, _HEIGHT, _LEFT = 640, 44, 20
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;
color:#1c2024;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;
border-bottom:1px solid #d9dde2}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.ok{color:#18794e}.warning{color:#8f5b00}.blocking{color:#b4232c}.unknown{color:#60646c}
code{background:#f0f2f4;padding:.1rem .3rem;border-radius:.2rem;overflow-wrap:anywhere}
svg{max-width:100%;height:auto}.note{color:#60646c}
@media(prefers-color-scheme:dark){body{color:#edeef0;background:#111214}th,td{border-color:#363a3f}
code{background:#212325}.ok{color:#3dd68c}.warning{color:#ffca16}.blocking{color:#ff9592}
.note,.unknown{color:#b0b4ba}}
"""


def page(found: Analysis, now: datetime) -> str:
    """The whole page."""
    name = _text(found.experiment)
    parts = [
        f"<h1>{name}: {_text(found.summary)}</h1>",
        f"<p>{_text(found.reason)}</p>",
        "<h2>Health</h2>",
        _health(found),
        "<h2>Metrics</h2>",
        _table(found),
        *map(_figure, found.metrics),
        *(f'<p class="note">{_text(note)}</p>' for note in found.notes),
        "<h2>Plan</h2>",
        _plan(found),
        f'<p class="note">As of {now:%Y-%m-%d %H:%M} UTC.</p>',
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n"
        "</html>\n"
    )


def _text(text: str) -> str:
    """Foreign text: harmless in HTML, and nothing in it invisible."""
    return escape(clean(text))


def _health(found: Analysis) -> str:
    rows = "".join(
        f'<tr><td class="{check.level}">{check.level}</td><td>{_text(check.name)}</td>'
        f"<td>{_text(check.detail)}</td></tr>"
        for check in found.health
    )
    return f"<table>{rows}</table>"


def _table(found: Analysis) -> str:
    head = "<tr><th>metric</th>" + "".join(
        f'<th class="n">{title}</th>'
        for title in ("control", "treatment", "effect", "between", "p")
    )
    rows = "".join(map(_row, found.metrics))
    return f"<table>{head}</tr>{rows}</table>"


def _row(result: MetricResult) -> str:
    figures = (
        value(result.metric, result.control),
        value(result.metric, result.treatment),
        change(result.metric, result.effect),
        between(result.metric, result.low, result.high),
        p_value(result.p_adjusted),
    )
    cells = "".join(f'<td class="n">{_text(text)}</td>' for text in figures)
    name = f"{result.metric} ({result.role})<br><small>{result.test}</small>"
    return f"<tr><td>{name}</td>{cells}</tr>"


def _figure(result: MetricResult) -> str:
    """An interval on an axis through "no difference"."""
    low, high, effect = result.low, result.high, result.effect
    if low is None or high is None or effect is None or low == high == 0:
        return ""
    reach = 1.1 * max(abs(low), abs(high))
    x = [_LEFT + (end / reach + 1) / 2 * (_WIDTH - 2 * _LEFT) for end in (low, effect, high)]
    middle, y = _WIDTH / 2, 18
    color = "#18794e" if low * high > 0 else "#6b7280"
    words = f"{result.metric}: {change(result.metric, effect)}, {percent(result.level)} interval "
    words += between(result.metric, low, high)
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_text(words)}">'
        f'<line x1="{_LEFT}" x2="{_WIDTH - _LEFT}" y1="{y}" y2="{y}" stroke="#b9bbc6"/>'
        f'<line x1="{middle}" x2="{middle}" y1="4" y2="32" stroke="#8b8d98"'
        ' stroke-dasharray="3 3"/>'
        f'<line x1="{x[0]:.1f}" x2="{x[2]:.1f}" y1="{y}" y2="{y}" stroke="{color}"'
        ' stroke-width="6" stroke-linecap="round"/>'
        f'<circle cx="{x[1]:.1f}" cy="{y}" r="7" fill="{color}"/>'
        f'<text x="{middle}" y="42" font-size="11" text-anchor="middle" fill="#8b8d98">'
        "no difference</text></svg>"
        f"<figcaption>{_text(words)}</figcaption></figure>"
    )


def _plan(found: Analysis) -> str:
    plan, units = found.plan, found.units
    rows = [
        ("control", f"<code>{_text(plan.control)}</code>"),
        ("treatment", f"<code>{_text(plan.treatment)}</code>"),
        ("units", _text(f"{units.control} control, {units.treatment} treatment ({units.unit}); "
                        f"{units.exposed} of {units.planned} planned")),
        ("rules", _text(f"{plan.mode}, α = {plan.alpha:g}, {percent(plan.share)} treatment")),
        ("hash", f"<code>{plan.hash}</code>"),
        *(("edited", _text(f"{edit.at:%Y-%m-%d %H:%M} UTC: {', '.join(edit.changed)}"))
          for edit in plan.edits),
    ]  # fmt: skip
    cells = "".join(f"<tr><th>{name}</th><td>{text}</td></tr>" for name, text in rows)
    return f"<table>{cells}</table>"

"""Where a summary goes: to GitHub's step, to GitLab's report, to standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from sbhooks import ci
from sbhooks_ci.report import RunReport
from sbhooks_ci.summary import MAX_BYTES, code_quality, markdown, workflow_commands
from sbhooks_ci.written import write_file


def tell(report: RunReport, form: str, output: Path | None, environ: Mapping[str, str]) -> None:
    """Write the summary.

    Args:
        report: What to tell.
        form: ``"github"``, ``"gitlab"``, ``"markdown"``, or ``"auto"`` for what is around us.
        output: File to write; by default GitHub's own for GitHub, else standard output.
        environ: The environment.

    Raises:
        SbhooksError: The file cannot be written.
    """
    if form == "auto":
        found = ci.detect(environ)
        form = found.provider if found and found.provider in {"github", "gitlab"} else "markdown"
    if form == "gitlab":
        _put(output, code_quality(report), append=False)
        return
    own = environ.get("GITHUB_STEP_SUMMARY", "") if form == "github" else ""
    path = output or (Path(own) if own else None)
    _put(path, markdown(report, limit=MAX_BYTES - _size(path)), append=True)
    if form == "github":
        for line in workflow_commands(report):
            sys.stdout.write(line + "\n")


def _size(path: Path | None) -> int:
    """What other commands of the same step have written."""
    try:
        return path.stat().st_size if path is not None else 0
    except OSError:
        return 0


def _put(path: Path | None, text: str, *, append: bool) -> None:
    if path is None:
        sys.stdout.write(text)
    else:
        write_file(path, text, append=append)

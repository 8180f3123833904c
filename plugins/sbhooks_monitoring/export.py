"""All files that monitoring a server needs, and putting them into a folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks_monitoring import configs, dashboards, rules, runbooks
from sbhooks_monitoring.catalog import groups
from sbhooks_monitoring.configs import Place

CASES = "sbhooks.rules.test.yml"
#: To begin with: whoever runs them makes them his own.
CONFIGURATIONS = frozenset({
    "README.md",
    "prometheus/prometheus.yml",
    "alertmanager/alertmanager.yml",
    "grafana/provisioning/datasources/sbhooks.yml",
    "grafana/provisioning/dashboards/sbhooks.yml",
})  # fmt: skip
_MARK = b"sbhooks monitoring export"  # in every other file
_README = """\
# Monitoring sbhooks

Written by `sbhooks monitoring export`. Nothing here is needed by sbhooks itself.

1. **Prometheus**: start it with `prometheus/prometheus.yml`, or add that file's `rule_files` and
   `scrape_configs` to your own, and put `sbhooks.rules.yml` beside it.

   ```sh
   cd prometheus
   promtool check config prometheus.yml
   promtool test rules sbhooks.rules.test.yml
   prometheus --config.file prometheus.yml
   ```

2. **Alertmanager**: `alertmanager/alertmanager.yml` sends what is critical and what is a warning to
   two receivers; put your own there. What is for information goes to nobody.
3. **Grafana**: import the two files of `grafana/dashboards` (Dashboards, New, Import), or copy
   `grafana/provisioning` to `/etc/grafana/provisioning`.
4. **Runbooks**: each alert links to its page in `{runbooks}`.

Run the same command again after an upgrade: rules, dashboards and runbooks are replaced. The
configurations (`*.yml` but for the rules, and this page) are yours: they are left as they are,
unless you say `--force`.
"""


class ExportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file.

    Attributes:
        path: Below the folder.
        state: ``new``, ``replaced``, ``same`` when it was there already, or ``kept`` when it
            is a configuration that somebody has changed.
    """

    path: str
    state: str


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks monitoring export --json`` prints.

    Attributes:
        folder: Where the files are.
        alerts: How many alerts there are.
        dashboards: How many dashboards.
        runbooks: URL of the folder with the runbooks.
        files: Everything that was written.
    """

    folder: str
    alerts: int
    dashboards: int
    runbooks: str
    files: list[ExportedFile]


def documents(folder: Path, place: Place) -> dict[str, str]:
    """Path below the folder → text; the same for the same arguments.

    Args:
        folder: Where they are going to be, absolute.
        place: Where everything else is.
    """
    where = place.runbooks or (folder / "runbooks").as_uri()
    found = {
        "README.md": _README.format(runbooks=where),
        "prometheus/prometheus.yml": configs.prometheus(place),
        f"prometheus/{rules.RULES}": rules.rules(place.job, where),
        f"prometheus/{CASES}": rules.cases(place.job, where, CASES),
        "alertmanager/alertmanager.yml": configs.alertmanager(),
        "grafana/provisioning/datasources/sbhooks.yml": configs.datasource(place),
        "grafana/provisioning/dashboards/sbhooks.yml": configs.provider(
            str(folder / "grafana" / "dashboards")
        ),
    }
    for name, text in dashboards.dashboards(place.job).items():
        found[f"grafana/dashboards/{name}"] = text
    for name, text in runbooks.pages(groups(place.job)).items():
        found[f"runbooks/{name}"] = runbooks.by_itself(text)
    return found


def export(folder: Path, place: Place, *, force: bool = False) -> Exported:
    """Write everything, but leave configurations alone that somebody has changed.

    Args:
        folder: Where to; made if it is not there.
        place: Where everything else is.
        force: Whether to replace what is there, whatever it is.

    Raises:
        SbhooksError: A file of the same name is not ours, or the folder cannot be written; in
            the first case nothing was.
    """
    folder = folder.absolute()
    found = documents(folder, place)
    try:
        states = {path: _state(folder, path, text, force) for path, text in found.items()}
        _refuse([path for path, state in states.items() if state == "foreign"], folder)
        for path, text in found.items():
            if states[path] in {"new", "replaced"}:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SbhooksError(
            f"cannot write to {folder}: {error.strerror or error}. Name a folder that you may "
            "write to"
        ) from error
    return Exported(
        folder=str(folder),
        alerts=sum(len(group.alerts) for group in groups(place.job)),
        dashboards=sum(path.startswith("grafana/dashboards/") for path in found),
        runbooks=place.runbooks or (folder / "runbooks").as_uri(),
        files=[ExportedFile(path=path, state=state) for path, state in states.items()],
    )


def _state(folder: Path, path: str, text: str, force: bool) -> str:
    """What to do about one file."""
    file = folder / path
    if not file.exists():
        return "new"
    there = file.read_bytes()
    if there == text.encode():
        return "same"
    if force:
        return "replaced"
    if path in CONFIGURATIONS:
        return "kept"
    return "replaced" if _MARK in there else "foreign"


def _refuse(foreign: list[str], folder: Path) -> None:
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise SbhooksError(
            f"cannot export to {folder}: {', '.join(foreign[:3])}{more} would be replaced, and was "
            "not written by this command. Name another folder, or say --force"
        )

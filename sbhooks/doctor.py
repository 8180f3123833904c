"""What is installed, loaded, missing or broken, and what to do about it.

Each check looks, changes nothing, and says what to do. A check that fails itself is a finding.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from os.path import exists
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sbhooks import problems
from sbhooks.checks import Check, State
from sbhooks.errors import ConfigError, SbhooksError
from sbhooks.folders import ELSEWHERE, obstacle
from sbhooks.identity import KEY_FILE, load_key
from sbhooks.settings import here
from sbhooks.status import (
    problems_of_plugins,
    recorder,
    set_aside,
    spool_possible,
    spool_status,
    without_password,
)
from sbhooks.store import EventQuery, SelfChecking
from sbhooks.wording import count, size

if TYPE_CHECKING:
    from sbhooks.cli_options import CommandLine
    from sbhooks.plugin import Plugin

_BIG_SPOOL_BYTES = 256 << 20
_SHOWN_PROBLEMS = 5
_OLDEST_PYTHON = (3, 11)
_OWN = "sbhooks "  # distribution of the built-in plugins, whose extras are a choice


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """Something that went wrong in a host process, or while collecting.

    Attributes:
        at: When it was last noted, UTC.
        where: The part concerned.
        what: In words.
        times: How often it was noted.
        lost_events: Events that could not be recorded because of it.
    """

    at: datetime
    where: str
    what: str
    times: int
    lost_events: int


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks doctor --json`` prints.

    Attributes:
        ok: Whether nothing is wrong; doubts are allowed.
        checks: All findings.
        problems: What is noted, the longest silent first.
    """

    ok: bool
    checks: list[Check]
    problems: list[Noted]


def examine(line: CommandLine) -> Examination:
    """Look at everything."""
    checks: list[Check] = []
    for area, check in CHECKS.items():
        try:
            checks += check(line)
        except ConfigError:  # what is wrong with the settings is said once, by their own check
            what = "not looked at, because the settings cannot be used"
            checks.append(Check(area=area, state="doubt", what=what))
        except (SbhooksError, OSError) as error:
            checks.append(Check(area=area, state="wrong", what=str(error)))
    ok = all(check.state != "wrong" for check in checks)
    return Examination(ok=ok, checks=checks, problems=noted(_home(line)))


def noted(home: str) -> list[Noted]:
    """What is kept, equal entries counted, the longest silent first."""
    found: dict[tuple[str, str], Noted] = {}
    for problem in problems.read(home):
        key = (problem.where, problem.what)
        earlier = found.pop(key, None)
        found[key] = Noted(
            at=datetime.fromisoformat(problem.at),
            where=problem.where,
            what=problem.what,
            times=1 + (earlier.times if earlier else 0),
            lost_events=problem.lost + (earlier.lost_events if earlier else 0),
        )
    return list(found.values())


def newest(known: list[Noted]) -> list[Noted]:
    """As many as fit on a screen."""
    return known[-_SHOWN_PROBLEMS:]


def check_python(line: CommandLine) -> Iterator[Check]:
    """The interpreter and the system."""
    what = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        yield Check(area="python", state="wrong", what=what, advice="use Python 3.11 or newer")
    elif not spool_possible():
        advice = "record on Linux or macOS; reading works here"
        yield Check(area="python", state="wrong", what=f"{what}: no flock(2)", advice=advice)
    else:
        yield Check(area="python", state="ok", what=f"{what}, with flock(2)")


def check_settings(line: CommandLine) -> Iterator[Check]:
    """Every source of settings, and tables for plugins that are not there."""
    try:
        sources = sorted(set(line.runtime.config.origins.values()))
    except SbhooksError as error:
        yield Check(area="settings", state="wrong", what=str(error))
        return
    yield Check(area="settings", state="ok", what=", ".join(sources) or "all defaults")


def check_home(line: CommandLine) -> Iterator[Check]:
    """The folder of everything that is recorded, and the key in it."""
    home = Path(_home(line))
    if why := obstacle(str(home)):
        what = why if why.startswith(f"{home} ") else f"{home} cannot be made: {why}"
        advice = ELSEWHERE[:1].lower() + ELSEWHERE[1:]
        yield Check(area="home", state="wrong", what=what, advice=advice)
    elif not home.exists():
        what = f"{home} does not exist yet; the first recorded run makes it"
        yield Check(area="home", state="ok", what=what)
    else:
        yield Check(area="home", state="ok", what=f"{home} can be written")
        yield from _check_key(home)


def check_recording(line: CommandLine) -> Iterator[Check]:
    """Whether host tools record."""
    recording, reason = recorder(line.config)
    no_tool = recording and "Run:" in reason
    state: State = "doubt" if no_tool or not recording else "ok"
    yield Check(area="recording", state=state, what=reason)


def check_spool(line: CommandLine) -> Iterator[Check]:
    """What waits, and what could not be taken in."""
    home = Path(_home(line))
    found = spool_status(home)
    what = f"{count(found.waiting, 'segment')} to collect, {found.open} being written"
    if found.size_bytes > _BIG_SPOOL_BYTES:
        what = f"{what}, {size(found.size_bytes)}"
        yield Check(area="spool", state="doubt", what=what, advice="run: sbhooks collect")
    else:
        yield Check(area="spool", state="ok", what=what)
    for name, lines in set_aside(home).items():
        yield _aside(name, lines)


def check_store(line: CommandLine) -> Iterator[Check]:
    """Whether the store opens, reads, and is whole."""
    path = line.config.store_file
    url = without_password(line.config.store)
    if path is not None and not exists(path):  # noqa: PTH110 - pathlib's may raise
        yield _store_to_come(path, _home(line))
        return
    store = line.runtime.store
    stored = sum(rollup.n for rollup in store.rollup(EventQuery()))
    wrong = store.faults() if isinstance(store, SelfChecking) else ()
    for what in wrong:
        yield Check(area="store", state="wrong", what=f"{url}: {what}")
    if not wrong:
        yield Check(area="store", state="ok", what=f"{url} holds {count(stored, 'event')}")


def _store_to_come(path: Path, home: str) -> Check:
    """Whether a database that is not there yet can be made."""
    why = obstacle(str(path.parent))
    if why and obstacle(home):
        what = "not looked at, because the home cannot be used"
        return Check(area="store", state="doubt", what=what)
    if why:
        advice = "make its folder, or set SBHOOKS_STORE"
        return Check(area="store", state="wrong", what=f"{path}: {why}", advice=advice)
    return Check(area="store", state="ok", what=f"{path} does not exist yet; collecting makes it")


def check_plugins(line: CommandLine) -> Iterator[Check]:
    """Every plugin that is installed, loaded or not."""
    noted = problems_of_plugins(_home(line))
    for plugin in (*line.hooks.plugins.values(), *line.hooks.rejected):
        yield _plugin(plugin, noted.get(plugin.name, 0))


def check_problems(line: CommandLine) -> Iterator[Check]:
    """What host processes and the collector have noted down."""
    known = noted(_home(line))
    if not known:
        yield Check(area="problems", state="ok", what="none noted by host processes")
        return
    lost = sum(problem.lost_events for problem in known)
    what = f"{count(len(known), 'problem')} noted"
    if lost:
        what = f"{what}, {count(lost, 'event')} could not be recorded"
    advice = "when they are dealt with, run: sbhooks doctor --clear"
    yield Check(area="problems", state="doubt", what=what, advice=advice)


#: Area → what looks at it, in the order in which it is shown.
CHECKS: dict[str, Callable[[CommandLine], Iterator[Check]]] = {
    "python": check_python,
    "settings": check_settings,
    "home": check_home,
    "recording": check_recording,
    "spool": check_spool,
    "store": check_store,
    "plugins": check_plugins,
    "problems": check_problems,
}


def _home(line: CommandLine) -> str:
    """The home, also when the settings cannot be used as a whole."""
    try:
        return str(line.config.home)
    except SbhooksError:
        return here().home


def _check_key(home: Path) -> Iterator[Check]:
    path = home / KEY_FILE
    if not path.exists():
        return
    try:
        load_key(str(home))
        mode = path.stat().st_mode & 0o077
    except (OSError, ValueError) as error:
        advice = f"delete {path}; a new key is made, and people get new pseudonyms"
        yield Check(area="home", state="wrong", what=f"key: {error}", advice=advice)
        return
    if mode:
        what = f"{path} can be read by others"
        advice = f"run: chmod 600 {path}; then: sbhooks privacy rotate"
        yield Check(area="home", state="wrong", what=what, advice=advice)


def _aside(name: str, lines: int) -> Check:
    kind, _, ending = name.rpartition(".")
    if ending == "torn":
        what = f"{count(lines, 'line')} of segment {kind} set aside: torn or damaged"
        advice = "normal after a crash; the file in spool/aside can be deleted"
    else:
        what = f"{count(lines, 'event')} of the unknown kind {kind!r} set aside"
        advice = "install the plugin that declares the kind; they are taken in then"
    return Check(area="spool", state="doubt", what=what, advice=advice)


def _plugin(plugin: Plugin, noted: int) -> Check:
    area = f"plugin {plugin.name}"
    known = {"loaded": "ok", "disabled": "ok", "missing-extra": "doubt", "clash": "doubt"}
    state: State = known.get(plugin.status, "wrong")  # type: ignore[assignment]
    what = f"{plugin.status} ({plugin.distribution})"
    if plugin.status == "loaded" and noted:
        return Check(area=area, state="doubt", what=f"{what}, {count(noted, 'problem')} noted")
    if plugin.status == "loaded":
        return Check(area=area, state="ok", what=what)
    if plugin.status == "missing-extra" and plugin.distribution.startswith(_OWN):
        return Check(area=area, state="ok", what=f"not asked for: {plugin.detail}")
    advice = "" if plugin.status != "broken" else f"update or uninstall {plugin.distribution}"
    return Check(area=area, state=state, what=f"{what}: {plugin.detail}", advice=advice)

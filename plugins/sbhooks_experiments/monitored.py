"""What a monitoring system is told about running experiments.

Working out a result reads every exposure and outcome, so it is done at most every half minute,
and only when something was stored. The number of series is bounded: the newest experiments only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from threading import Lock
from time import monotonic
from weakref import WeakKeyDictionary

from sbhooks.events import utc_now
from sbhooks.lazy import missing
from sbhooks.metrics import Metric, Sample
from sbhooks.store import EventReader
from sbhooks_experiments import log
from sbhooks_experiments.ask import EXTRA, analysis
from sbhooks_experiments.health import BLOCKING, UNKNOWN
from sbhooks_experiments.results import Analysis

MOST = 20  #: Running experiments that are told of, the newest.
_FRESH_S = 30.0
_COST = 20  #: An answer holds that many times as long as it took.
_Kept = tuple[int, float, tuple[Metric, ...]]
_kept: WeakKeyDictionary[EventReader, _Kept] = WeakKeyDictionary()
_lock = Lock()


def monitored(store: EventReader) -> tuple[Metric, ...]:
    """Figures of the running experiments, as of half a minute ago at most.

    Raises:
        StoreError: The store cannot be read.
    """
    if missing({"numpy": EXTRA, "scipy": EXTRA}):
        return ()
    with _lock:
        begun, position = monotonic(), store.high_water()
        kept = _kept.get(store)
        if kept is not None and (kept[0] == position or begun < kept[1]):
            return kept[2]
        found = figures(store, utc_now())
        due = monotonic() + max(_FRESH_S, _COST * (monotonic() - begun))
        _kept[store] = (position, due, found)
        return found


def figures(store: EventReader, now: datetime) -> tuple[Metric, ...]:
    """Figures of the running experiments.

    Args:
        store: The events.
        now: The time to which "up to now" refers.

    Raises:
        StoreError: The store cannot be read.
    """
    running = {name: state for name, state in log.states(store).items() if state.is_running}
    newest = sorted(running, key=lambda name: (running[name].created_at, name))[-MOST:]
    found = [analysis(store, name, now=now) for name in newest]
    begun = {name: running[name].created_at.timestamp() for name in newest}
    return (
        _gauge("sbhooks_experiment_srm", "Whether the variants' units are in a ratio that was "
               "not planned: 1 or 0.", found, _mismatch),
        _gauge("sbhooks_experiment_healthy", "Whether its result may be believed: 1 or 0.", found,
               lambda one: one.decision != "unhealthy"),
        _gauge("sbhooks_experiment_units_missing", "Units that it still needs.", found,
               lambda one: one.units_needed or 0),
        _gauge("sbhooks_experiment_start_timestamp_seconds", "When it was created.", found,
               lambda one: begun[one.experiment]),
        _units(found),
    )  # fmt: skip


def _mismatch(one: Analysis) -> bool | None:
    """Whether the sample ratio is off; ``None`` while there are too few units to tell."""
    level = next(check.level for check in one.health if check.name == "sample ratio")
    return None if level == UNKNOWN else level == BLOCKING


def _gauge(
    name: str, help_: str, found: Iterable[Analysis], value: Callable[[Analysis], float | None]
) -> Metric:
    samples = ((one.experiment, value(one)) for one in found)
    return Metric(
        name=name, kind="gauge", help=help_,
        samples=tuple(Sample(value=float(v), labels={"experiment": e})
                      for e, v in samples if v is not None),
    )  # fmt: skip


def _units(found: Sequence[Analysis]) -> Metric:
    return Metric(
        name="sbhooks_experiment_units", kind="gauge", help="Units that are compared.",
        samples=tuple(
            Sample(value=n, labels={"experiment": one.experiment, "variant": variant})
            for one in found
            for variant, n in (("control", one.units.control), ("treatment", one.units.treatment))
        ),
    )  # fmt: skip

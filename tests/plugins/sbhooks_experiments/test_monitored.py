"""What monitoring systems are told about running experiments."""

from __future__ import annotations

from typing import Any

import pytest

from sbhooks.events import utc_now
from sbhooks.runtime import Runtime
from sbhooks_experiments import monitored as module
from sbhooks_experiments.desk import Desk
from sbhooks_experiments.monitored import MOST, figures, monitored


def told(runtime: Runtime) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        metric.name.removeprefix("sbhooks_experiment_"): {
            tuple(sample.labels.values()): sample.value for sample in metric.samples
        }
        for metric in figures(runtime.store, utc_now())
    }


def fill(desk: Desk, name: str, units: int) -> None:
    for number in range(units):
        desk.assign(name, f"unit-{number}")
        desk.record(name, f"unit-{number}", duration_s=1.0)
    desk.store()


def test_a_running_experiment_is_told_of_until_it_is_stopped(
    ask: Any, desk: Desk, runtime: Runtime
) -> None:
    ask("create", "fast", "--control", "a", "--treatment", "b", "--unit", "user")
    fill(desk, "fast", 6)
    found = told(runtime)
    assert found["srm"] == {}  # too few to tell
    assert sum(found["units"].values()) == 6
    assert set(found["units"]) == {("fast", "control"), ("fast", "treatment")}
    assert found["units_missing"][("fast",)] > 0
    assert found["healthy"].keys() == found["start_timestamp_seconds"].keys() == {("fast",)}
    fill(desk, "fast", 40)
    assert told(runtime)["srm"] == {("fast",): 0}
    ask("stop", "fast")
    assert set(map(len, told(runtime).values())) == {0}


def test_a_ratio_that_was_not_planned_is_told(ask: Any, desk: Desk, runtime: Runtime) -> None:
    from sbhooks.emitter import Emitter
    from sbhooks_experiments.kinds import Exposure

    ask("create", "off", "--control", "a", "--treatment", "b", "--unit", "user")
    emitter = Emitter.start("cli")
    for number in range(60):
        emitter.emit(Exposure(source="cli", session=emitter.session, experiment="off",
                              unit=f"u{number}", variant="control"))  # fmt: skip
    emitter.close()
    desk.store()
    found = told(runtime)
    assert found["srm"] == {("off",): 1}
    assert found["healthy"] == {("off",): 0}


def test_the_answer_is_kept_for_a_while_and_the_number_bounded(
    ask: Any, desk: Desk, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "monotonic", lambda: 0.0)
    for number in range(MOST + 2):
        ask("create", f"e{number}", "--control", "a", "--treatment", "b", "--unit", "user")
    desk.store()
    first = monitored(runtime.store)
    assert len(first[1].samples) == MOST
    ask("stop", "e21")
    ask("stop", "e20")
    ask("stop", "e19")
    desk.store()
    assert monitored(runtime.store) is first
    monkeypatch.setattr(module, "monotonic", lambda: 1e9)
    assert len(monitored(runtime.store)[1].samples) == MOST - 1

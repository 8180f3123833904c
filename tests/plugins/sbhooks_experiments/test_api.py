"""Experiments from Python."""

from __future__ import annotations

import pytest

import sbhooks_experiments
from sbhooks.errors import ExperimentError
from sbhooks_experiments import Experiment, analyze, assign, record


def test_an_experiment_from_beginning_to_end() -> None:
    with Experiment.create("prompt", control="short", treatment="long") as experiment:
        given = experiment.assign("alice")
        assert given.strategy in {"short", "long"}
        assert experiment.record("alice", outcome="success", duration_s=1.5, rating=4).rating == 4
        assert experiment.analyze().units.outcomes == 1
        experiment.stop("shown")
        assert experiment.analyze().stopped_because == "shown"
        assert experiment.plan.control == "short"


def test_one_thing_at_a_time() -> None:
    Experiment.create("prompt", control="short", treatment="long").close()
    assert assign("prompt", "alice").is_new
    record("prompt", "alice", outcome="failure")
    assert analyze("prompt").units.exposed == 1


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ExperimentError, match="there is no experiment 'nope'"):
        Experiment("nope")
    with pytest.raises(ExperimentError, match="there is no experiment 'nope'"):
        analyze("nope")
    with pytest.raises(ExperimentError, match="cannot create the experiment 'x'"):
        Experiment.create("x", control="a", treatment="b", unit="planet")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sbhooks_experiments.nothing  # noqa: B018
    assert "Experiment" in dir(sbhooks_experiments)

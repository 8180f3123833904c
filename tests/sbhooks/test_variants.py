"""Assignment: the same everywhere, fair, independent, and in step with the published vectors."""

from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks import variants
from sbhooks.variants import Assigner, Running, Split, bucket_v1, point

#: Published in docs/explanation/experiments.md: (salt, experiment, unit, point of hash 2).
VECTORS = [
    ("", "fast", "alice", 0.5659692665165345),
    ("", "fast", "bob", 0.710233124953467),
    ("", "slow", "alice", 0.27131679480973137),
    ("2026", "fast", "alice", 0.6253733688687254),
    ("", "fast", "Zoë", 0.8298130590377449),
    ("", "fast", "", 0.29848116404517855),
]
#: (experiment, unit, bucket of hash 1).
OLD_VECTORS = [("fast", "alice", 95), ("fast", "bob", 62), ("slow", "alice", 17)]


def treated(split: Split, units: range | list[str]) -> list[bool]:
    assigner = Assigner(split)
    return [assigner.assign(str(unit)).variant == "treatment" for unit in units]


@pytest.mark.parametrize(("salt", "experiment", "unit", "expected"), VECTORS)
def test_hash_2_gives_the_published_points(
    salt: str, experiment: str, unit: str, expected: float
) -> None:
    assert point(salt, experiment, unit) == expected
    assigner = Assigner(Split(experiment, 0.5, salt))
    assert (assigner.assign(unit).variant == "treatment") == (expected < 0.5)


@pytest.mark.parametrize(("experiment", "unit", "expected"), OLD_VECTORS)
def test_hash_1_gives_the_buckets_of_the_old_documents(
    experiment: str, unit: str, expected: int
) -> None:
    digest = hashlib.md5(f"{unit}:{experiment}".encode()).hexdigest()  # noqa: S324 - as there
    assert bucket_v1(experiment, unit) == expected == int(digest, 16) % 100
    assigner = Assigner(Split(experiment, 0.5, hash=1))
    assert (assigner.assign(unit).variant == "treatment") == (expected < 50)


def test_hash_1_can_know_a_unit_by_another_name() -> None:
    for experiment, name, bucket in OLD_VECTORS:
        assigner = Assigner(Split(experiment, 0.5, hash=1))
        found = assigner.assign("user-ab-0123456789abcdef", name)
        assert (found.variant == "treatment") == (bucket < 50)


@pytest.mark.parametrize("share", [0.5, 0.333, 0.1, 0.999])
def test_a_share_of_any_size_is_kept(share: float) -> None:
    n = 20_000
    found = sum(treated(Split("e", share), range(n))) / n
    assert abs(found - share) < 4 * (share * (1 - share) / n) ** 0.5


def test_two_experiments_are_independent() -> None:
    """Chance alone gives a single pair 0.007; so the mean of many is looked at."""
    n = 20_000
    arms = [treated(Split(f"experiment-{k}", 0.5), range(n)) for k in range(8)]
    found = [correlation(one, other) for one, other in combinations(arms, 2)]
    assert abs(sum(found) / len(found)) < 0.003
    assert max(map(abs, found)) < 0.03
    assert sum(abs(r) < 0.01 for r in found) > len(found) / 2


def correlation(one: list[bool], other: list[bool]) -> float:
    n = len(one)
    both = sum(a and b for a, b in zip(one, other, strict=True)) / n
    p, q = sum(one) / n, sum(other) / n
    return (both - p * q) / (p * (1 - p) * q * (1 - q)) ** 0.5


@given(st.text(), st.floats(0.01, 0.98), st.floats(0.001, 0.019))
def test_a_larger_share_only_adds_units_to_the_treatment(
    unit: str, share: float, more: float
) -> None:
    small, large = treated(Split("e", share), [unit]), treated(Split("e", share + more), [unit])
    assert small <= large


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_is_a_unit(unit: str, salt: str) -> None:
    assigner = Assigner(Split("e", 0.5, salt))
    assert assigner.assign(unit) == assigner.assign(unit)
    assert 0 <= point(salt, "e", unit) < 1


def test_a_pinned_unit_keeps_its_variant() -> None:
    assigner = Assigner(Split("e", 0.000001), {"alice": "treatment"})
    assert assigner.assign("alice")[:2] == ("treatment", "sticky")
    assert assigner.assign("bob").variant == "control"


def test_who_is_held_out_is_held_out_of_every_experiment() -> None:
    out = [
        {u for u in range(2_000)
         if Assigner(Split(name, 0.5, holdout=0.1)).assign(str(u)).reason == "holdout"}
        for name in ("first", "second")
    ]  # fmt: skip
    assert out[0] == out[1]
    assert 140 < len(out[0]) < 260


def test_separate_spans_of_a_namespace_share_no_unit() -> None:
    spans = [Split("first", 0.5, namespace="ci", low=0, high=0.5),
             Split("second", 0.5, namespace="ci", low=0.5, high=1)]  # fmt: skip
    inside = [
        {u for u in range(2_000) if Assigner(split).assign(str(u)).variant is not None}
        for split in spans
    ]
    assert not inside[0] & inside[1]
    assert len(inside[0] | inside[1]) == 2_000


def running(name: str = "fast", **pins: str) -> Running:
    return Running(Split(name, 0.25, "s"), "user", "a", "b -n 2", "pytest-run", "f" * 64, pins)


def test_the_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    kept = {"fast": running(alice="treatment"), "slow": running("slow")}
    variants.save(str(tmp_path), kept)
    assert variants.load(str(tmp_path)) == kept
    assert [p.name for p in tmp_path.iterdir()] == [variants.FILE]
    assert (tmp_path / variants.FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b"\xff", b'{"version": 2, "experiments": {}}',
     b'{"version": 1, "experiments": []}', b'{"version": 1, "experiments": {"a": {}}}',
     b"[" * 100_000, b" " * (variants.MAX_BYTES + 1)],
)  # fmt: skip
def test_a_file_that_is_not_ours_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / variants.FILE).write_bytes(content)
    assert variants.load(str(tmp_path)) == {}


@pytest.mark.parametrize(
    "change",
    [{"unit": 1}, {"pins": {"a": "both"}}, {"pins": []}, {"more": 1}, {"split": {"experiment": 1}},
     {"split": {"experiment": "e", "share": "half"}}],
)  # fmt: skip
def test_a_file_with_other_contents_counts_as_empty(
    tmp_path: Path, change: dict[str, object]
) -> None:
    variants.save(str(tmp_path), {"fast": running()})
    table = json.loads((tmp_path / variants.FILE).read_text())
    table["experiments"]["fast"] |= change
    (tmp_path / variants.FILE).write_text(json.dumps(table))
    assert variants.load(str(tmp_path)) == {}


def test_no_file_is_no_experiment(tmp_path: Path) -> None:
    assert variants.load(str(tmp_path / "missing")) == {}


def test_the_file_stays_small(tmp_path: Path) -> None:
    pins = {f"{n:0>100}": "control" for n in range(5_000)}
    variants.save(str(tmp_path), {f"e{n}": running(f"e{n}", **pins) for n in range(4)})
    assert (tmp_path / variants.FILE).stat().st_size <= variants.MAX_BYTES
    assert list(variants.load(str(tmp_path))) == ["e3"]


def person(number: int, key: str = "ab") -> str:
    return f"user-{key}-{number:016x}"


def test_people_keep_their_variant_under_a_new_pseudonym(tmp_path: Path) -> None:
    home = str(tmp_path)
    pinned = Running(Split("fast"), "user", "a", "b", "", "", {person(0): "treatment",
                                                               person(1): "control"})  # fmt: skip
    of_sessions = running("runs", s1="treatment")._replace(unit="session")
    variants.save(home, {"fast": pinned, "runs": of_sessions})
    before = Assigner(pinned.split, pinned.pins)
    new = {person(n): person(n, "cd") for n in range(40)} | {"host-ab-1": "host-cd-1"}
    variants.rename(home, new)
    now = variants.load(home)
    after = Assigner(now["fast"].split, now["fast"].pins)
    for old, name in new.items():
        if old.startswith("user-"):
            assert after.assign(name).variant == before.assign(old).variant
    assert all(unit.startswith("user-cd-") for unit in now["fast"].pins)
    assert now["runs"].pins == {"s1": "treatment"}


def test_hash_1_goes_by_the_plain_name_which_stays(tmp_path: Path) -> None:
    one = Running(Split("fast", hash=1), "user", "a", "b", "", "", {})
    variants.save(str(tmp_path), {"fast": one})
    variants.rename(str(tmp_path), {person(n): person(n, "cd") for n in range(40)})
    assert variants.load(str(tmp_path))["fast"].pins == {}


def test_somebody_who_left_is_in_the_file_no_more(tmp_path: Path) -> None:
    variants.save(str(tmp_path), {"fast": running(**{person(0): "control", person(1): "control"})})
    variants.forget(str(tmp_path), person(0))
    assert variants.load(str(tmp_path))["fast"].pins == {person(1): "control"}
    variants.forget(str(tmp_path / "missing"), person(0))
    variants.rename(str(tmp_path / "missing"), {})

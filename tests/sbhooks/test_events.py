"""Events: what they say about themselves, and the way to JSON and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.events import (
    BUILTIN_KINDS,
    Codec,
    Event,
    Invocation,
    PhaseChange,
    TestResult,
    from_us,
    kind_of,
    to_us,
    utc_now,
)
from sbhooks.hookspecs import PROJECT
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import NOON, NoteEvent, Timeline
from sbhooks.testing.strategies import events

CODEC = EventStoreContract.codec


@given(events)
def test_the_way_to_json_and_back_changes_nothing(event: Event) -> None:
    line = CODEC.encode(event)
    assert CODEC.decode(line) == event
    assert b"\n" not in line


@given(events)
def test_json_names_kind_id_and_time_in_utc(event: Event) -> None:
    found = json.loads(CODEC.encode(event))
    assert found["kind"] == kind_of(event)
    assert found["id"] == event.id
    assert found["at"].endswith("Z")


def test_the_kinds_are_those_of_the_reference() -> None:
    assert [kind_of(kind) for kind in BUILTIN_KINDS] == [
        "session-start", "session-end", "invocation",
        "phase-change", "pipeline-stage", "test-result",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", BUILTIN_KINDS)
def test_the_hook_of_a_kind_is_named_after_it(kind: type[Event]) -> None:
    assert kind.hook == f"{PROJECT}_{kind_of(kind).replace('-', '_')}"


def test_unknown_fields_are_no_error() -> None:
    line = CODEC.encode(Timeline().phase("setup"))
    richer = line[:-1] + b',"mood":"good"}'
    assert CODEC.decode(richer) == CODEC.decode(line)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="testing-note"):
        Codec().decode(CODEC.encode(Timeline().note()))
    assert isinstance(CODEC.decode(CODEC.encode(Timeline().note())), NoteEvent)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("duration_s", -0.001), ("duration_s", 1.1e9), ("duration_s", "1"),
        ("rating", 0), ("rating", 6), ("selection_rank", 0), ("selection_rank", 2**31),
        ("skill", ""), ("session", ""), ("source", ""), ("outcome", "great"),
        ("attributes", {"a": [1]}), ("attributes", {"a": None}), ("at", "2026-11-20T12:00:00"),
        ("at", "yesterday"),
    ],
)  # fmt: skip
def test_impossible_values_are_refused(field: str, value: Any) -> None:
    fields = json.loads(CODEC.encode(Timeline().invocation()))
    with pytest.raises(msgspec.ValidationError):
        CODEC.decode(json.dumps(fields | {field: value}))


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'{"kind":"invocation"}', b"\xff"])
def test_what_is_no_event_is_a_decode_error(line: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        CODEC.decode(line)


def test_defaults_take_no_room() -> None:
    line = CODEC.encode(PhaseChange(source="s", session="s", workflow="w"))
    assert set(json.loads(line)) == {"kind", "source", "session", "id", "at", "workflow"}


def test_events_cannot_be_changed() -> None:
    event = Timeline().passed()
    with pytest.raises(AttributeError):
        event.test = "other"  # type: ignore[misc]


def test_a_new_event_has_an_id_and_a_time_of_its_own() -> None:
    before = utc_now()
    one, other = (Invocation(source="s", session="s", skill="k", outcome="success")  # type: ignore[arg-type]
                  for _ in range(2))  # fmt: skip
    assert one.id < other.id
    assert before <= one.at <= other.at <= utc_now()
    assert one.at.tzinfo is UTC


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_microseconds_and_times_are_the_same(us: int) -> None:
    assert to_us(from_us(us)) == us


def test_microseconds_do_not_depend_on_the_zone() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert to_us(east) == to_us(NOON) == int(NOON.timestamp()) * 1_000_000
    assert to_us(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


@pytest.mark.parametrize(
    ("phases", "duration"),
    [((None, None, None), None), ((0.5, None, 0.25), 0.75), ((0.0, 0.0, 0.0), 0.0)],
)
def test_the_duration_of_a_test_is_the_sum_of_what_was_timed(
    phases: tuple[float | None, float | None, float | None], duration: float | None
) -> None:
    setup, call, teardown = phases
    event = Timeline().passed(setup_s=setup, call_s=call, teardown_s=teardown)
    assert isinstance(event, TestResult)
    assert event.duration_s == duration

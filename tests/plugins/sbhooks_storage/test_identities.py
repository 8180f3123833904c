"""What is done for many events at once comes out as if it were done for each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from sbhooks.errors import StoreError
from sbhooks.events import to_us
from sbhooks.ids import pack_id
from sbhooks.testing.factories import Timeline
from sbhooks_storage.identities import bindable, packed
from sbhooks_storage.invocations import time_texts
from sbhooks_storage.refusals import named
from sbhooks_storage.rows import all_micros, micros, moments
from sbhooks_storage.sqlite import SqliteEventStore

UUIDS = st.uuids().map(str)
NEARLY = st.one_of(
    UUIDS.map(str.upper),
    UUIDS.map(lambda text: text.replace("-", " ")),
    UUIDS.map(lambda text: text[1:]),
    UUIDS.map(lambda text: text + "0"),
    UUIDS.map(lambda text: text[:9] + "-" + text[10:]),
    st.text(max_size=40),
)


@given(st.lists(st.one_of(UUIDS, NEARLY), max_size=6))
@example(["0" * 8 + "-0000-0000-0000-" + "0" * 11, "0" * 8 + "-0000-0000-0000-" + "0" * 13])
def test_many_ids_are_packed_like_each(ids: list[str]) -> None:
    assert packed(ids) == [pack_id(text) for text in ids]


@given(st.lists(UUIDS, min_size=1, max_size=6))
def test_what_is_bound_is_what_was_packed(ids: list[str]) -> None:
    assert [bytes(one) for one in bindable(packed(ids)) if isinstance(one, bytearray)] == [
        pack_id(text) for text in ids
    ]
    assert bindable(["x"]) == ["x"]


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1, max_size=6))
def test_times_are_written_as_python_writes_them(times: list[datetime]) -> None:
    events = [Timeline("s").invocation("lint", at=at) for at in times]
    assert moments(events) == [to_us(at) for at in times]
    assert time_texts(moments(events)) == [at.isoformat("T", "microseconds") for at in times]


def test_times_that_no_year_has_are_moved_to_the_nearest() -> None:
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    first = datetime(1, 1, 1, tzinfo=UTC)
    last = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    ends = [datetime.min.replace(tzinfo=east), datetime.max.replace(tzinfo=west)]
    events = [Timeline("s").invocation("lint", at=at) for at in ends]
    assert moments(events) == [to_us(first), to_us(last)]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=6))
def test_durations_of_many_are_those_of_each(durations: list[float | None]) -> None:
    assert all_micros(durations) == [micros(duration) for duration in durations]


@pytest.mark.parametrize("bad", [-1.0, 1.1e9, float("nan"), float("inf")])
def test_the_event_that_cannot_be_stored_is_named(bad: float) -> None:
    time = Timeline("s")
    events = [time.invocation("a"), time.invocation("b", duration_s=bad), time.invocation("c")]
    with pytest.raises(StoreError, match=events[1].id) as caught:
        named(lambda some: all_micros([event.duration_s for event in events[some]]), events)
    assert "is not between 0 and 1000000000" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("skill", "a\ud800", "surrogates not allowed"),
        ("session", "\udfff", "surrogates not allowed"),
        ("id", "\ud800", "surrogates not allowed"),
        ("id", 7, "id is 7, not text"),
        ("selection_rank", 2**63, "64 bits"),
        ("rating", -(2**63) - 1, "64 bits"),
    ],
)
def test_the_event_that_sqlite_cannot_take_is_named(
    store: SqliteEventStore, field: str, value: object, said: str
) -> None:
    """An error of a whole batch told of a character, a number or a place in it only."""
    line = Timeline()
    events = [line.invocation("lint", query="fine") for _ in range(60)]
    bad = replace(events[31], **{field: value})
    with pytest.raises(StoreError, match=said) as caught:
        store.append([*events[:31], bad, *events[32:]])
    assert f"cannot store event {bad.id!r} (invocation)" in str(caught.value)
    assert str(caught.value).isprintable()
    assert store.high_water() == 0
    assert store.append(events) == 60  # and the store goes on

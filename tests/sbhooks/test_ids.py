import os
import re
import threading
import uuid
from collections.abc import Callable
from itertools import pairwise

import freezegun
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from sbhooks import ids
from sbhooks.ids import Clock, IdFactory, iso, monotonic_ns, new_id

HOUR_NS = 3600 * 10**9


class Hand(Clock):
    """A clock that a test moves."""

    def __init__(self, now_ns: int) -> None:
        self.at_ns = now_ns

    def now_ns(self) -> int:
        return self.at_ns


def test_an_id_is_a_version_7_uuid_in_canonical_text() -> None:
    text = new_id()
    parsed = uuid.UUID(text)
    assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, text)


@given(ms=st.integers(1, 2**48 - 2**20))
def test_the_first_48_bits_are_the_milliseconds_of_the_clock(ms: int) -> None:
    made = IdFactory(Hand(ms * 1_000_000 + 999_999))()
    assert uuid.UUID(made).int >> 80 == ms


def test_within_a_millisecond_only_the_counter_moves_by_one() -> None:
    make = IdFactory(Hand(10**18))
    first, second = (uuid.UUID(make()).int for _ in range(2))
    assert _counter(second) == _counter(first) + 1
    assert first >> 80 == second >> 80
    assert first & (1 << 56) - 1 == second & (1 << 56) - 1


def test_each_millisecond_has_random_bits_and_a_random_start() -> None:
    clock = Hand(10**18)
    make = IdFactory(clock)
    tails, starts = set(), set()
    for _ in range(50):
        clock.at_ns += 1_000_000
        made = uuid.UUID(make()).int
        tails.add(made & (1 << 56) - 1)
        starts.add(_counter(made))
    assert len(tails) == 50
    assert len(starts) > 40
    assert max(starts) < 1 << 16


def test_a_used_up_millisecond_borrows_from_the_next() -> None:
    make = IdFactory(Hand(10**18))
    made = [make() for _ in range((1 << 18) + 10)]
    assert all(a < b for a, b in pairwise(made))
    assert {uuid.UUID(text).version for text in made[-20:]} == {7}
    assert uuid.UUID(made[-1]).int >> 80 == 10**12 + 1


@given(st.lists(st.integers(-3 * 10**6, 3 * 10**6), max_size=60))
def test_ids_increase_strictly_whatever_the_clock_does(steps: list[int]) -> None:
    clock = Hand(10**18)
    make = IdFactory(clock)
    made = [make()]
    for step in steps:
        clock.at_ns += step
        made.append(make())
    assert all(a < b for a, b in pairwise(made))


def test_threads_never_get_the_same_id(fast_switching: None) -> None:
    make = IdFactory(Clock())
    made: list[list[str]] = [[] for _ in range(8)]

    def work(mine: list[str]) -> None:
        for _ in range(5_000):
            mine.append(make())

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({text for mine in made for text in mine}) == 40_000
    assert all(a < b for mine in made for a, b in pairwise(mine))


def test_a_series_begun_by_somebody_else_meanwhile_is_gone_on_with() -> None:
    clock = Hand(10**18)
    make = IdFactory(clock)
    make()
    stale = make._series
    clock.at_ns += 1_000_000
    current = make()
    series = make._start(10**12 + 1, after=stale)
    assert series is make._series
    assert make() > current


def test_a_fork_makes_ids_of_its_own() -> None:
    new_id()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_id().encode())
        os._exit(0)
    mine = new_id()
    os.waitpid(child, 0)
    os.close(write)
    theirs = os.read(read, 100).decode()
    os.close(read)
    assert mine[-14:] != theirs[-14:]


@pytest.mark.parametrize("travel", [freezegun.freeze_time, time_machine.travel])
def test_time_goes_on_where_tests_bend_it(travel: Callable[[str], object]) -> None:
    session = Clock()
    before, started = ids.CLOCK.now_ns(), monotonic_ns()
    with travel("1999-01-01"):  # type: ignore[attr-defined]
        inside, made = ids.CLOCK.now_ns(), new_id()
        assert session.now_us() >= before // 1000
        assert monotonic_ns() > started
    assert 0 < inside - before < HOUR_NS
    assert 0 <= (uuid.UUID(made).int >> 80) - before // 10**6 < 3_600_000
    assert ids.CLOCK.now_us() * 1000 >= inside - 1000


def test_a_clock_tells_the_time_of_the_system() -> None:
    import time

    before = time.time_ns()
    told = Clock().now_ns()
    after = time.time_ns()
    assert before - 10**8 <= told <= after + 10**8  # read one after the other: a little apart


@given(st.integers(0, 2**52))
def test_iso_writes_what_datetime_writes(at_us: int) -> None:
    from datetime import UTC, datetime, timedelta

    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    assert iso(at_us) == at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_iso_pads_every_part() -> None:
    assert iso(1) == "1970-01-01T00:00:00.000001Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", iso(ids.CLOCK.now_us()))


def _counter(number: int) -> int:
    return (number >> 64 & 0xFFF) << 6 | number >> 56 & 0x3F


@given(st.uuids())
def test_a_packed_id_unpacks_to_itself(value: uuid.UUID) -> None:
    packed = ids.pack_id(str(value))
    assert packed == value.bytes
    assert ids.unpack_id(packed) == str(value)


@given(st.text("0123456789abcdefABCDEF- x", max_size=40))
def test_ids_that_are_no_uuids_are_kept_as_they_are(text: str) -> None:
    packed = ids.pack_id(text)
    assert ids.unpack_id(packed) == text


@pytest.mark.parametrize(
    "text",
    [
        "0" * 36,
        "00000000-0000-0000-0000-00000000000g",
        "00000000-0000-0000-0000-00000000000A",
        "000000000-000-0000-0000-000000000000",
        "00000000-0000-0000-0000-0000000000 0",
        "",
    ],
)
def test_what_only_looks_like_a_uuid_is_not_packed(text: str) -> None:
    assert ids.pack_id(text) == text

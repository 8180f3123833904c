import enum
from datetime import UTC, datetime

import freezegun
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.events import (
    MAX_ATTRIBUTE_BYTES,
    MAX_ATTRIBUTES,
    MAX_EVENT_BYTES,
    Codec,
    Detail,
    Event,
    Failure,
    Invocation,
    Outcome,
    PhaseChange,
    SessionEnd,
)
from sbhooks.events import TestResult as Result
from sbhooks.limits import CUT, bounded, encode_bounded
from sbhooks.spool import MAX_LINE_BYTES

CODEC = Codec()
ANY_TEXT = st.text(st.characters(), max_size=50)  # lone surrogates, too


def invocation(**fields: object) -> Invocation:
    return Invocation(
        **{"source": "test", "session": "s", "skill": "x", "outcome": Outcome.SUCCESS} | fields  # type: ignore[arg-type]
    )


def read_back(event: Event) -> Event:
    return CODEC.decode(encode_bounded(event))


def test_an_ordinary_event_comes_back_equal() -> None:
    event = invocation(duration_s=1.5, attributes={"a": "b", "n": 1, "f": 0.5, "t": True})
    assert read_back(event) == event
    assert encode_bounded(event) == CODEC.encode(event)


@given(
    attributes=st.dictionaries(
        ANY_TEXT,
        ANY_TEXT | st.integers() | st.floats() | st.booleans() | st.none() | st.binary(),
        max_size=50,
    ),
    skill=st.text(min_size=1, max_size=5_000),
    texts=st.lists(ANY_TEXT | st.text(max_size=5_000), max_size=200),
)
def test_whatever_is_recorded_is_readable_and_within_the_limits(
    attributes: dict[str, object], skill: str, texts: list[str]
) -> None:
    line = encode_bounded(invocation(skill=skill, alternatives=texts, attributes=attributes))
    event = CODEC.decode(line)
    assert len(line) <= MAX_EVENT_BYTES
    assert len(event.attributes) <= MAX_ATTRIBUTES
    assert len(msgspec.json.encode(event.attributes)) <= MAX_ATTRIBUTE_BYTES
    assert b"\n" not in line


def test_what_fits_is_not_touched_and_what_does_not_is_counted() -> None:
    fits = invocation(attributes={f"k{i}": "v" for i in range(MAX_ATTRIBUTES)})
    assert read_back(fits).attributes == fits.attributes
    over = invocation(attributes={f"k{i}": "v" for i in range(MAX_ATTRIBUTES + 1)})
    kept = read_back(over).attributes
    assert kept == {f"k{i}": "v" for i in range(MAX_ATTRIBUTES - 1)} | {CUT: 2}


def test_attributes_are_cut_by_size_even_when_they_are_few() -> None:
    exact = {"k": "v" * (MAX_ATTRIBUTE_BYTES - len('{"k":""}'))}
    assert read_back(invocation(attributes=exact)).attributes == exact
    more = {"k": exact["k"] + "v", "n": 1}
    kept = read_back(invocation(attributes=more)).attributes
    assert kept == {"k": "v" * 499 + "…", "n": 1, CUT: 1}


def test_readers_find_what_was_cut_under_a_name_that_stays() -> None:
    assert CUT == "sbhooks.cut"


def test_a_long_name_of_an_attribute_is_cut() -> None:
    kept = read_back(invocation(attributes={"k" * 5_000: 1})).attributes
    assert kept == {"k" * 99 + "…": 1, CUT: 1}


def test_attributes_that_do_not_fit_together_are_dropped_from_the_first_that_does_not() -> None:
    many = {f"{i:02}": "v" * 499 for i in range(10)}
    kept = read_back(invocation(attributes=many)).attributes
    dropped = kept.pop(CUT)
    assert list(kept) == [f"{i:02}" for i in range(len(kept))]
    assert (len(kept), dropped) == (8, 2)
    assert set(kept.values()) == {"v" * 499}


def test_a_long_text_is_cut_and_says_so() -> None:
    event = read_back(invocation(query="q" * 1_000_000))
    assert isinstance(event, Invocation)
    assert event.query == "q" * 1_999 + "…"
    assert event.attributes == {CUT: 1}


def test_a_text_of_exactly_the_limit_is_kept() -> None:
    event = bounded(invocation(query="q" * 2_000, workflow="w" * 2_001))
    assert isinstance(event, Invocation)
    assert event.query == "q" * 2_000
    assert event.workflow == "w" * 1_999 + "…"
    assert event.attributes[CUT] == 1


def test_a_long_list_is_cut_and_counted_once() -> None:
    event = bounded(invocation(alternatives=["a"] * 101, follow_up_actions=["f"] * 100))
    assert isinstance(event, Invocation)
    assert event.alternatives == ["a"] * 100
    assert event.follow_up_actions == ["f"] * 100
    assert event.attributes == {CUT: 1}


def test_texts_in_tables_and_nested_structs_are_cut() -> None:
    counts = {f"{i}{'k' * 3_000}": i for i in range(150)}
    end = bounded(SessionEnd(source="t", session="s", outcome=Outcome.ERROR, counts=counts))
    assert isinstance(end, SessionEnd)
    assert len(msgspec.json.encode(end)) <= MAX_EVENT_BYTES
    assert end.attributes[CUT] == 51
    assert list(end.counts.values()) == list(range(50))
    failed = Result(
        source="t", session="s", test="x", outcome=Outcome.FAILURE, detail=Detail.FAILED,
        failure=Failure(fingerprint="f", message="m" * 100_000),
    )  # fmt: skip
    cut = read_back(failed)
    assert isinstance(cut, Result)
    assert cut.failure == Failure(fingerprint="f", message="m" * 1_999 + "…")


def test_lists_of_characters_that_grow_in_json_still_fit() -> None:
    event = invocation(alternatives=["\0" * 5_000] * 200, follow_up_actions=["\x01" * 5_000] * 200)
    line = encode_bounded(event)
    assert len(line) <= MAX_EVENT_BYTES < MAX_LINE_BYTES
    assert CODEC.decode(line).attributes[CUT] == 42  # the lists, and twenty texts in each


def test_names_that_are_not_utf8_are_written_with_escapes() -> None:
    event = read_back(invocation(skill="caf\udce9", attributes={"p\udcff": "\udc80"}))
    assert isinstance(event, Invocation)
    assert event.skill == "caf\\udce9"
    assert event.attributes == {"p\\udcff": "\\udc80"}


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), float("inf"), -float("inf"), [1], {"a": 1}, b"x", object(), 1 << 65],
)
def test_an_attribute_that_readers_would_refuse_is_dropped_and_the_event_kept(
    value: object,
) -> None:
    event = read_back(invocation(attributes={"bad": value, "good": 1}))
    assert event.attributes == {"good": 1, CUT: 1}


@pytest.mark.parametrize("value", [2**64 - 1, -(2**64) + 1, 0, 1e308, -0.5, "", False])
def test_every_other_attribute_is_kept_exactly(value: object) -> None:
    kept = read_back(invocation(attributes={"k": value})).attributes["k"]
    assert (type(kept), kept) == (type(value), value)


class Text(str):
    pass


class Real(float):
    pass


class Whole(int):
    pass


class Colour(enum.StrEnum):
    RED = "red"


def test_values_of_subclasses_are_recorded_as_plain_ones() -> None:
    event = invocation(
        skill=Text("x" * 3_000), duration_s=Real(0.25), selection_rank=Whole(3),
        attributes={"t": Text("a"), "r": Real(1.5), "w": Whole(7), "c": Colour.RED},
    )  # fmt: skip
    read = read_back(event)
    assert isinstance(read, Invocation)
    assert (read.skill, read.duration_s, read.selection_rank) == ("x" * 1_999 + "…", 0.25, 3)
    assert read.attributes == {"t": "a", "r": 1.5, "w": 7, "c": "red", CUT: 1}
    assert read.outcome is Outcome.SUCCESS


def test_a_frozen_time_is_recorded_as_it_is() -> None:
    with freezegun.freeze_time("2020-02-03 04:05:06.789"):
        event = invocation(at=datetime.now(UTC))
        line = encode_bounded(event)
    assert CODEC.decode(line).at == datetime(2020, 2, 3, 4, 5, 6, 789000, UTC)


def test_identity_is_never_cut() -> None:
    event = bounded(PhaseChange(source="t", session="s", workflow="w", id="i" * 3_000))
    assert event.id == "i" * 3_000


def test_what_json_has_no_form_for_is_an_error() -> None:
    with pytest.raises(TypeError):
        encode_bounded(invocation(query=object()))

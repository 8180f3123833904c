"""Values of secret variables are taken out of texts, however these quote them."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from _pytest._io.saferepr import saferepr
from hypothesis import given
from hypothesis import strategies as st

from sbhooks_pytest.masks import SHORTEST_PIECE, Masks, _forms
from sbhooks_pytest.privacy import _hints

MARK = "[redacted]"
WAYS = [
    str,
    repr,
    ascii,
    json.dumps,
    quote,
    quote_plus,
    lambda value: repr(value.encode()),
    lambda value: repr({"token": value}),
    lambda value: repr(repr(value)),
    lambda value: repr([f"Bearer {value}"]),
]
LETTERS = st.characters(min_codepoint=33, max_codepoint=0x17F)
PLAIN = "assert  == 'x' where is the answer"


def hide(text: str, *secrets: str) -> str:
    return Masks(secrets, MARK).hide(text)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "secret", [r"corp\jdoe-Passw0rd", 'it\'s "both" quotes', "naïve-пароль-1", "a b&c=d/e%f+g"]
)
def test_no_way_of_quoting_lets_it_through(way: object, secret: str) -> None:
    written = way(secret)  # type: ignore[operator]
    hidden = hide(f"assert {written} == 'x'", secret)
    assert MARK in hidden
    assert hidden.startswith("assert ")
    assert hidden.endswith(" == 'x'")
    assert not any(piece in hidden for piece in (secret, "jdoe", "both", "пароль"))


@given(st.text(LETTERS, min_size=8, max_size=600))
def test_an_elided_middle_leaves_no_piece_at_its_ends(secret: str) -> None:
    hidden = hide(f"assert {saferepr(secret)} == 'x'", secret)
    body = repr(secret)[1:-1]
    for piece in (body[:6], body[-6:]):
        assert piece not in hidden or piece in PLAIN + MARK


def test_lines_of_a_key_are_taken_out_one_by_one() -> None:
    key = "-----BEGIN-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END-----"
    assert hide("E  MIIEvQIBADANBg", key) == f"E  {MARK}"
    assert hide(f"got {key!r}", key) == f"got '{MARK}'"


def test_where_a_text_was_cut_the_begin_of_a_value_goes_too() -> None:
    masks = Masks(["correct-horse-battery"], MARK)
    assert masks.hide("it was correct-hor", cut=True) == f"it was {MARK}"
    assert masks.hide("it was correct-hor") == "it was correct-hor"


def test_short_overlaps_and_ordinary_words_stay() -> None:
    assert len("cor") < SHORTEST_PIECE
    for text in ("a cor...rse, and a horse", "nothing to hide"):
        assert hide(text, "correct-horse") == text
    assert hide("nothing to hide") == "nothing to hide"


@given(st.text(LETTERS, min_size=8, max_size=600))
def test_a_text_without_any_hint_holds_the_value_in_no_form(secret: str) -> None:
    hints = _hints(secret)
    assert all(any(hint in form for hint in hints) for form in _forms(secret))

"""The garbage collector rests as long as anybody wants it to, and no longer."""

import gc
from collections.abc import Iterator

import pytest

from sbhooks.garbage import no_cycles


@pytest.fixture(autouse=True)
def enabled() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_rests_inside_and_works_again_behind() -> None:
    with no_cycles():
        with no_cycles():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_lets_it_work_again() -> None:
    with pytest.raises(ValueError, match="x"), no_cycles():
        raise ValueError("x")
    assert gc.isenabled()


def test_whoever_has_switched_it_off_finds_it_off() -> None:
    gc.disable()
    with no_cycles():
        pass
    assert not gc.isenabled()

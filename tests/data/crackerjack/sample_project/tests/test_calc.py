"""Tests for demo_pkg.calc."""

import pytest
from demo_pkg.calc import add, divide


def test_add() -> None:
    assert add(1, 2) == 3


def test_divide() -> None:
    assert divide(6, 3) == 2


def test_divide_by_zero() -> None:
    with pytest.raises(ValueError, match="division by zero"):
        divide(1, 0)

"""Ordinary tests, a parametrised one, and one that is flaky for a very common reason."""

import pytest

from shop.cart import Cart


@pytest.fixture
def cart():
    cart = Cart()
    cart.add("book-atlas", 3_950)
    cart.add("pen-blue", 190, quantity=3)
    cart.add("bag-linen", 1_200)
    return cart


def test_total_adds_up(cart):
    assert cart.total() == 3_950 + 3 * 190 + 1_200


def test_the_same_article_twice_is_one_line(cart):
    cart.add("pen-blue", 190)
    assert cart.lines["pen-blue"] == (190, 4)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(None, 5_720), ("NONE", 5_720), ("SPRING", 5_148), ("STAFF", 4_290)],
)
def test_discount(cart, code, expected):
    assert cart.total(code) == expected


@pytest.mark.parametrize("quantity", [0, -1])
def test_quantity_must_be_positive(cart, quantity):
    with pytest.raises(ValueError, match="at least 1"):
        cart.add("pen-blue", 190, quantity=quantity)


def test_first_tag(cart):
    # Flaky: a set has no order, and Python orders strings anew in each process.
    assert next(iter(cart.tags())) in {"book", "bag"}


@pytest.mark.xfail(reason="currencies are not supported")
def test_currency(cart):
    assert cart.total("EUR") == "57.20 EUR"

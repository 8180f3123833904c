"""A slow test, a skipped one, and one that waits."""

import os
import pathlib
import random
import sys
import time

import pytest

from shop.search import index, search


@pytest.fixture(scope="module")
def names():
    letters = random.Random(7)
    return ["".join(letters.choices("aeiklmnorst", k=60)) for _ in range(1_500)]


def test_every_name_finds_itself(names):
    """Slow: it does a lot, and the second commit makes it do more."""
    grams = index(names)
    for name in names[:2]:
        assert name in search(name[10:40], grams)


def test_nothing_is_found_in_nothing():
    assert search("abcd", index([])) == set()


def test_a_supplier_answers():
    """Waits for somebody else, as integration tests do."""
    time.sleep(0.15)
    waiting = os.environ.get("SHOP_SUPPLIER_HANGS")
    if waiting:
        pathlib.Path(waiting).write_text("waiting")
        time.sleep(600)


@pytest.mark.skipif(sys.platform != "win32", reason="only on Windows")
def test_registry():
    raise AssertionError

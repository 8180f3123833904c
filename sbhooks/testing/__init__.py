"""For the tests of whoever extends sbhooks: a reference store, contracts, factories, strategies."""

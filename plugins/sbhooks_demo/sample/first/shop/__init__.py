"""A tiny shop: what the demo's tests are about."""

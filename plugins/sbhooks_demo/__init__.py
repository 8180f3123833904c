"""The demo: real test runs of a small sample project, and what can be learned from them."""

"""Answers from recorded events: what is used, what ran, which tests are slow, flaky, broken."""

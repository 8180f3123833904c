"""Keeps events in SQLite."""

"""Keeps what sbhooks records in one readable file."""

"""Tells a chat room when a recorded run has failed."""
